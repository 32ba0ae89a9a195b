#!/usr/bin/env python3
"""Secrets: kept encrypted, read by few and never unseen, found nowhere else; attacks on what is
stored."""
import base64
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from secret_test import (ABORTED, DATA_LOSS, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, PASSWORD,
                         PERMISSION_DENIED, REFERENTIAL, SecretTest)  # noqa: E402
from sitewire_test import ADMIN, SITEWIRE, Failed, System  # noqa: E402
import sealing  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402


def make_pair(folder, name, kind="rsa:2048"):
    """(private key, certificate) as PEM."""
    key, certificate = (os.path.join(folder, f"{name}.{end}") for end in ("key", "pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind.split(), "-nodes", "-keyout", key, "-out", certificate, "-subj",
                    f"/CN={name}", "-days", "100"], check=True, capture_output=True)
    with open(key, encoding="ascii") as k, open(certificate, encoding="ascii") as c:
        return k.read(), c.read()


class Life(SecretTest):
    OPTIONS = {"broker_options": ("--log-level", "debug")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {name: make_pair(cls.system.folder, name, kind) for name, kind in
                    (("one", "rsa:2048"), ("two", "ec -pkeyopt ec_paramgen_curve:P-256"), ("three", "ed25519"))}
        for name in ("docroot d", "environment e", "environment f"):
            cls.system.cli("create", *name.split())
        for environment in "ef":
            cls.system.cli("create", "docroot-environment", f"d/{environment}")
        for name, (_, certificate) in cls.keys.items():
            cls.system.cli("create", "certificate", name, "certificate=@-", stdin=certificate)

    def set(self, value, *words, code=0):
        return self.run_cli("secret", "set", *words, code=code, stdin=value)

    def sealed_request(self, value, target, **more):
        """The JSON of a SetSecretRequest."""
        client = self.system.client()
        fields = sealing.to_set(sealing.get_key(client), value, **target)
        client.close()
        return json.dumps(fields | more | {"sealed_value": base64.b64encode(fields["sealed_value"]).decode()})

    def test_password(self):
        where = ("docroot-environment", "d/e", PASSWORD)
        self.assertIn("has no basic_auth_password", self.read(*where, code=NOT_FOUND))
        self.set("Grüße & 'quotes' \\ \"\n", *where)
        self.assertEqual(self.read(*where), "Grüße & 'quotes' \\ \"")
        self.assertEqual(json.loads(self.read("DocrootEnvironments", "d", "e", PASSWORD, "--json")),
                         {"value": "Grüße & 'quotes' \\ \""})
        for bad in ("", "\n", "a\nb", "tab\t", "x" * 1025, "del\x7f"):
            self.assertIn("value", self.set(bad, *where, code=INVALID_ARGUMENT).stderr)
        self.set("a" * 1024, *where)
        self.assertEqual(self.read(*where), "a" * 1024)
        self.run_cli("secret", "delete", *where)
        self.read(*where, code=NOT_FOUND)
        self.run_cli("secret", "delete", *where, code=NOT_FOUND)

    def test_private_key(self):
        for name, (key, _) in self.keys.items():
            self.set(key, "certificate", name, "private_key")
            self.assertEqual(self.read("certificate", name, "private_key"), key.rstrip("\n"))
        for name in self.keys:
            other = self.keys["one" if name != "one" else "two"][0]
            self.assertIn("not the private key of the certificate",
                          self.set(other, "certificate", name, "private_key", code=FAILED_PRECONDITION).stderr)
        self.assertIn("no private key", self.set(self.keys["one"][1], "certificate", "one", "private_key",
                                                 code=INVALID_ARGUMENT).stderr)
        locked = subprocess.run(["openssl", "pkey", "-aes256", "-passout", "pass:x"], input=self.keys["one"][0], check=True,
                                capture_output=True, text=True).stdout
        self.assertIn("pass phrase", self.set(locked, "certificate", "one", "private_key", code=INVALID_ARGUMENT).stderr)
        # As a field of the certificate it is refused, too.
        self.run_cli("update", "certificate", "one", "certificate=@-", stdin=self.keys["one"][1] + self.keys["one"][0],
                     code=INVALID_ARGUMENT)
        # A certificate that is to come: its request counts.
        request = subprocess.run(["openssl", "req", "-new", "-subj", "/CN=r", "-key", "/dev/stdin"], input=self.keys["one"][0],
                                 check=True, capture_output=True, text=True).stdout
        self.run_cli("create", "certificate", "coming", "csr=@-", stdin=request)
        self.set(self.keys["two"][0], "certificate", "coming", "private_key", code=FAILED_PRECONDITION)
        self.set(self.keys["one"][0], "certificate", "coming", "private_key")

    def test_words(self):
        self.assertIn("RESOURCE KEY FIELD", self.run_cli("secret", "set", "certificate", "one", code=INVALID_ARGUMENT).stderr)
        self.assertIn("its private_key", self.set("x", "certificate", "one", PASSWORD, code=INVALID_ARGUMENT).stderr)
        self.assertIn("only these have secrets: Certificate, DocrootEnvironment", self.set("x", "website", "w", "password", code=INVALID_ARGUMENT).stderr)
        self.assertIn('no Certificate "none"', self.set("x", "certificate", "none", "private_key", code=NOT_FOUND).stderr)
        self.run_cli("secret", "show", code=INVALID_ARGUMENT)
        self.run_cli("secret", code=INVALID_ARGUMENT)
        self.import_rows({"resource": "Environment", "code": "g"}, {"resource": "DocrootEnvironment", "docroot": "d", "environment": "g"})
        target = {"type": "DocrootEnvironment", "key": "d/g", "field": PASSWORD}
        for value, change, code in (("v", {"revision": 7}, NOT_FOUND), ("v", {}, 0), ("v", {"revision": 7}, ABORTED),
                                    ("v", {"revision": 1}, 0), ("trial", {"validate_only": True}, 0)):
            self.run_cli("call", "Referential/SetSecret", self.sealed_request(value, target, **change), code=code)
        self.assertEqual(self.read("docroot-environment", "d/g", PASSWORD), "v")
        # Plain text is refused: of an older client, and by the schema, before anything is sent.
        client = self.system.client()
        old = referential_pb2.SetSecretRequest(**target).SerializeToString() + b"\x22\x05plain"  # `value` had number 4
        header, _ = client.call_bytes(REFERENTIAL + "SetSecret", old)
        self.assertEqual((header.code, header.details[0].field_violation.field), (INVALID_ARGUMENT, "sealed_value"))
        with self.assertRaises(Failed) as caught:
            client.call(REFERENTIAL + "ReadSecret", referential_pb2.ReadSecretRequest(**target), referential_pb2.ReadSecretResponse)
        self.assertEqual((caught.exception.header.code, caught.exception.header.details[0].field_violation.field), (INVALID_ARGUMENT, "seal_to"))
        client.close()
        self.assertIn("sealed_value", self.run_cli("call", "Referential/SetSecret", json.dumps(target | {"value": "plain"}),
                                                   code=INVALID_ARGUMENT).stderr)
        # Somebody who manages a row of his own cannot set there, to read it, what was sealed for
        # another row.
        elsewhere = json.loads(self.sealed_request("v", target)) | {"key": "d/e"}
        self.assertIn("another row", self.run_cli("call", "Referential/SetSecret", json.dumps(elsewhere), code=INVALID_ARGUMENT).stderr)
        bad_key = {"type": "DocrootEnvironment", "key": "d/g", "field": PASSWORD, "seal_to": "0" * 40}
        self.assertIn("seal_to", self.run_cli("call", "Referential/ReadSecret", json.dumps(bad_key), code=INVALID_ARGUMENT).stderr)
        self.run_cli("call", "Referential/ReadSecret", json.dumps(bad_key | {"seal_to": "short"}), code=INVALID_ARGUMENT)
        self.run_cli("call", "Referential/RotateSecrets", '{"batch_size": 1001}', code=INVALID_ARGUMENT)

    def test_prompt(self):
        """On a terminal it is asked for twice, and not shown."""
        import pty
        leader, follower = pty.openpty()
        child = subprocess.Popen([SITEWIRE, "secret", "set", "docroot-environment", "d/f", PASSWORD], stdin=follower,
                                 stdout=subprocess.PIPE, stderr=follower, env=self.system.env(), start_new_session=True)
        os.close(follower)
        shown = b""
        for prompt in (b"value: ", b"once more: "):
            while not shown.endswith(prompt):
                shown += os.read(leader, 1000)
            os.write(leader, b"typed-unseen\n")
        out, _ = child.communicate(timeout=30)
        self.assertEqual(child.returncode, 0, shown)
        os.close(leader)
        self.assertNotIn(b"typed-unseen", shown + out)
        self.assertEqual(self.read("docroot-environment", "d/f", PASSWORD), "typed-unseen")

    def test_history(self):
        where = ("DocrootEnvironment", "d/e", PASSWORD)
        self.set("first", *where, "--reason", "a year went by")
        self.read(*where, "--reason", "somebody asked")
        self.run_cli("secret", "delete", *where, "--reason", "no more")
        changes = [json.loads(line) for line in self.run_cli("history", "secret", *where, "--json", "--limit", "3")
                   .stdout.splitlines()]
        self.assertEqual([(c["operation"], c["actor"], c["reason"]) for c in changes],
                         [("DELETE", ADMIN, "no more"), ("READ", ADMIN, "somebody asked"), ("INSERT", ADMIN, "a year went by")])
        self.assertTrue(all(c["call_id"] for c in changes))
        # What was known of it then.
        at = ("get", "secret", *where, "--json", "--at", changes[2]["at"])
        self.assertEqual(json.loads(self.run_cli(*at).stdout)["set_by"], ADMIN)
        self.run_cli(*at[:-1], changes[0]["at"], code=NOT_FOUND)
        # A reading that fails leaves nothing.
        before = self.system.sql("SELECT count(*) FROM users.change")
        self.read(*where, code=NOT_FOUND)
        self.assertEqual(self.system.sql("SELECT count(*) FROM users.change"), before)

    def test_found_nowhere(self):
        """No byte string of a secret is in a dump, a log, a list, history, an export or a record of
        a request."""
        secret, where = "s3cr3t-needle-9f8e7d", ("docroot-environment", "d/f", PASSWORD)
        private, certificate = make_pair(self.system.folder, "needle")
        self.run_cli("create", "certificate", "needle", "certificate=@-", stdin=certificate)
        self.set(private, "certificate", "needle", "private_key", "--reason", "x")
        target = {"type": "DocrootEnvironment", "key": "d/f", "field": PASSWORD}
        self.run_cli("call", "Referential/SetSecret", "-", "--request-id", "set-1", stdin=self.sealed_request(secret, target))
        self.read(*where)
        self.read("certificate", "needle", "private_key")
        backup = os.path.join(self.system.folder, "needle-backup.key")
        public = self.run_cli("key", "new", backup, "--server-key", "a" * 40).stdout.strip()
        sealed = self.run_cli("export", "--secrets-to", public).stdout
        # Failures of all kinds with a secret in them.
        self.set(secret + "\n" + secret, *where, code=INVALID_ARGUMENT)
        self.set(secret, "certificate", "needle", "private_key", code=INVALID_ARGUMENT)
        self.set(secret, "certificate", "none", "private_key", code=NOT_FOUND)
        self.run_cli("call", "Referential/SetSecret", self.sealed_request(secret, target, revision=99), code=ABORTED)
        self.run_cli("call", "Referential/DeleteSecret", json.dumps(target), "--request-id", "delete-1")
        self.run_cli("call", "Referential/SetSecret", "-", "--request-id", "set-2", stdin=self.sealed_request(secret, target))
        self.run_cli("secret", "rotate")
        postgres = self.system.postgres
        places = {
            "dump": subprocess.run([f"{postgres.bin}/pg_dump", "-d", postgres.conninfo], capture_output=True, text=True,
                                   check=True).stdout,
            "logs": self.system.output() + postgres.process.output(),
            "history": self.run_cli("history", "--limit", "10000").stdout + self.run_cli("list", "changes", "--json").stdout,
            "lists": "".join(self.run_cli("list", name, "--json", "--fields", "all").stdout
                             for name in ("secrets", "docroot-environments", "certificates")),
            "get": self.run_cli("get", "docroot-environment", "d/f", "--json").stdout,
            "events": self.run_cli("list", "events", "--json").stdout,
            "export": self.run_cli("export").stdout,
            "sealed export": sealed,
            "files of the database": "".join(self.raw_files()),
        }
        body = private.split("\n")[5]
        for place, text in places.items():
            self.assertTrue(text or place == "events", place)
            for needle in (secret, body):
                for form in (needle, needle.encode().hex(), needle[4:], json.dumps(needle)[1:-1]):
                    self.assertNotIn(form, text, place)
        self.assertIn('"resource":"Secret"', sealed)
        self.assertNotIn('"resource":"Secret"', places["export"])
        # Nor is what is sealed where others can read it.
        hexes = [row[0] for row in self.system.sql("SELECT left(encode(ciphertext, 'hex'), 64) FROM referential.secret")]
        self.assertTrue(hexes)
        records = self.system.sql("SELECT request_id, reply::text FROM sitewire.request") + self.system.sql(
            "SELECT before::text, after::text FROM users.change")
        for row in records:
            self.assertFalse([h for h in hexes if h in " ".join(row)])
        self.assertEqual([row[0] for row in self.system.sql("SELECT request_id FROM sitewire.request WHERE request_id IN "
                                                            "('set-1', 'set-2', 'delete-1')")], ["delete-1"])

    def raw_files(self):
        """The cluster's files, the write-ahead log too, as Latin-1."""
        self.system.sql("CHECKPOINT")
        for folder, _, names in os.walk(self.system.postgres.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    yield file.read().decode("latin-1")

    def test_export_and_back(self):
        self.set("to be kept", "docroot-environment", "d/f", PASSWORD)
        self.set(self.keys["three"][0], "certificate", "three", "private_key")
        backup, other = (os.path.join(self.system.folder, name) for name in ("backup.key", "other.key"))
        public = self.run_cli("key", "new", backup, "--server-key", "a" * 40).stdout.strip()
        self.run_cli("key", "new", other, "--server-key", "a" * 40)
        path = os.path.join(self.system.folder, "all.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.run_cli("export", "--secrets-to", public, "--reason", "backup").stdout)
        newest = json.loads(self.run_cli("history", "secret", "Certificate", "three", "private_key", "--json", "--limit", "1").stdout)
        self.assertEqual((newest["operation"], newest["reason"]), ("READ", "backup"))
        # Only what is asked for.
        some = self.run_cli("export", "docroots", "certificates", "--secrets-to", public).stdout
        self.assertEqual({json.loads(line).get("type") for line in some.splitlines()}, {None, "Certificate"})
        with System() as fresh:
            def go(*words, code=0):
                done = fresh.cli(*words)
                self.assertEqual(done.returncode, code, done.stderr)
                return done.stdout + done.stderr
            self.assertIn("--secrets-key FILE opens it", go("import", path, code=INVALID_ARGUMENT))
            self.assertIn("sealed for another key", go("import", path, "--secrets-key", other, code=INVALID_ARGUMENT))
            go("import", path, "--secrets-key", path, code=FAILED_PRECONDITION)
            self.assertIn("can be opened", go("import", path, "--secrets-key", backup, "--dry-run"))
            self.assertEqual(go("list", "secrets", "--count").strip(), "0")
            self.assertIn("secrets set", go("import", path, "--secrets-key", backup))
            self.assertEqual(go("secret", "read", "docroot-environment", "d/f", PASSWORD), "to be kept\n")
            self.assertEqual(go("secret", "read", "certificate", "three", "private_key"), self.keys["three"][0])
        self.run_cli("export", "--secrets-to", "short", code=INVALID_ARGUMENT)
        self.run_cli("export", "--secrets-to", public, "--csv", self.system.folder, code=INVALID_ARGUMENT)


class Attacks(SecretTest):
    """By somebody who can write to the database, but has not the master keys."""

    def test_swaps(self):
        rows = [{"resource": "Docroot", "code": "d"}]
        for name in ("a", "b", "c"):
            rows += [{"resource": "Environment", "code": name}, {"resource": "DocrootEnvironment", "docroot": "d", "environment": name}]
        self.import_rows(*rows)
        for name in ("a", "b", "c"):
            self.run_cli("secret", "set", "docroot-environment", f"d/{name}", PASSWORD, stdin=f"secret of {name}")

        def where(name):
            return ("docroot-environment", f"d/{name}", PASSWORD)
        # A ciphertext in another row, with or without its key id.
        self.system.sql("UPDATE referential.secret s SET ciphertext = o.ciphertext FROM referential.secret o "
                        "WHERE s.environment = 'b' AND o.environment = 'a'")
        self.assertIn("sealed for another row", self.read(*where("b"), code=DATA_LOSS))
        self.assertEqual(self.read(*where("a")), "secret of a")
        # A row that says that it belongs to another one.
        self.system.sql("DELETE FROM referential.secret WHERE environment = 'b'; "
                        "UPDATE referential.secret SET environment = 'b' WHERE environment = 'a'")
        self.read(*where("b"), code=DATA_LOSS)
        self.read(*where("a"), code=NOT_FOUND)
        # A rotation names them and leaves them; the others are done.
        self.run_cli("secret", "new-key")
        failed = self.run_cli("secret", "rotate", code=FAILED_PRECONDITION)
        self.assertIn("DocrootEnvironment/d/b/basic_auth_password: ", failed.stderr)
        self.assertIn("1 sealed with", failed.stdout)
        self.assertEqual(self.read(*where("c")), "secret of c")
        # Back in its place it opens; renames leave it alone.
        self.system.sql("UPDATE referential.secret SET environment = 'a' WHERE environment = 'b'")
        self.assertEqual(self.read(*where("a")), "secret of a")
        self.run_cli("rename", "environment", "a", "A")
        self.run_cli("rename", "docroot", "d", "dd")
        self.assertEqual(self.read("docroot-environment", "dd/A", PASSWORD), "secret of a")
        self.system.sql("UPDATE referential.environment SET code = 'by-hand' WHERE code = 'A'")
        self.assertEqual(self.read("docroot-environment", "dd/by-hand", PASSWORD), "secret of a")
        self.run_cli("secret", "rotate")
        self.assertEqual(self.read("docroot-environment", "dd/by-hand", PASSWORD), "secret of a")
        # Damaged, cut, empty of sense.
        for damage in ("overlay(ciphertext PLACING '\\x00' FROM 40)", "substr(ciphertext, 1, 30)", "'\\x01'", "'\\x02' || ciphertext"):
            self.system.sql(f"BEGIN; UPDATE referential.secret SET ciphertext = {damage} WHERE environment = 'c'; COMMIT")
            self.read("docroot-environment", "dd/c", PASSWORD, code=DATA_LOSS)
        self.run_cli("secret", "set", "docroot-environment", "dd/c", PASSWORD, stdin="anew")
        self.assertEqual(self.read("docroot-environment", "dd/c", PASSWORD), "anew")

    def test_logins_of_services(self):
        """What each service's login may do by itself: none reads the table, one gets sealed
        secrets, for an entered caller."""
        def attempt(role, text):
            done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                                   f"{self.system.postgres.conninfo} user={role}", "-c", text], capture_output=True, text=True, check=False)
            return done.stderr or done.stdout
        for role in ("sitewire_referential", "sitewire_user", "sitewire_deployment"):
            self.assertIn("permission denied", attempt(role, "SELECT * FROM referential.secret"))
            self.assertIn("permission denied", attempt(role, "COPY referential.secret TO STDOUT"))
        read = "SELECT referential.read_secret('DocrootEnvironment', 'd/a', 'basic_auth_password')"
        for role in ("sitewire_user", "sitewire_deployment"):
            self.assertIn("permission denied", attempt(role, read))
            self.assertIn("permission denied", attempt(role, "SELECT * FROM referential.secret_listing"))
        self.assertIn("not identified", attempt("sitewire_referential", read))


class Rights(SecretTest):
    OPTIONS = {"curve": True}
    WHO = {"ann": ("website:mine", "Owner"), "bob": ("website:theirs", "Owner"), "both": ("website:mine", "Owner"),
           "reader": ("website:mine", "Reader"), "none": None}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sql = cls.system.sql
        sql("""INSERT INTO referential.website (code) VALUES ('mine'), ('theirs');
               INSERT INTO referential.docroot (code) VALUES ('d'); INSERT INTO referential.environment (code) VALUES ('own'), ('shared');
               INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('d', 'own'), ('d', 'shared');
               INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('mine', 'd', 'own'),
                   ('mine', 'd', 'shared'), ('theirs', 'd', 'shared');
               INSERT INTO users.role (code, permissions) VALUES ('Reader', '{read,deploy,approve}')""")
        cls.people = {}
        for name, right in (cls.WHO | {"admin": None}).items():
            email = ADMIN if name == "admin" else f"{name}@x.org"
            cls.people[name] = cls.system.enroll(email, rights=[right] if right else [])
        sql("INSERT INTO users.access_right VALUES ('website:theirs', 'both@x.org', 'Owner')")

    def call(self, who, method, request, reply):
        client = self.system.client(key=self.people[who])
        try:
            return 0, client.call(REFERENTIAL + method, request, reply)[1]
        except Failed as failed:
            return failed.header.code, failed.header.message
        finally:
            client.close()

    def set(self, who, value, key):
        """The status of SetSecret. The admin gets the key, as not every caller may."""
        sealing_key = self.call("admin", "GetSealingKey", referential_pb2.GetSealingKeyRequest(), referential_pb2.SealingKey)[1]
        request = referential_pb2.SetSecretRequest(**sealing.to_set(sealing_key, value, **key))
        return self.call(who, "SetSecret", request, referential_pb2.Secret)[0]

    def read_by(self, who, key):
        """The status of ReadSecret, and the secret, which is sealed for the caller's enrolled
        key."""
        pair = sealing.Pair(self.people[who].public, self.people[who].secret)
        code, reply = self.call(who, "ReadSecret", referential_pb2.ReadSecretRequest(seal_to=pair.public, **key),
                                referential_pb2.ReadSecretResponse)
        return code, reply if code else pair.open(reply.sealed).decode()

    def test_table(self):
        """(who, environment, method) and the status, on the wire with keys."""
        p = referential_pb2
        d = PERMISSION_DENIED
        #           ann  bob  both  reader  none  admin
        expected = {"own": (0, d, 0, d, d, 0), "shared": (d, d, 0, d, d, 0)}
        for environment, codes in expected.items():
            for who, code in zip(("ann", "bob", "both", "reader", "none", "admin"), codes):
                with self.subTest(environment=environment, who=who):
                    key = {"type": "DocrootEnvironment", "key": f"d/{environment}", "field": PASSWORD}
                    self.assertEqual(self.set(who, f"by {who}", key), code)
                    if code:
                        self.assertEqual(self.set("admin", "x", key), 0)
                    got, reply = self.read_by(who, key)
                    self.assertEqual(got, code)
                    if code == 0:
                        self.assertEqual(reply, f"by {who}")
                    elif who != "none":
                        self.assertIn("manage", reply)
                    if who == "ann":
                        self.assertNotIn("theirs", str(reply))
                    hidden = d if who == "none" else NOT_FOUND
                    self.assertEqual(self.call(who, "GetSecret", p.GetSecretRequest(**key), p.Secret)[0], hidden if code else 0)
                    got, reply = self.call(who, "ListSecrets", p.ListSecretsRequest(), p.ListSecretsResponse)
                    if who != "none":
                        self.assertEqual(key["key"] in [item.key for item in reply.items], code == 0)
                    self.assertEqual(self.call(who, "DeleteSecret", p.DeleteSecretRequest(**key), rpc_pb2.Empty)[0],
                                     hidden if code else 0)
                    self.assertEqual(self.call(who, "RotateSecrets", p.RotateSecretsRequest(), p.RotateSecretsResponse)[0],
                                     0 if who == "admin" else d)

    def test_a_right_that_ends(self):
        """When another website comes to live there, or a right goes, the next call knows."""
        key = {"type": "DocrootEnvironment", "key": "d/own", "field": PASSWORD}
        self.assertEqual(self.set("ann", "v", key), 0)
        self.system.sql("INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('theirs', 'd', 'own')")
        self.assertEqual(self.read_by("ann", key)[0], PERMISSION_DENIED)
        self.system.sql("DELETE FROM referential.website_deployed WHERE website = 'theirs' AND environment = 'own'")
        self.assertEqual(self.read_by("ann", key)[0], 0)

    def test_explain(self):
        env = {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": self.people["ann"].path}
        words = ("explain", "create", "secret", "DocrootEnvironment", "d/shared", PASSWORD)
        said = self.run_cli(*words, env=env).stdout
        self.assertIn("every project that it serves", said)
        self.assertNotIn("theirs", said)
        self.assertIn("ann@x.org has", self.run_cli(*words[:4], "d/own", PASSWORD, env=env).stdout)


if __name__ == "__main__":
    unittest.main()
