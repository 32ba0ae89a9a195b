#!/usr/bin/env python3
"""The broker under bad manners: malformed messages, floods, peers that do not read; how it begins
and ends."""
import os
import resource
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from mdp import (Base, CANCEL, Client, ECHO, EXHAUSTED, EXISTS, FINAL, HEALTH, INVALID, OK, PARTIAL, REQUEST,
                 UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, compact, may_have_run, parse)  # noqa: E402
from sitewire_test import BIN, free_port, wait_for  # noqa: E402
import zmq  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402


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
                    compact(REQUEST, 1, header, b"handover"), compact(FINAL, 1, header), [b"SW"], [b"S"] * 17,
                    [b"SW\x01\x06" + bytes(65536)]]
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


def deaf(broker):
    """A client whose socket takes next to nothing while it does not read."""
    socket = broker.context.socket(zmq.DEALER)
    socket.linger, socket.rcvhwm = 0, 1
    socket.setsockopt(zmq.RCVBUF, 4096)
    socket.connect(broker.front)
    return Client(socket)


class Bounds(Base):
    options = ("--client-queue", "10", "--service-queue", "15", "--unsent-replies", "100")

    def test_no_descriptor_is_left(self):
        """Who comes then is hung up on; who was there is served, and who comes when there is room
        again."""
        stats = ("sitewire.rpc.v1.Stats/GetStats",)
        client = self.broker.client()
        self.assertEqual(client.call(*stats)[0].code, OK)
        resource.prlimit(self.broker.process.pid, resource.RLIMIT_NOFILE, (60, 60))
        for end in (self.broker.front, self.broker.back):
            crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
            for each in crowd:
                each.settimeout(10)
                each.connect(end[6:])
            ends = 0
            for each in crowd:
                try:
                    ends += each.recv(1) == b""
                except ConnectionResetError:
                    ends += 1
            self.assertGreater(ends, 40)
            self.assertEqual(client.call(*stats)[0].code, OK)
            for each in crowd:
                each.close()
        self.assertEqual(self.broker.client().call(*stats)[0].code, OK)
        self.assertIn("no descriptor was left", self.broker.lines())

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
        client = deaf(self.broker)
        call_id = client.send(ECHO + "/Watch", credit=65535)
        tag = worker.recv()[0]
        for i in range(2000):
            worker.reply(tag, call_id, b"x" * 8000, final=False)
            if i % 100 == 0:
                worker.heartbeat()
        wait_for(lambda: self.broker.counter("clients_cut_off") == 1, "it is cut off")
        self.assertEqual(parse(worker.raw())[0], CANCEL)


class BoundOfBytes(Base):
    options = ("--unsent-replies-bytes", "4000000")

    def test_client_that_does_not_read(self):
        worker = self.broker.worker(framing="compact")
        self.serving()
        for client, framing in ((deaf(self.broker), "compact"), (deaf(self.broker), "mdp")):
            with self.subTest(framing):
                cut_off = self.broker.counter("clients_cut_off")
                call_id = (client.send_compact if framing == "compact" else client.send)(ECHO + "/Watch", credit=65535)
                tag = worker.recv()[0]
                for i in range(400):  # nobody reads them; 40 MB
                    worker.reply(tag, call_id, b"x" * 100000, final=False)
                    if i % 100 == 0:
                        worker.heartbeat()
                wait_for(lambda: self.broker.counter("clients_cut_off") == cut_off + 1, "it is cut off")
                self.assertEqual(parse(worker.raw())[0], CANCEL)

    def test_client_that_reads(self):
        worker = self.broker.worker(framing="compact")
        self.serving()
        client = self.broker.client()
        call_id = client.send_compact(ECHO + "/Watch", credit=65535)
        tag = worker.recv()[0]
        for size in [100000] * 400 + [5000000] * 3 + [500] * 1000:  # each single one may be larger than the bound
            worker.reply(tag, call_id, b"x" * size, final=False)
            self.assertEqual(len(client.recv_compact(PARTIAL)[2]), size)
        worker.reply(tag, call_id, b"end")
        self.assertEqual(client.recv_compact()[2], b"end")
        self.assertEqual(self.broker.counter("clients_cut_off"), 0)


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
        self.broker.start("--startup-grace-ms", "1000")
        client = self.broker.client()
        client.send(ECHO + "/X")
        self.broker.worker().serve()
        self.assertEqual(client.recv()[0].code, OK)
        self.assertEqual(client.code("no.such.Service/X"), UNIMPLEMENTED)

    def test_help_and_settings(self):
        program = os.path.join(BIN, "sitewire-broker")
        shown = subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"--frontend", shown)
        checked = [program, "--frontend", "ipc:///tmp/a", "--backend", "ipc:///tmp/b", "--check-config"]
        self.assertIn(b"SITEWIRE_HEARTBEAT_MS=500", subprocess.run(checked, stdout=subprocess.PIPE, check=True).stdout)
        wrong = subprocess.run([program, "--heartbeat-ms", "x"], stderr=subprocess.PIPE, check=False)
        self.assertEqual(wrong.returncode, INVALID)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # sockets end with their context
