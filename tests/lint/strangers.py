"""Nothing names a folder of somebody's machine, or a document that a stranger does not have."""
import os
import re

from common import Finding, files, lines

# Data beside the repository may serve where it is present; it is named in one place each.
FOLDERS = re.compile(r"(?<![\w.$}])/(?:work|root|home|Users|workspace|tmp/wt)/")
DOCUMENTS = re.compile(r"\bshared/\w+\.md|\b[A-Z_]{3,}\.md\b|\bissue #?\d+")
OWN = {"tests/lint/strangers.py"}


def check():
    present = {os.path.basename(path) for path in files("*.md")}
    for path in files("*"):
        if path in OWN or path.startswith("tests/fuzz/corpus/"):
            continue
        for number, line in enumerate(lines(path), 1):
            found = FOLDERS.search(line)
            missing = next((m[0] for m in DOCUMENTS.finditer(line) if m[0] not in present), None)
            if found:
                yield Finding(f"{path}:{number}", f"{path} {found[0]}", f"{found[0]} is a folder of one machine; name none")
            if missing:
                yield Finding(f"{path}:{number}", f"{path} {missing}", f"{missing} is not in the repository; say here what it says")
