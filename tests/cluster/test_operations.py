#!/usr/bin/env python3
"""docs/operations.md on two machines, and that some test runs every command of it."""
import glob
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
import page  # noqa: E402
from centre import CentreTest  # noqa: E402
from lab import wait_for  # noqa: E402
from load import Load  # noqa: E402

TWO = {"node1": ["broker1", "app1", "db1", "web1"], "node2": ["broker2", "app2", "app3", "db2", "web2"], "desk": []}


class Page(unittest.TestCase):
    def test_every_section_is_run(self):
        text = ""
        for name in glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.py")):
            with open(name, encoding="utf-8") as file:
                text += file.read()
        found = {heading for heading, blocks in page.sections().items() if blocks}
        self.assertGreater(len(found), 10)
        self.assertEqual({heading for heading in found if f'"{heading}"' not in text}, set())

    def test_every_block_says_where(self):
        """A block that does not is refused."""
        with self.assertRaisesRegex(AssertionError, "says where it runs"):
            page.Block("Some section", "sitewire status\n")


@lab.needs_lab
class TwoMachines(CentreTest):
    hosts = TWO

    def test_check(self):
        """On a busy machine the database may not answer in time."""
        wait_for(self.is_checked, "the configuration is in order", 120)

    def is_checked(self):
        try:
            return "target_session_attrs" in self.centre.page("Check a configuration")
        except AssertionError:
            return False

    def test_a_machine_is_lost(self):
        """All of one machine: broker, services, primary, runner. The other one goes on with all of
        it."""
        load = Load(self, timeout_ms=20000)
        load.progress()
        lost = self.centre.host(self.centre.primary)
        lost.cut()
        self.promote()
        load.progress()
        self.centre.crash_postgresql(lost)
        lost.mend()
        self.rejoin()
        load.progress()
        load.finish()


if __name__ == "__main__":
    lab.main()
