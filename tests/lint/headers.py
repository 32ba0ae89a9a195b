"""Each header compiles by itself. A header that passed is compiled again when it or any other
header changes."""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess

from common import BUILD, ROOT, Finding, files, lines, our_c

CACHE = os.path.join(ROOT, ".cache", "headers")


def flags():
    """Include folders and definitions of the whole build."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        commands = [shlex.split(entry["command"]) for entry in json.load(file)]
    kept = {}
    for words in commands:
        for word, following in zip(words, words[1:] + [""]):
            if word == "-isystem":
                kept[word, following] = None
            elif word.startswith("-I"):
                kept[(word,)] = None
    return [word for key in kept for word in key] + ["-std=gnu17", "-D_GNU_SOURCE", '-DSW_VERSION=""', "-Wall", "-Werror"]


def compile_alone(path, words):
    done = subprocess.run(["gcc", "-fsyntax-only", "-x", "c", *words, "-"], cwd=ROOT, capture_output=True, text=True,
                          check=False, input=f'#include "{os.path.join(ROOT, path)}"\n')
    return done.returncode == 0, done.stderr.strip().split("\n")[0:3]


def check():
    headers, words = [path for path in our_c() + files("tests/lib/*.h") if path.endswith(".h")], flags()
    everything = hashlib.sha256("\n".join(line for path in headers for line in lines(path)).encode())
    everything.update(" ".join(words).encode())
    os.makedirs(CACHE, exist_ok=True)

    def stamp(path):
        return os.path.join(CACHE, hashlib.sha256(everything.digest() + path.encode()).hexdigest())
    todo = [path for path in headers if not os.path.exists(stamp(path))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (good, text) in zip(todo, pool.map(lambda path: compile_alone(path, words), todo)):
            if good:
                with open(stamp(path), "w", encoding="ascii"):
                    pass
            else:
                yield Finding(path, path, "does not compile by itself; include what it needs\n    " + "\n    ".join(text))
