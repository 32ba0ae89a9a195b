#!/usr/bin/env python3
"""Keys of a running runner: rotated under a deployment, made with a one-time code, and used with
two keys of the broker."""
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from runner_test import RunnerTest  # noqa: E402
from sitewire_test import BIN, Key, wait_for  # noqa: E402

ROBOT = "runner@x.org"


class Keys(RunnerTest):
    def setUp(self):
        super().setUp()
        self.key = self.system.enroll(ROBOT)

    def cli(self, *words, **env):
        done = self.system.cli(*words, env={"SITEWIRE_SERVER_KEY": self.system.broker_key.public} | env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def rotate(self, *words):
        self.cli("key", "rotate", "--file", self.key.path, *words, SITEWIRE_ENDPOINT=self.system.tcp, SITEWIRE_KEY=self.key.path)

    def test_rotated_under_a_deployment(self):
        # It hears of work by events alone, and loses a deployment after ten seconds.
        runner, old = self.runner("--lease-ms", "10000", "--poll-ms", "60000"), self.key.public
        go = os.path.join(self.place(), "go")
        number = self.asked(f"echo begun; while [ ! -e {go} ]; do sleep 0.1; done; echo ended", "echo one more")
        self.running(number, b"begun")
        self.rotate("--overlap", "2s")
        wait_for(lambda: self.sql(f"SELECT revoked_at < now() - interval '5 s' FROM users.key WHERE public_key = '{old}'") == [["t"]],
                 "the broker has cut off the old key")
        with open(go, "x", encoding="ascii"):
            pass
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        self.assertEqual(self.output(number), b"begun\nended\none more\n")
        following = self.over(self.asked("echo next", version="3"), seconds=50)
        self.assertEqual(following.status, "DONE", runner.output())

    def test_one_time_code(self):
        code = self.cli("key", "invite", ROBOT, "--at", self.system.tcp).splitlines()[-1]
        self.key.path = os.path.join(self.system.folder, "by-code.key")
        runner = self.runner("--enroll", code)
        self.assertEqual(self.over(self.asked("echo one")).status, "DONE", runner.output())
        self.assertIn('event="key enrolled"', runner.output())
        runner.popen.kill()
        runner.popen.wait()
        again = self.runner("--enroll", code)  # restarted with the same command line
        self.assertEqual(self.over(self.asked("echo two", version="3")).status, "DONE", again.output())

    def test_a_code_is_a_secret(self):
        options = ("--endpoint", self.system.tcp, "--key", os.path.join(self.system.folder, f"{self.w}.key"), "--user", "nobody")
        code = self.cli("key", "invite", ROBOT, "--at", self.system.tcp).splitlines()[-1]
        shown = self.check_config(*options, "--enroll", code)
        self.assertIn("SITEWIRE_ENROLL=swc1-***", shown.replace('"', ""))
        self.assertNotIn(code, shown)
        self.assertFalse(os.path.exists(options[3]))  # the code is not used up
        self.assertIn("--enroll needs --key FILE", self.check_config("--enroll", code, "--user", "nobody"))

    def check_config(self, *options):
        done = subprocess.run([os.path.join(BIN, "sitewire-runner"), *options, "--check-config"], capture_output=True, text=True,
                              check=False, env=self.system.env())
        return done.stdout + done.stderr

    def test_two_keys_of_the_broker(self):
        other = Key(os.path.join(self.system.folder, f"other-{self.w}.key"))
        with open(self.key.path, encoding="ascii") as file:
            text = file.read()
        real = f'server-key = "{self.system.broker_key.public}"'
        self.assertIn(real, text)
        path = os.path.join(self.system.folder, "two.key")
        with open(path, "x", encoding="ascii", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(text.replace(real, f'server-key = "{other.public}"\n    next-{real}'))
        self.key.path = path
        runner = self.runner()
        self.assertEqual(self.over(self.asked("echo one")).status, "DONE", runner.output())
        shutil.rmtree(self.place(), ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
