#!/usr/bin/env python3
"""Events: numbered by one relay, heard each once and in order, whatever is lost, killed or
restarted."""
import json
import os
import random
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, SITEWIRE, wait_for  # noqa: E402
from watch_test import WatchTest  # noqa: E402

NOT_FOUND, INVALID_ARGUMENT, OUT_OF_RANGE = 5, 3, 11


class Relay(WatchTest):
    def test_order_of_commits(self):
        """What is committed first comes first, whoever began first; a transaction that stays open
        holds up nobody."""
        project = self.projects[0]
        self.sql("CREATE EXTENSION IF NOT EXISTS dblink")
        self.sql(f"""DO $$ BEGIN
            PERFORM dblink_connect('slow', '{self.system.postgres.conninfo}');
            PERFORM dblink_exec('slow', 'BEGIN');
            PERFORM dblink_exec('slow', $q$INSERT INTO deployment.outbox (project, deployment, kind, payload)
                                           VALUES ('{project}', 1, 'state', '"slow"')$q$);
            PERFORM dblink_exec('{self.system.postgres.conninfo}', $q$INSERT INTO deployment.outbox (project, deployment, kind, payload)
                                              VALUES ('{project}', 1, 'state', '"quick"'), ('{project}', 1, 'state', '"too"')$q$);
            FOR i IN 1..100 LOOP
                EXIT WHEN (SELECT count(*) FROM deployment.event WHERE project = '{project}') = 2;
                PERFORM pg_sleep(0.1);
            END LOOP;
            PERFORM dblink_exec('slow', 'COMMIT');
            PERFORM dblink_disconnect('slow');
        END $$""")
        self.settled()
        self.assertEqual(self.sql(f"SELECT project_sequence, payload FROM deployment.event WHERE project = '{project}' "
                                  "ORDER BY position"), [["1", '"quick"'], ["2", '"too"'], ["3", '"slow"']])

    def test_renamed_project(self):
        self.emit(6)
        self.settled()
        self.sql(f"UPDATE referential.website SET code = 'new-name' WHERE code = '{self.projects[0][8:]}'")
        self.emit(2, ["website:new-name"])
        self.settled()
        self.assertEqual(self.sql("SELECT project_sequence FROM deployment.event WHERE project = 'website:new-name' "
                                  "ORDER BY position"), [["1"], ["2"], ["3"], ["4"]])
        self.assertEqual(self.sql(f"SELECT 1 FROM deployment.event WHERE project = '{self.projects[0]}'"), [])

    def test_real_deployment(self):
        """The triggers write what is heard, and a change by a call is heard at once."""
        watch = self.watch("--project", self.projects[0])
        self.deploy()
        states = [event["payload"].get("status") for event in watch.wait(3) if event["kind"] == "state"]
        self.assertEqual(states, ["REQUESTED", "ACCEPTED", "ABORTED"])
        text = self.system.cli("watch", "--after", "0", "--project", self.projects[0], "--limit", "3")
        self.assertIn(f"REQUESTED -> ACCEPTED by {ADMIN}", text.stdout)
        self.assertIn("continue with: --after ", text.stderr)

    def test_cursor_of_a_newer_database(self):
        """It was restored from a backup: who has seen what is not there any more hears of it,
        instead of nothing."""
        self.emit(6)
        self.settled()
        last = int(self.sql("SELECT position FROM deployment.relay")[0][0])
        for cursor in (str(last + 1), f"{last}:{last + 1}={self.projects[0]}"):
            for words in ((), self.mine()):
                done = self.system.cli("watch", "--after", cursor, *words)
                self.assertEqual(done.returncode, OUT_OF_RANGE, done.stderr)
                self.assertIn(f"the cursor is at event {last + 1}, but there are no more than {last}", done.stderr)
                self.assertIn("cursor", done.stderr)
                self.assertNotIn("go on with", done.stderr)
        at_end = self.watch("--after", str(last), *self.mine())
        other = self.watch("--after", str(last), "--project", "website:" + self.other())  # nothing of it is there
        running = self.watch("--after", "0", *self.mine())
        running.wait(6)
        self.emit(3)
        at_end.wait(3)
        running.wait(9)
        self.sql(f"SET session_replication_role = replica; DELETE FROM deployment.event WHERE position > {last}; "
                 f"UPDATE deployment.event_head SET position = position - 3, project_sequence = 2 WHERE position > {last}; "
                 f"UPDATE deployment.relay SET position = {last}")
        for watch in (at_end, running):
            wait_for(lambda watch=watch: not watch.process.running(), "the watch sees it", 60)
            self.assertEqual(watch.process.popen.returncode, OUT_OF_RANGE, watch.process.output())
        self.assertTrue(other.process.running())

    def test_older_schema(self):
        """Until it is migrated a service may not say where the events are: a watch goes on
        without."""
        self.emit(2)
        self.settled()
        last = int(self.sql("SELECT position FROM deployment.relay")[0][0])
        self.system.kill("deployment-0")
        self.system.start_service("deployment-0")  # its Stats begin anew
        self.sql("REVOKE SELECT (position) ON deployment.relay FROM sitewire_deployment")
        try:
            watch = self.watch("--after", str(last + 1), *self.mine())
            wait_for(lambda: "ReadEventPosition" in self.system.cli("status", "--json").stdout, "the watch has asked")
            self.emit(3)
            watch.wait(2)
            self.assertTrue(watch.process.running(), watch.process.output())
        finally:
            self.sql("GRANT SELECT (position) ON deployment.relay TO sitewire_deployment")

    def other(self):
        self.sql(f"INSERT INTO referential.website (code) VALUES ('{self.name}-other')")
        return self.name + "-other"

    def test_output_that_cannot_be_written(self):
        self.emit(1)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([SITEWIRE, "watch", "--after", "0", "--limit", "1"], env=self.system.env(), stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 8)
        self.assertEqual(done.stderr, "error: RESOURCE_EXHAUSTED: cannot write the output: No space left on device\n")

    def test_words(self):
        for words, code, says in ((("--project", "nothing"), NOT_FOUND, 'no such Project "website:nothing"'),
                                  (("--deployment", "999999"), NOT_FOUND, 'no such Deployment "999999"'),
                                  (("--after", "x"), INVALID_ARGUMENT, "is not a cursor"),
                                  (("--kind", "noise"), INVALID_ARGUMENT, "expected state, command or log"),
                                  (("word",), INVALID_ARGUMENT, "takes no words")):
            done = self.system.cli("watch", *words)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(says, done.stderr)


