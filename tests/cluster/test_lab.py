#!/usr/bin/env python3
"""The network of hosts itself: two runs side by side do not see each other, faults do what they
say, and a run that is killed leaves nothing behind."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from lab import wait_for  # noqa: E402
from runner_test import pids_that_say  # noqa: E402

# A run with one host and a process there that outlives its parent.
RUN = """
import sys
sys.path.insert(0, {folder!r})
import lab
host = lab.Lab({{"only": []}}).host("only")
host.sh("setsid sh -c 'sleep 1000; :' {word} >/dev/null 2>&1 &")
print("ready", flush=True)
host.holder.wait()
"""
# Serves on a port of a host, so that others can try to connect.
SERVE = "nohup python3 -m http.server 8000 >/dev/null 2>&1 & echo $!"
CONNECT = "python3 -c 'import socket; socket.create_connection((\"%s\", 8000), 1)'"


@lab.needs_lab
class Lab(unittest.TestCase):
    def start(self, word):
        code = RUN.format(folder=os.path.dirname(os.path.abspath(__file__)), word=word)
        run = subprocess.Popen([*lab.NAMESPACES, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", code],
                               stdout=subprocess.PIPE, text=True)
        self.addCleanup(run.stdout.close)
        self.addCleanup(run.kill)
        return run

    def test_nothing_is_left(self):
        mounts, links = os.listdir(lab.AREA), lab.run("ip", "-o", "link")
        words = [f"left-{os.urandom(8).hex()}" for _ in range(2)]
        runs = [self.start(word) for word in words]
        for run, word in zip(runs, words):  # both at once, with the same names and addresses
            self.assertEqual(run.stdout.readline(), "ready\n")
            self.assertTrue(pids_that_say(word))
        runs[0].kill()
        wait_for(lambda: not pids_that_say(words[0]), "all processes of the killed run end")
        self.assertTrue(pids_that_say(words[1]))
        runs[1].terminate()
        runs[1].kill()
        wait_for(lambda: not pids_that_say(words[1]), "all processes of the other one end")
        self.assertEqual((os.listdir(lab.AREA), lab.run("ip", "-o", "link")), (mounts, links))

    def test_faults(self):
        network = lab.Lab({"a": [], "b": ["other"]})
        a, b = network.host("a"), network.host("other")
        self.addCleanup(b.sh, f"kill {b.sh(SERVE).strip()}")
        connect = CONNECT % "other"
        wait_for(lambda: a.try_sh(connect).returncode == 0, "it connects")
        for name, begin, finish in (("cut", b.cut, b.mend), ("one way", lambda: b.drop_from(a), b.stop_dropping),
                                    ("loss", lambda: b.lose(1), b.stop_dropping)):
            with self.subTest(name):
                begin()
                self.assertNotEqual(a.try_sh(connect).returncode, 0)
                finish()
                wait_for(lambda: a.try_sh(connect).returncode == 0, "it connects again")


if __name__ == "__main__":
    lab.main()
