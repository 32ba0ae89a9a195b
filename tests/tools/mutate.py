#!/usr/bin/env python3
"""Changes a source file in one small way after the other and runs its tests: a change that no test
notices shows what is not tested. Run as `./dev mutate FILE`; works on a copy of the tree, in
.cache/mutate."""
import argparse
import os
import random
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COPY = os.path.join(ROOT, ".cache", "mutate")

# What is replaced (a pattern in code without comments and strings), and by what.
RULES = (
    (r"(?<![<>=!+\-*/&|^%])<(?![<=])", "<=", "< to <="), (r"<=", "<", "<= to <"),
    (r"(?<![<>=!\-])>(?![>=])", ">=", "> to >="), (r"(?<![>\-])>=", ">", ">= to >"),
    (r"==", "!=", "== to !="), (r"!=", "==", "!= to =="),
    (r"&&", "||", "&& to ||"), (r"\|\|", "&&", "|| to &&"),
    (r"\+\+", "--", "++ to --"), (r"--", "++", "-- to ++"),
    (r"\+=", "-=", "+= to -="), (r"-=", "+=", "-= to +="),
    (r"(?<![+\w)]) ?\+ (?=\w)", " - ", "+ to -"), (r"(?<=[\w)]) - (?=\w)", " + ", "- to +"),
    (r"\btrue\b", "false", "true to false"), (r"\bfalse\b", "true", "false to true"),
    (r"\bif \(", "if (!!0 && ", "condition never true"), (r"\bif \(", "if (!!1 || ", "condition always true"),
    (r"^(\s*)([\w\->.\[\]]+(?:\(.*\)| [-+|&]?= .*|\+\+|--));$", r"\1;", "statement removed"),
    (r"\breturn SW_OK;", "return SW_INTERNAL;", "OK to a failure"),
)


def code_of(text):
    """The text with comments, strings and preprocessor lines blanked, at the same places."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank, text, flags=re.M)


def mutants(text):
    """Every change: (line, what, new text)."""
    code, found = code_of(text), []
    for pattern, replacement, what in RULES:
        for match in re.finditer(pattern, code, flags=re.M):
            if code[:match.start()].count("{") == code[:match.start()].count("}"):
                continue  # outside of functions and tables
            new = text[:match.start()] + match.expand(replacement) + text[match.end():]
            if new != text:
                found.append((text.count("\n", 0, match.end()) + 1, what, new))
    return sorted(found, key=lambda each: each[:2])


def tests_of(file):
    """The tests that mirror a source file: those of its folder's name, and store tests for the
    store and the services."""
    parts = file.split(os.sep)
    names = {part for part in parts[1:-1]} | {os.path.splitext(parts[-1])[0]}
    if parts[0] == "clients" and "c" in names:
        names.add("client")
    chosen = []
    for folder, _, files in os.walk(os.path.join(ROOT, "tests", "unit")):
        if os.path.basename(folder) in names:
            chosen += [os.path.splitext(each)[0] for each in files if each.startswith("test_") and each.endswith(".c")]
    if names & {"store", "service"}:
        chosen += [os.path.splitext(each)[0] for each in os.listdir(os.path.join(ROOT, "tests", "store"))
                   if each.startswith("test_") and each.endswith(".c")]
    return sorted(set(chosen))


def run(words, seconds, quiet=True):
    try:
        done = subprocess.run(words, cwd=COPY, capture_output=quiet, text=True, timeout=seconds, check=False)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def copy_tree():
    """The tracked and new files as they are now, without touching those that are the same (so
    little is built)."""
    os.makedirs(COPY, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(COPY, name)
        if not os.path.isfile(source):
            continue
        with open(source, "rb") as file:
            content = file.read()
        if os.path.exists(target):
            with open(target, "rb") as file:
                if file.read() == content:
                    continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)
    gone = set(filter(None, files))
    for folder, folders, names in os.walk(COPY):
        folders[:] = [each for each in folders if each != "build"]
        for name in names:
            if os.path.relpath(os.path.join(folder, name), COPY) not in gone:
                os.remove(os.path.join(folder, name))


def build(tests):
    return run(["ninja", "-C", "build", "--quiet", *tests], 900)


def test(tests, seconds):
    return run(["ctest", "--test-dir", "build", "-j", "2", "--stop-on-failure", "--timeout", str(seconds), "-R",
                "/(" + "|".join(tests) + ")$"], seconds * len(tests) + 60)


def main():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("file", help="a C source below src/ or clients/")
    parser.add_argument("--count", type=int, default=25, help="how many changes, drawn at random (default: 25); 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    parser.add_argument("--tests", default="", help="names of tests, separated by commas (default: those of its folder)")
    parser.add_argument("--line", default="", help="only changes of these lines, as 40 or 40-60")
    options = parser.parse_args()
    file = os.path.relpath(os.path.abspath(options.file), ROOT)
    if not re.match(r"(src|clients)/.*\.c$", file) or not os.path.exists(os.path.join(ROOT, file)):
        parser.error(f"{options.file} is not a C source below src/ or clients/")
    tests = options.tests.split(",") if options.tests else tests_of(file)
    if not tests:
        parser.error(f"no test has the name of a folder of {file}: give --tests")
    with open(os.path.join(ROOT, file), encoding="utf-8") as source:
        text = source.read()
    drawn = mutants(text)
    if options.line:
        first, _, last = options.line.partition("-")
        drawn = [each for each in drawn if int(first) <= each[0] <= int(last or first)]
    if 0 < options.count < len(drawn):
        drawn = sorted(random.Random(options.seed).sample(drawn, options.count), key=lambda each: each[:2])
    copy_tree()
    print(f"{len(drawn)} changes of {file}; tests: {' '.join(tests)}", flush=True)
    if not os.path.exists(os.path.join(COPY, "build", "build.ninja")) and not run(
            ["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_C_COMPILER_LAUNCHER=ccache",
             "-DCMAKE_BUILD_TYPE=Debug", "-DSITEWIRE_SANITIZE=address,undefined"], 300):
        sys.exit("mutate: cmake failed in " + COPY)
    if not build(tests):
        sys.exit("mutate: the unchanged tree does not build: try ./dev build")
    begin = time.monotonic()
    if not test(tests, 300):
        sys.exit("mutate: the tests of the unchanged tree fail: try ./dev test " + tests[0])
    limit = int(5 * (time.monotonic() - begin)) + 10
    target, survived, killed, invalid = os.path.join(COPY, file), [], 0, 0
    for line, what, new in drawn:
        with open(target, "w", encoding="utf-8") as source:
            source.write(new)
        if not build(tests):
            invalid += 1  # the compiler noticed
        elif test(tests, limit):
            survived.append((line, what))
            print(f"{file}:{line}: survived: {what}: {text.splitlines()[line - 1].strip()}", flush=True)
        else:
            killed += 1
    with open(target, "w", encoding="utf-8") as source:
        source.write(text)
    print(f"{len(drawn)} changes: {killed} noticed by tests, {invalid} by the compiler, {len(survived)} survived")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
