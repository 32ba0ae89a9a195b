#!/usr/bin/env python3
"""A client for sitewire in Python, written from docs/protocol.md alone: MDP framing, one call at a
time. Runs with protobuf 3.20 and later.

    sitewire.py METHOD [JSON]      any method: Referential/GetWebsite '{"code": "x"}'
    sitewire.py websites [PREFIX]  the codes of all websites, page by page
    sitewire.py watch [SERVICE]    prints the health of the broker, or of a service, at every change

Needs pyzmq, protobuf and, once, protoc (Debian: python3-zmq python3-protobuf protobuf-compiler).
SITEWIRE_ENDPOINT: endpoints of brokers, comma-separated: the first that serves is used.
SITEWIRE_KEY: the key file for tcp, by default ~/.config/sitewire/key. SITEWIRE_PROTO: the folder of
the .proto files."""
import contextlib
import glob
import hashlib
import itertools
import os
import pathlib
import re
import subprocess
import sys
import time
import uuid

import zmq
import zmq.utils.monitor
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

CODES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
         "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
         "UNAUTHENTICATED").split()
UNAVAILABLE, FINAL, CANCEL, CREDIT = 14, b"\x03", 0x10, 0x11
RPC, HERE = "sitewire.rpc.v1.", os.path.dirname(os.path.abspath(__file__))


def load_protos():
    """The .proto files as a FileDescriptorSet, which is compiled again whenever they change."""
    folders = [os.environ.get("SITEWIRE_PROTO") or HERE, os.path.join(HERE, "..", "..", "proto"),
              "/usr/local/share/sitewire/proto", "/usr/share/sitewire/proto"]
    root = next((folder for folder in folders if os.path.isdir(os.path.join(folder, "sitewire"))), None) or sys.exit(
        "error: no .proto files; set SITEWIRE_PROTO to the folder that holds sitewire/")
    files = sorted(glob.glob(os.path.join(root, "sitewire", "*", "v1", "*.proto")))
    digest = hashlib.sha256(b"".join(pathlib.Path(file).read_bytes() for file in files)).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    cache = os.path.join(base, f"sitewire-python-{digest}.pb")
    if not os.path.exists(cache):
        os.makedirs(base, exist_ok=True)
        fresh = f"{cache}.{os.getpid()}"  # renamed when complete, as two programs may do this at once
        subprocess.run(["protoc", f"-I{root}", "--include_imports", f"--descriptor_set_out={fresh}", *files], check=True)
        os.rename(fresh, cache)
    with open(cache, "rb") as file:
        return descriptor_pb2.FileDescriptorSet.FromString(file.read())


class Failure(Exception):
    """A call that failed: code, message, the Details of the reply, and its trailers as a dict."""

    def __init__(self, code, message, details=(), trailers=()):
        super().__init__(f"{CODES[code] if code < len(CODES) else code}: {message}")
        self.code, self.details, self.trailers = code, list(details), {each.key: each.value for each in trailers}

    def pause(self):
        """Seconds to wait before the call is sent again."""
        return max((each.retry.delay_ms / 1000 for each in self.details if each.HasField("retry")), default=0.2)


