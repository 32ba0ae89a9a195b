#!/usr/bin/env python3
"""Adds up what `ctest --output-junit FILE --test-output-size-passed 1000000` wrote: summary.py
FILE...

Counts test functions, not files: those of cmocka and of unittest by what they print. A file that
ends badly without naming a failed test (a crash, a timeout) counts as one failure; one that passes
without naming any counts as one. Names every failed and every skipped test, with the reason. The
last line is `N passed, N failed, N skipped`. The exit status is 1 when anything failed or nothing
ran.
"""
import re
import sys
import xml.etree.ElementTree

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+)$")
# A test that prints has its result on a later line than its name.
UNITTEST_NAME = re.compile(r"(\w+) \((__main__\.\S+)\)")
UNITTEST_RESULT = re.compile(r"(?:^|\.\.\. )(ok|FAIL|ERROR|expected failure|unexpected success|skipped (['\"]).*\2)$")
WORDS = {"OK": "passed", "ok": "passed", "expected failure": "known", "SKIPPED": "skipped"}


class Totals:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def seen(self):
        return self.passed + len(self.failed) + len(self.skipped)

    def add(self, word, name, reason=""):
        kind = "skipped" if word.startswith("skipped") else WORDS.get(word, "failed")
        if kind == "known":  # fails, as its test says it must until something is put right
            self.skipped.append(f"{name}: known to fail")
        elif kind == "passed":
            self.passed += 1
        else:
            getattr(self, kind).append(f"{name}: {reason}" if reason else name)


def add_cmocka(totals, file, lines):
    """cmocka's skip() gives no reason: tests print it just before."""
    before, listed = "", False
    for line in lines:
        found = CMOCKA.match(line)
        listed = listed or line.startswith("[==========]") and "run." in line  # afterwards it repeats the failures
        if found and not listed:
            totals.add(found[1], f"{file}: {found[2]}", before if found[1] == "SKIPPED" else "")
        before = "" if line.startswith("[") else line.strip()


def add_unittest(totals, file, lines):
    name = "?"
    for line in lines:
        if line.startswith("=" * 70) or line.startswith("-" * 70):  # what follows repeats it
            return
        named = UNITTEST_NAME.search(line)
        name = named[1] if named else name
        result = UNITTEST_RESULT.search(line)
        if result:
            word = result[1]
            totals.add(word, f"{file}: {name}", word[9:-1] if word.startswith("skipped") else "")


def add_case(totals, case):
    file, status = case.get("name"), case.get("status")
    lines = (case.findtext("system-out") or "").splitlines()
    failed, seen = len(totals.failed), totals.seen()
    if case.find("skipped") is not None:
        totals.add("SKIPPED", file, case.find("skipped").get("message") or (lines[-1] if lines else ""))
        return
    (add_cmocka if any(line.startswith("[=====") for line in lines) else add_unittest)(totals, file, lines)
    if status == "fail" and len(totals.failed) == failed:
        totals.failed.append(f"{file}: {(case.find('failure').get('message') or 'failed')}, no test named")
    elif status == "run" and totals.seen() == seen:
        totals.passed += 1


def main(files):
    totals = Totals()
    for path in files:
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            add_case(totals, case)
    for word, names in (("skipped", totals.skipped), ("FAILED", totals.failed)):
        for name in names:
            print(f"{word} {name}")
    print(f"{totals.passed} passed, {len(totals.failed)} failed, {len(totals.skipped)} skipped")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
