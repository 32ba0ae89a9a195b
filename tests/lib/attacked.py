"""A broker under attack: tcp with keys and ipc on every side, and a worker that stands in for the
user service and answers calls. Needs no database, so that many can run at once."""
import os
import re
import resource
import shutil
import subprocess
import threading

from mdp import ECHO, Broker, Client, Worker
from sitewire_test import BIN, LOCAL_SERVICES, Key, wait_for
import zmq
from sitewire.rpc.v1 import rpc_pb2
from sitewire.user.v1 import user_pb2

USERS = "sitewire.user.v1.Users"
ADMIN = "admin@localhost"
MIB = 1 << 20


def raise_descriptor_limit():
    """For tests with thousands of connections."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most == resource.RLIM_INFINITY or most < 65536 else 65536, most))


class Server(threading.Thread):
    """The user service, as far as the broker asks it, and an Echo whose replies have the size that
    the request names. `known`: users by public key; `recorded`: refusals that came."""

    def __init__(self, socket_):
        super().__init__(daemon=True)
        self.worker = Worker(socket_, instance="server", services=(USERS, ECHO), capacity=1000)
        self.known, self.refused, self.recorded, self.over, self.served = {}, {}, [], False, 0
        self.start()

    def _identity(self, key, user):
        if user or key in self.known:
            who = user or self.known[key]
            return user_pb2.Identity(public_key=key, user=who, profile="ADMIN" if who == ADMIN else "USER",
                                     refused=self.refused.get(key, ""), reads_everything=True)
        return user_pb2.Identity(public_key=key, refused="this key is not enrolled")

    def _answer(self, method, payload):
        if method.endswith("/Authenticate"):
            asked = user_pb2.AuthenticateRequest.FromString(payload)
            return user_pb2.AuthenticateResponse(items=[self._identity(key, "") for key in asked.public_keys] +
                                                 [self._identity("", user) for user in asked.users]).SerializeToString()
        if ECHO in method:
            self.served += 1
            return bytes(int(payload or b"0"))
        return b""

    def run(self):
        socket_ = self.worker.socket
        while not self.over:
            if not socket_.poll(100):
                self.worker.heartbeat()
                continue
            frames = socket_.recv_multipart()
            if frames[1:2] == [b"\x02"]:
                header = rpc_pb2.CallHeader.FromString(frames[4])
                self.worker.reply(frames[2], header.call_id, self._answer(header.method, frames[5]))

    def end(self):
        self.over = True
        self.join()


class Attacked(Broker):
    """`descriptors`: the limit that the system sets for the broker."""

    def __init__(self, *options, descriptors=4096):
        self.descriptors_max = descriptors
        super().__init__(*options)

    def start(self, *options):
        folder = self.folder.name
        self.broker_key = Key(os.path.join(folder, "broker.key"))
        self.service_keys = os.path.join(folder, "service-keys")
        os.mkdir(self.service_keys)
        self.ipc = {"frontend": self.front, "backend": self.back, "events": self.events, "publish": self.publish}
        ends = [word for side in self.ipc for word in (f"--{side}", f"{self.ipc[side]},tcp://127.0.0.1:*")]
        self.process = subprocess.Popen(
            [shutil.which("prlimit"), f"--nofile={self.descriptors_max}", os.path.join(BIN, "sitewire-broker"), *ends, "--key",
             self.broker_key.path, "--service-keys", self.service_keys, "--startup-grace-ms", "0", "--local-users",
             f"{os.getuid()}={ADMIN}", *LOCAL_SERVICES, *options], stderr=self.log)
        wait_for(lambda: "event=ready" in self.lines() or self.process.poll(), "the broker starts")
        self.tcp = dict(re.findall(r"event=listening side=(\w+) endpoint=(tcp://\S+)", self.lines()))
        self.server = Server(self.socket(self.back))
        wait_for(lambda: "instance=server" in self.lines(), "the server is registered")

    def key(self, user=None):
        """A key for this broker; known if `user` is given."""
        key = Key(None, self.broker_key.public)
        if user:
            self.server.known[key.public] = user
        return key

    def service_key(self, services="*"):
        key = self.key()
        with open(os.path.join(self.service_keys, os.urandom(4).hex()), "w", encoding="ascii") as file:
            file.write(f'metadata\n    services = "{services}"\ncurve\n    public-key = "{key.public}"\n')
        return key

    def call(self, key=None, endpoint=None, size=0):
        """One call of a new connection, over ipc without a key; its code."""
        s = self.context.socket(zmq.DEALER)
        s.linger = 0
        if key:
            key.use(s)
        s.connect(endpoint or (self.tcp if key else self.ipc)["frontend"])
        try:
            client = Client(s)
            client.send(ECHO + "/Get", str(size).encode(), time_left_ms=60000)
            return client.recv(patience=90000)[0].code
        finally:
            s.close()

    def memory(self, field="VmHWM"):
        """MiB: of all time (VmHWM), or now (VmRSS)."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"{field}:\s+(\d+) kB", file.read())[1]) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self):
        self.server.end()
        super().close()
