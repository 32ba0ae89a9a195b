"""No files use each other's symbols in a circle, except declared pairs. Read from the objects, so
no include hides it.

cycles.txt declares what may: one group of files per line, and the reason.
"""
import os
import subprocess
import sys

from common import ROOT, Finding, built

DECLARED = "tests/lint/cycles.txt"


def symbols(path):
    """The symbols an object defines for others, and those that it wants."""
    defined, wanted = set(), set()
    done = subprocess.run(["nm", "-P", path], capture_output=True, text=True, check=True)
    for line in done.stdout.split("\n"):
        name, kind = (line.split() + ["", ""])[:2]
        if kind == "U":
            wanted.add(name)
        elif kind in tuple("TDBRVWC"):
            defined.add(name)
    return defined, wanted


def uses():
    """{file: {file it uses: the symbols}}. Each program's main.c stands for itself."""
    tables = {path: symbols(entry[0]) for path, entry in built().items() if path.endswith(".c")}
    owner = {name: path for path, (defined, _) in tables.items() for name in defined if name != "main"}
    graph = {path: {} for path in tables}
    for path, (_, wanted) in tables.items():
        for name in wanted:
            if owner.get(name, path) != path:
                graph[path].setdefault(owner[name], set()).add(name)
    return graph


def circles(graph):
    """The strongly connected groups of two and more files (Tarjan)."""
    sys.setrecursionlimit(10000)
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1:
                found.append(sorted(group))
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def declared():
    """{line number: files}"""
    with open(os.path.join(ROOT, DECLARED), encoding="utf-8") as file:
        parts = {number: line.split(":")[0].split() for number, line in enumerate(file, 1) if not line.startswith("#")}
    return {number: sorted(files) for number, files in parts.items() if files}


def explain(graph, group):
    for path in group:
        for other in sorted(set(graph[path]) & set(group)):
            names = sorted(graph[path][other])
            yield f"    {path} uses {', '.join(names[:4])}{' ...' if len(names) > 4 else ''} of {other}"


def check():
    graph = uses()
    found, allowed = circles(graph), declared()
    for number, group in allowed.items():
        if group not in found:
            yield Finding(f"{DECLARED}:{number}", f"declared {group[0]}", "is no circle any more; delete the line")
    for group in found:
        if group not in allowed.values():
            yield Finding(group[0], " ".join(group), f"{len(group)} files use each other; move what they share below "
                          "them, or report upwards through a callback\n" + "\n".join(explain(graph, group)))
