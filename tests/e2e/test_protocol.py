"""The protocol byte by byte: plain MDP strangers, RPC in both framings, loss, bounds and malformed messages, against
the real broker. Clients and workers are played with pyzmq, from docs/protocol.md."""
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import zmq  # noqa: E402
from sitewire_test import BIN, free_port, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

ECHO = "test.v1.Echo"
HEALTH = "sitewire.rpc.v1.Health"
OK, CANCELLED, INVALID, DEADLINE, NOT_FOUND, EXISTS, EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 0, 1, 3, 4, 5, 6, 8, 12, 14
UNAUTHENTICATED = 16
PATIENCE = 10000  # milliseconds for what must come
REQUEST, PARTIAL, FINAL, CANCEL, CREDIT = 1, 2, 3, 4, 5


class Broker:
    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="sw")
        self.front, self.back, self.events, self.publish = (
            f"ipc://{self.folder.name}/{name}" for name in ("f", "b", "e", "p"))
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        self.context = zmq.Context()
        self.start(*options)

    def start(self, *options):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "sitewire-broker"), "--frontend", self.front, "--backend", self.back, "--events",
             self.events, "--publish", self.publish, "--grace", "0", "--caller", "admin@localhost", *options],
            stderr=self.log)
        wait_for(lambda: os.path.exists(self.front[6:]) or self.process.poll(), "the broker starts")

    def socket(self, endpoint, kind=zmq.DEALER, identity=None):
        s = self.context.socket(kind)
        s.linger = 0
        if identity:
            s.setsockopt(zmq.IDENTITY, identity)
        s.connect(endpoint)
        return s

    def client(self):
        return Client(self.socket(self.front))

    def worker(self, **hello):
        return Worker(self.socket(self.back), **hello)

    def stats(self):
        header, payload = self.client().call("sitewire.rpc.v1.Stats/GetStats")
        assert header.code == OK, header
        return rpc_pb2.GetStatsResponse.FromString(payload)

    def counter(self, name):
        return {c.name: c.value for c in self.stats().counters}[name]

    def lines(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.context.destroy(0)
        self.log.close()
        self.folder.cleanup()


def recv(socket, patience=PATIENCE):
    if not socket.poll(patience):
        raise AssertionError("nothing came")
    return socket.recv_multipart()


def compact(command, tag, header=b"", handover=b"", payload=b"", follows=False):
    frame = struct.pack(">2sBBIIIQ", b"SW", 1, command, len(header), len(handover), int(follows), tag)
    frame += header + handover
    return [frame, payload] if follows else [frame + payload]


def parse(frames):
    """(command, tag, header, handover, payload) of a compact message."""
    magic, version, command, h, o, flags, tag = struct.unpack(">2sBBIIIQ", frames[0][:24])
    assert (magic, version) == (b"SW", 1), frames
    rest = frames[0][24:]
    assert bool(flags & 1) == (len(frames) == 2)
    return command, tag, rest[:h], rest[h:h + o], frames[1] if flags & 1 else rest[h + o:]


class Client:
    def __init__(self, socket):
        self.socket, self.last_id = socket, 0

    def header(self, method, call_id=None, **fields):
        self.last_id += 1
        return rpc_pb2.CallHeader(method="/" + method, call_id=self.last_id if call_id is None else call_id,
                                  **{"time_left_ms": 10000, **fields})

    def send(self, method, payload=b"", service=None, **fields):
        header = self.header(method, **fields)
        self.socket.send_multipart([b"MDPC02", b"\x01", (service or method.split("/")[0]).encode(),
                                    header.SerializeToString(), payload])
        return header.call_id

    def send_compact(self, method, payload=b"", follows=False, tag=None, **fields):
        header = self.header(method, call_id=tag, **fields)
        self.socket.send_multipart(compact(REQUEST, header.call_id, header.SerializeToString(), b"", payload, follows))
        return header.call_id

    def command(self, command, call_id, credit=0):
        header = rpc_pb2.CallHeader(call_id=call_id, credit=credit).SerializeToString()
        self.socket.send_multipart([b"MDPC02", bytes([command]), b"x", header])

    def recv(self, command=b"\x03", patience=PATIENCE):
        frames = recv(self.socket, patience)
        assert frames[0] == b"MDPC02" and frames[1] == command and len(frames) == 5, frames
        return rpc_pb2.ReplyHeader.FromString(frames[3]), frames[4]

    def recv_compact(self, command=FINAL, patience=PATIENCE):
        got, tag, header, handover, payload = parse(recv(self.socket, patience))
        assert got == command and not handover, got
        return tag, rpc_pb2.ReplyHeader.FromString(header), payload

    def call(self, method, payload=b"", **fields):
        self.send(method, payload, **fields)
        return self.recv()

    def code(self, *arguments, **fields):
        return self.call(*arguments, **fields)[0].code


def may_have_run(header):
    return [d.execution.may_have_run for d in header.details if d.HasField("execution")]


class Worker:
    """An RPC worker that answers heartbeats when it is asked to receive."""

    def __init__(self, socket, instance="w1", services=(ECHO,), capacity=10, framing="mdp", version="1.0.0"):
        self.socket, self.framing = socket, framing
        self.instance, self.services, self.version = instance, services, version
        self.ready(capacity)

    def ready(self, capacity):
        hello = rpc_pb2.WorkerHello(instance=self.instance, version=self.version, services=self.services,
                                    capacity=capacity, compact=self.framing == "compact")
        self.socket.send_multipart([b"MDPW02", b"\x01", self.services[0].encode(), hello.SerializeToString()])

    def heartbeat(self):
        self.socket.send_multipart([b"MDPW02", b"\x05"])

    def raw(self, patience=PATIENCE):
        """The next message that is no HEARTBEAT; heartbeats go out meanwhile."""
        end = time.monotonic() + patience / 1000
        while time.monotonic() < end:
            if not self.socket.poll(200):
                self.heartbeat()
                continue
            frames = self.socket.recv_multipart()
            if frames != [b"MDPW02", b"\x05"]:
                return frames
        raise AssertionError("nothing came")

    def recv(self, patience=PATIENCE):
        """(address or tag, CallHeader, payload, Handover) of a REQUEST."""
        frames = self.raw(patience)
        if self.framing == "compact":
            command, tag, header, handover, payload = parse(frames)
            assert command == REQUEST, command
        else:
            assert frames[:2] == [b"MDPW02", b"\x02"] and frames[3] == b"" and len(frames) == 7, frames
            tag, header, payload, handover = frames[2], frames[4], frames[5], frames[6]
        return tag, rpc_pb2.CallHeader.FromString(header), payload, rpc_pb2.Handover.FromString(handover)

    def reply(self, tag, call_id, payload=b"", final=True, **header):
        data = rpc_pb2.ReplyHeader(call_id=call_id, **header).SerializeToString()
        if self.framing == "compact":
            self.socket.send_multipart(compact(FINAL if final else PARTIAL, tag, data, b"", payload, len(payload) > 8192))
        else:
            self.socket.send_multipart([b"MDPW02", b"\x04" if final else b"\x03", tag, b"", data, payload])

    def serve(self):
        tag, header, payload, handover = self.recv()
        self.reply(tag, header.call_id, payload)
        return header, handover


class Base(unittest.TestCase):
    options = ()

    def setUp(self):
        self.broker = Broker(*self.options)
        self.addCleanup(self.broker.close)

    def tearDown(self):
        self.assertIsNone(self.broker.process.poll(), "the broker lives: " + self.broker.lines()[-2000:])

    def serving(self, service=ECHO, count=1):
        client = self.broker.client()

        def answered():
            client.socket.send_multipart([b"MDPC02", b"\x01", b"mmi.service", service.encode()])
            return recv(client.socket)[3] == (b"200" if count > 0 else b"404")
        wait_for(answered, f"{service} is served" if count > 0 else f"{service} is not served any more")
        if count > 1:
            wait_for(lambda: {s.service: s.instances for s in self.broker.stats().services}.get(service) == count,
                     f"{count} instances of {service}")


class Plain(Base):
    """MDP/0.2 as strangers speak it."""

    def plain_worker(self, service=b"echo"):
        worker = self.broker.socket(self.broker.back)
        worker.send_multipart([b"MDPW02", b"\x01", service])
        return worker

    def request(self, worker):
        while True:
            frames = recv(worker)
            if frames[1] != b"\x05":
                return frames

    def test_request_partial_final(self):
        worker, client = self.plain_worker(), self.broker.socket(self.broker.front)
        client.send_multipart([b"MDPC02", b"\x01", b"echo", b"one", b"", b"three"])
        frames = self.request(worker)
        self.assertEqual((frames[0], frames[1], frames[3]), (b"MDPW02", b"\x02", b""))
        self.assertEqual(frames[4:], [b"one", b"", b"three"])
        worker.send_multipart([b"MDPW02", b"\x03", frames[2], b"", b"part"])
        worker.send_multipart([b"MDPW02", b"\x04", frames[2], b"", b"end", b"more"])
        self.assertEqual(recv(client), [b"MDPC02", b"\x02", b"echo", b"part"])
        self.assertEqual(recv(client), [b"MDPC02", b"\x03", b"echo", b"end", b"more"])

    def test_request_waits_for_its_worker(self):
        client = self.broker.socket(self.broker.front)
        client.send_multipart([b"MDPC02", b"\x01", b"later", b"x"])
        wait_for(lambda: self.broker.counter("calls") > 0, "the request is there")
        self.assertEqual(self.request(self.plain_worker(b"later"))[4:], [b"x"])

    def test_one_at_a_time(self):
        worker, client = self.plain_worker(), self.broker.socket(self.broker.front)
        for i in range(3):
            client.send_multipart([b"MDPC02", b"\x01", b"echo", b"%d" % i])
        for i in range(3):
            frames = self.request(worker)
            self.assertEqual(frames[4], b"%d" % i)
            while worker.poll(50):
                self.assertEqual(worker.recv_multipart(), [b"MDPW02", b"\x05"])
            worker.send_multipart([b"MDPW02", b"\x04", frames[2], b"", b"r"])
        for i in range(3):
            recv(client)

    def test_management(self):
        client = self.broker.socket(self.broker.front)

        def ask(service, body):
            client.send_multipart([b"MDPC02", b"\x01", service, body])
            return recv(client)
        self.assertEqual(ask(b"mmi.service", b"echo"), [b"MDPC02", b"\x03", b"mmi.service", b"404"])
        worker = self.plain_worker()
        wait_for(lambda: ask(b"mmi.service", b"echo")[3] == b"200", "echo is known")
        self.assertEqual(ask(b"mmi.framing", b""), [b"MDPC02", b"\x03", b"mmi.framing", b"200", b"SW1"])
        self.assertEqual(ask(b"mmi.other", b"")[2:], [b"mmi.other", b"501"])
        worker.send_multipart([b"MDPW02", b"\x06"])
        wait_for(lambda: ask(b"mmi.service", b"echo")[3] == b"404", "echo is gone")

    def test_disconnects(self):
        for first in ([b"MDPW02", b"\x05"], [b"MDPW02", b"\x04", b"12345678", b"", b"x"], [b"MDPW02", b"\x01", b"mmi.x"],
                      [b"MDPW02", b"\x01", b"sitewire.rpc.v1.Health"], [b"MDPW02", b"\x01", b"@x"]):
            worker = self.broker.socket(self.broker.back)
            worker.send_multipart(first)
            self.assertEqual(recv(worker), [b"MDPW02", b"\x06"], first)

    def test_heartbeats_come(self):
        worker = self.plain_worker()
        self.assertEqual(recv(worker), [b"MDPW02", b"\x05"])

    def test_rpc_call_to_a_plain_worker(self):
        worker = self.plain_worker(ECHO.encode())
        self.serving()
        client = self.broker.client()
        call_id = client.send_compact(ECHO + "/Say", b"hello")
        frames = self.request(worker)
        self.assertEqual(rpc_pb2.CallHeader.FromString(frames[4]).method, "/" + ECHO + "/Say")
        self.assertEqual(frames[5:], [b"hello"])
        worker.send_multipart([b"MDPW02", b"\x04", frames[2], b"", rpc_pb2.ReplyHeader(call_id=call_id).SerializeToString(), b"hi"])
        self.assertEqual(client.recv_compact()[2], b"hi")
        call_id = client.send_compact(ECHO + "/Say", b"hello")
        worker.send_multipart([b"MDPW02", b"\x04", self.request(worker)[2], b"", b"nonsense"])
        tag, header, _ = client.recv_compact()
        self.assertEqual((tag, header.code), (call_id, 13))


class Rpc(Base):
    def test_both_framings_on_both_sides(self):
        for framing in ("mdp", "compact"):
            worker = self.broker.worker(instance=framing, framing=framing, services=("test.v1." + framing,))
            self.serving("test.v1." + framing)
            for size in (0, 10, 8192, 8193, 300000):
                payload = os.urandom(size)
                client = self.broker.client()
                method = f"test.v1.{framing}/Say"
                client.send(method, payload)
                header, handover = worker.serve()
                self.assertEqual(header.method, "/" + method)
                self.assertEqual(handover.caller, "admin@localhost")
                self.assertTrue(0 < handover.time_left_ms <= 10000)
                self.assertEqual(client.recv()[1], payload)
                call_id = client.send_compact(method, payload, follows=size > 8192)
                worker.serve()
                tag, header, got = client.recv_compact()
                self.assertEqual((tag, header.code, got), (call_id, OK, payload))

    def test_destinations(self):
        one, two = self.broker.worker(instance="one"), self.broker.worker(instance="two")
        self.serving(count=2)
        client = self.broker.client()
        for worker, name in ((one, "@one"), (two, "@two")):
            client.send(HEALTH + "/Check", service=name)
            self.assertEqual(worker.serve()[0].method, "/" + HEALTH + "/Check")
            client.recv()
            client.send_compact(HEALTH + "/Check", destination=name)
            worker.serve()
            client.recv_compact()
        self.assertEqual(client.code(HEALTH + "/Check", service="@nobody"), NOT_FOUND)
        self.assertEqual(client.code(HEALTH + "/Check"), OK)
        self.assertEqual(client.code("no.such.Service/X"), UNIMPLEMENTED)

    def test_least_loaded(self):
        small, large = self.broker.worker(instance="s", capacity=2), self.broker.worker(instance="l", capacity=6)
        self.serving(count=2)
        client = self.broker.client()
        for _ in range(8):
            client.send(ECHO + "/X")
        self.assertEqual(len([small.recv() for _ in range(2)]), 2)
        self.assertEqual(len([large.recv() for _ in range(6)]), 6)

    def test_bad_calls(self):
        worker = self.broker.worker()  # noqa: F841: it stays connected
        self.serving()
        client = self.broker.client()
        self.assertEqual(client.code(ECHO + "/X", call_id=0), INVALID)
        self.assertEqual(client.code("nomethod", service=ECHO), INVALID)
        client.socket.send_multipart([b"MDPC02", b"\x01", ECHO.encode(), b"one frame"])
        self.assertEqual(client.recv()[0].code, INVALID)
        client.socket.send_multipart(compact(REQUEST, 7, b"\xff\xff\xff"))
        self.assertEqual(client.recv_compact()[:1], (7,))
        client.send(ECHO + "/X", call_id=9)
        client.send(ECHO + "/X", call_id=9)
        self.assertEqual(client.recv()[0].code, EXISTS)

    def test_deadline(self):
        worker = self.broker.worker(capacity=1)
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X", time_left_ms=300)
        client.send(ECHO + "/X", time_left_ms=300)
        tag, header, _, handover = worker.recv()
        self.assertTrue(0 < handover.time_left_ms <= 300)
        first, second = client.recv()[0], client.recv()[0]
        self.assertEqual((first.code, may_have_run(first), first.call_id), (DEADLINE, [False], 2))
        self.assertEqual((second.code, may_have_run(second), second.call_id), (DEADLINE, [True], 1))
        self.assertGreaterEqual(first.timing.queue_us, 290000)
        self.assertEqual(worker.raw()[:2], [b"MDPW02", b"\x10"])
        worker.reply(tag, header.call_id)  # too late, and it makes room
        client.send(ECHO + "/X")
        self.assertEqual(worker.serve()[0].call_id, 3)
        self.assertEqual(client.recv()[0].call_id, 3)

    def test_cancel(self):
        worker = self.broker.worker(capacity=1)
        self.serving()
        client = self.broker.client()
        running, queued = client.send(ECHO + "/X"), client.send(ECHO + "/X")
        tag = worker.recv()[0]
        client.command(0x10, queued)
        header = client.recv()[0]
        self.assertEqual((header.code, header.call_id, may_have_run(header)), (CANCELLED, queued, [False]))
        client.command(0x10, running)
        self.assertEqual(worker.raw(), [b"MDPW02", b"\x10", tag, b""])
        worker.reply(tag, running, code=CANCELLED)
        self.assertEqual(client.recv()[0].code, CANCELLED)

    def test_stream_and_credit(self):
        for framing in ("mdp", "compact"):
            worker = self.broker.worker(instance=framing, framing=framing, services=("test.v1." + framing,))
            self.serving("test.v1." + framing)
            client = self.broker.client()
            call_id = client.send(f"test.v1.{framing}/Watch", credit=2)
            tag, header, _, _ = worker.recv()
            self.assertEqual(header.credit, 2)
            worker.reply(tag, call_id, b"1", final=False)
            worker.reply(tag, call_id, b"2", final=False)
            self.assertEqual([client.recv(b"\x02")[1] for _ in range(2)], [b"1", b"2"])
            client.command(0x11, call_id, credit=1)
            frames = worker.raw()
            if framing == "mdp":
                self.assertEqual(frames[:4], [b"MDPW02", b"\x11", tag, b""])
                granted = rpc_pb2.CallHeader.FromString(frames[4])
            else:
                command, route, granted, _, _ = parse(frames)
                self.assertEqual((command, route), (CREDIT, tag))
                granted = rpc_pb2.CallHeader.FromString(granted)
            self.assertEqual((granted.call_id, granted.credit), (call_id, 1))
            worker.reply(tag, call_id, b"3", final=False)
            worker.reply(tag, call_id, b"4", final=False)  # one too many
            self.assertEqual(client.recv(b"\x02")[1], b"3")
            self.assertEqual(client.recv()[0].code, EXHAUSTED)
            frames = worker.raw()
            self.assertEqual(frames[1] if framing == "mdp" else parse(frames)[0], b"\x10" if framing == "mdp" else CANCEL)

    def test_worker_connection_ends(self):
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X", time_left_ms=60000)
        worker.recv()
        began = time.monotonic()
        worker.socket.close()
        header = client.recv()[0]
        self.assertEqual((header.code, may_have_run(header)), (UNAVAILABLE, [True]))
        self.assertLess(time.monotonic() - began, 1.5, "sooner than heartbeats tell")

    def test_worker_is_killed(self):
        code = ("import sys; sys.path[:0] = %r; import test_protocol as t, zmq\n"
                "s = zmq.Context().socket(zmq.DEALER); s.connect(%r); w = t.Worker(s)\n"
                "w.recv(); print('got', flush=True); w.raw(60000)\n" % (sys.path[:2] + [os.path.dirname(os.path.abspath(__file__))], self.broker.back))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            self.serving()
            client = self.broker.client()
            client.send(ECHO + "/X", time_left_ms=60000)
            self.assertEqual(process.stdout.readline(), b"got\n")
            began = time.monotonic()
            process.kill()
            header = client.recv()[0]
            self.assertEqual((header.code, may_have_run(header)), (UNAVAILABLE, [True]))
            self.assertLess(time.monotonic() - began, 1.5)

    def test_silent_worker(self):
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X", time_left_ms=60000)
        worker.recv()  # and not a word more
        self.assertEqual(client.recv()[0].code, UNAVAILABLE)

    def test_worker_disconnects_and_restarts(self):
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X")
        worker.recv()
        worker.socket.send_multipart([b"MDPW02", b"\x06"])
        self.assertEqual(client.recv()[0].code, UNAVAILABLE)
        second = self.broker.worker()
        self.serving()
        client.send(ECHO + "/X")
        second.recv()
        self.broker.worker()  # of the same name: the one before is gone
        self.assertEqual(client.recv()[0].code, UNAVAILABLE)
        self.assertEqual(second.raw(), [b"MDPW02", b"\x06"])

    def test_no_live_worker(self):
        worker = self.broker.worker()
        self.serving()
        worker.socket.send_multipart([b"MDPW02", b"\x06"])
        self.serving(count=0)
        client = self.broker.client()
        header = client.call(ECHO + "/X", time_left_ms=200)[0]
        self.assertEqual((header.code, may_have_run(header)), (UNAVAILABLE, [False]))

    def test_client_ends(self):
        worker = self.broker.worker(capacity=1)
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X"), client.send(ECHO + "/X")
        tag, header, _, _ = worker.recv()
        wait_for(lambda: [s.queued for s in self.broker.stats().services if s.service == ECHO] == [1], "one waits")
        client.socket.close()
        self.assertEqual(worker.raw(), [b"MDPW02", b"\x10", tag, b""])
        worker.reply(tag, header.call_id)
        wait_for(lambda: [(s.queued, s.in_flight) for s in self.broker.stats().services if s.service == ECHO] == [(0, 0)],
                 "nothing is left")

    def test_worker_drains(self):
        one, two = self.broker.worker(instance="one"), self.broker.worker(instance="two")
        self.serving(count=2)
        one.ready(0)
        wait_for(lambda: {i.instance: i.draining for i in self.broker.stats().instances}.get("one"), "one drains")
        client = self.broker.client()
        for _ in range(4):
            client.send(ECHO + "/X")
            two.serve()
            client.recv()

    def test_stale_and_foreign_replies(self):
        one, two = self.broker.worker(instance="one", capacity=1), self.broker.worker(instance="two", services=("other",))
        self.serving()
        self.serving("other")
        client = self.broker.client()
        client.send(ECHO + "/X")
        tag, header, _, _ = one.recv()
        two.reply(tag, header.call_id, b"forged")
        two.reply(b"\xff" * 8, header.call_id, b"forged")
        one.reply(tag, header.call_id, b"mine")
        self.assertEqual(client.recv()[1], b"mine")
        one.reply(tag, header.call_id, b"again")
        wait_for(lambda: self.broker.counter("stale_replies") == 3, "they are counted")

    def test_reused_identity(self):
        first = Worker(self.broker.socket(self.broker.back, identity=b"fixed"))
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X")
        first.recv()
        first.socket.close()
        self.assertEqual(client.recv()[0].code, UNAVAILABLE)
        second = Worker(self.broker.socket(self.broker.back, identity=b"fixed"))
        self.serving()
        client.send(ECHO + "/X")
        second.serve()
        self.assertEqual(client.recv()[0].code, OK)

    def test_own_services(self):
        worker = self.broker.worker()  # noqa: F841: it stays connected
        self.serving()
        client = self.broker.client()

        def check(service):
            header, payload = client.call(HEALTH + "/Check", rpc_pb2.HealthCheckRequest(service=service).SerializeToString())
            return header.code, rpc_pb2.HealthCheckResponse.FromString(payload).status
        self.assertEqual([check(""), check(ECHO), check("no.such")], [(OK, 1), (OK, 1), (NOT_FOUND, 0)])
        payload = client.call("sitewire.rpc.v1.Reflection/GetSchema")[1]
        schema = rpc_pb2.GetSchemaResponse.FromString(payload)
        self.assertIn(ECHO, schema.services)
        self.assertIn(b"sitewire.rpc.v1", schema.file_descriptor_set)
        stats = self.broker.stats()
        self.assertEqual(stats.process, "broker")
        self.assertEqual([(i.instance, i.version, list(i.services), i.capacity) for i in stats.instances],
                         [("w1", "1.0.0", [ECHO], 10)])

    def test_health_watch(self):
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        call_id = client.send(HEALTH + "/Watch", rpc_pb2.HealthCheckRequest(service=ECHO).SerializeToString(), credit=5)

        def status():
            return rpc_pb2.HealthCheckResponse.FromString(client.recv(b"\x02")[1]).status
        self.assertEqual(status(), 1)
        worker.socket.send_multipart([b"MDPW02", b"\x06"])
        self.assertEqual(status(), 2)
        client.command(0x10, call_id)
        self.assertEqual(client.recv()[0].code, CANCELLED)


class Malformed(Base):
    def test_all_are_survived(self):
        client, worker = self.broker.socket(self.broker.front), self.broker.socket(self.broker.back)
        header = rpc_pb2.CallHeader(method="/a.B/C", call_id=1).SerializeToString()
        good = compact(REQUEST, 1, header)[0]
        messages = [[b""], [b"x"], [b"MDPC02"], [b"MDPC02", b""], [b"MDPC02", b"\x01"], [b"MDPC02", b"\x01", b"s"],
                    [b"MDPC02", b"\x01", b"", b"x"], [b"MDPC02", b"\x01", b"s" * 256, b"x"], [b"MDPC02", b"\x99", b"s"],
                    [b"MDPC02", b"\x10", b"s", b"\xff"], [b"MDPW02", b"\x01", b"s"], [b"MDPC02"] * 30,
                    [good[:20]], [good[:30]], [b"SW\x02" + good[3:]], [b"SW\x01\x09" + good[4:]],
                    [good[:12] + b"\x80" + good[13:]], [good, b"more"], [good[:15] + b"\x01" + good[16:]],
                    compact(REQUEST, 1, header, b"handover"), compact(FINAL, 1, header), [b"SW"], [b"S"] * 17]
        for message in messages:
            client.send_multipart(message)
        wait_for(lambda: self.broker.counter("malformed_frames") >= len(messages), "all are counted")
        self.assertEqual(self.broker.lines().count("malformed message"), 1, "logged once for a peer")
        wrong = [[b""], [b"MDPW02"], [b"MDPW02", b""], [b"MDPW02", b"\x77"], [b"MDPW02", b"\x01"],
                 [b"MDPW02", b"\x01", b"s", b"\xff\xff"], [b"MDPC02", b"\x01", b"s", b"x"]]
        for message in wrong:
            worker.send_multipart(message)
        registered = self.broker.worker(framing="compact")
        self.serving()
        for message in ([b"MDPW02", b"\x04"], [b"MDPW02", b"\x04", b"addr", b"", b"x", b"y"], [b"SW"], [b"MDPW02", b"\x02"],
                        compact(REQUEST, 1, header), compact(FINAL, 1, b"", b"handover"), [b"MDPW02"] * 30):
            registered.socket.send_multipart(message)
        wait_for(lambda: self.broker.counter("malformed_frames") >= len(messages) + len(wrong) - 1 + 7, "all are counted")
        good_client = self.broker.client()
        good_client.send(ECHO + "/X")
        registered.serve()
        self.assertEqual(good_client.recv()[0].code, OK)


class Bounds(Base):
    options = ("--client-queue", "10", "--service-queue", "15", "--unsent-replies", "100")

    def test_queues_are_bounded_and_fair(self):
        worker = self.broker.worker(capacity=1)
        self.serving()
        flood, modest = self.broker.client(), self.broker.client()
        for _ in range(12):
            flood.send(ECHO + "/X")  # one runs, ten wait
        header = flood.recv()[0]
        self.assertEqual((header.code, header.call_id), (EXHAUSTED, 12))
        self.assertTrue(any(d.HasField("retry") for d in header.details))
        wait_for(lambda: self.broker.counter("queue_full") == 1, "it is counted")
        for _ in range(6):
            modest.send(ECHO + "/Y")
        self.assertEqual(modest.recv()[0].code, EXHAUSTED)
        methods = []
        for _ in range(11):
            header, _ = worker.serve()
            methods.append(header.method[-1])
        self.assertEqual("".join(methods), "XXYXYXYXYXY")

    def test_client_that_does_not_read(self):
        worker = self.broker.worker(framing="compact")
        self.serving()
        deaf = self.broker.context.socket(zmq.DEALER)
        deaf.linger = 0
        deaf.rcvhwm = 1
        deaf.setsockopt(zmq.RCVBUF, 4096)
        deaf.connect(self.broker.front)
        client = Client(deaf)
        call_id = client.send(ECHO + "/Watch", credit=65535)
        tag = worker.recv()[0]
        for i in range(2000):
            worker.reply(tag, call_id, b"x" * 8000, final=False)
            if i % 100 == 0:
                worker.heartbeat()
        wait_for(lambda: self.broker.counter("clients_cut_off") == 1, "it is cut off")
        self.assertEqual(parse(worker.raw())[0], CANCEL)


class Life(Base):
    def test_sigterm_drains(self):
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X")
        tag, header, _, _ = worker.recv()
        self.broker.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in self.broker.lines(), "it drains")
        client.send(ECHO + "/X")
        refused = client.recv()[0]
        self.assertEqual((refused.code, may_have_run(refused)), (UNAVAILABLE, [False]))
        worker.reply(tag, header.call_id, b"done")
        self.assertEqual(client.recv()[1], b"done")
        self.assertEqual(worker.raw(), [b"MDPW02", b"\x06"])
        self.assertEqual(self.broker.process.wait(10), 0)
        self.broker.start()

    def test_drain_method(self):
        header, payload = self.broker.client().call("sitewire.rpc.v1.Drain/Drain")
        self.assertEqual((header.code, rpc_pb2.DrainResponse.FromString(payload).in_flight), (OK, 0))
        self.assertEqual(self.broker.process.wait(10), 0)
        self.broker.start()

    def test_nobody_drains_by_tcp(self):
        self.broker.process.kill()
        self.broker.process.wait()
        tcp = f"tcp://127.0.0.1:{free_port()}"
        self.broker.start("--frontend", f"{self.broker.front},{tcp}", "--curve", "off", "--caller", "")
        stranger = Client(self.broker.socket(tcp))
        self.assertEqual(stranger.code(HEALTH + "/Check"), OK)
        header, _ = stranger.call("sitewire.rpc.v1.Drain/Drain")
        self.assertEqual(header.code, UNAUTHENTICATED, header.message)
        self.assertEqual(self.broker.client().code("sitewire.rpc.v1.Drain/Drain"), OK, "on ipc the file's mode decides")
        self.assertEqual(self.broker.process.wait(10), 0)
        self.broker.start()

    def test_stale_sockets_and_taken_ones(self):
        self.broker.process.kill()
        self.broker.process.wait()
        self.assertTrue(os.path.exists(self.broker.front[6:]))
        self.broker.start()
        self.assertEqual(self.broker.client().code(HEALTH + "/Check"), OK)
        second = subprocess.run([self.broker.process.args[0], *self.broker.process.args[1:]], stderr=subprocess.PIPE,
                                check=False, timeout=20)
        self.assertEqual(second.returncode, EXISTS)
        self.assertIn(b"in use", second.stderr)
        self.assertEqual(self.broker.client().code(HEALTH + "/Check"), OK)

    def test_worker_finds_a_new_broker(self):
        worker = self.broker.worker()
        self.serving()
        self.broker.process.kill()
        self.broker.process.wait()
        self.broker.start()
        wait_for(lambda: worker.heartbeat() or worker.socket.poll(100) and
                 worker.socket.recv_multipart() == [b"MDPW02", b"\x06"], "a DISCONNECT from who does not know it")

    def test_grace(self):
        self.broker.process.kill()
        self.broker.process.wait()
        self.broker.start("--grace", "1000")
        client = self.broker.client()
        client.send(ECHO + "/X")
        self.broker.worker().serve()
        self.assertEqual(client.recv()[0].code, OK)
        self.assertEqual(client.code("no.such.Service/X"), UNIMPLEMENTED)

    def test_help_and_settings(self):
        program = os.path.join(BIN, "sitewire-broker")
        shown = subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"--frontend", shown)
        self.assertIn(b"heartbeat", subprocess.run([program, "--check-config"], stdout=subprocess.PIPE, check=True).stdout)
        wrong = subprocess.run([program, "--heartbeat", "x"], stderr=subprocess.PIPE, check=False)
        self.assertEqual(wrong.returncode, INVALID)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # sockets end with their context
