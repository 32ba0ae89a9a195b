#!/usr/bin/env python3
"""clients/python/sitewire.py against a real system: a client that knows nothing but docs/protocol.md."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from sitewire_test import ROOT, System  # noqa: E402


class PythonClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def python(self, *words, endpoint=None):
        environment = self.system.env() | {"XDG_CACHE_HOME": self.system.folder}
        if endpoint:
            environment["SITEWIRE_ENDPOINT"] = endpoint
        return subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "clients/python/sitewire.py"), *words],
                              capture_output=True, text=True, timeout=60, env=environment, check=False)

    def test_size(self):
        with open(os.path.join(ROOT, "clients/python/sitewire.py"), encoding="utf-8") as file:
            self.assertLess(len(file.readlines()), 150)

    def test_calls(self):
        done = self.python("Health/Check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("SERVING", done.stdout)
        for number in range(3):
            done = self.python("Referential/CreateWebsite", '{"website": {"code": "py-%d.com"}}' % number,
                               endpoint=self.system.tcp)
            self.assertEqual(done.returncode, 0, done.stderr)
        done = self.python("sitewire.referential.v1.Referential/GetWebsite", '{"code": "py-1.com"}')
        self.assertIn('"code": "py-1.com"', done.stdout)
        done = self.python("websites", "py-")
        self.assertEqual(done.stdout.split(), ["py-0.com", "py-1.com", "py-2.com"])

    def test_failures(self):
        done = self.python("Referential/GetWebsite", '{"code": "nowhere"}')
        self.assertEqual(done.returncode, 5)
        self.assertIn("error: NOT_FOUND: ", done.stderr)
        self.assertEqual(self.python("Referential/Nothing").returncode, 12)
        self.assertEqual(self.python("Health/Check", '{"nothing": 1}').returncode, 3)

    def test_watch(self):
        with subprocess.Popen(["/usr/bin/python3", os.path.join(ROOT, "clients/python/sitewire.py"), "watch"],
                              stdout=subprocess.PIPE, text=True,
                              env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder}) as child:
            self.assertIn("SERVING", child.stdout.readline())
            child.kill()


if __name__ == "__main__":
    unittest.main()
