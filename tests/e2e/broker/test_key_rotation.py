#!/usr/bin/env python3
"""Keys are replaced while everything runs: of a client, of the services and of two brokers. The
commands are those of docs/operations.md."""
import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from load_test import FaultLoad  # noqa: E402
from sitewire_test import ADMIN, LOCAL_SERVICES, PATIENCE, System, free_port, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

UNAUTHENTICATED, UNAVAILABLE = 16, 14
PARTIAL, FINAL = b"\x02", b"\x03"
SERVICES = ("referential", "user", "deployment")


class TwoBrokers(System):
    """Two brokers with the same key, and services that reach both by tcp, each with a key of its
    own."""

    def __init__(self):
        self.ends = [{name: f"tcp://127.0.0.1:{free_port()}" for name in ("frontend", "backend", "events", "publish")}
                     for _ in range(2)]
        super().__init__(curve=True, services=0)

    def make_keys(self):
        super().make_keys()
        self.broker_files, self.keys = [self.broker_key.path, os.path.join(self.folder, "broker-2.key")], {}
        shutil.copy(*self.broker_files)

    def migrate(self):
        super().migrate()
        for service, name in zip(SERVICES, self.SERVICES):
            self.keys[service] = self.key(f"{service}.key")
            self.let_serve(self.keys[service], name, service)

    def start_broker(self, name="broker"):
        number = 1 if name == "broker-2" else 0
        ends = self.ends[number]
        local = () if number else (self.ipc,)
        words = [word for side, end in ends.items() for word in
                 ("--" + side, ",".join((*local, end) if side == "frontend" else (end,)))]
        if not number and "broker-2" not in self.processes:
            self.start_broker("broker-2")
        return self.start(name, "sitewire-broker", *words, "--key", self.broker_files[number], "--service-keys",
                          self.service_keys, *self.caller, *LOCAL_SERVICES)

    def start_service(self, instance, backend=None):
        service = instance.partition("-")[0]
        options = ("--publish", ",".join(ends["publish"] for ends in self.ends)) if service == "deployment" else ()
        return self.start(instance, f"sitewire-{service}", "--backend", ",".join(ends["backend"] for ends in self.ends),
                          "--key", self.keys[service].path, "--instance", instance, "--database",
                          f"{self.postgres.conninfo} user=sitewire_{service}", *options)

    def wait_ready(self, seconds=60):
        if "referential-0" not in self.processes:
            self.start_service("referential-0")
        super().wait_ready(seconds)


