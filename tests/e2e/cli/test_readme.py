#!/usr/bin/env python3
"""README.md, "The first five minutes": `./dev run`, then every command there, in order, as a reader
would paste it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ROOT, SITEWIRE, is_alive, wait_for  # noqa: E402


def commands():
    """The lines of README's shell blocks, without the first one, which finds the demo system."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```sh\n(.*?)^```$", file.read(), re.M | re.S)
    lines = "".join(blocks).splitlines()
    assert lines[0] == ". .cache/demo/env; PATH=$PWD/build/bin:$PATH", lines[0]
    return lines[1:]


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sitewire-readme-")
        os.chmod(self.folder, 0o755)  # PostgreSQL's user passes through it
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = os.path.join(self.folder, "demo")
        self.addCleanup(self.end)

    def end(self):
        """As `./dev run` says: the lock holds the pid of `sitewire up`."""
        try:
            with open(os.path.join(self.data, "lock"), encoding="utf-8") as file:
                pid = int(file.read())
        except (FileNotFoundError, ValueError):
            return
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not is_alive(pid), "the demo system ends")

    def run_shell(self, text):
        path = os.path.dirname(SITEWIRE) + ":" + os.environ["PATH"]
        return subprocess.run(["bash", "-c", text], cwd=ROOT, env={**os.environ, "SITEWIRE_DATA": self.data, "PATH": path},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)

    def run_line(self, line):
        command = f". {self.data}/env\n{line}"
        if "--at" in line:  # a reader types slower: what is asked for must be old enough
            wait_for(lambda: self.run_shell(command).returncode == 0, line)
        done = self.run_shell(command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(done.stdout, "it says something")

    def test_every_command(self):
        demo = self.run_shell("./dev run")
        self.assertEqual(demo.returncode, 0, demo.stdout + demo.stderr)
        self.assertIn(f". {self.data}/env; PATH=", demo.stdout)
        found = commands()
        self.assertGreater(len(found), 25)
        for line in found:
            with self.subTest(line):
                self.run_line(line)


if __name__ == "__main__":
    unittest.main()
