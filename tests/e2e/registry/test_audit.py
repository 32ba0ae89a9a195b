#!/usr/bin/env python3
"""`sitewire audit`: what sitewire-user seals while it runs, and what an audit finds, from the
database and from a file."""
import hashlib
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import System, wait_for  # noqa: E402

INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAVAILABLE, DATA_LOSS = 3, 5, 9, 14, 15
FIELDS = ("id", "at", "actor", "call_id", "request_id", "reason", "resource", "key", "old_key", "operation", "before", "after",
          "project", "transaction")


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.system.start_service("user-1")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def run_cli(self, *words, code=0, stdin="", env=None):
        done = self.system.cli(*words, stdin=stdin, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def verify(self, *words):
        return json.loads(self.run_cli("audit", "verify", "--json", *words))

    def sealed(self):
        """The audit, once everything is sealed."""
        def look():
            found = self.verify()
            return found if found["unsealed"] == 0 else None
        return wait_for(look, "all is sealed")

    def export(self, name):
        path = os.path.join(self.system.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.run_cli("audit", "export"))
        return path

    def rewritten(self, path, change):
        """A copy of an export that `change` has done something to."""
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
        change(lines)
        with open(path + ".changed", "w", encoding="utf-8") as file:
            file.writelines(lines)
        return path + ".changed"

    def test_sealed_while_it_runs(self):
        for i in range(20):
            self.run_cli("create", "cms", f"c{i}", f"name=Größe {i}", "--reason", "d'après \"1:2,-\"")
        found = self.sealed()
        self.assertEqual(found["changes"], int(self.system.sql("SELECT count(*) FROM users.change")[0][0]))
        text = self.run_cli("audit", "verify")
        self.assertEqual(text, f"{found['changes']} sealed changes, none altered or removed\nhead {found['head']}\n")
        # A service that is killed leaves it to the other one.
        self.system.kill("user-0")
        for i in range(5):
            self.run_cli("update", "cms", f"c{i}", "name=x")
        self.assertEqual(self.sealed()["changes"], found["changes"] + 5)
        self.assertEqual(self.verify("--head", found["head"])["changes"], found["changes"] + 5)
        self.system.start_service("user-0")
        self.system.wait_ready()

    def test_rows_are_what_history_says(self):
        """A superuser who disables the triggers leaves nothing in history: the rows differ from
        it."""
        for i in range(3):
            self.run_cli("create", "server", f"compared-{i}.example.org")
        self.run_cli("rename", "server", "compared-2.example.org", "compared-3.example.org")
        self.sealed()
        unseen = ("UPDATE referential.server SET login = 'root' WHERE hostname = 'compared-0.example.org'",
                  "DELETE FROM referential.server WHERE hostname = 'compared-1.example.org'",
                  "INSERT INTO referential.server (hostname) VALUES ('compared-2.example.org')")
        undone = ("UPDATE referential.server SET login = '' WHERE hostname = 'compared-0.example.org'",
                  "INSERT INTO referential.server SELECT (jsonb_populate_record(NULL::referential.server, after)).* FROM users.change "
                  "WHERE key = 'compared-1.example.org'",
                  "DELETE FROM referential.server WHERE hostname = 'compared-2.example.org'")
        for statement, back, words in zip(unseen, undone, ("compared-0.example.org: no change has made it what it is: login",
                                                           "compared-1.example.org: no change has deleted it",
                                                           "compared-2.example.org: no change has made it")):
            self.system.sql(f"SET session_replication_role = replica; {statement}")
            self.assertIn(f"Server {words}", self.run_cli("audit", "verify", code=DATA_LOSS))
            self.system.sql(f"SET session_replication_role = replica; {back}")
            self.verify()
        # In another time zone, too.
        self.system.sql("SET timezone = 'Asia/Tokyo'; UPDATE referential.server SET login = 'x' WHERE hostname = 'compared-0.example.org'")
        self.sealed()
        self.system.sql("SET session_replication_role = replica; UPDATE users.change SET row_id = 1 WHERE key = 'compared-3.example.org'")
        self.assertIn("wrong row_id", self.run_cli("audit", "verify", code=DATA_LOSS))
        self.system.sql("SET session_replication_role = replica; UPDATE users.change c SET row_id = (SELECT p.id FROM users.change p "
                        "WHERE p.key = 'compared-2.example.org') WHERE key = 'compared-3.example.org'")
        self.verify()

    def test_by_hand(self):
        """Whoever has the file needs no sitewire."""
        self.run_cli("create", "registrar", "hand", "name=Ünï:1,2")
        head = self.sealed()["head"]
        last, count = bytes(32), 0
        for line in self.run_cli("audit", "export").splitlines():
            row = json.loads(line)
            values = [None if row[f] is None else row[f].encode() for f in FIELDS]
            text = b",".join(b"-" if v is None else b"%d:%s" % (len(v), v) for v in values)
            last, count = hashlib.sha256(last + text).digest(), count + 1
            self.assertEqual((row["position"], row["hash"]), (count, last.hex()))
        self.assertEqual(head, f"{count}:{last.hex()}")

    def test_files(self):
        self.run_cli("create", "registrar", "filed")
        head = self.sealed()["head"]
        path = self.export("history.jsonl")
        self.assertEqual(self.verify(path)["head"], head)
        with open(path, encoding="utf-8") as file:
            self.assertIn(head, self.run_cli("audit", "verify", "-", "--head", head, stdin=file.read()))

        def alter(lines):
            lines[3] = re.sub(r'"reason":(null|"[^"]*")', '"reason":"altered"', lines[3])

        def swap(lines):
            lines[3], lines[4] = lines[4], lines[3]

        for change, text in ((alter, "position 4: change"), (lambda lines: lines.pop(3), "position 4: it was removed"),
                             (swap, "position 4: it was removed; position 5 comes next")):
            error = self.run_cli("audit", "verify", self.rewritten(path, change), code=DATA_LOSS)
            self.assertIn("DATA_LOSS: " + text, error)
        cut = self.rewritten(path, lambda lines: lines.pop())
        self.verify(cut)
        self.assertIn("ends before the head", self.run_cli("audit", "verify", cut, "--head", head, code=DATA_LOSS))
        other = head.split(":")[0] + ":" + "0" * 64
        self.assertIn("made the chain again", self.run_cli("audit", "verify", path, "--head", other, code=DATA_LOSS))

    def test_usage(self):
        path = os.path.join(self.system.folder, "strange")
        for text, message in (("{}\n", "strange:1: not a line of"), ("not json\n", "strange:1: not valid JSON"), ("[1]\n", "strange:1: not a line"),
                              ("", "strange is empty")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.assertIn(message, self.run_cli("audit", "verify", path, code=INVALID_ARGUMENT))
        self.run_cli("audit", "verify", path + ".none", code=NOT_FOUND)
        for head in ("", "7", "7:", "x:" + "0" * 64, "7:" + "0" * 62, "7:" + "0" * 66, "-1:" + "0" * 64, "7:" + "g" * 64):
            self.assertIn("--head takes POSITION:HASH", self.run_cli("audit", "verify", "--head", head, code=INVALID_ARGUMENT))
        for words in ((), ("check",), ("verify", "a", "b"), ("export", "a"), ("verify", path, "--database", "x")):
            self.assertIn("audit takes" if words != ("verify", path, "--database", "x") else "or --database",
                          self.run_cli("audit", *words, code=INVALID_ARGUMENT))
        self.run_cli("audit", "verify", "--database", "host=/nonexistent", code=UNAVAILABLE)
        self.assertIn("sitewire migrate", self.run_cli("audit", "verify", "--database",
                                                       f"{self.system.postgres.conninfo} dbname=postgres", code=FAILED_PRECONDITION))
        self.assertIn("owner of the tables", self.run_cli(
            "audit", "verify", "--database", f"{self.system.postgres.conninfo} user=sitewire_user", code=7))

    def test_zz_tampering(self):
        """Last, as the chain stays broken."""
        head = self.sealed()["head"]
        self.system.sql("SET session_replication_role = replica; UPDATE users.change SET actor = 'somebody else' WHERE id = "
                        "(SELECT change FROM users.seal WHERE position = 5)")
        self.assertIn("DATA_LOSS: position 5: change", self.run_cli("audit", "verify", code=DATA_LOSS))
        # Who makes all seals anew is found by the head.
        self.system.sql("SET session_replication_role = replica; DELETE FROM users.seal; SELECT users.seal_changes()")
        wait_for(lambda: self.verify()["unsealed"] == 0, "sealed anew")
        self.assertIn("somebody has made the chain again", self.run_cli("audit", "verify", "--head", head, code=DATA_LOSS))


if __name__ == "__main__":
    unittest.main()
