#!/usr/bin/env python3
"""History: every way to change a row leaves a trace, nothing else does, nobody changes it, and
rights hold."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, System  # noqa: E402


class History(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def run_cli(self, *words, code=0, stdin=""):
        done = self.system.cli(*words, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def history(self, *words):
        return [json.loads(line) for line in self.run_cli("history", *words, "--json").stdout.splitlines()]

    def count(self):
        return int(self.system.sql("SELECT count(*) FROM users.change")[0][0])

    def test_what_others_wrote(self):
        """Neither steers the terminal nor looks like a line of history."""
        self.run_cli("create", "registrar", "evil", "--reason", "a\nb", code=3)
        self.system.sql("SET sitewire.reason = E'so\\n\\x1b[31mred'; INSERT INTO referential.registrar (code) VALUES ('evil')")
        said = self.run_cli("history", "registrar", "evil").stdout
        self.assertNotIn("\x1b", said)
        self.assertIn(r": so\n\x1b[31mred", said.splitlines()[0])

    def test_life_of_a_row(self):
        self.run_cli("create", "website", "one", "name=A", "--reason", "a customer came")
        self.run_cli("update", "website", "one", "name=B", "live=true")
        self.run_cli("update", "website", "one", "name=B")  # changes nothing
        self.run_cli("rename", "website", "one", "two")
        self.system.sql("SET sitewire.\"user\" = 'forged@x.org'; SET sitewire.reason = 'by hand'; "
                        "UPDATE referential.website SET name = 'C' WHERE code = 'two'")
        self.run_cli("delete", "website", "two", "--yes", "--reason", "and went")
        changes = self.history("website", "two")
        self.assertEqual([(c["operation"], c["key"], c.get("old_key") or "", c["actor"], c["reason"]) for c in changes],
                         [("DELETE", "two", "", ADMIN, "and went"),
                          ("UPDATE", "two", "", "psql:postgres", "by hand"),
                          ("UPDATE", "two", "one", ADMIN, ""),
                          ("UPDATE", "one", "", ADMIN, ""),
                          ("INSERT", "one", "", ADMIN, "a customer came")])
        self.assertEqual((changes[3]["before"]["name"], changes[3]["after"]["name"]), ("A", "B"))
        self.assertIsNone(changes[0]["after"])
        self.assertIsNone(changes[4]["before"])
        self.assertTrue(changes[4]["call_id"] and changes[4]["request_id"])
        self.assertEqual(changes[1]["request_id"], "")
        for newer, older in zip(changes, changes[1:]):
            self.assertEqual(newer["before"], older["after"])
        text = self.run_cli("history", "website", "two").stdout
        self.assertIn('    name: "A" -> "B"\n', text)
        self.assertIn(f"Website one -> two  by {ADMIN}", text)
        self.assertIn(f"by {ADMIN}: a customer came", text)

    def test_what_is_not_done_leaves_nothing(self):
        self.run_cli("create", "cms", "there")
        before = self.count()
        self.run_cli("create", "website", "trial", "--dry-run")
        self.run_cli("update", "cms", "there", "name=X", "--dry-run")
        self.run_cli("create", "cms", "there", code=6)
        self.run_cli("create", "website", "a b", code=3)
        self.run_cli("update", "cms", "there", "name=X", "--revision", "7", code=10)
        self.run_cli("delete", "cms", "nowhere", "--yes", code=5)
        self.assertEqual(self.count(), before)
        self.assertEqual(self.run_cli("history", "cms", "nowhere").stderr, "no changes found\n")

    def test_a_retry_is_one_change(self):
        for _ in range(2):
            self.run_cli("call", "Referential/CreateCms", '{"cms": {"code": "once"}}', "--request-id", "r-1")
        self.assertEqual([c["request_id"] for c in self.history("cms", "once")], ["r-1"])

    def test_cascades(self):
        self.run_cli("create", "docroot", "d1")
        self.run_cli("create", "environment", "e1")
        self.run_cli("create", "docroot-environment", "d1/e1")
        self.run_cli("rename", "docroot", "d1", "d2", "--reason", "moved")
        newest = self.history("docroot-environment", "d2/e1")[0]
        self.assertEqual((newest["key"], newest["old_key"], newest["actor"], newest["reason"]), ("d2/e1", "d1/e1", ADMIN, "moved"))
        self.run_cli("create", "website", "with-project")
        self.assertEqual(self.history("project", "website:with-project")[0]["operation"], "INSERT")

    def test_import(self):
        row = '{"resource": "Registrar", "code": "imported", "name": "%s"}\n'
        self.run_cli("import", "-", stdin=row % "A")
        self.run_cli("import", "-", stdin=row % "A")  # changes nothing
        self.run_cli("import", "-", "--reason", "new prices", stdin=row % "B")
        self.assertEqual([c["reason"] for c in self.history("registrar", "imported")], ["new prices", "import"])

    def test_by_whom_and_when(self):
        self.run_cli("create", "registrar", "timed")
        self.assertIn("timed", [c["key"] for c in self.history("--by", ADMIN, "--since", "1h")])
        self.assertNotIn("timed", [c["key"] for c in self.history("--until", "2020-01-01")])
        self.assertEqual(self.history("--by", "nobody@x.org"), [])
        self.assertEqual(len(self.history("--limit", "2")), 2)
        self.assertIn("--since takes", self.run_cli("history", "--since", "soon", code=3).stderr)

    def refused(self, role, text):
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", f"{self.system.postgres.conninfo} user={role}",
                               "-c", text], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0, text)
        return done.stderr

    def test_truncate(self):
        """It fires no trigger of a row, and leaves a change for each row all the same, also of what
        it takes along."""
        self.run_cli("create", "website", "emptied", "name=E")
        self.run_cli("create", "docroot", "emptied")
        self.run_cli("create", "environment", "emptied")
        self.run_cli("create", "docroot-environment", "emptied/emptied")
        then = self.system.sql("SELECT now()")[0][0]
        self.system.sql("TRUNCATE referential.docroot, referential.environment, referential.website CASCADE")
        for words in (("website", "emptied"), ("docroot-environment", "emptied/emptied"), ("project", "website:emptied")):
            change = self.history(*words)[0]
            self.assertEqual((change["operation"], change["actor"], change["after"]), ("DELETE", "psql:postgres", None))
        self.run_cli("get", "website", "emptied", "--at", then.replace(" ", "T").replace("+00", "Z"))
        self.run_cli("get", "website", "emptied", code=5)

    def test_permanent(self):
        self.run_cli("create", "registrar", "kept")
        statements = ("UPDATE users.change SET actor = 'x'", "DELETE FROM users.change", "TRUNCATE users.change")
        for text in (*statements, "INSERT INTO users.change (actor, resource, key, operation) VALUES ('x', 'Cms', 'x', 'INSERT')"):
            for role in ("sitewire_referential", "sitewire_user"):
                self.assertIn("permission denied", self.refused(role, text))
        for text in statements:
            self.assertIn("history is permanent", self.refused("postgres", text))
        # A service that has not said for whom it works changes nothing.
        self.assertIn("not identified", self.refused("sitewire_referential", "INSERT INTO referential.cms (code) VALUES ('x')"))

    def test_rights(self):
        for code in ("hers", "others"):
            self.run_cli("create", "website", code)
        self.run_cli("create", "user", "ann@x.org")
        self.run_cli("create", "role", "Viewer", "permissions=read")
        self.run_cli("create", "access-right", "website:hers/ann@x.org/Viewer")
        seen = self.system.sql("SET ROLE sitewire_user; SELECT sitewire.enter('', 'ann@x.org', false, false, '', '', ''); "
                               "SELECT DISTINCT resource || ' ' || key FROM users.change WHERE key LIKE '%hers%' "
                               "OR key IN ('ann@x.org', 'Viewer') ORDER BY 1")
        self.assertEqual([row[0] for row in seen if row[0]], [
            "AccessRight website:hers/ann@x.org/Viewer", "Project website:hers", "Role Viewer", "User ann@x.org", "Website hers"])

    def test_rules(self):
        """Who may do what is changed by nobody unseen; and none but admins see it."""
        then = self.system.sql("SELECT now()")[0][0].replace(" ", "T").replace("+00", "Z")
        self.system.sql("INSERT INTO users.rule VALUES ('Website', 'delete', 'manage'); DELETE FROM users.rule WHERE needs = 'manage' "
                        "AND (resource, action) = ('Website', 'delete')")
        changes = self.history("--since", then)
        self.assertEqual([(c["resource"], c["key"], c["operation"], c["actor"]) for c in changes],
                         [("Rule", "Website/delete/manage", operation, "psql:postgres") for operation in ("DELETE", "INSERT")])
        self.assertIn("Website/delete/manage", self.run_cli("history", "--since", then).stdout)
        self.run_cli("create", "user", "ruled@x.org")
        seen = self.system.sql("SET ROLE sitewire_user; SELECT sitewire.enter('', 'ruled@x.org', true, false, '', '', ''); "
                               "SELECT key FROM users.change WHERE resource = 'Rule'")
        self.assertEqual([row for row in seen if row != [""]], [])

    def test_what_is_only_added_to(self):
        """Events, and since when there is history, are changed by nobody, at psql neither; emptied
        output shows."""
        self.run_cli("create", "website", "told")
        self.system.sql("INSERT INTO deployment.event (position, project, project_sequence, deployment, kind, at, payload, previous_position) "
                        "VALUES (1, 'website:told', 1, 1, 'state', now(), '{}', 0)")
        for table, words in (("deployment.event", "events cannot be changed"), ("users.history", "history is permanent")):
            column = {"deployment.event": "payload = '{\"x\": 1}'", "users.history": "since = now()"}[table]
            for text in (f"UPDATE {table} SET {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                self.assertIn(words, self.refused("postgres", text))
        self.assertIn("are fixed", self.refused("postgres", "TRUNCATE deployment.transition"))
        self.run_cli("rename", "website", "told", "told-anew")
        self.assertEqual(self.system.sql("SELECT project FROM deployment.event"), [["website:told-anew"]])

    def test_every_table_keeps_history(self):
        # But those that are history themselves or words that nobody changes, the output of
        # deployments, which stays as it was written, and one-time codes and the registry's key.
        self.assertEqual(self.system.sql(
            "SELECT oid::regclass FROM pg_class c WHERE relkind = 'r' AND relnamespace::regnamespace::text IN "
            "('referential', 'users', 'deployment') AND oid::regclass::text NOT IN ('users.change', "
            "'users.history', 'users.seal', 'users.refusal', 'deployment.transition', 'deployment.deployment_log', 'deployment.outbox', 'deployment.event', 'deployment.relay', 'deployment.event_head', 'deployment.output_usage', "
            "'users.invitation', 'users.key_setting') AND "
            "(SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND tgfoid = 'users.record'::regproc) <> 2"), [])


if __name__ == "__main__":
    unittest.main()
