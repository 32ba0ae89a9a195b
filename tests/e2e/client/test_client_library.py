#!/usr/bin/env python3
"""libsitewire against real brokers: the example of docs/client.md, and failover between two brokers
under load."""
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from load_test import FaultLoad  # noqa: E402
from sitewire_test import BUILD, LOCAL_SERVICES, ROOT, System, wait_for  # noqa: E402


class Example(unittest.TestCase):
    def test_tour_quotes_the_example(self):
        with open(os.path.join(ROOT, "clients/c/example.c"), encoding="utf-8") as file:
            program = file.read()
        with open(os.path.join(ROOT, "docs/client.md"), encoding="utf-8") as file:
            quotes = re.findall(r"```c\n(.*?)```", file.read(), re.S)
        self.assertTrue(quotes)
        for quote in quotes:
            self.assertIn(quote, program)

    def test_example_runs(self):
        with System() as system:
            created = system.cli("call", "Referential/CreateWebsite", '{"website": {"code": "a.com", "live": true}}')
            self.assertEqual(created.returncode, 0, created.stderr)
            for code, wanted in (("a.com", "a.com is live"), ("b.com", "there is no website b.com")):
                done = subprocess.run([os.path.join(BUILD, "tests", "sitewire-example"), code], text=True, timeout=60,
                                      capture_output=True, env=system.env(), check=False)
                self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
                self.assertIn(wanted, done.stdout)
                self.assertIn("100 of 100 calls went well", done.stdout)
                self.assertIn('says {"status":"SERVING"', done.stdout)
                self.assertIn("the stream ended with CANCELLED", done.stdout)


class Failover(unittest.TestCase):
    """Two brokers, one service connected to both. One broker dies by kill -9 while calls are
    out."""

    def test_failover_under_load(self):
        with System() as system:
            ends = [f"ipc://{system.folder}/{name}-{{}}".format for name in ("front", "back", "events")]
            for number in (1, 2):
                self.start_broker(system, ends, number)
            backends = ",".join(ends[1](number) for number in (1, 2))
            system.start_service("referential-both", backends)
            for number in (1, 2):
                client = system.client(ends[0](number))
                wait_for(lambda: client.health(System.SERVICES[0]) == "SERVING", f"broker {number} serves")
                client.close()
            endpoints = ",".join(ends[0](number) for number in (1, 2))
            load = FaultLoad(system.folder, endpoints, "x", timeout_ms=20000)
            self.addCleanup(load.end, signal.SIGKILL)
            for number in (1, 2, 1):
                load.wait_for_progress()
                system.kill(f"broker-{number}")
                load.wait_for_progress()
                self.start_broker(system, ends, number)
            result = load.finish()
            for name in ("lost", "doubled", "wrong", "late"):
                self.assertEqual(result[name], 0, (result, load.complaints()))

    @staticmethod
    def start_broker(system, ends, number):
        system.start(f"broker-{number}", "sitewire-broker", "--frontend", ends[0](number), "--backend",
                     ends[1](number), "--events", ends[2](number), "--publish", ends[2](number) + "-in", *system.caller, *LOCAL_SERVICES)


if __name__ == "__main__":
    unittest.main()
