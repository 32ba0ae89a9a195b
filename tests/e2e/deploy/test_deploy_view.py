#!/usr/bin/env python3
"""`sitewire deploy --wait` and `rollback --wait`: what is seen while a deployment runs, and how
they end."""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import termios
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deploy_cli_test import DeployCliTest, Terminal  # noqa: E402
from sitewire_test import PATIENCE, wait_for  # noqa: E402

CANCELLED, UNKNOWN, ABORTED = 1, 2, 10


class Waiting(DeployCliTest):
    def run_it(self, outcome="DONE", failure="", **how):
        claim = self.due()
        self.begin(claim, 1)
        self.write(claim, b"hello\n\x1b[2Jwor", offset=0)
        self.write(claim, b"ld\n")
        self.end_command(claim, 1, **how)
        self.finish(claim, outcome, failure=failure)

    def test_outcomes(self):
        for outcome, how, status, text in (("DONE", {"exit_code": 0}, 0, ""),
                                           ("FAILED", {"exit_code": 3}, UNKNOWN, "error: UNKNOWN: deployment {} is FAILED: so it is"),
                                           ("ABORTED", {"signal": 15}, ABORTED, "error: ABORTED: deployment {} is ABORTED: so it is")):
            with self.subTest(outcome=outcome):
                waiting = self.in_background(*self.wanted("--run", "PREDEPLOYMENT: echo hello", "--wait"))
                self.run_it(outcome, "" if outcome == "DONE" else "so it is", **how)
                self.assertEqual(waiting.popen.wait(PATIENCE), status, waiting.output())
                shown = waiting.output()
                number = re.match(r"deployment (\d+): ", shown)[1]
                self.assertIn(text.format(number), shown)
                lines = [re.sub(r"^\S+Z  ", "", line) for line in shown.splitlines()]
                self.assertEqual(lines[:9], [f"deployment {number}: {self.project}, version 2 on {self.w}/dev", "REQUESTED by admin@localhost",
                                             "REQUESTED -> ACCEPTED by admin@localhost", "ACCEPTED -> IN_PROGRESS by runner@x.org on r1",
                                             "command 1 (PREDEPLOYMENT), attempt 1: begun", "  $ sh: echo hello", "  | hello", "  | world",
                                             "command 1 (PREDEPLOYMENT), attempt 1: " + ("exit status 0" if status == 0 else "exit status 3" if status == UNKNOWN
                                                                                         else "ended by signal 15")], shown)
                self.assertIn(f"IN_PROGRESS -> {outcome} by runner@x.org on r1", lines[9])
                os.truncate(waiting.log, 0)

    def test_json(self):
        waiting = self.in_background(*self.wanted("--run", "echo hello", "--wait", "--json"))
        self.run_it()
        self.assertEqual(waiting.popen.wait(PATIENCE), 0, waiting.output())
        lines = [json.loads(line) for line in waiting.output().splitlines()]
        kinds = [line["kind"] for line in lines]  # output in a burst is announced together
        self.assertEqual([kind for kind, before in zip(kinds, [None] + kinds) if (kind, before) != ("output", "output")],
                         ["plan", "state", "state", "state", "command", "output", "command", "state", "outcome"])
        self.assertEqual(b"".join(base64.b64decode(line["bytes"]) for line in lines if line["kind"] == "output"), b"hello\n\x1b[2Jworld\n")
        self.assertEqual(lines[-1]["outcome"]["status"], "DONE")

    def test_rollback(self):
        number = self.deploy(commands=[{"shell": "true"}])
        waiting = self.in_background("rollback", number, "--wait")
        self.run_due()
        self.assertEqual(waiting.popen.wait(PATIENCE), 0, waiting.output())
        self.assertIn(f"{self.project}, version 1 on {self.w}/dev", waiting.output())
        self.assertEqual(self.deployed(), "1")

    def test_approved_meanwhile(self):
        waiting = self.in_background(*self.wanted("--wait", environment="prod"), by="owner@x.org")
        number = re.search(r"sitewire approve (\d+)\n", self.shows(waiting, lambda output: "approve" in output, "it says so"))[1]
        self.cli("approve", number, "--yes", by="other@x.org")
        self.run_due()
        self.assertEqual(waiting.popen.wait(PATIENCE), 0, waiting.output())

    def test_interrupt(self):
        waiting = self.in_background(*self.wanted("--run", "a", "--wait"))
        claim = self.due()
        self.shows(waiting, lambda output: "IN_PROGRESS" in output, "it is seen")
        self.assertEqual(waiting.end(signal.SIGINT), CANCELLED)
        number = claim.deployment.id
        self.assertIn(f"deployment {number} continues; `sitewire logs {number} -f` follows it, `sitewire abort {number}` ends it",
                      waiting.output())
        self.assertEqual(self.get(number).status, "IN_PROGRESS")


