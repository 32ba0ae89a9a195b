#!/usr/bin/env python3
"""The command line on a live system: every command, its output in each form, error texts and exit
status, Ctrl-C, broken pipes, terminals, and completion in a real bash."""
import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import BIN, ROOT, SITEWIRE, System, wait_for  # noqa: E402

OK, CANCELLED, INVALID, DEADLINE, NOT_FOUND, EXISTS, PERMISSION, PRECONDITION, ABORTED, UNIMPLEMENTED, UNAVAILABLE = \
    0, 1, 3, 4, 5, 6, 7, 9, 10, 12, 14


def catches(pid, number):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
    return caught >> (number - 1) & 1 == 1


class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        for words in (["create", "website", "alpha.example", "name=Alpha Énergie", "live=true", "organization=One"],
                      ["create", "website", "beta.example", "name=Beta", "live=false", "organization=Two, Three"],
                      ["create", "website", "gamma.example", "name=日本語のサイト", "home_directory=web"],
                      ["create", "cms", "drupal7", "name=Drupal 7"],
                      ["create", "environment", "dev", "rank=10"], ["create", "environment", "prod", "rank=30"],
                      ["create", "docroot", "main"],
                      ["create", "docroot-environment", "main/dev", "cms=drupal7", "cms_version=7.99"],
                      ["create", "docroot-environment", "main", "prod", "cms=drupal7", "cms_version=7.98"],
                      ["create", "website-deployed", "alpha.example/main/prod", "website_version=1.2"],
                      ["create", "domain", "www.alpha.example", "expires_at=2020-01-31", "website=alpha.example",
                       "docroot=main", "environment=prod"]):
            done = cls.system.cli(*words)
            if done.returncode != 0:
                cls.system.stop()
                raise AssertionError(f"{words}: {done.stderr}")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def setUp(self):
        self.addCleanup(self.remove_new_websites)

    def remove_new_websites(self):
        """The tests share the system; each leaves these three websites."""
        codes = [row["code"] for row in self.json("list", "websites")]
        for code in set(codes) - {"alpha.example", "beta.example", "gamma.example"}:
            self.run_cli("delete", "website", code, "--yes")

    def run_cli(self, *words, status=OK, **options):
        done = self.system.cli(*words, **options)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *words, **options):
        return [json.loads(line) for line in self.run_cli(*words, "--json", **options).stdout.splitlines()]

    def fails(self, status, *words, error, lines=(), **options):
        """Runs; the first line of stderr is exactly `error: ...` as the pattern says, and further
        lines are there."""
        done = self.run_cli(*words, status=status, **options)
        self.assertRegex(done.stderr.splitlines()[0], "^error: " + error)
        for line in lines:
            self.assertIn(line, done.stderr.splitlines())

    # --- reading ---

    def test_get(self):
        self.assertRegex(self.run_cli("get", "website", "alpha.example").stdout, r"(?m)^name +Alpha Énergie$")
        rows = self.json("get", "websites", "alpha.example", "beta.example")
        self.assertEqual([row["code"] for row in rows], ["alpha.example", "beta.example"])
        self.assertEqual(self.json("get", "DocrootEnvironment", "main", "dev")[0]["cms_version"], "7.99")
        rows = self.json("get", "docroot_environments", "main/dev", "main", "prod")
        self.assertEqual([row["environment"] for row in rows], ["dev", "prod"])
        some = ("get", "websites", "alpha.example", "beta.example", "--fields", "name,home_directory")
        self.assertRegex(self.run_cli(*some).stdout, r"^name +Alpha Énergie\nhome_directory +\n\nname +.*\nhome_directory +.*\n$")
        self.assertEqual(self.json(*some)[0], {"name": "Alpha Énergie", "home_directory": ""})
        self.assertEqual(self.run_cli(*some, "--csv").stdout.splitlines()[:2], ["name,home_directory", "Alpha Énergie,"])
        self.fails(INVALID, *some[:-1], "nmae", error="INVALID_ARGUMENT: Website has no field 'nmae'; did you mean name")
        self.fails(INVALID, "list", "websites", "--fields", "", error="INVALID_ARGUMENT: --fields is empty")
        self.fails(NOT_FOUND, "get", "website", "nope", error="NOT_FOUND: .*nope")
        self.fails(INVALID, "get", "webstie", "x", error="INVALID_ARGUMENT: .*did you mean website")
        self.fails(INVALID, "get", "docroot-environment", "main", error=".*DOCROOT/ENVIRONMENT")
        self.assertEqual(self.run_cli("get", "docroot-environment", "main", "dev", "x", status=INVALID).stdout, "")
        self.fails(INVALID, "get", error=".*RESOURCE", lines=["hint: see `sitewire get --help`"])

    def test_list_forms(self):
        table = self.run_cli("list", "websites", "--fields", "code,live").stdout.splitlines()
        self.assertEqual(table, ["code           live", "alpha.example  true", "beta.example   false",
                                 "gamma.example  false"])
        self.assertNotIn("created_at", self.run_cli("list", "websites").stdout)
        self.assertIn("created_at", self.run_cli("list", "websites", "--fields", "all").stdout)
        text = self.run_cli("list", "websites", "--csv").stdout
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(rows[1]["organization"], "Two, Three")
        self.assertEqual(rows[2]["name"], "日本語のサイト")
        self.assertEqual(self.json("list", "websites", "--fields", "code,name")[0],
                         {"code": "alpha.example", "name": "Alpha Énergie"})
        self.assertEqual(self.run_cli("list", "websites", "--count").stdout, "3\n")
        self.assertEqual(self.json("list", "websites", "--count"), [{"total_size": 3}])

    def test_list_choice(self):
        def codes(*words):
            return [row["code"] for row in self.json("list", "websites", *words)]
        self.assertEqual(codes("--filter", "live = yes"), ["alpha.example"])
        self.assertEqual(codes("live=false", "code ^= beta"), ["beta.example"])
        self.assertEqual(codes("home_directory is not null"), ["gamma.example"])
        self.assertEqual(codes("home-directory is null"), ["alpha.example", "beta.example"])
        self.assertEqual(codes("code in alpha.example, gamma.example"), ["alpha.example", "gamma.example"])
        self.assertEqual(codes("name ~ Énergie"), ["alpha.example"])
        self.assertEqual(codes("organization = 'Two, Three'"), ["beta.example"])
        self.assertEqual(codes("code > beta.example"), ["gamma.example"])
        self.assertEqual(codes("updated_at < 2001-01-01"), [])
        self.assertEqual(codes("--order", "-code"), ["gamma.example", "beta.example", "alpha.example"])
        self.assertEqual(codes("--order", "-code", "--limit", "2", "--page-size", "1"), ["gamma.example", "beta.example"])
        self.assertEqual(codes("--search", "THREE"), ["beta.example"])
        self.assertEqual(codes("--page-size", "1"), ["alpha.example", "beta.example", "gamma.example"])
        self.fails(INVALID, "list", "websites", "nme = x", error="INVALID_ARGUMENT: .*'nme'; did you mean name")
        self.fails(INVALID, "list", "websites", "live = perhaps", error=".*true or false", lines=["field: live"])
        self.fails(INVALID, "list", "websites", "code", error=".*is not a filter")
        self.fails(INVALID, "list", "websites", "--order", "nope", error=".*no field 'nope'")
        self.fails(INVALID, "list", "websites", "--limit", "0", error=".*--limit takes")
        self.fails(INVALID, "list", "websites", "--lmit", "1", error=".*did you mean --limit",
                   lines=["hint: see `sitewire list --help`"])
        self.fails(INVALID, "list", "docroot-e", error=".*is ambiguous: it may be docroot-environments, ")

    # --- changing ---

    def test_change(self):
        dry = self.run_cli("create", "website", "new.example", "live=true", "--dry-run")
        self.assertIn("dry run: website new.example would be created; nothing was changed", dry.stderr)
        self.run_cli("get", "website", "new.example", status=NOT_FOUND)
        made = self.json("create", "website", "new.example", "name=New", "live=true")[0]
        self.assertEqual((made["name"], made["live"], made["revision"]), ("New", True, "1"))
        self.fails(INVALID, "update", "website", "new.example", "code=beta.example", "live=true", lines=["field: code"],
                   error="INVALID_ARGUMENT: code is part of the key.*`sitewire rename`")
        self.fails(INVALID, "update", "docroot-environment", "main/dev", "environment=prod", "cms_version=9",
                   error=".*create a new one and delete this one", lines=["field: environment"])
        self.fails(INVALID, "create", "website", "one.example", "code=two.example", error=".*code is part of the key")
        self.fails(INVALID, "create", "website", "one.example", "created_at=2026-01-01", lines=["field: created_at"],
                   error="INVALID_ARGUMENT: the registry sets `created_at`: leave it out")
        for word, expected in (("other.example", "created"), ("new.example", "updated")):
            dry = self.run_cli("update", "website", word, "name=N", "--allow-missing", "--dry-run")
            self.assertIn(f"dry run: website {word} would be {expected}; nothing was changed", dry.stderr)
        dry = self.run_cli("rename", "website", "new.example", "newer.example", "--dry-run")
        self.assertIn("dry run: website new.example would be renamed to newer.example; nothing was changed", dry.stderr)
        dry = self.run_cli("rename", "website", "new.example", "new.example", "--dry-run")
        self.assertIn("dry run: website new.example would be unchanged; nothing was changed", dry.stderr)
        self.run_cli("update", "docroot-environment", "main/dev", "environment=dev", "--dry-run")
        self.fails(EXISTS, "create", "website", "new.example", error="ALREADY_EXISTS: ", lines=["field: website.code"])
        changed = self.json("update", "website", "new.example", "name=", "home-directory=web", "--revision", "1")[0]
        self.assertEqual((changed.get("name", ""), changed["home_directory"], changed["live"]), ("", "web", True))
        self.fails(ABORTED, "update", "website", "new.example", "live=false", "--revision", "1", error="ABORTED: ",
                   lines=["hint: read it again, and repeat the change with its new revision"])
        cleared = self.json("update", "website", "new.example", "--mask", "home_directory")[0]
        self.assertEqual(cleared.get("home_directory", ""), "")
        self.fails(INVALID, "update", "website", "new.example", error=".*what should change")
        self.fails(NOT_FOUND, "update", "website", "other.example", "live=true", error="NOT_FOUND")
        self.run_cli("update", "website", "other.example", "live=true", "--allow-missing")
        renamed = self.json("rename", "website", "new.example", "newer.example")[0]
        self.assertEqual(renamed["code"], "newer.example")
        self.fails(UNIMPLEMENTED, "rename", "docroot-environment", "main/dev", "x", error="UNIMPLEMENTED: .*rename")
        self.run_cli("delete", "website", "newer.example", "--dry-run")
        self.fails(ABORTED, "delete", "website", "newer.example", "--revision", "1", error="ABORTED")
        deleted = self.run_cli("delete", "website", "newer.example", "other.example", "--yes")
        self.assertEqual(deleted.stdout, "deleted website newer.example\ndeleted website other.example\n")
        self.fails(NOT_FOUND, "delete", "website", "newer.example", error="NOT_FOUND")
        self.fails(PRECONDITION, "delete", "cms", "drupal7", error="FAILED_PRECONDITION: .*main")

    def test_values(self):
        self.fails(INVALID, "create", "website", "x.example", "live=perhaps", error=".*live is true or false",
                   lines=["field: live"])
        self.fails(INVALID, "create", "website", "x.example", "nme=x", error=".*did you mean name")
        self.fails(INVALID, "create", "website", "bad code!", error="INVALID_ARGUMENT", lines=["field: website.code"])
        self.fails(INVALID, "create", "website", error=".*which website")
        self.fails(INVALID, "create", "website", "a.example", "b.example", error=".*field=value")
        self.fails(NOT_FOUND, "create", "website", "x.example", "name=@/nonexistent", error="NOT_FOUND: cannot read")
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump({"code": "file.example", "homeDirectory": "web", "live": True}, file)
            file.flush()
            made = self.json("create", "website", "--from", file.name, "live=false", "--dry-run")[0]
            self.assertEqual((made["code"], made["home_directory"], made["live"]), ("file.example", "web", False))
        made = self.json("create", "website", "--from", "-", "--dry-run", stdin='{"code": "in.example"}')[0]
        self.assertEqual(made["code"], "in.example")
        copy = self.run_cli("get", "website", "alpha.example", "--json").stdout
        done = self.run_cli("create", "website", "copy.example", "--from", "-", "--dry-run", stdin=copy)
        for field, reason in (("code", "the command says copy.example"), ("created_at", "the registry sets it"),
                              ("revision", "the registry sets it")):
            self.assertIn(f"note: `{field}` of the file is not used: {reason}", done.stderr.splitlines())
        self.fails(INVALID, "create", "website", "--from", "-", stdin="[1]", error=".*is not a JSON object")
        self.fails(INVALID, "create", "website", "--from", "-", stdin='{"cod": 1}', error=".*no field 'cod'")
        made = self.json("create", "website", "stdin.example", "name=@-", "--dry-run", stdin="Read")[0]
        self.assertEqual(made["name"], "Read")

    # --- monitors, pipes, long keys ---

    def test_health_for_monitors(self):
        good = self.system.cli("health", "--nagios")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertRegex(good.stdout, r"\ASITEWIRE OK - all can serve \| checked=[0-9]+ serving=[0-9]+\n\Z")
        for words, env, status, text in (
                (("Nowhere",), {}, 2, "SITEWIRE CRITICAL - Nowhere: "),
                ((), {"SITEWIRE_ENDPOINT": "ipc:///nowhere"}, 2, "SITEWIRE CRITICAL - broker: "),
                (("a", "b"), {}, 3, "")):
            done = self.system.cli("--timeout", "1s", "health", "--nagios", *words, env=env)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertTrue(done.stdout.startswith(text), done.stdout)
            self.assertEqual(done.stdout.count("\n"), 1 if text else 0)

    def test_a_reader_that_leaves_ends_the_command(self):
        """Also if the caller ignores SIGPIPE, as cron and Python do for their children."""
        ignore = lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # noqa: E731
        for words in (("list", "websites", "--json"), ("watch", "--after", "0:0")):
            reader, writer = os.pipe()
            os.close(reader)
            with subprocess.Popen([SITEWIRE, *words], stdout=writer, stderr=subprocess.PIPE, text=True, preexec_fn=ignore,
                                  restore_signals=False, env=self.system.env()) as child:
                os.close(writer)
                if words[0] == "watch":  # which has nothing to print
                    child.terminate()
                said = child.communicate(timeout=60)[1]
            self.assertNotIn("temporarily unavailable", said)
            if words[0] == "list":
                self.assertEqual((child.returncode, said), (-signal.SIGPIPE, ""))

    def test_a_long_key_is_printed_once(self):
        key = "x" * 300
        for words in (("get", "website", key), ("update", "website", key, "name=x"), ("delete", "website", key)):
            self.assertEqual(self.system.cli(*words).stderr.count(key), 1, words)

    # --- questions, methods, descriptions ---

    def test_questions(self):
        self.assertEqual(self.json("where", "website", "alpha.example")[0]["version"], "1.2")
        self.assertEqual(len(self.json("where", "cms", "drupal7", "7.98")), 1)
        self.assertEqual(self.run_cli("where", "cms", "drupal7", "1.0").stderr, "it does not run anywhere\n")
        keys = [row["key"] for row in self.json("impact", "docroot-environment", "main", "prod")]
        self.assertIn("www.alpha.example", keys)
        self.assertEqual({row["depth"] for row in self.json("impact", "cms", "drupal7", "--depth", "1")}, {1})
        self.assertRegex(self.run_cli("diff", "main", "dev", "prod").stdout, r"cms_version +7\.99 +7\.98")
        self.assertNotIn("www.alpha.example", self.run_cli("diff", "main", "dev", "prod").stdout)
        self.assertIn("www.alpha.example", self.run_cli("diff", "main", "dev", "prod", "--all").stdout)
        self.assertEqual(self.json("expiring", "1")[0]["key"], "www.alpha.example")
        self.fails(INVALID, "diff", "main", error=".*DOCROOT ENVIRONMENT OTHER",
                   lines=["hint: see `sitewire diff --help`"])
        self.fails(INVALID, "expiring", "soon", error=".*whole number")

    def test_call(self):
        for method in ("GetWebsite", "Referential/GetWebsite", "/sitewire.referential.v1.Referential/GetWebsite",
                       "getwebsite"):
            reply = self.json("call", method, '{"code": "alpha.example"}')[0]
            self.assertEqual(reply["name"], "Alpha Énergie")
        reply = json.loads(self.run_cli("call", "ListWebsites", "-", stdin='{"pageSize": 1}').stdout)
        self.assertEqual(len(reply["items"]), 1)
        timing = self.run_cli("call", "Health/Check", "--timing", "--destination", System.SERVICES[0]).stderr
        self.assertRegex(timing, r"timing: total [\d.]+ ms = client and network [\d.]+ \+ broker queue [\d.]+ \+ "
                                 r"service [\d.]+ \(SQL [\d.]+\); tries 1")
        reply = self.json("call", "GetStats", "-d", "@referential-0")[0]
        self.assertEqual(reply["instance"], "referential-0")
        same = [self.json("call", "CreateRegistrar", '{"registrar": {"code": "once"}}', "--request-id", "r1")[0]
                for _ in range(2)]
        self.assertEqual(same[0], same[1])
        self.fails(UNIMPLEMENTED, "call", "GetWebsit", error="UNIMPLEMENTED: .*did you mean GetWebsite")
        self.fails(INVALID, "call", "GetWebsite", '{"cod": 1}', error="INVALID_ARGUMENT", lines=["field: cod"])
        self.fails(INVALID, "call", "GetWebsite", "{", error="INVALID_ARGUMENT")
        self.fails(INVALID, "call", "GetWebsite", "{}", "--metadata", "novalue", error=".*KEY=VALUE")
        self.fails(NOT_FOUND, "call", "GetStats", "-d", "@nobody", error="NOT_FOUND")

    def test_stream_until_interrupted(self):
        process = subprocess.Popen([SITEWIRE, "call", "Health/Watch"], env=self.system.env(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.assertEqual(json.loads(process.stdout.readline()), {"status": "SERVING"})
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        self.assertEqual((process.returncode, out, err), (OK, "", ""))

    def test_describe(self):
        everything = self.run_cli("describe").stdout
        self.assertIn("sitewire.referential.v1.Referential", everything)
        self.assertRegex(everything, r"websites-deployed +WEBSITE/DOCROOT/ENVIRONMENT")
        rows = everything.split("Resources, and their keys")[1].splitlines()[1:]
        keys = {re.match(r"  \S+ +", row).end() for row in rows}
        self.assertEqual(len(keys), 1, "the keys are one below the other")
        self.assertIn("`private_key` of a Certificate.\n", everything)  # whole sentences, of several lines
        for method in ("GetWebsite", "ListWebsites"):
            example = re.search(r"sitewire call \S+ '(.*)'", self.run_cli("describe", method).stdout)
            self.assertFalse({"read_time", "page_token"} & set(json.loads(example[1])), "what cannot be made up")
        method = self.run_cli("describe", "CreateWebsite").stdout
        example = re.search(r"sitewire call (\S+) '(.*)'", method)
        self.assertIn("code", json.loads(example[2])["website"])
        self.run_cli("call", example[1], example[2], status=INVALID)
        self.assertRegex(self.run_cli("describe", "website").stdout, r"(?m)^  live +bool +Open to the public\.$")
        self.assertIn("NOT_SERVING", self.run_cli("describe", "HealthCheckResponse").stdout)
        self.assertIn("GetWebsite", self.run_cli("describe", "Referential").stdout)
        website = self.json("describe", "website")[0]
        self.assertEqual((website["resource"], website["key"], website["fields"][0]["name"]), ("website", ["code"], "code"))
        self.assertEqual(website["methods"]["get"], self.json("describe", "GetWebsite")[0]["method"])
        self.assertIn("NOT_SERVING", str(self.json("describe", "HealthCheckResponse")[0]["fields"]))
        self.assertIn(website["methods"]["list"], [m["method"] for m in self.json("describe", "Referential")[0]["methods"]])
        self.assertEqual(sum("resource" in line for line in self.json("describe")), len(rows))
        self.fails(NOT_FOUND, "describe", "CreateWebsit", error="NOT_FOUND: .*did you mean CreateWebsite")

    # --- operations ---

    def test_status(self):
        text = self.run_cli("status").stdout
        self.assertRegex(text, r"(?m)^referential +referential-0 +SERVING ")
        self.assertRegex(text, r"(?m)^sitewire\.referential\.v1\.Referential +1 ")
        processes = {row["process"]: row for row in self.json("status")}
        self.assertEqual(processes["referential"]["health"], "SERVING")
        self.assertGreater(int(processes["broker"]["resident_bytes"]), 1 << 20)
        both = self.json("status", "--endpoint", f"{self.system.tcp},ipc:///nonexistent/x", "--timeout", "10s")
        self.assertEqual(len([row for row in both if row["health"] == "SERVING"]), 1 + len(System.SERVICES))

    def test_status_watch(self):
        process = subprocess.Popen([SITEWIRE, "status", "--watch", "--json", "--interval", "50ms"],
                                   env=self.system.env(), stdout=subprocess.PIPE, text=True)
        for _ in range(6):
            self.assertIn("health", json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, OK)

    def test_health(self):
        self.assertRegex(self.run_cli("health").stdout, r"(?m)^sitewire\.referential\.v1\.Referential +SERVING$")
        self.assertTrue(self.json("health", "Referential")[0]["serving"])
        self.run_cli("health", "@nobody", status=NOT_FOUND)

    def test_health_without_services(self):
        endpoints = [f"ipc://{self.system.folder}/alone-{name}" for name in ("f", "b")]
        broker = subprocess.Popen([os.path.join(BIN, "sitewire-broker"), "--frontend", endpoints[0], "--backend", endpoints[1]],
                                  env={}, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: self.system.cli("health", "--endpoint", endpoints[0]).stdout.endswith("SERVING\n"), "the broker serves")
            self.fails(UNAVAILABLE, "health", "--endpoint", endpoints[0], "--wait", "300ms", error=".*no service is registered")
            self.fails(UNAVAILABLE, "whoami", "--endpoint", endpoints[0], error=".*sitewire.user.v1.Users")
        finally:
            broker.terminate()
            broker.wait()

    def test_migrate(self):
        rows = self.json("migrate", "--status")
        self.assertTrue(rows and all(row["applied"] for row in rows))
        self.assertIn("already", self.run_cli("migrate").stdout)
        self.fails(UNAVAILABLE, "migrate", "--database", "host=/nonexistent", error="UNAVAILABLE: .*--database CONNINFO names another")
        self.fails(INVALID, "migrate", "--database", "hst=/nonexistent", error="INVALID_ARGUMENT: .*hst")
        self.system.sql("CREATE ROLE mere LOGIN")
        self.system.sql("CREATE DATABASE meres")
        self.fails(PERMISSION, "migrate", "--database", f"host={self.system.postgres.folder} dbname=meres user=mere",
                   error="PERMISSION_DENIED: .*CREATEROLE")

    def test_drain(self):
        self.system.start_service("referential-drained")
        wait_for(lambda: self.system.cli("health", "@referential-drained").returncode == 0, "the second instance serves")
        self.assertRegex(self.run_cli("drain", "@referential-drained").stdout, r"takes no new calls; \d+ in flight")
        process = self.system.processes["referential-drained"]
        wait_for(lambda: not process.running(), "the drained process ends")
        self.assertEqual(process.popen.returncode, 0)
        del self.system.processes["referential-drained"]
        self.fails(INVALID, "drain", "referential", error=".*@INSTANCE")

    # --- the program itself ---

    def test_help(self):
        listed = re.findall(r"(?m)^  ([a-z]+) +[A-Z]", self.run_cli("--help").stdout.split("Flags")[0])
        self.assertIn("list", listed)
        for command in listed:
            text = self.run_cli(command, "--help").stdout
            self.assertEqual(text, self.run_cli("help", command).stdout)
            self.assertIn(f"Usage: sitewire {command}", text)
            self.assertIn("Examples:", text)
        self.assertRegex(self.run_cli("--version").stdout, r"^sitewire \d+\.\d+\.\d+\n$")
        self.assertIn("14  UNAVAILABLE", self.run_cli("help", "errors").stdout)
        self.fails(INVALID, "lst", error="INVALID_ARGUMENT: unknown command 'lst'; did you mean list\\?")
        self.run_cli(status=INVALID)
        with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as page:
            self.assertEqual(page.read(), self.run_cli("help", "--markdown").stdout,
                             "run: build/bin/sitewire help --markdown > docs/cli.md")

    def test_examples_parse(self):
        """No example of the help has a flag, a resource, a field or a method that does not
        exist."""
        text = self.run_cli("help", "--markdown").stdout
        for line in re.findall(r"(?m)^sitewire (.*)$", text):
            if line.startswith(("up", "import", "export", "migrate", "drain", "completion")):
                continue
            timeout = ["timeout", "-s", "INT", "1"] if re.search("Watch|--watch|^watch|^trace", line) else []
            done = subprocess.run(["bash", "-c", f'sitewire() {{ {" ".join(timeout)} "{SITEWIRE}" "$@"; }}; sitewire {line}'],
                                  env=self.system.env(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  timeout=60, cwd=self.system.folder, check=False)
            for word in ("unknown flag", "no field", "no such field", "no resource", "no method", "is not a filter",
                         "which ", "takes a"):
                self.assertNotIn(word, done.stderr, line)

    def test_endpoints(self):
        self.fails(INVALID, "status", env={"SITEWIRE_ENDPOINT": ""},
                   error=r"INVALID_ARGUMENT: SITEWIRE_ENDPOINT is not set: run `\. DIR/env`")
        nobody = f"ipc://{self.system.folder}/nobody"
        started = time.monotonic()
        done = self.run_cli("get", "website", "x", "--endpoint", nobody, "--timeout", "500ms", status=DEADLINE)
        self.assertLess(time.monotonic() - started, 10)
        self.assertRegex(done.stderr, "^error: DEADLINE_EXCEEDED: .*nobody")
        nothing = (f"hint: nothing answers at {nobody}: check that a broker runs there, and what --endpoint or "
                   "SITEWIRE_ENDPOINT says; `sitewire up --data DIR` starts a system")
        self.assertIn(nothing, done.stderr.splitlines())
        self.fails(UNAVAILABLE, "get", "website", "x", "--endpoint", nobody, error="UNAVAILABLE: .*nobody", lines=[nothing])
        self.assertEqual(self.json("get", "website", "beta.example", "--endpoint", f"{nobody},{self.system.tcp}")[0]["name"],
                         "Beta")
        self.fails(INVALID, "status", "--endpoint", "nonsense", error="INVALID_ARGUMENT")
        self.fails(INVALID, "status", "--timeout", "soon", error=".*--timeout takes a duration",
                   lines=["hint: see `sitewire status --help`"])
        self.fails(INVALID, "list", "websites", "--limit", "x", error=".*--limit takes a number",
                   lines=["hint: see `sitewire list --help`"])
        self.fails(INVALID, "status", "--timeout", "0", error=".*--timeout takes a duration of at least 1ms, not '0'")
        self.fails(INVALID, "status", "--watch", "--interval", "5ms", error=".*--interval takes a duration of at least 10ms")
        self.fails(INVALID, "list", "websites", "--json", "--csv", error=".*two forms of the same output")
        self.fails(INVALID, "list", "websites", "--count", "--csv", error=".*--count prints one number")

    def test_words_too_many(self):
        self.fails(INVALID, "whoami", "extra", error="INVALID_ARGUMENT: whoami takes no words")
        self.fails(PRECONDITION, "export", "cms", "--csv", SITEWIRE, error="FAILED_PRECONDITION: cannot write")

    def test_closed_descriptors(self):
        """Nothing that is printed or read goes to a socket that got the number."""
        for closed, status, said in ((">&-", 8, "cannot write the output: Bad file descriptor"), ("2>&-", OK, ""),
                                     ("<&- 2>&-", OK, "")):
            with self.subTest(closed=closed):  # --timing: there is something to say on stderr, while the socket is open
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}', SITEWIRE, "list", "websites", "--timing", "--page-size", "1"],
                                      env=self.system.env(), capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stderr)
        done = subprocess.run(["sh", "-c", 'exec "$0" create website x.example --from - <&-', SITEWIRE],
                              env=self.system.env(), capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("cannot read -: Bad file descriptor", done.stderr)

    def test_socket_of_others(self):
        drop = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
        if subprocess.run([*drop, SITEWIRE, "--version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("nobody may not run what was built here")
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as closed:
            os.chmod(folder, 0o755)
            closed.bind(f"{folder}/f")
            os.chmod(f"{folder}/f", 0)
            done = subprocess.run([*drop, SITEWIRE, "get", "website", "x", "--endpoint", f"ipc://{folder}/f"],
                                  env=self.system.env(), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertRegex(done.stderr, "^error: UNAVAILABLE: .*/f: this user may not write to the socket")

    def test_interrupt(self):
        """While the schema is fetched, and while a call waits."""
        broker = self.system.processes["broker"].pid
        for endpoint, stop in ((f"ipc://{self.system.folder}/nobody", False), (self.system.ipc, True)):
            if stop:
                os.kill(broker, signal.SIGSTOP)
            try:
                process = subprocess.Popen([SITEWIRE, "get", "website", "x", "--endpoint", endpoint],
                                           env=self.system.env(), stderr=subprocess.PIPE, text=True)
                wait_for(lambda: catches(process.pid, signal.SIGINT), "the client is open")
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=10)
            finally:
                os.kill(broker, signal.SIGCONT)
            self.assertEqual(process.returncode, CANCELLED, err)
            self.assertRegex(err, "^error: CANCELLED: ")

    def test_broken_pipe(self):
        read, write = os.pipe()
        os.close(read)
        for restore in (True, False):
            done = subprocess.run([SITEWIRE, "list", "websites"], env=self.system.env(), stdout=write,
                                  stderr=subprocess.PIPE, text=True, restore_signals=restore, check=False)
            self.assertEqual(done.stderr, "")
        os.close(write)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([SITEWIRE, "list", "websites"], env=self.system.env(), stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
        self.assertIn("cannot write the output", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def on_terminal(self, columns, *words, env=None):
        """What a terminal of that width shows."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SITEWIRE, [SITEWIRE, *words], self.system.env() | (env or {}))
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        out = b""
        while True:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            out += data
        os.waitpid(pid, 0)
        os.close(fd)
        return out.decode().replace("\r\n", "\n")  # of the terminal

    def test_terminal(self):
        shown = self.on_terminal(40, "list", "websites")
        for line in shown.splitlines():
            self.assertLessEqual(sum(2 if ord(c) > 0x2E80 else 1 for c in line.split("(")[0]), 40, shown)
        self.assertIn("3 rows", shown)
        self.assertNotIn("\033", shown)
        env = self.system.env()
        env.pop("NO_COLOR")
        self.assertIn("\033[1mcode", self.on_terminal(80, "list", "websites", env={"NO_COLOR": ""}))

    # --- completion ---

    def completed(self, line):
        """What bash would offer at the end of the line."""
        breaks = line.replace('"', "").replace(":", " : ").replace("=", " = ")
        script = f"""
            source <(sitewire completion bash)
            COMP_LINE={json.dumps(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({breaks}); COMP_CWORD=1
            _sitewire; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        env = self.system.env() | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return [word for word in done.stdout.splitlines() if word]

    def test_completion(self):
        self.assertEqual(self.completed("sitewire li"), ["list"])
        self.assertIn("status", self.completed("sitewire "))
        self.assertEqual(self.completed("sitewire list websi"), ["websites", "websites-deployed"])
        self.assertEqual(self.completed("sitewire get website "), ["alpha.example", "beta.example", "gamma.example"])
        self.assertEqual(self.completed("sitewire get website be"), ["beta.example"])
        self.assertEqual(self.completed("sitewire get docroot-environment main/p"), ["main/prod"])
        self.assertEqual(self.completed("sitewire update website beta.example li"), ["live="])
        self.assertEqual(self.completed("sitewire update website beta.example live="), ["true", "false"])
        self.assertEqual(self.completed("sitewire update docroot-environment main/dev cms=d"), ["drupal7"])
        self.assertEqual(self.completed("sitewire list websites --or"), ["--order"])
        self.assertEqual(self.completed("sitewire list websites --order -na"), ["-name"])
        self.assertEqual(self.completed("sitewire list websites --fields code,na"), ["code,name"])
        self.assertIn("GetWebsite", self.completed("sitewire call GetWeb"))
        self.assertEqual(self.completed("sitewire call Health/W"), ["Health/Watch"])
        self.assertEqual(self.completed("sitewire drain @refe"), ["@referential-0"])
        self.assertEqual(self.completed('sitewire get website "be'), ["beta.example"])
        self.assertEqual(self.completed("sitewire nope x"), [])
        self.assertEqual(self.completed("sitewire update website beta.example co"), ["code_repository_url="])
        self.assertEqual(self.completed("sitewire key en"), ["enroll"])
        self.assertEqual(self.completed("sitewire audit "), ["verify", "export"])
        self.assertEqual(self.completed("sitewire help err"), ["errors"])
        self.assertEqual(self.completed("sitewire drain br"), ["broker"])
        self.assertEqual(self.completed("sitewire secret d"), ["delete", "drop-key"])
        self.assertEqual(self.completed("sitewire secret read c"), ["certificate"])
        self.assertEqual(self.completed("sitewire secret read docroot-environment main/p"), ["main/prod"])
        self.assertEqual(self.completed("sitewire secret read certificate x "), ["private_key"])
        self.assertEqual(self.completed("sitewire explain app"), ["approve"])
        self.assertEqual(self.completed("sitewire who-can ov"), ["override"])
        self.assertEqual(self.completed("sitewire grant a"), ["add"])
        self.assertEqual(self.completed("sitewire explain update websi"), ["website", "website-deployed"])
        self.assertEqual(self.completed("sitewire explain update website be"), ["beta.example"])
        self.assertEqual(self.completed("sitewire deploy be"), ["beta.example"])

    def test_completion_without_a_system(self):
        started = time.monotonic()
        done = self.system.cli("__complete", "--", "sitewire get website x",
                               env={"SITEWIRE_ENDPOINT": f"ipc://{self.system.folder}/nobody"})
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertLess(time.monotonic() - started, 20)

    @unittest.skipUnless(shutil.which("bash"), "needs bash")
    def test_completion_typed(self):
        """A tab in an interactive bash."""
        pid, fd = pty.fork()
        if pid == 0:
            env = self.system.env() | {"PATH": f"{BIN}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
        out = b""
        os.write(fd, b"bind 'set enable-bracketed-paste off'; source <(sitewire completion bash); echo rea''dy\n")

        def read_until(text):
            nonlocal out
            end = time.monotonic() + 30
            while text not in out and time.monotonic() < end:
                if select.select([fd], [], [], 0.1)[0]:
                    out += os.read(fd, 4096)
            self.assertIn(text, out)
        read_until(b"\nready")
        out = b""
        os.write(fd, b"sitewire get website alp\t")
        read_until(b"alpha.example ")
        os.write(fd, b"\n")
        read_until("Alpha Énergie".encode())
        os.write(fd, b"exit\n")
        os.waitpid(pid, 0)
        os.close(fd)


if __name__ == "__main__":
    unittest.main()
