#!/usr/bin/env python3
"""What output costs: its limits, bursts of small chunks, and who may remove it."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deployment_test import FAILED_PRECONDITION, NOT_FOUND, PERMISSION_DENIED, DeploymentTest, pb  # noqa: E402
from runner_test import RunnerTest  # noqa: E402
from sitewire_test import wait_for  # noqa: E402

INVALID_ARGUMENT, RESOURCE_EXHAUSTED = 3, 8
DEFAULTS = {"deployment_bytes": 64 << 20, "deployment_chunks": 100000, "project_day_bytes": 1 << 30}


class OutputTest(DeploymentTest):
    def tearDown(self):
        self.limit(**DEFAULTS)

    def limit(self, **fields):
        self.call("UpdateOutputLimit", output_limit=pb.OutputLimit(code="default", **fields))

    def begin(self, commands=1):
        self.request(commands=[{"shell": "a"}] * commands)
        claim = self.claim()
        for number in range(1, commands + 1):
            self.attempt(claim, number)
        self.held = {"by": "runner@x.org", "id": claim.deployment.id, "fence": claim.fence}
        self.at = 0
        return claim

    def write(self, *parts):
        """Stores (stream, bytes), or (stream, bytes, command), one chunk each, in one call."""
        chunks = []
        for stream, data, *command in parts:
            chunks.append(pb.LogChunk(command=(command or [1])[0], attempt=1, stream=stream, offset=self.at, bytes=data))
            self.at += len(data)
        return self.call("AppendLog", **self.held, chunks=chunks).offset

    def stored(self):
        return int(self.sql(f"SELECT count(*) FROM deployment.deployment_log WHERE deployment = {self.held['id']}")[0][0])

    def events(self):
        """The log events of the deployment, as (offset, size) and the rest."""
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox LIMIT 1"), "all events are numbered")
        rows = self.sql(f"SELECT payload FROM deployment.event WHERE deployment = {self.held['id']} AND kind = 'log' ORDER BY position")
        return [json.loads(row[0]) for row in rows]

    def covers(self, events, end):
        """They announce all output up to `end`, each byte once and in order."""
        at = 0
        for event in events:
            self.assertEqual(event["offset"], at)
            at += event["size"]
        self.assertEqual(at, end)


class Bursts(OutputTest):
    def test_many_calls(self):
        """Of 300 one-byte chunks, few become rows and events of their own."""
        self.begin()
        began = time.monotonic()
        for n in range(300):
            self.write(("stdout", b"%d" % (n % 10)))
        seconds = time.monotonic() - began
        self.assertLessEqual(self.stored(), 3)
        wait_for(lambda: sum(event["size"] for event in self.events()) == 300, "the sweep announces the rest", 10)
        events = self.events()
        self.covers(events, 300)
        self.assertLess(len(events), 25 + (seconds + 2) * 20)
        got = self.call("ReadLog", id=self.held["id"]).items
        self.assertEqual(b"".join(item.bytes for item in got), b"0123456789" * 30)

    def test_one_call(self):
        self.begin()
        self.write(*[("stdout", b"x")] * 4096)
        self.assertEqual(self.stored(), 1)
        self.assertEqual([(e["stream"], e["command"], e["size"]) for e in self.events()], [("stdout", 1, 4096)])
        self.refused(INVALID_ARGUMENT, "at most 4096", "AppendLog", "chunks", **self.held,
                     chunks=[pb.LogChunk(command=1, attempt=1, stream="stdout", offset=4096 + n, bytes=b"x") for n in range(4097)])

    def test_streams_and_commands_stay_apart(self):
        self.begin(commands=2)
        self.write(("stdout", b"a"), ("stdout", b"b"), ("stderr", b"c"), ("stderr", b"d", 2), ("stdout", b"e" * 3000, 2))
        items = self.call("ReadLog", id=self.held["id"]).items
        self.assertEqual([(i.offset, i.command, i.stream, i.bytes) for i in items],
                         [(0, 1, "stdout", b"ab"), (2, 1, "stderr", b"c"), (3, 2, "stderr", b"d"), (4, 2, "stdout", b"e" * 3000)])
        self.assertEqual(self.events(), [{"offset": 0, "size": 3004}])  # it names no command, being of two
        self.write(("stdout", b"f", 2))
        self.assertEqual(self.stored(), 5)  # a chunk of 3,000 bytes is not written again

    def test_repeated_requests(self):
        """A retry is recognized, whatever its chunks have joined, and other bytes are refused."""
        self.begin()
        self.write(("stdout", b"one"), ("stdout", b"two"))
        self.write(("stdout", b"three"))
        for offset, data in ((0, b"one"), (3, b"two"), (6, b"three"), (1, b"netw"), (0, b"onetwothree")):
            chunk = pb.LogChunk(command=1, attempt=1, stream="stdout", offset=offset, bytes=data)
            self.assertEqual(self.call("AppendLog", **self.held, chunks=[chunk]).offset, 11)
        self.assertEqual(self.stored(), 1)
        for offset, data in ((0, b"two"), (6, b"threefour"), (12, b"x")):
            chunk = pb.LogChunk(command=1, attempt=1, stream="stdout", offset=offset, bytes=data)
            self.refused(FAILED_PRECONDITION, "has 11 bytes", "AppendLog", "chunks.offset", **self.held, chunks=[chunk])
        again = [pb.LogChunk(command=1, attempt=1, stream="stdout", offset=at, bytes=data) for at, data in
                 ((6, b"three"), (11, b"four"), (11, b"four"), (15, b"five"))]
        self.assertEqual(self.call("AppendLog", **self.held, chunks=again).offset, 19)
        self.assertEqual(b"".join(i.bytes for i in self.call("ReadLog", id=self.held["id"]).items), b"onetwothreefourfive")

    def test_the_end_of_a_command_announces_its_output(self):
        self.request(commands=[{"shell": "a"}])
        claim = self.claim()
        self.held, self.at = {"by": "runner@x.org", "id": claim.deployment.id, "fence": 1}, 0
        self.call("StartCommand", **self.held, number=1)
        for _ in range(60):
            self.write(("stdout", b"x"))
        self.call("FinishCommand", **self.held, number=1, attempt=1, exit_code=0)
        self.covers(self.events(), 60)
        kinds = self.sql(f"SELECT kind FROM deployment.event WHERE deployment = {self.held['id']} ORDER BY position DESC LIMIT 2")
        self.assertEqual(kinds, [["command"], ["log"]])


class Limits(OutputTest):
    def test_of_a_deployment(self):
        claim = self.begin()
        self.limit(deployment_bytes=100000)
        self.write(("stdout", bytes(100000)))
        too_much = [pb.LogChunk(command=1, attempt=1, stream="stdout", offset=100000, bytes=b"x")]
        self.refused(RESOURCE_EXHAUSTED, "100000 of 100000 bytes", "AppendLog", "chunks", **self.held, chunks=too_much)
        self.refused(RESOURCE_EXHAUSTED, "OutputLimit.deployment_bytes", "AppendLog", "chunks", **self.held, chunks=too_much)
        self.limit(deployment_bytes=100001)
        self.assertEqual(self.call("AppendLog", **self.held, chunks=too_much).offset, 100001)
        self.assertEqual(self.finish(claim).status, "DONE")

    def test_of_chunks(self):
        """Chunks that cannot join, of one byte each: rows and events count."""
        self.begin()
        self.limit(deployment_chunks=50)
        for n in range(1000):
            try:
                self.write((("stdout", "stderr")[n % 2], b"x"))
            except Exception as error:  # noqa: BLE001
                self.assertIn("50 pieces", error.header.message)
                break
        rows = self.stored()
        self.assertLessEqual(rows + len(self.events()), 51)
        self.assertGreater(rows, 20)

    def test_of_a_project_and_day(self):
        """Deployments share it, however small they are; the next day begins anew."""
        self.limit(project_day_bytes=4 * 65536)
        for _ in range(4):
            claim = self.begin()
            self.write(("stdout", b"small"))
            self.finish(claim)
        self.begin()
        full = [pb.LogChunk(command=1, attempt=1, stream="stdout", bytes=b"x")]
        self.refused(RESOURCE_EXHAUSTED, f"deployments of {self.project} have used", "AppendLog", "chunks", **self.held, chunks=full)
        self.sql("UPDATE deployment.output_usage SET day = day - 1")
        self.call("AppendLog", **self.held, chunks=full)

    def test_who_may_change_them(self):
        self.assertEqual(self.call("GetOutputLimit", "reader@x.org", code="default").deployment_bytes, 64 << 20)
        self.refused(PERMISSION_DENIED, "admin", "UpdateOutputLimit", by="owner@x.org",
                     output_limit=pb.OutputLimit(code="default", deployment_bytes=1 << 40))
        self.refused(INVALID_ARGUMENT, "range", "UpdateOutputLimit", output_limit=pb.OutputLimit(code="default", deployment_bytes=-1))


class Removal(OutputTest):
    def test_by_whoever_manages_the_project(self):
        claim = self.begin()
        self.write(("stdout", b"secret"))
        number = claim.deployment.id
        self.refused(FAILED_PRECONDITION, "when it is over", "RemoveOutput", "id", by="owner@x.org", id=number)
        self.finish(claim)
        for by in ("ext@x.org", "reader@x.org"):
            self.refused(PERMISSION_DENIED, "takes manage", "RemoveOutput", by=by, id=number)
        self.refused(NOT_FOUND, "no deployment", "RemoveOutput", by="stranger@x.org", id=number)
        d = self.call("RemoveOutput", "owner@x.org", id=number)
        self.assertEqual((d.output_remover, d.HasField("output_removed_at"), d.status), ("owner@x.org", True, "DONE"))
        self.assertEqual(len(self.call("ReadLog", id=number).items), 0)
        self.assertEqual(self.call("RemoveOutput", "other@x.org", id=number).output_remover, "owner@x.org")
        change = self.sql(f"SELECT actor FROM users.change WHERE resource = 'Deployment' AND key = '{number}' ORDER BY id DESC LIMIT 1")
        self.assertEqual(change, [["owner@x.org"]])
        shown = self.system.cli("deployment", str(number), env=self.system.env()).stdout
        self.assertRegex(shown, r"no output .*removed by owner@x.org")

    def test_at_the_command_line(self):
        claim = self.begin()
        self.write(("stdout", b"secret"))
        self.finish(claim)
        done = self.system.cli("logs", str(claim.deployment.id), "--remove", "--reason", "a secret", env=self.system.env())
        self.assertEqual(done.stdout, f"the output of deployment {claim.deployment.id} is removed\n", done.stderr)
        self.assertEqual(self.system.cli("logs", str(claim.deployment.id), env=self.system.env()).stdout, "")

    def test_nothing_else_removes_it(self):
        claim = self.begin()
        self.write(("stdout", b"x"))
        self.finish(claim)
        for text in ("DELETE FROM deployment.deployment_log", "UPDATE deployment.deployment_log SET bytes = 'y'",
                     "UPDATE deployment.deployment_log SET bytes = 'xy'",
                     "UPDATE deployment.deployment SET output_removed_at = now()"):
            with self.subTest(text=text), self.assertRaises(AssertionError):
                self.sql(f"{text} WHERE {'deployment' if '_log' in text else 'id'} = {claim.deployment.id}")


class Runner(RunnerTest):
    """sitewire-runner at a limit: the deployment goes on, and says that output is missing."""

    def test_goes_on(self):
        runner = self.runner()
        self.call("UpdateOutputLimit", output_limit=pb.OutputLimit(code="default", deployment_bytes=200000))
        number = self.asked("head -c 150000 /dev/zero", "head -c 900000 /dev/zero; sleep 0.2; echo more", "echo third")
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        self.assertEqual([r.truncated for r in self.results(number)], [False, True, True])
        self.assertLessEqual(len(self.output(number)), 200000)
        self.assertGreaterEqual(len(self.output(number)), 150000)
        self.assertIn("OutputLimit.deployment_bytes", runner.output())
        self.call("UpdateOutputLimit", output_limit=pb.OutputLimit(code="default", **DEFAULTS))
        self.assertEqual(self.output(self.over(self.asked("echo next")).id), b"next\n")


if __name__ == "__main__":
    unittest.main()
