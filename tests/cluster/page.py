"""docs/operations.md as a script: its code blocks say in their first line where they belong, and
the tests run them as an operator would.

    # on db1                       a shell script, run as root on that host
    # on web1 and web2             on each of these hosts, one after the other
    # /etc/sitewire/user.env on app1, app2 and app3      a file, with the block as its content
"""
import os
import re

from lab import ROOT

NAME = os.path.join(ROOT, "docs", "operations.md")
SCRIPT = re.compile(r"# on ([\w, ]+)$")
FILE = re.compile(r"# (/\S+) on ([\w, ]+)$")


class Block:
    """`file` is None for a script."""

    def __init__(self, section, text):
        first, _, rest = text.partition("\n")
        script, file = SCRIPT.match(first), FILE.match(first)
        if not script and not file:
            raise AssertionError(f"{NAME}, {section}: the first line of a block says where it runs, not: {first}")
        self.section, self.file = section, file[1] if file else None
        self.names = re.findall(r"\w+", (file[2] if file else script[1]).replace(" and ", " "))
        self.text = rest if script else text

    def write(self, host, text):
        path = host.path(self.file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, lab, words):
        """On its hosts that the lab has; what it printed. words: what stands for what in it."""
        text, printed = self.text, ""
        if words:
            text = re.sub(rf"\b({'|'.join(words)})\b", lambda found: words[found[1]], text)
        for host in lab.hosts_of([words.get(name, name) for name in self.names if words.get(name, name) in lab.by_name]):
            if self.file:
                self.write(host, text)
            else:
                printed += host.sh(text)
        return printed


def sections():
    """{heading: [Block]} of the page, in order."""
    with open(NAME, encoding="utf-8") as file:
        parts = re.split(r"^##+ (.*)$", file.read(), flags=re.M)
    return {heading: [Block(heading, text) for text in re.findall(r"^```\w+\n(.*?)^```$", body, re.M | re.S)]
            for heading, body in zip(parts[1::2], parts[2::2])}


def run(lab, heading, **words):
    """Runs the blocks of a section; what the last one printed. Fails if there are none. CODE stands
    for the last line that the block before printed: a one-time code."""
    printed = ""
    blocks = sections()[heading]
    if not blocks:
        raise AssertionError(f"{NAME}: no commands under {heading}")
    for block in blocks:
        last = printed.strip().splitlines()[-1:]
        printed = block.run(lab, words | ({"CODE": last[0]} if last else {}))
    return printed
