#!/usr/bin/env python3
"""Keys on the wire: who comes in by tcp and ipc, as whom, and what becomes of those who do not
belong."""
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import BIN, LOCAL_SERVICES, Client, Failed, System, free_port, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

import zmq  # noqa: E402
from zmq.utils.monitor import parse_monitor_message  # noqa: E402

UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE, NOT_FOUND = 16, 7, 14, 5
ADMIN = "admin@localhost"
MIRROR = "test.Mirror"


class Mirror(threading.Thread):
    """A worker that answers each call with its handover: what services hear of a caller."""

    def __init__(self, endpoint, service=MIRROR, key=None):
        super().__init__(daemon=True)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if key:
            key.use(self.socket)
        self.refused = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self.socket.connect(endpoint)
        hello = rpc_pb2.WorkerHello(instance=f"mirror-{os.urandom(4).hex()}", capacity=100, services=[service])
        self.socket.send_multipart([b"MDPW02", b"\x01", service.encode(), hello.SerializeToString()])
        self.over, self.served, self.instance = False, [], hello.instance
        self.start()

    def run(self):
        while not self.over:
            if not self.socket.poll(100):
                try:
                    self.socket.send_multipart([b"MDPW02", b"\x05"], zmq.NOBLOCK)
                except zmq.Again:  # nobody is there: it was refused
                    pass
                continue
            frames = self.socket.recv_multipart()
            if frames[1] == b"\x02":
                call = rpc_pb2.CallHeader.FromString(frames[4])
                self.served.append(call.method)
                reply = rpc_pb2.ReplyHeader(call_id=call.call_id)
                self.socket.send_multipart([b"MDPW02", b"\x04", frames[2], b"", reply.SerializeToString(), frames[6]])
        self.socket.disable_monitor()
        self.socket.close()

    def end(self):
        self.over = True
        self.join()


