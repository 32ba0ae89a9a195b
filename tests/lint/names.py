"""One type name, one type. Types of one .c file may repeat in another, unless they bear the prefix
or are in a header."""
import collections
import re

from common import Finding, lines, our_c

BODY = re.compile(r"^(?:typedef )?(?:struct|union|enum) (\w+)\s*\{")
END = re.compile(r"^\} (?:__attribute__\(\(.*\)\) )?(\w+);")
FUNCTION = re.compile(r"^typedef [^;{]*\(\*(\w+)\)\(")
ALIAS = re.compile(r"^typedef (?!struct |union |enum )[^;{(]* \*?(\w+);")
RENAMED = re.compile(r"^typedef (?:struct|union|enum) (\w+) \*?(\w+);")
MACRO = re.compile(r"^#\s*define (SW_[A-Z0-9_]+)\b")


def defined(path):
    """(name, line) of each type and macro that a file defines. `typedef struct x x;` declares
    only."""
    inside = None
    for number, line in enumerate(lines(path), 1):
        body, end = BODY.match(line), END.match(line)
        renamed = RENAMED.match(line)
        if body:
            inside = body[1]
            yield inside, number
        if end and line.startswith("}") and end[1] != inside:
            yield end[1], number
        if end:
            inside = None
        if renamed and renamed[1] != renamed[2]:
            yield renamed[2], number
        for pattern in (FUNCTION, ALIAS, MACRO):
            found = pattern.match(line)
            if found:
                yield found[1], number


def check():
    places = collections.defaultdict(list)
    for path in our_c():
        for name, number in defined(path):
            places[name].append((path, number))
    for name, found in sorted(places.items()):
        paths = sorted({path for path, _ in found})
        shared = name.lower().startswith("sw_") or any(path.endswith(".h") for path in paths)
        if len(paths) > 1 and shared:
            others = ", ".join(f"{path}:{number}" for path, number in found[1:])
            yield Finding(f"{found[0][0]}:{found[0][1]}", name, f"{name} is also defined in {others}; one name, one meaning")
