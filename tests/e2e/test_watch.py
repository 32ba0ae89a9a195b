#!/usr/bin/env python3
"""Events: numbered by one relay, heard by those who may read them, each once and in order, whatever is lost, killed or
restarted."""
import contextlib
import ctypes
import json
import os
import random
import select
import signal
import statistics
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from sitewire_test import ADMIN, BUILD, System, wait_for  # noqa: E402
import zmq  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2 as pb  # noqa: E402

PERMISSION_DENIED, UNAUTHENTICATED, NOT_FOUND, INVALID_ARGUMENT, OUT_OF_RANGE = 7, 16, 5, 3, 11


class Watch:
    """A running `sitewire watch --json`."""

    def __init__(self, system, name, *words, env=None):
        self.system, self.name, self.env = system, name, env or {}
        self.process = system.start_cli(name, "watch", "--json", *words, env=self.env)

    def events(self):
        return [json.loads(line) for line in self.process.output().split("\n")[:-1] if line.startswith("{")]

    def wait(self, count, seconds=60):
        wait_for(lambda: self.process.output().count("\n") >= count, f"{count} events of {self.name}", seconds)
        return self.events()

    def end(self, number=signal.SIGINT):
        return self.process.end(number)


class Base(unittest.TestCase):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.system = System(**cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def sql(self, text):
        return self.system.sql(text)

    def setUp(self):
        """Websites of each test's own, numbered."""
        self.name = self.id().rsplit(".", 1)[1].removeprefix("test_")
        self.projects = [f"website:{self.name}{i}" for i in range(3)]
        for project in self.projects:
            self.sql(f"INSERT INTO referential.website (code) VALUES ('{project[8:]}')")
        self.watches = []

    def tearDown(self):
        for watch in self.watches:
            if watch.process.running():
                watch.end(signal.SIGKILL)

    def emit(self, count, projects=None):
        """Events of the projects in turn, as the triggers write them, in one transaction."""
        projects = projects or self.projects
        self.sql(f"INSERT INTO deployment.outbox (project, deployment, kind, payload) SELECT ('{{{','.join(projects)}}}'::text[])"
                 f"[g % {len(projects)} + 1], 1, 'state', '{{\"status\":\"DONE\"}}' FROM generate_series(0, {count - 1}) g")

    def watch(self, *words, name=None, env=None):
        watch = Watch(self.system, name or f"watch-{self.name}-{len(self.watches)}", *words, env=env)
        self.watches.append(watch)
        return watch

    def mine(self):
        return [word for project in self.projects for word in ("--project", project)]

    def check(self, events, first=1):
        """Each once and in order, without a gap."""
        at = {}
        for event in events:
            self.assertEqual(event["project_sequence"], at.get(event["project"], first - 1) + 1, event)
            at[event["project"]] = event["project_sequence"]
        return at

    def deploy(self):
        """A deployment of the first project that is requested, accepted and aborted."""
        self.sql(f"""INSERT INTO referential.docroot (code) VALUES ('{self.name}') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.environment (code) VALUES ('dev') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.cms (code) VALUES ('drupal') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.docroot_environment (docroot, environment, cms) VALUES ('{self.name}', 'dev', 'drupal')
                         ON CONFLICT DO NOTHING;
                     INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                         VALUES ('{self.projects[0][8:]}', '{self.name}', 'dev', '1') ON CONFLICT DO NOTHING""")
        done = self.system.cli("call", "Deployments/RequestDeployment", json.dumps(
            {"project": self.projects[0], "environment": "dev", "version": "2", "commands": [{"shell": "true"}]}))
        self.assertEqual(done.returncode, 0, done.stderr)
        number = json.loads(done.stdout)["deployment"]["id"]
        self.assertEqual(self.system.cli("call", "Deployments/AbortDeployment", json.dumps({"id": number})).returncode, 0)

    def settled(self):
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox"), "the relay has numbered all")


class Relay(Base):
    def test_order_of_commits(self):
        """What is committed first comes first, whoever began first; a transaction that stays open holds up nobody."""
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
        self.assertIn("go on with: --after ", text.stderr)

    def test_cursor_of_a_newer_database(self):
        """It was restored from a backup: who has seen what is not there any more hears of it, instead of nothing."""
        self.emit(6)
        self.settled()
        last = int(self.sql("SELECT position FROM deployment.relay")[0][0])
        for cursor in (str(last + 1), f"{last}:{last + 1}={self.projects[0]}"):
            for words in ((), self.mine()):
                done = self.system.cli("watch", "--after", cursor, *words)
                self.assertEqual(done.returncode, OUT_OF_RANGE, done.stderr)
                self.assertIn(f"the cursor is at event {last + 1}, but there are no more than {last}", done.stderr)
                self.assertIn("cursor", done.stderr)
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
        """Until it is migrated a service may not say where the events are: a watch goes on without."""
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

    def test_words(self):
        for words, code, says in ((("--project", "nothing"), NOT_FOUND, 'no such Project "website:nothing"'),
                                  (("--after", "x"), INVALID_ARGUMENT, "is no cursor"),
                                  (("--kind", "noise"), INVALID_ARGUMENT, "one of state, command and log"),
                                  (("word",), INVALID_ARGUMENT, "takes no words")):
            done = self.system.cli("watch", *words)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(says, done.stderr)


class Losses(Base):
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
        """Cursors are short however many projects there are; else a line of each event would hold all of them."""
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
        """It stands still while far more is published than waits for it; nothing is missing afterwards."""
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
        """Broker, services and the subscriber itself are killed again and again while events come; all are heard once."""
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
        """Where no events can be heard, they are read; and the next endpoint of the list is tried."""
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


class Event(ctypes.Structure):
    _fields_ = [("position", ctypes.c_int64), ("project", ctypes.c_char_p), ("project_sequence", ctypes.c_int64),
                ("deployment", ctypes.c_int64), ("kind", ctypes.c_char_p), ("at_us", ctypes.c_int64), ("payload", ctypes.c_char_p)]


EventFn = ctypes.CFUNCTYPE(None, ctypes.POINTER(Event), ctypes.c_void_p)


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("endpoints", ctypes.c_char_p), ("projects", ctypes.POINTER(ctypes.c_char_p)),
                ("project_count", ctypes.c_size_t), ("kinds", ctypes.c_char_p), ("deployment", ctypes.c_int64),
                ("cursor", ctypes.c_char_p), ("fn", EventFn), ("context", ctypes.c_void_p)]