class Losses(WatchTest):
    options = {"broker_options": ("--unsent-events", "1")}

    def test_all_at_once(self):
        """Filters and kinds, from the first event on and from now on."""
        self.emit(30)
        whole = self.watch("--after", "0", *self.mine())
        one = self.watch("--after", "0", "--project", self.projects[1])
        none = self.watch("--after", "0", "--kind", "log", *self.mine())
        self.check(whole.wait(30))
        self.emit(3000)
        self.assertEqual(set(self.check(whole.wait(3030)).values()), {1010})
        self.assertEqual(self.check(one.wait(1010)), {self.projects[1]: 1010})
        self.assertEqual(none.events(), [])
        positions = [event["position"] for event in whole.events()]
        self.assertEqual(len(set(positions)), len(positions))

    def test_a_fleet_is_caught_up_with(self):
        """Cursors are short however many projects there are; else a line of each event would hold
        all of them."""
        start = self.sql("SELECT position FROM deployment.relay")[0][0]
        self.emit(6000, [f"website:fleet{i}" for i in range(1500)])
        self.settled()
        events = self.watch("--after", str(start)).wait(6000)
        self.assertEqual(len({(event["project"], event["project_sequence"]) for event in events}), 6000)
        self.assertLess(max(len(event["cursor"]) for event in events), 100)
        begin = events[3333]  # and from each of them it goes on
        rest = self.watch("--after", begin["cursor"]).wait(2666)
        self.assertEqual([event["position"] for event in rest], [event["position"] for event in events[3334:]])

    def test_stopped_subscriber(self):
        """It stands still while far more is published than waits for it; nothing is missing
        afterwards."""
        watch = self.watch("--after", "0", *self.mine())
        self.emit(3)
        watch.wait(3)
        os.kill(watch.process.pid, signal.SIGSTOP)
        for _ in range(20):
            self.emit(1500)
        self.settled()
        read = self.calls("ListEvents")
        os.kill(watch.process.pid, signal.SIGCONT)
        self.check(watch.wait(30003))
        self.assertGreater(self.calls("ListEvents"), read, "nothing was lost")
        self.emit(300)
        self.check(watch.wait(30303))

    def calls(self, method):
        """How often the service was called."""
        done = self.system.cli("call", "Stats/GetStats", "--destination", "@deployment-0")
        return sum(int(m["calls"]) for m in json.loads(done.stdout)["methods"] if m["method"].endswith("/" + method))

    def test_lost_tail(self):
        """What was lost at the end is seen though nothing follows: a broker that was away."""
        watch = self.watch("--after", "0", *self.mine())
        self.emit(3)
        watch.wait(3)
        self.system.kill("broker")
        self.emit(300)
        self.settled()
        self.system.start_broker()
        self.check(watch.wait(303))

    def test_killed(self):
        """Broker, services and the subscriber itself are killed again and again while events come;
        all are heard once."""
        seed = int(os.environ.get("SITEWIRE_SEED", "0")) or random.randrange(1 << 30)
        print(f"seed {seed}", file=sys.stderr)
        dice = random.Random(seed)
        self.system.start_service("deployment-1")
        cursor, seen, total = "0", [], 0
        steady = self.watch("--after", "0", *self.mine())
        watch = self.watch("--after", cursor, *self.mine())
        for _ in range(12):
            for _ in range(dice.randrange(1, 4)):
                count = dice.randrange(1, 400)
                self.emit(count)
                total += count
            what = dice.choice(["broker", "deployment-0", "deployment-1", "watch", "watch", "nothing"])
            if what == "watch":
                watch.end(signal.SIGKILL)
                seen += watch.events()
                cursor = seen[-1]["cursor"] if seen else "0"
                watch = self.watch("--after", cursor, *self.mine())
            elif what != "nothing":
                self.system.kill(what)
                self.system.start_broker() if what == "broker" else self.system.start_service(what)
        wait_for(lambda: len(seen) + len(watch.events()) >= total, "all events, over restarts", 60)
        self.check(seen + watch.events())
        self.check(steady.wait(total))
        self.assertEqual(len(seen + watch.events()), total)
        self.system.kill("deployment-1")

    def test_without_subscription(self):
        """Where no events can be heard, they are read; and the next endpoint of the list is
        tried."""
        nobody = f"ipc://{self.system.folder}/nobody"
        deaf = self.watch("--after", "0", *self.mine(), env={"SITEWIRE_EVENTS": nobody})
        second = self.watch("--after", "0", *self.mine(), env={"SITEWIRE_EVENTS": f"{nobody},{self.system.events}"})
        self.emit(30)
        self.check(deaf.wait(30))
        self.check(second.wait(30))
        self.emit(30)
        self.check(deaf.wait(60))
        self.check(second.wait(60))

    def test_two_relays(self):
        """Of two services one relays; the other one takes over."""
        self.system.start_service("deployment-2")
        watch = self.watch("--after", "0", *self.mine())
        self.emit(30)
        watch.wait(30)
        holder = "SELECT holder FROM deployment.relay"
        first = self.sql(holder)
        self.system.kill("deployment-0")
        self.emit(30)
        watch.wait(60)
        self.system.start_service("deployment-0")
        self.emit(30)
        self.check(watch.wait(90))
        self.assertNotEqual(self.sql(holder), first)
        self.system.kill("deployment-2")
        self.emit(30)
        self.check(watch.wait(120))

del WatchTest

if __name__ == "__main__":
    unittest.main()
