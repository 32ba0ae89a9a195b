"""sitewire import and export against a living system: the demo fleet, bad rows, rejects, mappings,
a full circle."""
import csv
import glob
import io
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ROOT, SITEWIRE, System  # noqa: E402

DEMO = sorted(glob.glob(os.path.join(ROOT, "clients", "demo", "*.jsonl")))


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


class ImportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="swi-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8", newline="") as file:
            return file.read()

    def run_import(self, *words, code=0, stdin=""):
        """(summary, problems) of an import with --json."""
        done = self.system.cli("import", "--json", *words, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = objects(done.stdout)
        self.assertEqual([list(line) for line in lines[-1:]], [["summary"]], done.stderr)
        return lines[-1]["summary"], lines[:-1]

    def get(self, resource, *key):
        done = self.system.cli("get", resource, *key, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_total(self, summary, **expected):
        self.assertEqual({key: summary["total"][key] for key in expected}, expected)


class Rows(ImportTest):
    def test_demo_twice(self):
        rows = 0
        for path in DEMO:
            with open(path, encoding="utf-8") as file:
                rows += len(file.readlines())
        trial, _ = self.run_import("--dry-run", *DEMO)
        self.assertEqual(trial["total"]["failed"], 0)
        first, problems = self.run_import(*DEMO)
        self.assertEqual(problems, [])
        self.assertEqual(first["rows_read"], rows)
        self.assertEqual(first["total"]["failed"], 0)
        second, _ = self.run_import(*DEMO)
        self.assert_total(second, created=0, updated=0, unchanged=rows, failed=0)
        self.assertFalse(second["changed"])
        people = self.system.cli("import", *DEMO)
        self.assertIn("nothing changed", people.stdout)

    def test_any_order_and_circles_of_parents(self):
        lines = [json.dumps({"resource": "Domain", "fqdn": "d." * n + "order.example", **(
            {"parent": "d." * (n - 1) + "order.example"} if n else {})}) for n in range(40, -1, -1)]
        summary, _ = self.run_import("-", stdin="\n".join(lines))
        self.assert_total(summary, created=41, failed=0)
        circle = [{"resource": "Domain", "fqdn": "a.circle.example", "parent": "b.a.circle.example"},
                  {"resource": "Domain", "fqdn": "b.a.circle.example", "parent": "a.circle.example"}]
        summary, problems = self.run_import("-", stdin="\n".join(map(json.dumps, circle)), code=3)
        self.assertEqual(summary["total"]["failed"], 2, problems)

    def test_csv_of_a_resource(self):
        path = self.file("website.csv", '\ufeffcode,name,live\r\ncsv-1,"One, ""quoted""",TRUE\r\ncsv-2,,no\r\n')
        summary, _ = self.run_import(path)
        self.assert_total(summary, created=2)
        self.assertEqual(self.get("website", "csv-1")["name"], 'One, "quoted"')
        self.assertTrue(self.get("website", "csv-1")["live"])
        summary, _ = self.run_import("--resource", "website", "-", stdin="code,name\ncsv-1,\ncsv-2,Two\n")
        self.assert_total(summary, unchanged=1, updated=1)  # an empty cell says nothing

    def test_null_clears(self):
        self.run_import("-", stdin='{"resource":"Website","code":"null-1","name":"x","organization":"y"}')
        summary, _ = self.run_import("-", stdin='{"resource":"Website","code":"null-1","name":null}')
        self.assert_total(summary, updated=1)
        self.assertEqual(self.get("website", "null-1").get("name", ""), "")
        self.assertEqual(self.get("website", "null-1")["organization"], "y")

    def test_bad_rows_are_reported_and_mended(self):
        path = self.file("website.csv", "code,name,live,organization\n"
                                        "bad code,Space,true,x\n"
                                        "good-1,Good,true,x\n"
                                        "short,row\n"
                                        "bad-2,Bool,perhaps,x\n"
                                        'bad-3,"quote" in the middle,true,x\n'
                                        "good-2,Good,false,x\n"
                                        ",no key,true,x\n"
                                        "good-2,Other name,false,x\n"
                                        "long-1,Long,true,x,y,z\n")
        rejects = os.path.join(self.folder, "rejects.csv")
        summary, problems = self.run_import(path, "--rejects", rejects, code=3)
        self.assert_total(summary, created=2)
        self.assertEqual((summary["rows_read"], summary["rows_rejected"], summary["rejects_written"]), (9, 7, 7))
        found = {problem["line"]: problem for problem in problems}
        self.assertEqual(sorted(found), [2, 4, 5, 6, 8, 9, 10])
        self.assertTrue(all(problem["file"] == path and problem["code"] == "INVALID_ARGUMENT" for problem in problems))
        self.assertEqual((found[2]["field"], found[2]["resource"]), ("code", "Website"))
        self.assertEqual(found[5]["field"], "live")
        self.assertEqual(found[8]["field"], "code")
        self.assertEqual(found[9]["field"], "name")
        self.assertIn("line 7", found[9]["reason"])
        self.assertTrue(self.read("rejects.csv").startswith("_error,code,name,live,organization\n"), self.read("rejects.csv"))
        rounds = []
        for _ in range(3):
            again, problems = self.run_import("--resource", "website", rejects, "--rejects", rejects, code=3)
            self.assertEqual(again["rows_rejected"], 6, self.read("rejects.csv"))  # good-2 with another name is news now
            rounds.append(self.read("rejects.csv"))
        self.assertEqual(rounds[0], rounds[2])
        reasons = {row[1]: row[0] for row in csv.reader(io.StringIO(rounds[0]))}
        self.assertEqual(reasons["short"], "rejected: 2 cells, but the header has 4")
        self.assertEqual(reasons["long-1"], "rejected: 6 cells, but the header has 4")
        mended = (rounds[0].replace("bad code", "mended-1").replace("perhaps", "yes").replace(",,no key", ",mended-2,no key")
                  .replace("short,row", "short,row,false,x").replace("x,y,z", "x"))
        with open(rejects, "w", encoding="utf-8") as file:
            file.write("\n".join(line for line in mended.splitlines() if "middle" not in line))
        last, problems = self.run_import("--resource", "website", rejects)
        self.assertEqual((last["total"]["created"], last["rows_rejected"]), (5, 0), problems)
        self.assertEqual(self.get("website", "short")["name"], "row")

    def test_rejects_without_their_reason(self):
        """Whoever mends a file may take reasons out, or add rows: no cell is lost for that."""
        path = self.file("bare.csv", "_error,code,name,live\nbare-1,B,true\nbare-2\n,bare-3,C,perhaps\n")
        summary, problems = self.run_import("--resource", "website", path, "--rejects", path, code=3)
        self.assertEqual(summary["rows_rejected"], 3)
        self.assertEqual([problem["reason"] for problem in problems][:2],
                         ["3 cells, but the header has 4", "1 cell, but the header has 4"])
        self.assertEqual([row[1:] for row in csv.reader(io.StringIO(self.read("bare.csv")))],
                         [["code", "name", "live"], ["bare-1", "B", "true"], ["bare-2"], ["bare-3", "C", "perhaps"]])
        self.run_import("--resource", "website", path, "--rejects", path, code=3)
        self.assertEqual(self.get("website", "bare-1")["name"], "B")
        self.assertEqual([row[1] for row in csv.reader(io.StringIO(self.read("bare.csv")))], ["code", "bare-2", "bare-3"])

    def test_rejects_go_where_they_can(self):
        """What cannot be written is found before anything is sent; a file keeps its mode, and what
        is no file stays what it is."""
        path = self.file("website.csv", "code,live\nwhere-1,true\nwhere-2,perhaps\n")
        for words, says in ((("--rejects", os.path.join(self.folder, "none", "x.csv")), "No such file"),
                            (("--rejects", self.folder), "is a folder"), ((path, "--rejects", path), "is a file")):
            done = self.system.cli("import", path, *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("error: ", done.stderr)
            self.assertIn(says, done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertEqual(self.system.cli("get", "website", "where-1").returncode, 5)
        os.chmod(path, 0o600)
        link, pipe = os.path.join(self.folder, "link"), os.path.join(self.folder, "pipe")
        os.symlink(path, link)
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
            self.run_import(path, "--rejects", pipe, code=3)
            self.assertRegex(reader.communicate(timeout=60)[0], '^_error,code,live\n"rejected: ')
        before = self.read("website.csv")
        done = self.system.cli("import", path, "--dry-run", "--rejects", link)
        self.assertIn("website.csv:1: the file was not replaced", done.stderr)
        self.assertEqual(self.read("website.csv"), before)  # a dry run has put its good rows nowhere
        self.run_import(path, "--rejects", link, code=3)
        self.assertEqual((os.path.islink(link), os.stat(path).st_mode & 0o777), (True, 0o600))
        self.assertTrue(self.read("website.csv").startswith("_error,code,live\n"))
        done = self.system.cli("import", path, "--rejects", os.path.join(self.folder, "bad.csv"))
        self.assertIn(f"correct what is wrong, then `sitewire import --resource Website {self.folder}/bad.csv`", done.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be misled by another user's links")
    def test_links_of_other_users_are_not_followed(self):
        """What root writes in a folder of nobody stays in it, and gives nobody root's rights."""
        path = self.file("website.csv", "code,live\nlink-1,perhaps\n")
        victim, theirs = self.file("victim", "precious"), os.path.join(self.folder, "theirs")
        os.mkdir(theirs)
        for name, to in (("bad.csv", victim), ("good.csv.new", victim), ("website.csv.new", victim), ("out", self.folder)):
            os.symlink(to, os.path.join(theirs, name))
            os.chown(os.path.join(theirs, name), pwd.getpwnam("nobody").pw_uid, -1, follow_symlinks=False)
        shutil.chown(theirs, "nobody")
        for words in (("import", path, "--rejects", f"{theirs}/bad.csv"), ("export", "website", "--csv", f"{theirs}/out"),
                      ("import", path, "--rejects", f"{theirs}/out/bad.csv")):
            done = self.system.cli(*words)
            self.assertIn("is a symbolic link that belongs to nobody", done.stderr)
            self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(f"{self.folder}/bad.csv"))
        self.run_import(path, "--rejects", f"{theirs}/good.csv", code=3)
        self.assertIn("link-1", self.read("theirs/good.csv"))
        done = self.system.cli("export", "website", "--csv", theirs)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.read("theirs/website.csv").startswith("code,"))
        os.chmod(f"{theirs}/good.csv", 0o4755)
        self.run_import(path, "--rejects", f"{theirs}/good.csv", code=3)
        self.assertEqual(os.stat(f"{theirs}/good.csv").st_mode & 0o7777, 0o755)
        self.assertEqual(self.read("victim"), "precious")

    def test_bad_lines_of_json(self):
        path = self.file("mixed.jsonl", '{"resource":"Website","code":"line-1"}\n'
                                        'no json\n\n'
                                        '["a list"]\n'
                                        '{"resource":"Wbsite","code":"line-4"}\n'
                                        '{"code":"line-5"}\n'
                                        '{"resource":"Website","code":"line-6","nmae":"x"}\n'
                                        '{"resource":"Website","code":"line-7","live":"perhaps"}\n'
                                        '{"resource":"Docroot","code":"line-8","hosting_provider":"nobody"}\n'
                                        '{"resource":"Website","code":"line-9","name":"\\u0000"}\n'
                                        '{"resource":"Website","code":"line-10","code":"line-11"}\n')
        rejects = os.path.join(self.folder, "rejects.jsonl")
        summary, problems = self.run_import(path, "--rejects", rejects, code=3)
        self.assert_total(summary, created=1)
        self.assertEqual([problem["line"] for problem in problems if problem["code"] == "INVALID_ARGUMENT"],
                         [2, 4, 5, 6, 7, 8, 10, 11])
        lost = [problem for problem in problems if problem["code"] == "FAILED_PRECONDITION"]
        self.assertEqual([(problem["line"], problem["field"]) for problem in lost], [(9, "hosting_provider")])
        self.assertEqual(next(p["field"] for p in problems if p["line"] == 7), "nmae")
        self.assertEqual(len(objects(self.read("rejects.jsonl"))), 9)
        again, _ = self.run_import(rejects, code=3)
        self.assertEqual(again["rows_rejected"], 9)
        mended = self.read("rejects.jsonl").replace('"nobody"', '""').replace("nmae", "name").replace("Wbsite", "Website")
        done, _ = self.run_import(self.file("mended.jsonl", mended), code=3)
        self.assert_total(done, created=3)

    def test_the_exit_status_is_that_of_the_first_failure(self):
        line = '{"resource":"Docroot","code":"status-1","hosting_provider":"nobody"}'
        self.run_import("-", stdin=line, code=9)

    def test_trial_changes_nothing_and_finds_what_is_wrong(self):
        lines = ['{"resource":"Docroot","code":"trial-1","hosting_provider":"trial"}',
                 '{"resource":"HostingProvider","code":"trial","name":"Trial"}',
                 '{"resource":"Docroot","code":"trial-2","hosting_provider":"nobody"}',
                 '{"resource":"Docroot","code":"trial 3"}']
        summary, problems = self.run_import("--dry-run", "-", stdin="\n".join(lines), code=9)
        self.assert_total(summary, created=2, failed=2)
        self.assertEqual(sorted(problem["line"] for problem in problems), [3, 4])
        self.assertEqual(self.system.cli("get", "docroot", "trial-1").returncode, 5)

    def test_usage(self):
        for words, text in ((["missing.csv"], "cannot read missing.csv"),
                            ([self.folder], "is a folder"),
                            ([self.file("unknown.csv", "a\n")], "is not named after a resource"),
                            (["--map", self.file("x.map", "[Website]\ncode = {a|b}\n"), "-"], "x.map:2: there is no filter `b`"),
                            (["--map", self.file("y.map", "[Website]\nname = x\n"), "-"], "does not set `code`"),
                            (["--map", self.file("z.map", "[Website]\ncode = x\nrevision = 1\n"), "-"], "z.map:3:"),
                            (["--resource", "wbsite", "-"], "website"),
                            ([], "which file?")):
            done = self.system.cli("import", *words)
            self.assertIn(done.returncode, (3, 5), words)
            self.assertIn(text, done.stderr)

    def test_interrupted(self):
        rows = "\n".join(f'{{"resource":"Website","code":"many-{n}"}}' for n in range(20000))
        path = self.file("many.jsonl", rows + "\nno json\n")
        size = os.path.getsize(path)
        with subprocess.Popen([SITEWIRE, "import", "--jobs", "1", path, "--rejects", path], env=self.system.env(), stdout=subprocess.PIPE,
                              text=True) as process:
            while int(self.system.sql("SELECT count(*) FROM referential.website WHERE code LIKE 'many-%'")[0][0]) == 0:
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            out = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 3, out)
        self.assertRegex(out, r"interrupted: \d+ rows were not sent")
        self.assertEqual(os.path.getsize(path), size)  # the rows that were not sent are nowhere else


class Mapping(ImportTest):
    MAP = ("[input]\ndelimiter = ;\n[HostingProvider]\ncode = {hosts | split(\",\") | slug}\n"
           "name = {hosts | split(\",\")}\n"
           "[Docroot]\ncode = {site | slug}\nhosting_provider = {hosts | only(\",\") | slug}\n"
           "[Cms]\ncode = {cms | map(kinds)}\n[map kinds]\nDrupal = map-drupal\n"
           "[ignore]\nnote = of no use\n")

    def test_cells_without_a_place_are_reported(self):
        path = self.file("foreign.csv", "site;hosts;cms;note;color\n"
                                        "Map One;North, South;Drupal;x;red\n"
                                        "Map Two;North;Typo 3;;\n"
                                        ";;;left alone;blue\n"
                                        "Map Four;Nórth;;;\n")
        summary, problems = self.run_import("--map", self.file("foreign.map", self.MAP), path)
        self.assertEqual(summary["unplaced"], {"hosts": 1, "cms": 1, "color": 2})
        kinds = {(problem["problem"], problem["line"], problem.get("column")) for problem in problems}
        self.assertEqual(kinds, {("note", 1, None), ("unplaced", 2, "hosts"), ("unplaced", 3, "cms")})
        self.assert_total(summary, created=7, failed=0)
        self.assertEqual(self.get("docroot", "map-one").get("hosting_provider", ""), "")
        self.assertEqual(self.get("docroot", "map-two")["hosting_provider"], "north")

    def test_names_that_differ_in_punctuation(self):
        path = self.file("names.csv", "name\nU.S. Widgets\nU.S Widgets\nU.S. Widgets\n")
        mapping = self.file("names.map", "[HostingProvider]\ncode = {name | slug}\nname = {name}\n")
        rejects = os.path.join(self.folder, "rejects.csv")
        summary, problems = self.run_import("--map", mapping, path, "--rejects", rejects, code=3)
        self.assert_total(summary, created=1, repeated=1)
        self.assertEqual([(problem["line"], problem["field"]) for problem in problems], [(3, "name")])
        self.assertTrue(self.read("rejects.csv").endswith(",U.S Widgets\n"))

    def test_another_header(self):
        path = self.file("other.csv", "site;host\nx;y\n")
        _, problems = self.run_import("--map", self.file("foreign.map", self.MAP), path, code=3)
        self.assertIn("foreign.map:4: the file has no column `hosts`; did you mean host", problems[0]["reason"])
        path = self.file("own.csv", "code,_error\nx,mine\n")
        _, problems = self.run_import("--map", self.file("own.map", "[Website]\ncode = {code}\nname = {_error}\n"), path, code=3)
        self.assertIn("the mapping uses the column `_error`", problems[0]["reason"])


class Circle(ImportTest):
    def test_export_of_an_import_of_an_export(self):
        self.run_import(*DEMO)
        first = self.system.cli("export")
        self.assertEqual(first.returncode, 0, first.stderr)
        rows = objects(first.stdout)
        self.assertFalse({"created_at", "updated_at", "revision", "not_after", "subject"} & {key for row in rows for key in row})
        tables = os.path.join(self.folder, "tables")
        self.assertEqual(self.system.cli("export", "--csv", tables).returncode, 0)
        subset = self.system.cli("export", "websites", "cms")
        self.assertEqual({row["resource"] for row in objects(subset.stdout)}, {"Website", "Cms"})
        for source in ([self.file("fleet.jsonl", first.stdout)], sorted(glob.glob(tables + "/*.csv"))):
            with System() as other:
                done = other.cli("import", "--json", *source)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(sum(objects(done.stdout)[-1]["summary"]["total"][kind] for kind in ("created", "unchanged")), len(rows))
                self.assertEqual(other.cli("export").stdout, first.stdout)


if __name__ == "__main__":
    unittest.main()
