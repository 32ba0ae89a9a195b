"""The data centre of docs/operations.md, built by the commands of that page, and the base of the
tests that break it."""
import os
import re
import sys
import unittest
from multiprocessing.pool import ThreadPool

import page
from lab import HOME, Lab, now_ms, wait_for
from sitewire_test import ROOT, Key

HOSTS = ("broker1", "broker2", "app1", "app2", "app3", "db1", "db2", "web1", "web2", "desk")
BROKERS, APPS, WEBS = ("broker1", "broker2"), ("app1", "app2", "app3"), ("web1", "web2")
SERVICES = ("user", "referential", "deployment")
ENDPOINTS = {"SITEWIRE_ENDPOINT": "tcp://broker1:7601,tcp://broker2:7601",
             "SITEWIRE_EVENTS": "tcp://broker1:7603,tcp://broker2:7603"}
STEPS = ("A user and a unit", "PostgreSQL", "A standby", "The schema", "Keys", "Brokers", "Services", "The first admin",
         "The first website", "Runners")
PATRONI_STEPS = ("A user and a unit", "Automatic failover with Patroni", *STEPS[3:])
# Less memory and less disk than the defaults of PostgreSQL: all of it is in memory here.
SMALL = "shared_buffers = 32MB\nmax_wal_size = 256MB\nmin_wal_size = 32MB\n"
FIGURES = os.path.join(ROOT, ".cache", "cluster")  # what `./dev cluster` prints at its end


class Centre(Lab):
    """hosts: {host: [further names]}; by default one for each name of the page."""

    def __init__(self, hosts=None, steps=STEPS):
        super().__init__(hosts or {name: [] for name in HOSTS})
        self.primary, self.standby = "db1", "db2"
        with ThreadPool(2) as pool:
            pool.map(self.install_postgresql, self.hosts_of(name for name in ("db1", "db2") if name in self.by_name))
        for step in steps:
            page.run(self, step)

    @staticmethod
    def install_postgresql(host):
        """What apt does on a new host: certificate, cluster, start."""
        host.sh("""
            mkdir -p /etc/ssl/certs /etc/ssl/private
            openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$(hostname) -out /etc/ssl/certs/ssl-cert-snakeoil.pem \
                -keyout /etc/ssl/private/ssl-cert-snakeoil.key 2>/dev/null
            chown -R root:ssl-cert /etc/ssl/private; chmod 710 /etc/ssl/private; chmod 640 /etc/ssl/private/*
            pg_createcluster 15 main >/dev/null""")
        with open(host.path("/etc/postgresql/15/main/conf.d/small.conf"), "w", encoding="ascii") as file:
            file.write(SMALL)
        host.sh("pg_ctlcluster 15 main start")

    def page(self, heading):
        """Runs what the page says under this heading. db1 is the primary of now."""
        return page.run(self, heading, db1=self.primary, db2=self.standby)

    def swap(self):
        self.primary, self.standby = self.standby, self.primary

    def sql(self, text, host=None):
        """Rows as lists of strings, from the primary, as the superuser."""
        done = self.host(host or self.primary).try_sh(
            'cd / && runuser -u postgres -- psql -X -q -A -t -F "$SEPARATOR" -v ON_ERROR_STOP=1 -d sitewire -c "$SQL"',
            SQL=text, SEPARATOR="\x1f")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def desk(self, script, **env):
        """What a script prints on the administrator's machine."""
        return self.host("desk").sh(script, **ENDPOINTS | env)

    def key(self):
        """The administrator's."""
        key = Key(None)
        with open(self.host("desk").path(f"{HOME}/.config/sitewire/key"), encoding="ascii") as file:
            found = dict(re.findall(r'(\S+) = "(.*)"', file.read()))
        key.public, key.secret, key.server = found["public-key"], found["secret-key"], found["server-key"]
        return key

    def is_primary(self, name):
        """False if it does not answer, too."""
        try:
            return self.sql("SELECT pg_is_in_recovery()", name) == [["f"]]
        except AssertionError:
            return False

    def wait_streaming(self):
        wait_for(lambda: self.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby streams", 120)

    def wait_served(self):
        self.desk("sitewire health --wait 60s")

    def crash_postgresql(self, host):
        """kill -9 of PostgreSQL on a host."""
        host.sh("kill -9 $(head -1 /var/lib/postgresql/15/main/postmaster.pid)")


class CentreTest(unittest.TestCase):
    """A data centre for the tests of a class, which leave it healthy."""
    hosts, steps = None, STEPS

    @classmethod
    def setUpClass(cls):
        cls.centre = Centre(cls.hosts, cls.steps)
        cls.sql = cls.centre.sql

    def promote(self):
        """The standby, by hand."""
        self.centre.page("Promote the standby")
        self.centre.swap()

    def rejoin(self):
        """The former primary becomes the standby of the new one."""
        self.centre.page("A standby")
        self.centre.wait_streaming()

    def run(self, result=None):
        """Adds the logs to a failure."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(self.centre.logs(), file=sys.stderr)

    def figure(self, text):
        """A measured value, for people; tests assert no speed."""
        line = f"{type(self).__name__}.{self._testMethodName}: {text}"
        print(line, file=sys.stderr)
        os.makedirs(FIGURES, exist_ok=True)
        with open(os.path.join(FIGURES, f"{type(self).__name__}.txt"), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def pause(self, load, since, until=None):
        """The longest time without an acknowledged write that ended after `since` and began before
        `until`, in seconds; monotonic milliseconds."""
        until = until or now_ms()
        return max((end - begin for begin, end in load.gaps() if end > since and begin < until), default=0) / 1000
