#!/usr/bin/env python3
"""docs/operations.md on one machine: a unit that runs `sitewire up`."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from centre import CentreTest  # noqa: E402


@lab.needs_lab
class OneMachine(CentreTest):
    hosts, steps = {"node": []}, ()

    def test_one_machine(self):
        printed = self.centre.page("One machine")
        self.assertIn("SERVING", printed)
        self.centre.host("node").sh("systemctl restart sitewire-up && . /var/lib/sitewire/env && sitewire health --wait 60s")


if __name__ == "__main__":
    lab.main()