class KeyRotation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = TwoBrokers()
        cls.admin = cls.system.key("admin.key")
        cls.system.sql(f"""INSERT INTO users.key (public_key, "user") VALUES ('{cls.admin.public}', '{ADMIN}')""")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def run_cli(self, *words, status=0, broker=0, key=None):
        env = {"SITEWIRE_ENDPOINT": self.system.ends[broker]["frontend"], "SITEWIRE_KEY": key or self.admin.path}
        done = self.system.cli(*words, env=env)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.strip() if status == 0 else done.stderr

    def load(self, name):
        both = ",".join(ends["frontend"] for ends in self.system.ends)
        load = FaultLoad(self.system.folder, both, name, key=self.admin.path)
        self.addCleanup(lambda: load.running() and load.end(signal.SIGKILL))
        load.wait_for_progress()
        return load

    def assert_nothing_was_lost(self, load):
        accounts = load.finish()
        self.assertEqual([accounts[name] for name in ("failed", "lost", "doubled", "wrong")], [0] * 4,
                         (accounts, load.complaints()))

    def test_of_a_client(self):
        load, old = self.load("client"), os.path.join(self.system.folder, "old.key")
        shutil.copy(self.admin.path, old)
        fresh = self.run_cli("key", "rotate", "--file", self.admin.path, "--overlap", "3s")
        wait_for(lambda: self.system.sql(f"""SELECT count(*) FROM users.key WHERE revoked_at < now() - interval '3 s'
                     AND public_key = (SELECT replaces FROM users.key WHERE public_key = '{fresh}')""") == [["1"]],
                 "the broker has cut off the old key")
        load.wait_for_progress()
        self.assert_nothing_was_lost(load)
        self.run_cli("whoami", key=old, status=UNAUTHENTICATED)

    def watch_health(self, instance):
        """A stream from one process, which lasts until that is gone."""
        client = self.system.client()
        self.addCleanup(client.close)
        call = rpc_pb2.CallHeader(method="/sitewire.rpc.v1.Health/Watch", call_id=1, time_left_ms=600000, credit=10,
                                  destination="@" + instance)
        frames = client.exchange([b"MDPC02", b"\x01", b"@" + instance.encode(), call.SerializeToString(), b""], PATIENCE)
        self.assertEqual(frames[1], PARTIAL)
        return client

    def test_of_a_service(self):
        """It changes over to the new key without losing a call; the old one is then removed."""
        system, service, load = self.system, self.system.processes["user-0"], self.load("services")
        stream, key, certificates = self.watch_health("user-0"), system.keys["user"].path, system.service_keys
        connected, lost = service.output().count("broker connected"), service.output().count("broker lost")
        self.run_cli("key", "new", key + ".new", "--server-key", system.broker_key.public)
        self.run_cli("key", "public", key + ".new", os.path.join(certificates, "user-2"), "--services", system.SERVICES[1])
        os.rename(key + ".new", key)
        wait_for(lambda: service.output().count("broker connected") == connected + 2, "it uses the new key at both brokers")
        load.wait_for_progress()
        self.assertIsNone(stream.receive(0), "the old connection finishes its calls")
        os.unlink(os.path.join(certificates, "user"))
        frames = wait_for(lambda: stream.receive(1), "the old connection is ended")
        self.assertEqual(frames[1], FINAL)
        load.wait_for_progress()
        self.assert_nothing_was_lost(load)
        self.assertEqual(service.output().count("broker lost"), lost)
        self.assertEqual(service.output().count("broker connected"), connected + 2)
        self.run_cli("whoami", broker=1)

    def test_of_two_brokers(self):
        """Both accept connections all the time, and nobody restarts."""
        system, load = self.system, self.load("brokers")
        files = [self.admin.path, *(key.path for key in system.keys.values())]
        fresh = os.path.join(system.folder, "fresh.key")
        new = self.run_cli("key", "new", fresh).splitlines()[-1]
        old = system.broker_key.public
        for file in files:
            self.assertEqual(self.run_cli("key", "trust", new, "--file", file).split(), [old, new])
        code = self.run_cli("key", "invite", ADMIN).splitlines()[-1]  # a machine that joins just now
        files.append(os.path.join(system.folder, "joined.key"))
        self.run_cli("key", "accept", code, "--file", files[-1])
        for number, name in enumerate(("broker", "broker-2")):
            shutil.copy(fresh, system.broker_files[number] + ".new")
            os.rename(system.broker_files[number] + ".new", system.broker_files[number])
            system.processes[name].popen.send_signal(signal.SIGHUP)
            wait_for(lambda name=name: "key changed" in system.processes[name].output(), "it takes the key")
            for each in range(2):  # also while only one of them has it
                self.run_cli("whoami", broker=each, key=files[-1])
            load.wait_for_progress()
        # A key file that trusts only the old one is of no use any more.
        stale = os.path.join(system.folder, "stale.key")
        shutil.copy(self.admin.path, stale)
        self.run_cli("key", "trust", old, "--only", "--file", stale)
        self.assertIn("server-key", self.run_cli("whoami", key=stale, status=UNAVAILABLE))
        for file in files:
            self.assertEqual(self.run_cli("key", "trust", new, "--only", "--file", file), new)
        for number, name in enumerate(("broker", "broker-2")):  # all come back, with the new key alone
            system.kill(name)
            system.start_broker(name)
            self.run_cli("whoami", broker=number)
            load.wait_for_progress()
        self.assert_nothing_was_lost(load)


if __name__ == "__main__":
    unittest.main()
