"""Load that keeps accounts (tests/e2e/broker/fault_load.c), for tests that kill programs
meanwhile."""
import json
import os
import re
import subprocess

from sitewire_test import BUILD, Process, clean_environment, wait_for


class FaultLoad(Process):
    """One client process: `slots` rows, each with one call under way. `name` begins their codes;
    `key` is the path of its key file, `before` the beginning of its command, such as nsenter."""

    def __init__(self, folder, endpoints, name, slots=10, timeout_ms=10000, key=None, before=()):
        super().__init__(folder, name, [*before, os.path.join(BUILD, "tests", "fault-load"), endpoints, name, str(slots),
                                        str(timeout_ms)], clean_environment() | ({"SITEWIRE_KEY": key} if key else {}),
                         stdin=subprocess.PIPE)

    def acknowledged(self):
        """How many writes were acknowledged, in hundreds."""
        return int((re.findall(r"(?m)^acked (\d+)$", self.output()) or ["0"])[-1])

    def gaps(self):
        """The pauses without any acknowledged write that are over: pairs of monotonic
        milliseconds."""
        return [(int(since), int(until)) for since, until in re.findall(r"(?m)^gap (\d+) (\d+)$", self.output())]

    def wait_for_progress(self, writes=300):
        """Until so many more writes were acknowledged, in hundreds."""
        wanted = self.acknowledged() + writes
        wait_for(lambda: not self.running() or self.acknowledged() >= wanted, f"progress of {self.name}", 120)
        if not self.running():
            raise AssertionError("the load ended: " + self.complaints())

    def complaints(self):
        return "".join(line for line in self.output().splitlines(True) if not line.startswith(("acked", "gap", "{")))

    def finish(self):
        """Verifies every row, ends, and returns the accounts."""
        self.popen.stdin.close()
        if self.popen.wait(120) != 0:
            raise AssertionError(f"the load ended with {self.popen.returncode}: {self.complaints()}")
        return json.loads(next(line for line in self.output().splitlines() if line.startswith("{")))
