"""Secrets sealed and opened for calls by bare clients: sealed boxes of libsodium, by ctypes. Import
it after sitewire_test, which finds the modules of the build."""
import ctypes
import ctypes.util

from zmq.utils import z85
from sitewire.referential.v1 import referential_pb2

SEAL_BYTES = 48
REFERENTIAL = "/sitewire.referential.v1.Referential/"
_sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))


class Pair:
    """A key pair that a reply is sealed for."""

    def __init__(self, public=None, secret=None):
        """`public` and `secret` are Z85; without them the pair is new."""
        self.raw_public, self.raw_secret = (ctypes.create_string_buffer(32) for _ in "ab")
        if public:
            self.raw_public.raw, self.raw_secret.raw = z85.decode(public), z85.decode(secret)
        else:
            _sodium.crypto_box_keypair(self.raw_public, self.raw_secret)
        self.public = z85.encode(self.raw_public.raw).decode()

    def open(self, sealed):
        plain = ctypes.create_string_buffer(max(len(sealed) - SEAL_BYTES, 0) + 1)
        if _sodium.crypto_box_seal_open(plain, sealed, ctypes.c_ulonglong(len(sealed)), self.raw_public, self.raw_secret) != 0:
            raise ValueError("it was sealed for another key")
        return plain.raw[:len(sealed) - SEAL_BYTES]


def seal(public, plain):
    """`plain` (bytes) in a sealed box for a public key (Z85)."""
    sealed = ctypes.create_string_buffer(len(plain) + SEAL_BYTES)
    if _sodium.crypto_box_seal(sealed, plain, ctypes.c_ulonglong(len(plain)), z85.decode(public)) != 0:
        raise ValueError("a weak key")
    return sealed.raw


def get_key(client):
    """The service's SealingKey."""
    return client.call(REFERENTIAL + "GetSealingKey", referential_pb2.GetSealingKeyRequest(), referential_pb2.SealingKey)[1]


def to_set(sealing_key, value, type, key, field):
    """The fields of a SetSecretRequest. `value` is text or bytes."""
    plain = value.encode() if isinstance(value, str) else value
    content = referential_pb2.SecretContent(type=type, key=key, field=field, value=plain)
    return {"type": type, "key": key, "field": field, "key_id": sealing_key.key_id,
            "sealed_value": seal(sealing_key.public_key, content.SerializeToString())}


def set_secret(client, value, **target):
    """Sets a secret through a bare client. Raises Failed."""
    request = referential_pb2.SetSecretRequest(**to_set(get_key(client), value, **target))
    return client.call(REFERENTIAL + "SetSecret", request, referential_pb2.Secret)[1]


def read_secret(client, **target):
    """Reads a secret through a bare client, as text. Raises Failed."""
    pair = Pair()
    reply = client.call(REFERENTIAL + "ReadSecret", referential_pb2.ReadSecretRequest(seal_to=pair.public, **target),
                        referential_pb2.ReadSecretResponse)[1]
    return pair.open(reply.sealed).decode()