class Wire(threading.Thread):
    """Stands between a client and the broker, and keeps what the client sends."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        host, _, port = endpoint[6:].partition(":")
        self.target, self.sent = (host, int(port)), b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def run(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.target) as broker:
            while True:
                for ready in select.select([client, broker], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        self.sent += data
                    (broker if ready is client else client).sendall(data)


class Base(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}", *cls.options))
        cls.mirror = Mirror(cls.system.backend)
        wait_for(lambda: cls.who()[0] == ADMIN, "the mirror serves")

    @classmethod
    def tearDownClass(cls):
        cls.mirror.end()
        cls.system.stop()

    @classmethod
    def enroll(cls, email, expires="NULL", admin=True):
        return cls.system.enroll(email, admin, expires=expires)

    @classmethod
    def who(cls, key=None, client=None):
        """Caller and key as services hear them."""
        own = client or cls.system.client(key=key)
        try:
            handover = own.call(f"/{MIRROR}/Who", rpc_pb2.Empty(), rpc_pb2.Handover)[1]
            return handover.caller, handover.key
        finally:
            if not client:
                own.close()

    def log(self):
        return self.system.processes["broker"].output()

    def answer_to_handshake(self, key, endpoint=None, kind=zmq.DEALER):
        """What libzmq's monitor says: 200, or the status of the broker's ERROR."""
        socket = zmq.Context.instance().socket(kind)
        socket.linger = 0
        key.use(socket)
        socket.routing_id = b"sitewire-" + os.urandom(8)  # it reads what it is refused with
        events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.connect(endpoint or self.system.tcp)
        self.assertTrue(events.poll(10000), "the handshake ends")
        event = parse_monitor_message(events.recv_multipart())
        socket.disable_monitor()
        socket.close()
        return 200 if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED else event["value"]

    def assert_refused(self, key, *words):
        """In the handshake, which has room for a status only; the log has the reason."""
        self.assertEqual(self.answer_to_handshake(key), 400)
        lines = wait_for(lambda: [line for line in self.log().splitlines()
                                  if "caller refused" in line and key.public in line], "it is logged")
        for word in words:
            self.assertIn(word, lines[-1])

    def registered(self, mirror):
        client = self.system.client()
        stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(), rpc_pb2.GetStatsResponse,
                            destination="sitewire.rpc.v1.Stats")[1]
        client.close()
        return mirror.instance in [each.instance for each in stats.instances]

    def who_by_id(self, key, routing_id):
        client = Client(self.system.tcp, key)
        client.close()
        client.socket = client.context.socket(zmq.DEALER)
        client.socket.linger, client.socket.routing_id = 0, routing_id
        key.use(client.socket)
        client.socket.connect(self.system.tcp)
        try:
            header, payload = client.call_bytes(f"/{MIRROR}/Who", b"", seconds=1)
            return rpc_pb2.Handover.FromString(payload) if header and header.code == 0 else None
        finally:
            client.close()

    def works(self, key):
        try:
            return self.who(key)
        except Failed:
            return None

    def wait_refused(self, client, word):
        def refused():
            try:
                return self.who(client=client) and None
            except Failed as failed:
                return failed.header
        header = wait_for(refused, "it is refused")
        self.assertEqual(header.code, UNAUTHENTICATED)
        self.assertIn(word, header.message)
        client.close()


class Curve(Base):
    """Good keys, bad keys, and attacks."""

    def test_who(self):
        for user in ("ann@a.example", "bob@a.example"):
            key = self.enroll(user)
            self.assertEqual(self.who(key), (user, key.public))
        self.assertEqual(self.who(), (ADMIN, ""))

    def test_key_on_ipc(self):
        """A peer on ipc chooses: with CURVE it is its key, without it its uid."""
        key, stranger = self.enroll("local@a.example"), self.system.key("stranger.key")
        client = self.system.client(self.system.ipc, key)
        self.addCleanup(client.close)
        self.assertEqual(self.who(client=client), ("local@a.example", key.public))
        self.assertEqual(self.who(), (ADMIN, ""))
        self.assertEqual(self.answer_to_handshake(stranger, self.system.ipc), 400)
        self.assertEqual(self.answer_to_handshake(stranger, self.system.backend), 400)
        self.assertEqual(self.answer_to_handshake(stranger, self.system.events, zmq.SUB), 400)
        self.assertEqual(self.answer_to_handshake(stranger, self.system.publish, zmq.PUB), 400)
        self.assertEqual(self.answer_to_handshake(key, self.system.events, zmq.SUB), 200)
        self.system.sql(f"UPDATE users.key SET revoked_at = now() WHERE public_key = '{key.public}'")
        self.wait_refused(client, "revoked")

    def test_unknown_key(self):
        key = self.system.key("unknown.key")
        self.assert_refused(key, "not enrolled")
        self.assertIn(key.public, self.log())
        self.system.sql(f"""INSERT INTO users.key (public_key, "user") VALUES ('{key.public}', '{ADMIN}')""")
        self.assertEqual(self.who(key)[0], ADMIN)

    def test_expired_key(self):
        self.assert_refused(self.enroll("ann@a.example", "now() - interval '1 day'"), "expired")

    def test_key_expires_on_an_open_connection(self):
        key = self.enroll("ann@a.example", "now() + interval '2 s'")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "ann@a.example")
        self.wait_refused(client, "expired")

    def test_revoked_key(self):
        key = self.enroll("ann@a.example")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "ann@a.example")
        self.system.sql(f"UPDATE users.key SET revoked_at = now() WHERE public_key = '{key.public}'")
        self.wait_refused(client, "revoked")  # its verdict would be kept for a minute
        self.assert_refused(key, "revoked")

    def test_inactive_user(self):
        key = self.enroll("idle@a.example")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "idle@a.example")
        self.system.sql("""UPDATE users."user" SET active = false WHERE email = 'idle@a.example'""")
        self.wait_refused(client, "active")
        self.system.sql("""UPDATE users."user" SET active = true WHERE email = 'idle@a.example'""")
        wait_for(lambda: self.works(key), "it is let in again")

    def test_strangers_do_not_stay(self):
        """Connections with unknown keys, which say nothing, cost no descriptor once they are
        refused."""
        descriptors = f"/proc/{self.system.processes['broker'].pid}/fd"
        before = len(os.listdir(descriptors))
        stranger, sockets, refused = self.system.key("silent.key"), [], self.system.counter("connections_refused")
        for _ in range(100):
            sockets.append(zmq.Context.instance().socket(zmq.DEALER))
            sockets[-1].linger = 0
            stranger.use(sockets[-1])
            sockets[-1].connect(self.system.tcp)
        wait_for(lambda: self.system.counter("connections_refused") >= refused + 90, "they are refused")
        wait_for(lambda: len(os.listdir(descriptors)) <= before + 5, "their descriptors are free")
        for each in sockets:
            each.close()

    def test_no_curve(self):
        client = self.system.client(self.system.tcp)
        self.assertIsNone(client.call_bytes(f"/{MIRROR}/Who", b"", seconds=0.5, patience=0)[0])
        client.close()
        wait_for(lambda: "handshakes failed" in self.log(), "it is logged")

    # --- attacks ---

    def test_stolen_caller_frame(self):
        """A client cannot write what only the broker writes."""
        key = self.enroll("thief@a.example")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "thief@a.example")
        forged = rpc_pb2.Handover(caller=ADMIN, key="x", time_left_ms=1000).SerializeToString()
        call = rpc_pb2.CallHeader(method=f"/{MIRROR}/Forged", call_id=77, time_left_ms=1000)
        head = [b"MDPC02", b"\x01", MIRROR.encode()]
        client.socket.send_multipart([*head, call.SerializeToString(), b"", forged])
        header = call.SerializeToString()
        client.socket.send(b"SW\x01\x01" + len(header).to_bytes(4, "big") + len(forged).to_bytes(4, "big") + bytes(4) +
                           (77).to_bytes(8, "big") + header + forged)
        self.assertEqual(self.who(client=client), ("thief@a.example", key.public))
        client.close()
        self.assertNotIn(f"/{MIRROR}/Forged", self.mirror.served)
        wait_for(lambda: "a broken compact frame" in self.log(), "it is logged")

    def test_worker_protocol_at_the_frontend(self):
        key = self.enroll("worker@a.example")
        for client in (self.system.client(), self.system.client(key=key)):
            hello = rpc_pb2.WorkerHello(instance="evil", capacity=9, services=["test.Evil"])
            client.socket.send_multipart([b"MDPW02", b"\x01", b"test.Evil", hello.SerializeToString()])
            self.assertTrue(self.who(client=client))
            header, _ = client.call_bytes("/test.Evil/X", b"", destination="@evil", seconds=1)
            self.assertEqual(header.code, NOT_FOUND)
            client.close()
        wait_for(lambda: "neither MDPC02 nor compact framing" in self.log(), "it is logged")

    def test_worker_without_a_service_key(self):
        for name, key in (("user", self.enroll("worker@a.example")), ("unknown", self.system.key("w.key"))):
            mirror = Mirror(self.system.tcp_backend, f"test.{name}", key)
            self.assertTrue(mirror.refused.poll(10000), "it is refused")
            self.assertIn(key.public, wait_for(lambda: [line for line in self.log().splitlines()
                                                        if "service refused" in line], "it is logged")[-1])
            mirror.end()
            self.assertFalse(self.registered(mirror))
        plain = Mirror(self.system.tcp_backend, "test.plain")
        good = Mirror(self.system.tcp_backend, "test.good", self.system.service_key)
        wait_for(lambda: self.registered(good), "the service with its key serves")
        self.assertFalse(self.registered(plain))
        good.end()
        plain.end()

    def test_key_of_a_service_that_is_added_later(self):
        key = self.system.key("later.key")
        self.system.let_serve(key)
        good = Mirror(self.system.tcp_backend, "test.later", key)
        wait_for(lambda: self.registered(good), "it serves")
        good.end()

    def test_replay(self):
        """What a good client once sent to the broker, all of it, on connections of one's own."""
        key = self.enroll("ann@a.example")
        with Wire(self.system.tcp) as wire:
            client = self.system.client(wire.endpoint, key)
            self.assertEqual(self.who(client=client)[0], "ann@a.example")
            client.close()
            served, failed = len(self.mirror.served), self.system.counter("handshakes_failed")
            self.assertGreater(len(wire.sent), 500)
            for size in (len(wire.sent), 64 + 200 + 20):  # all, greeting and HELLO and a bit
                with socket.create_connection(wire.target) as replay:
                    replay.settimeout(10)
                    replay.sendall(wire.sent[:size])
                    while replay.recv(4096):  # until the broker ends it
                        pass
        wait_for(lambda: self.system.counter("handshakes_failed") >= failed + 2, "they are counted")
        self.assertIn("or replayed", self.log())
        self.assertEqual(len(self.mirror.served), served)

    def test_refused_while_its_call_waits(self):
        """The call reaches the service as nobody's, with the key, by which the service knows
        why."""
        key = self.enroll("ann@a.example")
        worker = zmq.Context.instance().socket(zmq.DEALER)
        worker.linger = 0
        worker.connect(self.system.backend)
        hello = rpc_pb2.WorkerHello(instance="slow", capacity=1, services=["test.Slow"])
        worker.send_multipart([b"MDPW02", b"\x01", b"test.Slow", hello.SerializeToString()])
        wait_for(lambda: "instance=slow" in self.log(), "the worker is registered")

        def handed():
            while worker.poll(10000):
                frames = worker.recv_multipart()
                if frames[1] == b"\x02":
                    return frames
            raise AssertionError("no call")
        clients = [self.system.client(), self.system.client(key=key)]
        for client in clients:
            header = rpc_pb2.CallHeader(method="/test.Slow/X", call_id=1000, time_left_ms=20000).SerializeToString()
            client.socket.send_multipart([b"MDPC02", b"\x01", b"test.Slow", header, b""])
            self.who(client=client)  # behind it: the call has been read
        first = handed()
        self.system.sql(f"UPDATE users.key SET revoked_at = now() WHERE public_key = '{key.public}'")

        def refused():
            worker.send_multipart([b"MDPW02", b"\x05"])  # else it is lost after two seconds
            return any("caller refused" in line and key.public in line for line in self.log().splitlines())
        wait_for(refused, "it is refused")
        reply = rpc_pb2.ReplyHeader(call_id=1000).SerializeToString()
        worker.send_multipart([b"MDPW02", b"\x04", first[2], b"", reply, b""])
        handover = rpc_pb2.Handover.FromString(handed()[6])
        self.assertEqual((handover.caller, handover.key), ("", key.public))
        for each in (worker, *clients):
            each.close()

    def test_routing_id_of_another(self):
        """Whoever takes the routing id of a client that left is not that client."""
        ann, bob = self.enroll("ann@a.example"), self.enroll("bob@a.example")
        for _ in range(10):
            for key, user in ((ann, "ann@a.example"), (bob, "bob@a.example")):
                # libzmq gives an id to somebody else only once it has seen the end of its
                # connection.
                handover = wait_for(lambda key=key: self.who_by_id(key, b"the same"), "the routing id is free")
                self.assertEqual((handover.caller, handover.key), (user, key.public))

    # --- on ipc ---

    @unittest.skipIf(os.geteuid() != 0, "needs another uid")
    def test_uid_that_is_nobody(self):
        os.chmod(self.system.ipc[6:], 0o777)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setuid(65534)
                client = Client(self.system.ipc)
                client.context = zmq.Context()
                client.connect()
                header, _ = client.call_bytes(f"/{MIRROR}/Who", b"", seconds=5)
                os.write(write, f"{header.code} {header.message}".encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(pid, 0)
        answer = os.read(read, 1000).decode()
        os.close(read)
        self.assertIn("uid 65534", answer)
        self.assertTrue(answer.startswith(f"{UNAUTHENTICATED} "), answer)

    def test_drain_is_for_admins(self):
        drain = ("/sitewire.rpc.v1.Drain/Drain", b"")
        for key, code in ((self.enroll("plain@a.example", admin=False), PERMISSION_DENIED),
                          (self.enroll(ADMIN), NOT_FOUND), (None, NOT_FOUND)):
            client = self.system.client(key=key)
            header, _ = client.call_bytes(*drain, destination="@no-such-instance")
            self.assertEqual(header.code, code, header.message)
            client.close()


    def test_services_of_others_are_for_those_with_a_profile(self):
        """A worker that knows nothing of sitewire hears nobody whom sitewire would not answer,
        whatever the method is called."""
        worker = zmq.Context.instance().socket(zmq.DEALER)
        worker.linger = 0
        worker.connect(self.system.backend)
        worker.send_multipart([b"MDPW02", b"\x01", b"test.plain"])
        admin = self.system.client()
        wait_for(lambda: admin.exchange([b"MDPC02", b"\x01", b"mmi.service", b"test.plain"], 5)[3] == b"200", "it serves")
        client = self.system.client(key=self.enroll("none@a.example", admin=False))
        for method, destination in ((f"/{MIRROR}/Who", ""), ("/test.plain/X", ""), ("/sitewire.rpc.v1.Health/Check", "test.plain")):
            header, _ = client.call_bytes(method, b"", destination=destination)
            self.assertEqual((header.code, "no access right yet" in header.message), (PERMISSION_DENIED, True), header.message)
        refused = client.exchange([b"MDPC02", b"\x01", b"test.plain", b"opaque"], 0.5)
        self.assertNotIn(b"opaque", refused or [])
        self.assertIsNotNone(client.health(MIRROR))
        for each in (admin, client):
            each.socket.send_multipart([b"MDPC02", b"\x01", b"test.plain", b"from the admin" if each is admin else b"opaque"])
        heard = []
        while not heard or heard[-1] != b"from the admin":
            self.assertTrue(worker.poll(10000), "the admin's call comes")
            frames = worker.recv_multipart()
            heard += [frames[4]] if frames[1] == b"\x02" else []
        self.assertEqual(heard, [b"from the admin"])
        for each in (worker, admin, client):
            each.close()


class Silent(Base):
    """Connections that never finish their handshake."""

    options = ("--handshake-ms", "15000")

    def test_thousand_connections_without_a_handshake(self):
        """Each says nothing, or half of a greeting. Others are served meanwhile: their calls have
        less time than the silent connections. Then these are closed."""
        key = self.enroll("ann@a.example")
        address = self.system.tcp[6:].split(":")
        open_files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(open_files, 4096)), most))
        silent = [socket.create_connection((address[0], int(address[1]))) for _ in range(1000)]
        for each in silent[::2]:
            each.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f\3")
        for _ in range(5):
            self.assertEqual(self.who(key)[0], "ann@a.example")
        for each in silent:
            each.settimeout(60)
            while each.recv(100):  # the broker's greeting, and then the end
                pass
            each.close()
        wait_for(lambda: self.system.counter("handshakes_failed") >= 1000, "they are counted")
        self.assertLess(self.log().count("handshakes failed"), 100)


