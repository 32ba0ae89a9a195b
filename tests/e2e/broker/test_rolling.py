#!/usr/bin/env python3
"""A rolling restart of a service with two instances, under load from several clients, fails no
call; and a stream with a slow reader costs neither messages nor memory. The clients never retry:
what fails is seen."""
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import BUILD, LOCAL_SERVICES, Client, Programs, System, wait_for  # noqa: E402
import zmq  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

CLIENTS, IN_FLIGHT, ROUNDS = 3, 20, 2
ECHO = "sitewire.test.v1.Echo"


def field(number, value):
    """A protobuf field by hand: the echo service's messages have no Python module."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7f | 0x80]), value >> 7
    return out + bytes([value])


class Load(threading.Thread):
    """A client with IN_FLIGHT calls in flight until stop() is called. `make(n)` gives method and
    payload of call n."""

    def __init__(self, endpoint, make):
        super().__init__(daemon=True)
        self.endpoint, self.make, self.stopping = endpoint, make, False
        self.answered, self.failures = 0, []
        self.start()

    def send(self, socket, number):
        method, payload = self.make(number)
        header = rpc_pb2.CallHeader(method=method, call_id=number, time_left_ms=15000, request_id=f"{id(self)}-{number}")
        socket.send_multipart([b"MDPC02", b"\x01", method[1:].split("/")[0].encode(), header.SerializeToString(), payload])

    def run(self):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(self.endpoint)
        for number in range(1, IN_FLIGHT + 1):
            self.send(socket, number)
        sent = IN_FLIGHT
        while self.answered < sent:
            if not socket.poll(20000):
                self.failures.append(f"{sent - self.answered} calls without an answer")
                break
            header = rpc_pb2.ReplyHeader.FromString(socket.recv_multipart()[3])
            self.answered += 1
            if header.code != 0:
                self.failures.append(f"{header.code}: {header.message}")
            if not self.stopping:
                sent += 1
                self.send(socket, sent)
        socket.close()

    def stop(self):
        self.stopping = True
        self.join(60)
        return self.failures


class Rolling(unittest.TestCase):
    def roll(self, endpoint, names, start, processes, make):
        """Restarts each instance in turn, under load, and returns how many calls were answered."""
        client = Client(endpoint)
        loads = [Load(endpoint, make) for _ in range(CLIENTS)]

        def registered(name):
            _, stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(), rpc_pb2.GetStatsResponse,
                                   destination="sitewire.rpc.v1.Stats")
            return any(each.instance == name and not each.draining and each.calls > 0 for each in stats.instances)

        for _ in range(ROUNDS):
            for name in names:
                wait_for(lambda: all(registered(each) for each in names), "both instances take calls")
                before = sum(load.answered for load in loads)
                self.assertEqual(processes[name].end(signal.SIGTERM), 0, processes[name].output())
                processes[name] = start(name)
                wait_for(lambda: sum(load.answered for load in loads) > before, "the load goes on")
        wait_for(lambda: all(registered(each) for each in names), "both instances take calls")
        failures = [failure for load in loads for failure in load.stop()]
        client.close()
        self.assertEqual(failures, [], "\n".join(process.output() for process in processes.values()))
        return sum(load.answered for load in loads)

    def test_referential(self):
        with System(services=2) as system:
            client = system.client()
            website = referential_pb2.Website(code="example.org", name="Example")
            client.call("/sitewire.referential.v1.Referential/CreateWebsite",
                        referential_pb2.CreateWebsiteRequest(website=website), referential_pb2.Website)
            client.close()
            get = referential_pb2.GetWebsiteRequest(code="example.org").SerializeToString()

            def make(number):
                if number % 10 == 0:
                    create = referential_pb2.CreateWebsiteRequest(website=website, validate_only=True)
                    create.website.code = f"w{threading.get_ident()}-{number}"
                    return "/sitewire.referential.v1.Referential/CreateWebsite", create.SerializeToString()
                return "/sitewire.referential.v1.Referential/GetWebsite", get

            answered = self.roll(system.ipc, ["referential-0", "referential-1"], system.start_service,
                                 system.processes, make)
            self.assertGreater(answered, 100)


class Echo(unittest.TestCase):
    """Broker and echo services without a database."""

    def setUp(self):
        self.programs = Programs()
        self.addCleanup(self.programs.stop)
        self.endpoint, self.processes = self.programs.ipc, self.programs.processes
        self.programs.start("broker", "sitewire-broker", "--frontend", self.programs.ipc, "--backend", self.programs.backend,
                            *LOCAL_SERVICES)
        client = self.programs.client()
        for name in ("echo-0", "echo-1"):
            self.start(name)
            wait_for(lambda: client.health("@" + name) == "SERVING", name + " is there")
        client.close()

    def start(self, name):
        return self.programs.start(name, os.path.join(BUILD, "tests", "echo-service"), "--backend", self.programs.backend,
                                   "--instance", name)

    def test_rolling(self):
        def make(number):
            if number % 5 == 0:
                return f"/{ECHO}/Delay", field(2, 50)
            return f"/{ECHO}/Echo", field(1, b"hello")

        answered = Rolling.roll(self, self.endpoint, ["echo-0", "echo-1"], self.start, self.processes, make)
        self.assertGreater(answered, 1000)

    def send(self, socket, command, *payload, **header):
        call = rpc_pb2.CallHeader(method=f"/{ECHO}/Stream", call_id=1, **header)
        socket.send_multipart([b"MDPC02", bytes([command]), ECHO.encode(), call.SerializeToString(), *payload])

    def receive(self, socket, seconds=10):
        self.assertTrue(socket.poll(seconds * 1000), "a message of the stream comes")
        frames = socket.recv_multipart()
        return frames[1][0], rpc_pb2.ReplyHeader.FromString(frames[3]), frames[4]

    def test_slow_reader(self):
        count, size, window = 2000, 20000, 8
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(self.endpoint)
        self.send(socket, 1, field(1, count) + field(2, size), credit=window, time_left_ms=60000)
        for number in range(count):
            kind, header, payload = self.receive(socket)
            self.assertEqual((kind, header.code), (2, 0))
            self.assertIn(field(3, number) if number else b"", payload[-40:])
            if number == window - 1:  # all that was granted is here: nothing more comes
                self.assertFalse(socket.poll(200))
                for name in self.processes:
                    self.assertLess(self.resident(name), 40 << 20, name)
            if number >= window - 1:
                self.send(socket, 0x11, credit=1)
        kind, header, payload = self.receive(socket)
        self.assertEqual((kind, header.code, payload), (3, 0, b""))
        for name in self.processes:
            self.assertLess(self.resident(name), 40 << 20, name)
        socket.close()

    def test_cancelled_stream(self):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(self.endpoint)
        self.send(socket, 1, field(1, 1000) + field(2, 10), credit=5, time_left_ms=60000)
        for _ in range(5):
            self.assertEqual(self.receive(socket)[0], 2)
        self.send(socket, 0x10)
        kind, header, _ = self.receive(socket)
        self.assertEqual((kind, header.code), (3, 1))
        # A client that goes away stops the work it asked for.
        self.send(socket, 1, field(1, 1000) + field(2, 10), credit=5, time_left_ms=60000)
        self.receive(socket)
        socket.close()
        client = Client(self.endpoint)

        def idle():
            for name in ("echo-0", "echo-1"):
                _, stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(),
                                       rpc_pb2.GetStatsResponse, destination="@" + name)
                if stats.in_flight:
                    return False
            return True

        wait_for(idle, "the stream of a client that is gone ends")
        client.close()

    def test_deadline(self):
        client = Client(self.endpoint)
        header, _ = client.call_bytes(f"/{ECHO}/Delay", field(2, 120000), seconds=0.5)  # sooner than the delay
        self.assertEqual(header.code, 4)
        self.assertGreaterEqual(header.timing.queue_us + header.timing.service_us, 450000)
        client.close()

    def resident(self, name):
        with open(f"/proc/{self.processes[name].pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    unittest.main()