class Client:
    """A connection to a broker of the list, to be used in a `with`."""

    def __init__(self, endpoint=None):
        pool, self.services = descriptor_pool.DescriptorPool(), {}
        for file in load_protos().file:
            pool.AddSerializedFile(file.SerializeToString())
            for name in (f"{file.package}.{service.name}" for service in file.service):
                self.services[name] = pool.FindServiceByName(name)
        make = getattr(message_factory, "GetMessageClass", None)  # since protobuf 4.22
        make = make or message_factory.MessageFactory(pool).GetPrototype
        self.type = lambda name: make(pool.FindMessageTypeByName(name))
        self.CallHeader, self.ReplyHeader = self.type(RPC + "CallHeader"), self.type(RPC + "ReplyHeader")
        endpoint = endpoint or os.environ.get("SITEWIRE_ENDPOINT") or sys.exit("error: SITEWIRE_ENDPOINT is not set")
        self.list = [each.strip() for each in endpoint.split(",")]
        self.endpoints, self.ids, self.socket, self.trailers = itertools.cycle(self.list), itertools.count(1), None, {}
        self.connect()

    def connect(self):
        """Goes to the next endpoint. What was sent to the one before is lost."""
        self.__exit__()
        self.socket, self.endpoint = zmq.Context.instance().socket(zmq.DEALER), next(self.endpoints)
        self.socket.linger = 0
        path = (named := os.environ.get("SITEWIRE_KEY")) or os.path.expanduser("~/.config/sitewire/key")
        if self.endpoint.startswith("tcp:") and path != "off" and (named or os.path.exists(path)):
            with open(path, encoding="ascii") as file:
                if os.fstat(file.fileno()).st_mode & 0o177:
                    sys.exit(f"error: others can read the key file {path}: chmod 600 {path}")
                keys = dict(re.findall(r'^\s*(\w+)[-_]key\s*=\s*"(.*)"', file.read(), re.M))
            for name in ("public", "secret", "server"):  # CURVE: RFC 26
                value = keys.get(name) or sys.exit(f"error: {path} has no {name}-key")
                setattr(self.socket, f"curve_{name}key", value.encode())
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                                      zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
        self.socket.connect(self.endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.socket is not None:
            self.socket.disable_monitor()
            self.monitor.close()
            self.socket.close()

    def method(self, name):
        """The descriptor of `Service/Method`, with or without the package."""
        service, _, method = name.lstrip("/").rpartition("/")
        for full_name, descriptor in self.services.items():
            if service in (full_name, full_name.rpartition(".")[2]) and method in descriptor.methods_by_name:
                return descriptor.methods_by_name[method]
        raise Failure(12, f"no method {name}; write Service/Method, such as Referential/GetWebsite")

    def stream(self, name, request, timeout=30.0, credit=0, request_id=None):
        """Yields the messages of a stream, or the only reply. `request` is a message or a dict.
        Whoever leaves the stream early cancels it. While nothing has come and a broker or service
        is UNAVAILABLE, the call is sent again, to the next broker. It has the same request_id, so a
        change happens once. Give your own to go on with a change after a restart."""
        service = (method := self.method(name)).containing_service.full_name
        if isinstance(request, dict):
            request = json_format.ParseDict(request, self.type(method.input_type.full_name)())
        header = self.CallHeader(method=f"/{service}/{method.name}", credit=credit, request_id=request_id or str(uuid.uuid4()),
                                 elsewhere=len(self.list) > 1)
        end, delivered = time.monotonic() + timeout, False
        for attempt in itertools.count(1):
            try:
                for payload in self.attempt(service, header, request.SerializeToString(), end):
                    delivered = True
                    yield self.type(method.output_type.full_name).FromString(payload)
                return
            except Failure as failure:
                pause = failure.pause() if attempt % len(self.list) == 0 else 0
                if failure.code != UNAVAILABLE or delivered or time.monotonic() + pause >= end:
                    raise
            time.sleep(pause)
            self.connect()

    def attempt(self, service, header, request, end):
        """Yields the payloads of one attempt at a call; self.trailers gets its trailers."""
        ended, header.call_id = False, next(self.ids)
        header.time_left_ms = max(1, int((end - time.monotonic()) * 1000))
        self.something_happened()  # between calls: libzmq has connected again
        self.send(1, service, header, request)
        try:
            while not ended:
                command, reply, *payload = self.receive(header.call_id, end)
                if ended := command == FINAL:
                    self.trailers = {each.key: each.value for each in reply.trailers}
                if reply.code:
                    raise Failure(reply.code, reply.message, reply.details, reply.trailers)
                if not (ended and header.credit):  # the end of a stream carries no message
                    yield payload[0]
                if not ended:
                    self.send(CREDIT, service, self.CallHeader(call_id=header.call_id, method=header.method, credit=1))
        finally:
            if not ended:
                self.send(CANCEL, service, self.CallHeader(call_id=header.call_id, method=header.method))

    def receive(self, call_id, end):
        """The next reply to a call: command, ReplyHeader, payload."""
        while ready := zmq.select([self.socket, self.monitor], [], [], max(0, end - time.monotonic()))[0]:
            if self.socket in ready:
                frames = self.socket.recv_multipart()
                reply = self.ReplyHeader.FromString(frames[3])
                if frames[0] == b"MDPC02" and reply.call_id == call_id:
                    return frames[1], reply, *frames[4:]
            elif self.something_happened():  # this reply will not come
                raise Failure(UNAVAILABLE, f"nobody is at {self.endpoint}, or it hung up: a change may have taken effect")
        raise Failure(4, f"no reply in time from {self.endpoint}: is a broker there, and does it know the key?")

    def something_happened(self):
        """Whether the connection was lost or refused since the last time."""
        happened = False
        while self.monitor.poll(0):
            event, happened = zmq.utils.monitor.recv_monitor_message(self.monitor), True
            if (event["event"], event["value"]) == (zmq.EVENT_HANDSHAKE_FAILED_AUTH, 400):  # ERROR: libzmq gives up
                raise Failure(16, f"{self.endpoint} refuses the key: not enrolled, revoked, expired, or its user is inactive")
        return happened

    def call(self, name, request, timeout=30.0, request_id=None):
        return next(self.stream(name, request, timeout, request_id=request_id))

    def send(self, command, service, header, *payload):
        frames = [b"MDPC02", bytes([command]), service.encode(), header.SerializeToString(), *payload]
        with contextlib.suppress(zmq.Again):  # after a refusal, which the next event tells
            self.socket.send_multipart(frames, zmq.DONTWAIT)

    def websites(self, prefix=""):
        """Yields every website whose code begins with the prefix."""
        request = {"page_size": 500, "filters": [{"field": "code", "op": "prefix", "values": [prefix]}] * bool(prefix)}
        while request.get("page_token") != "":
            page = self.call("Referential/ListWebsites", request)
            yield from page.items
            request["page_token"] = page.next_page_token


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        return print(__doc__)
    with Client() as client:
        return run(client, arguments[0], "".join(arguments[1:2]))


def run(client, command, rest):
    if command == "websites":
        for website in client.websites(rest):
            print(website.code, flush=True)
    elif command == "watch":
        for health in client.stream("Health/Watch", {"service": rest}, timeout=86400, credit=1):
            print(json_format.MessageToJson(health, indent=None), flush=True)
    else:
        request = json_format.Parse(rest or "{}", client.type(client.method(command).input_type.full_name)())
        print(json_format.MessageToJson(client.call(command, request), preserving_proto_field_name=True))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failure, json_format.ParseError, KeyboardInterrupt, OSError, zmq.ZMQError) as failure:
        print(f"error: {str(failure) or 'interrupted'}", file=sys.stderr)
        sys.exit(getattr(failure, "code", 3 if str(failure) else 1))