class Away(Base):
    """The user service goes and comes; what is cached is cached for a short time only."""

    options = ("--auth-cache-ms", "10000")

    def test_fails_closed(self):
        key, late = self.enroll("ann@a.example"), self.enroll("bob@a.example")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "ann@a.example")
        self.system.kill("user-0")
        wait_for(lambda: "worker lost" in self.log() or not self.serves_users(), "the broker sees it")
        self.assertEqual(self.who(client=client)[0], "ann@a.example", "its verdict still counts")
        self.assertEqual(self.answer_to_handshake(late), 300, "nobody can say who that is")
        header = wait_for(lambda: self.failure(client), "its verdict has ended")
        self.assertEqual(header.code, UNAVAILABLE)
        self.assertEqual(client.health(), "SERVING")  # that anybody may know who is not refused
        self.assertEqual(self.who()[0], ADMIN)  # the file system vouches for it
        self.system.start_service("user-0")
        wait_for(lambda: not self.failure(client), "all is well again")
        self.assertEqual(self.who(late)[0], "bob@a.example")
        client.close()

    def serves_users(self):
        client = self.system.client()
        status = client.health("sitewire.user.v1.Users")
        client.close()
        return status == "SERVING"

    def failure(self, client):
        try:
            return self.who(client=client) and None
        except Failed as failed:
            return failed.header


