#!/usr/bin/env python3
"""What happens to deployments when runners, services, brokers and PostgreSQL are killed, stopped or
doubled."""
import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from runner_test import RunnerTest, pids_that_say  # noqa: E402
from sitewire_test import Failed, wait_for  # noqa: E402

LEASE = ("--lease-ms", "1500")
UNTIL_GO = "echo up; while test ! -e go; do sleep 0.02; done; rm go; echo went on"


class Faults(RunnerTest):
    def go(self):
        with open(os.path.join(self.place(), "go"), "w", encoding="ascii"):
            pass

    def events(self):
        """Of this test's project, all of them."""
        return self.call("ListEvents", filters=[{"field": "project", "values": [self.project]}], page_size=1000).items

    def check_events(self):
        sequence = [event.project_sequence for event in self.events()]
        self.assertEqual(sequence, list(range(1, len(sequence) + 1)))

    def restart(self, name):
        self.system.kill(name)
        if name == "broker":
            self.system.start_broker()
        else:
            self.system.start_service(name)

    def test_runner_is_killed(self):
        runner = self.runner(*LEASE)
        word = self.w + "-stays"
        number = self.asked({"argv": ["bash", "-c", f"echo up; setsid bash -c 'exec -a {word} sleep 1000' & trap '' TERM; wait"]})
        self.running(number, b"up\n")
        wait_for(lambda: pids_that_say(word + "\0"), "the process that forks away")
        runner.end(signal.SIGKILL)
        wait_for(lambda: not pids_that_say(word), "the end of what it ran")
        d = self.over(number)
        self.assertEqual((d.status, d.failure), ("FAILED", f"the runner {runner.name} was lost"))
        self.check(number)
        self.check_events()

    def test_another_runner_goes_on(self):
        """RETRY: what succeeded is not run again, what was under way is, output goes on where it
        was."""
        first = self.runner(*LEASE)
        word = self.w + "-waits"
        number = self.asked("echo one", f"{UNTIL_GO}; : {word}", "echo three", on_lost_lease="RETRY")
        self.running(number, b"up\n")
        first.end(signal.SIGKILL)
        wait_for(lambda: not pids_that_say(word), "the end of what the first one ran")  # else that takes the "go" with it
        self.go()
        second = self.runner("--lease-ms", "20000")
        d = self.over(number)
        self.assertEqual((d.status, d.runner, d.fence), ("DONE", second.name, 2), second.output())
        self.assertEqual(self.output(number), b"one\nup\nup\nwent on\nthree\n")
        self.assertEqual([(r.command, r.attempt, r.runner, r.exit_code) for r in self.results(number)],
                         [(1, 1, first.name, 0), (2, 1, first.name, 0), (2, 2, second.name, 0), (3, 1, second.name, 0)])
        self.assertEqual(self.results(number)[1].failure, f"the runner {first.name} was lost")
        self.check(number)
        self.check_events()

    def test_runner_is_suspended(self):
        """Stopped past its lease: its command ends in time all the same, and nothing that it says
        afterwards is heard."""
        runner = self.runner(*LEASE)
        word = self.w + "-runs"
        number = self.asked({"argv": ["bash", "-c", f"echo up; exec -a {word} sleep 1000"]}, on_lost_lease="RETRY")
        self.running(number, b"up\n")
        wait_for(lambda: pids_that_say(word + "\0"), "the command")
        runner.popen.send_signal(signal.SIGSTOP)
        wait_for(lambda: self.get(number).status == "ACCEPTED", "the end of the lease")
        self.assertEqual(pids_that_say(word + "\0"), [])  # nothing runs twice
        self.call("AbortDeployment", id=number)
        runner.popen.send_signal(signal.SIGCONT)
        wait_for(lambda: "lost" in runner.output(), "the runner hears of it")
        self.check(number)
        self.assertEqual([(r.attempt, r.failure) for r in self.results(number)], [(1, f"the runner {runner.name} was lost")])
        self.assertEqual(self.over(self.asked("true", version="3")).status, "DONE")  # it goes on
        self.check_events()

    def test_service_is_killed(self):
        """Between claim and result."""
        self.runner("--lease-ms", "20000")  # outlives the restart
        number = self.asked(UNTIL_GO)
        self.running(number, b"up\n")
        self.system.kill("deployment-0")
        self.go()
        self.system.start_service("deployment-0")
        self.again(lambda: self.get(number))
        self.assertEqual(self.over(number).status, "DONE")
        self.assertEqual(self.output(number), b"up\nwent on\n")
        self.check(number)
        self.check_events()

    def test_lease_ends_without_service(self):
        """Nobody to renew it: the command ends before the service could give it to somebody
        else."""
        runner = self.runner(*LEASE)
        word = self.w + "-runs"
        number = self.asked({"argv": ["bash", "-c", f"echo up; exec -a {word} sleep 1000"]})
        self.running(number, b"up\n")
        self.system.kill("deployment-0")
        wait_for(lambda: not pids_that_say(word + "\0"), "the end of the command")
        wait_for(lambda: "the lease ran out" in runner.output(), "the runner says so")
        self.system.start_service("deployment-0")
        d = wait_for(lambda: (lambda d: d if d.status == "FAILED" else None)(self.again(lambda: self.get(number))), "the sweep")
        self.assertEqual(d.failure, f"the runner {runner.name} was lost")
        self.check(number)

    def again(self, call):
        """A call, while the system may be away."""
        def attempt():
            try:
                return call()
            except (Failed, AssertionError):
                for client in self.clients.values():
                    client.connect()
                return None
        return wait_for(attempt, "an answer")

    def test_broker_is_killed(self):
        """While output streams."""
        self.runner("--lease-ms", "20000")
        number = self.asked("for i in $(seq 400); do seq $i 20 20000; done | head -c 20000000; echo end", UNTIL_GO)
        self.running(number, b"1\n")
        self.restart("broker")
        self.again(lambda: self.get(number))
        self.restart("broker")
        self.go()
        d = wait_for(lambda: self.again(lambda: (lambda d: d if d.status == "DONE" else None)(self.get(number))), "its end", 60)
        self.assertEqual(d.failure, "")
        text, offset = [], 0
        while True:
            items = self.call("ReadLog", id=number, offset=offset, limit=4 << 20).items
            if not items:
                break
            for item in items:
                self.assertEqual(item.offset, offset)
                offset += len(item.bytes)
                text.append(item.bytes)
        expected = "".join("".join(f"{n}\n" for n in range(i, 20001, 20)) for i in range(1, 401)).encode()[:20000000] + b"end\n"
        self.assertEqual(len(b"".join(text)), len(expected) + len(b"up\nwent on\n"))
        self.assertTrue(b"".join(text).startswith(expected))
        self.check_events_paged()

    def check_events_paged(self):
        sequence, after = [], 0
        while True:
            page = self.call("ListEvents", filters=[{"field": "project", "values": [self.project]},
                                                    {"field": "project_sequence", "op": ">", "values": [str(after)]}],
                             page_size=1000).items
            if not page:
                break
            sequence += [event.project_sequence for event in page]
            after = sequence[-1]
        self.assertEqual(sequence, list(range(1, len(sequence) + 1)))

    def test_postgresql_is_killed(self):
        """At every state of a deployment."""
        number = self.asked("echo one", UNTIL_GO, environment="prod")
        for state in ("REQUESTED", "ACCEPTED", "IN_PROGRESS", "DONE"):
            with self.subTest(state=state):
                if state == "ACCEPTED":
                    plan = self.call("GetDeploymentPlan", id=number)
                    self.call("ApproveDeployment", "owner@x.org", id=number, plan_hash=plan.plan_hash)
                elif state == "IN_PROGRESS":
                    self.runner("--lease-ms", "20000")
                    self.running(number, b"up\n")
                elif state == "DONE":
                    with open(os.path.join(self.place("prod"), "go"), "w", encoding="ascii"):
                        pass
                    self.over(number)
                self.system.postgres.kill()
                self.system.postgres.start()
                self.assertEqual(self.again(lambda: self.get(number)).status, state)
        self.assertEqual(self.output(number), b"one\nup\nwent on\n")
        self.assertEqual(self.check(number).approver, "owner@x.org")
        self.check_events()

    def test_statements_in_the_way_of_others(self):
        """What a deadlock has undone is said again: the lease is not lost by it."""
        self.sql("""CREATE SEQUENCE deployment.hiccup;
            CREATE FUNCTION deployment.hiccup() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                CASE nextval('deployment.hiccup') WHEN 1 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01';
                                                  WHEN 2 THEN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014';
                                                  ELSE NULL; END CASE;
                RETURN NEW; END $$;
            GRANT ALL ON SEQUENCE deployment.hiccup TO PUBLIC;
            SELECT sitewire.record_definition('pg_proc', 'deployment.hiccup'::regproc)""")
        try:
            for table, event in (("deployment_command_result", "INSERT"), ("deployment_command_result", "UPDATE"),
                                 ("deployment_log", "INSERT"), ("deployment", "UPDATE")):
                with self.subTest(table=table, event=event):
                    self.sql(f"""ALTER SEQUENCE deployment.hiccup RESTART;
                        CREATE TRIGGER hiccup BEFORE {event} ON deployment.{table} FOR EACH ROW EXECUTE FUNCTION deployment.hiccup();
                        SELECT sitewire.record_definition('pg_trigger', oid) FROM pg_trigger WHERE tgname = 'hiccup'""")
                    number = self.asked("echo once", on_lost_lease="FAIL")
                    runner = self.runner()
                    self.assertEqual(self.over(number).status, "DONE", runner.output())
                    self.assertEqual(self.output(number), b"once\n")
                    self.assertEqual(len(self.results(number)), 1)
                    runner.end()
                    self.sql(f"DROP TRIGGER hiccup ON deployment.{table};"
                             "DELETE FROM sitewire.definition WHERE object LIKE 'trigger hiccup%'")
        finally:
            self.sql("DROP FUNCTION deployment.hiccup CASCADE; DROP SEQUENCE deployment.hiccup;"
                     "DELETE FROM sitewire.definition WHERE object LIKE '%hiccup%'")

    def test_runners_race(self):
        """Several runners and many deployments: each is run once, by one of them."""
        runners = [self.runner("--jobs", "2") for _ in range(3)]
        numbers = [self.asked("flock -n lock sh -c 'echo $SITEWIRE_DEPLOYMENT >>ran; sleep 0.02' || echo OVERLAP", version=str(n))
                   for n in range(20)]
        for number in numbers:
            self.assertEqual(self.over(number).status, "DONE")
            self.assertEqual(self.output(number), b"")
            self.assertEqual(len(self.results(number)), 1)
        with open(os.path.join(self.place(), "ran"), encoding="ascii") as file:
            self.assertEqual([int(line) for line in file], numbers)  # in the order in which they were accepted
        self.assertTrue({self.get(number).runner for number in numbers} <= {runner.name for runner in runners})
        self.assertEqual(self.deployed(), "19")
        self.check_events()

    def test_requests_race(self):
        """50 requests for one target at once: one at a time, in the order of acceptance."""
        self.runner()
        numbers, lock = [], threading.Lock()

        def ask(n):
            client = self.system.client()
            try:
                _, plan = client.call("/sitewire.deployment.v1.Deployments/RequestDeployment", self.message(n), self.plan_type, 30)
                with lock:
                    numbers.append(plan.deployment.id)
            finally:
                client.close()
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(numbers)), 50)
        done = sorted((self.over(number) for number in numbers), key=lambda d: d.started_at.ToMicroseconds())
        self.assertEqual({d.status for d in done}, {"DONE"})
        for earlier, later in zip(done, done[1:]):
            self.assertLessEqual(earlier.finished_at.ToMicroseconds(), later.started_at.ToMicroseconds())
            self.assertLessEqual(earlier.accepted_at.ToMicroseconds(), later.accepted_at.ToMicroseconds())
        self.assertEqual(self.deployed(), done[-1].version)
        self.check_events()

    def message(self, n):
        from sitewire.deployment.v1 import deployment_pb2 as pb
        self.plan_type = pb.DeploymentPlan
        return pb.RequestDeploymentRequest(project=self.project, environment="dev", version=f"v{n}",
                                           commands=[pb.Command(argv=["true"])])

    def test_a_watcher_misses_nothing(self):
        """`sitewire watch` over kills of broker and service, while a deployment runs."""
        watch = self.system.start_cli("watch-" + self.w, "watch", "--project", self.project, "--after", "0", "--json")
        try:
            self.runner("--lease-ms", "20000")
            number = self.asked("echo one", UNTIL_GO, "echo three")
            self.running(number, b"up\n")
            self.restart("broker")
            self.again(lambda: self.get(number))
            self.restart("deployment-0")
            self.go()
            wait_for(lambda: self.again(lambda: self.get(number)).status == "DONE", "its end")
            wait_for(lambda: '"DONE"' in self.events()[-1].payload, "the event of its end")
            wanted = [event.position for event in self.events()]
            wait_for(lambda: f'"position":"{wanted[-1]}"' in watch.output().replace(" ", "")
                     or f'"position":{wanted[-1]}' in watch.output().replace(" ", ""), "the last event")
            heard = [int(json.loads(line)["position"]) for line in watch.output().splitlines() if line.startswith("{")]
            self.assertEqual(heard, wanted)
        finally:
            watch.popen.kill()
            watch.popen.wait()


if __name__ == "__main__":
    unittest.main()
