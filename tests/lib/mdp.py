"""A broker alone, and the clients and workers that talk to it: played with pyzmq, byte by byte,
from docs/protocol.md."""
import os
import struct
import subprocess
import tempfile
import time
import unittest

from sitewire_test import BIN, LOCAL_SERVICES, wait_for
import zmq
from sitewire.rpc.v1 import rpc_pb2

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
             self.events, "--publish", self.publish, "--startup-grace-ms", "0", "--caller", "admin@localhost",
             *LOCAL_SERVICES, *options],
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
