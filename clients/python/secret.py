#!/usr/bin/env python3
"""Sets and reads a secret of sitewire in Python, sealed on the way (docs/secrets.md).

    secret.py set TYPE KEY FIELD   the value comes from stdin, without the newline at its end
    secret.py read TYPE KEY FIELD  prints the value

TYPE KEY FIELD is DocrootEnvironment main/prod basic_auth_password, for example. Needs what
sitewire.py needs, and libsodium. Python cannot wipe its strings; the command line can."""
import ctypes
import ctypes.util
import sys

from zmq.utils import z85

from sitewire import Client, Failure

SEAL_BYTES = 48
sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or sys.exit("error: libsodium is not installed"))


def seal(public_key, plain):
    """A sealed box for a public key in Z85."""
    box = ctypes.create_string_buffer(len(plain) + SEAL_BYTES)
    if sodium.crypto_box_seal(box, plain, ctypes.c_ulonglong(len(plain)), z85.decode(public_key)):
        raise ValueError("nobody can open what is sealed for this key")
    return box.raw


def set_secret(client, target, value):
    """The content names the row, so that what was sealed cannot be set elsewhere."""
    key = client.call("Referential/GetSealingKey", {})
    content = client.type("sitewire.referential.v1.SecretContent")(value=value, **target).SerializeToString()
    request = client.type("sitewire.referential.v1.SetSecretRequest")(
        key_id=key.key_id, sealed_value=seal(key.public_key, content), **target)
    return client.call("Referential/SetSecret", request)


def read_secret(client, target):
    """The reply is sealed for a key pair that is made for this call."""
    public_key, secret_key = (ctypes.create_string_buffer(32) for _ in range(2))
    sodium.crypto_box_keypair(public_key, secret_key)
    sealed = client.call("Referential/ReadSecret", {"seal_to": z85.encode(public_key.raw).decode(), **target}).sealed
    plain = ctypes.create_string_buffer(max(len(sealed) - SEAL_BYTES, 0) + 1)
    if sodium.crypto_box_seal_open(plain, sealed, ctypes.c_ulonglong(len(sealed)), public_key, secret_key):
        raise ValueError("the reply was not sealed for this call")
    return plain.raw[:-1]


def main(arguments):
    if len(arguments) != 4 or arguments[0] not in ("set", "read"):
        return print(__doc__)
    target = dict(zip(("type", "key", "field"), arguments[1:]))
    with Client() as client:
        if arguments[0] == "set":
            print("sealed with", set_secret(client, target, sys.stdin.buffer.read().removesuffix(b"\n")).key_id)
        else:
            sys.stdout.buffer.write(read_secret(client, target) + b"\n")
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failure, ValueError, OSError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(getattr(failure, "code", 3))
