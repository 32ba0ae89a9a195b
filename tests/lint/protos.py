"""No .proto breaks a client that is deployed: they are compared with the record in
proto/record.txt.

The record has one line per message, field, enum value and method, and one line `broke` per break
that was allowed, with the reason. Names, numbers, types, presence, names in JSON, streaming and
idempotency count: a client may use any of them. Additions never break; they only ask for `./dev
record-proto`. A break needs `./dev record-proto 'NAME: why'`, which belongs in the same commit. The
record of the last two commits counts too, so that editing it by hand allows nothing.
"""
import os
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

from common import ROOT, Finding, files

RECORD = "proto/record.txt"
HEAD = "# What clients may rely on: written by `./dev record-proto`, compared by `./dev lint`.\n"
Field = descriptor_pb2.FieldDescriptorProto
GONE = "gone"
BROKE = re.compile(r"^broke (\S+ \S+): (.*) -> (.*): (.+)$")


def compile_protos(folder, paths):
    """A FileDescriptorSet of .proto files under a folder."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"-I{folder}", "-I/usr/include", "-o", out.name,
                        *(os.path.join(folder, path) for path in paths)], check=True, cwd=ROOT)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read())


def describe_field(field, message):
    """`1 repeated string json name oneof choice`: what a peer must agree on."""
    kind = field.type_name.lstrip(".") or Field.Type.Name(field.type)[5:].lower()
    label = Field.Label.Name(field.label)[6:].lower()
    presence = {"repeated": "repeated ", "required": "required "}.get(label, "optional " if field.proto3_optional else "")
    real = field.HasField("oneof_index") and not field.proto3_optional
    oneof = f" oneof {message.oneof_decl[field.oneof_index].name}" if real else ""
    return f"{field.number} {presence}{kind} json {field.json_name}{oneof}"


def describe_enum(enum, name):
    yield f"enum {name}", "present"
    for value in enum.value:
        yield f"value {name}.{value.name}", str(value.number)


def describe_message(message, name):
    yield f"message {name}", "present"
    for field in message.field:
        yield f"field {name}.{field.name}", describe_field(field, message)
    for enum in message.enum_type:
        yield from describe_enum(enum, f"{name}.{enum.name}")
    for nested in message.nested_type:
        yield from describe_message(nested, f"{name}.{nested.name}")


def describe_method(method):
    streams = ("stream " if method.client_streaming else "", "stream " if method.server_streaming else "")
    level = descriptor_pb2.MethodOptions.IdempotencyLevel.Name(method.options.idempotency_level)  # clients repeat by it
    retry = "" if level == "IDEMPOTENCY_UNKNOWN" else " " + level
    return f"{streams[0]}{method.input_type[1:]} returns {streams[1]}{method.output_type[1:]}{retry}"


def describe(descriptors):
    """{kind and full name: what it is} of everything in a FileDescriptorSet."""
    found = {}
    for file in descriptors.file:
        for message in file.message_type:
            found.update(describe_message(message, f"{file.package}.{message.name}"))
        for enum in file.enum_type:
            found.update(describe_enum(enum, f"{file.package}.{enum.name}"))
        for service in file.service:
            name = f"{file.package}.{service.name}"
            found[f"service {name}"] = "present"
            for method in service.method:
                found[f"method {name}.{method.name}"] = describe_method(method)
    return found


def parse(text):
    """(elements, {(name, old, new): why}) of a record."""
    elements, broken = {}, {}
    for line in text.split("\n"):
        broke = BROKE.match(line)
        if broke:
            broken[broke[1], broke[2], broke[3]] = broke[4]
        elif ": " in line and not line.startswith("#"):
            name, _, what = line.partition(": ")
            elements[name] = what
    return elements, broken


def write(elements, broken):
    lines = [f"{name}: {what}\n" for name, what in elements.items()]
    return HEAD + "".join(lines) + "".join(f"broke {name}: {old} -> {new}: {why}\n"
                                           for (name, old, new), why in broken.items())


def numbers(name, what):
    """What must never mean something else: a field's or enum value's number within its parent."""
    return (name.rpartition(".")[0], what.split()[0]) if name.startswith(("field ", "value ")) else None


def breaks(elements, broken, now):
    """(name, old, new) of each break between a record and what is there now, allowed or not."""
    for name, old in elements.items():
        new = now.get(name, GONE)
        if new != old:
            yield name, old, new
    taken = {numbers(name, old): (name, old) for name, old, new in broken if new == GONE and numbers(name, old)}
    for name, what in now.items():
        earlier = taken.get(numbers(name, what))
        if earlier and name not in elements:
            yield name, f"{earlier[0]} {earlier[1]}", what


def refused(record, now, allowed):
    return [one for one in breaks(*record, now) if one not in allowed]


def current():
    paths = [path[len("proto/"):] for path in files("proto/*.proto")]
    return describe(compile_protos(os.path.join(ROOT, "proto"), paths))


def committed(revision):
    done = subprocess.run(["git", "show", f"{revision}:{RECORD}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def recorded():
    path = os.path.join(ROOT, RECORD)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def check():
    now, (elements, broken) = current(), parse(recorded())
    found = {}
    for record in [(elements, broken)] + [parse(committed(revision)) for revision in ("HEAD", "HEAD^")]:
        found.update(((one, one) for one in refused(record, now, broken)))
    for name, old, new in found:
        yield Finding(RECORD, name, f"{name} was `{old}` and is `{new}`: this breaks deployed clients; if it must be,\n"
                      f"    ./dev record-proto '{name.split()[1]}: why'")
    if not found and elements != now:
        yield Finding(RECORD, "old", "does not have everything that was added: run ./dev record-proto")


def renew(reasons):
    """./dev record-proto ['NAME: why'...]"""
    now, (elements, broken) = current(), parse(recorded())
    why = dict(reason.split(": ", 1) for reason in reasons if ": " in reason)
    for one in refused((elements, broken), now, broken):
        reason = why.get(one[0].split()[1], "").strip()
        if not reason:
            sys.exit(f"record-proto: {one[0]} was `{one[1]}` and is `{one[2]}`: say why it may break clients, as "
                     f"'{one[0].split()[1]}: why'")
        broken[one] = reason
    with open(os.path.join(ROOT, RECORD), "w", encoding="utf-8") as file:
        file.write(write(now, broken))
    print(f"{RECORD}: {len(now)} elements, {len(broken)} breaks")


if __name__ == "__main__":
    renew(sys.argv[1:])
