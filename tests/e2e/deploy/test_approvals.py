#!/usr/bin/env python3
"""What makes a deployment legitimate, and that it is checked again when a runner claims it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deployment_test import (ABORTED, ADMIN, FAILED_PRECONDITION, INVALID_ARGUMENT, PERMISSION_DENIED,  # noqa: E402
                             DeploymentTest, pb)
from sitewire.user.v1 import user_pb2 as user_pb  # noqa: E402
from mdp import UNAUTHENTICATED  # noqa: E402
from sitewire_test import Failed, wait_for  # noqa: E402


class ApprovalTest(DeploymentTest):
    def tearDown(self):
        self.activate()
        self.sql("UPDATE users.\"user\" SET kind = 'PERSON' WHERE kind <> 'PERSON'; "
                 "UPDATE referential.environment SET approvals = 1, approval_expires = 604800 WHERE code = 'prod'")

    def activate(self):
        """All users; the broker may keep for a while that one of them was not active."""
        for email, in self.sql("UPDATE users.\"user\" SET active = true WHERE NOT active RETURNING email"):
            wait_for(lambda: self.is_let_in(email), f"{email} is let in")

    def is_let_in(self, email):
        try:
            self.call("GetDeploymentPlan", email, id=0)
        except Failed as failed:
            return failed.header.code != UNAUTHENTICATED
        return True

    def approve(self, number, by="other@x.org"):
        plan = self.call("GetDeploymentPlan", by, id=number)
        return self.call("ApproveDeployment", by, id=number, plan_hash=plan.plan_hash)

    def approved(self, environment="prod", **options):
        """A deployment of owner@x.org that other@x.org has approved; its id."""
        number = self.request("owner@x.org", environment=environment, **options).deployment.id
        self.assertEqual(self.approve(number).status, "ACCEPTED")
        return number

    def does_not_run(self, number, words):
        """The plan says why, a claim gets nothing, and the deployment ends with the reason."""
        plan = self.call("GetDeploymentPlan", id=number)
        self.assertIn(words, "; ".join(plan.obstacles))
        shown = self.system.cli("deployment", str(number), env=self.system.env()).stdout
        self.assertRegex(shown, r"(?m)^obstacle ")
        self.assertFalse(self.claim().HasField("deployment"))
        d = self.get(number)
        self.assertEqual(d.status, "ABORTED")
        self.assertIn(words, d.failure)
        self.assertIn("request it again", d.failure)

    def runs(self, number):
        self.assertEqual(list(self.call("GetDeploymentPlan", id=number).obstacles), [])
        claim = self.claim()
        self.assertEqual(claim.deployment.id, number)
        self.finish(claim)


class Requesters(ApprovalTest):
    def test_inactive(self):
        for environment in ("dev", "prod"):
            number = self.request("owner@x.org").deployment.id if environment == "dev" else self.approved()
            self.sql("UPDATE users.\"user\" SET active = false WHERE email = 'owner@x.org'")
            self.does_not_run(number, "owner@x.org, who requested it, is not active")
            self.activate()

    def test_without_the_right(self):
        number = self.request("ext@x.org").deployment.id
        self.sql(f"DELETE FROM users.access_right WHERE project = '{self.project}' AND \"user\" = 'ext@x.org'")
        self.does_not_run(number, f"ext@x.org, who requested it, does not have deploy on {self.project}")

    def test_without_the_right_to_commands(self):
        self.sql("INSERT INTO users.role (code, permissions) VALUES ('Deployer', '{read,deploy}') ON CONFLICT DO NOTHING")
        plain, with_commands = (self.request("ext@x.org", commands=commands).deployment.id for commands in ((), ({"shell": "a"},)))
        self.sql(f"UPDATE users.access_right SET role = 'Deployer' WHERE project = '{self.project}' AND \"user\" = 'ext@x.org'")
        self.runs(plain)
        self.does_not_run(with_commands, "does not have command")
        done = self.request(commands=[{"shell": "a"}]).deployment.id
        claim = self.claim()
        self.attempt(claim, 1)
        self.finish(claim)
        for method, fields in (("RequestDeployment", {"project": self.project, "environment": "dev", "version": "3",
                                                      "commands": [pb.Command(shell="a")]}),
                               ("RollbackDeployment", {"id": done})):  # which repeats its commands
            self.refused(PERMISSION_DENIED, f"takes command on {self.project}", method, by="ext@x.org", **fields)
        self.runs(self.request("ext@x.org").deployment.id)

    def test_everything_as_it_was(self):
        self.runs(self.request("ext@x.org", commands=()).deployment.id)
        self.runs(self.approved())


class Approvers(ApprovalTest):
    def test_inactive(self):
        number = self.approved()
        self.sql("UPDATE users.\"user\" SET active = false WHERE email = 'other@x.org'")
        self.does_not_run(number, "other@x.org, who approved it, is not active")

    def test_without_the_right(self):
        number = self.approved()
        self.sql(f"UPDATE users.access_right SET role = 'External' WHERE project = '{self.project}' AND \"user\" = 'other@x.org'")
        self.does_not_run(number, "other@x.org, who approved it, does not have approve")

    def test_robots(self):
        self.sql("UPDATE users.\"user\" SET kind = 'ROBOT' WHERE email = 'other@x.org'")
        number = self.request("owner@x.org", environment="prod").deployment.id
        with self.assertRaises(Failed) as failed:
            self.approve(number)
        self.assertEqual(failed.exception.header.code, PERMISSION_DENIED)
        self.sql("UPDATE users.\"user\" SET kind = 'PERSON' WHERE email = 'other@x.org'")
        self.approve(number)
        self.sql("UPDATE users.\"user\" SET kind = 'ROBOT' WHERE email = 'other@x.org'")
        self.does_not_run(number, "does not have approve")

    def test_a_right_from_the_requester_does_not_count(self):
        """Owner gives Owner to a second account, which approves."""
        self.sql("INSERT INTO users.\"user\" (email) VALUES ('second@x.org') ON CONFLICT DO NOTHING")
        if "second@x.org" not in self.clients:
            self.clients["second@x.org"] = self.system.client(key=self.system.enroll("second@x.org"))
        self.clients["owner@x.org"].call("/sitewire.user.v1.Users/CreateAccessRight", user_pb.CreateAccessRightRequest(
            access_right=user_pb.AccessRight(project=self.project, user="second@x.org", role="Owner")), user_pb.AccessRight)
        number = self.request("owner@x.org", environment="prod").deployment.id
        plan = self.call("GetDeploymentPlan", "second@x.org", id=number)
        self.refused(PERMISSION_DENIED, "rights that admins gave", "ApproveDeployment", by="second@x.org", id=number,
                     plan_hash=plan.plan_hash)
        # An admin's right counts, until an owner's replaces it.
        self.sql(f"INSERT INTO users.access_right VALUES ('{self.project}', 'second@x.org', 'Admin')")
        self.assertEqual(self.approve(number, "second@x.org").status, "ACCEPTED")
        self.sql(f"DELETE FROM users.access_right WHERE project = '{self.project}' AND \"user\" = 'second@x.org' AND role = 'Admin'")
        self.does_not_run(number, "only by rights that others than admins gave")

    def test_expiry(self):
        self.sql("UPDATE referential.environment SET approval_expires = 3600 WHERE code = 'prod'")
        number = self.approved()
        self.age(number, "59 min")
        self.assertEqual(list(self.call("GetDeploymentPlan", id=number).obstacles), [])
        self.age(number, "2 min")
        self.does_not_run(number, "the approval of other@x.org has expired on ")

    def test_expiry_before_it_is_complete(self):
        """Who approved too early approves again."""
        self.sql("UPDATE referential.environment SET approvals = 2 WHERE code = 'prod'")
        number = self.request("owner@x.org", environment="prod").deployment.id
        self.approve(number)
        self.age(number, "8 days")
        self.assertEqual(self.approve(number, ADMIN).status, "REQUESTED")
        self.assertIn("has expired", self.call("GetDeploymentPlan", id=number).obstacles[0])
        self.assertEqual(self.approve(number).status, "ACCEPTED")
        self.runs(number)

    def age(self, number, by):
        self.sql(f"ALTER TABLE deployment.deployment_approval DISABLE TRIGGER state; UPDATE deployment.deployment_approval SET "
                 f"approved_at = approved_at - interval '{by}' WHERE deployment = {number}; "
                 "ALTER TABLE deployment.deployment_approval ENABLE TRIGGER state")


class Numbers(ApprovalTest):
    def test_two(self):
        self.sql("UPDATE referential.environment SET approvals = 2 WHERE code = 'prod'")
        plan = self.request("owner@x.org", environment="prod")
        number = plan.deployment.id
        self.assertEqual((plan.approvals_needed, plan.needs_approval, len(plan.approvals)), (2, True, 0))
        for _ in range(2):  # one user counts once
            d = self.approve(number)
            self.assertEqual((d.status, d.approver), ("REQUESTED", ""))
        self.refused(PERMISSION_DENIED, "requested it", "ApproveDeployment", by="owner@x.org", id=number, plan_hash=plan.plan_hash)
        self.assertEqual([a.approver for a in self.call("GetDeploymentPlan", id=number).approvals], ["other@x.org"])
        shown = self.system.cli("deployment", str(number), env=self.system.env()).stdout
        self.assertRegex(shown, r"approval +needed, by 2 others(.|\n)*approved .* by other@x.org")
        done = self.system.cli("approve", str(number), "--yes", env=self.system.env())
        self.assertIn("is ACCEPTED", done.stdout, done.stderr)
        self.assertEqual(self.get(number).approver, ADMIN)
        rows = self.call("ListDeploymentApprovals", filters=[{"field": "deployment", "values": [str(number)]}]).items
        self.assertEqual({row.approver for row in rows}, {ADMIN, "other@x.org"})
        self.runs(number)

    def test_more_are_asked_for_later(self):
        number = self.approved()
        self.sql("UPDATE referential.environment SET approvals = 2 WHERE code = 'prod'")
        self.does_not_run(number, "1 of 2 approvals count")

    def test_fewer_are_asked_for_later(self):
        self.sql("UPDATE referential.environment SET approvals = 2 WHERE code = 'prod'")
        number = self.request("owner@x.org", environment="prod").deployment.id
        plan = self.call("GetDeploymentPlan", id=number)
        self.approve(number)
        self.sql("UPDATE referential.environment SET approvals = 1 WHERE code = 'prod'")
        self.assertEqual(self.call("GetDeploymentPlan", id=number).plan_hash, plan.plan_hash)  # the plan is the same
        self.assertEqual(self.approve(number, ADMIN).status, "ACCEPTED")
        self.runs(number)

    def test_changed_plans(self):
        """Approvals of another plan do not count."""
        self.sql("UPDATE referential.environment SET approvals = 2 WHERE code = 'prod'")
        number = self.request("owner@x.org", environment="prod").deployment.id
        old = self.call("GetDeploymentPlan", id=number)
        self.approve(number)
        self.sql(f"UPDATE referential.website SET home_directory = 'other' WHERE code = '{self.w}'")
        self.refused(ABORTED, "has changed", "ApproveDeployment", "plan_hash", id=number, plan_hash=old.plan_hash)
        self.assertEqual(self.approve(number, ADMIN).status, "REQUESTED")
        self.assertIn("other@x.org approved another plan", self.call("GetDeploymentPlan", id=number).obstacles)
        self.assertEqual(self.approve(number).status, "ACCEPTED")

    def test_the_environment(self):
        """`protected` of earlier versions and `approvals` stay alike."""
        self.sql("INSERT INTO referential.environment (code, protected) VALUES ('old', true)")
        for change, expected in (("", "1|t"), ("protected = false", "0|f"), ("approvals = 3", "3|t"), ("approvals = 0", "0|f")):
            if change:
                self.sql(f"UPDATE referential.environment SET {change} WHERE code = 'old'")
            self.assertEqual("|".join(self.sql("SELECT approvals, protected FROM referential.environment WHERE code = 'old'")[0]), expected)
        done = self.system.cli("update", "environment", "old", "approvals=21", env=self.system.env())
        self.assertEqual(done.returncode, INVALID_ARGUMENT)

    def test_approvals_cannot_be_made_up(self):
        number = self.approved()
        for text in (f"INSERT INTO deployment.deployment_approval (deployment, approver, plan_hash) VALUES ({number}, 'ext@x.org', 'x')",
                     f"UPDATE deployment.deployment_approval SET approved_at = now() WHERE deployment = {number}",
                     f"DELETE FROM deployment.deployment_approval WHERE deployment = {number}"):
            with self.subTest(text=text), self.assertRaisesRegex(AssertionError, "SW006|cannot be changed|are deleted only"):
                self.sql(text)
        waits = self.request("owner@x.org", environment="prod").deployment.id
        with self.assertRaisesRegex(AssertionError, "somebody else"):
            self.sql(f"INSERT INTO deployment.deployment_approval (deployment, approver, plan_hash) VALUES ({waits}, 'owner@x.org', 'x')")
        self.refused(FAILED_PRECONDITION, "nothing to approve", "ApproveDeployment", "id", by="other@x.org", id=number, plan_hash="x")


if __name__ == "__main__":
    unittest.main()
