#!/usr/bin/env python3
"""Events are heard by those who may read them."""
import contextlib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import wait_for  # noqa: E402
from watch_test import WatchTest  # noqa: E402
import zmq  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2 as pb  # noqa: E402

PERMISSION_DENIED, NOT_FOUND = 7, 5


class Rights(WatchTest):
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
        """What is done here ends connections of subscribers: within the 2 s that docs/protocol.md
        states, longer on a busy machine."""
        before = self.system.counter("subscribers_cut_tcp")
        yield
        wait_for(lambda: self.system.counter("subscribers_cut_tcp") >= before + connections, "the connections end")

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
        """Topics of what has come, and comes in the next time, without heads. What `emit` writes
        comes within a second, a little more on a busy machine."""
        found = set()
        deadline = time.monotonic() + seconds
        while s.poll(max(0, (deadline - time.monotonic()) * 1000)):
            topic, body = s.recv_multipart()
            self.assertTrue(topic.endswith(pb.Event.FromString(body).project.encode() + b"/"))
            if b"/head/" not in topic:
                found.add(topic.decode())
        return found

    def expect(self, s, topics):
        """Waits until events of all these topics have come, and then a moment for any others."""
        found = set()
        wait_for(lambda: found.update(self.hears(s, 0.1)) or found >= topics, f"all of {topics}")
        self.assertEqual(found | self.hears(s, 0.3), topics)

    def listening(self, *subscribers):
        """Until each hears something: heads come each second."""
        for s in subscribers:
            wait_for(lambda s=s: self.emit(3) or s.poll(300), "it hears something")

    def topics(self, *projects):
        return {f"deployment/state/{project}/" for project in projects}

    def test_grants(self):
        """A grant on everything hears all projects; one on an organization, those of it."""
        a, b, c = self.projects
        code = os.urandom(4).hex()
        everything, organization = self.person(), self.person()
        self.system.sql(f"""
            UPDATE referential.website SET organization = 'Acme' WHERE 'website:' || code IN ('{a}', '{b}');
            INSERT INTO users."grant" (code, role, "user", everything) VALUES ('e{code}', 'Reader', '{everything[0]}', true);
            INSERT INTO users."grant" (code, role, "user", organization)
                VALUES ('o{code}', 'Reader', '{organization[0]}', 'Acme')""")
        hearers = [self.subscriber(key, b"deployment/state/") for _, key in (everything, organization)]
        self.listening(*hearers)
        self.emit(3)
        self.expect(hearers[0], self.topics(a, b, c))
        self.expect(hearers[1], self.topics(a, b))

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
        self.expect(every, self.topics(a, b, c))
        self.expect(all_mine, self.topics(a, b))
        self.expect(one, self.topics(a))
        self.expect(part, self.topics(a, b))
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
            self.expect(s, self.topics(a))
        s.unsubscribe(b"deployment/state/")
        self.hears(s, 0.5)
        self.emit(3)
        self.assertEqual(self.hears(s, 0.5), set())

    def test_right_taken_away(self):
        """The flow of one project ends within 3 s, that of another goes on; and so it begins with a
        new right."""
        a, b, c = self.projects
        email, reader = self.person(a, b)
        s = self.subscriber(reader, b"deployment/state/")
        self.listening(s)
        with self.ending():
            self.sql(f"DELETE FROM users.access_right WHERE project = '{a}' AND \"user\" = '{email}'")
        wait_for(lambda: self.emit(6) or self.hears(s, 0.3) == self.topics(b), "it is connected again, and hears the other project")
        self.emit(6)
        self.expect(s, self.topics(b))
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
        events, cut = (self.system.counter(name) for name in ("events", "subscribers_cut_ipc"))
        self.emit(6)
        self.expect(s, self.topics(a))
        self.assertGreater(self.system.counter("events"), events)
        self.sql(f"INSERT INTO users.access_right VALUES ('{b}', 'local@x.org', 'Reader')")  # connects again for new rights
        wait_for(lambda: self.system.counter("subscribers_cut_ipc") > cut, "its connection ends")

    def test_watch(self):
        """The client library: the flow ends, and says why where nothing is left."""
        a, b, c = self.projects
        email, reader = self.person(a, b)
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_EVENTS": self.system.tcp_events, "SITEWIRE_KEY": reader.path}
        watch = self.watch("--after", "0", env=env)
        self.assertEqual(self.system.cli("watch", "--project", c, env=env).returncode, NOT_FOUND)
        self.emit(9)
        self.assertEqual(set(self.check(watch.wait(6))), {a, b})
        # Its connection is cut, or was not there yet: what the watch has may come from the list of
        # events.
        before, late = self.system.counter("subscribers_cut_tcp"), time.monotonic() + 6
        self.sql(f"DELETE FROM users.access_right WHERE project = '{a}' AND \"user\" = '{email}'")
        wait_for(lambda: self.system.counter("subscribers_cut_tcp") > before or time.monotonic() > late, "the right is gone")
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
        """A verdict outlasts it for a while; who is not known waits, and comes in when it is
        back."""
        a = self.projects[0]
        _, known = self.person(a)
        _, late = self.person(a)
        s = self.subscriber(known, b"deployment/state/")
        self.listening(s)
        self.system.kill("user-0")
        waiting = self.subscriber(late, b"deployment/state/")
        self.hears(s, 0.5)
        self.emit(3)
        self.expect(s, self.topics(a))
        self.assertEqual(self.hears(waiting), set())
        self.system.start_service("user-0")
        self.listening(waiting)

del WatchTest

if __name__ == "__main__":
    unittest.main()
