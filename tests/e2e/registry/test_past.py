#!/usr/bin/env python3
"""`--at`, and read_time on the wire: what was there then, of what one may read today."""
import datetime
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, Failed, System  # noqa: E402
from google.protobuf.timestamp_pb2 import Timestamp  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.user.v1 import user_pb2  # noqa: E402

INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION = 3, 5, 9
ANN, BOB = "ann@x.org", "bob@x.org"


class Past(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.keys = {}
        for user in (ANN, BOB):
            key = cls.keys[user] = cls.system.key(user)
            cls.system.cli("create", "user", user)
            done = cls.system.cli("key", "enroll", "--user", user, "--public-key", key.public)
            assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def run_cli(self, *words, code=0, user=None):
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": self.keys[user].path} if user else {}
        done = self.system.cli(*words, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def list(self, *words, **options):
        return [json.loads(line) for line in self.run_cli("list", *words, "--json", **options).splitlines()]

    def keys_of(self, resource, field, *words, **options):
        return [row[field] for row in self.list(resource, *words, **options)]

    def now(self):
        """A time after all that was done."""
        return self.system.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")[0][0]

    def test_life_of_a_row(self):
        before = self.now()
        self.run_cli("create", "website", "life", "name=A", "organization=past")
        created = self.now()
        self.run_cli("update", "website", "life", "name=B")
        self.run_cli("rename", "website", "life", "afterlife")
        renamed = self.now()
        self.run_cli("delete", "website", "afterlife", "--yes")
        self.run_cli("get", "website", "life", "--at", before, code=NOT_FOUND)
        self.assertEqual(json.loads(self.run_cli("get", "website", "life", "--at", created, "--json"))["name"], "A")
        self.run_cli("get", "website", "afterlife", "--at", created, code=NOT_FOUND)
        row = json.loads(self.run_cli("get", "website", "afterlife", "--at", renamed, "--json"))
        self.assertEqual((row["name"], row["revision"]), ("B", "3"))
        self.run_cli("get", "website", "life", "--at", renamed, code=NOT_FOUND)
        self.run_cli("get", "website", "afterlife", "--at", self.now(), code=NOT_FOUND)
        for at, expected in ((before, []), (created, ["life"]), (renamed, ["afterlife"])):
            self.assertEqual(self.keys_of("websites", "code", "organization=past", "--at", at), expected)
            self.assertEqual(self.keys_of("projects", "code", "--search", "life", "--at", at),
                             [f"website:{code}" for code in expected])
        # What history shows as the time of a change is the first moment at which it is so.
        change = json.loads(self.run_cli("history", "website", "afterlife", "--json").splitlines()[1])
        self.assertEqual((change["old_key"], change["key"]), ("life", "afterlife"))
        self.run_cli("get", "website", "afterlife", "--at", change["at"])
        self.assertIn(change["at"], self.run_cli("history", "website", "afterlife"))

    def test_pages(self):
        for i in range(7):
            self.run_cli("create", "server", f"p{i}.example.org", "login=paged")
        at = self.now()
        for i in range(7):
            self.run_cli("delete", "server", f"p{i}.example.org", "--yes")
            if i < 3:
                self.run_cli("create", "server", f"q{i}.example.org", "login=paged")
        expected = [f"p{i}.example.org" for i in range(7)]
        words = ("login=paged", "--at", at)
        self.assertEqual(self.keys_of("servers", "hostname", *words, "--page-size", "2"), expected)
        self.assertEqual(self.keys_of("servers", "hostname", *words, "--page-size", "3", "--order", "-hostname"), expected[::-1])
        self.assertEqual(self.keys_of("servers", "hostname", *words, "hostname > p4.example.org"), expected[5:])
        self.assertEqual(self.run_cli("list", "servers", *words, "--count"), "7\n")
        self.assertEqual(self.run_cli("list", "servers", "login=paged", "--count"), "3\n")

    def test_links_and_rights_of_several_keys(self):
        self.run_cli("create", "docroot", "d1")
        self.run_cli("create", "environment", "e1")
        self.run_cli("create", "docroot-environment", "d1/e1")
        self.run_cli("create", "website", "linked")
        self.run_cli("create", "website-deployed", "linked/d1/e1", "website_version=1.0")
        at = self.now()
        self.run_cli("update", "website-deployed", "linked/d1/e1", "website_version=2.0")
        self.run_cli("rename", "docroot", "d1", "d2")
        self.assertEqual(json.loads(self.run_cli("get", "website-deployed", "linked/d1/e1", "--at", at, "--json"))
                         ["website_version"], "1.0")
        self.run_cli("get", "website-deployed", "linked/d2/e1", "--at", at, code=NOT_FOUND)
        self.assertEqual([(w["docroot"], w["website_version"]) for w in self.list("websites-deployed", "website=linked")],
                         [("d2", "2.0")])
        self.assertEqual([(w["docroot"], w["website_version"])
                          for w in self.list("websites-deployed", "website=linked", "--at", at)], [("d1", "1.0")])

    def test_rights(self):
        self.run_cli("create", "website", "hers", "name=1")
        self.run_cli("create", "website", "his", "name=1")
        self.run_cli("create", "domain", "moving.org", "website=hers", code=INVALID_ARGUMENT)  # with its docroot only
        self.run_cli("create", "docroot", "rd")
        self.run_cli("create", "environment", "re")
        self.run_cli("create", "docroot-environment", "rd/re")
        for website in ("hers", "his"):
            self.run_cli("create", "website-deployed", f"{website}/rd/re")
        self.run_cli("create", "domain", "moving.org", "website=hers", "docroot=rd", "environment=re")
        first = self.now()
        self.run_cli("update", "domain", "moving.org", "website=his")
        self.run_cli("rename", "website", "hers", "hers-now")
        self.run_cli("create", "website", "hers", "name=another")
        second = self.now()
        for right in (f"website:hers-now/{ANN}/External", f"website:his/{BOB}/External", f"website:hers/{BOB}/External"):
            self.run_cli("create", "access-right", right)
        # The rights are those of today, on what things are called today.
        for user, at, websites, domains in ((ANN, first, ["hers"], ["moving.org"]), (BOB, first, ["his"], []),
                                            (ANN, second, ["hers-now"], []), (BOB, second, ["hers", "his"], ["moving.org"])):
            self.assertEqual(self.keys_of("websites", "code", "--at", at, user=user), websites)
            self.assertEqual(self.keys_of("domains", "fqdn", "--search", "moving", "--at", at, user=user), domains)
            self.assertEqual(self.run_cli("list", "websites", "--at", at, "--count", user=user), f"{len(websites)}\n")
        self.run_cli("get", "website", "hers", "--at", first, user=ANN)
        self.run_cli("get", "website", "hers", "--at", first, user=BOB, code=NOT_FOUND)
        self.run_cli("get", "domain", "moving.org", "--at", second, user=ANN, code=NOT_FOUND)
        # History goes along with the renaming, too, and not to who has the name now.
        changes = self.run_cli("history", "website", "hers-now", "--json", user=ANN).splitlines()
        self.assertEqual([json.loads(c)["operation"] for c in changes], ["UPDATE", "INSERT"])
        changes = self.run_cli("history", "website", "hers", "--json", user=BOB).splitlines()
        self.assertEqual([json.loads(json.dumps(json.loads(c)["after"]))["name"] for c in changes], ["another"])
        # People see themselves and their own rights and keys, as among the living.
        now = self.now()
        self.assertEqual(self.keys_of("users", "email", "--at", now, user=ANN), [ANN])
        self.assertEqual(self.keys_of("access-rights", "project", "--at", now, user=ANN), ["website:hers-now"])
        self.assertEqual(self.keys_of("keys", "user", "--at", now, user=ANN), [ANN])
        self.assertEqual(self.keys_of("access-rights", "project", "--at", second, user=ANN), [])

    def test_every_resource(self):
        """Out of history comes what there is, of every resource of every package."""
        self.run_cli("import", *sorted(os.path.join(os.path.dirname(__file__), "../../../clients/demo", name) for name in
                                       ("1-platform.jsonl", "2-docroots.jsonl", "3-websites.jsonl")))
        seen = 0
        for package, service in ((referential_pb2, "Referential"), (user_pb2, "Users"), (deployment_pb2, "Deployments")):
            descriptor = package.DESCRIPTOR.services_by_name[service]
            for method in descriptor.methods:
                if not method.name.startswith("List") or "filters" not in method.input_type.fields_by_name:
                    continue
                noun = method.output_type.fields_by_name["items"].message_type.name
                if noun == "EventHead":  # where the events are now
                    continue
                self.assertIn("read_time", descriptor.methods_by_name["Get" + noun].input_type.fields_by_name, noun)
                at = self.now()
                self.assertEqual(self.list(noun, "--at", at), self.list(noun), noun)
                seen += 1
        self.assertGreaterEqual(seen, 33)

    def test_what_is_only_added_to(self):
        at = self.now()
        self.run_cli("create", "registrar", "after-that")
        newest = self.list("changes", "--order", "-id", "--limit", "1")[0]
        self.run_cli("get", "change", newest["id"], "--at", at, code=NOT_FOUND)
        self.run_cli("get", "change", newest["id"], "--at", newest["at"])
        self.assertLess(int(self.run_cli("list", "changes", "--at", at, "--count")), int(newest["id"]))
        self.assertEqual(self.list("events", "--at", at), [])

    def test_times(self):
        self.run_cli("create", "registrar", "timed")
        self.assertNotIn("timed", self.keys_of("registrars", "code", "--at", self.system.sql(
            "SELECT to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM users.history "
            "WHERE resource = 'Registrar'")[0][0]))
        for at, code, text in (("2999-01-01", INVALID_ARGUMENT, "field: read_time"), ("1999-01-01", FAILED_PRECONDITION, "begins at 20"),
                               ("1000d", FAILED_PRECONDITION, "field: read_time"), ("soon", INVALID_ARGUMENT, "--at takes a date"),
                               ("2026-13-01", INVALID_ARGUMENT, "--at takes a date"), ("TT", INVALID_ARGUMENT, "read_time")):
            for words in (("get", "registrar", "timed"), ("list", "registrars")):
                self.assertIn(text, self.run_cli(*words, "--at", at, code=code))
        self.assertIn("only reports the present", self.run_cli("get", "profile", ADMIN, "--at", "1s", code=INVALID_ARGUMENT))
        client = self.system.client()
        future = Timestamp()
        future.FromDatetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1))
        with self.assertRaises(Failed) as failed:
            client.call("/sitewire.referential.v1.Referential/GetRegistrar",
                        referential_pb2.GetRegistrarRequest(code="timed", read_time=future), referential_pb2.Registrar)
        self.assertEqual(failed.exception.header.code, INVALID_ARGUMENT)
        client.close()


if __name__ == "__main__":
    unittest.main()
