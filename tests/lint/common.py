"""What the rules share: findings, the files of the repository, includes."""
import collections
import functools
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SITEWIRE_BUILD", os.path.join(ROOT, "build"))
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]')
INCLUDE_ROOTS = ("src/", "clients/", "include/")

# place: `file:line` or a file; key: what known.txt calls it; text: what is wrong, and the remedy.
Finding = collections.namedtuple("Finding", "place key text")


@functools.lru_cache
def files(*patterns):
    """Paths from the repository's root that match git's patterns: tracked files and new ones that
    are not ignored."""
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    return tuple(path for path in dict.fromkeys(done.stdout.split("\n")) if os.path.isfile(os.path.join(ROOT, path)))


def our_c():
    return files("src/*.[ch]", "clients/*.[ch]", "include/*.h")


@functools.lru_cache(maxsize=None)
def lines(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return tuple(file.read().split("\n"))


def includes(path):
    """(line number, what stands between the brackets)."""
    for number, line in enumerate(lines(path), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1]


@functools.lru_cache(maxsize=None)
def resolve(name):
    """The file of ours that an #include names; None for the system's and for generated ones."""
    return next((root + name for root in INCLUDE_ROOTS if os.path.isfile(os.path.join(ROOT, root + name))), None)


@functools.lru_cache
def built():
    """Sources of ours that the build compiled: {path: (object, every file that the compiler
    read)}."""
    found, target, read = {}, None, []
    done = subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], capture_output=True, text=True, check=True)
    for line in done.stdout.split("\n"):
        if line.startswith("    "):
            read.append(os.path.relpath(os.path.join(BUILD, line.strip()), ROOT))
            if len(read) == 1:
                found.setdefault(read[0], (os.path.join(BUILD, target), read))
        elif ": #deps" in line:
            target, read = line.split(": #deps")[0], []
    return {path: entry for path, entry in found.items() if path in our_c() and os.path.isfile(entry[0])}
