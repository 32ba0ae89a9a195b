#!/usr/bin/env python3
"""Master keys of secrets: rotated while calls go on, taken out, missing, made at the first
start."""
import json
import os
import shutil
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from secret_test import (FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, PASSWORD, REFERENTIAL, SecretTest)  # noqa: E402
from sitewire_test import SITEWIRE, Failed, children, make_folder, wait_for  # noqa: E402
import sealing  # noqa: E402
from up_test import Up  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402


class Rotation(SecretTest):
    COUNT = 250

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rows = [{"resource": "Docroot", "code": "d"}]
        for i in range(cls.COUNT):
            rows += [{"resource": "Environment", "code": f"e{i}"},
                     {"resource": "DocrootEnvironment", "docroot": "d", "environment": f"e{i}"}]
        done = cls.system.cli("import", "-", stdin="".join(json.dumps(row) + "\n" for row in rows))
        assert done.returncode == 0, done.stderr

    @staticmethod
    def key_of(i):
        return {"type": "DocrootEnvironment", "key": f"d/e{i}", "field": PASSWORD}

    def put(self, client, i, value):
        """A key that is dropped between the two calls of the client is got again."""
        for tries in range(3):
            try:
                return sealing.set_secret(client, value, **self.key_of(i))
            except Failed as failed:
                if "get the sealing key again" not in failed.header.message or tries == 2:
                    raise
        return None

    def get(self, client, i):
        return sealing.read_secret(client, **self.key_of(i))

    def rotate_once(self, client, **request):
        return client.call(REFERENTIAL + "RotateSecrets", referential_pb2.RotateSecretsRequest(**request),
                           referential_pb2.RotateSecretsResponse)[1]

    def test_under_load(self):
        client, values = self.system.client(), {}
        for i in range(self.COUNT):
            values[i] = f"value {i}"
            self.put(client, i, values[i])
        over, problems, calls = threading.Event(), [], [0, 0]

        def load(which):
            """Each works on secrets of its own: what is read is what was set last."""
            mine, n = self.system.client(), 0
            while not over.is_set():
                i = (n * 7 % (self.COUNT // 2)) * 2 + which
                try:
                    if n % 3 == 0:
                        values[i] = f"value {i} of round {n}"
                        self.put(mine, i, values[i])
                    got = self.get(mine, i)
                    if got != values[i]:
                        problems.append(f"{i}: {got} is not {values[i]}")
                except Failed as failed:
                    problems.append(str(failed))
                n += 1
                calls[which] = n
            mine.close()
        threads = [threading.Thread(target=load, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                before = sum(calls)
                old = self.key_ids()
                self.run_cli("secret", "new-key")
                wait_for(lambda: problems or sum(calls) > before + 20, "calls go on")
                said = json.loads(self.run_cli("secret", "rotate", "--json").stdout)
                self.assertEqual((said["key_id"], said["remaining"]), (self.key_ids()[-1], 0))
                self.assertGreater(said["rotated"], 0)
                for key_id in old:
                    self.run_cli("secret", "drop-key", key_id)
                before = sum(calls)
                wait_for(lambda: problems or sum(calls) > before + 20, "calls go on")
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])
        self.assertEqual([self.get(client, i) for i in range(self.COUNT)], [values[i] for i in range(self.COUNT)])
        client.close()

    def test_step_by_step(self):
        """Interrupted, it goes on; a key that is taken out too early is named, and nothing is
        lost."""
        client = self.system.client()
        for i in range(20):
            self.put(client, i, f"v{i}")
        for i in range(20, self.COUNT):
            client.call(REFERENTIAL + "DeleteSecret", referential_pb2.DeleteSecretRequest(**self.key_of(i)), rpc_pb2.Empty) \
                if self.has(client, i) else None
        self.run_cli("secret", "rotate")
        old = self.key_ids()[-1]
        self.run_cli("secret", "new-key")
        first = self.rotate_once(client, batch_size=8)
        self.assertEqual((first.rotated, first.remaining, first.key_id), (8, 12, self.key_ids()[-1]))
        second = self.rotate_once(client, batch_size=8, after=first.next)
        self.assertEqual((second.rotated, second.remaining), (8, 4))
        listed = [json.loads(line)["key_id"] for line in self.run_cli("secret", "list", "--json").stdout.splitlines()]
        self.assertEqual(sorted(listed.count(key_id) for key_id in set(listed)), [4, 16])
        self.assertIn("4 secrets are sealed", self.run_cli("secret", "drop-key", old, code=FAILED_PRECONDITION).stderr)
        self.run_cli("secret", "drop-key", self.key_ids()[-1], code=FAILED_PRECONDITION)
        self.run_cli("secret", "drop-key", "none", code=NOT_FOUND)
        text = self.take_out(old)
        failed = 0
        for i in range(20):
            try:
                self.assertEqual(self.get(client, i), f"v{i}")
            except Failed as problem:
                self.assertEqual(problem.header.code, FAILED_PRECONDITION)
                self.assertIn(old, problem.header.message)
                failed += 1
        self.assertEqual(failed, 4)
        self.assertIn(f"`{old}`", self.run_cli("secret", "rotate", code=FAILED_PRECONDITION).stderr)
        self.write_keys(text)
        self.assertEqual(json.loads(self.run_cli("secret", "rotate", "--json").stdout)["rotated"], 4)
        self.take_out(old)
        self.assertEqual([self.get(client, i) for i in range(20)], [f"v{i}" for i in range(20)])
        # A mode that lets others read the keys stops their use, and so does no file.
        os.chmod(self.system.secret_key, 0o640)
        self.assertIn("chmod 600", self.read("docroot-environment", "d/e0", PASSWORD, code=FAILED_PRECONDITION))
        self.run_cli("secret", "set", "docroot-environment", "d/e0", PASSWORD, stdin="x", code=FAILED_PRECONDITION)
        os.chmod(self.system.secret_key, 0o600)
        os.rename(self.system.secret_key, self.system.secret_key + ".away")
        self.read("docroot-environment", "d/e0", PASSWORD, code=FAILED_PRECONDITION)
        os.rename(self.system.secret_key + ".away", self.system.secret_key)
        self.assertEqual(self.read("docroot-environment", "d/e0", PASSWORD), "v0")
        client.close()

    def has(self, client, i):
        try:
            client.call(REFERENTIAL + "GetSecret", referential_pb2.GetSecretRequest(**self.key_of(i)), referential_pb2.Secret)
        except Failed:
            return False
        return True

    def test_start(self):
        """A service does not start with a key file that is none, and serves all but secrets without
        one."""
        system = self.system
        program = os.path.join(os.path.dirname(SITEWIRE), "sitewire-referential")
        path = os.path.join(system.folder, "bad-secrets")

        def start():
            return subprocess.run([program, "--secret-key", path, "--database", system.postgres.conninfo + " user=sitewire_referential"],
                                  env=system.env(), capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(start().returncode, FAILED_PRECONDITION)
        with open(path, "w", encoding="ascii") as file:
            file.write("no key\n")
        os.chmod(path, 0o600)
        self.assertIn("line 1", start().stderr)
        os.chmod(path, 0o644)
        self.assertIn("chmod 600", start().stderr)
        users = subprocess.run([os.path.join(os.path.dirname(SITEWIRE), "sitewire-user"), "--secret-key", path], capture_output=True,
                               text=True, timeout=30, check=False, env=system.env())
        self.assertEqual(users.returncode, INVALID_ARGUMENT)


class MadeAtStart(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def cli(self, up, *words, stdin=""):
        done = subprocess.run([SITEWIRE, *words], env=up.env(), input=stdin, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_made_at_the_first_start(self):
        """`sitewire up` makes a master key, and its service uses it."""
        where = ("docroot-environment", "d/e", PASSWORD)
        for value in ("first", "second"):
            up = Up(self.folder, name=value)
            try:
                if value == "first":
                    for words in ("docroot d", "environment e", "docroot-environment d/e"):
                        self.cli(up, "create", *words.split())
                else:
                    self.assertEqual(self.cli(up, "secret", "read", *where), "first\n")
                    self.cli(up, "secret", "new-key")
                    self.assertIn("1 sealed", self.cli(up, "secret", "rotate"))
                self.cli(up, "secret", "set", *where, stdin=value)
                self.assertEqual(os.stat(os.path.join(up.data, "keys", "secrets")).st_mode & 0o777, 0o600)
                self.assertTrue(children(up.pid))
            finally:
                up.end()


if __name__ == "__main__":
    unittest.main()
