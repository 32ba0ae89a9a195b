#!/usr/bin/env python3
"""kill -9 of broker, service and PostgreSQL under load from several clients: every call ends with a
reply or a status within its deadline, no acknowledged write is lost, none is doubled, and service
resumes without help."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.abspath(__file__ + "/../../../..")
BUILD = os.environ.get("SITEWIRE_BUILD", os.path.join(ROOT, "build"))
SITEWIRE = os.path.join(BUILD, "bin", "sitewire")
CLIENTS, SLOTS, TIMEOUT_MS = 3, 10, 10000


def children(pid):
    """Direct children: name -> pid."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            for child in map(int, file.read().split()):
                with open(f"/proc/{child}/comm") as comm:
                    found[comm.read().strip()] = child
    return found


class Load:
    """One client process that keeps accounts (fault_load.c)."""

    def __init__(self, endpoint, name):
        self.child = subprocess.Popen([os.path.join(BUILD, "tests", "fault-load"), endpoint, name, str(SLOTS),
                                       str(TIMEOUT_MS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        self.noise = []

    def wait_for_progress(self, seconds):
        """Waits until 300 more writes were acknowledged."""
        until, seen = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            line = self.child.stderr.readline()
            if line.startswith("acked"):
                seen += 1
                if seen == 4:
                    return
            elif line == "":
                raise AssertionError("the load ended: " + "".join(self.noise))
            else:
                self.noise.append(line)
        raise AssertionError(f"no progress for {seconds} s: " + "".join(self.noise))

    def finish(self):
        out, err = self.child.communicate("", timeout=60)
        self.noise += [line for line in err.splitlines(True) if not line.startswith("acked")]
        return json.loads(out)


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="swf")
        os.chmod(cls.folder, 0o755)
        cls.data = os.path.join(cls.folder, "d")
        cls.log = open(os.path.join(cls.folder, "log"), "w+")
        cls.up = subprocess.Popen([SITEWIRE, "up", "--data", cls.data], stdout=subprocess.PIPE, stderr=cls.log, text=True)
        for line in cls.up.stdout:
            if line.startswith("ready"):
                break
        else:
            cls.log.seek(0)
            raise AssertionError("sitewire up did not become ready:\n" + cls.log.read())
        with open(os.path.join(cls.data, "env")) as file:
            found = re.search(r"SITEWIRE_ENDPOINT='?([^'\n]*)'?", file.read())
        cls.endpoint = found.group(1)

    @classmethod
    def tearDownClass(cls):
        cls.up.send_signal(signal.SIGTERM)
        try:
            cls.up.wait(60)
        finally:
            cls.up.kill()
            cls.up.stdout.close()
            cls.log.close()
            shutil.rmtree(cls.folder, ignore_errors=True)

    def postmaster(self):
        for folder, _, files in os.walk(self.data):
            if "postmaster.pid" in files:
                with open(os.path.join(folder, "postmaster.pid")) as file:
                    return int(file.readline())
        raise AssertionError("no postmaster.pid")

    def survive(self, name, victim):
        loads = [Load(self.endpoint, f"{name}-{i}") for i in range(CLIENTS)]
        try:
            for round_ in range(3):
                for load in loads:
                    load.wait_for_progress(30)
                os.kill(victim(), signal.SIGKILL)
                for load in loads:
                    load.wait_for_progress(60)
            totals = {}
            for load in loads:
                for key, value in load.finish().items():
                    totals[key] = max(totals.get(key, 0), value) if key == "longest_ms" else totals.get(key, 0) + value
        finally:
            for load in loads:
                load.child.kill()
                load.child.communicate()
        noise = "".join(line for load in loads for line in load.noise)
        print(f"\n{name}: {totals}", file=sys.stderr)
        for account in ("late", "lost", "doubled", "wrong"):
            self.assertEqual(totals[account], 0, f"{account}: {totals}\n{noise}")
        self.assertEqual(totals["verified"], totals["slots"], noise)
        self.assertGreater(totals["acked"], 1000)

    def test_broker(self):
        self.survive("broker", lambda: children(self.up.pid)["sitewire-broker"[:15]])

    def test_service(self):
        self.survive("service", lambda: children(self.up.pid)["sitewire-referential"[:15]])

    def test_postgresql(self):
        self.survive("postgresql", self.postmaster)

    def test_postgresql_backend(self):
        """One connection's process: PostgreSQL restarts all of them and recovers."""
        def backend():
            with open(f"/proc/{self.postmaster()}/task/{self.postmaster()}/children") as file:
                for pid in map(int, file.read().split()):
                    with open(f"/proc/{pid}/cmdline") as line:
                        if "sitewire" in line.read().split(":", 1)[-1]:
                            return pid
            raise AssertionError("no backend")
        self.survive("backend", backend)


if __name__ == "__main__":
    unittest.main()
