#!/usr/bin/env python3
"""How keys come to be and end: proofs of possession, one-time codes, families of keys, and their
number."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import Failed, System, wait_for  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402
from sitewire.user.v1 import user_pb2  # noqa: E402

UNAUTHENTICATED, PERMISSION_DENIED, INVALID, PRECONDITION, UNAVAILABLE = 16, 7, 3, 9, 14
ADMIN, ANN, BOB = "admin@localhost", "ann@a.example", "bob@b.example"
USERS = "/sitewire.user.v1.Users/"


def setUpModule():
    Base.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
    Base.ann, Base.bob = Base.system.enroll(ANN), Base.system.enroll(BOB)


def tearDownModule():
    Base.system.stop()


class Base(unittest.TestCase):
    count = 0

    def value(self, query):
        return self.system.sql(query)[0][0]

    def path(self):
        Base.count += 1
        return os.path.join(self.system.folder, f"c{Base.count}", "key")

    def run_cli(self, *words, key=None, status=0, stdin=""):
        """By tcp with a key file; else by ipc as the local admin."""
        env = {"SITEWIRE_SERVER_KEY": self.system.broker_key.public, "HOME": self.system.folder}
        if key:
            env |= {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": key}
        done = self.system.cli(*words, env=env, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def call(self, key, method, request, reply):
        client = self.system.client(key=key)
        try:
            return client.call(USERS + method, request, reply)[1]
        finally:
            client.close()

    def refuses(self, code, key, method, request, reply, *words):
        with self.assertRaises(Failed) as failed:
            self.call(key, method, request, reply)
        self.assertEqual(failed.exception.header.code, code, failed.exception.header.message)
        for word in words:
            self.assertIn(word, failed.exception.header.message)

    def whoami(self, path, status=0):
        return self.run_cli("whoami", "--json", key=path, status=status)

    def row(self, public):
        return json.loads(self.run_cli("get", "key", public, "--json"))

    def invite(self, *words, user=ANN, key=None):
        return self.run_cli("key", "invite", user, "--at", self.system.tcp, *words, key=key).splitlines()[-1]

    def accept(self, code, path, status=0):
        return self.run_cli("key", "accept", code, "--key", path, status=status)


class Proofs(Base):
    def test_somebody_elses_key(self):
        """Whoever knows a public key cannot enroll it."""
        stolen = self.system.key("not-enrolled.key")
        self.refuses(PERMISSION_DENIED, self.ann, "CreateKey",
                     user_pb2.CreateKeyRequest(key=user_pb2.Key(public_key=stolen.public, user=ANN)), user_pb2.Key)
        self.refuses(PERMISSION_DENIED, self.ann, "UpdateKey", user_pb2.UpdateKeyRequest(
            key=user_pb2.Key(public_key=stolen.public, user=ANN), allow_missing=True), user_pb2.Key)
        now = self.call(self.ann, "GetEnrolment", user_pb2.GetEnrolmentRequest(), user_pb2.Enrolment).time
        for proof in (b"", b"x" * 200):
            self.refuses(PERMISSION_DENIED, self.ann, "EnrollKey", user_pb2.EnrollKeyRequest(
                public_key=stolen.public, proof=proof, time=now), user_pb2.Key, "secret half")
        self.run_cli("key", "enroll", "--public-key", stolen.public, key=self.ann.path, status=PERMISSION_DENIED)
        self.assertEqual(self.value(f"SELECT count(*) FROM users.key WHERE public_key = '{stolen.public}'"), "0")

    def test_time_of_a_proof(self):
        for late in (-700, 700):
            now = self.call(self.ann, "GetEnrolment", user_pb2.GetEnrolmentRequest(), user_pb2.Enrolment).time
            self.refuses(INVALID, self.ann, "EnrollKey", user_pb2.EnrollKeyRequest(
                public_key=self.system.key(f"late{late}.key").public, proof=b"x", time=now + late), user_pb2.Key, "another time")

    def test_own_key(self):
        path = self.path()
        row = json.loads(self.run_cli("key", "enroll", "--file", path, "--json", key=self.ann.path))
        self.assertEqual((row["user"], row["parent"]), (ANN, self.ann.public))
        self.assertEqual(json.loads(self.whoami(path))["email"], ANN)
        self.assertEqual(json.loads(self.run_cli("key", "enroll", "--file", path, "--json", key=self.ann.path)), row)

    def test_for_another_user(self):
        self.assertIn("only admins may", self.run_cli("key", "enroll", "--file", self.path(), "--user", BOB, key=self.ann.path,
                                                      status=PERMISSION_DENIED))


class Codes(Base):
    def test_code(self):
        path, code = self.path(), self.invite("--label", "laptop", key=self.ann.path)
        self.assertRegex(code, "^swc1-[A-Za-z0-9_-]+$")
        public = self.accept(code, path).strip()
        self.assertEqual(json.loads(self.whoami(path))["email"], ANN)
        self.assertNotIn("parent", {name for name, value in self.row(public).items() if value})
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["key"])
        with open(path, encoding="ascii") as file:
            secret = file.read().split('secret-key = "')[1].split('"')[0]
        self.assertNotIn(secret, self.system.output())
        reason = self.run_cli("history", "key", public)
        self.assertIn(f"with a one-time code of {ANN}", reason)

    def test_once(self):
        path, other, code = self.path(), self.path(), self.invite()
        self.accept(code, path)
        wait_for(lambda: self.system.cli("key", "accept", code, "--key", other, env={"SITEWIRE_SERVER_KEY": "",
                 "HOME": self.system.folder}).returncode == UNAUTHENTICATED, "it was used")
        self.assertFalse(os.path.exists(other))
        self.accept(code, path)  # the same machine: the reply may have been lost

    def test_expiry(self):
        code = self.invite("--expires", "1s")
        wait_for(lambda: self.value("SELECT bool_and(expires_at < now()) FROM users.invitation WHERE used_at IS NULL AND "
                                         "expires_at < made_at + interval '2 s'") == "t", "it has expired")
        path = self.path()
        self.accept(code, path, status=UNAUTHENTICATED)
        self.assertFalse(os.path.exists(path))

    def test_code_is_for_enrolment_alone(self):
        temporary = self.system.key("temporary.key")
        self.call(self.ann, "InviteKey", user_pb2.InviteKeyRequest(public_key=temporary.public), user_pb2.Invitation)
        self.assertEqual(self.call(temporary, "GetEnrolment", user_pb2.GetEnrolmentRequest(), user_pb2.Enrolment).user, ANN)
        for method, request, reply in (("WhoAmI", user_pb2.WhoAmIRequest(), user_pb2.Profile),
                                       ("ListKeys", user_pb2.ListKeysRequest(), user_pb2.ListKeysResponse),
                                       ("InviteKey", user_pb2.InviteKeyRequest(public_key=temporary.public), user_pb2.Invitation)):
            self.refuses(UNAUTHENTICATED, temporary, method, request, reply, "not enrolled")
        client = self.system.client(key=temporary)
        self.addCleanup(client.close)
        with self.assertRaises(Failed) as failed:
            client.call("/sitewire.referential.v1.Referential/ListWebsites", rpc_pb2.Empty(), rpc_pb2.Empty)
        self.assertEqual(failed.exception.header.code, PERMISSION_DENIED)

    def test_who_may_invite(self):
        self.assertIn("only admins may", self.run_cli("key", "invite", BOB, "--at", self.system.tcp, key=self.ann.path,
                                                      status=PERMISSION_DENIED))
        self.invite(user=BOB)  # an admin may

    def test_what_is_stored(self):
        before = int(self.value("SELECT count(*) FROM users.invitation"))
        temporary = self.system.key("stored.key")
        self.call(self.ann, "InviteKey", user_pb2.InviteKeyRequest(public_key=temporary.public), user_pb2.Invitation)
        self.assertEqual(int(self.value("SELECT count(*) FROM users.invitation")), before + 1)
        self.assertNotIn(temporary.public, str(self.system.sql("SELECT i::text FROM users.invitation i")))

    def test_broken_codes(self):
        code = self.invite()
        for broken in (code[:-3], code[5:], "swc1-", "x" * 2000, code[:20] + "A" + code[21:] if code[20] != "A" else code[:20] + "B" + code[21:]):
            self.assertIn("not a whole one-time code", self.accept(broken, self.path(), status=INVALID))
        path = self.path()
        self.run_cli("key", "accept", "-", "--key", path, stdin=code + "\n")
        self.assertEqual(json.loads(self.whoami(path))["email"], ANN)


class Families(Base):
    def child(self, key):
        path = self.path()
        return path, json.loads(self.run_cli("key", "enroll", "--file", path, "--json", key=key))["public_key"]

    def key(self, *words, user="fam@a.example"):
        path = self.path()
        self.system.sql(f"""INSERT INTO users."user" (email) VALUES ('{user}') ON CONFLICT DO NOTHING""")
        self.accept(self.invite(*words, user=user), path)
        return path

    def public(self, path):
        with open(path, encoding="ascii") as file:
            return file.read().split('public-key = "')[1].split('"')[0]

    def test_a_key_ends_with_its_parent(self):
        first = self.key()
        child, _ = self.child(first)
        grandchild, _ = self.child(child)
        self.run_cli("key", "revoke", self.public(first))
        for each in (first, child, grandchild):
            wait_for(lambda each=each: self.system.cli("whoami", env={"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": each}
                                                       ).returncode == UNAUTHENTICATED, "it has ended")

    def test_no_child_outlives_its_parent(self):
        first = self.key()
        _, public = self.child(first)
        self.run_cli("update", "key", self.public(first), "expires_at=2031-01-01T00:00:00Z")
        self.assertTrue(self.row(public)["expires_at"].startswith("2031-01-01"))
        self.assertIn("ends with the key that enrolled it", self.run_cli(
            "update", "key", public, "expires_at=2032-01-01T00:00:00Z", status=INVALID))
        _, later = self.child(first)
        self.assertTrue(self.row(later)["expires_at"].startswith("2031-01-01"))
        self.assertIn("set this", self.run_cli("update", "key", later, "parent=", status=INVALID))

    def test_a_key_may_hold_an_equals_sign(self):
        public = "ab1=" + self.system.key("equals.key").public[4:]
        self.system.sql(f"INSERT INTO users.key (public_key, \"user\") VALUES ('{public}', '{ANN}')")
        self.run_cli("update", "key", public, "label=new")
        self.assertEqual(self.row(public)["label"], "new")
        self.assertIn("did you mean label?", self.run_cli("update", "key", "lable=new", public, status=INVALID))
        self.run_cli("key", "revoke", public)

    def test_rotation_keeps_the_family(self):
        first = self.key()
        child, child_public = self.child(first)
        old = self.public(first)
        self.run_cli("key", "rotate", "--file", first, key=first)
        fresh = self.public(first)
        self.assertNotEqual(fresh, old)
        self.assertEqual(self.row(fresh)["replaces"], old)
        self.assertFalse(self.row(fresh).get("parent"))
        self.assertEqual(self.row(child_public)["parent"], fresh)
        self.assertTrue(self.row(old)["revoked_at"])  # it will end
        self.whoami(first)
        self.whoami(child)
        old_child = child_public
        self.run_cli("key", "rotate", "--overlap", "0s", "--file", child, key=child)
        self.assertEqual(self.row(self.public(child))["parent"], fresh)
        self.assertTrue(self.row(old_child)["revoked_at"])

    def test_a_key_has_one_successor(self):
        first = self.key()
        copy = self.path()
        os.mkdir(os.path.dirname(copy))
        with open(first, encoding="ascii") as source, open(copy, "x", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as to:
            to.write(source.read())
        self.run_cli("key", "rotate", "--file", copy, key=copy)  # the thief is first
        self.assertIn("successor already", self.run_cli("key", "rotate", "--file", first, key=first, status=PRECONDITION))

    def test_siblings(self):
        first, second = self.key(user="sib@a.example"), self.key(user="sib@a.example")
        done = self.system.cli("key", "revoke", self.public(first))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 other valid key", done.stderr)
        self.assertIn(self.public(second), done.stderr)
        third = self.key(user="sib@a.example")
        self.run_cli("key", "revoke", "--siblings", self.public(third))
        self.assertTrue(self.row(self.public(second))["revoked_at"])

    def test_number_of_keys(self):
        self.system.sql("UPDATE users.key_setting SET keys_per_user = 3")
        try:
            first = self.key(user="many@a.example")
            for _ in range(2):
                self.child(first)
            self.assertIn("3 valid keys, which is the most", self.run_cli("key", "enroll", "--file", self.path(), key=first,
                                                                          status=PRECONDITION))
            self.run_cli("key", "rotate", "--file", first, key=first)  # one comes and one goes
        finally:
            self.system.sql("UPDATE users.key_setting SET keys_per_user = 50")


if __name__ == "__main__":
    unittest.main()
