#!/usr/bin/env python3
"""Nobody exhausts the broker: what peers send on any of its sockets, without a key, with an unknown
one and with a known one, costs it bounded memory and connections, and others are served
meanwhile."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from attacked import ADMIN, ECHO, MIB, Attacked, raise_descriptor_limit  # noqa: E402
from mdp import OK  # noqa: E402
from raw_zmtp import MORE, Closed, RawPeer  # noqa: E402
from sitewire_test import wait_for  # noqa: E402
import zmq  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

KINDS = {"frontend": "DEALER", "backend": "DEALER", "events": "SUB", "publish": "PUB"}
BOUND = 64  # MiB for everybody without a good verdict together, and for a known key
SLACK = 12  # MiB: the broker's own work, and what malloc keeps
STEPS = ("nothing", "greeting", "hello", "initiate")


def begin(peer, kind, steps):
    """Goes so many steps into a handshake with CURVE, and stops."""
    if steps > 0:
        peer.greet()
    if steps > 1:
        peer.hello()
        peer.welcome()
    if steps > 2:
        peer.send(peer.initiate(kind))
    return peer


def flood(peer, frames=400, size=5 * MIB):
    """One message of many large frames, until the broker ends the connection."""
    body = bytes(MIB)
    try:
        for _ in range(frames):
            peer.promise(size, MORE)
            for _ in range(size // MIB):
                peer.send(body)
        return False
    except Closed:
        return True


def as_nobody(function):
    """Runs it in a process of the uid 65534; returns its exit status: 0 if it returned True."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setuid(65534)
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Base(unittest.TestCase):
    options, descriptors = (), 4096

    def setUp(self):
        raise_descriptor_limit()
        self.began = time.monotonic()
        self.broker = Attacked(*self.options, descriptors=self.descriptors)
        self.addCleanup(self.broker.close)
        self.peers = []
        self.addCleanup(lambda: [peer.close() for peer in self.peers])
        self.ann = self.broker.key("ann@a.example")
        for key in (None, self.ann):
            self.assertEqual(self.broker.call(key), OK)
        self.before = self.broker.memory()

    def tearDown(self):
        self.assertIsNone(self.broker.process.poll(), "the broker lives: " + self.broker.lines()[-2000:])

    def peer(self, side, key=None, source=""):
        """Over tcp with a key, over ipc without one."""
        self.peers.append(RawPeer((self.broker.tcp if key else self.broker.ipc)[side], key, source))
        return self.peers[-1]

    def leave(self):
        while self.peers:
            self.peers.pop().close()

    def check_memory(self, bound=BOUND):
        grown = self.broker.memory() - self.before
        print(f"{self.id().rpartition('.')[2]}: at most {grown:.1f} MiB more, {time.monotonic() - self.began:.1f} s", file=sys.stderr)
        self.assertLessEqual(grown, bound + SLACK)

    def check_others(self):
        """People on tcp and ipc are served, and a new service registers."""
        for key in (None, self.ann):
            self.assertEqual(self.broker.call(key), OK)
        worker = self.broker.worker(instance="late-" + os.urandom(4).hex(), services=("test.v1.Late",))
        wait_for(lambda: f"instance={worker.instance}" in self.broker.lines(), "a new service is registered")
        worker.socket.close()

    def count_closed(self, peers):
        return sum(peer.is_closed() for peer in peers)


