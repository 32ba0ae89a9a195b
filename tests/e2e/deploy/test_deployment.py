#!/usr/bin/env python3
"""Deployments over the wire: their life, who may do what, approval, queues, abort, rollback, and
the registry afterwards."""
import concurrent.futures
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deployment_test import (ABORTED, DeploymentTest, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND,
                             PERMISSION_DENIED)  # noqa: E402
from sitewire_test import ADMIN, wait_for  # noqa: E402
from google.protobuf.timestamp_pb2 import Timestamp  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2 as pb  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402


class Deployments(DeploymentTest):
    # --- A whole life ---

    def test_past(self):
        """Every state that it was in, and what was there of commands and output, to who may read
        it."""
        number, times = self.request(commands=[{"shell": "true"}]).deployment.id, []

        def mark():
            times.append(Timestamp())
            times[-1].FromMicroseconds(int(self.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")[0][0]))

        mark()
        claim = self.claim()
        mark()
        self.attempt(claim, 1)
        self.call("AppendLog", "runner@x.org", id=number, fence=claim.fence, chunks=[pb.LogChunk(
            command=1, attempt=1, stream="stdout", offset=0, bytes=b"out")])
        self.finish(claim)
        mark()
        living = self.get(number)
        self.assertEqual([self.call("GetDeployment", "reader@x.org", id=number, read_time=time).status for time in times],
                         ["ACCEPTED", "IN_PROGRESS", "DONE"])
        self.assertEqual(self.call("GetDeployment", id=number, read_time=times[2]), living)
        one = [rpc_pb2.Filter(field="deployment", values=[str(number)])]
        for method, counts in (("ListDeploymentCommands", [1, 1, 1]), ("ListDeploymentCommandResults", [0, 0, 1]),
                               ("ListDeploymentLogs", [0, 0, 1])):
            pages = [self.call(method, "reader@x.org", filters=one, read_time=time).items for time in times]
            self.assertEqual([len(items) for items in pages], counts, method)
            self.assertEqual(pages[2], self.call(method, filters=one).items)
            self.assertEqual(len(self.call(method, "stranger@x.org", filters=one, read_time=times[2]).items), 0)
        self.refused(NOT_FOUND, "no such Deployment", "GetDeployment", by="stranger@x.org", id=number, read_time=times[2])
        number_order = self.call("ListDeployments", read_time=times[2], page_size=1000).items
        self.assertEqual([d.id for d in number_order], sorted(d.id for d in number_order))

    def test_life(self):
        plan = self.request("ext@x.org", reason="a customer asked", commands=[
            {"step": "POST", "shell": "echo after"}, {"argv": ["unpack", "2", "é \\\"{},NULL", ""], "timeout_s": 9, "retries": 2},
            {"step": "PREDEPLOYMENT", "argv": ["true"], "continue_on_failure": True}])
        d = plan.deployment
        self.assertEqual((d.status, d.type, d.docroot, d.requester, d.reason, d.fence, d.on_lost_lease),
                         ("ACCEPTED", "WEBSITE", self.w, "ext@x.org", "a customer asked", 0, "FAIL"))
        self.assertEqual([(c.deployment, c.number, c.step, list(c.argv), c.shell, c.timeout_s, c.retries, c.continue_on_failure)
                          for c in plan.commands],
                         [(d.id, 1, "PREDEPLOYMENT", ["true"], "", 3600, 0, True),
                          (d.id, 2, "DEPLOYMENT", ["unpack", "2", "é \\\"{},NULL", ""], "", 9, 2, False),
                          (d.id, 3, "POST", [], "echo after", 3600, 0, False)])
        self.assertEqual((plan.needs_approval, list(plan.behind)), (False, []))
        self.assertEqual(list(plan.rights_used), [f"deploy on {self.project} as External", f"command on {self.project} as External"])
        facts = {fact.name: fact.value for fact in plan.facts}
        self.assertEqual((facts["SITEWIRE_VERSION"], facts["SITEWIRE_PREVIOUS_VERSION"], facts["SITEWIRE_REQUESTER"],
                          facts["SITEWIRE_APPROVER"]), ("2", "1", "ext@x.org", ""))
        self.assertEqual(self.call("GetDeploymentPlan", "reader@x.org", id=d.id).plan_hash, plan.plan_hash)
        claim = self.claim()
        self.assertEqual((claim.deployment.status, claim.deployment.runner, claim.deployment.runner_user, claim.fence),
                         ("IN_PROGRESS", "r1", "runner@x.org", 1))
        self.assertEqual(claim.deployment.lease_until, claim.lease_until)
        self.assertEqual([c.number for c in claim.commands], [1, 2, 3])
        self.assertEqual({f.name: f.value for f in claim.facts}, facts)
        self.assertEqual((len(claim.results), claim.log_offset, claim.lease_ms), (0, 0, 30000))
        held = {"id": d.id, "fence": claim.fence}
        lease = self.call("RenewLease", "runner@x.org", **held, lease_ms=60000)
        self.assertGreater(lease.lease_until.ToMilliseconds(), claim.lease_until.ToMilliseconds() + 20000)
        self.assertFalse(lease.abort)
        self.attempt(claim, 1, exit_code=1)  # it may fail
        self.attempt(claim, 2, timed_out=True, signal=9)
        result = self.attempt(claim, 2, exit_code=0, stdout_bytes=7, stderr_bytes=1, truncated=True)
        self.assertEqual((result.attempt, result.exit_code, result.HasField("signal"), result.stdout_bytes, result.truncated),
                         (2, 0, False, 7, True))
        self.attempt(claim, 3)
        done = self.finish(claim)
        self.assertEqual((done.status, done.replaces, done.failure), ("DONE", "1", ""))
        self.assertTrue(done.HasField("finished_at") and not done.HasField("lease_until"))
        self.assertEqual(self.deployed(), "2")
        results = self.call("ListDeploymentCommandResults", "reader@x.org", order_by=[{"field": "command"}], filters=[
            {"field": "deployment", "values": [str(d.id)]}]).items
        self.assertEqual([(r.command, r.attempt) for r in results], [(1, 1), (2, 1), (2, 2), (3, 1)])
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox"), "the relay has numbered them")
        kinds = self.sql(f"SELECT kind, payload::jsonb->>'status' FROM deployment.event WHERE deployment = {d.id} "
                         "ORDER BY position")
        self.assertEqual([status for kind, status in kinds if kind == "state"], ["REQUESTED", "ACCEPTED", "IN_PROGRESS", "DONE"])
        self.assertEqual(len([kind for kind, _ in kinds if kind == "command"]), 8)

    def test_dry_run(self):
        plan = self.request(validate_only=True, commands=[{"argv": ["true"]}])
        self.assertEqual((plan.deployment.id, plan.deployment.status, plan.commands[0].deployment), (0, "ACCEPTED", 0))
        self.assertEqual(self.sql(f"SELECT count(*) FROM deployment.deployment WHERE project = '{self.project}'"), [["0"]])
        self.assertFalse(self.claim().HasField("deployment"))
        self.assertEqual(self.request(commands=[{"argv": ["true"]}]).plan_hash, plan.plan_hash)
        self.assertNotEqual(self.request(commands=[{"argv": ["false"]}], validate_only=True).plan_hash, plan.plan_hash)

    # --- Requests ---

    def test_bad_requests(self):
        good = {"project": self.project, "environment": "dev", "version": "2"}
        for code, field, words, change in (
                (NOT_FOUND, "project", "no project", {"project": "website:nowhere"}),
                (NOT_FOUND, "project", "no project", {"project": ""}),
                (NOT_FOUND, "environment", "no environment", {"environment": "mars"}),
                (INVALID_ARGUMENT, "environment", "required", {"environment": ""}),
                (NOT_FOUND, "docroot", "no docroot", {"docroot": "nowhere"}),
                (INVALID_ARGUMENT, "type", "no deployment type", {"type": "ROCKET"}),
                (INVALID_ARGUMENT, "type", "does not fit the project", {"type": "DRUPALDOCROOTCORE"}),
                (INVALID_ARGUMENT, "version", "1 to 128", {"version": ""}),
                (INVALID_ARGUMENT, "version", "1 to 128", {"version": "a\nb"}),
                (INVALID_ARGUMENT, "version", "1 to 128", {"version": "x" * 129}),
                (INVALID_ARGUMENT, "reason", "at most 1000", {"reason": "x" * 1001}),
                (INVALID_ARGUMENT, "on_lost_lease", "FAIL or RETRY", {"on_lost_lease": "PANIC"}),
                (INVALID_ARGUMENT, "commands[1].step", "no enabled step", {"commands": [{"argv": ["a"]}, {"step": "X", "argv": ["a"]}]}),
                (INVALID_ARGUMENT, "commands[0].argv", "either", {"commands": [{}]}),
                (INVALID_ARGUMENT, "commands[0].argv", "either", {"commands": [{"argv": ["a"], "shell": "a"}]}),
                (INVALID_ARGUMENT, "commands[0].argv", "must not be empty", {"commands": [{"argv": ["", "a"]}]}),
                (INVALID_ARGUMENT, "commands[0].timeout_s", "1 to 86400", {"commands": [{"shell": "a", "timeout_s": -1}]}),
                (INVALID_ARGUMENT, "commands[0].retries", "0 to 10", {"commands": [{"shell": "a", "retries": 11}]}),
                (INVALID_ARGUMENT, "commands[0]", "256 arguments", {"commands": [{"argv": ["a"] * 257}]}),
                (INVALID_ARGUMENT, "commands", "at most 200", {"commands": [{"shell": "a"}] * 201})):
            with self.subTest(change=str(change)[:60]):
                self.refused(code, words, "RequestDeployment", field, **good | change)
        self.sql("INSERT INTO referential.docroot (code) VALUES ('empty') ON CONFLICT DO NOTHING; INSERT INTO "
                 "referential.docroot_environment (docroot, environment) VALUES ('empty', 'dev') ON CONFLICT DO NOTHING")
        self.refused(FAILED_PRECONDITION, "does not host", "RequestDeployment", "docroot", by="owner@x.org",
                     **good | {"docroot": "empty"})
        self.assertEqual(self.sql(f"SELECT count(*) FROM deployment.deployment WHERE project = '{self.project}'"), [["0"]])

    def test_rights_to_request(self):
        for email, environment, code, words in (
                ("stranger@x.org", "dev", NOT_FOUND, "no project"),
                ("reader@x.org", "dev", PERMISSION_DENIED, f"deploy on {self.project}"),
                ("reader@x.org", "prod", PERMISSION_DENIED, f"deploying to prod takes deploy on {self.project}")):
            with self.subTest(email=email, environment=environment):
                self.refused(code, words, "RequestDeployment", by=email, project=self.project, environment=environment,
                             version="2")
        for email in ("owner@x.org", "ext@x.org"):
            self.assertEqual(self.request(email, environment="prod").deployment.status, "REQUESTED")

    def test_who_sees(self):
        d = self.request("ext@x.org", commands=[{"shell": "true"}]).deployment
        claim = self.claim()
        self.attempt(claim, 1)
        self.call("AppendLog", "runner@x.org", id=d.id, fence=1, chunks=[
            pb.LogChunk(command=1, attempt=1, stream="stdout", bytes=b"secret")])
        self.assertEqual(self.call("ReadLog", "reader@x.org", id=d.id).items[0].bytes, b"secret")
        for method in ("GetDeployment", "GetDeploymentPlan", "ReadLog", "AbortDeployment", "ApproveDeployment", "RenewLease",
                       "RollbackDeployment"):
            with self.subTest(method=method):
                self.refused(NOT_FOUND, str(d.id), method, by="stranger@x.org", id=d.id)
        mine = {"filters": [{"field": "deployment", "values": [str(d.id)]}]}
        for method in ("ListDeploymentCommands", "ListDeploymentCommandResults", "ListDeploymentLogs", "ListEvents"):
            with self.subTest(method=method):
                self.assertEqual(len(self.call(method, "stranger@x.org", **mine).items), 0)

    def test_names_of_others(self):
        """Who has a place in common with others does not hear of whom: neither when refused, nor in
        a plan."""
        self.sql(f"""INSERT INTO referential.website (code) VALUES ('hidden-neighbour');
                     INSERT INTO referential.docroot (code) VALUES ('theirs');
                     INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('theirs', 'dev');
                     INSERT INTO referential.website_deployed (website, docroot, environment) VALUES
                         ('hidden-neighbour', '{self.w}', 'prod'), ('hidden-neighbour', 'theirs', 'dev');
                     INSERT INTO users.access_right VALUES ('website:hidden-neighbour', 'other@x.org', 'Owner')""")
        core = {"project": self.project, "type": "CORE", "environment": "prod", "version": "2"}
        plan = self.request("other@x.org", **core)
        self.assertIn("deploy on website:hidden-neighbour as Owner", plan.rights_used)
        read = self.call("GetDeploymentPlan", "reader@x.org", id=plan.deployment.id)
        self.assertEqual(list(read.rights_used), ["deploy on a project that you may not see", f"deploy on {self.project} as Owner"])
        self.assertNotIn("hidden-neighbour", str(read))
        approval = {"id": plan.deployment.id, "plan_hash": plan.plan_hash}
        for code, words, method, fields in (
                (PERMISSION_DENIED, "takes deploy on a project that you may not see, which owner@x.org does not have",
                 "RequestDeployment", core),
                (PERMISSION_DENIED, "takes approve on a project that you may not see, which", "ApproveDeployment", approval),
                (FAILED_PRECONDITION, "and is not shared: an admin", "RequestDeployment",
                 {"project": self.project, "docroot": "theirs", "environment": "dev", "version": "2"})):
            with self.subTest(method=method, words=words):
                self.refused(code, words, method, by="owner@x.org", **fields)
        self.refused(FAILED_PRECONDITION, "not shared by others than hidden-neighbour: an admin", "RequestDeployment", by="other@x.org",
                     project=self.project, docroot="theirs", environment="dev", version="2")

    def test_history_of_a_lease(self):
        """That a runner renews it is no news; what anybody else does is, whatever else they set."""
        self.request()
        claim = self.claim(lease_ms=600000)
        changes = f"SELECT actor, operation FROM users.change WHERE resource = 'Deployment' AND key = '{claim.deployment.id}' ORDER BY id OFFSET "
        count = len(self.sql(changes + "0"))
        self.call("RenewLease", "runner@x.org", id=claim.deployment.id, fence=claim.fence, lease_ms=60000)
        self.assertEqual(self.sql(changes + str(count)), [])
        for what in ("", ", failure = 'forged'"):
            self.sql(f"UPDATE deployment.deployment SET lease_until = lease_until + interval '1 s'{what} WHERE id = {claim.deployment.id}")
        self.assertEqual(self.sql(changes + str(count)), [["psql:postgres", "UPDATE"]] * 2)

    def test_events(self):
        d = self.deploy(commands=[{"shell": "true"}])
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox"), "the relay has numbered them")
        whole = {"order_by": [{"field": "position"}], "filters": [{"field": "project", "values": [self.project]}]}
        events = self.call("ListEvents", "reader@x.org", **whole).items
        self.assertEqual([e.project_sequence for e in events], list(range(1, len(events) + 1)))
        self.assertEqual([e.previous_position for e in events], [0] + [e.position for e in events[:-1]])
        self.assertEqual([e.kind for e in events if e.deployment == d], ["state", "state", "state", "command", "command", "state"])
        self.assertEqual(self.call("GetEventHead", "reader@x.org", project=self.project).position, events[-1].position)
        whole["filters"].append({"field": "position", "op": ">", "values": [str(events[3].position)]})
        self.assertEqual([e.position for e in self.call("ListEvents", "reader@x.org", **whole).items],
                         [e.position for e in events[4:]])

    # --- Approval ---

    def test_approval(self):
        plan = self.request("owner@x.org", environment="prod")
        number = plan.deployment.id
        self.assertTrue(plan.needs_approval)
        self.assertEqual(list(plan.rights_used), [f"deploy on {self.project} as Owner"])
        self.assertFalse(self.claim().HasField("deployment"))
        good = {"id": number, "plan_hash": plan.plan_hash}
        self.refused(PERMISSION_DENIED, "somebody else must", "ApproveDeployment", by="owner@x.org", **good)
        self.refused(PERMISSION_DENIED, "takes approve on", "ApproveDeployment", by="ext@x.org", **good)
        self.refused(INVALID_ARGUMENT, "required", "ApproveDeployment", "plan_hash", by="other@x.org", id=number)
        self.refused(ABORTED, "plan has changed", "ApproveDeployment", "plan_hash", by="other@x.org", id=number, plan_hash="x")
        for _ in range(2):  # a second try answers the same
            d = self.call("ApproveDeployment", "other@x.org", **good)
            self.assertEqual((d.status, d.approver, d.plan_hash), ("ACCEPTED", "other@x.org", plan.plan_hash))
        self.refused(FAILED_PRECONDITION, "is ACCEPTED", "ApproveDeployment", by=ADMIN, **good)
        claim = self.claim()
        self.assertEqual({f.name: f.value for f in claim.facts}["SITEWIRE_APPROVER"], "other@x.org")
        self.finish(claim)
        self.assertEqual((self.deployed("prod"), self.deployed("dev")), ("2", "1"))

    def test_admins_do_not_approve_their_own(self):
        plan = self.request(environment="prod")
        self.refused(PERMISSION_DENIED, "somebody else must", "ApproveDeployment", id=plan.deployment.id,
                     plan_hash=plan.plan_hash)

    def test_approval_is_void_when_the_plan_changes(self):
        plan = self.request("owner@x.org", environment="prod")
        number = plan.deployment.id
        self.sql(f"UPDATE referential.website SET home_directory = 'moved' WHERE code = '{self.w}'")
        self.refused(ABORTED, "plan has changed", "ApproveDeployment", "plan_hash", by="other@x.org", id=number,
                     plan_hash=plan.plan_hash)
        now = self.call("GetDeploymentPlan", "other@x.org", id=number)
        self.assertNotEqual(now.plan_hash, plan.plan_hash)
        self.call("ApproveDeployment", "other@x.org", id=number, plan_hash=now.plan_hash)
        # ... and once more after it was accepted: it does not run.
        self.sql(f"UPDATE referential.website SET home_directory = 'again' WHERE code = '{self.w}'")
        self.assertFalse(self.claim().HasField("deployment"))
        d = self.get(number)
        self.assertEqual(d.status, "ABORTED")
        self.assertIn("no longer the one that other@x.org approved", d.failure)

    def test_accepted_before_its_environment_was_protected(self):
        self.sql("INSERT INTO referential.environment (code) VALUES ('later'); INSERT INTO referential.docroot_environment "
                 f"(docroot, environment) VALUES ('{self.w}', 'later')")
        d = self.request(environment="later", docroot=self.w).deployment
        self.sql("UPDATE referential.environment SET protected = true WHERE code = 'later'")
        self.assertFalse(self.claim().HasField("deployment"))
        self.assertIn("is protected now", self.get(d.id).failure)

    # --- Queues ---

    def test_queue(self):
        first, second, third = (self.request(version=v) for v in ("2", "3", "4"))
        ids = [plan.deployment.id for plan in (first, second, third)]
        self.assertEqual([list(plan.behind) for plan in (first, second, third)], [[], ids[:1], ids[:2]])
        self.assertEqual({f.name: f.value for f in third.facts}["SITEWIRE_PREVIOUS_VERSION"], "3")
        one = self.claim()
        self.assertEqual(one.deployment.id, ids[0])
        self.assertFalse(self.claim(runner="r2").HasField("deployment"))
        self.assertEqual(list(self.call("GetDeploymentPlan", id=ids[2]).behind), ids[:2])
        self.call("AbortDeployment", id=ids[1])
        self.finish(one)
        last = self.claim(runner="r2")
        self.assertEqual((last.deployment.id, last.deployment.replaces), (ids[2], "2"))

    def test_other_targets_do_not_wait(self):
        self.sql(f"INSERT INTO referential.environment (code) VALUES ('uat') ON CONFLICT DO NOTHING; "
                 f"INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('{self.w}', 'uat')")
        self.request()
        self.request(environment="uat", docroot=self.w)
        self.assertEqual({self.claim().deployment.environment, self.claim().deployment.environment}, {"dev", "uat"})

    def test_core_excludes(self):
        self.sql(f"INSERT INTO referential.website (code) VALUES ('{self.w}-2'); UPDATE referential.docroot SET shared = true "
                 f"WHERE code = '{self.w}'; INSERT INTO referential.website_deployed (website, docroot, environment) "
                 f"VALUES ('{self.w}-2', '{self.w}', 'dev')")
        self.refused(PERMISSION_DENIED, "deploy on a project that you may not see", "RequestDeployment", by="owner@x.org",
                     project=self.project, type="CORE", environment="dev", version="11")
        core = self.request(type="CORE", version="11")
        site = self.request(project=f"website:{self.w}-2")
        drupal = self.request(project=f"drupaldocrootcore:{self.w}", version="9", docroot=self.w)
        self.assertEqual((list(site.behind), list(drupal.behind)), ([core.deployment.id], [core.deployment.id, site.deployment.id]))
        self.assertFalse(self.claim().HasField("deployment"))  # it takes run on both websites
        self.sql(f"INSERT INTO users.access_right VALUES ('website:{self.w}-2', 'runner@x.org', 'Runner')")
        claim = self.claim()
        self.assertEqual(claim.deployment.id, core.deployment.id)
        self.assertFalse(self.claim().HasField("deployment"))
        self.finish(claim)
        self.assertEqual(self.claim().deployment.id, site.deployment.id)

    def test_fifty_requests_and_runners_race(self):
        """Each deployment runs once, never two at a time, in the order of the queue."""
        def ask(number):
            client = self.system.client()
            try:
                return client.call("/sitewire.deployment.v1.Deployments/RequestDeployment", pb.RequestDeploymentRequest(
                    project=self.project, environment="dev", version=f"v{number}"), pb.DeploymentPlan, seconds=30)[1]
            finally:
                client.close()

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            plans = list(pool.map(ask, range(50)))
        order = sorted(plans, key=lambda plan: plan.deployment.queue)
        ids = [plan.deployment.id for plan in order]
        self.assertEqual([list(plan.behind) for plan in order], [ids[:n] for n in range(50)])

        self.sql(f"INSERT INTO users.access_right VALUES ('{self.project}', '{ADMIN}', 'Runner')")

        def serve(name):
            client, seen = self.system.client(), []
            prefix = "/sitewire.deployment.v1.Deployments/"
            try:
                while self.sql(f"SELECT 1 FROM deployment.deployment WHERE project = '{self.project}' AND finished_at IS NULL"):
                    claim = client.call(prefix + "ClaimDeployment", pb.ClaimDeploymentRequest(
                        runner=name, docroots=[self.w]), pb.Claim, seconds=30)[1]
                    if claim.HasField("deployment"):
                        seen.append(claim.deployment.id)
                        client.call(prefix + "FinishDeployment", pb.FinishDeploymentRequest(
                            id=claim.deployment.id, fence=claim.fence, outcome="DONE"), pb.Deployment, seconds=30)
                return seen
            finally:
                client.close()

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            seen = [number for one in pool.map(serve, ("r1", "r2", "r3", "r4")) for number in one]
        self.assertEqual(sorted(seen), sorted(ids))
        rows = self.sql(f"SELECT id, fence, replaces, version, started_at >= lag(finished_at) OVER (ORDER BY queue) FROM "
                        f"deployment.deployment WHERE project = '{self.project}' ORDER BY queue")
        self.assertEqual([int(row[0]) for row in rows], ids)
        self.assertEqual({row[1] for row in rows}, {"1"})
        self.assertEqual({row[4] for row in rows[1:]}, {"t"})
        self.assertEqual([row[2] for row in rows], ["1", *(row[3] for row in rows[:-1])])
        self.assertEqual(self.deployed(), rows[-1][3])

    # --- Abort ---

    def test_abort(self):
        waiting = self.request("owner@x.org", environment="prod").deployment.id
        queued = self.request().deployment.id
        self.refused(PERMISSION_DENIED, "aborting this takes", "AbortDeployment", by="reader@x.org", id=queued)
        for number in (waiting, queued):
            for _ in range(2):
                d = self.call("AbortDeployment", "owner@x.org", id=number, reason="wrong version")
                self.assertEqual((d.status, d.aborter, d.failure), ("ABORTED", "owner@x.org", "aborted by owner@x.org: wrong version"))
        self.refused(FAILED_PRECONDITION, "is ABORTED", "ApproveDeployment", by="other@x.org", id=waiting, plan_hash="x")
        self.assertFalse(self.claim().HasField("deployment"))
        self.request(commands=[{"shell": "a"}])
        claim = self.claim()
        held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": 1}
        self.call("StartCommand", **held, number=1)
        d = self.call("AbortDeployment", "ext@x.org", id=claim.deployment.id, reason="stop")
        self.assertEqual((d.status, d.aborter), ("IN_PROGRESS", "ext@x.org"))
        lease = self.call("RenewLease", **held)
        self.assertEqual((lease.abort, lease.abort_reason), (True, "aborted by ext@x.org: stop"))
        self.call("FinishCommand", **held, number=1, attempt=1, signal=15)
        self.refused(FAILED_PRECONDITION, "is being aborted", "StartCommand", "id", **held, number=1)
        d = self.finish(claim, "ABORTED")
        self.assertEqual((d.status, d.failure), ("ABORTED", "aborted by ext@x.org: stop"))
        done = self.deploy()
        self.refused(FAILED_PRECONDITION, "is DONE", "AbortDeployment", "id", id=done)

    def test_abort_of_what_lost_its_runner(self):
        number = self.request(on_lost_lease="RETRY").deployment.id
        self.claim()
        self.call("AbortDeployment", "owner@x.org", id=number)
        self.assertEqual(self.expire(number).failure, "aborted by owner@x.org")

    # --- Rollback, registry ---

    def test_rollback(self):
        queued = self.request(version="0", environment="prod").deployment.id
        self.refused(FAILED_PRECONDITION, "did not start", "RollbackDeployment", "id", id=queued)
        first = self.deploy(version="2", commands=[{"argv": ["switch"], "retries": 1}])
        second = self.deploy(version="3")
        self.refused(FAILED_PRECONDITION, f"deployment {second} came after", "RollbackDeployment", "id", id=first)
        self.refused(PERMISSION_DENIED, "deploying to dev", "RollbackDeployment", by="reader@x.org", id=second)
        plan = self.call("RollbackDeployment", "ext@x.org", id=second, reason="it broke", validate_only=True)
        self.assertEqual((plan.deployment.id, plan.deployment.version), (0, "2"))
        plan = self.call("RollbackDeployment", "ext@x.org", id=second, reason="it broke", commands=[pb.Command(shell="back")])
        self.assertEqual((plan.deployment.version, plan.deployment.rollback_of, plan.commands[0].shell), ("2", second, "back"))
        self.assertEqual({f.name: f.value for f in plan.facts}["SITEWIRE_ROLLBACK_OF"], str(second))
        claim = self.claim()
        self.attempt(claim, 1)
        self.finish(claim)
        self.assertEqual(self.deployed(), "2")
        self.assertEqual(self.call("RollbackDeployment", id=claim.deployment.id, validate_only=True).commands[0].shell, "back")

    def test_rollback_of_the_first(self):
        self.sql(f"UPDATE referential.website_deployed SET website_version = '' WHERE website = '{self.w}'")
        self.refused(FAILED_PRECONDITION, "no version before", "RollbackDeployment", "id", id=self.deploy())

    def test_registry(self):
        def versions():
            return self.sql(f"SELECT cms_version, drupal_docroot_core_version FROM referential.docroot_environment "
                            f"WHERE (docroot, environment) = ('{self.w}', 'dev')")[0] + [self.deployed()]
        self.deploy()
        self.assertEqual(versions(), ["", "", "2"])
        for project, kind, version, after in ((self.project, "CORE", "11", ["11", "", "2"]),
                                              (f"drupaldocrootcore:{self.w}", "DRUPALDOCROOTCORE", "9", ["11", "9", "2"])):
            self.request(project=project, type=kind, version=version, docroot=self.w)
            self.finish(self.claim())
            self.assertEqual(versions(), after)
        self.request(version="4")
        self.finish(self.claim(), "FAILED")
        self.assertEqual(versions(), ["11", "9", "2"])
        # A website's first deployment to an environment of its docroot adds it there.
        self.sql(f"DELETE FROM referential.website_deployed WHERE (website, environment) = ('{self.w}', 'dev')")
        self.deploy(version="5", docroot=self.w)
        self.assertEqual(self.deployed(), "5")
        changes = self.sql(f"SELECT actor FROM users.change WHERE resource = 'WebsiteDeployed' AND key LIKE '{self.w}/%/dev' "
                           "ORDER BY id DESC LIMIT 1")
        self.assertEqual(changes, [["runner@x.org"]])

    def test_delete(self):
        number = self.deploy(commands=[{"shell": "a"}])
        waiting = self.request().deployment.id
        self.refused(PERMISSION_DENIED, "may not delete", "DeleteDeployment", by="owner@x.org", id=number)
        self.refused(FAILED_PRECONDITION, "abort it first", "DeleteDeployment", id=waiting)
        self.call("DeleteDeployment", id=number)
        self.refused(NOT_FOUND, str(number), "GetDeployment", id=number)
        self.assertEqual(self.sql(f"SELECT count(*) FROM deployment.deployment_command WHERE deployment = {number}"), [["0"]])

    # --- Tries ---

    def test_a_retry_is_one_deployment(self):
        first = self.request("ext@x.org", request_id=self.w + "-1")
        self.assertEqual(self.request("ext@x.org", request_id=self.w + "-1").deployment.id, first.deployment.id)
        self.refused(INVALID_ARGUMENT, "different request", "RequestDeployment", "request_id", by="ext@x.org",
                     request_id=self.w + "-1", project=self.project, environment="dev", version="3")
        self.refused(INVALID_ARGUMENT, "different request", "RequestDeployment", "request_id", by="owner@x.org",
                     request_id=self.w + "-1", project=self.project, environment="dev", version="2")
        self.refused(INVALID_ARGUMENT, "at most 128", "RequestDeployment", "request_id", request_id="x" * 129,
                     project=self.project, environment="dev", version="2")
        claims = [self.claim(request_id=self.w + "-2") for _ in range(2)]
        self.assertEqual(claims[0], claims[1])
        self.finish(claims[0])
        self.assertFalse(self.claim(request_id=self.w + "-2").HasField("deployment"))
        plans = [self.call("RollbackDeployment", request_id=self.w + "-3", id=first.deployment.id) for _ in range(2)]
        self.assertEqual(plans[0].deployment.id, plans[1].deployment.id)
        self.assertEqual(self.sql(f"SELECT count(*) FROM deployment.deployment WHERE project = '{self.project}'"), [["2"]])

    # --- The service's own login ---

    def test_the_service_alone_can_do_nothing(self):
        number = self.request().deployment.id

        def refused(text):
            done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                                   f"{self.system.postgres.conninfo} user=sitewire_deployment", "-c", text],
                                  capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, text)
            return done.stderr
        for text in ("UPDATE deployment.deployment SET status = 'ABORTED'", "INSERT INTO deployment.outbox (project) VALUES ('x')",
                     "DELETE FROM deployment.deployment_log", "INSERT INTO deployment.deployment (version) VALUES ('x')",
                     f"SELECT deployment.find({number})", "SELECT deployment.add_commands(1, NULL)", "SELECT deployment.held(1, 1)"):
            with self.subTest(text=text):
                self.assertIn("permission denied", refused(text))
        for text in (f"abort({number}, '')", f"approve({number}, 'x')", f"rollback({number}, NULL, '', '', true)", f"renew({number}, 1, 0)",
                     f"request('{self.project}', '', '', 'dev', '2', NULL, '', '', false, NULL)",
                     "claim_next('r', NULL, NULL, NULL, 0)"):
            with self.subTest(text=text):
                self.assertIn("not identified", refused("SELECT deployment." + text))
        self.assertEqual(self.get(number).status, "ACCEPTED")


if __name__ == "__main__":
    unittest.main()
