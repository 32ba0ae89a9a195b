#!/usr/bin/env python3
"""Why was this call slow? The log of slow calls, in the broker and in services, and traces of calls
as they end."""
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from mdp import Base, DEADLINE, ECHO, EXHAUSTED, INVALID, OK  # noqa: E402
from sitewire_test import ADMIN, BIN, System, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

TRACE = "sitewire.rpc.v1.Trace/WatchCalls"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = rpc_pb2.Metadata(key="traceparent", value=f"00-{TRACE_ID}-00f067aa0ba902b7-01")


def slow_lines(log, method=None):
    """The lines about slow calls, each as a dictionary."""
    lines = [dict(re.findall(r'(\w+)=("[^"]*"|\S*)', line)) for line in log.splitlines() if 'event="slow call"' in line]
    return [line for line in lines if method is None or line.get("method", "").endswith(method)]


class SlowCalls(Base):
    options = ("--log-slow-ms", "50")

    def slow(self, method):
        return slow_lines(self.broker.lines(), method)

    def test_time_at_each_hop(self):
        """The service says how long it took; the rest is the queue and the way."""
        for framing in ("mdp", "compact"):
            worker, client = self.broker.worker(framing=framing, instance=framing, services=(f"{ECHO}.{framing}",)), self.broker.client()
            self.serving(f"{ECHO}.{framing}")
            client.send(f"{ECHO}.{framing}/Slow", metadata=[PARENT, rpc_pb2.Metadata(key="long", value="x" * 400)])
            tag, header, _, _ = worker.recv()
            with self.assertRaises(AssertionError):
                client.recv(patience=60)  # nothing comes meanwhile
            worker.reply(tag, header.call_id, timing=rpc_pb2.Timing(service_us=40000, sql_us=30000))
            self.assertEqual(client.recv()[0].code, OK)
            line = wait_for(lambda f=framing: self.slow(f"{f}/Slow"), "it is logged")[0]
            self.assertEqual({key: line[key] for key in ("caller", "code", "service_us", "sql_us", "instance", "call_id",
                                                         "trace_id")},
                             {"caller": ADMIN, "code": "OK", "service_us": "40000", "sql_us": "30000",
                              "instance": framing, "call_id": str(header.call_id), "trace_id": TRACE_ID})
            self.assertGreaterEqual(int(line["total_us"]), 60000)
            client.send(f"{ECHO}.{framing}/Quick")
            worker.serve()
            client.recv()
            self.assertEqual([line for line in self.slow("/Quick") if int(line["total_us"]) < 50000], [])

    def test_no_worker_has_it(self):
        """The broker answers: the whole time was in the queue."""
        self.worker, client = self.broker.worker(capacity=1), self.broker.client()
        self.serving()
        client.send(ECHO + "/First")  # takes the worker's only place
        self.assertEqual(client.code(ECHO + "/Waits", time_left_ms=80), DEADLINE)
        line = wait_for(lambda: self.slow("/Waits"), "it is logged")[0]
        self.assertEqual((line["code"], line["instance"]), ("DEADLINE_EXCEEDED", '""'))
        self.assertGreaterEqual(int(line["queue_us"]), 70000)

    def test_lines_are_bounded(self):
        """Whoever makes slow calls cannot fill the disk; what was left out is counted."""
        client, self.worker = self.broker.client(), self.broker.worker(capacity=1)
        self.serving()
        client.send(ECHO + "/First")
        for _ in range(200):
            client.send(ECHO + "/Flood", time_left_ms=60)
        for _ in range(200):
            self.assertEqual(client.recv()[0].code, DEADLINE)
        wait_for(lambda: self.broker.counter("slow_calls") >= 200, "all are counted")
        logged = len(self.slow("/Flood"))
        self.assertLess(logged, 100)
        wait_for(lambda: client.code(ECHO + "/After", time_left_ms=60) == DEADLINE and self.slow("/After"), "another second begins")
        suppressed = sum(int(line.get("suppressed", 0)) for line in self.slow(""))
        self.assertGreaterEqual(suppressed + len(self.slow("")), 200)

    def test_streams_are_not_slow(self):
        worker, client = self.broker.worker(), self.broker.client()
        self.serving()
        client.send(ECHO + "/Stream", credit=5)
        tag, header, _, _ = worker.recv()
        with self.assertRaises(AssertionError):
            client.recv(patience=60)
        worker.reply(tag, header.call_id)
        client.recv()
        client.send(ECHO + "/Last", time_left_ms=60)
        client.recv()
        wait_for(lambda: self.slow("/Last"), "a later one is logged")
        self.assertEqual(self.slow("/Stream"), [])


