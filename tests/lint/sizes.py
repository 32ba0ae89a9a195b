"""A file has at most 800 lines, a folder at most twenty files (a .c and its .h count as one)."""
import collections
import os

from common import Finding, files, lines, our_c

LINES, FILES = 800, 20


def check():
    for path in our_c() + files("tests/*.[ch]", "*.py", "*.sql", "dev"):
        if len(lines(path)) - 1 > LINES:
            yield Finding(path, path, f"{len(lines(path)) - 1} lines; {LINES} are too many: split it by subject")
    folders = collections.defaultdict(set)
    for path in our_c():
        folders[os.path.dirname(path)].add(os.path.splitext(path)[0])
    for folder, subjects in folders.items():
        if len(subjects) > FILES:
            yield Finding(folder, folder, f"{len(subjects)} subjects; more than {FILES} are hard to survey: split the folder")
