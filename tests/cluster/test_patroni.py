#!/usr/bin/env python3
"""The data centre with automatic failover: Patroni and etcd from Debian, as docs/operations.md sets
them up. Each fault under load; nobody promotes anything by hand."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from centre import HOSTS, PATRONI_STEPS, CentreTest  # noqa: E402
from lab import now_ms, wait_for  # noqa: E402
from load import Load  # noqa: E402

LACKS = lab.missing_programs("patroni", "patronictl", "etcd")


@lab.needs_lab
@unittest.skipIf(LACKS, "not installed: " + ", ".join(LACKS))
class Patroni(CentreTest):
    hosts = {name: [] for name in (*HOSTS, "witness")}
    steps = PATRONI_STEPS

    def moved(self):
        """Waits until the standby is the primary."""
        wait_for(lambda: self.centre.is_primary(self.centre.standby), "the standby is promoted", 120)
        self.centre.swap()

    def lose_primary(self, lose, recover, what):
        load = Load(self, timeout_ms=30000)
        load.progress()
        begun = now_ms()
        lose(self.centre.host(self.centre.primary))
        self.moved()
        promoted = now_ms()
        load.progress()
        pause = self.pause(load, begun)
        recover(self.centre.host(self.centre.standby))
        self.centre.wait_streaming()
        load.progress()
        totals = load.finish()
        self.figure(f"{what}: promoted after {(promoted - begun) / 1000:.1f} s, {pause:.1f} s without an answer, "
                    f"{totals['failed']} calls failed")

    def test_switchover(self):
        self.lose_primary(lambda _: self.centre.page("Switch over with Patroni"), lambda _: None, "switchover")

    def test_cut(self):
        """The primary and its Patroni lose the network. It returns as a standby, by itself."""
        self.lose_primary(lambda host: host.cut(), lambda host: host.mend(), "network of the primary cut")

    def test_kill(self):
        """kill -9 of Patroni and PostgreSQL on the primary, as when a machine crashes."""
        def kill(host):
            host.sh("kill -9 $(cat /run/units/patroni.pid) $(head -1 /var/lib/postgresql/15/sitewire/postmaster.pid)")
        self.lose_primary(kill, lambda host: host.sh("systemctl start patroni"), "crash of the primary")

    def test_postgresql_only(self):
        """kill -9 of PostgreSQL alone: Patroni starts it again, or promotes the standby."""
        load = Load(self, timeout_ms=30000)
        load.progress()
        self.centre.host(self.centre.primary).sh("kill -9 $(head -1 /var/lib/postgresql/15/sitewire/postmaster.pid)")
        load.progress()
        self.centre.primary, self.centre.standby = sorted(("db1", "db2"), key=self.centre.is_primary, reverse=True)
        self.centre.wait_streaming()
        load.progress()
        load.finish()


if __name__ == "__main__":
    lab.main()