class Library(Base):
    """libsitewire.so in a foreign event loop, and over two brokers."""

    def setUp(self):
        super().setUp()
        self.library = ctypes.CDLL(os.path.join(BUILD, "lib", "libsitewire.so"))
        self.library.sw_watch_cursor.restype = ctypes.c_char_p
        self.client, self.watched, self.got = ctypes.c_void_p(), ctypes.c_void_p(), []
        self.on_event = EventFn(lambda event, _: self.got.append(
            {"project": event.contents.project.decode(), "project_sequence": event.contents.project_sequence,
             "payload": json.loads(event.contents.payload), "late": time.time() - event.contents.at_us / 1e6}))

    def open(self, endpoints, events, cursor=None):
        error = ctypes.create_string_buffer(4096)
        names = (ctypes.c_char_p * len(self.projects))(*[project.encode() for project in self.projects])
        options = Options(size=ctypes.sizeof(Options), endpoints=events.encode(), projects=names, project_count=len(names),
                          cursor=cursor, fn=self.on_event)
        self.assertEqual(self.library.sw_client_open(endpoints.encode(), None, ctypes.byref(self.client), error), 0, error.raw[:200])
        self.assertEqual(self.library.sw_watch_open(self.client, ctypes.byref(options), ctypes.byref(self.watched), error), 0,
                         error.raw[:200])

    def close(self):
        self.library.sw_watch_close(ctypes.byref(self.watched))
        self.library.sw_client_close(ctypes.byref(self.client))

    def run_until(self, condition, what):
        """A loop that knows nothing but the descriptor."""
        fd = self.library.sw_watch_fd(self.watched)
        self.assertGreaterEqual(fd, 0)
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            if select.select([fd], [], [], 1)[0]:
                self.assertGreaterEqual(self.library.sw_watch_process(self.watched, 0), 0)

    def test_foreign_loop(self):
        self.open(self.system.ipc, self.system.events)
        self.run_until(lambda: self.library.sw_watch_is_ready(self.watched), "it is ready")
        self.emit(3000)
        self.run_until(lambda: len(self.got) == 3000, "all events")
        cursor = self.library.sw_watch_cursor(self.watched)
        self.close()
        self.emit(30)
        self.open(self.system.ipc, self.system.events, cursor)
        self.run_until(lambda: len(self.got) == 3030, "those since the cursor")
        self.check(self.got)
        self.close()

    def test_calls_wake_the_relay(self):
        """What a call has changed is heard at once, and not by the look of each second."""
        self.open(self.system.ipc, self.system.events)
        self.run_until(lambda: self.library.sw_watch_is_ready(self.watched), "it is ready")
        late = []
        for _ in range(5):
            self.got.clear()
            thread = threading.Thread(target=self.deploy)
            thread.start()
            self.run_until(lambda: len(self.got) == 3, "its three events")
            thread.join()
            late += [event["late"] for event in self.got]
        self.assertLess(statistics.median(late), 0.25)
        self.close()

    def test_closed_at_any_time(self):
        """Also while calls are under way, and events in its hands."""
        self.emit(3000)
        for rounds in range(30):
            self.open(self.system.ipc, self.system.events, b"0" if rounds % 2 else None)
            for _ in range(rounds):
                self.library.sw_watch_process(self.watched, 2)
            self.close()

    def test_two_brokers(self):
        """A service publishes to both; a watch goes on with the other one when its own is killed."""
        folder = self.system.folder
        ends = {name: f"ipc://{folder}/{name}-2" for name in ("front", "back", "events", "publish")}
        both = {name: f"{getattr(self.system, mine)},{ends[name]}" for name, mine in (
            ("front", "ipc"), ("back", "backend"), ("events", "events"), ("publish", "publish"))}

        def start_second():
            self.system.start("broker-2", "sitewire-broker", "--frontend", ends["front"], "--backend", ends["back"], "--events",
                              ends["events"], "--publish", ends["publish"], *self.system.caller)
        start_second()
        for name in ("deployment-0", "user-0"):
            self.system.kill(name)
            service = name.partition("-")[0]
            self.system.start(name, f"sitewire-{service}", "--backend", both["back"], "--publish", both["publish"], "--database",
                              f"{self.system.postgres.conninfo} user=sitewire_{service}", "--instance", name)
        self.open(both["front"], both["events"], b"0")
        self.emit(300)
        self.run_until(lambda: len(self.got) == 300, "events by the first broker")
        for number, (gone, start) in enumerate((("broker", self.system.start_broker), ("broker-2", start_second)), 1):
            self.system.kill(gone)
            self.emit(300)
            self.run_until(lambda: len(self.got) == 300 + 600 * number - 300, "events by the other broker")
            start()
            self.emit(300)
            self.run_until(lambda: len(self.got) == 300 + 600 * number, "and when both are there")
        self.check(self.got)
        self.close()
        self.system.kill("broker-2")


