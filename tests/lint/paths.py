#!/usr/bin/env python3
"""Names of files that do not exist: links of Markdown pages, and paths in pages, comments and messages. Decisions that
their index does not list. Used by `./dev lint`; run it in the repository."""
import fnmatch
import os
import re
import subprocess
import sys

PATH = re.compile(r"(?<![\w./${}<>-])((?:src|clients|include|proto|sql|tests|docs|cmake)/[\w./*{},-]*\w(?:\.\w+|/)?)")
ENDINGS = (".c", ".h", ".md", ".sql", ".proto", ".py", ".sh", ".awk", ".cmake", ".map", ".jsonl", ".txt")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True,
                         text=True).stdout.split("\n")
    return [name for name in out if name and os.path.isfile(name)]


def alternatives(path):
    """`a/{b,c}.h` is two paths."""
    braces = re.search(r"\{([^{}]*)\}", path)
    if not braces:
        return [path]
    return [one for word in braces[1].split(",") for one in alternatives(path[:braces.start()] + word + path[braces.end():])]


def exists(path, names, folders):
    path = path.rstrip("/")
    return path in names or path in folders or ("*" in path and any(fnmatch.fnmatch(name, path) for name in names))


def missing(name, text, names, folders):
    is_decision = name.startswith("docs/decisions/0")  # it speaks of its time
    for number, line in enumerate(text.split("\n"), 1):
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
    with open("docs/decisions/README.md", encoding="utf-8") as file:
        index = file.read()
    return [name for name in sorted(names) if name.startswith("docs/decisions/0") and os.path.basename(name) not in index]


def main():
    names = set(tracked())
    folders = {name[:i] for name in names for i in range(len(name)) if name[i] == "/"}
    bad = False
    for name in unlisted(names):
        print(f"{name}:1: docs/decisions/README.md does not list it: add a line there")
        bad = True
    for name in sorted(names):
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue
        for number, path in missing(name, text, names, folders):
            print(f"{name}:{number}: {path} does not exist: name the file that took its place")
            bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main())
