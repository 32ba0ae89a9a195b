#!/usr/bin/env python3
"""Who may offer which service: a process with a service's key, or with a uid on ipc, registers the
names that it was given, and nothing else reaches it."""
import os
import pwd
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from mdp import Broker  # noqa: E402
from sitewire_test import System, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

import zmq  # noqa: E402

USERS, REFERENTIAL = "sitewire.user.v1.Users", "sitewire.referential.v1.Referential"
READY, HEARTBEAT, DISCONNECT = b"\x01", b"\x05", b"\x06"
PATIENCE = 10000


def register(socket, *services, instance=None):
    hello = rpc_pb2.WorkerHello(instance=instance or f"rogue-{os.urandom(4).hex()}", capacity=100, services=services)
    socket.send_multipart([b"MDPW02", READY, services[0].encode(), hello.SerializeToString()])


def answer(socket):
    """The broker's next message: DISCONNECT and a reason, or a heartbeat."""
    assert socket.poll(PATIENCE), "nothing came"
    return socket.recv_multipart()[1:]


class LocalWorkers(unittest.TestCase):
    def setUp(self):
        self.broker = Broker("--local-services", f"{os.getuid()}=test.*", "--instance", "broker-1")
        self.addCleanup(self.broker.close)

    def names(self):
        return {name for each in self.broker.stats().instances for name in each.services}

    def refused(self, *services, instance=None):
        socket = self.broker.socket(self.broker.back)
        register(socket, *services, instance=instance)
        command, reason = answer(socket)
        self.assertEqual(command, DISCONNECT)
        return reason.decode()

    def test_names_outside_the_list(self):
        before = self.names()
        reason = self.refused(USERS)
        self.assertIn(f"uid {os.getuid()} may not offer {USERS}", reason)
        self.assertIn("--local-services", reason)
        self.refused("test.Good", REFERENTIAL)  # one that it may not offer is enough
        self.assertEqual(self.names(), before)
        self.assertEqual(self.broker.counter("registrations_refused"), 2)
        self.assertIn("registration refused", self.broker.lines())

    def test_many_refusals_are_few_lines(self):
        for _ in range(100):
            self.refused(USERS)
        self.assertEqual(self.broker.counter("registrations_refused"), 100)
        self.assertLess(self.broker.lines().count("registration refused"), 100)

    def test_plain_worker(self):
        socket = self.broker.socket(self.broker.back)
        socket.send_multipart([b"MDPW02", READY, USERS.encode()])
        self.assertEqual(answer(socket), [DISCONNECT])

    def test_names_in_the_list(self):
        socket = self.broker.socket(self.broker.back)
        register(socket, "test.Good")
        wait_for(lambda: "test.Good" in self.names(), "it is registered")

    def test_a_worker_does_not_grow(self):
        socket = self.broker.socket(self.broker.back)
        register(socket, "test.Good", instance="one")
        wait_for(lambda: "test.Good" in self.names(), "it is registered")
        register(socket, "test.Good", USERS, instance="one")
        wait_for(lambda: "test.Good" not in self.names(), "it is gone")
        self.assertNotIn(USERS, self.names())

    def test_the_brokers_own_name(self):
        self.assertIn("that of this broker", self.refused("test.Good", instance="broker-1"))
        self.assertNotIn("test.Good", self.names())


class Publishers(unittest.TestCase):
    """Whoever may offer no service of a package may not publish its events."""

    def setUp(self):
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.broker = Broker("--local-services", f"{self.user}=acme.shop.v1.Orders")
        self.addCleanup(self.broker.close)

    def test_packages_of_events(self):
        socket = self.broker.socket(self.broker.publish, zmq.PUB)

        def publish():  # a PUB drops what it sends before the broker has subscribed
            for topic in (b"deployment/state/website:x/", b"acme.shop/order/website:x/", b"acme/x/y/", b"nothing"):
                socket.send_multipart([topic, b"body"])
            return self.broker.counter("events") >= 10

        wait_for(publish, "the broker passes on what it may")
        wait_for(lambda: self.broker.counter("events_refused") == 3 * self.broker.counter("events"), "and refuses the rest")
        self.assertIn("the package `deployment`", self.broker.lines())

    def test_a_worker_by_the_users_name(self):
        socket = self.broker.socket(self.broker.back)
        register(socket, "acme.shop.v1.Orders")
        wait_for(lambda: "acme.shop.v1.Orders" in {name for each in self.broker.stats().instances for name in each.services},
                 "it is registered")


