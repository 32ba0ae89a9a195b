#!/usr/bin/env python3
"""The protocol byte by byte: plain MDP strangers, and RPC in both framings, against the real
broker."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from mdp import (Broker, Base, CANCEL, CANCELLED, CREDIT, DEADLINE, ECHO, EXHAUSTED, EXISTS, HEALTH, INVALID, NOT_FOUND,
                 OK, REQUEST, UNAVAILABLE, UNIMPLEMENTED, Worker, compact, may_have_run, parse, recv)  # noqa: E402
from sitewire_test import wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402


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

    def test_plain_worker_out_of_turn(self):
        client = self.broker.client()
        for case in "READY again", "a reply to nothing", "a second FINAL":
            with self.subTest(case):
                worker = self.plain_worker()
                self.serving("echo")
                if case == "READY again":
                    worker.send_multipart([b"MDPW02", b"\x01", b"echo"])
                elif case == "a reply to nothing":
                    worker.send_multipart([b"MDPW02", b"\x03", b"12345678", b"", b"x"])
                else:
                    client.socket.send_multipart([b"MDPC02", b"\x01", b"echo", b"hi"])
                    reply = [b"MDPW02", b"\x04", self.request(worker)[2], b"", b"once"]
                    worker.send_multipart(reply)
                    worker.send_multipart(reply)
                    self.assertEqual(recv(client.socket), [b"MDPC02", b"\x03", b"echo", b"once"])
                while (frames := recv(worker)) == [b"MDPW02", b"\x05"]:
                    pass
                self.assertEqual(frames, [b"MDPW02", b"\x06"])
                self.serving("echo", 0)

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
        self.worker = self.broker.worker()  # stays connected
        self.serving()
        client = self.broker.client()
        self.assertEqual(client.code(ECHO + "/X", call_id=0), INVALID)
        self.assertEqual(client.code("nomethod", service=ECHO), INVALID)
        client.socket.send_multipart([b"MDPC02", b"\x01", ECHO.encode(), b"one frame"])
        self.assertEqual(client.recv()[0].code, INVALID)
        client.socket.send_multipart(compact(REQUEST, 7, b"\xff\xff\xff"))
        self.assertEqual(client.recv_compact()[:1], (7,))
        client.send(ECHO + "/X", request_id="x" * 129)
        reply = client.recv()[0]
        self.assertEqual((reply.code, reply.call_id), (INVALID, client.last_id))
        self.assertIn("request_id", reply.message)
        client.send(ECHO + "/X", call_id=9)
        client.send(ECHO + "/X", call_id=9)
        self.assertEqual(client.recv()[0].code, EXISTS)

    def test_broken_headers_are_answered_to_their_call(self):
        """A client that waits for call 77 hears of it, whatever else is wrong."""
        self.worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        good = rpc_pb2.CallHeader(method=ECHO + "/X", call_id=77)
        no_method, no_slash = rpc_pb2.CallHeader(call_id=77), rpc_pb2.CallHeader(method="X", call_id=77)
        many = rpc_pb2.CallHeader(call_id=77, method=ECHO + "/X", metadata=[rpc_pb2.Metadata(key="k")] * 65)
        large = good.SerializeToString() + rpc_pb2.CallHeader(destination="x" * 20000).SerializeToString()
        not_text = good.SerializeToString() + b"\x0a\x02\xff\xff"
        for header in (no_method.SerializeToString(), no_slash.SerializeToString(), many.SerializeToString(), large, not_text,
                       good.SerializeToString() + b"\x0a\x05x"):
            for service in (ECHO, HEALTH):
                client.socket.send_multipart([b"MDPC02", b"\x01", service.encode(), header, b""])
                reply = client.recv()[0]
                self.assertEqual((reply.code, reply.call_id), (INVALID, 77), (service, header[:40]))
        header = good.SerializeToString()
        whole = compact(REQUEST, 77, header)[0]
        for frames in ([whole, b"too much"], compact(REQUEST, 77, header, follows=True)[:1], compact(REQUEST, 77, header, b"handover"),
                       [whole[:12] + b"\x00\x00\x00\x08" + whole[16:]], [whole[:4] + b"\xff" * 4 + whole[8:]], [whole[:24]]):
            client.socket.send_multipart(frames)
            self.assertEqual(client.recv_compact()[0], 77, frames)

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

    def patient_broker(self):
        """A broker that would not miss a silent worker for minutes."""
        self.broker.close()
        self.broker = Broker(*self.options, "--heartbeat-ms", "60000")
        self.addCleanup(self.broker.close)

    def test_worker_connection_ends(self):
        self.patient_broker()
        worker = self.broker.worker()
        self.serving()
        client = self.broker.client()
        client.send(ECHO + "/X", time_left_ms=60000)
        worker.recv()
        worker.socket.close()
        header = client.recv()[0]
        self.assertEqual((header.code, may_have_run(header)), (UNAVAILABLE, [True]))

    def test_worker_is_killed(self):
        self.patient_broker()
        code = ("import sys; sys.path[:0] = %r; import test_protocol as t, zmq\n"
                "s = zmq.Context().socket(zmq.DEALER); s.connect(%r); w = t.Worker(s)\n"
                "w.recv(); print('got', flush=True); w.raw(60000)\n" % (sys.path[:2] + [os.path.dirname(os.path.abspath(__file__))], self.broker.back))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            self.serving()
            client = self.broker.client()
            client.send(ECHO + "/X", time_left_ms=60000)
            self.assertEqual(process.stdout.readline(), b"got\n")
            process.kill()
            header = client.recv()[0]
            self.assertEqual((header.code, may_have_run(header)), (UNAVAILABLE, [True]))

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
        self.worker = self.broker.worker()  # stays connected
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


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # sockets end with their context
