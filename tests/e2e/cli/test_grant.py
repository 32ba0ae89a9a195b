#!/usr/bin/env python3
"""`sitewire group`, `grant` and `who-can`: a team gets rights on an organization, and loses
them."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, System, wait_for  # noqa: E402

OK, INVALID, NOT_FOUND, EXISTS, PERMISSION, PRECONDITION = 0, 3, 5, 6, 7, 9


class Grants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.addClassCleanup(cls.system.stop)
        cls.ann, cls.bob = (cls.system.enroll(email) for email in ("ann@x.org", "bob@x.org"))
        cls.system.sql("""INSERT INTO referential.environment (code, protected) VALUES ('dev', false), ('prod', true);
                          INSERT INTO referential.docroot (code) VALUES ('main');
                          INSERT INTO referential.docroot_environment (docroot, environment)
                              VALUES ('main', 'dev'), ('main', 'prod');
                          INSERT INTO referential.website (code, organization) VALUES ('a1', 'Acme'), ('b1', 'Bolt');
                          INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                              VALUES ('a1', 'main', 'dev', '1'), ('a1', 'main', 'prod', '1')""")

    def cli_as(self, key, *words):
        env = self.system.env()
        if key:
            env |= {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": key.path}
        return self.system.cli(*words, env=env)

    def run_as(self, key, status, *words):
        done = self.cli_as(key, *words)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def lost(self, key, *words):
        """Rows are out of reach at once; a session may take a second to see that the profile has
        ended."""
        statuses = []

        def is_refused():
            statuses.append(self.cli_as(key, *words).returncode)
            return statuses[-1] == PERMISSION

        wait_for(is_refused, f"{words} are refused")
        self.assertLessEqual(set(statuses), {NOT_FOUND, PERMISSION})

    def test_a_team(self):
        self.assertIn("NONE", self.run_as(self.ann, OK, "whoami"))
        self.run_as(None, OK, "group", "add", "team", "ann@x.org")
        self.assertIn("USER", self.run_as(self.ann, OK, "whoami"))  # a membership is enough
        self.run_as(self.ann, NOT_FOUND, "get", "website", "a1")
        made = json.loads(self.run_as(None, OK, "grant", "add", "Owner", "team", "organization=Acme", "--json"))
        self.assertEqual((made["code"], made["made_by"], made["made_by_admin"]), ("Owner-team-Acme", ADMIN, True))
        self.run_as(None, EXISTS, "grant", "add", "Owner", "team", "organization=Acme")
        self.run_as(self.ann, OK, "get", "website", "a1")
        self.run_as(self.ann, NOT_FOUND, "get", "website", "b1")
        self.assertIn("ann@x.org", self.run_as(self.ann, OK, "group", "show", "team"))
        # What comes into the scope is covered at once.
        self.run_as(None, OK, "update", "website", "b1", "organization=Acme")
        self.run_as(self.ann, OK, "get", "website", "b1")
        self.run_as(None, OK, "update", "website", "b1", "organization=Bolt")
        self.run_as(self.ann, NOT_FOUND, "get", "website", "b1")
        # Which row decides.
        self.assertIn("Grant Owner-team-Acme through GroupMember team/ann@x.org",
                      self.run_as(self.ann, OK, "explain", "approve", "website", "a1"))
        holders = [json.loads(line) for line in
                   self.run_as(self.ann, OK, "who-can", "approve", "website", "a1", "--json").splitlines()]
        self.assertEqual([(h["user"], h["source"]) for h in holders],
                         [(ADMIN, f"User {ADMIN}"), ("ann@x.org", "Grant Owner-team-Acme through GroupMember team/ann@x.org")])
        self.assertIn("nobody may", self.run_as(None, OK, "who-can", "run", "website", "a1"))
        # She gives what she has, to the end that she likes, and no more.
        self.run_as(self.ann, PERMISSION, "grant", "add", "Owner", "bob@x.org", "everything")
        self.run_as(self.ann, PERMISSION, "grant", "add", "Owner", "bob@x.org", "organization=Bolt")
        self.run_as(self.ann, OK, "grant", "add", "External", "bob@x.org", "organization=Acme", "environment=dev", "--until",
                    "1h", "--code", "bob")
        self.run_as(self.bob, OK, "get", "website-deployed", "a1/main/dev")
        self.run_as(self.bob, PERMISSION, "who-can", "deploy", "website", "a1")
        self.run_as(self.bob, NOT_FOUND, "who-can", "deploy", "website", "b1")
        self.assertIn("bob", self.run_as(self.ann, OK, "grant", "list"))
        self.run_as(self.ann, OK, "grant", "remove", "bob", "--yes")
        self.lost(self.bob, "get", "website", "a1")
        # Versions where approvals are needed.
        self.run_as(self.ann, OK, "update", "website-deployed", "a1/main/dev", "website_version=2")
        self.run_as(self.ann, PERMISSION, "update", "website-deployed", "a1/main/prod", "website_version=99.99")
        self.run_as(None, INVALID, "update", "website-deployed", "a1/main/prod", "website_version=99.99")
        self.run_as(None, OK, "update", "website-deployed", "a1/main/prod", "website_version=99.99", "--reason", "by hand")
        # The end.
        self.run_as(None, PRECONDITION, "group", "remove", "team", "--yes")
        self.run_as(None, OK, "group", "remove", "team", "ann@x.org")
        self.lost(self.ann, "get", "website", "a1")
        self.run_as(None, OK, "grant", "remove", "Owner-team-Acme", "--yes")
        self.run_as(None, OK, "group", "remove", "team", "--yes")
        self.run_as(None, INVALID, "grant", "add", "Owner", "team")
        self.run_as(None, INVALID, "grant", "add", "Owner", "ann@x.org", "Acme")
        self.run_as(None, INVALID, "grant", "add", "Owner", "ann@x.org", "everything", "organization=Acme")
        self.run_as(None, INVALID, "group", "join", "team")


if __name__ == "__main__":
    unittest.main()
