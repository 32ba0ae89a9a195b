#!/usr/bin/env python3
"""The two PostgreSQL of the data centre, by hand (pg_ctl promote): planned switchover, kill -9
and power cut, each under load."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from centre import CentreTest  # noqa: E402
from lab import now_ms, wait_for  # noqa: E402
from load import Load  # noqa: E402


def after(begun, milliseconds):
    """Waits for a moment that the test describes: a person notices and acts so long after a
    fault."""
    wait_for(lambda: now_ms() - begun >= milliseconds, "the time that a person needs")


@lab.needs_lab
class Failover(CentreTest):
    def test_switchover(self):
        load = Load(self)
        load.progress()
        begun = now_ms()
        self.centre.page("The primary has to stop")
        self.promote()
        load.progress()
        pause = self.pause(load, begun)
        self.rejoin()
        totals = load.finish()
        self.figure(f"planned switchover: {pause:.2f} s without an answer, {totals['failed']} calls failed")

    def test_kill(self):
        """kill -9 of the primary; its standby is promoted three seconds later."""
        load = Load(self)
        load.progress()
        begun = now_ms()
        self.centre.crash_postgresql(self.centre.host(self.centre.primary))
        after(begun, 3000)
        self.promote()
        load.progress()
        pause = self.pause(load, begun)
        self.rejoin()
        totals = load.finish()
        self.figure(f"kill -9 of the primary, promoted after 3 s: {pause:.2f} s without an answer, {totals['failed']} calls failed")

    def test_power_cut(self):
        """The packets of the primary just stop; its standby is promoted five seconds later."""
        load = Load(self)
        load.progress()
        dead = self.centre.host(self.centre.primary)
        begun = now_ms()
        dead.cut()
        after(begun, 5000)
        self.promote()
        promoted = now_ms()
        load.progress()
        first = min(end for _, end in load.gaps() if end > begun and end - begun > 5000)
        self.centre.crash_postgresql(dead)  # it was off, and starts without its network
        dead.mend()
        self.rejoin()
        totals = load.finish()
        self.figure(f"power cut of the primary: calls succeed {max(0, first - promoted) / 1000:.2f} s after the promotion, "
                    f"{totals['failed']} calls failed")


if __name__ == "__main__":
    lab.main()
