#!/usr/bin/env python3
"""A sitewire client in one file, from docs/protocol.md alone (Debian: python3-zmq, python3-protobuf). As a program:

    python3 sitewire.py Referential/GetWebsite '{"code": "saint-gobain.com"}'
    python3 sitewire.py Referential/ListWebsites '{"page_size": 3}'
    python3 sitewire.py Health/Watch          # a stream: one line per message

It asks the services for their schema (Reflection) and speaks plain MDP/0.2 to the first of $SITEWIRE_ENDPOINT.
"""
import json
import os
import sys
import time
import uuid

import zmq
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

REQUEST, PARTIAL, FINAL, CREDIT = b"\x01", b"\x02", b"\x03", b"\x11"
CODES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
         "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
         "UNAUTHENTICATED").split()
RPC = "sitewire.rpc.v1."


class Failure(Exception):
    """A status other than OK: code (a number), message, and details as dicts."""

    def __init__(self, code, message, details=()):
        super().__init__(f"{CODES[code] if code < len(CODES) else code}: {message}")
        self.code, self.message, self.details = code, message, list(details)


def _bootstrap():
    """The few messages that must be known before Reflection can be asked: fields as section 2 says."""
    file = descriptor_pb2.FileDescriptorProto(name="bootstrap.proto", package="bootstrap", syntax="proto3")
    text, number, u64, data, many, one = 9, 13, 4, 12, 3, 1

    def message(name, *fields):
        m = file.message_type.add(name=name)
        for field, tag, kind, label, *type_name in fields:
            m.field.add(name=field, number=tag, type=kind, label=label, type_name=type_name[0] if type_name else None)
    message("Violation", ("field", 1, text, one), ("description", 2, text, one))
    message("Detail", ("field_violation", 1, 11, one, ".bootstrap.Violation"))
    message("CallHeader", ("method", 1, text, one), ("call_id", 2, u64, one), ("time_left_ms", 3, number, one),
            ("request_id", 4, text, one), ("credit", 5, number, one))
    message("ReplyHeader", ("call_id", 1, u64, one), ("code", 2, number, one), ("message", 3, text, one),
            ("details", 4, 11, many, ".bootstrap.Detail"))
    message("Schema", ("file_descriptor_set", 1, data, one))
    message("Service", ("service", 1, text, one))
    message("Stats", ("services", 10, 11, many, ".bootstrap.Service"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    classes = message_factory.MessageFactory(pool)
    return {m.name: classes.GetPrototype(pool.FindMessageTypeByName("bootstrap." + m.name)) for m in file.message_type}


MESSAGES = _bootstrap()


class Client:
    """One connection. Not for several threads."""

    def __init__(self, endpoint=None, timeout=30.0):
        self.timeout, self.last_id = timeout, 0
        self.pool, self.methods, self.known = descriptor_pool.DescriptorPool(), {}, set()
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect((endpoint or os.environ["SITEWIRE_ENDPOINT"]).split(",")[0])

    def call_bytes(self, service, path, payload, credit=0, timeout=None):
        """Yields the payload of each message of the reply: one, or those of a stream if credit is given."""
        deadline = time.monotonic() + (timeout or self.timeout)
        self.last_id += 1
        header = MESSAGES["CallHeader"](method=path, call_id=self.last_id, request_id=str(uuid.uuid4()), credit=credit,
                                        time_left_ms=max(1, int((deadline - time.monotonic()) * 1000)))
        self.socket.send_multipart([b"MDPC02", REQUEST, service.encode(), header.SerializeToString(), payload])
        while True:
            left = int((deadline - time.monotonic()) * 1000)
            if left <= 0 or not self.socket.poll(left):
                raise Failure(4, f"no reply within {timeout or self.timeout} s")
            frames = self.socket.recv_multipart()
            if len(frames) != 5 or frames[0] != b"MDPC02" or frames[1] not in (PARTIAL, FINAL):
                continue  # not for us to understand
            reply = MESSAGES["ReplyHeader"].FromString(frames[3])
            if reply.call_id != self.last_id:
                continue  # late: the call it answers was given up
            if reply.code:
                raise Failure(reply.code, reply.message, [json_format.MessageToDict(d, preserving_proto_field_name=True)
                                                          for d in reply.details])
            if frames[1] == FINAL:
                if not credit:
                    yield frames[4]
                return
            yield frames[4]
            more = MESSAGES["CallHeader"](call_id=self.last_id, credit=1)
            self.socket.send_multipart([b"MDPC02", CREDIT, service.encode(), more.SerializeToString()])

    def learn(self, destination):
        """Adds what `destination` offers to the methods known."""
        data, = self.call_bytes(destination, f"/{RPC}Reflection/GetSchema", b"")
        files = descriptor_pb2.FileDescriptorSet.FromString(MESSAGES["Schema"].FromString(data).file_descriptor_set)
        for file in files.file:
            if file.name not in self.known:
                self.known.add(file.name)
                self.pool.Add(file)
                for service in file.service:
                    for method in service.method:
                        self.methods[f"{file.package}.{service.name}/{method.name}"] = method

    def find(self, name):
        """The full name of `Service/Method`, with or without the package."""
        if not self.methods:
            self.learn(RPC + "Reflection")
            data, = self.call_bytes(RPC + "Stats", f"/{RPC}Stats/GetStats", b"")
            for entry in MESSAGES["Stats"].FromString(data).services:
                self.learn(entry.service)
        found = [full for full in self.methods if ("." + full).endswith("." + name.lstrip("/"))]
        if len(found) != 1:
            raise Failure(12, f"no method {name}" if not found else f"{name} may be any of {', '.join(found)}")
        return found[0]

    def call(self, name, request=None, timeout=None):
        """Yields the messages of the reply as dicts; `request` is a dict in proto3 JSON form."""
        full = self.find(name)
        method, factory = self.methods[full], message_factory.MessageFactory(self.pool)
        kinds = [factory.GetPrototype(self.pool.FindMessageTypeByName(t.lstrip(".")))
                 for t in (method.input_type, method.output_type)]
        payload = json_format.ParseDict(request or {}, kinds[0]()).SerializeToString()
        credit = 16 if method.server_streaming else 0
        for data in self.call_bytes(full.split("/")[0], "/" + full, payload, credit, timeout):
            yield json_format.MessageToDict(kinds[1].FromString(data), preserving_proto_field_name=True)


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        sys.exit(__doc__)
    try:
        for message in Client().call(arguments[0], json.loads(arguments[1]) if len(arguments) == 2 else {}):
            print(json.dumps(message), flush=True)
    except Failure as failure:
        print(f"error: {failure}", *(d["field_violation"]["field"] for d in failure.details if d.get("field_violation")),
              sep="\nfield: ", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
