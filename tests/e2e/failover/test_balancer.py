#!/usr/bin/env python3
"""HAProxy before two brokers: an outage of the brokers is UNAVAILABLE and ends no command, a
refused key is UNAUTHENTICATED, and the bound of connections per address does not count for the
balancer."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from brokers_test import Balancer, TwoBrokers  # noqa: E402
from load_test import FaultLoad  # noqa: E402
from runner_test import RunnerTest  # noqa: E402
from sitewire_test import LOCAL_SERVICES, free_port, wait_for  # noqa: E402

OK, UNAVAILABLE, UNAUTHENTICATED = 0, 14, 16
BOUND = ("--address-connections", "3")


class Behind(RunnerTest):
    @classmethod
    def make_system(cls, broker_options):
        """All connections come from one address, the balancer's: more than the bound."""
        return TwoBrokers(broker_options=(*broker_options, *BOUND, "--trusted-addresses", "127.0.0.1"))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        system = cls.system
        cls.tcp, cls.tcp_events, cls.tcp_untrusted = (f"tcp://127.0.0.1:{free_port()}" for _ in range(3))
        cls.untrusting = f"tcp://127.0.0.1:{free_port()}"
        try:
            cls.balancer = Balancer(system.folder, {
                ":7601": cls.tcp, "broker1:7601": system.tcp, "broker2:7601": system.tcp_b, ":7603": cls.tcp_events,
                "broker1:7603": system.tcp_events, "broker2:7603": system.tcp_events_b},
                f"listen untrusted\n    bind {cls.tcp_untrusted[6:]}\n    server broker3 {cls.untrusting[6:]}\n")
        except BaseException:
            cls.tearDownClass()
            raise
        cls.addClassCleanup(cls.balancer.end, signal.SIGKILL)
        cls.admin = system.enroll("ann@x.org", admin=True)
        wait_for(lambda: cls.whoami().returncode == OK, "calls pass the balancer")

    @classmethod
    def whoami(cls, key=None, endpoint=None):
        return cls.system.cli("whoami", "--endpoint", endpoint or cls.tcp, "--key", (key or cls.admin).path)

    def kill_brokers(self):
        for name in ("broker", "broker-b"):
            self.system.kill(name)

    def start_brokers(self):
        for name in ("broker", "broker-b"):
            if name not in self.system.processes:
                self.system.start_broker(name)
        for endpoint in (self.system.ipc, self.system.ipc_b):
            self.system.wait_for_services(endpoint)
        for client in self.clients.values():
            client.connect()

    def test_an_outage_ends_no_command(self):
        """The balancer accepts connections and hangs up; a runner goes on with what it runs."""
        file = os.path.join(self.system.folder, "go-on")
        runner = self.runner("--endpoint", self.tcp, "--events", self.tcp_events, "--lease-ms", "120000")
        number = self.asked(f"echo started; while [ ! -e {file} ]; do sleep 0.1; done; echo went on")
        self.running(number, b"started")
        self.kill_brokers()
        self.addCleanup(self.start_brokers)
        end = time.monotonic() + 12  # the runner renews its lease each 5 s
        while time.monotonic() < end:
            done = self.whoami()
            self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
        self.start_brokers()
        with open(file, "w", encoding="ascii"):
            pass
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        self.assertIn(b"went on", self.output(number))
        self.assertNotIn("event=lost", runner.output())
        self.assertNotIn("UNAUTHENTICATED", runner.output())

    def test_a_refused_key(self):
        done = self.whoami(self.system.key("nobody.key"))
        self.assertEqual(done.returncode, UNAUTHENTICATED, done.stderr)

    def test_a_broker_dies(self):
        loads = [FaultLoad(self.system.folder, self.tcp, f"balanced-{i}", timeout_ms=30000,
                           key=self.admin.path) for i in range(4)]
        for load in loads:
            self.addCleanup(load.end, signal.SIGKILL)
        self.addCleanup(self.start_brokers)
        for name in ("broker", "broker-b"):
            for load in loads:
                load.wait_for_progress()
            self.system.kill(name)
            for load in loads:
                load.wait_for_progress()
            self.start_brokers()
        for load in loads:
            account = load.finish()
            for what in ("late", "lost", "doubled", "wrong"):
                self.assertEqual(account[what], 0, f"{account}\n{load.complaints()}")
            self.assertEqual(account["verified"], account["slots"])

    def test_bound_of_an_address(self):
        """Without --trusted-addresses all clients behind the balancer share one address's bound."""
        folder = self.system.folder
        self.system.start("broker-c", "sitewire-broker", "--frontend", f"ipc://{folder}/c,{self.untrusting}", "--backend",
                          f"ipc://{folder}/c-b", "--events", "", "--publish", "", "--key", self.system.broker_key.path,
                          *self.system.caller, *LOCAL_SERVICES, *BOUND)
        self.system.start_service("user-c", f"ipc://{folder}/c-b")
        self.addCleanup(self.system.kill, "user-c")
        self.addCleanup(self.system.kill, "broker-c")
        for endpoint, bounded in ((self.tcp_untrusted, True), (self.tcp, False)):
            wait_for(lambda to=endpoint: self.whoami(endpoint=to).returncode == OK, "calls pass")
            clients = [self.system.client(endpoint, self.admin) for _ in range(8)]
            served = [client.health() == "SERVING" for client in clients]
            self.assertEqual(all(served), not bounded, served)
            for client in clients:
                client.close()


if __name__ == "__main__":
    unittest.main()
