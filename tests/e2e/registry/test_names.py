#!/usr/bin/env python3
"""Names: a row's past stays with the row, and a name tells nobody what exists."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, System  # noqa: E402

INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = 3, 5, 6, 7
ANN, BOB = "ann@x.org", "bob@x.org"
SECRET = "https://user:s3cret@git.example.org/a.git"


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.keys = {}
        for user in (ANN, BOB):
            cls.system.sql(f"INSERT INTO users.\"user\" (email) VALUES ('{user}')")
            key = cls.keys[user] = cls.system.key(user)
            cls.system.sql(f"INSERT INTO users.key (public_key, \"user\") VALUES ($k${key.public}$k$, '{user}')")
        cls.system.sql("INSERT INTO referential.docroot (code) VALUES ('d'); INSERT INTO referential.environment (code) VALUES ('e'); "
                       "INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('d', 'e')")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def cli(self, *words, code=0, user=None):
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": self.keys[user].path} if user else {}
        done = self.system.cli(*words, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def history(self, *words, **options):
        return [json.loads(line) for line in self.cli("history", *words, "--json", **options).splitlines()]

    def now(self):
        return self.system.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")[0][0]

    def give(self, website, user, role="Owner"):
        self.system.sql(f"INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:{website}', '{user}', '{role}')")

    def make(self, website, *domains, owner=None):
        self.system.sql(f"INSERT INTO referential.website (code) VALUES ('{website}'); INSERT INTO referential.website_deployed "
                        f"(website, docroot, environment) VALUES ('{website}', 'd', 'e')")
        for domain in domains:
            self.system.sql("INSERT INTO referential.domain (fqdn, website, docroot, environment) "
                            f"VALUES ('{domain}', '{website}', 'd', 'e')")
        if owner:
            self.give(website, owner)

    # --- The past ---

    def test_a_name_that_is_made_again_has_no_past(self):
        self.system.sql(f"INSERT INTO referential.website (code, code_repository_url) VALUES ('again', '{SECRET}')")
        self.give("again", ANN)
        self.assertIn(SECRET, json.dumps(self.history("website", "again", user=ANN)))
        then = self.now()
        self.system.sql("DELETE FROM referential.website WHERE code = 'again'; INSERT INTO referential.website (code) VALUES ('again')")
        self.give("again", BOB)
        mine = self.history("website", "again", user=BOB) + self.history("--since", "1d", user=BOB)
        self.assertNotIn(SECRET, json.dumps(mine))
        self.assertEqual([c["operation"] for c in self.history("website", "again", "--all", user=BOB)], ["INSERT"])
        self.assertEqual([c["operation"] for c in self.history("project", "website:again", user=BOB)], ["INSERT"])
        self.assertNotIn(f"website:again/{ANN}", json.dumps(mine))  # her right was one on the former website
        self.cli("get", "website", "again", "--at", then, code=NOT_FOUND, user=BOB)
        self.assertEqual(self.cli("list", "websites", "code=again", "--at", then, "--count", user=BOB), "0\n")
        self.assertEqual(self.cli("list", "changes", "--search", "s3cret", "--count", user=BOB), "0\n")
        # The former owner has no rights any more; admins see everything, of one row or of all.
        self.assertEqual(self.history("website", "again", user=ANN) if self.has_rights(ANN) else [], [])
        self.assertEqual([c["operation"] for c in self.history("website", "again")], ["INSERT"])
        self.assertEqual([c["operation"] for c in self.history("website", "again", "--all")], ["INSERT", "DELETE", "INSERT"])
        self.assertIn(SECRET, self.cli("get", "website", "again", "--at", then))

    def has_rights(self, user):
        return self.system.sql(f"SELECT count(*) FROM users.access_right WHERE \"user\" = '{user}'")[0][0] != "0"

    def test_renames_take_the_past_along(self):
        self.make("before", "before.org", owner=ANN)
        then = self.now()
        self.cli("rename", "website", "before", "after")
        self.make("before", owner=BOB)
        self.assertEqual([(c["operation"], c["key"]) for c in self.history("website", "after", user=ANN)],
                         [("UPDATE", "after"), ("INSERT", "before")])
        self.assertEqual([c["operation"] for c in self.history("website", "before", user=BOB)], ["INSERT"])
        self.assertEqual(len(self.history("domain", "before.org", user=ANN)), 2)
        self.assertEqual(self.history("domain", "before.org", user=BOB), [])
        self.cli("get", "website", "before", "--at", then, user=ANN)
        self.cli("get", "website", "before", "--at", then, user=BOB, code=NOT_FOUND)

    def test_a_person_that_is_made_again_has_no_past(self):
        self.system.sql("INSERT INTO users.\"user\" (email, first_name) VALUES ('tmp@x.org', 'Former')")
        self.make("tmp", owner="tmp@x.org")
        self.system.sql("DELETE FROM users.access_right WHERE \"user\" = 'tmp@x.org'; DELETE FROM users.\"user\" WHERE email = 'tmp@x.org'; "
                        "INSERT INTO users.\"user\" (email) VALUES ('tmp@x.org'); INSERT INTO users.access_right (project, \"user\", role) "
                        "VALUES ('website:tmp', 'tmp@x.org', 'External')")
        seen = self.system.sql("SET ROLE sitewire_user; SELECT sitewire.enter('', 'tmp@x.org', false, false, '', '', ''); "
                               "SELECT resource || ' ' || operation FROM users.change WHERE resource IN ('User', 'AccessRight') ORDER BY id")
        self.assertEqual([row[0] for row in seen if row[0]], ["User INSERT", "AccessRight INSERT"])

    def test_row_numbers_follow_from_history(self):
        wrong = self.system.sql(
            "SELECT c.id FROM users.change c WHERE c.row_id <> CASE c.operation WHEN 'INSERT' THEN c.id ELSE "
            "(SELECT p.row_id FROM users.change p WHERE p.resource = c.resource AND p.key = coalesce(c.old_key, c.key) AND p.id < c.id "
            "ORDER BY p.id DESC LIMIT 1) END OR (c.project IS NULL) <> (c.project_row IS NULL)")
        self.assertEqual(wrong, [])

    # --- Replies of then ---

    def test_a_repeated_request_meets_the_rights_of_today(self):
        self.make("lost", owner=ANN)
        self.make("kept", owner=ANN)
        words = ("call", "Referential/UpdateWebsite", '{"website": {"code": "lost", "name": "s3cret"}}', "--request-id", "lost-1")
        deploy = ("call", "Deployments/RequestDeployment", json.dumps(
            {"project": "website:lost", "docroot": "d", "environment": "e", "version": "1"}), "--request-id", "lost-2")
        for _ in range(2):  # the second one is a replay
            self.assertIn("s3cret", self.cli(*words, user=ANN))
            self.assertIn("website:lost", self.cli(*deploy, user=ANN))
        self.system.sql(f"DELETE FROM users.access_right WHERE (project, \"user\") = ('website:lost', '{ANN}')")
        new = self.cli(*words[:-1], "lost-3", code=NOT_FOUND, user=ANN)
        self.assertEqual(self.cli(*words, code=NOT_FOUND, user=ANN), new)
        self.assertNotIn("website:lost", self.cli(*deploy, code=PERMISSION_DENIED, user=ANN))
        self.assertIn("s3cret", self.cli(*words[:-1], "lost-4"))  # an admin
        self.give("lost", ANN)
        self.assertIn("s3cret", self.cli(*words, user=ANN))

    # --- Names that others have ---

    def same_refusal(self, words_of, taken, free, user, field):
        """The answer does not depend on whether the name is taken."""
        answers = [self.cli(*words_of(name), code=PERMISSION_DENIED, user=user) for name in (taken, free)]
        self.assertEqual(answers[0].replace(taken, "NAME"), answers[1].replace(free, "NAME"))
        self.assertEqual(f"field: {field}" in answers[0], field is not None)

    def test_a_domain_is_renamed_within_its_own_zone(self):
        self.make("zone-a", "a-zone.fr", "www.a-zone.fr", "alone-a.fr", owner=ANN)
        self.make("zone-b", "b-zone.fr", "www.b-zone.fr", "alone-b.fr", owner=BOB)
        self.system.sql("INSERT INTO referential.domain (fqdn) VALUES ('public-zone.fr')")
        rename = lambda name: ("rename", "domain", "www.a-zone.fr", name)  # noqa: E731
        for taken, free in (("www.b-zone.fr", "evil.b-zone.fr"), ("alone-b.fr", "alone-c.fr"), ("b-zone.fr", "c-zone.fr")):
            self.same_refusal(rename, taken, free, ANN, "new_fqdn")
        self.cli(*rename("x.public-zone.fr"), code=PERMISSION_DENIED, user=ANN)
        self.cli(*rename("app.a-zone.fr"), user=ANN)
        self.cli("rename", "domain", "app.a-zone.fr", "a.b.c.a-zone.fr", user=ANN)
        self.cli("rename", "domain", "a.b.c.a-zone.fr", "www.a-zone.fr", user=ANN)
        # The nearest domain above decides, not a remote one.
        self.make("zone-sub", "sub.a-zone.fr", owner=BOB)
        self.cli(*rename("x.sub.a-zone.fr"), code=PERMISSION_DENIED, user=ANN)
        self.cli("rename", "domain", "www.a-zone.fr", "evil.b-zone.fr")  # an admin may
        self.cli("rename", "domain", "evil.b-zone.fr", "www.a-zone.fr")

    def test_a_domain_is_chained_to_its_own_zone(self):
        self.make("chain-a", "a-chain.fr", "x.b-chain.fr", "x.none-chain.fr", "www.a-chain.fr", owner=ANN)
        self.make("chain-b", "b-chain.fr", owner=BOB)
        for rest in ((), ("--dry-run",)):
            one = self.cli("update", "domain", "x.b-chain.fr", "parent=b-chain.fr", *rest, code=PERMISSION_DENIED, user=ANN)
            other = self.cli("update", "domain", "x.none-chain.fr", "parent=none-chain.fr", *rest, code=PERMISSION_DENIED, user=ANN)
            self.assertEqual(one.replace("b-chain", "N"), other.replace("none-chain", "N"))
            self.assertIn("field: domain.parent", one)
        self.cli("update", "domain", "www.a-chain.fr", "parent=a-chain.fr", user=ANN)
        self.cli("update", "domain", "www.a-chain.fr", "waf_id=1", user=ANN)  # the same parent
        self.cli("update", "domain", "www.a-chain.fr", "parent=", user=ANN)
        self.cli("update", "domain", "x.b-chain.fr", "parent=b-chain.fr")  # an admin may

    def test_projects_are_renamed_by_admins(self):
        """A new name is another project, on which one would need manage."""
        self.make("mine", owner=ANN)
        self.make("theirs", owner=BOB)
        self.same_refusal(lambda name: ("rename", "website", "mine", name), "theirs", "nobodys", ANN, None)
        self.system.sql("INSERT INTO referential.drupal_docroot_core (code) VALUES ('core-a'), ('core-b'); INSERT INTO users.access_right "
                        f"(project, \"user\", role) VALUES ('drupaldocrootcore:core-a', '{ANN}', 'Owner')")
        self.same_refusal(lambda name: ("rename", "drupal-docroot-core", "core-a", name), "core-b", "core-c", ANN, None)
        self.cli("rename", "website", "mine", "mine-2")

    def test_creating_tells_nothing(self):
        """Neither does --dry-run, nor an update that may create."""
        self.make("known", "known.fr", owner=ANN)
        self.make("unknown", "unknown.fr", owner=BOB)
        for rest in ((), ("--dry-run",)):
            for resource, taken, free in (("website", "unknown", "free"), ("domain", "unknown.fr", "free.fr")):
                answers = [self.cli("create", resource, name, *rest, code=PERMISSION_DENIED, user=ANN).replace(name, "N")
                           for name in (taken, free)]
                self.assertEqual(*answers)
                answers = [self.cli("call", f"Referential/Update{resource.title()}", json.dumps(
                    {resource: {"code" if resource == "website" else "fqdn": name}, "allow_missing": True, "validate_only": bool(rest)}),
                    code=PERMISSION_DENIED, user=ANN).replace(name, "N") for name in (taken, free)]
                self.assertEqual(*answers)


if __name__ == "__main__":
    unittest.main()
