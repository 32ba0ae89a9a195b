"""A peer that speaks ZMTP 3 byte by byte (ZeroMQ RFC 37, and RFC 26 for CURVE), to do what a good
library never does: stop within a handshake or a message, send without end, never read.

    peer = RawPeer("tcp://127.0.0.1:7601", key)    # key: a Key of sitewire_test, None without CURVE
    peer.shake("DEALER")
    peer.promise(64 << 20)                         # the head of a frame, whose body never comes
"""
import ctypes
import os
import socket
import struct

SODIUM = ctypes.CDLL("libsodium.so.23")
PATIENCE = 60  # seconds for what must come
MORE, LONG, COMMAND = 1, 2, 4  # flags of a frame
NULL_GREETING, CURVE_GREETING = (
    b"\xff" + bytes(8) + b"\x7f\x03\x01" + name.ljust(20, b"\0") + bytes(32) for name in (b"NULL", b"CURVE"))


def _box(text, nonce, public, secret):
    out = ctypes.create_string_buffer(len(text) + 16)
    if SODIUM.crypto_box_easy(out, text, ctypes.c_ulonglong(len(text)), nonce, public, secret) != 0:
        raise AssertionError("cannot encrypt")
    return out.raw


def _open(text, nonce, public, secret):
    out = ctypes.create_string_buffer(len(text) - 16)
    if SODIUM.crypto_box_open_easy(out, text, ctypes.c_ulonglong(len(text)), nonce, public, secret) != 0:
        raise AssertionError("cannot decrypt")
    return out.raw


def _key_pair():
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    SODIUM.crypto_box_keypair(public, secret)
    return public.raw, secret.raw


def _z85(text):
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    out = b""
    for at in range(0, len(text), 5):
        value = 0
        for letter in text[at:at + 5]:
            value = value * 85 + alphabet.index(letter)
        out += struct.pack(">I", value)
    return out


def _metadata(kind):
    return b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode()


class Closed(Exception):
    """The other side has ended the connection."""


class RawPeer:
    """`source`: an address of this host that a tcp connection comes from, such as 127.0.0.2."""

    def __init__(self, endpoint, key=None, source=""):
        self.key, self.nonce = key, 0
        if endpoint.startswith("tcp://"):
            host, _, port = endpoint[6:].rpartition(":")
            self.socket = socket.create_connection((host, int(port)), PATIENCE, source_address=(source, 0))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(endpoint[6:])

    def close(self):
        self.socket.close()

    # --- bytes ---

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def send_some(self, data):
        """Without waiting: how many bytes were taken."""
        self.socket.setblocking(False)
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error
        finally:
            self.socket.setblocking(True)
            self.socket.settimeout(PATIENCE)

    def receive(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data

    def is_closed(self):
        """Whether the other side has hung up; reads what it had sent before."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.setblocking(True)
            self.socket.settimeout(PATIENCE)

    # --- frames ---

    @staticmethod
    def head(size, flags=0):
        return struct.pack(">BQ", flags | LONG, size) if size > 255 else bytes((flags, size))

    def _frame(self, data, flags=0):
        self.send(self.head(len(data), flags) + data)

    def _command(self):
        flags, size = self.receive(2)
        if flags & LONG:
            size = int.from_bytes(bytes((size,)) + self.receive(7), "big")
        return self.receive(size)

    def _seal(self, data, flags):
        self.nonce += 1
        short = struct.pack(">Q", self.nonce)
        out = ctypes.create_string_buffer(len(data) + 17)
        SODIUM.crypto_box_easy_afternm(out, bytes((flags,)) + data, ctypes.c_ulonglong(len(data) + 1),
                                       b"CurveZMQMESSAGEC" + short, self.shared)
        return b"\7MESSAGE" + short + out.raw

    def message_part(self, data, more=MORE):
        """A frame of a message; encrypted if there is a key."""
        if self.key:
            self._frame(self._seal(data, more))
        else:
            self._frame(data, more)

    def message(self, frames):
        """One message, whole."""
        for at, data in enumerate(frames):
            self.message_part(data, MORE if at + 1 < len(frames) else 0)

    def subscribe(self, topics):
        """Many at once."""
        out = []
        for topic in topics:
            data = b"\x09SUBSCRIBE" + topic
            body = self._seal(data, 2) if self.key else data  # 2: a command
            out.append(self.head(len(body), 0 if self.key else COMMAND) + body)
        self.send(b"".join(out))

    def promise(self, size, flags=0):
        """The head of a frame, whose body may never come."""
        self.send(struct.pack(">BQ", flags | LONG, size))

    # --- handshake: shake() does all of it; or step by step ---

    def greet(self):
        self.send(CURVE_GREETING if self.key else NULL_GREETING)
        self.receive(64)

    def hello(self):
        server = _z85(self.key.server)
        self.server = server
        self.public, self.secret = _key_pair()
        short = struct.pack(">Q", 1)
        box = _box(bytes(64), b"CurveZMQHELLO---" + short, server, self.secret)
        self._frame(b"\5HELLO\1\0" + bytes(72) + self.public + short + box, COMMAND)

    def welcome(self):
        body = self._command()
        if body[:8] != b"\7WELCOME":
            raise AssertionError(body)
        text = _open(body[24:], b"WELCOME-" + body[8:24], self.server, self.secret)
        self.long_term, self.server, self.cookie = self.server, text[:32], text[32:]
        self.shared = ctypes.create_string_buffer(32)  # of all messages
        SODIUM.crypto_box_beforenm(self.shared, self.server, self.secret)

    def initiate(self, kind):
        """The bytes of an INITIATE frame."""
        nonce, short = os.urandom(16), struct.pack(">Q", 2)
        vouch = _box(self.public + self.long_term, b"VOUCH---" + nonce, self.server, _z85(self.key.secret))
        text = _z85(self.key.public) + nonce + vouch + _metadata(kind)
        self.nonce = 2
        body = b"\x08INITIATE" + self.cookie + short + _box(text, b"CurveZMQINITIATE" + short, self.server, self.secret)
        return self.head(len(body), COMMAND) + body

    def shake(self, kind):
        """Until READY; Closed if it is refused."""
        self.greet()
        if self.key:
            self.hello()
            self.welcome()
            self.send(self.initiate(kind))
        else:
            self._frame(b"\5READY" + _metadata(kind), COMMAND)
        if self._command()[:6] != b"\5READY":
            raise Closed
        return self
