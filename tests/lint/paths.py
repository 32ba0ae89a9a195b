"""Links of Markdown pages, and paths in pages, comments and messages, name files that exist. The
index of decisions lists all of them.
"""
import fnmatch
import os
import re

from common import ROOT, Finding, files, lines

PATH = re.compile(r"(?<![\w./${}<>-])((?:src|clients|include|proto|sql|tests|docs|cmake)/[\w./*{},-]*\w(?:\.\w+|/)?)")
ENDINGS = (".c", ".h", ".md", ".sql", ".proto", ".py", ".sh", ".awk", ".cmake", ".map", ".jsonl", ".txt")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def alternatives(path):
    """`a/{b,c}.h` is two paths."""
    braces = re.search(r"\{([^{}]*)\}", path)
    if not braces:
        return [path]
    return [one for word in braces[1].split(",") for one in alternatives(path[:braces.start()] + word + path[braces.end():])]


def exists(path, names, folders):
    path = path.rstrip("/")
    return path in names or path in folders or ("*" in path and any(fnmatch.fnmatch(name, path) for name in names))


def missing(name, names, folders):
    is_decision = name.startswith("docs/decisions/0")  # it speaks of its time
    for number, line in enumerate(lines(name), 1):
        found = [] if is_decision else [
            m[1] for m in PATH.finditer(line) if m[1].endswith(ENDINGS) or name.endswith(".md")]
        for path in (one for word in found for one in alternatives(word)):
            if "NNNN" not in path and not exists(path, names, folders):
                yield number, path
        if name.endswith(".md"):
            for link in LINK.findall(line):
                path = os.path.normpath(os.path.join(os.path.dirname(name), link))
                if path != "." and not exists(path, names, folders):
                    yield number, link


def unlisted(names):
    with open(os.path.join(ROOT, "docs/decisions/README.md"), encoding="utf-8") as file:
        index = file.read()
    return [name for name in sorted(names) if name.startswith("docs/decisions/0") and os.path.basename(name) not in index]


def check():
    names = set(files("*"))
    folders = {name[:i] for name in names for i in range(len(name)) if name[i] == "/"}
    for name in unlisted(names):
        yield Finding(f"{name}:1", name, "docs/decisions/README.md does not list it: add a line there")
    for name in sorted(names):
        if not name.startswith(("tests/fuzz/corpus/", "tests/lint/known.txt", "tests/lint/cycles.txt")):
            for number, path in missing(name, names, folders):
                yield Finding(f"{name}:{number}", f"{name} {path}", f"{path} does not exist: name the file that took its place")
