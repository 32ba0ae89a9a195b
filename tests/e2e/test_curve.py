#!/usr/bin/env python3
"""Keys on the wire: who comes in by tcp and ipc, as whom, and what becomes of those who do not belong."""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from sitewire_test import Failed, Key, System, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

import zmq  # noqa: E402

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
        self.socket.connect(endpoint)
        hello = rpc_pb2.WorkerHello(instance=f"mirror-{os.urandom(4).hex()}", capacity=100, services=[service])
        self.socket.send_multipart([b"MDPW02", b"\x01", service.encode(), hello.SerializeToString()])
        self.over, self.served = False, []
        self.start()

    def run(self):
        while not self.over:
            if not self.socket.poll(100):
                self.socket.send_multipart([b"MDPW02", b"\x05"])
                continue
            frames = self.socket.recv_multipart()
            if frames[1] == b"\x02":
                call = rpc_pb2.CallHeader.FromString(frames[4])
                self.served.append(call.method)
                reply = rpc_pb2.ReplyHeader(call_id=call.call_id)
                self.socket.send_multipart([b"MDPW02", b"\x04", frames[2], b"", reply.SerializeToString(), frames[6]])
        self.socket.close()

    def end(self):
        self.over = True
        self.join()


class Curve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}", "--log-level", "debug"))
        cls.mirror = Mirror(cls.system.backend)
        wait_for(lambda: cls.who()[0] == ADMIN, "the mirror serves")

    @classmethod
    def tearDownClass(cls):
        cls.mirror.end()
        cls.system.stop()

    @classmethod
    def enroll(cls, email, expires="NULL", admin=True):
        """A key of a user, known to the system. The user is made if it is not there."""
        key = cls.system.key(f"{email}-{os.urandom(4).hex()}.key")
        cls.system.sql(f"""INSERT INTO users."user" (email, is_admin) VALUES ('{email}', {admin})
                           ON CONFLICT (email) DO NOTHING""")
        cls.system.sql(f"""INSERT INTO users.key (public_key, "user", expires_at) VALUES ('{key.public}', '{email}',
                           {expires})""")
        return key

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

    def assert_refused(self, key, *words):
        with self.assertRaises(Failed) as failed:
            self.who(key)
        self.assertEqual(failed.exception.header.code, UNAUTHENTICATED)
        for word in words:
            self.assertIn(word, failed.exception.header.message)

    def test_who(self):
        for user in ("ann@a.example", "bob@a.example"):
            key = self.enroll(user)
            self.assertEqual(self.who(key), (user, key.public))
        self.assertEqual(self.who(), (ADMIN, ""))

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
        revoked = time.monotonic()
        self.wait_refused(client, "revoked")
        self.assertLess(time.monotonic() - revoked, 1.5)
        self.assert_refused(key, "revoked")

    def test_inactive_user(self):
        key = self.enroll("idle@a.example")
        client = self.system.client(key=key)
        self.assertEqual(self.who(client=client)[0], "idle@a.example")
        self.system.sql("""UPDATE users."user" SET active = false WHERE email = 'idle@a.example'""")
        self.wait_refused(client, "active")
        self.system.sql("""UPDATE users."user" SET active = true WHERE email = 'idle@a.example'""")
        wait_for(lambda: self.works(key), "it is let in again")

    def test_the_refused_are_cut_off(self):
        client = self.system.client(key=self.system.key("stranger.key"))
        monitor = client.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        with self.assertRaises(Failed):
            self.who(client=client)
        self.assertTrue(monitor.poll(10000), "its connection is ended")
        client.socket.disable_monitor()
        client.close()

    def test_no_curve(self):
        client = self.system.client(self.system.tcp)
        self.assertIsNone(client.call_bytes(f"/{MIRROR}/Who", b"", seconds=0.5)[0])
        client.close()
        wait_for(lambda: "handshakes failed" in self.log(), "it is logged")

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


if __name__ == "__main__":
    unittest.main()
