#!/usr/bin/env python3
"""One small user with slow and many lists does not stop the others: with real programs, all of
whose lists of changes wait for a lock until the test releases it."""
import glob
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, Client, System, wait_for  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402
from sitewire.user.v1 import user_pb2  # noqa: E402

USERS, REGISTRY = "sitewire.user.v1.Users", "sitewire.referential.v1.Referential"
LISTS = 40


class Lock:
    """Nobody reads the changes while it is held; what does not read them goes on."""

    def __init__(self, postgres):
        self.psql = subprocess.Popen([f"{postgres.bin}/psql", "-X", "-q", "-A", "-t", "-d", postgres.conninfo],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say("BEGIN; LOCK TABLE users.change IN ACCESS EXCLUSIVE MODE;\n\\echo locked\n")
        if self.psql.stdout.readline() != "locked\n":
            raise AssertionError("no lock")

    def _say(self, text):
        self.psql.stdin.write(text)
        self.psql.stdin.flush()

    def release(self):
        if self.psql.poll() is None:
            self.psql.communicate("ROLLBACK;\n", timeout=60)


class Fair(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.system.sql("INSERT INTO referential.website (code) VALUES ('hers'), ('his')")
        cls.small = cls.system.enroll("small@x.org", rights=[("website:hers", "External")])
        # Before anything is locked: a change of them would wait.
        cls.bob, *cls.fresh = [cls.system.enroll(f"{name}@x.org", rights=[("website:his", "External")])
                               for name in ("bob", "fresh-0", "fresh-1")]

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def start(self, filters=()):
        """A list of changes by the small user, on a connection of its own, that is not waited
        for."""
        client = Client(self.system.tcp, self.small)
        self.addCleanup(client.close)
        header = rpc_pb2.CallHeader(method=f"/{USERS}/ListChanges", call_id=1, time_left_ms=300000)
        request = user_pb2.ListChangesRequest(page_size=1000, filters=filters)
        client.socket.send_multipart([b"MDPC02", b"\x01", USERS.encode(), header.SerializeToString(), request.SerializeToString()])
        return client

    def waiting(self):
        """Lists that wait for the lock."""
        return int(self.system.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'sitewire_user' "
                                   "AND wait_event_type = 'Lock'")[0][0])

    def check_others(self, number):
        """Another user's calls and lists, a login with a key that the broker has never seen, and an
        admin."""
        for key, user in ((self.bob, "bob@x.org"), (self.fresh[number], f"fresh-{number}@x.org"), (None, ADMIN)):
            client = self.system.client(key=key)
            me = client.call(f"/{USERS}/WhoAmI", user_pb2.WhoAmIRequest(), user_pb2.Profile, seconds=60)[1]
            self.assertEqual(me.email, user)
            client.call(f"/{REGISTRY}/GetWebsite", referential_pb2.GetWebsiteRequest(code="his"), referential_pb2.Website, seconds=60)
            for service, method, request, reply in (
                    (REGISTRY, "ListWebsites", referential_pb2.ListWebsitesRequest(), referential_pb2.ListWebsitesResponse),
                    (USERS, "ListRoles", user_pb2.ListRolesRequest(), user_pb2.ListRolesResponse)):
                client.call(f"/{service}/{method}", request, reply, seconds=60)
            client.close()

    def test_small_user(self):
        """Two histories took 8 s of an admin's whoami, and 40 lists made logins fail."""
        lock = Lock(self.system.postgres)
        self.addCleanup(lock.release)
        slow = [self.start([rpc_pb2.Filter(field="key", op="=", values=["hers"])]) for _ in range(2)]
        wait_for(lambda: self.waiting() >= 2, "two histories are slow")
        self.check_others(0)
        slow += [self.start() for _ in range(LISTS)]
        wait_for(lambda: self.counter() >= LISTS + 2, "all lists are with the service")
        self.check_others(1)
        self.assertTrue(all(client.receive(0) is None for client in slow), "none has an answer yet")
        lock.release()
        for client in slow:
            reply = rpc_pb2.ReplyHeader.FromString(client.receive(300)[3])
            self.assertEqual(reply.code, 0, reply.message)

    def counter(self):
        """Calls that the user service has not finished."""
        client = self.system.client()
        stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(), rpc_pb2.GetStatsResponse,
                            destination="sitewire.rpc.v1.Stats")[1]
        client.close()
        return sum(each.in_flight for each in stats.instances if each.instance == "user-0")

    @unittest.skipIf(os.geteuid() != 0, "only root sees the descriptors of these programs")
    def test_services_do_not_listen(self):
        """They connect to brokers, so nobody connects to them: only the broker has listening
        sockets."""
        listening = set()
        for path, state, column in (("/proc/net/tcp", "0A", 9), ("/proc/net/tcp6", "0A", 9)):
            with open(path, encoding="ascii") as file:
                listening |= {words[column] for words in map(str.split, file) if words[3] == state}
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            listening |= {words[6] for words in map(str.split, file) if words[3] == "00010000"}
        for name in ("broker", "user-0", "referential-0", "deployment-0"):
            pid = self.system.processes[name].pid
            own = {match[1] for fd in glob.glob(f"/proc/{pid}/fd/*")
                   if (match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd)))}
            self.assertEqual(bool(own & listening), name == "broker", name)


if __name__ == "__main__":
    unittest.main()