class Live(DeployCliTest):
    def terminal(self, *words, **options):
        env = self.env() | {"TERM": "xterm"}
        terminal = Terminal(env, *self.wanted(*words, "--wait"), **options)
        self.addCleanup(lambda: subprocess.run(["kill", "-9", str(terminal.pid)], stderr=subprocess.DEVNULL, check=False))
        return terminal

    def test_view(self):
        terminal = self.terminal("--run", "PREDEPLOYMENT: backup", "--run", "unpack")
        terminal.wait_for("waits for a runner")
        claim = self.due()
        terminal.wait_for("IN_PROGRESS on r1 for")
        self.begin(claim, 1)
        shown = terminal.wait_for("  runs ")
        self.assertRegex(shown, r"(?m)^  runs +\d+\.\d s  PREDEPLOYMENT  sh: backup$")
        self.assertRegex(shown, r"(?m)^ +DEPLOYMENT  sh: unpack$")
        self.write(claim, "".join(f"line {i}\n" for i in range(40)).encode(), offset=0)
        shown = terminal.wait_for("  | line 39")
        self.assertEqual(re.findall(r"(?m)^  \| (.*)$", shown), [f"line {i}" for i in range(30, 40)])
        self.write(claim, b"10%\r20%\r\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\tend\x9b\x00\n" + "x".encode() * 300 + b"\n")
        shown = terminal.wait_for("red     end")
        self.assertIn("  | red     end\ufffd\\x00\n", shown)
        self.assertTrue(all(len(line) <= 80 for line in shown.splitlines()), shown)
        self.end_command(claim, 1)
        self.begin(claim, 2)
        shown = terminal.wait_for_match(r"(?ms)^  runs +\S+ s  DEPLOYMENT  sh: unpack$(?!.*^  \| )")  # output before is gone
        self.assertRegex(shown, r"(?m)^  ok +\d+\.\d s  PREDEPLOYMENT  sh: backup$")
        self.end_command(claim, 2)
        self.finish(claim)
        self.assertEqual(terminal.end(), 0, terminal.screen())
        shown = terminal.screen().rstrip().splitlines()
        self.assertEqual(shown[-3], "DONE")
        self.assertRegex(shown[-1], r"^  ok +\d+\.\d s  DEPLOYMENT  sh: unpack$")
        self.assertTrue(terminal.raw.startswith(b"\x1b[?25l") and b"\x1b[?25h" in terminal.raw)

    def test_width(self):
        """It follows the width; a terminal that has become narrower has broken the lines of the
        last frame."""
        terminal = self.terminal("--run", "x" * 100, columns=90)
        terminal.wait_for("waits for a runner")
        wait_for(lambda: terminal.raw.endswith(b"\x1b[J") or not terminal.read(0.1), "the frame is whole")
        before = [len(line) for line in terminal.screen().rstrip().splitlines()]
        self.assertEqual(max(before), 90)
        begin = len(terminal.raw)
        terminal.resize(40)
        wait_for(lambda: terminal.read(0.1) and b"\x1b[J" in terminal.raw[begin:], "it draws again")
        frame = terminal.raw[begin:].decode().split("\x1b[J")[0].split("\r\n")
        self.assertTrue(frame[0].startswith(f"\x1b[{sum(max(1, -(-width // 40)) for width in before)}A\r"), (before, frame))
        self.assertEqual(max(len(re.sub(r"\x1b\[\w+|\r", "", line)) for line in frame), 40)
        self.run_due()
        self.assertEqual(terminal.end(), 0)

    def test_queue(self):
        """It says behind which others it is, as these go."""
        first, second = (self.request(version=str(version)).deployment.id for version in (5, 6))
        terminal = self.terminal("--run", "a")
        terminal.wait_for(f"waits behind {first},{second}")
        self.run_due()
        terminal.wait_for_match(rf"(?m)^waits behind {second}$")
        self.run_due()
        terminal.wait_for("waits for a runner")
        self.run_due()
        self.assertEqual(terminal.end(), 0)

    def test_failure(self):
        terminal = self.terminal("--run", "unpack", columns=120)
        claim = self.due()
        self.begin(claim, 1)
        self.write(claim, b"no space left\n", offset=0)
        self.end_command(claim, 1, exit_code=28)
        self.finish(claim, "FAILED", failure="command 1 failed")
        self.assertEqual(terminal.end(), UNKNOWN)
        shown = terminal.screen()
        self.assertRegex(shown, r"(?m)^  failed +\d+\.\d s  DEPLOYMENT  sh: unpack \(exit status 28\)$")
        self.assertIn("  | no space left\n", shown)
        self.assertIn("FAILED: command 1 failed\n", shown)
        self.assertIn("error: UNKNOWN: deployment", shown)

    def test_many_commands(self):
        """No more lines than the terminal has, around what runs."""
        words = [word for i in range(1, 61) for word in ("--run", f"command-{i}")]
        terminal = self.terminal(*words, rows=15)
        claim = self.due()
        for number in range(1, 31):
            self.attempt(claim, number)
        self.begin(claim, 31)
        shown = terminal.wait_for("sh: command-31")
        self.assertLess(len(shown.rstrip().splitlines()), 15)
        os.kill(terminal.pid, signal.SIGINT)
        self.assertEqual(terminal.end(), CANCELLED)
        self.assertIn(f"deployment {claim.deployment.id} continues", terminal.screen())
        self.assertIn(b"\x1b[?25h", terminal.raw)

    def test_suspended(self):
        """Ctrl-Z gives the terminal back as it was; afterwards the view goes on."""
        terminal = self.terminal("--run", "a")
        terminal.wait_for("waits for a runner")
        self.assertFalse(termios.tcgetattr(terminal.fd)[3] & termios.ECHO)
        os.kill(terminal.pid, signal.SIGTSTP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1]))
        self.assertTrue(termios.tcgetattr(terminal.fd)[3] & termios.ECHO)
        os.kill(terminal.pid, signal.SIGCONT)
        self.run_due()
        self.assertEqual(terminal.end(), 0, terminal.screen())

    def test_dumb_terminal(self):
        terminal = Terminal(self.env() | {"TERM": "dumb"}, *self.wanted("--wait"))
        self.run_due()
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn(b"\x1b", terminal.raw)

del DeployCliTest

if __name__ == "__main__":
    unittest.main()
