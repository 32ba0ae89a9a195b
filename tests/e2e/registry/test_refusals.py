#!/usr/bin/env python3
"""Refusals are recorded and bounded, and the head of the chain is kept outside of the database."""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from raw_zmtp import RawPeer  # noqa: E402
from sitewire_test import ADMIN, System, wait_for  # noqa: E402
import zmq  # noqa: E402

NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED = 5, 7, 16
ANN = "ann@x.org"


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}", "--key-connections", "20",
                                                        "--user-subscriptions", "10"))
        cls.system.sql(f"INSERT INTO users.\"user\" (email) VALUES ('{ANN}')")
        cls.key = cls.system.key(ANN)
        cls.system.sql(f"INSERT INTO users.key (public_key, \"user\") VALUES ($k${cls.key.public}$k$, '{ANN}'); "
                       f"INSERT INTO referential.website (code) VALUES ('hers'), ('others'); INSERT INTO users.access_right "
                       f"(project, \"user\", role) VALUES ('website:hers', '{ANN}', 'External')")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def setUp(self):
        self.system.sql("TRUNCATE users.refusal")  # else what others have filled up is counted on

    def cli(self, *words, code=0, key=None):
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": key.path} if key else {}
        done = self.system.cli(*words, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def refusals(self, *words):
        return [json.loads(line) for line in self.cli("refusals", *words, "--json").splitlines()]

    def recorded(self, *words, **fields):
        """The row with these fields, once it is written."""
        def look():
            return next((r for r in self.refusals(*words) if all(r.get(k) == v for k, v in fields.items())), None)
        return wait_for(look, f"a refusal {fields}")

    def test_who_what_why(self):
        for _ in range(3):
            self.cli("delete", "website", "hers", "--yes", code=PERMISSION_DENIED, key=self.key)
        row = self.recorded("--by", ANN, method="/sitewire.referential.v1.Referential/DeleteWebsite", count="3")
        self.assertEqual((row["code"], row["caller"], row["key"], row["process"]),
                         ("PERMISSION_DENIED", ANN, self.key.public, "sitewire-referential"))
        self.assertIn("may not delete this Website", row["reason"])
        self.cli("create", "user", "x@x.org", code=PERMISSION_DENIED, key=self.key)
        self.recorded("--since", "1h", process="sitewire-user", method="/sitewire.user.v1.Users/CreateUser")
        self.assertEqual(self.refusals("--since", "2999-01-01"), [])

    def test_strangers(self):
        """Those whom the broker refuses in the handshake: a key that is unknown, one that is
        revoked, one that may not serve, and no key at all."""
        stranger, gone = self.system.key("stranger@x.org"), self.system.enroll("gone@x.org")
        self.cli("whoami", code=UNAUTHENTICATED, key=stranger)
        row = self.recorded("--since", "1h", process="sitewire-broker", key=stranger.public)
        self.assertEqual((row["code"], row["address"], row.get("caller", "")), ("UNAUTHENTICATED", "127.0.0.1", ""))
        self.assertIn("not enrolled", row["reason"])
        before = int(row["count"])
        self.cli("whoami", code=UNAUTHENTICATED, key=stranger)
        wait_for(lambda: any(r["key"] == stranger.public and int(r["count"]) > before for r in self.refusals()), "it is counted")
        self.system.sql(f"UPDATE users.key SET revoked_at = now() WHERE public_key = '{gone.public}'")
        self.cli("whoami", code=UNAUTHENTICATED, key=gone)
        self.assertIn("revoked", self.recorded(process="sitewire-broker", key=gone.public)["reason"])
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        gone.use(socket)
        socket.connect(self.system.tcp_backend)
        plain = RawPeer(self.system.tcp)
        plain.greet()
        for words in ("service refused: ", "another mechanism"):
            wait_for(lambda word=words: any(word in r["reason"] for r in self.refusals("--limit", "1000")), f"{words} is recorded")
        socket.close()
        plain.close()

    def test_calls_that_no_service_sees(self):
        self.cli("trace", "--for", "1s", code=PERMISSION_DENIED, key=self.key)
        row = self.recorded("--by", ANN, process="sitewire-broker", method="sitewire.rpc.v1.Trace")
        self.assertEqual((row["code"], row["key"]), ("PERMISSION_DENIED", self.key.public))

    def test_limits(self):
        """Who comes too often, or subscribes to too much."""
        sockets = []
        for _ in range(30):
            sockets.append(zmq.Context.instance().socket(zmq.DEALER))
            sockets[-1].linger = 0
            self.key.use(sockets[-1])
            sockets[-1].connect(self.system.tcp)
        row = self.recorded(process="sitewire-broker", key=self.key.public, code="RESOURCE_EXHAUSTED")
        self.assertIn("--key-connections", row["reason"])
        for each in sockets:
            each.close()
        key = self.system.enroll("much@x.org", rights=[("website:hers", "External")])
        subscriber = zmq.Context.instance().socket(zmq.SUB)
        subscriber.linger = 0
        key.use(subscriber)
        subscriber.connect(self.system.tcp_events)
        for number in range(20):
            subscriber.subscribe(f"deployment/state/website:hers/{number}")
        row = self.recorded("--by", "much@x.org", code="RESOURCE_EXHAUSTED")
        self.assertIn("too many subscriptions", row["reason"])
        subscriber.close()

    def test_only_brokers_record(self):
        """Nobody writes what others are said to have done."""
        for key in (None, self.key):
            self.cli("call", "Users/RecordRefusals", '{"items": [{"caller": "x@x.org", "reason": "a lie"}]}',
                     code=PERMISSION_DENIED, key=key)

    def test_admins_only(self):
        self.cli("update", "website", "hers", "name=y", code=PERMISSION_DENIED, key=self.key)
        self.recorded(caller=ANN)
        self.assertEqual(self.cli("refusals", "--json", key=self.key), "")
        row = self.refusals()[0]
        self.cli("get", "refusal", row["id"], code=NOT_FOUND, key=self.key)

    def test_bounds(self):
        """Nobody fills the table, and nobody pushes out the rows of others."""
        add = ("SELECT users.record_refusals((SELECT jsonb_agg(jsonb_build_object('caller', '{}', 'code', 'PERMISSION_DENIED', "
               "'reason', repeat('long', 500) || n)) FROM generate_series({}, {}) n))")
        for first in (1, 501):  # cut to the same text: one row
            self.system.sql(add.format("flood@x.org", first, first + 499))
        self.assertEqual(self.system.sql("SELECT count(*), sum(count), max(length(reason)) FROM users.refusal WHERE caller = 'flood@x.org'"),
                         [["1", "1000", "400"]])
        for caller, most in (("many@x.org", 200), ("", 1000)):
            for first in range(1, 2001, 500):
                self.system.sql(add.replace("repeat('long', 500)", "'r'").format(caller, first, first + 499))
            rows, total = self.system.sql("SELECT count(*), sum(count) FROM users.refusal WHERE caller = "
                                          f"'{caller}' AND (reason LIKE 'r%' OR reason LIKE 'further%')")[0]
            self.assertEqual(int(total), 2000)
            self.assertLessEqual(int(rows), most + 1)
        self.system.sql("UPDATE users.refusal SET last_at = now() - interval '31 days' WHERE caller = 'many@x.org'")
        self.system.sql(add.format("another@x.org", 1, 1))
        self.assertEqual(self.system.sql("SELECT count(*) FROM users.refusal WHERE caller = 'many@x.org'"), [["0"]])

    def test_the_head_is_kept(self):
        path, told = (os.path.join(self.system.folder, name) for name in ("heads", "told"))
        program = os.path.join(self.system.folder, "tell")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho \"$#:$1\" >> {told}\n")
        os.chmod(program, 0o755)
        self.system.start("keeper", "sitewire-user", "--backend", self.system.backend, "--database",
                          f"{self.system.postgres.conninfo} user=sitewire_user", "--seal-file", path, "--seal-command", program,
                          "--seal-every-ms", "1000", "--instance", "keeper")

        def heads():
            if not os.path.exists(path) or not os.path.exists(told):
                return None
            with open(path, encoding="utf-8") as file, open(told, encoding="utf-8") as other:
                lines, words = file.read().splitlines(), other.read().splitlines()
            return lines if len(lines) > 1 and len(words) > 1 else None
        wait_for(lambda: os.path.exists(told), "the first head")
        self.cli("create", "registrar", "sealed")
        for line in wait_for(heads, "two heads"):
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+:[0-9a-f]{64}$")
            self.cli("audit", "verify", "--head", line.split()[1])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(told, encoding="utf-8") as file:
            self.assertTrue(all(re.fullmatch(r"1:\d+:[0-9a-f]{64}", line) for line in file.read().splitlines()))
        self.assertIn("head of the history", self.system.output())


if __name__ == "__main__":
    unittest.main()
