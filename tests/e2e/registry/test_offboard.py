#!/usr/bin/env python3
"""`sitewire offboard`: a person ends in one step, and what it leaves is shown before."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deploy_cli_test import Terminal  # noqa: E402
from sitewire_test import ADMIN, System  # noqa: E402

NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED, UNAUTHENTICATED = 5, 7, 9, 10, 16
ANN, BOB, CAT = "ann@x.org", "bob@x.org", "cat@x.org"


class Offboard(unittest.TestCase):
    def setUp(self):
        self.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        self.addCleanup(self.system.stop)
        self.keys = {}
        for user in (ANN, BOB, CAT):
            self.system.sql(f"INSERT INTO users.\"user\" (email) VALUES ('{user}')")
            key = self.keys[user] = self.system.key(user)
            self.system.sql(f"INSERT INTO users.key (public_key, \"user\", label) VALUES ($k${key.public}$k$, '{user}', 'laptop')")
        self.system.sql(
            "INSERT INTO referential.docroot (code) VALUES ('d'); INSERT INTO referential.environment (code) VALUES ('dev'); "
            "INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('d', 'dev'); "
            "INSERT INTO referential.website (code) VALUES ('w'); INSERT INTO referential.website_deployed (website, docroot, environment) "
            f"VALUES ('w', 'd', 'dev'); INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:w', '{ANN}', 'Owner'), "
            f"('website:w', '{BOB}', 'Owner')")

    def cli(self, *words, code=0, user=None):
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": self.keys[user].path} if user else {}
        done = self.system.cli(*words, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def steps(self, *words, **options):
        return [(s["action"], s["resource"], s["key"]) for s in map(json.loads, self.cli("offboard", *words, "--json", **options).splitlines())]

    def state(self):
        return self.system.sql("SELECT (SELECT string_agg(u::text, ';' ORDER BY email) FROM users.\"user\" u), "
                               "(SELECT string_agg(k::text, ';' ORDER BY public_key) FROM users.key k), "
                               "(SELECT string_agg(a::text, ';' ORDER BY project, \"user\", role) FROM users.access_right a), "
                               "(SELECT string_agg(status, ';' ORDER BY id) FROM deployment.deployment), (SELECT count(*) FROM users.change)")

    def test_everything_ends(self):
        self.cli("create", "access-right", f"website:w/{CAT}/External", user=ANN)  # what she gave
        number = json.loads(self.cli("deploy", "w", "--env", "dev", "--version", "1", "--json", user=ANN))["deployment"]["id"]
        before = self.state()
        plan = self.steps(ANN, "--dry-run")
        self.assertEqual(plan, [("deactivate", "User", ANN), ("revoke", "Key", self.keys[ANN].public),
                                ("end", "AccessRight", f"website:w/{ANN}/Owner"), ("end", "AccessRight", f"website:w/{CAT}/External"),
                                ("abort", "Deployment", str(number))])
        self.assertEqual(self.state(), before)
        self.assertIn("--yes", self.cli("offboard", ANN, code=3))  # there is no terminal to ask on
        self.assertIn("held by ann@x.org", self.cli("offboard", ANN, "--dry-run"))
        self.assertEqual(self.steps(ANN, "--reason", "left"), plan)
        self.cli("whoami", code=UNAUTHENTICATED, user=ANN)
        self.assertEqual(self.system.sql(f"SELECT active, is_admin FROM users.\"user\" WHERE email = '{ANN}'"), [["f", "f"]])
        self.assertEqual(self.system.sql("SELECT \"user\", role FROM users.access_right"), [[BOB, "Owner"]])
        self.assertEqual(self.system.sql(f"SELECT status, aborter FROM deployment.deployment WHERE id = {number}"), [["ABORTED", ADMIN]])
        self.assertEqual(self.steps(ANN), [])
        changes = [json.loads(line) for line in self.cli("history", "--since", "1d", "--json").splitlines()]
        self.assertEqual(len({c["call_id"] for c in changes if c["reason"] == "left"}), 1)  # one call, one transaction

    def plan(self, *words):
        """The hash of what would be done."""
        return {json.loads(line)["plan_hash"] for line in self.cli("offboard", *words, "--dry-run", "--json").splitlines()}

    def test_the_plan_is_what_is_done(self):
        """What has changed since the plan was read is not done unseen."""
        plan, = self.plan(ANN)
        self.assertIn(plan, self.cli("offboard", ANN, "--dry-run"))
        self.assertNotEqual({plan}, self.plan(ANN, "--keep-as", BOB))
        self.cli("create", "access-right", f"website:w/{CAT}/External", user=ANN)
        before = self.state()
        self.assertIn("the plan has changed", self.cli("offboard", ANN, "--yes", "--plan", plan, code=ABORTED))
        self.assertEqual(self.state(), before)
        again, = self.plan(ANN)
        self.assertNotEqual(again, plan)
        self.assertIn(("end", "AccessRight", f"website:w/{CAT}/External"), self.steps(ANN, "--plan", again))

    def test_a_changed_plan_is_shown_again(self):
        screen = Terminal(self.system.env(), "offboard", ANN, columns=200)
        screen.wait_for("do all of this?")
        self.cli("create", "access-right", f"website:w/{CAT}/External", user=ANN)
        before = self.state()
        os.write(screen.fd, b"y\n")
        screen.wait_for("the plan has changed")
        screen.wait_for_match(r"the plan has changed(.|\n)*do all of this\?")
        self.assertEqual(self.state(), before)
        os.write(screen.fd, b"y\n")
        self.assertEqual(screen.end(), 0)
        self.assertEqual(self.system.sql(f"SELECT active FROM users.\"user\" WHERE email = '{ANN}'"), [["f"]])
        self.assertEqual(self.system.sql("SELECT \"user\" FROM users.access_right"), [[BOB]])

    def test_what_she_gave_goes_on(self):
        self.cli("create", "access-right", f"website:w/{CAT}/External", user=ANN)
        self.assertIn(("keep", "AccessRight", f"website:w/{CAT}/External"), self.steps(ANN, "--keep-as", BOB))
        self.assertEqual(self.system.sql(f"SELECT made_by, made_by_admin FROM users.access_right WHERE \"user\" = '{CAT}'"), [[BOB, "f"]])
        self.cli("get", "website", "w", user=CAT)
        self.assertIn(("end", "AccessRight", f"website:w/{CAT}/External"), self.steps(BOB))
        self.assertEqual(self.system.sql(f"SELECT count(*) FROM users.access_right WHERE \"user\" = '{CAT}'"), [["0"]])

    def test_who_may(self):
        self.cli("offboard", BOB, "--yes", code=PERMISSION_DENIED, user=ANN)
        self.cli("offboard", ADMIN, "--yes", code=FAILED_PRECONDITION)
        self.cli("offboard", "nobody@x.org", "--yes", code=NOT_FOUND)
        for keeper in ("nobody@x.org", ANN):
            self.cli("offboard", ANN, "--keep-as", keeper, "--yes", code=FAILED_PRECONDITION)
        self.system.sql(f"UPDATE users.\"user\" SET active = false WHERE email = '{BOB}'")
        self.cli("offboard", ANN, "--keep-as", BOB, "--yes", code=FAILED_PRECONDITION)
        self.cli("whoami", user=ANN)


if __name__ == "__main__":
    unittest.main()
