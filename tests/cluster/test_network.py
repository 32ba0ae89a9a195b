#!/usr/bin/env python3
"""Brokers, services, runners and the network of the data centre: killed, cut off, restarted; with
packets that are lost, late, or arrive in one direction only. Each under load."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from centre import APPS, BROKERS, SERVICES, CentreTest  # noqa: E402
from delay import Delay  # noqa: E402
from lab import now_ms, wait_for  # noqa: E402
from load import Load  # noqa: E402


@lab.needs_lab
class Network(CentreTest):
    def hosts_named(self, *names):
        return self.centre.hosts_of(names)

    def kill(self, host, program):
        host.sh(f"kill -9 $(cat /run/units/sitewire@{program}.pid)")

    def start(self, host, *programs):
        host.sh("systemctl start " + " ".join(f"sitewire@{program}" for program in programs))

    def test_kill_broker(self):
        load = Load(self)
        for host in self.hosts_named(*BROKERS):
            load.progress()
            begun = now_ms()
            self.kill(host, "broker")
            load.progress()
            self.figure(f"kill -9 of {host.name}: {self.pause(load, begun):.2f} s without an answer")
            self.start(host, "broker")
            self.centre.wait_served()
        load.progress()
        load.finish()

    def test_cut_broker(self):
        """Its packets just stop, and come back."""
        load = Load(self)
        for host in self.hosts_named(*BROKERS):
            load.progress()
            begun = now_ms()
            host.cut()
            load.progress()
            self.figure(f"{host.name} cut off: {self.pause(load, begun):.2f} s without an answer")
            host.mend()
        load.progress()
        load.finish()

    def test_broker_without_services(self):
        """Services do not reach the first broker any more, clients do."""
        load = Load(self)
        load.progress()
        begun = now_ms()
        broker = self.centre.host("broker1")
        broker.drop_from(*self.hosts_named(*APPS))
        load.progress()
        self.figure(f"a broker without services: {self.pause(load, begun):.2f} s without an answer")
        broker.stop_dropping()
        load.progress()
        load.finish()

    def test_kill_services(self):
        load = Load(self)
        for host in self.hosts_named(*APPS[:2]):
            load.progress()
            for service in SERVICES:
                self.kill(host, service)
            load.progress()
            self.start(host, *SERVICES)
        load.progress()
        load.finish()

    def test_one_way(self):
        """What an application host sends arrives, and it hears nothing; then the other way
        round."""
        load = Load(self)
        app = self.centre.host("app1")
        others = [host for host in self.centre.hosts.values() if host is not app]
        load.progress()
        app.drop_from(*others)
        load.progress()
        app.stop_dropping()
        load.progress()
        for host in others:
            host.drop_from(app)
        load.progress()
        for host in others:
            host.stop_dropping()
        load.progress()
        load.finish()

    def test_loss(self):
        """Every twentieth packet is lost, everywhere."""
        load = Load(self, timeout_ms=20000)
        load.progress()
        for host in self.centre.hosts.values():
            host.lose(0.05)
        begun = now_ms()
        load.progress(100)
        self.figure(f"5% of all packets lost: {self.pause(load, begun):.2f} s without an answer at most")
        for host in self.centre.hosts.values():
            host.stop_dropping()
        load.progress()
        load.finish()

    def test_delay(self):
        """Clients that are 50 ms away, by a forwarder before each broker."""
        with Delay(self.centre, BROKERS, 7601, 0.05) as delay:
            load = Load(self, endpoints=delay.endpoints)
            load.progress()
            load.finish()

    def test_runner_lost(self):
        """A runner's host is cut off while it runs commands: another one continues after the lease,
        and nothing runs twice at once."""
        load = Load(self)
        load.progress()
        web = self.centre.host("web1")
        wait_for(lambda: self.sql("SELECT 1 FROM deployment.deployment WHERE runner = 'web1' AND status = 'IN_PROGRESS'"),
                 "web1 runs a deployment")
        web.cut()
        load.progress()
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.deployment WHERE runner = 'web1' AND status = 'IN_PROGRESS'"),
                 "its deployments go on elsewhere", 120)
        web.mend()
        load.progress()
        load.finish()

    def test_restart(self):
        """A rolling restart of everything, and `sitewire migrate` at any time: no call fails."""
        load = Load(self)
        load.progress()
        self.centre.page("Restart everything")
        self.centre.page("The schema")
        load.progress()
        totals = load.finish()
        self.assertEqual(totals["failed"], 0, totals)


if __name__ == "__main__":
    lab.main()
