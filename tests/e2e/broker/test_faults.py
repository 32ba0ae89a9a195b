#!/usr/bin/env python3
"""kill -9 of broker, service and PostgreSQL under load from several clients: every call ends with a
reply or a status by its deadline, no acknowledged write is lost, none is doubled, and service
resumes without help."""
import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from load_test import FaultLoad  # noqa: E402
from sitewire_test import children, make_folder, wait_for  # noqa: E402
from up_test import Up  # noqa: E402

CLIENTS, ROUNDS = 3, 3


def is_backend(pid):
    """A connection of a service: the process title is "postgres: USER DATABASE ..."."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as title:
            return "sitewire" in title.read().partition(":")[2]
    except FileNotFoundError:
        return False


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.up = Up(cls.folder)
        cls.addClassCleanup(cls.up.end)

    def survive(self, name, victim):
        """Kills what victim() names, again and again, under load."""
        loads = [FaultLoad(self.folder, self.up.setting("SITEWIRE_ENDPOINT"), f"{name}-{i}") for i in range(CLIENTS)]
        for load in loads:
            self.addCleanup(load.end, signal.SIGKILL)
        for _ in range(ROUNDS):
            for load in loads:
                load.wait_for_progress()
            os.kill(victim(), signal.SIGKILL)
            for load in loads:
                load.wait_for_progress()
        accounts = [load.finish() for load in loads]
        totals = {key: sum(each[key] for each in accounts) for key in accounts[0]}
        totals["longest_ms"] = max(each["longest_ms"] for each in accounts)
        complaints = "".join(load.complaints() for load in loads)
        print(f"\n{name}: {totals}", file=sys.stderr)
        for account in ("late", "lost", "doubled", "wrong"):
            self.assertEqual(totals[account], 0, f"{account}: {totals}\n{complaints}")
        self.assertEqual(totals["verified"], totals["slots"], complaints)
        self.assertGreaterEqual(totals["acked"], CLIENTS * ROUNDS * 600)

    def test_broker(self):
        self.survive("broker", lambda: self.up.child("sitewire-broker"))

    def test_service(self):
        self.survive("service", lambda: self.up.child("sitewire-referential"))

    def test_postgresql(self):
        self.survive("postgresql", self.up.postmaster)

    def test_postgresql_backend(self):
        """One connection's process: PostgreSQL restarts all of them and recovers."""
        def backend():
            pids = [pid for found in children(self.up.postmaster()).values() for pid in found]
            return next(filter(is_backend, pids), None)
        self.survive("backend", lambda: wait_for(backend, "a service is connected"))


if __name__ == "__main__":
    unittest.main()