class Quiet(Base):
    """A connection that says nothing for longer than its verdict is kept."""

    options = ("--auth-cache-ms", "100")

    def test_a_call_waits_for_the_verdict(self):
        client = self.system.client(key=self.enroll("ann@a.example"))
        end = time.monotonic() + 2.5  # the verdict is confirmed every second, and holds for a tenth
        while time.monotonic() < end:
            self.assertEqual(self.who(client=client)[0], "ann@a.example")
        client.close()


class Others(Base):
    """Those who would pose as a broker, a service or a subscriber."""

    def test_false_broker(self):
        """A service has nothing to do with a broker that has not the key that it expects."""
        false = self.system.key("false.key")
        router = zmq.Context.instance().socket(zmq.ROUTER)
        router.linger, router.curve_server, router.curve_secretkey = 0, 1, false.secret.encode()
        port = router.bind_to_random_port("tcp://127.0.0.1")
        service = self.system.start("referential-9", "sitewire-referential", "--backend", f"tcp://127.0.0.1:{port}",
                                    "--key", self.system.service_key.path, "--database",
                                    self.system.postgres.conninfo + " user=sitewire_referential")
        wait_for(lambda: "broker hung up in the handshake" in service.output(), "it says so")
        self.assertFalse(router.poll(300), "it says nothing to that broker")
        router.close()
        self.system.kill("referential-9")

    def test_service_by_tcp(self):
        self.system.start("user-9", "sitewire-user", "--backend", self.system.tcp_backend, "--instance", "user-9", "--key",
                          self.system.service_key.path, "--database", self.system.postgres.conninfo + " user=sitewire_user")
        client = self.system.client()
        wait_for(lambda: client.health("@user-9") == "SERVING", "it serves")
        client.close()

    def test_programs_want_their_keys(self):
        for program, words, says in (
                ("sitewire-broker", ("--frontend", "tcp://127.0.0.1:*", "--backend", "ipc:///tmp/never"), "--key"),
                ("sitewire-broker", ("--frontend", "ipc:///tmp/never", "--backend", "tcp://127.0.0.1:*", "--key",
                                     self.system.broker_key.path), "--service-keys"),
                ("sitewire-broker", ("--local-users", "0=@broker"), "--local-users"),
                ("sitewire-broker", ("--caller", "@broker"), "--caller"),
                ("sitewire-broker", ("--frontend", "ipc:///tmp/never", "--backend", "ipc://@never", "--events", ""), "no file mode"),
                ("sitewire-user", ("--backend", "tcp://127.0.0.1:1"), "--key")):
            done = subprocess.run([os.path.join(BIN, program), *words], capture_output=True, text=True, timeout=30,
                                  env=self.system.env(), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr)

    def test_events(self):
        """Only services publish, and only users subscribe; what they hear, test_watch_rights
        tells."""
        folder = tempfile.mkdtemp(prefix="swe-")
        ends = {name: f"tcp://127.0.0.1:{free_port()}" for name in ("publish", "events")}
        local = f"ipc://{folder}/e"
        broker = self.system.start("broker-2", "sitewire-broker", "--frontend", f"ipc://{folder}/f", "--backend",
                                   f"ipc://{folder}/b", "--events", f"{ends['events']},{local}", "--publish", ends["publish"],
                                   "--key", self.system.broker_key.path, "--service-keys", self.system.service_keys,
                                   "--local-users", f"{os.getuid()}={ADMIN}", *LOCAL_SERVICES)
        self.system.start_service("user-2", f"ipc://{folder}/b")
        wait_for(lambda: "event=ready" in broker.output(), "the broker runs")
        wait_for(lambda: "broker connected" in self.system.processes["user-2"].output(), "it can ask about users")
        stranger, service = self.system.key("stranger.key"), self.system.service_key
        context = zmq.Context.instance()

        def connect(kind, endpoint, key):
            s = context.socket(kind)
            s.linger = 0
            if key:
                key.use(s)
            events = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_SUCCEEDED)
            s.connect(endpoint)
            self.assertTrue(events.poll(10000))
            good = parse_monitor_message(events.recv_multipart())["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            s.disable_monitor()
            return s, good

        sockets = [connect(zmq.PUB, ends["publish"], stranger), connect(zmq.SUB, ends["events"], stranger),
                   connect(zmq.PUB, ends["publish"], service), connect(zmq.SUB, local, None)]
        self.assertEqual([good for _, good in sockets], [False, False, True, True])
        (false, _), (strange, _), (publisher, _), (subscriber, _) = sockets
        strange.subscribe(b"")
        subscriber.subscribe(b"")

        def publish():
            false.send(b"deployment/false/")
            publisher.send(b"deployment/good/")
            return subscriber.poll(20)

        wait_for(publish, "an event comes")
        while subscriber.poll(100):
            self.assertEqual(subscriber.recv(), b"deployment/good/")
        self.assertFalse(strange.poll(0))
        self.assertEqual(broker.output().count("service refused"), 1)
        for each, _ in sockets:
            each.close()
        self.system.kill("user-2")
        self.system.kill("broker-2")
        shutil.rmtree(folder)


if __name__ == "__main__":
    unittest.main()
