"""What tests of secrets share: a system that logs all it can, and its file of master keys."""
import json
import os
import unittest

from sitewire_test import System

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED, DATA_LOSS = 3, 5, 7, 9, 10, 15
PASSWORD = "basic_auth_password"
REFERENTIAL = "/sitewire.referential.v1.Referential/"


class SecretTest(unittest.TestCase):
    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        cls.system = System(service_options=("--log-level", "debug"), **cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def run_cli(self, *words, code=0, stdin="", env=None):
        done = self.system.cli(*words, stdin=stdin, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def import_rows(self, *rows):
        self.run_cli("import", "-", stdin="".join(json.dumps(row) + "\n" for row in rows))

    def read(self, *words, code=0, env=None):
        done = self.run_cli("secret", "read", *words, code=code, env=env)
        return done.stdout.rstrip("\n") if code == 0 else done.stderr

    def key_ids(self):
        with open(self.system.secret_key, encoding="ascii") as file:
            return [line.split()[0] for line in file if not line.startswith("#")]

    def take_out(self, key_id):
        """Removes a key from the file; returns the file as it was."""
        with open(self.system.secret_key, encoding="ascii") as file:
            before = file.read()
        self.write_keys("".join(line for line in before.splitlines(True) if not line.startswith(key_id + " ")))
        return before

    def write_keys(self, text):
        fresh = self.system.secret_key + ".mine"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        os.rename(fresh, self.system.secret_key)
