"""Text is at most 100 columns wide: Markdown (tables and links aside) and the lines that are
comments alone.

A comment after code may end where clang-format lets code end.
"""
import ast
import os
import re

from common import Finding, files, lines

WIDTH, CODE_WIDTH = 100, 110
LINK = re.compile(r"\]\([^)]*\)|https?://\S+")
C_ALONE = re.compile(r"^\s*(//|/\*|\*( |/|$))")
MARKS = {".sql": "--", ".py": "#", ".sh": "#", ".txt": "#", ".cmake": "#", "": "#"}


def wide_markdown(path):
    for number, line in enumerate(lines(path), 1):
        if len(line) > WIDTH and not line.lstrip().startswith("|") and len(LINK.sub("]", line)) > WIDTH:
            yield number


def wide_c(path):
    """Comments of C and of .proto files."""
    inside = False
    for number, line in enumerate(lines(path), 1):
        alone = inside or C_ALONE.match(line)
        text = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        if len(line) > (WIDTH if alone else CODE_WIDTH) and (alone or "//" in text or "/*" in text):
            yield number
        if "/*" in text or inside:
            inside = "*/" not in text[text.rfind("/*") if "/*" in text else 0:]


def docstrings(path):
    """The numbers of the lines that are documentation."""
    if not path.endswith(".py"):
        return set()
    bare = [node.value for node in ast.walk(ast.parse("\n".join(lines(path)))) if isinstance(node, ast.Expr)]
    return {number for node in bare if isinstance(node, ast.Constant)
            for number in range(node.lineno, node.end_lineno + 1)}


def wide_marked(path, mark):
    """Comments that begin with a mark; in Python, docstrings too."""
    documentation = docstrings(path)
    for number, line in enumerate(lines(path), 1):
        if len(line) > WIDTH and (number in documentation or line.lstrip().startswith(mark)):
            yield number


def wide(path):
    kind = os.path.splitext(path)[1]
    if kind == ".md":
        return wide_markdown(path)
    if kind in (".c", ".h", ".proto"):
        return wide_c(path)
    return wide_marked(path, MARKS[kind])


def sources():
    return files("*.md", "*.[ch]", "*.proto", "*.sql", "*.py", "*.sh", "*.cmake", "*CMakeLists.txt", "dev", ".ci/run")


def check():
    for path in sources():
        numbers = list(wide(path))
        if numbers:
            yield Finding(f"{path}:{numbers[0]}", path, f"wider than {WIDTH} columns"
                          + (f", as are {len(numbers) - 1} lines after it" if len(numbers) > 1 else "") + "; run ./dev format, or wrap it by hand")
