"""Fixtures of the end-to-end tests: a private PostgreSQL, the real programs around it, and a bare
client.

    with System() as system:                       # PostgreSQL, migrations, one broker, one
    referential service
        header, website = system.client().call("Referential/GetWebsite",
        referential_pb2.GetWebsiteRequest(code="x")) system.cli("list", "websites", "--json").stdout
        system.kill("sitewire-broker"); system.start_broker()

Everything lives in one temporary folder and ends with the test process, however that ends. Several
runs may go on side by side. Needs python3-zmq and python3-protobuf only.
"""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SITEWIRE_BUILD", os.path.join(ROOT, "build"))
BIN = os.path.join(BUILD, "bin")
SITEWIRE = os.path.join(BIN, "sitewire")
sys.path.insert(0, os.path.join(BUILD, "python"))  # the modules that the build makes with protoc

import zmq  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

# A process of the tests may offer any service over ipc.
LOCAL_SERVICES = ("--local-services", f"{os.getuid()}=*,sitewire.*")
PATIENCE = 30  # seconds for what must happen


def wait_for(condition, what, seconds=PATIENCE):
    """Polls until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children(pid):
    """pids of the living direct children of a process, by program name (the first 15
    characters)."""
    found = {}
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(task, encoding="ascii") as file:
            for child in map(int, file.read().split()):
                if is_alive(child):
                    with open(f"/proc/{child}/comm", encoding="utf-8") as comm:
                        found.setdefault(comm.read().strip(), []).append(child)
    return found


def is_alive(pid):
    """Runs, and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_folder():
    """A temporary folder that PostgreSQL's user may enter. Its name is short, because a socket's
    path has at most 107 bytes."""
    folder = tempfile.mkdtemp(prefix="swt-")
    os.chmod(folder, 0o755)
    return folder


def clean_environment():
    """The environment without the settings of a system that this shell uses."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("SITEWIRE_", "PG"))}


class Process:
    """A program in the background; its output goes to a file. Dies with the test."""

    def __init__(self, folder, name, command, env=None, death="KILL", user=None, stdin=subprocess.DEVNULL):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        drop = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", death, *drop, *command], stdin=stdin,
                                          stdout=log, stderr=log, env=env, cwd=folder)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def end(self, number=signal.SIGTERM, seconds=PATIENCE):
        """Signals it, waits, and returns its exit status (negative: the signal that ended it)."""
        if self.running():
            self.popen.send_signal(number)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.output()}") from None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Postgres:
    """A private cluster in folder/pg, on a unix socket in `folder`. As root it runs as user
    postgres."""

    def __init__(self, folder, durable=False):
        self.folder, self.process = folder, None
        self.data = os.path.join(folder, "pg")
        self.user = "postgres" if os.geteuid() == 0 else None
        found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
        self.bin = os.path.dirname(max(found, key=lambda path: int(path.split("/")[4])) if found
                                   else shutil.which("postgres") or "/nonexistent/")
        self.conninfo = f"host={folder} user=postgres dbname=sitewire"
        self.speed = [] if durable else ["-c", "fsync=off"]  # whose writes outlive a kill -9
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        drop = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"] if self.user else []
        subprocess.run([*drop, f"{self.bin}/initdb", "-N", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        self.start()
        subprocess.run([f"{self.bin}/createdb", "-h", folder, "-U", "postgres", "sitewire"], check=True)

    def start(self):
        self.process = Process(self.folder, "postgres", [
            f"{self.bin}/postgres", "-D", self.data, "-k", self.folder, "-c", "listen_addresses=", "-c",
            "shared_buffers=32MB", *self.speed], death="INT", user=self.user)
        wait_for(lambda: subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.folder], check=False).returncode == 0,
                 "PostgreSQL answers")

    def kill(self):
        """kill -9 of the postmaster; returns when its backends have seen it too."""
        self.process.end(signal.SIGKILL)
        wait_for(lambda: not self._orphans(), "the backends end")

    def _orphans(self):
        for path in glob.glob("/proc/[0-9]*/cwd"):
            try:
                if os.readlink(path) == self.data:
                    return True
            except OSError:
                pass
        return False

    def sql(self, text):
        """Rows as lists of strings."""
        done = subprocess.run([f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
                               "-d", self.conninfo, "-c", text], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def stop(self):
        self.process.end(signal.SIGINT)


class Failed(Exception):
    """A call that ended with another status than OK."""

    def __init__(self, header):
        super().__init__(f"{header.code}: {header.message}")
        self.header = header


class Client:
    """A client in the plainest MDP framing; one call at a time."""

    def __init__(self, endpoint, key=None):
        self.context = zmq.Context.instance()
        self.endpoint, self.key, self.socket, self.call_id = endpoint, key, None, 0
        self.connect()

    def connect(self):
        self.close()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if self.key:
            self.key.use(self.socket)
        self.socket.connect(self.endpoint)

    def close(self):
        if self.socket is not None:
            self.socket.close()

    def exchange(self, frames, seconds):
        """Raw frames out, the next message in; None when time is over."""
        self.socket.send_multipart(frames)
        return self.receive(seconds)

    def receive(self, seconds):
        return self.socket.recv_multipart() if self.socket.poll(int(seconds * 1000)) else None

    def call_bytes(self, method, payload, seconds=10, destination="", patience=10, **header):
        """(ReplyHeader, payload) of the FINAL; (None, None) when no reply came within `patience`
        seconds after its deadline."""
        self.call_id += 1
        service = destination or method[1:].split("/")[0]
        call = rpc_pb2.CallHeader(method=method, call_id=self.call_id, time_left_ms=int(seconds * 1000),
                                  destination=destination, **header)
        frames = self.exchange([b"MDPC02", b"\x01", service.encode(), call.SerializeToString(), payload], seconds + patience)
        while frames is not None:
            if frames[0] == b"MDPC02":  # else in compact framing: the answer to what a test sent by hand
                reply = rpc_pb2.ReplyHeader.FromString(frames[3])
                if reply.call_id == self.call_id and frames[1] == b"\x03":
                    return reply, frames[4]
            frames = self.receive(seconds + patience)
        return None, None

    def call(self, method, request, reply_type, seconds=10, destination="", patience=10, **header):
        """(ReplyHeader, reply). Raises Failed. `method` is `/package.Service/Method`."""
        reply, payload = self.call_bytes(method, request.SerializeToString(), seconds, destination, patience,
                                         **header)
        if reply is None:
            raise AssertionError(f"{method}: no reply within {seconds + patience} s")
        if reply.code != 0:
            raise Failed(reply)
        return reply, reply_type.FromString(payload)

    def health(self, service=""):
        """SERVING, NOT_SERVING, UNKNOWN, or None when nobody answers at once."""
        try:
            _, reply = self.call("/sitewire.rpc.v1.Health/Check", rpc_pb2.HealthCheckRequest(),
                                 rpc_pb2.HealthCheckResponse, seconds=1, destination=service, patience=1)
        except (Failed, AssertionError):
            return None
        return rpc_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)


class Key:
    """A key pair, and the file that programs read it from. `server` is the broker's public key."""

    def __init__(self, path, server=""):
        self.path, self.server = path, server
        self.public, self.secret = (key.decode() for key in zmq.curve_keypair())
        if path:
            self.write(path)

    def write(self, path, mode=0o600):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(f'metadata\n    server-key = "{self.server}"\n' if self.server else "")
            file.write(f'curve\n    public-key = "{self.public}"\n    secret-key = "{self.secret}"\n')
        os.chmod(path, mode)

    def use(self, socket):
        socket.curve_publickey, socket.curve_secretkey = self.public.encode(), self.secret.encode()
        socket.curve_serverkey = self.server.encode()


