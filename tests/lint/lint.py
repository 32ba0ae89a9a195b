#!/usr/bin/env python3
"""The rules of this repository that no compiler knows: lint.py [NAME...]. `./dev lint` runs it.

Each rule is a module with `check()`, which yields findings. A finding that known.txt lists passes;
a line of known.txt that matches nothing fails, so that the list can only shrink.
"""
import fnmatch
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import ROOT  # noqa: E402

RULES = ("layers", "cycles", "purity", "headers", "sizes", "names", "prose", "paths", "strangers",
         "protos")
KNOWN = "tests/lint/known.txt"


def known(rule):
    """The patterns of keys that known.txt lists for a rule."""
    with open(os.path.join(ROOT, KNOWN), encoding="utf-8") as file:
        lines = [line.split("#")[0].split(None, 1) for line in file]
    return {line[1].strip() for line in lines if len(line) == 2 and line[0] == rule}


def run(rule):
    """Prints what a rule finds; whether nothing is wrong."""
    passed, failed = known(rule), 0
    unused = set(passed)
    for finding in importlib.import_module(rule).check():
        matching = {pattern for pattern in passed if fnmatch.fnmatchcase(finding.key, pattern)}
        unused -= matching
        if not matching:
            print(f"{finding.place}: {finding.text}")
            failed += 1
    for key in sorted(unused):
        print(f"{KNOWN}: `{rule} {key}` matches nothing any more; delete the line")
    word = "FAILED" if failed or unused else "ok"
    print(f"{rule:<10} {word}{f', {len(passed)} known' if passed else ''}", flush=True)
    return word == "ok"


def main(rules):
    os.chdir(ROOT)
    sys.exit(0 if all([run(rule) for rule in rules or RULES]) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
