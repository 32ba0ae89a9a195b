#!/usr/bin/env python3
"""`sitewire key`, the key files of clients, and what a client hears when its key does not do."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
import zmq.auth

from sitewire_test import Key, System, wait_for  # noqa: E402

UNAUTHENTICATED, UNAVAILABLE, FAILED_PRECONDITION, NOT_FOUND = 16, 14, 9, 5
ADMIN = "admin@localhost"
USE = ("list", "keys", "--count")  # any call


class KeyCommand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def path(self):
        KeyCommand.count += 1
        return os.path.join(self.system.folder, f"k{self.count}", "key")

    def env(self, key=None):
        """By tcp with a key file; else by ipc as the local admin."""
        return ({"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": key} if key else {}) | {
            "SITEWIRE_SERVER_KEY": self.system.broker_key.public, "HOME": self.system.folder}

    def run_cli(self, *words, key=None, status=0, env=None):
        done = self.system.cli(*words, env=self.env(key) | (env or {}))
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def enroll(self, *words):
        path = self.path()
        return path, json.loads(self.run_cli("key", "enroll", "--file", path, "--json", "--user", ADMIN, *words))

    def use(self, key, status=0):
        return self.run_cli(*USE, key=key, status=status)

    def test_enroll(self):
        for never, says in (("2020-01-01", "is already over"), ("2020-01-01T12:00:00Z", "is already over"),
                            ("2020-01-01T12:00:00+01:00", "is already over"), ("01.01.2030", "expires_at"),
                            ("10:00:00Z", "expires_at"), (b"2030-01-0\xff", "takes a time"), ("", "expires_at")):
            path = self.path()
            self.assertIn(says, self.run_cli("key", "enroll", "--file", path, "--user", ADMIN, "--expires", never, status=3))
            self.assertFalse(os.path.exists(path))
        path, row = self.enroll("--label", "laptop", "--expires", "90d")
        self.assertEqual((row["user"], row["label"]), (ADMIN, "laptop"))
        self.assertTrue(row["expires_at"])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o777, 0o700)
        with open(path, encoding="ascii") as file:
            text = file.read()
        self.assertIn(row["public_key"], text)
        self.assertIn(f'server-key = "{self.system.broker_key.public}"', text)
        secret = text.split('secret-key = "')[1].split('"')[0]
        self.assertNotIn(secret, self.system.output())
        self.assertEqual(zmq.auth.load_certificate(path), (row["public_key"].encode(), secret.encode()))
        self.use(path)
        self.assertIn("a filter does", self.run_cli("key", "list", "--user", "nobody@x.org", status=3))
        listed = self.run_cli("key", "list", "--json", "label=laptop")
        self.assertEqual([json.loads(line)["public_key"] for line in listed.splitlines()], [row["public_key"]])
        self.run_cli("key", "enroll", "--file", path, "--user", ADMIN)  # it is enrolled, and not written over
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), text)

    def test_enroll_that_fails_leaves_no_file(self):
        path = self.path()
        self.run_cli("key", "enroll", "--file", path, "--user", "nobody@a.example", status=FAILED_PRECONDITION)
        self.assertFalse(os.path.exists(path))

    def test_made_elsewhere(self):
        path = self.path()
        public = self.run_cli("key", "new", path).strip()
        for words in (("new", path), ("public", path, path)):
            self.assertIn("never overwritten: choose another name", self.run_cli("key", *words, status=6))
        self.assertIn("not enrolled", self.use(path, UNAUTHENTICATED))
        self.run_cli("key", "enroll", "--public-key", public, "--label", "elsewhere", "--user", ADMIN)
        self.use(path)

    def test_rotate(self):
        path, before = self.enroll("--label", "rotated")
        after = json.loads(self.run_cli("key", "rotate", "--json", key=path))
        self.assertEqual(after["replaces"], before["public_key"])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["key"])
        self.use(path)
        rows = self.system.sql("""SELECT public_key, revoked_at IS NULL, "user" FROM users.key
                                   WHERE label = 'rotated' ORDER BY 2""")
        self.assertEqual(rows, [[before["public_key"], "f", ADMIN], [after["public_key"], "t", ADMIN]])

    def test_rotate_by_file(self):
        path, before = self.enroll()
        after = json.loads(self.run_cli("key", "rotate", "--json", "--file", path,
                                        env={"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": "", "HOME": "/nonexistent"}))
        self.assertEqual(after["replaces"], before["public_key"])
        self.use(path)

    def test_rotation_that_was_interrupted(self):
        path, before = self.enroll()
        new = Key(path + ".new", self.system.broker_key.public)  # made and enrolled, then the power went
        self.run_cli("key", "enroll", "--public-key", new.public, "--user", ADMIN)
        after = json.loads(self.run_cli("key", "rotate", "--json", key=path))
        self.assertEqual((after["public_key"], after["replaces"]), (new.public, before["public_key"]))
        self.use(path)

    def test_revoke(self):
        for name in ("public_key", "file", "label"):
            path, row = self.enroll("--label", f"revoked by {name}")
            self.use(path)
            word = {"public_key": row["public_key"], "file": path, "label": row["label"]}[name]
            self.run_cli("key", "revoke", "--", word)  # a public key may begin with -
            wait_for(lambda path=path: self.system.cli(*USE, env=self.env(path)).returncode == UNAUTHENTICATED,
                     "it is refused")
        self.assertIn("revoked", self.use(path, UNAUTHENTICATED))
        self.assertIn("make a new one with", self.run_cli("key", "rotate", "--file", path, status=FAILED_PRECONDITION))
        self.run_cli("key", "revoke", "no such label", status=NOT_FOUND)

    def test_key_files_that_are_refused(self):
        path, _ = self.enroll()
        os.chmod(path, 0o640)
        self.assertIn("chmod 600", self.use(path, FAILED_PRECONDITION))
        os.chmod(path, 0o600)
        self.use(path)
        self.assertIn("no key file", self.use(path + ".missing", FAILED_PRECONDITION))
        Key(path + ".lonely")  # it knows no broker
        self.assertIn("server-key", self.use(path + ".lonely", FAILED_PRECONDITION))

    def test_refusals_are_quick_and_tell_why(self):
        wrong = Key(self.system.folder + "/wrong", Key(None).public)
        for words, status, env in (
                ("server-key", UNAVAILABLE, {"SITEWIRE_KEY": wrong.path}),  # or a dead network: it looks the same
                ("demands a key", UNAUTHENTICATED, {"SITEWIRE_KEY": "off"}),
                ("not enrolled", UNAUTHENTICATED, {"SITEWIRE_KEY": self.system.key("stranger").path})):
            start = time.monotonic()
            text = self.run_cli(*USE, "--timeout", "60s", status=status, env={"SITEWIRE_ENDPOINT": self.system.tcp} | env)
            self.assertIn(words, text)
            self.assertLess(time.monotonic() - start, 30)  # not at the deadline

    def test_key_of_the_home_folder(self):
        home = os.path.join(self.system.folder, "home")
        self.run_cli("key", "enroll", "--user", ADMIN, env={"HOME": home, "SITEWIRE_KEY": ""})
        self.run_cli(*USE, env={"HOME": home, "SITEWIRE_KEY": "", "SITEWIRE_ENDPOINT": self.system.tcp})

    def test_broker_without_curve(self):
        other = System()
        try:
            text = self.run_cli(*USE, status=UNAUTHENTICATED, key=self.system.key("plain").path,
                                env={"SITEWIRE_ENDPOINT": other.tcp})
            self.assertIn("--curve off", text)
        finally:
            other.stop()


if __name__ == "__main__":
    unittest.main()
