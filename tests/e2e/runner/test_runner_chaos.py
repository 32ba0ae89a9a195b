#!/usr/bin/env python3
"""Hundreds of deployments while runners, services, broker and PostgreSQL are killed, stopped and
restarted at random; what must hold of each of them is checked at the end. SITEWIRE_SEED=N repeats a
run's choices, SITEWIRE_DEPLOYMENTS=N makes it longer."""
import os
import pwd
import random
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from deployment_checks import DeploymentChecks  # noqa: E402
from deployment_test import FAILED_PRECONDITION  # noqa: E402
from runner_test import OVER, RunnerTest  # noqa: E402
from sitewire_test import Failed, wait_for  # noqa: E402

SEED = int(os.environ.get("SITEWIRE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
DEPLOYMENTS = int(os.environ.get("SITEWIRE_DEPLOYMENTS", "500"))
DOCROOTS, RUNNERS, WAITING = 12, 3, 40
FAULT_EVERY = 12  # deployments that end between two faults

# Each holds a lock of its docroot environment for as long as it runs: two at once would say so.
ALONE = "flock -n -E 99 lock sh -c '%s'; code=$?; test $code != 99 || echo $SITEWIRE_DEPLOYMENT >>../../overlaps; exit $code"


class Chaos(DeploymentChecks, RunnerTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"SITEWIRE_SEED={SEED}", file=sys.stderr)
        self.docroots = [f"chaos-{n}" for n in range(DOCROOTS)]
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        os.chmod(self.root, 0o777)
        for docroot in self.docroots:
            self.sql(f"""INSERT INTO referential.website (code) VALUES ('{docroot}');
                         INSERT INTO referential.docroot (code) VALUES ('{docroot}');
                         INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('{docroot}', 'dev');
                         INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                             VALUES ('{docroot}', '{docroot}', 'dev', '0');
                         INSERT INTO users.access_right VALUES ('website:{docroot}', 'runner@x.org', 'Runner')""")
            os.makedirs(os.path.join(self.root, docroot, "dev"))
            if owner:
                os.chown(os.path.join(self.root, docroot, "dev"), owner.pw_uid, owner.pw_gid)
        self.expected = {}  # id: (docroot, version, lines of output for each command, or None)

    def one_runner(self, n):
        return self.runner("--lease-ms", "2500", "--jobs", "4", "--grace-ms", "200", "--poll-ms", "300", name=f"chaos-runner-{n}",
                           docroots=",".join(self.docroots))

    def again(self, call):
        def attempt():
            try:
                return call()
            except (Failed, AssertionError) as failed:
                if isinstance(failed, Failed) and failed.header.code not in (4, 8, 14, 16):
                    raise
                for client in self.clients.values():
                    client.connect()
                return None
        return wait_for(attempt, "an answer", 60)

    def ask(self, n):
        """A deployment of a random kind."""
        kind = self.random.choice(("plain", "plain", "plain", "retries", "fails", "output", "away", "nothing"))
        docroot = self.random.choice(self.docroots)
        many = self.random.randrange(1, 60000)
        commands = {"plain": ["echo one; sleep 0.0%d" % self.random.randrange(10), "echo two"],
                    "retries": ["echo try; exit 1"], "fails": ["echo no >&2; exit 7"], "output": [f"seq {many}"],
                    "away": ["(trap : TERM HUP; sleep 5) & echo away"], "nothing": []}[kind]
        request_id, when_lost = f"chaos-{SEED}-{n}", self.random.choice(("RETRY", "RETRY", "FAIL"))
        plan = self.again(lambda: self.request(
            project="website:" + docroot, docroot=docroot, version=f"v{n}", request_id=request_id,
            on_lost_lease=when_lost,
            commands=[{"shell": ALONE % line, "retries": 2 if kind == "retries" else 0, "continue_on_failure": kind == "retries"}
                      for line in commands]))
        output = {"plain": [b"one\n", b"two\n"], "output": [b"".join(b"%d\n" % i for i in range(1, many + 1))],
                  "away": [b"away\n"], "nothing": []}.get(kind)
        self.expected[plan.deployment.id] = (docroot, f"v{n}", output)
        if self.random.randrange(12) == 0:
            try:
                self.again(lambda: self.call("AbortDeployment", id=plan.deployment.id))
            except Failed as failed:  # it may be over by then
                self.assertEqual(failed.header.code, FAILED_PRECONDITION)

    def fault(self, runners):
        what = self.random.choice(("runner", "runner", "suspend", "suspend", "service", "broker", "postgresql"))
        n = self.random.randrange(RUNNERS)
        if what == "runner":
            runners[n].end(signal.SIGKILL)
            runners[n] = self.one_runner(n)
        elif what == "suspend":  # until the next fault, which is longer than its lease or not
            runners[n].popen.send_signal(signal.SIGSTOP)
            self.suspended.append(runners[n])
        elif what == "service":
            name = f"deployment-{self.random.randrange(2)}"
            self.system.kill(name)
            self.system.start_service(name)
        elif what == "broker":
            self.system.kill("broker")
            self.system.start_broker()
        else:
            self.system.postgres.kill()
            self.system.postgres.start()

    def count_over(self):
        return int(self.again(lambda: self.sql("SELECT count(*) FROM deployment.deployment WHERE status IN ('DONE', 'FAILED', 'ABORTED')"))[0][0])

    def test_chaos(self):
        self.system.start_service("deployment-1")
        watch = self.system.start_cli("chaos-watch", "watch", "--after", "0", "--json")
        runners = [self.one_runner(n) for n in range(RUNNERS)]
        self.suspended, asked, faults = [], 0, 0
        try:
            while True:
                over = self.count_over()
                while asked < DEPLOYMENTS and asked - over < WAITING:
                    self.ask(asked)
                    asked += 1
                if over >= DEPLOYMENTS:
                    break
                target = min(over + FAULT_EVERY, DEPLOYMENTS)
                wait_for(lambda: self.count_over() >= target, f"the end of {target} deployments", 120)
                for each in self.suspended:
                    each.popen.send_signal(signal.SIGCONT)
                self.suspended.clear()
                self.fault(runners)
                faults += 1
            for each in self.suspended:
                each.popen.send_signal(signal.SIGCONT)
            self.assertGreaterEqual(faults, DEPLOYMENTS // 50)
            self.again(lambda: self.get(1))
            self.check_everything(watch)
        except BaseException:
            print(f"repeat it with SITEWIRE_SEED={SEED}", *(f"--- {r.name}\n{r.output()[-3000:]}" for r in self.runners), sep="\n", file=sys.stderr)
            raise
        finally:
            watch.popen.kill()
            watch.popen.wait()

    def check_everything(self, watch):
        rows = {int(row[0]): row[1:] for row in self.sql("SELECT id, docroot, status, version, failure, fence FROM deployment.deployment")}
        self.assertEqual(sorted(rows), sorted(self.expected))  # none lost, none doubled
        self.assertEqual({row[1] for row in rows.values()} - set(OVER), set())
        count = {status: sum(row[1] == status for row in rows.values()) for status in OVER}
        print(count, file=sys.stderr)
        self.assertGreater(count["DONE"], DEPLOYMENTS // 4)
        self.assertFalse(os.path.exists(os.path.join(self.root, "overlaps")), "two at once on a docroot environment")
        self.check_in_order()
        self.check_registry(self.docroots, "0")
        self.check_output(rows)
        self.check_events(watch)

    def check_output(self, rows):
        """Without gaps; of what is DONE, the attempts that succeeded wrote what they should,
        once."""
        self.check_output_whole()
        for number, (_, version, output) in self.expected.items():
            _, status, stored, failure, _ = rows[number]
            self.assertEqual(stored, version)
            if status != "DONE" or output is None:
                continue
            for command, wanted in enumerate(output, 1):
                best = self.sql(f"SELECT attempt FROM deployment.deployment_command_result WHERE deployment = {number} AND "
                                f"command = {command} AND exit_code = 0")
                self.assertEqual(len(best), 1, f"{number}: command {command} succeeded {len(best)} times")
                got = self.sql("SELECT encode(string_agg(bytes, '' ORDER BY \"offset\"), 'hex') FROM deployment.deployment_log "
                               f"WHERE deployment = {number} AND command = {command} AND attempt = {best[0][0]} AND stream = 'stdout'")
                self.assertEqual(bytes.fromhex(got[0][0]), wanted, f"{number}: {failure}")


if __name__ == "__main__":
    unittest.main()
