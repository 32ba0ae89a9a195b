#!/usr/bin/env python3
"""`sitewire up`: first start, second start, its end by signals, and recovery from kill -9 of itself
and its parts."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import SITEWIRE, Client, Key, children, free_port, is_alive, wait_for  # noqa: E402

SERVICE = "sitewire.referential.v1.Referential"


class Up:
    """One `sitewire up` process, ready."""

    def __init__(self, data, *options, wait=True):
        self.log = open(os.path.join(os.path.dirname(data), "log"), "w+", encoding="utf-8")
        self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", SITEWIRE, "up", "--data", data, *options],
                                      stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.data, self.pid, self.ready = data, self.popen.pid, ""
        if wait:
            self.ready = self.popen.stdout.readline()
            if not self.ready.startswith("ready"):
                raise AssertionError("not ready:\n" + self.noise())

    def noise(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def setting(self, name):
        """As a shell reads DATA/env."""
        return subprocess.run(["sh", "-c", f'. "$1"; printf %s "${name}"', "sh", f"{self.data}/env"], check=True,
                              capture_output=True, text=True).stdout

    def child(self, name):
        return wait_for(lambda: children(self.pid).get(name[:15]), f"{name} runs")[0]

    def postmaster(self):
        return self.child("postgres")

    def serves(self, seconds=30):
        client = Client(self.setting("SITEWIRE_ENDPOINT").split(",")[0])
        try:
            wait_for(lambda: client.health(SERVICE) == "SERVING", "served\n" + self.noise(), seconds)
        finally:
            client.close()

    def end(self, number=signal.SIGTERM):
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(60)
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen.stdout.close()
            self.log.close()


class TestUp(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="swu-")
        os.chmod(self.folder, 0o755)  # PostgreSQL's user passes through
        self.data = os.path.join(self.folder, "d")
        self.ups = []

    def tearDown(self):
        for up in self.ups:
            up.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def up(self, *options, data=None, wait=True):
        self.ups.append(Up(data or self.data, *options, wait=wait))
        return self.ups[-1]

    def assert_ended(self, pids):
        for pid in pids:
            wait_for(lambda pid=pid: not is_alive(pid), f"{pid} ends")

    def test_life(self):
        port = free_port()
        up = self.up("--frontend", f"ipc://{self.folder}/f,tcp://127.0.0.1:{port}")
        up.serves()
        key = Key(os.path.join(self.folder, "key"), up.setting("SITEWIRE_SERVER_KEY"))
        made = subprocess.run([SITEWIRE, "call", "Users/CreateKey", json.dumps(
            {"key": {"public_key": key.public, "user": "admin@localhost"}}), "--endpoint", f"ipc://{self.folder}/f"],
            capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        for own, health in ((key, "SERVING"), (None, None)):  # tcp wants a key
            client = Client(f"tcp://127.0.0.1:{port}", own)
            self.assertEqual(client.health(SERVICE), health)
            client.close()
        for name, mode in (("broker.key", 0o600), ("service.key", 0o600), ("service-keys", 0o700),
                           ("service-keys/sitewire", 0o644)):
            self.assertEqual(os.stat(f"{self.data}/keys/{name}").st_mode & 0o777, mode)
        self.assertIn("tcp://127.0.0.1", up.ready)
        for name in ("ENDPOINT", "BACKEND", "EVENTS", "PUBLISH", "DATABASE", "DATA"):
            self.assertTrue(up.setting(f"SITEWIRE_{name}"), name)
        self.assertEqual(os.path.realpath(up.setting("SITEWIRE_DATA")), os.path.realpath(self.data))
        pids = [pid for found in children(up.pid).values() for pid in found]
        self.assertGreaterEqual(len(pids), 3)

        second = self.up(wait=False)  # the folder is taken
        self.assertNotEqual(second.popen.wait(30), 0)
        self.assertIn("another", second.noise())
        self.assertIn(str(up.pid), second.noise())

        self.assertEqual(up.end(signal.SIGINT), 0)
        self.assert_ended(pids)
        self.assertEqual(os.path.getsize(f"{self.data}/lock"), 0)  # what a second `kill $(cat lock)` reads
        with open(f"{self.data}/keys/services", "w", encoding="ascii") as file:  # as sitewire had it at first
            file.write(f"# who may serve\n{key.public} a service elsewhere\n")
        again = self.up()
        again.serves()
        self.assertFalse(os.path.exists(f"{self.data}/keys/services"))
        with open(f"{self.data}/keys/service-keys/line-2", encoding="ascii") as file:
            self.assertIn(f'public-key = "{key.public}"', file.read())
        self.assertEqual(again.end(signal.SIGTERM), 0)

    def test_one_runner(self):
        up = self.up("--runner", os.path.join(self.data, "docroots"))  # neither folder is there yet
        pid = up.child("sitewire-runner")
        self.assertEqual(children(up.pid)["sitewire-runner"], [pid])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "it ends")
        pids = [up.child("sitewire-runner")]
        self.assertEqual(children(up.pid)["sitewire-runner"], pids)
        self.assertEqual(up.end(), 0)
        self.assert_ended(pids)

    def test_kill_of_parts(self):
        up = self.up()
        for name in ("sitewire-broker", "sitewire-referential", "postgres"):
            pid = up.child(name)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: not is_alive(pid), "it ends")
            self.assertNotEqual(up.child(name), pid)
            up.serves()
        self.assertEqual(up.end(), 0)

    def test_kill_of_itself(self):
        up = self.up()
        for _ in range(2):
            pids = [pid for found in children(up.pid).values() for pid in found]
            os.kill(up.pid, signal.SIGKILL)
            up.popen.wait()
            up = self.up()  # at once: its parts may be half-stopped, and their sockets are stale
            up.serves()
            self.assert_ended(pids)
        self.assertEqual(up.end(), 0)

    def test_stopped_postgresql(self):
        """A PostgreSQL that a killed supervisor left, and that does not react to the signals that
        ask it to end."""
        up = self.up()
        postmaster = up.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        os.kill(up.pid, signal.SIGKILL)
        up.popen.wait()
        try:
            os.kill(postmaster, signal.SIGCONT)  # with its SIGINT pending: it stops while the next one starts
        except ProcessLookupError:
            pass
        up = self.up()
        up.serves()
        self.assertEqual(up.end(), 0)

    def test_umask(self):
        """Whatever it is: who is nobody here neither poses as a service nor writes what shells
        run."""
        before = os.umask(0)
        try:
            up = self.up()
        finally:
            os.umask(before)
        for name in ("BACKEND", "PUBLISH"):
            self.assertEqual(os.stat(up.setting("SITEWIRE_" + name)[6:]).st_mode & 0o007, 0, name)
        self.assertEqual(os.stat(os.path.join(self.data, "env")).st_mode & 0o022, 0)
        up.serves()

    def test_long_path(self):
        data = os.path.join(self.folder, "x" * 120)
        up = self.up(data=data)
        up.serves()
        socket = re.sub("^ipc://", "", up.setting("SITEWIRE_ENDPOINT"))
        self.assertLess(len(socket), 108)
        self.assertEqual(up.end(), 0)
        shutil.rmtree(os.path.dirname(socket), ignore_errors=True)

    def test_crash_loop(self):
        """A program that cannot live is reported, and up ends with a failure."""
        up = self.up("--frontend", "ipc:///nonexistent/folder/socket", wait=False)
        self.assertNotEqual(up.popen.wait(90), 0)
        self.assertIn("sitewire-broker", up.noise())


if __name__ == "__main__":
    unittest.main()
