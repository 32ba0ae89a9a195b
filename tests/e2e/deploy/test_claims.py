#!/usr/bin/env python3
"""What runners do: claims, fences, leases that are lost, commands in order, output."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deployment_test import (ADMIN, ABORTED, DeploymentTest, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND,
                             PERMISSION_DENIED)  # noqa: E402
from sitewire_test import wait_for  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2 as pb  # noqa: E402


class Claims(DeploymentTest):
    def test_who_may_claim(self):
        self.request()
        for by in (ADMIN, "owner@x.org", "ext@x.org", "reader@x.org", "stranger@x.org"):
            self.refused(PERMISSION_DENIED, "needs run", "ClaimDeployment", by=by, runner="r")
        self.refused(PERMISSION_DENIED, "needs run", "ClaimDeployment", "projects", by="runner@x.org", runner="r",
                     projects=[self.project, "website:elsewhere"])
        self.refused(INVALID_ARGUMENT, "name of a runner", "ClaimDeployment", "runner", runner="")
        self.refused(INVALID_ARGUMENT, "1000 to 600000", "ClaimDeployment", "lease_ms", runner="r", lease_ms=999)
        self.assertFalse(self.claim(environments=["prod"]).HasField("deployment"))
        self.assertFalse(self.claim(docroots=["elsewhere"]).HasField("deployment"))
        self.assertTrue(self.claim(environments=["dev", "prod"], projects=[self.project]).HasField("deployment"))

    def test_a_runner_that_loses_its_right(self):
        """Neither reports nor learns any more of what it has claimed."""
        self.request(commands=[{"shell": "true"}])
        claim = self.claim(request_id=self.w)
        held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": claim.fence}
        self.sql(f"DELETE FROM users.access_right WHERE project = '{self.project}' AND \"user\" = 'runner@x.org'")
        for method, fields in (("RenewLease", {}), ("StartCommand", {"number": 1}), ("FinishDeployment", {"outcome": "DONE"})):
            self.refused(PERMISSION_DENIED, "does not have any more", method, **held, **fields)
        self.refused(PERMISSION_DENIED, "any more", "ClaimDeployment", by="runner@x.org", request_id=self.w, runner="r1",
                     docroots=[self.w])

    def grant(self, **fields):
        """Instead of its right: the role Runner by a grant."""
        names, values = ", ".join(fields), ", ".join(f"'{value}'" for value in fields.values())
        self.sql(f"""DELETE FROM users.access_right WHERE project LIKE '%:{self.w}%' AND "user" = 'runner@x.org';
                     DELETE FROM users."grant" WHERE code = '{self.w}';
                     INSERT INTO users."grant" (code, role, "user", {names}) VALUES ('{self.w}', 'Runner', 'runner@x.org', {values})""")
        self.addCleanup(self.sql, f"DELETE FROM users.\"grant\" WHERE code = '{self.w}'")

    def test_run_in_one_environment(self):
        """A grant for one environment claims and reports there only."""
        self.grant(environment="prod", docroot=self.w)
        self.request(commands=[{"shell": "true"}])
        self.assertFalse(self.claim().HasField("deployment"))
        self.assertFalse(self.claim(projects=[self.project], environments=["dev"]).HasField("deployment"))
        self.grant(environment="dev", docroot=self.w)
        claim = self.claim(projects=[self.project])
        self.assertEqual(claim.deployment.environment, "dev")
        held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": claim.fence}
        self.call("RenewLease", **held)
        self.grant(environment="prod", docroot=self.w)
        self.refused(PERMISSION_DENIED, "does not have any more", "RenewLease", **held)

    def test_explanations(self):
        """What explain and who-can say of a grant in one environment, and of admins."""
        self.grant(environment="dev", docroot=self.w)
        row = {"dev": f"{self.w}/{self.w}/dev", "prod": f"{self.w}/{self.w}/prod"}
        for by, environment, answer in (("runner@x.org", "dev", "yes"), ("runner@x.org", "prod", "no"), (ADMIN, "dev", "no")):
            done = self.system.cli("explain", "run", "website-deployed", row[environment], "--as", by)
            self.assertEqual(done.stdout.split()[-1:], [answer], (environment, by, done.stdout, done.stderr))
        done = self.system.cli("who-can", "run", "website-deployed", row["dev"])
        self.assertIn(f"Grant {self.w}", done.stdout, done.stderr)
        self.assertNotIn(ADMIN, done.stdout)
        self.assertNotIn("runner@x.org", self.system.cli("who-can", "run", "website-deployed", row["prod"]).stdout)

    def test_an_admin_with_the_role(self):
        self.request()
        self.sql(f"INSERT INTO users.access_right VALUES ('{self.project}', '{ADMIN}', 'Runner')")
        self.addCleanup(self.sql, f"DELETE FROM users.access_right WHERE \"user\" = '{ADMIN}'")
        claim = self.claim(ADMIN)
        self.assertEqual(self.finish(claim, by=ADMIN).status, "DONE")

    def test_fences(self):
        self.request(commands=[{"shell": "true"}])
        claim = self.claim()
        number = claim.deployment.id
        calls = (("RenewLease", {}), ("StartCommand", {"number": 1}), ("FinishCommand", {"number": 1, "attempt": 1, "exit_code": 0}),
                 ("AppendLog", {}), ("FinishDeployment", {"outcome": "FAILED"}))
        for fence, by, code, words in ((0, "runner@x.org", ABORTED, "is 1, not 0"), (2, "runner@x.org", ABORTED, "is 1, not 2"),
                                       (1, "ext@x.org", PERMISSION_DENIED, "by another user")):
            for method, fields in calls:
                with self.subTest(fence=fence, by=by, method=method):
                    self.refused(code, words, method, by=by, id=number, fence=fence, **fields)
        self.finish(claim, "FAILED", failure="it broke")
        self.assertEqual(self.finish(claim, "FAILED", failure="again").failure, "it broke")  # a second try
        for method, fields in calls[:4]:
            with self.subTest(method=method):
                self.refused(ABORTED, "is FAILED (it broke)", method, "fence", by="runner@x.org", id=number, fence=1, **fields)
        self.refused(ABORTED, "is FAILED", "FinishDeployment", "fence", by="runner@x.org", id=number, fence=1, outcome="DONE")
        self.assertEqual(self.deployed(), "1")

    def test_lost_lease_fails(self):
        self.request(commands=[{"shell": "true"}])
        claim = self.claim()
        self.call("StartCommand", "runner@x.org", id=claim.deployment.id, fence=1, number=1)
        d = self.expire(claim.deployment.id)
        self.assertEqual((d.status, d.failure), ("FAILED", "the runner r1 was lost"))
        result = self.call("GetDeploymentCommandResult", deployment=d.id, command=1, attempt=1)
        self.assertEqual((result.failure, result.HasField("exit_code")), ("the runner r1 was lost", False))
        self.refused(ABORTED, "was lost", "FinishDeployment", "fence", by="runner@x.org", id=d.id, fence=1, outcome="DONE")

    def test_lease_runs_out_by_itself(self):
        self.request()
        claim = self.claim(lease_ms=1000)
        wait_for(lambda: self.get(claim.deployment.id).status == "FAILED", "the end of the lease")

    def test_lost_lease_is_retried(self):
        self.request(on_lost_lease="RETRY", commands=[{"shell": "a"}, {"shell": "b"}])
        old = self.claim()
        self.attempt(old, 1)
        self.call("AppendLog", "runner@x.org", id=old.deployment.id, fence=1, chunks=[
            pb.LogChunk(command=1, attempt=1, stream="stderr", bytes=b"0123")])
        self.call("StartCommand", "runner@x.org", id=old.deployment.id, fence=1, number=2)
        self.assertEqual(self.expire(old.deployment.id).status, "ACCEPTED")
        new = self.claim(runner="r2")
        self.assertEqual((new.deployment.id, new.fence, new.deployment.runner, new.log_offset), (old.deployment.id, 2, "r2", 4))
        self.assertEqual([(r.command, r.attempt, r.fence, r.failure) for r in new.results],
                         [(1, 1, 1, ""), (2, 1, 1, "the runner r1 was lost")])
        self.refused(ABORTED, "it was claimed again", "RenewLease", "fence", by="runner@x.org", id=old.deployment.id, fence=1)
        self.refused(ABORTED, "it was claimed again", "AppendLog", "fence", by="runner@x.org", id=old.deployment.id, fence=1,
                     chunks=[pb.LogChunk(command=1, attempt=1, stream="stdout", offset=4, bytes=b"late")])
        self.assertEqual(self.attempt(new, 2).attempt, 2)
        self.assertEqual(self.finish(new).status, "DONE")

    def test_retries_have_an_end(self):
        number = self.request(on_lost_lease="RETRY").deployment.id
        for fence in range(1, 6):
            self.assertEqual(self.claim().fence, fence)
            self.assertEqual(self.expire(number).status, "ACCEPTED" if fence < 5 else "FAILED")

    def test_commands_in_order(self):
        self.request(commands=[{"shell": "a", "retries": 1}, {"shell": "b"}])
        claim = self.claim()
        held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": 1}
        self.refused(NOT_FOUND, "no command 3", "StartCommand", "number", **held, number=3)
        self.refused(FAILED_PRECONDITION, "command 1 comes first", "StartCommand", "number", **held, number=2)
        self.refused(FAILED_PRECONDITION, "next attempt at command 1 is 1", "StartCommand", "attempt", **held, number=1, attempt=2)
        self.refused(NOT_FOUND, "has not started", "FinishCommand", "attempt", **held, number=1, attempt=1, exit_code=0)
        for _ in range(2):
            self.assertEqual(self.call("StartCommand", **held, number=1).attempt, 1)
        self.refused(INVALID_ARGUMENT, "say how it ended", "FinishCommand", "exit_code", **held, number=1, attempt=1)
        self.refused(INVALID_ARGUMENT, "0 or more", "FinishCommand", "stdout_bytes", **held, number=1, attempt=1, exit_code=0,
                     stdout_bytes=-1)
        for _ in range(2):
            self.assertEqual(self.call("FinishCommand", **held, number=1, attempt=1, exit_code=3).exit_code, 3)
        self.refused(FAILED_PRECONDITION, "has another result", "FinishCommand", "attempt", **held, number=1, attempt=1, exit_code=0)
        self.refused(FAILED_PRECONDITION, "it has not succeeded", "StartCommand", "number", **held, number=2)
        self.attempt(claim, 1, exit_code=4)
        self.refused(FAILED_PRECONDITION, "has used its 2 attempts", "StartCommand", "attempt", **held, number=1)
        self.refused(FAILED_PRECONDITION, "command 1 of deployment", "FinishDeployment", "outcome", **held, outcome="DONE")
        self.refused(INVALID_ARGUMENT, "DONE, FAILED or ABORTED", "FinishDeployment", "outcome", **held, outcome="REQUESTED")
        self.assertEqual(self.finish(claim, "FAILED", failure="command 1 failed").failure, "command 1 failed")

    def test_output(self):
        self.request(commands=[{"shell": "a"}, {"shell": "b"}])
        claim = self.claim()
        held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": 1}
        whole, chunks = bytes(range(256)) * 300, []
        for command in (1, 2):
            self.attempt(claim, command)
            for at in range(0, 30000, 10000):
                at += 30000 * (command - 1)
                chunks.append(pb.LogChunk(command=command, attempt=1, stream="stdout", offset=at, bytes=whole[at:at + 10000]))
        whole = whole[:60000]
        self.refused(FAILED_PRECONDITION, "has 0 bytes", "AppendLog", "chunks.offset", **held, chunks=chunks[1:])
        self.assertEqual(self.call("AppendLog", **held, chunks=chunks[:4]).offset, 40000)
        self.assertEqual(self.call("AppendLog", **held, chunks=chunks[2:]).offset, 60000)  # what is there is left out
        self.assertEqual(self.call("AppendLog", **held).offset, 60000)
        for field, words, chunk in (("chunks.stream", "stdout or stderr", {"stream": "stdin", "bytes": b"x"}),
                                    ("chunks.bytes", "1 to 1048576", {"stream": "stdout"}),
                                    ("chunks.bytes", "1 to 1048576", {"stream": "stdout", "bytes": bytes(1048577)})):
            self.refused(INVALID_ARGUMENT, words, "AppendLog", field, **held,
                         chunks=[pb.LogChunk(command=1, attempt=1, offset=60000, **chunk)])

        def read(offset, **options):
            items = self.call("ReadLog", "reader@x.org", id=claim.deployment.id, offset=offset, **options).items
            return (items[0].offset if items else None), b"".join(item.bytes for item in items)
        for offset in (0, 1, 9999, 10000, 10001, 29999, 30000, 59999):
            self.assertEqual(read(offset), (offset, whole[offset:]))
        self.assertEqual(read(60000), (None, b""))
        # At least one chunk as it is stored; those of one request are stored together.
        self.assertEqual(read(10005, limit=1), (10005, whole[10005:30000]))
        self.assertEqual(read(5, limit=45000), (5, whole[5:40000]))
        self.assertEqual(read(0, command=2), (30000, whole[30000:]))
        self.refused(NOT_FOUND, "no command 3", "ReadLog", "command", id=claim.deployment.id, command=3)
        self.refused(INVALID_ARGUMENT, "0 or more", "ReadLog", "offset", id=claim.deployment.id, offset=-1)
        self.refused(INVALID_ARGUMENT, "0 or more", "ReadLog", "limit", id=claim.deployment.id, limit=-1)


if __name__ == "__main__":
    unittest.main()