ADMIN = "admin@localhost"  # seeded by the migrations


class Programs:
    """Processes that share a folder, and a broker's endpoints in it."""

    def __init__(self):
        self.folder, self.processes = make_folder(), {}
        self.ipc, self.backend, self.events, self.publish = (
            f"ipc://{self.folder}/{name}" for name in ("frontend", "backend", "events", "publish"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def env(self):
        return clean_environment() | {"SITEWIRE_ENDPOINT": self.ipc, "SITEWIRE_BACKEND": self.backend,
                                      "SITEWIRE_EVENTS": self.events, "SITEWIRE_PUBLISH": self.publish,
                                      "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}

    def start(self, name, program, *options):
        """`program` is one of bin/, or a path."""
        self.processes[name] = Process(self.folder, name, [os.path.join(BIN, program), *options], self.env())
        return self.processes[name]

    def client(self, endpoint=None, key=None):
        return Client(endpoint or self.ipc, key)

    def kill(self, name):
        """kill -9"""
        self.processes.pop(name).end(signal.SIGKILL)

    def output(self):
        return "".join(f"--- {name}\n{process.output()}" for name, process in self.processes.items())

    def kill_all(self):
        for name in sorted(self.processes, key=lambda name: name == "broker"):  # the broker last
            process = self.processes.pop(name)
            process.popen.kill()
            process.popen.wait()

    def stop(self):
        self.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)


class System(Programs):
    """PostgreSQL, broker and services, each a process of its own, on ipc and tcp; tcp with CURVE if
    `curve`."""

    SERVICES = ("sitewire.referential.v1.Referential", "sitewire.user.v1.Users",
                "sitewire.deployment.v1.Deployments")

    def __init__(self, services=1, durable=False, broker_options=(), service_options=(), curve=False):
        super().__init__()
        self.postgres = None
        self.broker_options, self.service_options = broker_options, service_options
        try:
            self.postgres = Postgres(self._sub("db"), durable)
            self.tcp = f"tcp://127.0.0.1:{free_port()}"
            self.tcp_events = f"tcp://127.0.0.1:{free_port()}"
            self.curve = ("--curve", "off")
            self.caller = () if {"--caller", "--local-users"} & set(broker_options) else ("--caller", ADMIN)
            if curve:
                self.make_keys()
            self.secret_key = os.path.join(self.folder, "secrets")
            self.cli("secret", "new-key")
            self.migrate()
            self.start_broker()
            for number in range(services):
                self.start_service(f"referential-{number}")
            self.start_service("user-0")
            self.start_service("deployment-0")
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def _sub(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        return path

    def make_keys(self):
        """The broker's and the services' keys; the service has a backend on tcp too."""
        self.broker_key = Key(os.path.join(self.folder, "broker.key"))
        self.service_key = self.key("service.key")
        self.service_keys = os.path.join(self.folder, "service-keys")
        os.mkdir(self.service_keys, 0o755)
        self.let_serve(self.service_key)
        self.tcp_backend = f"tcp://127.0.0.1:{free_port()}"
        self.curve = ("--key", self.broker_key.path, "--service-keys", self.service_keys, "--backend",
                      f"{self.backend},{self.tcp_backend}")

    def let_serve(self, key, services="* sitewire.*", name=None):
        """Puts the key's public certificate, as pyzmq writes it, into the folder of those who may
        serve."""
        name = os.path.join(self.service_keys, name or os.urandom(4).hex())
        with open(name + ".new", "w", encoding="ascii") as file:
            file.write(f'metadata\n    services = "{services}"\ncurve\n    public-key = "{key.public}"\n')
        os.rename(name + ".new", name)

    def key(self, name):
        """A new key of a client of this broker, known to nobody yet."""
        return Key(os.path.join(self.folder, name), self.broker_key.public)

    def enroll(self, email, admin=False, rights=(), expires="NULL"):
        """The key of a user; the user is made if it is not there. rights: pairs of project and
        role."""
        key = self.key(f"{email}-{os.urandom(4).hex()}.key")
        self.sql(f"""INSERT INTO users."user" (email, is_admin) VALUES ('{email}', {admin}) ON CONFLICT (email) DO NOTHING;
                     INSERT INTO users.key (public_key, "user", expires_at) VALUES ('{key.public}', '{email}', {expires})""")
        for project, role in rights:
            self.sql(f"INSERT INTO users.access_right VALUES ('{project}', '{email}', '{role}')")
        return key

    def counter(self, name):
        """One of the broker's counters."""
        client = self.client()
        stats = client.call("/sitewire.rpc.v1.Stats/GetStats", rpc_pb2.GetStatsRequest(), rpc_pb2.GetStatsResponse,
                            destination="sitewire.rpc.v1.Stats")[1]
        client.close()
        return {each.name: each.value for each in stats.counters}[name]

    def env(self):
        return super().env() | {"SITEWIRE_SECRET_KEY": self.secret_key, "SITEWIRE_DATABASE": self.postgres.conninfo}

    def migrate(self):
        done = self.cli("migrate")
        if done.returncode != 0:
            raise AssertionError("sitewire migrate: " + done.stderr)

    def start_cli(self, name, *words, env=None):
        """Runs `sitewire WORDS` in the background; whoever starts it ends it."""
        return Process(self.folder, name, [SITEWIRE, *words], self.env() | (env or {}))

    def start_broker(self, name="broker"):
        return self.start(name, "sitewire-broker", "--frontend", f"{self.ipc},{self.tcp}", "--backend", self.backend,
                          "--events", f"{self.events},{self.tcp_events}", "--publish", self.publish, *self.curve, *self.caller, *LOCAL_SERVICES, *self.broker_options)

    def start_service(self, instance, backend=None):
        """The program is what the instance's name begins with: `referential-0`."""
        service = instance.partition("-")[0]
        return self.start(instance, f"sitewire-{service}", "--backend", backend or self.backend, "--database",
                          f"{self.postgres.conninfo} user=sitewire_{service}", "--instance", instance,
                          *self.service_options)

    def wait_ready(self, seconds=PATIENCE):
        """Until calls are served."""
        client = self.client()
        try:
            wait_for(lambda: self._check_running() and all(client.health(service) == "SERVING"
                                                        for service in self.SERVICES),
                     "the services are ready", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None
        finally:
            client.close()

    def _check_running(self):
        for process in self.processes.values():
            if not process.running():
                raise AssertionError(f"{process.name} ended with {process.popen.returncode}")
        return True

    def client(self, endpoint=None, key=None):
        return super().client(endpoint or (self.tcp if key else self.ipc), key)

    def cli(self, *words, stdin="", timeout=120, env=None):
        """Runs `sitewire WORDS`; a CompletedProcess with text."""
        return subprocess.run([SITEWIRE, *words], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=self.env() | (env or {}), check=False)

    def sql(self, text):
        return self.postgres.sql(text)

    def stop(self):
        self.kill_all()
        if self.postgres is not None and self.postgres.process is not None:
            self.postgres.process.end(signal.SIGQUIT)
        super().stop()