class Rights(Base):
    options = {"curve": True, "broker_options": ("--local-users", f"{os.getuid()}=local@x.org")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.system.sql("""INSERT INTO users.role (code, permissions) VALUES ('Reader', '{read}'), ('Deployer', '{deploy}');
                          INSERT INTO users."user" (email) VALUES ('local@x.org')""")

    def person(self, *projects, admin=False, role="Reader"):
        """A user of its own, with a key: (e-mail, key)."""
        email = f"{self.name}{os.urandom(2).hex()}@x.org"
        return email, self.system.enroll(email, admin, [(project, role) for project in projects])

    @contextlib.contextmanager
    def ending(self, connections=1):
        """What is done here ends connections of subscribers, within the time that docs/protocol.md states and one second."""
        before = self.system.counter("subscribers_cut_tcp")
        yield
        wait_for(lambda: self.system.counter("subscribers_cut_tcp") >= before + connections, "the connections end", 10)  # 3 s on a machine that is not busy

    def subscriber(self, key, *topics):
        """A plain SUB, of any program. It is connected again by libzmq as often as it is cut."""
        s = zmq.Context.instance().socket(zmq.SUB)
        s.linger = 0
        if key:
            key.use(s)
        s.connect(self.system.tcp_events if key else self.system.events)
        for topic in topics:
            s.subscribe(topic)
        self.addCleanup(s.close)
        return s

    def hears(self, s, seconds=0):
        """Topics of what has come, and comes in the next time, without heads. What `emit` writes comes within a second, a little more
        on a busy machine."""
        found = set()
        deadline = time.monotonic() + seconds
        while s.poll(max(0, (deadline - time.monotonic()) * 1000)):
            topic, body = s.recv_multipart()
            self.assertTrue(topic.endswith(pb.Event.FromString(body).project.encode() + b"/"))
            if b"/head/" not in topic:
                found.add(topic.decode())
        return found

    def listening(self, *subscribers):
        """Until each hears something: heads come each second."""
        for s in subscribers:
            wait_for(lambda s=s: self.emit(3) or s.poll(300), "it hears something")

    def topics(self, *projects):
        return {f"deployment/state/{project}/" for project in projects}

    def test_who_hears_what(self):
        a, b, c = self.projects
        _, admin = self.person(admin=True)
        readers, reader = self.person(a, b)
        deployers, deployer = self.person(c, role="Deployer")  # who may not read
        every = self.subscriber(admin, b"")
        all_mine = self.subscriber(reader, b"deployment/state/", b"deployment/head/")
        one = self.subscriber(reader, f"deployment/state/{a}/".encode())
        others = self.subscriber(reader, f"deployment/state/{c}/".encode(), b"deployment/", b"", b"deployment/state/website:who_hears_what2",
                                 f"deployment/head/{c}/".encode())
        part = self.subscriber(reader, f"deployment/state/{b[:-2]}".encode())
        unreadable = self.subscriber(deployer, b"deployment/state/", f"deployment/state/{c}/".encode())
        self.listening(every, all_mine, one, part)
        self.hears(every), self.hears(all_mine), self.hears(one), self.hears(part)
        self.emit(6)
        self.assertEqual(self.hears(every, 2), self.topics(a, b, c))
        self.assertEqual(self.hears(all_mine), self.topics(a, b))
        self.assertEqual(self.hears(one), self.topics(a))
        self.assertEqual(self.hears(part), self.topics(a, b))
        self.assertEqual(self.hears(others), set())
        self.assertEqual(self.hears(unreadable), set())
        refused = [line for line in self.system.processes["broker"].output().splitlines() if '"subscription refused"' in line]
        for email, topic in ((readers, f"deployment/state/{c}/"), (readers, '""'), (deployers, "deployment/state/"),
                             (deployers, f"deployment/state/{c}/")):
            self.assertTrue([line for line in refused if f"user={email} topic={topic} " in line], f"{email} {topic}\n" + "\n".join(refused))
        self.assertFalse([line for line in refused if a in line or b in line])

    def test_overlap(self):
        """To give up one of two overlapping subscriptions leaves the other."""
        a = self.projects[0]
        _, reader = self.person(a)
        s = self.subscriber(reader, b"deployment/state/", f"deployment/state/{a}/".encode())
        self.listening(s)
        s.unsubscribe(f"deployment/state/{a}/".encode())
        for _ in range(3):
            self.hears(s, 0.3)
            self.emit(3)
            self.assertEqual(self.hears(s, 2), self.topics(a))
        s.unsubscribe(b"deployment/state/")
        self.hears(s, 0.5)
        self.emit(3)
        self.assertEqual(self.hears(s, 0.5), set())

    def test_right_taken_away(self):
        """The flow of one project ends within 3 s, that of another goes on; and so it begins with a new right."""
        a, b, c = self.projects
        email, reader = self.person(a, b)
        s = self.subscriber(reader, b"deployment/state/")
        self.listening(s)
        with self.ending():
            self.sql(f"DELETE FROM users.access_right WHERE project = '{a}' AND \"user\" = '{email}'")
        self.listening(s)
        self.hears(s)
        self.emit(6)
        self.assertEqual(self.hears(s, 2), self.topics(b))
        self.sql(f"INSERT INTO users.access_right VALUES ('{c}', '{email}', 'Reader')")
        wait_for(lambda: self.emit(6) or self.hears(s, 0.3) == self.topics(b, c), "it hears the new project")

    def test_refused(self):
        """Keys that are revoked, users who are not active, strangers: their connections end."""
        a = self.projects[0]
        email, revoked = self.person(a)
        idle, inactive = self.person(a)
        stranger = self.system.key(f"stranger{self.name}.key")
        heard = [self.subscriber(key, b"deployment/state/") for key in (revoked, inactive)]
        deaf = self.subscriber(stranger, b"deployment/state/", b"")
        self.listening(*heard)
        with self.ending(2):
            self.sql(f"UPDATE users.key SET revoked_at = now() WHERE \"user\" = '{email}'")
            self.sql(f"UPDATE users.\"user\" SET active = false WHERE email = '{idle}'")
        for s in heard:
            self.hears(s)
        self.emit(6)
        for s in (*heard, deaf):
            self.assertEqual(self.hears(s, 0.5), set())

    def test_local_user(self):
        """On ipc it is the uid that counts."""
        a, b, _ = self.projects
        self.sql(f"INSERT INTO users.access_right VALUES ('{a}', 'local@x.org', 'Reader')")
        s = self.subscriber(None, b"deployment/state/")
        self.listening(s)
        self.hears(s)
        self.emit(6)
        self.assertEqual(self.hears(s, 2), self.topics(a))

    def test_watch(self):
        """The client library: the flow ends, and says why where nothing is left."""
        a, b, c = self.projects
        email, reader = self.person(a, b)
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_EVENTS": self.system.tcp_events, "SITEWIRE_KEY": reader.path}
        watch = self.watch("--after", "0", env=env)
        self.assertEqual(self.system.cli("watch", "--project", c, env=env).returncode, NOT_FOUND)
        self.emit(9)
        self.assertEqual(set(self.check(watch.wait(6))), {a, b})
        with self.ending():
            self.sql(f"DELETE FROM users.access_right WHERE project = '{a}' AND \"user\" = '{email}'")
        self.emit(9)
        events = watch.wait(9)
        self.assertEqual({event["project"] for event in events[6:]}, {b})
        self.sql(f"INSERT INTO users.access_right VALUES ('{c}', '{email}', 'Reader')")
        wait_for(lambda: self.emit(3) or any(event["project"] == c for event in watch.events()), "the new project")
        self.sql(f"DELETE FROM users.access_right WHERE \"user\" = '{email}'")
        wait_for(lambda: not watch.process.running(), "the watch ends", 60)
        self.assertEqual(watch.process.popen.returncode, PERMISSION_DENIED, watch.process.output())
        self.assertEqual([event for event in watch.events() if event["project"] not in self.projects], [])

    def test_user_service_away(self):
        """A verdict outlasts it for a while; who is not known waits, and comes in when it is back."""
        a = self.projects[0]
        _, known = self.person(a)
        _, late = self.person(a)
        s = self.subscriber(known, b"deployment/state/")
        self.listening(s)
        self.system.kill("user-0")
        waiting = self.subscriber(late, b"deployment/state/")
        self.hears(s, 0.5)
        self.emit(3)
        self.assertEqual(self.hears(s, 2), self.topics(a))
        self.assertEqual(self.hears(waiting), set())
        self.system.start_service("user-0")
        self.listening(waiting)


if __name__ == "__main__":
    unittest.main()
