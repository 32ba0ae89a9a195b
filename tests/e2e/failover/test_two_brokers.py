#!/usr/bin/env python3
"""Two brokers, one of them without services: commands and load go on at the other one, and come
back; a command has one deadline for all its calls."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from brokers_test import TwoBrokers  # noqa: E402
from load_test import FaultLoad  # noqa: E402
from sitewire_test import wait_for  # noqa: E402

OK, DEADLINE, UNAVAILABLE = 0, 4, 14


class Brokers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = TwoBrokers()
        cls.addClassCleanup(cls.system.stop)
        cls.key = cls.system.enroll("ann@x.org", admin=True)

    def setUp(self):
        """Both brokers run, and all services are at both."""
        for name in ("broker", "broker-b"):
            if name not in self.system.processes:
                self.system.start_broker(name)
        self.system.kill_services()
        self.system.start_services()
        for endpoint in (self.system.ipc, self.system.ipc_b):
            self.system.wait_for_services(endpoint)

    def commands_work(self):
        """At the second broker, long before their deadline."""
        for endpoints, key in ((self.system.both, "off"), (self.system.both_tcp, self.key.path)):
            for words in (("list", "cms"), ("whoami",), ("deployments",)):
                done = self.system.cli(*words, "--endpoint", endpoints, "--key", key, "--timeout", "60s")
                self.assertEqual(done.returncode, OK, done.stderr)

    def test_a_broker_that_lost_its_services(self):
        self.system.kill_services()
        self.system.start_services(self.system.backend_b)
        self.system.wait_for_services(self.system.ipc_b)
        self.commands_work()

    def test_a_broker_that_has_never_seen_a_service(self):
        self.system.kill_services()
        self.system.kill("broker")
        self.system.start_services(self.system.backend_b)
        self.system.start_broker()
        client = self.system.client()
        wait_for(lambda: client.health() == "SERVING", "the broker listens")
        client.close()
        self.system.wait_for_services(self.system.ipc_b)
        self.commands_work()

    def calls(self):
        """What the first broker has got."""
        return self.system.counter("calls")

    def come_back(self, load):
        """Until the load is at the first broker again."""
        before = self.calls()
        wait_for(lambda: not load.running() or self.calls() > before + 500, "the load comes back", 120)

    def test_load_goes_on_and_comes_back(self):
        """No call fails: not when the services of a broker go, not when a broker is killed."""
        self.system.kill_services()
        self.system.start_services(self.system.backend_b)
        for name in ("referential-1", "user-1", "deployment-1"):
            self.system.start_service(name, self.system.backend)
        for endpoint in (self.system.ipc, self.system.ipc_b):
            self.system.wait_for_services(endpoint)
        load = FaultLoad(self.system.folder, self.system.both, "two-brokers", timeout_ms=30000)
        self.addCleanup(load.end, signal.SIGKILL)
        load.wait_for_progress()
        self.system.kill("referential-1")
        load.wait_for_progress()
        load.wait_for_progress()
        self.system.start_service("referential-1", self.system.backend)
        self.come_back(load)
        self.system.kill("broker")
        load.wait_for_progress()
        self.system.start_broker()
        self.system.wait_for_services(self.system.ipc)
        self.come_back(load)
        account = load.finish()
        for what in ("late", "lost", "doubled", "wrong", "failed"):
            self.assertEqual(account[what], 0, f"{account}\n{load.complaints()}")
        self.assertEqual(account["verified"], account["slots"])

    def test_a_command_has_one_deadline(self):
        """The broker knows three services without workers: each of the calls that read their schema
        would wait for 5 s."""
        self.system.kill_services()
        begun = time.monotonic()
        done = self.system.cli("list", "websites", "--timeout", "5s")
        spent = time.monotonic() - begun
        self.assertIn(done.returncode, (DEADLINE, UNAVAILABLE), done.stderr)
        self.assertLess(spent, 14)


if __name__ == "__main__":
    unittest.main()