class Traces(Base):
    options = ("--log-slow-ms", "0")

    def send(self, credit=100, **wanted):
        client = self.broker.client()
        client.send(TRACE, rpc_pb2.WatchCallsRequest(**wanted).SerializeToString(), credit=credit)
        return client

    def watch(self, **wanted):
        """A trace that has begun: the broker reads a client's messages in order."""
        client = self.send(**wanted)
        client.send("sitewire.rpc.v1.Health/Check")
        self.assertEqual(client.recv()[0].call_id, client.last_id)
        return client

    def calls(self, *methods):
        """Calls that a worker serves."""
        client = self.broker.client()
        for method in methods:
            client.send(f"{ECHO}/{method}")
            self.worker.serve()
            self.assertEqual(client.recv()[0].code, OK)

    def setUp(self):
        super().setUp()
        self.worker = self.broker.worker()
        self.serving()

    def next(self, client):
        return rpc_pb2.TracedCall.FromString(client.recv(command=b"\x02")[1])

    def test_choice(self):
        by_method, by_id = self.watch(method="Echo/One"), self.watch(call_id=3)
        nobody = self.watch(caller="nobody@x.org")
        other = self.watch(method="ne")  # not a whole word of the method
        self.calls("One", "Two", "Three")
        one, three = self.next(by_method), self.next(by_id)
        self.assertEqual((one.method, one.caller, one.code, one.instance), (f"/{ECHO}/One", ADMIN, 0, "w1"))
        self.assertGreater(one.total_us, 0)
        self.assertEqual((three.method, three.call_id), (f"/{ECHO}/Three", 3))
        for client in (nobody, other, by_method):
            self.assertEqual(client.socket.poll(50), 0)

    def test_bounds(self):
        """A trace ends by its count, by its time, and there are not too many."""
        counted = self.watch(method="One", count=2)
        self.calls("One", "One", "One")
        self.next(counted), self.next(counted)
        self.assertEqual(counted.recv()[0].code, OK)
        self.assertEqual(self.send(method="Never", time_ms=30).recv()[0].code, OK)
        self.assertEqual(self.send(count=10001).recv()[0].code, INVALID)
        self.assertEqual(self.send(credit=0).recv()[0].code, INVALID)
        running = [self.watch(method="Never") for _ in range(16)]
        self.assertEqual(self.send().recv()[0].code, EXHAUSTED)
        running[0].command(0x10, 1)  # CANCEL
        self.assertNotEqual(running[0].recv()[0].code, OK)
        self.calls("One")
        again = self.watch(method="One")
        self.calls("One")
        self.next(again)

    def test_slow_reader(self):
        """Nothing is kept for a reader without credit; it learns how many it missed."""
        client = self.watch(method="One", credit=1)
        self.calls("One", "One", "One")
        self.assertEqual(self.next(client).missed, 0)
        client.command(0x11, 1, credit=5)  # CREDIT
        self.broker.stats()
        self.calls("One")
        self.assertEqual(self.next(client).missed, 2)


class Programs(unittest.TestCase):
    """The services' log and the command line, with real services."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(service_options=("--log-slow-ms", "1"), curve=True,
                            broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def test_log_of_services(self):
        self.system.sql("INSERT INTO referential.registrar (code, name) SELECT 'r' || i, 'R' FROM generate_series(1, 5000) i")
        self.command("list", "registrars", "--json")
        log = lambda: slow_lines(self.system.processes["referential-0"].output(), "/ListRegistrars")  # noqa: E731
        line = wait_for(log, "the service logs it")[0]
        self.assertEqual((line["caller"], line["instance"]), (ADMIN, "referential-0"))
        self.assertGreaterEqual(int(line["total_us"]), int(line["service_us"]))
        self.assertGreater(int(line["sql_us"]), 0)

    def command(self, *words):
        subprocess.run([os.path.join(BIN, "sitewire"), *words], env=self.system.env(), check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    def start(self, *words):
        return subprocess.Popen([os.path.join(BIN, "sitewire"), "trace", *words], env=self.system.env(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_command(self):
        traced = self.start("Users/WhoAmI", ADMIN, "--count", "1", "--json")
        while traced.poll() is None:  # when it has begun, only its own output would say
            self.command("whoami")
        out, err = traced.communicate(timeout=30)
        self.assertEqual(traced.returncode, 0, err)
        call = json.loads(out)
        self.assertEqual((call["method"], call["caller"]), ("/sitewire.user.v1.Users/WhoAmI", ADMIN))
        shown = self.start("WhoAmI", "--count", "1")
        while shown.poll() is None:
            self.command("whoami")
        out, err = shown.communicate(timeout=30)
        self.assertRegex(out, r"^\d\d:\d\d:\d\d\S* .* OK +/sitewire.user.v1.Users/WhoAmI  admin@localhost  queue .* service .*SQL")

    def test_words(self):
        for words, says in ((("a/B", "c/D"), "one method"), (("--count", "0"), "--count"), (("--for", "2d"), "--for")):
            done = self.start(*words)
            self.assertIn(says, done.communicate(timeout=30)[1])
            self.assertEqual(done.returncode, INVALID)
        ended = self.start("Never", "--for", "50ms")
        self.assertEqual(ended.communicate(timeout=30)[0], "")
        self.assertEqual(ended.returncode, 0)

    def test_for_admins(self):
        key = self.system.enroll("ann@a.example", rights=())
        done = subprocess.run([os.path.join(BIN, "sitewire"), "trace", "--endpoint", self.system.tcp, "--key", key.path],
                              env=self.system.env(), capture_output=True, text=True, timeout=30, check=False)
        self.assertIn("only admins", done.stderr)
        self.assertEqual(done.returncode, 7)


if __name__ == "__main__":
    unittest.main()
