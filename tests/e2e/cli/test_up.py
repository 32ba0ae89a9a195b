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
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import SITEWIRE, Client, Key, children, free_port, is_alive, make_folder, wait_for  # noqa: E402
from up_test import SERVICE, Up  # noqa: E402

# A worker without a key, as plain as it can be: prints what the broker answers to its READY.
ROGUE = """
import sys, zmq
socket = zmq.Context().socket(zmq.DEALER)
socket.connect(sys.argv[1])
socket.send_multipart([b"MDPW02", b"\\x01", sys.argv[2].encode()])
assert socket.poll(60000)
print(socket.recv_multipart()[1][0])
"""
HEARTBEAT, DISCONNECT = 5, 6


class TestUp(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.data = os.path.join(self.folder, "d")
        self.ups = []

    def tearDown(self):
        for up in self.ups:
            up.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def up(self, *options, data=None, wait=True):
        self.ups.append(Up(self.folder, *options, name=f"up-{len(self.ups)}", data=data, wait=wait))
        return self.ups[-1]

    def assert_ended(self, pids):
        for pid in pids:
            wait_for(lambda pid=pid: not is_alive(pid), f"{pid} ends")

    def test_life(self):
        port = free_port()
        sockets = os.path.join(self.folder, "s")
        os.mkdir(sockets)
        os.chmod(sockets, 0o1777)  # the user that runs the broker makes its socket there
        up = self.up("--frontend", f"ipc://{sockets}/f,tcp://127.0.0.1:{port}")
        up.wait_serving()
        key = Key(os.path.join(self.folder, "key"), up.setting("SITEWIRE_SERVER_KEY"))
        made = subprocess.run([SITEWIRE, "call", "Users/CreateKey", json.dumps(
            {"key": {"public_key": key.public, "user": "admin@localhost"}}), "--endpoint", f"ipc://{sockets}/f"],
            capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        for own, health in ((key, "SERVING"), (None, None)):  # tcp wants a key
            client = Client(f"tcp://127.0.0.1:{port}", own)
            self.assertEqual(client.health(SERVICE), health)
            client.close()
        for name, mode in (("broker.key", 0o600), ("referential.key", 0o600), ("runner.key", 0o600), ("service-keys", 0o700),
                           ("service-keys/referential", 0o644)):
            self.assertEqual(os.stat(f"{self.data}/keys/{name}").st_mode & 0o777, mode)
        self.assertEqual(sorted(os.listdir(f"{self.data}/keys/service-keys")), ["deployment", "referential", "user"])
        self.assertIn("tcp://127.0.0.1", up.ready())
        for name in ("ENDPOINT", "BACKEND", "EVENTS", "PUBLISH", "DATABASE", "DATA"):
            self.assertTrue(up.setting(f"SITEWIRE_{name}"), name)
        self.assertEqual(os.path.realpath(up.setting("SITEWIRE_DATA")), os.path.realpath(self.data))
        pids = [pid for found in children(up.pid).values() for pid in found]
        self.assertGreaterEqual(len(pids), 3)

        second = self.up(wait=False)  # the folder is taken
        self.assertNotEqual(second.popen.wait(30), 0)
        self.assertIn("another", second.output())
        self.assertIn(str(up.pid), second.output())

        self.assertEqual(up.end(signal.SIGINT), 0)
        self.assert_ended(pids)
        self.assertEqual(os.path.getsize(f"{self.data}/lock"), 0)  # what a second `kill $(cat lock)` reads
        with open(f"{self.data}/keys/services", "w", encoding="ascii") as file:  # as sitewire had it at first
            file.write(f"# who may serve\n{key.public} a service elsewhere\n")
        again = self.up()
        again.wait_serving()
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

    def cli(self, up, *words):
        return subprocess.run([SITEWIRE, *words], env=up.env(), capture_output=True, text=True, timeout=120, check=False)

    def test_rogue_of_the_same_user(self):
        """A process of the user that runs the system poses as no service of sitewire."""
        up = self.up()
        backend = up.setting("SITEWIRE_BACKEND")
        user = os.stat(backend.removeprefix("ipc://")).st_uid
        for service, answer in (("sitewire.user.v1.Users", DISCONNECT), (SERVICE, DISCONNECT), ("sitewire.new", DISCONNECT),
                                ("test.Own", HEARTBEAT)):
            done = subprocess.run([sys.executable, "-c", ROGUE, backend, service], user=user, cwd="/", capture_output=True,
                                  text=True, timeout=120, check=False)
            self.assertEqual(done.stdout.strip(), str(answer), service + done.stderr)
        up.wait_serving()

    def test_runner_is_a_robot(self):
        up = self.up("--runner", os.path.join(self.data, "docroots"))
        for line in ("create environment dev", "create cms drupal", "create website w", "create docroot d",
                     "create docroot-environment d/dev cms=drupal", "create website-deployed w/d/dev website_version=1"):
            made = self.cli(up, *line.split())
            self.assertEqual(made.returncode, 0, made.stderr)
        os.makedirs(os.path.join(self.data, "docroots", "d", "dev"))
        deploy = ("deploy", "w", "--env", "dev", "--version", "2", "--run", "true", "--wait")
        done = self.cli(up, *deploy)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        made = json.loads(self.cli(up, "get", "deployment", "1", "--json").stdout)
        self.assertEqual((made["status"], made["runner_user"]), ("DONE", "runner@localhost"))
        robot = json.loads(self.cli(up, "get", "user", "runner@localhost", "--json").stdout)
        self.assertEqual((robot["kind"], robot.get("is_admin", False)), ("ROBOT", False))
        claim = self.cli(up, "call", "Deployments/ClaimDeployment", '{"runner": "r"}')
        self.assertEqual(claim.returncode, 7, claim.stdout + claim.stderr)
        # What an admin takes from it stays taken.
        self.assertEqual(self.cli(up, "delete", "grant", "up-runner", "--yes").returncode, 0)
        self.assertEqual(up.end(), 0)
        up = self.up("--runner", os.path.join(self.data, "docroots"))
        self.assertEqual(self.cli(up, "get", "grant", "up-runner").returncode, 5)

    def test_another_key_of_the_broker(self):
        """Its programs trust the key that the broker has when they start."""
        self.assertEqual(self.up().end(), 0)
        path = f"{self.data}/keys/broker.key"
        user = os.stat(path)
        os.remove(path)
        Key(path)
        os.chown(path, user.st_uid, user.st_gid)
        up = self.up()
        up.wait_serving()
        self.assertEqual(up.end(), 0)

    def test_kill_of_parts(self):
        up = self.up()
        for name in ("sitewire-broker", "sitewire-referential", "postgres"):
            pid = up.child(name)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: not is_alive(pid), "it ends")
            self.assertNotEqual(up.child(name), pid)
            up.wait_serving()
        self.assertEqual(up.end(), 0)

    def test_kill_of_itself(self):
        up = self.up()
        for _ in range(2):
            pids = [pid for found in children(up.pid).values() for pid in found]
            up.end(signal.SIGKILL)
            up = self.up()  # at once: its parts may be half-stopped, and their sockets are stale
            up.wait_serving()
            self.assert_ended(pids)
        self.assertEqual(up.end(), 0)

    def test_stopped_postgresql(self):
        """A PostgreSQL that a killed supervisor left, and that does not react to the signals that
        ask it to end."""
        up = self.up()
        postmaster = up.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        up.end(signal.SIGKILL)
        try:
            os.kill(postmaster, signal.SIGCONT)  # with its SIGINT pending: it stops while the next one starts
        except ProcessLookupError:
            pass
        up = self.up()
        up.wait_serving()
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
        up.wait_serving()

    def test_long_path(self):
        data = os.path.join(self.folder, "x" * 120)
        up = self.up(data=data)
        up.wait_serving()
        socket = re.sub("^ipc://", "", up.setting("SITEWIRE_ENDPOINT"))
        self.assertLess(len(socket), 108)
        self.assertEqual(up.end(), 0)
        shutil.rmtree(os.path.dirname(socket), ignore_errors=True)

    def test_crash_loop(self):
        """A program that cannot live is reported, and up ends with a failure."""
        up = self.up("--frontend", "ipc:///nonexistent/folder/socket", wait=False)
        self.assertNotEqual(up.popen.wait(90), 0)
        self.assertIn("sitewire-broker", up.output())


if __name__ == "__main__":
    unittest.main()
