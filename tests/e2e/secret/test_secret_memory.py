#!/usr/bin/env python3
"""No broker and no service holds the plain text of a secret, after it was set and read and after
calls with it failed: their memory is searched, as root."""
import base64
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from secret_test import (ABORTED, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, PASSWORD, PERMISSION_DENIED, REFERENTIAL,
                         SecretTest)  # noqa: E402
from sitewire_test import ADMIN, SITEWIRE, Failed, wait_for  # noqa: E402
import sealing  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

CANCELLED, DEADLINE_EXCEEDED = 1, 4
TARGET = {"type": "DocrootEnvironment", "key": "d/e", "field": PASSWORD}
WHERE = ("docroot-environment", "d/e", PASSWORD)
CERTIFICATE = ("certificate", "c", "private_key")


def own_memory(pid):
    """The contents of the private writable mappings of a process."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
            begin, end = int(found[1], 16), int(found[2], 16)
            if found[3].startswith("rw") and found[3].endswith("p") and "[v" not in line:
                memory.seek(begin)
                try:
                    yield memory.read(end - begin)
                except OSError:
                    continue  # guard pages


def make_marker():
    """A password of nearly the greatest length."""
    return "mark-" + os.urandom(500).hex()


def make_pair(folder, name, *kind):
    """(private key as PEM, as DER, certificate as PEM)"""
    key, certificate = (os.path.join(folder, f"{name}.{end}") for end in ("key", "pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", key, "-out", certificate, "-subj",
                    f"/CN={name}", "-days", "100"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-outform", "DER"], check=True, capture_output=True).stdout
    with open(key, encoding="ascii") as k, open(certificate, encoding="ascii") as c:
        return k.read(), der, c.read()


@unittest.skipUnless(os.geteuid() == 0, "only root reads the memory of others")
class Memory(SecretTest):
    OPTIONS = {"curve": True}

    @classmethod
    def setUpClass(cls):
        for name in ("MALLOC_PERTURB_", "GLIBC_TUNABLES"):  # a heap that is not cleared
            os.environ.pop(name, None)
        super().setUpClass()
        cls.system.sql("""INSERT INTO referential.docroot (code) VALUES ('d'); INSERT INTO referential.environment (code) VALUES ('e'), ('f');
                          INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('d', 'e'), ('d', 'f')""")
        cls.admin = cls.system.enroll(ADMIN)
        cls.system.sql("INSERT INTO referential.website (code) VALUES ('w')")
        cls.stranger = cls.system.enroll("stranger@x.org", rights=[("website:w", "Owner")])

    def by_curve(self, key=None):
        return {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": (key or self.admin).path}

    def search(self, needles):
        """Where needles are: {(program, name of the needle): number of copies}."""
        found = {}
        for name, process in self.system.processes.items():
            for piece in own_memory(process.popen.pid):
                for label, needle in needles.items():
                    count = piece.count(needle)
                    if count:
                        found[name, label] = found.get((name, label), 0) + count
        return found

    def assert_nowhere(self, needles):
        self.assertEqual(self.search(needles), {})
        control = self.search({"control": b"sitewire.referential.v1"})  # the search itself finds what is there
        self.assertEqual(sorted(control), [(name, "control") for name in ("broker", "deployment-0", "referential-0", "user-0")])

    @staticmethod
    def forms(marker):
        """Pieces of a marker, which is long: its beginning is soon overwritten in freed memory."""
        raw = marker.encode()
        pieces = {f"piece {at}": raw[at:at + 24] for at in range(0, len(raw) - 24, 24)}
        return pieces | {"hex": raw[:24].hex().encode(), "base64": base64.b64encode(raw[:30])}

    def run_as(self, env, *words, code=0, stdin=""):
        return self.run_cli(*words, code=code, stdin=stdin, env=env)

    def test_set_and_read(self):
        for env in (None, self.by_curve()):
            with self.subTest(curve=env is not None):
                marker = make_marker()
                for _ in range(5):
                    self.run_as(env, "secret", "set", *WHERE, stdin=marker)
                    self.assertEqual(self.run_as(env, "secret", "read", *WHERE).stdout.strip(), marker)
                self.run_cli("secret", "new-key")
                self.run_cli("secret", "rotate")
                self.assertEqual(self.read(*WHERE), marker)
                self.assert_nowhere(self.forms(marker))

    def test_private_keys(self):
        needles = {}
        for name, kind in (("rsa", ("rsa:2048",)), ("ec", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")), ("ed", ("ed25519",))):
            pem, der, certificate = make_pair(self.system.folder, name, *kind)
            self.run_cli("create", "certificate", name, "certificate=@-", stdin=certificate)
            for env in (None, self.by_curve()):
                self.run_as(env, "secret", "set", "certificate", name, "private_key", stdin=pem)
                self.assertEqual(self.run_as(env, "secret", "read", "certificate", name, "private_key").stdout, pem)
            other = "ec" if name == "rsa" else "rsa"
            self.run_cli("secret", "set", "certificate", other, "private_key", stdin=pem,
                         code=NOT_FOUND if name == "rsa" else FAILED_PRECONDITION)
            # The second half of an RSA key is secret; of other keys, what is cut out here.
            body = [line for line in pem.split("\n")[1:-2] if line]
            lines = body[len(body) // 2:] if name == "rsa" else [body[0][40:64]] if name == "ec" else [body[0][-30:-2]]
            secrets = ([der[at:at + 24] for at in range(len(der) // 2, len(der) - 24, 24)] if name == "rsa" else
                       [der[36:60]] if name == "ec" else [der[-24:]])
            needles |= {f"{name} PEM {i}": line.encode() for i, line in enumerate(lines)}
            needles |= {f"{name} DER {i}": secret for i, secret in enumerate(secrets)}
            needles |= {f"{name} reversed {i}": secret[::-1] for i, secret in enumerate(secrets)}
        self.assert_nowhere(needles)

    def test_refused(self):
        marker = make_marker()
        pem, _, certificate = make_pair(self.system.folder, "c", "ed25519")
        self.run_cli("create", "certificate", "c", "certificate=@-", stdin=certificate)
        for words, code, value in (
                (WHERE, INVALID_ARGUMENT, marker + "\nx"),                     # not a password
                (WHERE, INVALID_ARGUMENT, marker + "x" * 1024),               # too long
                (("docroot-environment", "d/none", PASSWORD), NOT_FOUND, marker),
                (("docroot-environment", "d/e", "private_key"), INVALID_ARGUMENT, marker),  # the wrong type
                (CERTIFICATE, INVALID_ARGUMENT, marker),                      # not a key
                (CERTIFICATE, INVALID_ARGUMENT, "-----BEGIN PRIVATE KEY-----\n" + marker + "\n-----END PRIVATE KEY-----\n")):
            self.run_cli("secret", "set", *words, code=code, stdin=value)
            self.run_as(self.by_curve(), "secret", "set", *words, code=code, stdin=value)
        self.run_as(self.by_curve(self.stranger), "secret", "set", *WHERE, stdin=marker, code=PERMISSION_DENIED)
        self.run_cli("secret", "set", *WHERE, stdin=marker)
        self.run_as(self.by_curve(self.stranger), "secret", "read", *WHERE, code=PERMISSION_DENIED)
        client = self.system.client()
        key = sealing.get_key(client)
        fields = sealing.to_set(key, marker, **TARGET)
        for change, code, word in (({"key": "d/f"}, INVALID_ARGUMENT, "another row"), ({"key_id": "gone"}, FAILED_PRECONDITION, "again"),
                                   ({"key_id": ""}, INVALID_ARGUMENT, "key_id"), ({"revision": 99}, ABORTED, ""),
                                   ({"sealed_value": sealing.seal(key.public_key, marker.encode())}, INVALID_ARGUMENT, "SecretContent"),
                                   ({"sealed_value": fields["sealed_value"][:-1]}, INVALID_ARGUMENT, "damaged"),
                                   ({"sealed_value": sealing.seal(sealing.Pair().public, marker.encode())}, INVALID_ARGUMENT, key.key_id),
                                   ({"sealed_value": b"x" * 100000}, INVALID_ARGUMENT, "65536"),
                                   ({"sealed_value": sealing.to_set(key, b"\xff" + marker.encode(), **TARGET)["sealed_value"]},
                                    INVALID_ARGUMENT, "UTF-8")):
            with self.assertRaises(Failed) as caught:
                client.call(REFERENTIAL + "SetSecret", referential_pb2.SetSecretRequest(**(fields | change)), referential_pb2.Secret)
            self.assertEqual(caught.exception.header.code, code, change)
            self.assertIn(word, caught.exception.header.message)
        # Nobody can hold the other half of a weak key.
        with self.assertRaises(Failed) as caught:
            client.call(REFERENTIAL + "ReadSecret", referential_pb2.ReadSecretRequest(seal_to="0" * 40, **TARGET),
                        referential_pb2.ReadSecretResponse)
        self.assertEqual(caught.exception.header.code, INVALID_ARGUMENT)
        client.close()
        self.assert_nowhere(self.forms(marker))

    def wait_for_lock(self):
        wait_for(lambda: self.system.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                         "AND usename = 'sitewire_referential'")[0][0] != "0", "the call waits for the lock")

    def test_deadline_and_cancel(self):
        """The service has opened the secret, and waits for a row that is locked."""
        marker = make_marker()
        self.run_cli("secret", "set", *WHERE, stdin=marker)
        client = self.system.client()
        key = sealing.get_key(client)
        locker = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-d", self.system.postgres.conninfo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            locker.stdin.write("BEGIN; SELECT 'locked' FROM referential.secret WHERE environment = 'e' FOR UPDATE;\n")
            locker.stdin.flush()
            self.assertEqual(locker.stdout.readline().strip(), "locked")
            request = referential_pb2.SetSecretRequest(**sealing.to_set(key, marker, **TARGET))
            with self.assertRaises(Failed) as caught:
                client.call(REFERENTIAL + "SetSecret", request, referential_pb2.Secret, seconds=1)
            self.assertEqual(caught.exception.header.code, DEADLINE_EXCEEDED)
            service, header = "sitewire.referential.v1.Referential", rpc_pb2.CallHeader(
                method=REFERENTIAL + "SetSecret", call_id=77, time_left_ms=30000)
            client.socket.send_multipart([b"MDPC02", b"\x01", service.encode(), header.SerializeToString(), request.SerializeToString()])
            self.wait_for_lock()
            client.socket.send_multipart([b"MDPC02", b"\x10", service.encode(), header.SerializeToString()])
            reply = rpc_pb2.ReplyHeader.FromString(client.receive(30)[3])
            self.assertEqual((reply.call_id, reply.code), (77, CANCELLED))
            # A client that is killed while it waits.
            child = subprocess.Popen([SITEWIRE, "secret", "set", *WHERE], stdin=subprocess.PIPE, env=self.system.env())
            child.stdin.write(marker.encode())
            child.stdin.close()
            self.wait_for_lock()
            child.send_signal(signal.SIGKILL)
            child.wait()
            self.assert_nowhere(self.forms(marker))
        finally:
            locker.stdin.close()
            locker.wait()
            locker.stdout.close()
        self.assertEqual(self.read(*WHERE), marker)
        client.close()
        self.assert_nowhere(self.forms(marker))


if __name__ == "__main__":
    unittest.main()
