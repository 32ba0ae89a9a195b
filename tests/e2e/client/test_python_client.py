#!/usr/bin/env python3
"""clients/python/sitewire.py against a real system: a client that knows nothing but
docs/protocol.md."""
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, ROOT, System  # noqa: E402


class PythonClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True)

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def python(self, *words, key=None, program="sitewire.py", stdin="", endpoints=None):
        """By ipc, or with a key by tcp."""
        environment = self.system.env() | {"XDG_CACHE_HOME": self.system.folder}
        if endpoints:
            environment |= {"SITEWIRE_ENDPOINT": endpoints}
        if key:
            environment |= {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": key}
        return subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "clients/python", program), *words],
                              input=stdin, capture_output=True, text=True, timeout=60, env=environment, check=False)

    def key(self):
        path = os.path.join(self.system.folder, "admin.key")
        if not os.path.exists(path):
            done = self.system.cli("key", "enroll", "--file", path, "--user", ADMIN,
                                   env={"SITEWIRE_SERVER_KEY": self.system.broker_key.public})
            self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def test_secret(self):
        """What one client sets, the other reads, on ipc and with a key."""
        target = ("DocrootEnvironment", "d/e", "basic_auth_password")
        for words in ("docroot d", "environment e", "docroot-environment d/e"):
            self.system.cli("create", *words.split())
        for key, value in ((None, "by ipc, naïve"), (self.key(), "by tcp")):
            done = self.python("set", *target, key=key, program="secret.py", stdin=value + "\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.system.cli("secret", "read", *target).stdout, value + "\n")
            self.assertEqual(self.python("read", *target, key=key, program="secret.py").stdout, value + "\n")
        self.assertEqual(self.python("read", "DocrootEnvironment", "d/none", target[2], program="secret.py").returncode, 5)

    def test_list_of_endpoints(self):
        """The first one that serves is used; a lost service is found at the next broker."""
        for endpoints in (f"ipc://{self.system.folder}/nobody,{self.system.ipc}", f"tcp://127.0.0.1:1, {self.system.ipc}"):
            done = self.python("Users/WhoAmI", endpoints=endpoints)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(ADMIN, done.stdout)
        alone = f"ipc://{self.system.folder}/alone"
        self.system.start("alone", "sitewire-broker", "--frontend", alone, "--backend", alone + "-b", "--events", "",
                          "--publish", "", "--caller", ADMIN)
        self.addCleanup(self.system.kill, "alone")
        done = self.python("Users/WhoAmI", endpoints=f"{alone},{self.system.ipc}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.python("Users/WhoAmI", endpoints=f"{alone},{alone}").returncode, 14)

    def test_key(self):
        os.chmod(self.key(), 0o644)
        done = self.python("Health/Check", key=self.key())
        self.assertIn("chmod 600", done.stderr)
        os.chmod(self.key(), 0o600)
        self.assertEqual(self.python("Health/Check", key=self.key()).returncode, 0)
        stranger = self.python("Health/Check", key=self.system.key("stranger.key").path)
        self.assertEqual(stranger.returncode, 16)
        self.assertIn("not enrolled", stranger.stderr)

    def test_size(self):
        with open(os.path.join(ROOT, "clients/python/sitewire.py"), encoding="utf-8") as file:
            self.assertLess(len(file.readlines()), 235)

    def test_calls(self):
        done = self.python("Health/Check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("SERVING", done.stdout)
        for number in range(3):
            done = self.python("Referential/CreateWebsite", '{"website": {"code": "py-%d.com"}}' % number,
                               key=self.key())
            self.assertEqual(done.returncode, 0, done.stderr)
        done = self.python("sitewire.referential.v1.Referential/GetWebsite", '{"code": "py-1.com"}')
        self.assertIn('"code": "py-1.com"', done.stdout)
        done = self.python("websites", "py-")
        self.assertEqual(done.stdout.split(), ["py-0.com", "py-1.com", "py-2.com"])

    def test_any_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "sitewire"))  # as where this was cloned
            done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "clients/python/sitewire.py"), "Health/Check"],
                                  env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder}, cwd=folder,
                                  capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_failures(self):
        done = self.python("Referential/GetWebsite", '{"code": "nowhere"}')
        self.assertEqual(done.returncode, 5)
        self.assertIn("error: NOT_FOUND: ", done.stderr)
        self.assertEqual(self.python("Referential/Nothing").returncode, 12)
        self.assertEqual(self.python("Health/Check", '{"nothing": 1}').returncode, 3)
        self.assertIn("Service/Method", self.python("GetWebsite").stderr)
        self.assertIn("sitewire.py METHOD", self.python("--help").stdout)
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "clients/python/sitewire.py"), "Health/Check"],
                              env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder, "SITEWIRE_ENDPOINT": ""},
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "error: SITEWIRE_ENDPOINT is not set\n")

    def script(self, text):
        done = subprocess.run(["/usr/bin/python3", "-W", "error", "-c", "from sitewire import *\nwith Client() as client:\n" + textwrap.indent(text, "    ")],
                              env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder, "PYTHONPATH":
                                                       os.path.join(ROOT, "clients/python")},
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_a_stream_that_is_left_is_cancelled(self):
        """The limit of calls in flight would be reached otherwise."""
        self.script("for _ in range(300):\n    next(client.stream('Health/Watch', {}, credit=1))\n"
                    "client.call('Health/Check', {})")

    def test_request_id(self):
        """A change that is sent again with its request_id happens once."""
        out = self.script("for _ in range(2):\n"
                          "    request = {'website': {'code': 'once.com'}}\n"
                          "    print(client.call('Referential/CreateWebsite', request, request_id='py-once').revision)")
        self.assertEqual(out.split(), ["1", "1"])

    def test_details(self):
        out = self.script("try:\n    client.call('Referential/CreateWebsite', {'website': {'code': 'a b'}})\n"
                          "except Failure as failure:\n"
                          "    print(failure.code, failure.details[0].field_violation.field)")
        self.assertEqual(out.split(), ["3", "website.code"])

    def test_a_lost_connection(self):
        """A stream ends when the broker is killed; the next call reaches the new one."""
        with subprocess.Popen(["/usr/bin/python3", "-u", "-c", "from sitewire import *\nclient = Client()\n"
                               "try:\n    for _ in client.stream('Health/Watch', {}, timeout=60, credit=1):\n"
                               "        print('watching')\n"
                               "except Failure as failure:\n    print(failure.code)\n"
                               "print(client.call('Health/Check', {}).status)"],
                              env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder,
                                                       "PYTHONPATH": os.path.join(ROOT, "clients/python")},
                              stdout=subprocess.PIPE, text=True) as child:
            self.assertEqual(child.stdout.readline(), "watching\n")
            self.system.kill("broker")
            self.assertEqual(child.stdout.readline(), "14\n")
            self.system.start_broker()
            self.assertEqual(child.stdout.readline(), "1\n")
        self.system.wait_ready()

    def test_watch(self):
        with subprocess.Popen(["/usr/bin/python3", os.path.join(ROOT, "clients/python/sitewire.py"), "watch"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.system.env() | {"XDG_CACHE_HOME": self.system.folder}) as child:
            self.assertIn("SERVING", child.stdout.readline())
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(10), 1)
            self.assertEqual(child.stderr.read(), "error: interrupted\n")


if __name__ == "__main__":
    unittest.main()