class Strangers(Base):
    """No key, an unknown key, or a uid that is nobody."""

    def test_messages(self):
        """400 frames of 5 MiB at each step of a handshake, on each socket, took a broker on libzmq
        to 2,010 MiB."""
        for side, kind in KINDS.items():
            for steps in range(len(STEPS)):
                for _ in range(10):
                    peer = begin(self.peer(side, self.broker.key()), kind, steps)
                    self.assertTrue(flood(peer), f"{side} after {STEPS[steps]}")
        self.check_others()
        self.check_memory()

    def test_messages_to_a_side_without_keys(self):
        """On ipc there is no key to be unknown: the uid says who it is."""
        for side in KINDS:
            for greeted in (False, True):
                peer = self.peer(side)
                if greeted:
                    peer.greet()
                self.assertTrue(flood(peer), side)
        self.check_memory()

    @unittest.skipIf(os.geteuid() != 0, "needs another uid")
    def test_a_uid_that_is_nobody(self):
        """It comes in, to be given the reason; what it sends is bounded all the more."""
        for side in ("frontend", "events"):
            os.chmod(self.broker.ipc[side][6:], 0o777)
        os.chmod(self.broker.folder.name, 0o755)

        def attack():
            many = [self.peer("frontend").shake("DEALER") for _ in range(320)]
            for peer in many[:300]:
                peer.promise(60000)
                peer.send(bytes(59999))
            return all(flood(peer) for peer in many[300:])
        self.assertEqual(as_nobody(attack), 0)
        self.check_others()
        self.check_memory()

    def test_logs(self):
        """1,000 connections that send garbage wrote 943 lines."""
        start, size = time.monotonic(), len(self.broker.lines())
        for _ in range(250):
            for side in KINDS:
                peer = self.peer(side, self.broker.key())
                peer.send(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
        wait_for(lambda: self.count_closed(self.peers) == len(self.peers), "all are closed")
        wait_for(lambda: self.broker.counter("handshakes_failed") >= 1000, "all are counted")
        lines = self.broker.lines()[size:].splitlines()
        self.assertLessEqual(len(lines), 20 + 12 * (time.monotonic() - start))
        self.assertTrue(any("handshakes failed" in line for line in lines))


class Crowd(Base):
    """More connections than the system gives the broker descriptors."""

    descriptors = 1200

    def test_half_open_handshakes(self):
        """From many addresses, at each step. Then all of them finish, too late."""
        for number in range(1500):
            side = list(KINDS)[number % 4]
            begin(self.peer(side, self.broker.key(), f"127.0.2.{1 + number % 50}"), KINDS[side], number // 4 % 3)
            if number % 300 == 299:
                self.check_others()
        self.check_others()
        self.check_memory()

    def test_silent_strangers(self):
        """They finish the handshake with unknown keys, and say nothing: none stays."""
        before = self.broker.descriptors()
        for number in range(1200):
            side = list(KINDS)[number % 4]
            begin(self.peer(side, self.broker.key(), f"127.0.2.{1 + number % 50}"), KINDS[side], 3)
            if number % 300 == 299:
                self.check_others()
        wait_for(lambda: self.count_closed(self.peers) == len(self.peers), "all are refused")
        wait_for(lambda: self.broker.descriptors() <= before + 5, "their descriptors are free")
        self.check_memory()

    def test_silent_users(self):
        """One known key from many addresses: it may have 256 connections. Others are served, also
        while everybody's tcp connections are used up by several keys."""
        up = 0
        for number in range(300):
            try:
                self.peer("frontend", self.ann, f"127.0.2.{1 + number % 50}").shake("DEALER")
                up += 1
            except Closed:
                pass
        self.assertEqual(up, 256)
        self.assertEqual(self.broker.call(self.broker.key("bob@a.example")), OK)
        for number in range(900):
            try:
                key = self.broker.key(f"user-{number % 10}@a.example")
                self.peer("frontend", key, f"127.0.2.{1 + number % 50}").shake("DEALER")
            except (Closed, OSError):
                pass
        self.assertEqual(self.broker.call(), OK)  # an admin on ipc
        worker = self.broker.worker(instance="late", services=("test.v1.Late",))
        wait_for(lambda: "instance=late" in self.broker.lines(), "a new service is registered")
        worker.socket.close()
        self.leave()
        wait_for(lambda: self.broker.call(self.ann) == OK, "there is room again")
        self.check_memory()


class Limits(Base):
    """The options that bound connections."""

    options = ("--key-connections", "5", "--address-connections", "20", "--trusted-addresses", "127.0.0.2,127.0.3.0/24")

    def test_connections_of_a_key(self):
        bob = self.broker.key("bob@a.example")
        for key in (self.ann, bob):
            for number in range(5):
                self.peer("frontend", key).shake("DEALER")
            with self.assertRaises(Closed):
                self.peer("frontend", key).shake("DEALER")
        self.peers.pop(0).close()
        wait_for(lambda: self.comes_in(self.ann), "there is room again")
        wait_for(lambda: "--key-connections" in self.broker.lines(), "it is logged")

    def comes_in(self, key):
        try:
            return self.peer("frontend", key).shake("DEALER")
        except Closed:
            return None

    def open_from(self, source):
        """How many of 30 connections stay."""
        peers = [self.peer("frontend", self.ann, source) for _ in range(30)]
        up = 0
        for peer in peers:
            try:
                peer.greet()
                up += 1
            except (Closed, OSError):
                pass
        return up

    def test_connections_of_an_address(self):
        self.assertEqual(self.open_from("127.0.0.9"), 20)
        self.assertEqual(self.open_from("127.0.0.10"), 20)  # another one has its own bound
        wait_for(lambda: "--address-connections" in self.broker.lines(), "it is logged")
        self.assertEqual(self.open_from("127.0.0.2"), 30)
        self.assertEqual(self.open_from("127.0.3.77"), 30)


class Known(Base):
    """A known key costs at most 64 MiB beyond its admitted calls."""

    def test_one_long_message(self):
        """400 frames of 5 MiB, well encrypted: the connection ends at --message-bytes."""
        for _ in range(3):
            peer, sent = self.peer("frontend", self.ann).shake("DEALER"), 0
            with self.assertRaises(Closed):
                for _ in range(400):
                    peer.message_part(bytes(5 * MIB))
                    sent += 5
            self.assertLess(sent, 100)  # MiB, with what the kernel holds
        self.check_others()
        self.check_memory()

    def hold(self, side, key, count=40, size=8 * MIB):
        """All of a message but its last byte, on many connections. Returns how many stay."""
        peers = [self.peer(side, key).shake(KINDS[side]) for _ in range(count)]
        for peer in peers:
            try:
                peer.promise(size)
                peer.send(bytes(size - 1))
            except Closed:
                pass
        wait_for(lambda: count - self.count_closed(peers) <= BOUND * MIB // size, "the others are closed")
        return count - self.count_closed(peers)

    def test_half_messages(self):
        for _ in range(3):  # the memory is used again
            self.assertEqual(self.hold("frontend", self.ann), 8)
            self.assertEqual(self.broker.call(self.broker.key("bob@a.example")), OK)
            self.leave()
        self.check_others()
        self.check_memory()

    def test_half_messages_on_ipc(self):
        self.assertEqual(self.hold("frontend", None), 8)
        self.assertEqual(self.broker.call(self.ann), OK)
        self.check_memory()

    def test_half_messages_of_services(self):
        """On both sides for services; the same key at the frontend is another's."""
        key = self.broker.service_key()
        for side in ("backend", "publish"):
            self.assertEqual(self.hold(side, key), 8)
            self.leave()
        self.assertEqual(self.hold("backend", None), 8)
        self.check_others()
        self.check_memory()

    def test_refusals_that_nobody_reads(self):
        """A service key that may not offer the name asks again and again, and reads nothing."""
        peer = self.peer("backend", self.broker.service_key("test.Other")).shake("DEALER")
        hello = rpc_pb2.WorkerHello(instance="x", capacity=1, services=["sitewire.user.v1.Users"]).SerializeToString()
        with self.assertRaises(Closed):
            for _ in range(200000):
                peer.message([b"MDPW02", b"\x01", b"sitewire.user.v1.Users", hello])
        self.check_others()
        self.check_memory(16)

    def test_replies_that_nobody_reads(self):
        """Of 200 calls each reply has 1 MiB; the client reads none."""
        peers = [self.peer("frontend", self.ann).shake("DEALER") for _ in range(4)]
        served = self.broker.server.served
        for number in range(200):
            header = rpc_pb2.CallHeader(method=f"/{ECHO}/Get", call_id=number + 1, time_left_ms=60000)
            try:
                peers[number % 4].message([b"MDPC02", b"\x01", ECHO.encode(), header.SerializeToString(), str(MIB).encode()])
            except Closed:
                pass
        wait_for(lambda: self.broker.server.served > served + 60 and
                 (self.broker.server.served == served + 200 or self.count_closed(peers) > 0), "they are served or closed", 120)
        self.check_others()
        self.check_memory(BOUND + 16)  # replies on their way from the service

    def test_events_that_nobody_reads(self):
        """40 subscribers of one user, and 100 events of 1 MiB; they miss what does not fit."""
        for _ in range(40):
            peer = self.peer("events", self.broker.key(ADMIN)) if not self.peers else self.peer("events", self.peers[0].key)
            peer.shake("SUB").subscribe([b"a/b/"])
        publisher = self.broker.socket(self.broker.publish, zmq.PUB)
        reader = self.broker.socket(self.broker.events, zmq.SUB)
        reader.subscribe(b"a/c/")
        wait_for(lambda: publisher.send_multipart([b"a/c/x/", b"are you there?"]) or reader.poll(50), "events are passed on")
        for number in range(100):
            publisher.send_multipart([b"a/b/x/", bytes(MIB)])
            publisher.send_multipart([b"a/c/x/", b"%d" % number])
        wait_for(lambda: reader.poll(60000) and reader.recv_multipart()[1] == b"99", "the others hear all")
        publisher.close()
        reader.close()
        self.check_others()
        self.check_memory()


class Subscriptions(Base):
    """Subscriptions of one user, and of many who leave at once."""

    @staticmethod
    def topics(user, count):
        return [b"deployment/state/website:%03d-%06d/" % (user, number) for number in range(count)]

    def test_one_user(self):
        """20 connections with 8,192 subscriptions each took a broker on libzmq to 584 MB."""
        for _ in range(20):
            try:
                peer = self.peer("events", self.ann).shake("SUB")
                topics = self.topics(len(self.peers), 8192)
                for at in range(0, len(topics), 256):
                    peer.subscribe(topics[at:at + 256])
            except Closed:
                pass
        wait_for(lambda: self.count_closed(self.peers) == 20, "each goes beyond the bound")
        self.check_others()
        self.check_memory(0)

    def subscribe(self, key, topics):
        """By libzmq, which answers pings; RawPeer does not, and would be lost for that."""
        self.peers.append(self.broker.context.socket(zmq.SUB))
        self.peers[-1].linger = self.peers[-1].sndhwm = 0  # no bound of its own
        key.use(self.peers[-1])
        self.peers[-1].connect(self.broker.tcp["events"])
        for topic in topics:
            self.peers[-1].subscribe(topic)

    def slowest(self, call, until, least=200):
        """Calls one after the other until the condition holds: the slowest, in ms, and how many."""
        slowest, count, over = 0.0, 0, False
        while not over or count < least:
            start = time.monotonic()
            self.assertEqual(call.code(f"{ECHO}/Get", time_left_ms=60000), OK)
            slowest, count = max(slowest, (time.monotonic() - start) * 1000), count + 1
            over = over or until()
        return slowest, count

    def test_hundred_users_who_leave_at_once(self):
        """Calls go on while everything that 100 users had is removed, and the memory is used
        again. With libzmq one call took 16.85 s."""
        each, call, rounds = 655360 // (160 + len(self.topics(0, 1)[0])), self.broker.client(), []
        for _ in range(2):
            for user in range(100):
                self.subscribe(self.broker.key(f"user-{user}@a.example"), self.topics(user, each))
            wait_for(lambda: self.broker.counter("subscriptions") == 100 * each, "all are there", 120)
            before = self.slowest(call, lambda: True)
            self.leave()
            during = self.slowest(call, lambda: self.broker.counter("subscriptions") == 0)
            rounds.append(self.broker.memory())
            print(f"slowest call: {before[0]:.1f} ms before, {during[0]:.1f} ms of {during[1]} while they left", file=sys.stderr)
            self.assertLess(during[0], 1000 + 10 * before[0])
        self.assertLess(rounds[1], rounds[0] + 4)  # it is used again
        self.check_memory(BOUND)


if __name__ == "__main__":
    unittest.main()
