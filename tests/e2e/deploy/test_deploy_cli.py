#!/usr/bin/env python3
"""Deployments at the command line: deploy, approve, abort, logs, deployment, deployments. The
runner is played here."""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deploy_cli_test import DeployCliTest, Terminal  # noqa: E402
from sitewire_test import PATIENCE, SITEWIRE, wait_for  # noqa: E402

CANCELLED, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED = 1, 3, 5, 7, 9, 10


class Asking(DeployCliTest):
    def test_dry_run(self):
        words = self.wanted("--run", "PREDEPLOYMENT: echo a; echo b", "--run", "bin/unpack 2", "--argv", 'post: ["purge", "a b"]',
                            "--reason", "release 2", "--dry-run")
        text = self.cli(*words).stdout
        for line in (r"deployment   none: a dry run", rf"target       {self.project}, version 2 on {self.w}/dev", "replaces     1",
                     "reason       release 2", "approval     not needed", "queue        first", "rights used  admin",
                     r"plan hash    [0-9a-f]{64}", r"1  PREDEPLOYMENT +3600 s +0  no +sh: echo a; echo b", r"2  DEPLOYMENT .* sh: bin/unpack 2",
                     r"3  POST .* purge 'a b'", "  SITEWIRE_PREVIOUS_VERSION=1", r'  environment: .*"protected":false.*'):
            self.assertRegex(text, rf"(?m)^{line}$")
        self.assertEqual(self.json("deployments", "--project", self.project), [])
        plan = self.json(*words)[0]
        self.assertEqual((plan["deployment"]["status"], [c["step"] for c in plan["commands"]]),
                         ("ACCEPTED", ["PREDEPLOYMENT", "DEPLOYMENT", "POST"]))
        self.assertIn(plan["plan_hash"], text)

    def test_the_unseen_is_shown(self):
        """What an approver cannot see, or sees in another order, is shown by its number, in each
        output for people. JSON is faithful."""
        hidden = "\u202egpj\u200b.\u2028x\u00a0y\u3164"
        shown = r"\u{202E}gpj\u{200B}.\u{2028}x\u{A0}y\u{3164}"
        words = self.wanted("--run", f"echo {hidden}", "--argv", json.dumps(["purge", hidden]), "--reason", f"for {hidden}")
        self.sql(f"UPDATE referential.website SET name = '{hidden}' WHERE code = '{self.w}'")
        number = json.loads(self.cli(*words, "--json").stdout)["deployment"]["id"]  # splitlines() would split at U+2028
        outputs = [self.cli(*words, "--dry-run").stdout, self.cli("deployment", number).stdout,
                   self.cli("deployments", "--project", self.project, "--fields", "id,reason").stdout,
                   self.cli("get", "website", self.w).stdout, self.cli("list", "websites", f"code={self.w}", "--fields", "code,name").stdout,
                   self.cli("history", "website", self.w).stdout]
        for text in outputs:
            self.assertIn(shown, text)
            for mark in set(hidden) - set("gpj.xy"):
                self.assertNotIn(mark, text)
        self.assertEqual(json.loads(self.cli("deployment", number, "--json").stdout)["deployment"]["reason"], f"for {hidden}")
        self.assertEqual(json.loads(self.cli("get", "website", self.w, "--json").stdout)["name"], hidden)
        self.cli("abort", number, "--reason", hidden)
        self.assertIn(shown, self.cli("deployment", number).stdout)
        self.fails(NOT_FOUND, shown, "get", "user", f"a{hidden}@x.org")

    def test_projects(self):
        """A bare code, unless a website and a core have it; --type says which of them."""
        self.fails(INVALID_ARGUMENT, f"write website:{self.w} or drupaldocrootcore:{self.w}", "deploy", self.w, "--env", "dev",
                   "--version", "2", field="project")
        core = self.json("deploy", self.w, "--env", "dev", "--version", "2", "--type", "drupaldocrootcore", "--dry-run")[0]
        self.assertEqual(core["deployment"]["project"], f"drupaldocrootcore:{self.w}")
        self.sql(f"INSERT INTO referential.website (code) VALUES ('{self.w}.org'); INSERT INTO referential.website_deployed "
                 f"(website, docroot, environment) VALUES ('{self.w}.org', '{self.w}', 'dev')")
        plan = self.json("deploy", f"{self.w}.org", "--env", "dev", "--version", "2", "--docroot", self.w, "--dry-run")[0]
        self.assertEqual(plan["deployment"]["project"], f"website:{self.w}.org")
        self.assertIn("replaces     nothing", self.cli("deploy", f"{self.w}.org", "--env", "dev", "--version", "2", "--dry-run").stdout)
        self.fails(NOT_FOUND, "no project 'nowhere'", "deploy", "nowhere", "--env", "dev", "--version", "2", field="project")
        self.fails(NOT_FOUND, "no project", "deploy", self.project, "--env", "dev", "--version", "2", by="stranger@x.org", field="project")

    def test_bad_input(self):
        path = os.path.join(self.system.folder, "bad.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('[{"shell": "true",\n}]')
        for field, text, words in (
                ("environment", "--env", ("deploy", self.project, "--version", "2")),
                ("version", "--version", ("deploy", self.project, "--env", "dev")),
                ("run", "'STEP: command'", self.wanted("--run", "POST: ")),
                ("argv", "JSON list", self.wanted("--argv", "bin/unpack 2")),
                ("argv", "JSON list", self.wanted("--argv", "[1]")),
                ("argv", "JSON list", self.wanted("--argv", "[]")),
                ("from", "bad.json:2:", self.wanted("--from", path)),
                ("on_lost_lease", "fail or retry", self.wanted("--on-lost-lease", "panic")),
                ("type", "no deployment type", self.wanted("--type", "rocket")),
                ("commands[0].step", "no enabled step", self.wanted("--run", "LATER: true")),
                ("commands[0].timeout_s", "1 to 86400", self.wanted("--from", "-")),
                ("id", "is not the ID", ("deployment", "x")), ("id", "is not the ID", ("abort", "0")), ("id", "is not the ID", ("rollback", "4x")),
                ("id", "is not the ID", ("logs", "99999999999999999999"))):
            with self.subTest(words=words):
                self.fails(INVALID_ARGUMENT, text, *words, field=field, stdin='[{"shell": "true", "timeout_s": -1}]')
        self.fails(INVALID_ARGUMENT, "nope", *self.wanted("--from", "-"), stdin='[{"shell": "true", "nope": 1}]')
        self.fails(INVALID_ARGUMENT, "has no commands", *self.wanted("--from", "-"), stdin='{"version": "1"}', field="from")
        self.fails(NOT_FOUND, "cannot read", *self.wanted("--from", "/nonexistent/x.json"))
        self.fails(INVALID_ARGUMENT, "one PROJECT", "deploy", "--env", "dev", "--version", "2")
        self.fails(INVALID_ARGUMENT, "--dry-run requests nothing", *self.wanted("--dry-run", "--wait"))
        self.fails(INVALID_ARGUMENT, "ID of one deployment", "logs")
        self.fails(INVALID_ARGUMENT, "--offset takes a number", "logs", "1", "--offset", "-1")
        self.fails(NOT_FOUND, "999999", "logs", "999999", "-f")
        self.fails(NOT_FOUND, "999999", "deployment", "999999")

    def test_commands(self):
        """In the order of the command line, and all that a file can say."""
        file = [{"step": "POST", "argv": ["purge", "--all"], "timeout_s": 60, "retries": 2, "continue_on_failure": True}, {"shell": "b"}]
        plan = self.json(*self.wanted("--run", "a", "--from", "-", "--run", "c", "--on-lost-lease", "retry"), stdin=json.dumps(file))[0]
        commands = plan["commands"]
        self.assertEqual([c.get("shell") or c["argv"] for c in commands], ["a", "b", "c", ["purge", "--all"]])
        self.assertEqual([commands[3][field] for field in ("timeout_s", "retries", "continue_on_failure")], [60, 2, True])
        self.assertEqual(plan["deployment"]["on_lost_lease"], "RETRY")
        same = self.json(*self.wanted("--from", "-", "--dry-run"), stdin=json.dumps({"commands": file}))[0]
        self.assertEqual(len(same["commands"]), 2)

    def test_completion(self):
        self.sql(f"INSERT INTO referential.environment (code) VALUES ('{self.w}-env')")
        number = self.ask("--run", "true")["deployment"]["id"]
        for line, expected in ((f"deploy website:{self.w}", self.project), (f"deploy {self.project} --env {self.w}", f"{self.w}-env"),
                               ("logs ", number), (f"logs {number[:1]}", number), ("rollback ", number), ("deployments stat", "status="),
                               ("deployments --status FA", "FAILED"), (f"deploy {self.project} --ver", "--version"), ("appr", "approve")):
            with self.subTest(line=line):
                self.assertIn(expected, self.cli("__complete", "--", f"sitewire {line}").stdout.splitlines())

    def test_request_id(self):
        first, second = (self.ask("--run", "true", "--request-id", f"job-{self.w}") for _ in range(2))
        self.assertEqual(first["deployment"]["id"], second["deployment"]["id"])
        self.assertNotEqual(self.ask("--run", "true")["deployment"]["id"], first["deployment"]["id"])
        self.assertIn(first["deployment"]["id"], self.cli(*self.wanted("--dry-run")).stdout)  # behind it

    def test_help(self):
        text = self.cli("deploy", "--help").stdout
        self.assertRegex(text, r"(?m)^  -v, --version VERSION ")
        self.assertNotIn("print the version", text)
        self.assertRegex(text, r"(?m)^   2  it is FAILED")
        self.assertRegex(self.cli("--version").stdout, r"^sitewire \d")


class Deciding(DeployCliTest):
    def test_approval(self):
        plan = self.ask("--run", "true", environment="prod", by="owner@x.org")
        number = plan["deployment"]["id"]
        self.assertTrue(plan["needs_approval"])
        self.assertRegex(self.cli("deployment", number).stdout, rf"approval     needed(.|\n)*plan hash    {plan['plan_hash']}")
        self.fails(INVALID_ARGUMENT, "--plan-hash HASH", "approve", number, by="other@x.org", field="plan_hash")
        self.fails(INVALID_ARGUMENT, "64 hexadecimal digits", "approve", number, "--plan-hash", "abc", by="other@x.org", field="plan_hash")
        self.fails(ABORTED, "plan has changed", "approve", number, "--plan-hash", "0" * 64, by="other@x.org", field="plan_hash")
        self.fails(PERMISSION_DENIED, "somebody else", "approve", number, "--yes", by="owner@x.org")
        self.fails(PERMISSION_DENIED, "takes approve", "approve", number, "--yes", by="ext@x.org")
        done = self.cli("approve", number, "--plan-hash", plan["plan_hash"], by="other@x.org")
        self.assertEqual(done.stdout, f"deployment {number} is ACCEPTED, approved by other@x.org\n")
        self.run_due()
        self.assertEqual(self.deployed("prod"), "2")
        self.assertRegex(self.cli("deployment", number).stdout, r"(?m)^approved     \S+Z by other@x.org$")
        again = self.ask(environment="prod", by="owner@x.org")["deployment"]["id"]
        self.assertEqual(self.json("approve", again, "--yes", by="other@x.org")[0]["status"], "ACCEPTED")

    def test_approval_on_a_terminal(self):
        number = self.ask("--run", "true", environment="prod", by="owner@x.org")["deployment"]["id"]
        for answer, status, state in ((b"n\n", CANCELLED, "REQUESTED"), (b"y\n", 0, "ACCEPTED")):
            terminal = Terminal(self.env("other@x.org"), "approve", number)
            shown = terminal.wait_for("approve this plan? [y/N]")
            self.assertIn("sh: true", shown)
            self.assertIn("SITEWIRE_VERSION=2", shown)
            os.write(terminal.fd, answer)
            self.assertEqual(terminal.end(), status, terminal.screen())
            self.assertEqual(self.get(int(number)).status, state)

    def test_commands_are_shown_in_full_to_who_approves(self):
        line = "true " + "x" * 300 + "; the-end"
        number = self.ask("--run", line, environment="prod", by="owner@x.org")["deployment"]["id"]
        for words, last in ((("approve", number), "approve this plan? [y/N]"), (("deployment", number), "the-end")):
            terminal = Terminal(self.env("other@x.org"), *words)
            self.assertIn("sh: " + line, terminal.wait_for(last).replace("\r\n", "\n"))
            if words[0] == "approve":
                os.write(terminal.fd, b"n\n")
            terminal.end()

    def test_what_was_shown_is_what_is_approved(self):
        number = self.ask(environment="prod", by="owner@x.org")["deployment"]["id"]
        terminal = Terminal(self.env("other@x.org"), "approve", number)
        terminal.wait_for("approve this plan? [y/N]")
        self.sql(f"UPDATE referential.website SET home_directory = 'moved' WHERE code = '{self.w}'")
        os.write(terminal.fd, b"y\n")
        self.assertEqual(terminal.end(), ABORTED, terminal.screen())

    def test_abort(self):
        waiting = self.ask("--run", "true")["deployment"]["id"]
        self.assertEqual(self.cli("abort", waiting, "--reason", "the wrong one").stdout, f"deployment {waiting} is ABORTED\n")
        self.assertRegex(self.cli("deployment", waiting).stdout, r"(?m)^abort        the wrong one$")
        self.cli("abort", waiting)  # as it is already
        self.fails(FAILED_PRECONDITION, "nothing to abort", "abort", self.deploy(), field="id")
        running = self.ask("--run", "true")["deployment"]["id"]
        claim = self.due()
        self.assertIn("is IN_PROGRESS: its runner r1 was told to end it", self.cli("abort", running).stdout)
        self.assertTrue(self.call("RenewLease", "runner@x.org", id=claim.deployment.id, fence=claim.fence).abort)
        self.finish(claim, "ABORTED")
        self.fails(NOT_FOUND, running, "abort", running, by="stranger@x.org")


class Telling(DeployCliTest):
    def test_list(self):
        first = self.deploy(commands=[{"shell": "true"}])
        second = self.request("ext@x.org", version="3").deployment.id
        rows = self.json("deployments", "--project", self.project)
        self.assertEqual([int(row["id"]) for row in rows], [second, first])
        mine = ("deployments", "--project", self.project)
        for words, expected in ((("--mine",), [first]), (("--status", "done,in-progress"), [first]), (("--env", "prod"), []), (("--version", "3"), [second]),
                                (("requester=ext@x.org",), [second]), (("--filter", "version < 3"), [first]), (("--limit", "1"), [second]),
                                (("--order", "id", "--limit", "1"), [first]), (("--type", "WEBSITE", "--docroot", self.w), [second, first])):
            with self.subTest(words=words):
                self.assertEqual([int(row["id"]) for row in self.json(*mine, *words)], expected)
        self.assertEqual(self.json("deployments", "--mine", by="stranger@x.org"), [])
        self.fails(INVALID_ARGUMENT, "--status 'finished': it must be one of requested", "deployments", "--status", "done,finished", field="status")
        self.assertEqual(self.cli(*mine, "--count").stdout, "2\n")
        table = self.cli(*mine).stdout.splitlines()
        self.assertRegex(table[0], "^ *id +status +project +docroot +environment +version +requester +requested_at +finished_at$")
        self.assertEqual(self.cli(*mine, "--fields", "id,status", "--csv").stdout, f"id,status\n{second},ACCEPTED\n{first},DONE\n")

    def test_story(self):
        number = self.ask("--from", "-", "--run", "POST: purge", "--reason", "a customer asked", stdin='[{"argv": ["unpack", "2"], "retries": 1}]')["deployment"]["id"]
        claim = self.due()
        self.attempt(claim, 1, exit_code=3, stdout_bytes=5)
        self.attempt(claim, 1, signal=9, timed_out=True)
        self.finish(claim, "FAILED", failure="command 1: timed out")
        text = self.cli("deployment", number).stdout
        for line in (f"deployment   {number} is FAILED", "replaces     1", "reason       a customer asked", r"requested    \S+Z by admin@localhost",
                     r"accepted     \S+Z", r"started      \S+Z by the runner r1 \(runner@x.org\)", r"finished     \S+Z: FAILED", r"took         \S+ s",
                     "failure      command 1: timed out", r"1  DEPLOYMENT  unpack 2 +1  \S+Z +\S+ s +5  r1 +exit status 3",
                     r"1  DEPLOYMENT  unpack 2 +2  \S+Z +\S+ s +0  r1 +timed out", "2  POST +sh: purge *"):
            self.assertRegex(text, rf"(?m)^{line}$")
        plan = self.json("rollback", number, "--dry-run")[0]["deployment"]
        self.assertEqual((plan["version"], plan["rollback_of"]), ("1", number))
        back = self.json("rollback", number, "--run", "bin/switch", "--reason", "broken")[0]
        self.assertEqual([command["shell"] for command in back["commands"]], ["bin/switch"])
        back = back["deployment"]["id"]
        self.assertIn(f"\nrolled back  by {back}, which is ACCEPTED\n", self.cli("deployment", number).stdout)
        self.assertIn(f"\nrollback of  {number}\n", self.cli("deployment", back).stdout)
        story = self.json("deployment", number)[0]
        self.assertEqual([len(story[part]) for part in ("commands", "results", "rollbacks")], [2, 2, 1])
        self.fails(NOT_FOUND, number, "deployment", number, by="stranger@x.org")

    def test_attempts_without_a_lease(self):
        """A deployment that was claimed twice says so."""
        number = self.ask("--run", "true", "--on-lost-lease", "retry")["deployment"]["id"]
        self.begin(self.due(), 1)
        self.expire(int(number))
        claim = self.due()
        self.attempt(claim, 1)
        self.finish(claim)
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox"), "the relay has numbered them")
        text = self.cli("deployment", number).stdout
        self.assertRegex(text, r"by the runner r1 \(runner@x.org\), not the first attempt")
        states = [line.split("  ")[1] for line in text.splitlines() if re.match(r"\S+Z  ", line)]
        self.assertEqual(states[1:], ["REQUESTED -> ACCEPTED by admin@localhost", "ACCEPTED -> IN_PROGRESS by runner@x.org on r1",
                                      states[3], "ACCEPTED -> IN_PROGRESS by runner@x.org on r1", "IN_PROGRESS -> DONE by runner@x.org on r1"], text)
        self.assertRegex(states[3], "^IN_PROGRESS -> ACCEPTED")
        self.assertRegex(text, r"(?m) 1  \S+Z .*was lost")


class Logs(DeployCliTest):
    def test_offsets(self):
        number = self.ask("--run", "a", "--run", "b")["deployment"]["id"]
        claim = self.due()
        self.begin(claim, 1)
        self.write(claim, b"one\x00\xff\x1b[31m\r\n", offset=0)
        self.write(claim, b"err", stream="stderr")
        self.end_command(claim, 1)
        self.begin(claim, 2)
        self.write(claim, b"two", command=2)
        whole = b"one\x00\xff\x1b[31m\r\nerrtwo"

        def logs(*words):
            return subprocess.run([SITEWIRE, "logs", number, *words], env=self.env(), capture_output=True, check=True).stdout
        self.assertEqual(logs(), whole)  # what there is of one that runs
        for offset in (0, 1, 5, 12, len(whole) - 1, len(whole), 1000):
            self.assertEqual(logs("--offset", str(offset)), whole[offset:])
        self.assertEqual((logs("--command", "2"), logs("--command", "1")), (b"two", whole[:-3]))
        self.fails(NOT_FOUND, "has no command 3", "logs", number, "--command", "3", field="command")
        lines = [json.loads(line) for line in logs("--json").splitlines()]
        self.assertEqual(b"".join(base64.b64decode(line["bytes"]) for line in lines), whole)
        self.assertEqual([(line["offset"], line["command"], line["attempt"], line["stream"]) for line in lines],
                         [(0, 1, 1, "stdout"), (12, 1, 1, "stderr"), (15, 2, 1, "stdout")])
        self.end_command(claim, 2)
        self.finish(claim)
        self.assertEqual(logs("-f"), whole)
        self.assertEqual(logs("-f", "--offset", "12", "--command", "2"), b"two")
        self.fails(NOT_FOUND, number, "logs", number, by="stranger@x.org")
        terminal = Terminal(self.env(), "logs", number)
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn(b"\x1b", terminal.raw)
        self.assertIn("one\\x00\ufffd\nerrtwo\n", terminal.screen())
        raw = Terminal(self.env(), "logs", number, "--raw")
        self.assertEqual(raw.end(), 0)
        self.assertIn(b"\x1b[31m", raw.raw)

    def test_follow(self):
        number = self.ask("--run", "a", "--run", "b")["deployment"]["id"]
        following = self.in_background("logs", number, "-f", by="reader@x.org")
        claim = self.due()
        expected = ""
        for command in (1, 2):
            self.begin(claim, command)
            for i in range(3):
                text = f"line {i} of {command}\n"
                expected += text
                self.write(claim, text.encode(), command=command, offset=0 if expected == text else None)
                self.shows(following, lambda output: output == expected, "the line is shown")
            self.end_command(claim, command)
        self.assertTrue(following.running())
        self.write(claim, b"no end of line", command=2)
        self.finish(claim, "FAILED", failure="on purpose")
        self.assertEqual(following.popen.wait(PATIENCE), 0)  # of the output, not of the deployment
        self.assertEqual(following.output(), expected + "no end of line")

    def test_follow_over_kills(self):
        """The broker and the service are killed while output streams: not a byte is missing, or
        there twice."""
        number = self.ask("--run", "a")["deployment"]["id"]
        following = self.in_background("logs", number, "-f")
        claim = self.due()
        self.begin(claim, 1)
        expected = ""
        for i in range(30):
            text = f"{i} " * 50 + "\n"
            expected += text
            if i in (8, 20):
                self.shows(following, bool, "something is shown")
                self.system.kill("broker" if i == 8 else "deployment-0")
                if i == 8:
                    self.system.start_broker()
                else:
                    self.system.start_service("deployment-0")
                self.system.wait_ready()
                for client in self.clients.values():
                    client.connect()
                self.call("RenewLease", "runner@x.org", id=claim.deployment.id, fence=claim.fence, lease_ms=120000)
            self.write(claim, text.encode(), offset=len(expected) - len(text))
        self.end_command(claim, 1)
        self.finish(claim)
        self.assertEqual(following.popen.wait(PATIENCE), 0, following.output()[-500:])
        shown = "\n".join(line for line in following.output().splitlines() if not line.startswith("trying again: ")) + "\n"
        self.assertEqual(shown, expected)

    def test_much(self):
        """Much output takes no memory to speak of, read or followed."""
        size, total = 1 << 20, 48
        number = self.ask("--run", "a")["deployment"]["id"]
        following = subprocess.Popen([SITEWIRE, "logs", number, "-f"], env=self.env(), stdout=subprocess.PIPE)
        claim = self.due()
        self.begin(claim, 1)
        for i in range(total):
            self.write(claim, bytes([65 + i % 26]) * size, offset=i * size)

        def drain(process, stop_at):
            seen = 0
            while seen < stop_at:
                data = os.read(process.stdout.fileno(), min(1 << 20, stop_at - seen))
                if not data:
                    break
                seen += len(data)
            return seen

        def peak(process):
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) / 1024
        self.assertEqual(drain(following, (total - 1) * size), (total - 1) * size)
        self.assertLess(peak(following), 40)
        self.end_command(claim, 1)
        self.finish(claim)
        self.assertEqual(drain(following, 2 * size), size)
        self.assertEqual(following.wait(PATIENCE), 0)
        following.stdout.close()
        reading = subprocess.Popen([SITEWIRE, "logs", number], env=self.env(), stdout=subprocess.PIPE)
        self.assertEqual(drain(reading, (total - 1) * size), (total - 1) * size)
        self.assertLess(peak(reading), 40)
        drain(reading, 2 * size)
        self.assertEqual(reading.wait(PATIENCE), 0)
        reading.stdout.close()

    def test_interrupt(self):
        number = self.ask("--run", "a")["deployment"]["id"]
        following = self.in_background("logs", number, "-f")
        claim = self.due()
        self.begin(claim, 1)
        self.write(claim, b"first\n", offset=0)
        self.shows(following, lambda output: "first" in output, "it follows")
        self.assertEqual(following.end(signal.SIGINT), CANCELLED)
        self.assertIn("the deployment continues", following.output())
        self.assertEqual(self.get(int(number)).status, "IN_PROGRESS")

del DeployCliTest

if __name__ == "__main__":
    unittest.main()