class WithoutTheOption(unittest.TestCase):
    def test_nothing_may_be_offered(self):
        broker = Broker("--local-services", "")
        self.addCleanup(broker.close)
        socket = broker.socket(broker.back)
        register(socket, "test.Good")
        self.assertEqual(answer(socket)[0], DISCONNECT)


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True)
        cls.key = cls.system.key("rogue.key")
        cls.system.let_serve(cls.key, "sitewire.deployment.v1.Deployments test.*")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def connect(self, endpoint=None):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        self.key.use(socket)
        socket.connect(endpoint or self.system.tcp_backend)
        return socket

    def test_another_services_name(self):
        socket = self.connect()
        self.cannot_offer(socket)

    def test_another_services_name_on_ipc(self):
        """A key on ipc may offer what its certificate names, whatever its uid may."""
        self.cannot_offer(self.connect(self.system.backend))
        socket = self.connect(self.system.backend)
        register(socket, "test.Good")
        self.assertEqual(answer(socket)[0], HEARTBEAT)

    def cannot_offer(self, socket):
        for name in (USERS, REFERENTIAL):
            register(socket, name)
            command, reason = answer(socket)
            self.assertEqual(command, DISCONNECT)
            self.assertIn(name, reason.decode())
        for _ in range(6):  # all of them reach the real service
            self.assertEqual(self.system.cli("whoami").returncode, 0)
        self.assertEqual(socket.poll(0), 0)

    def test_another_instances_name(self):
        """Calls to one instance, such as Drain, must reach it."""
        socket = self.connect()
        register(socket, "test.Good", instance="referential-0")
        command, reason = answer(socket)
        self.assertEqual(command, DISCONNECT)
        self.assertIn(REFERENTIAL, reason.decode())
        client = self.system.client()
        self.addCleanup(client.close)
        self.assertEqual(client.health("@referential-0"), "SERVING")

    def start_users(self, instance, endpoint, services):
        key = self.system.key(f"{instance}.key")
        self.system.let_serve(key, services)
        return self.system.start(instance, "sitewire-user", "--backend", endpoint, "--key", key.path, "--instance", instance,
                                 "--database", f"{self.system.postgres.conninfo} user=sitewire_user")

    def names(self):
        client = self.system.client()
        stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(), rpc_pb2.GetStatsResponse,
                            destination="sitewire.rpc.v1.Stats")[1]
        client.close()
        return {name for each in stats.instances for name in each.services}

    def test_a_certificate_that_is_removed_or_changed(self):
        """It ends the connection that was made with it."""
        key = self.system.key("removed.key")
        for is_removed in (False, True):
            self.system.let_serve(key, "test.One test.Two", "removed")
            socket = zmq.Context.instance().socket(zmq.DEALER)
            self.addCleanup(socket.close, 0)
            key.use(socket)
            socket.reconnect_ivl = 3600000
            lost = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            socket.connect(self.system.tcp_backend)
            register(socket, "test.One", "test.Two")
            wait_for(lambda: "test.Two" in self.names(), "it is registered")
            self.system.let_serve(self.key, "sitewire.deployment.v1.Deployments test.*", "another")  # concerns others
            wait_for(lambda: "test.Two" in self.names(), "it stays")
            if is_removed:
                os.unlink(os.path.join(self.system.service_keys, "removed"))
            else:
                self.system.let_serve(key, "test.One", "removed")
            self.assertTrue(lost.poll(30000), "it is cut off")
            wait_for(lambda: "test.Two" not in self.names(), "it is gone")
            socket.disable_monitor()

    def test_a_service_says_why(self):
        process = self.start_users("user-2", self.system.tcp_backend, "test.*")
        wait_for(lambda: "registration refused by broker" in process.output(), "it is refused")
        self.assertIn(f"names test.*, not {USERS}", process.output())

    def test_a_service_with_its_key_on_ipc(self):
        process = self.start_users("user-3", self.system.backend, "test.*")
        wait_for(lambda: "registration refused by broker" in process.output(), "its uid does not count")
        self.assertIn(f"names test.*, not {USERS}", process.output())
        self.start_users("user-4", self.system.backend, USERS)
        wait_for(lambda: '"worker ready" instance=user-4' in self.system.processes["broker"].output(), "it serves")
        self.system.kill("user-2")


if __name__ == "__main__":
    unittest.main()
