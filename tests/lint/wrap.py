#!/usr/bin/env python3
"""Wraps the comments that tests/lint/prose.py finds too wide: wrap.py [FILE...]; without names, all
of the repository.

What is too much for a line goes to the start of the next line of the same paragraph, or to a new
line. Comments after code and Markdown are left to their author.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import prose  # noqa: E402
from common import ROOT, lines  # noqa: E402

C_START = re.compile(r"^(\s*)/\*+ ")
C_NEXT = re.compile(r"^(\s*)(\* |// )")
LIST = re.compile(r"^([-*+@] |\d+[.)] |  |/|$)")


def prefix_of(line, path):
    """(what stands before the text, what stands before the text of a line that follows)."""
    kind = os.path.splitext(path)[1]
    if kind in (".c", ".h", ".proto"):
        start, following = C_START.match(line), C_NEXT.match(line)
        if start:
            return start[0], start[1] + " * "
        return (following[0], following[0]) if following else (None, None)
    mark = prose.MARKS.get(kind)
    found = re.match(r"^(\s*)" + re.escape(mark) + " ", line) if mark else None
    if found:
        return found[0], found[0]
    if kind == ".py":
        indent = re.match(r'^\s*(?:""")?', line)[0]
        return indent, indent.replace('"""', "")
    return None, None


def continues(line, after, rest):
    """The text of the next line, if it belongs to the same paragraph. After a full stop, small
    letters begin none."""
    text = line[len(after):] if line.startswith(after) else None
    if text is None or LIST.match(text) or text.startswith('"""'):
        return None
    return None if rest.endswith((".", ":")) and text[0].islower() else text


def split(line, first):
    """The line up to the last space that fits, and the rest; the rest is empty where no space
    does."""
    at = line.rfind(" ", len(first), prose.WIDTH + 1)
    if at < 0 or line[at + 1:] == "*/":
        at = line.rfind(" ", len(first), at) if at > 0 else -1
    return (line[:at].rstrip(), line[at + 1:]) if at > 0 else (line, "")


def ends(line, path):
    return "*/" in line if path.endswith((".c", ".h", ".proto")) else path.endswith(".py") and line.endswith('"""')


def wrap(path):
    text, changed = list(lines(path)), False
    wide = set(prose.wide(path))
    index = 0
    while index < len(text):
        line = text[index]
        first, after = prefix_of(line, path) if index + 1 in wide and len(line) > prose.WIDTH else (None, None)
        kept, rest = split(line, first) if first is not None else (line, "")
        if rest:
            changed, text[index] = True, kept
            following = continues(text[index + 1], after, rest) if not ends(line, path) else None
            if following is not None:
                text[index + 1] = after + rest + " " + following
                wide.add(index + 2)
            else:
                text.insert(index + 1, after + rest)
                wide = {number + 1 if number > index + 1 else number for number in wide} | {index + 2}
        index += 1
    if changed:
        with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
            file.write("\n".join(text))
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:] or prose.sources():
        if not name.endswith(".md") and wrap(name):
            print(name)
