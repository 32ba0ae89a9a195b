#!/usr/bin/env python3
"""A synchronous standby that is away, that is given up, and hosts that disappear with open
sessions, each under load."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from centre import CentreTest  # noqa: E402
from lab import now_ms, wait_for  # noqa: E402
from load import Load  # noqa: E402


@lab.needs_lab
class Standby(CentreTest):
    def test_standby_away(self):
        """While the standby is cut off, nothing is acknowledged that it does not have; reads go on.
        The primary is lost then, and the standby is promoted: all that was acknowledged is
        there."""
        load = Load(self)
        load.progress()
        standby = self.centre.host(self.centre.standby)
        standby.drop_from(self.centre.host(self.centre.primary))
        begun = now_ms()
        wait_for(lambda: int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")[0][0]) >= 4,
                 "changes wait for the standby")
        self.centre.desk("sitewire get website hello.example")
        wait_for(lambda: now_ms() - begun > 15000, "a time longer than a call's")
        self.centre.desk("sitewire list websites --limit 10")
        self.centre.crash_postgresql(self.centre.host(self.centre.primary))
        standby.stop_dropping()
        self.promote()
        load.progress()
        self.rejoin()
        totals = load.finish()
        self.figure(f"standby away, then promoted: {totals['deadline_exceeded']} calls ended at their deadline, "
                    f"{totals['unavailable']} at once")

    def test_standby_given_up(self):
        """The standby is lost for good: changes go on without it, on command, and with a new
        one."""
        load = Load(self)
        load.progress()
        standby = self.centre.host(self.centre.standby)
        standby.cut()
        wait_for(lambda: self.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), "changes wait for the standby")
        self.centre.page("The standby is lost")
        load.progress()
        standby.mend()
        self.rejoin()
        load.progress()
        load.finish()

    def test_sessions_of_a_dead_host(self):
        """The sessions of a host that was cut off disappear, and with them their locks."""
        dead = self.centre.host("app3")
        begun = now_ms()
        load = Load(self)
        load.progress()
        dead.cut()
        self.addCleanup(dead.mend)
        load.progress()
        wait_for(lambda: self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE client_addr = '{dead.address}'") == [["0"]],
                 "the sessions end", 120)
        took = (now_ms() - begun) / 1000
        dead.mend()
        load.progress()
        load.finish()
        self.figure(f"sessions of a host that was cut off ended within {took:.0f} s")


if __name__ == "__main__":
    lab.main()
