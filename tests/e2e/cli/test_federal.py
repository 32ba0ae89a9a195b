"""The real fleet: ../shared/data (beside the repository) imports in full; counts are checked
against the CSV."""
import csv
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ROOT, System  # noqa: E402

DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
WEBSITES = os.path.join(DATA, "us-federal-websites.csv")
DOMAINS = os.path.join(DATA, "us-federal-domains.csv")
MAPS = os.path.join(ROOT, "clients", "import")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def slug(text):
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


@unittest.skipUnless(os.path.exists(WEBSITES) and os.path.exists(DOMAINS),
                     f"{DATA} is not there: the real fleet data is no part of the project")
class Federal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.websites, cls.domains = rows_of(WEBSITES), rows_of(DOMAINS)
        cls.first = cls.run_import("us-federal-websites.map", WEBSITES)
        cls.first_domains = cls.run_import("us-federal-domains.map", DOMAINS)

    @classmethod
    def run_import(cls, mapping, path, *words):
        done = cls.system.cli("import", "--json", "--map", os.path.join(MAPS, mapping), path, *words, timeout=300)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode != 0 or "summary" not in lines[-1]:
            raise AssertionError(f"{done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return lines[-1]["summary"], lines[:-1]

    def count(self, table, where="true"):
        return int(self.system.sql(f"SELECT count(*) FROM referential.{table} WHERE {where}")[0][0])

    def column(self, sql):
        return sorted(row[0] for row in self.system.sql(sql))

    def test_nothing_failed_and_nothing_was_dropped(self):
        for (summary, problems), rows in ((self.first, self.websites), (self.first_domains, self.domains)):
            self.assertEqual(problems, [])
            self.assertEqual((summary["rows_read"], summary["rows_rejected"], summary["not_sent"]), (len(rows), 0, 0))
            self.assertEqual(summary["unplaced"], {})
        seconds, total = self.first[0]["seconds"], self.first[0]["total"]
        sent = total["created"] + total["updated"] + total["unchanged"]
        print(f"\n{sent} rows in {seconds:.1f} s: {sent / seconds:.0f}/s", file=sys.stderr)

    def test_counts(self):
        sites = len({row["website"] for row in self.websites})
        self.assertEqual(len(self.websites), 8598)
        self.assertEqual(self.count("website"), sites)
        self.assertEqual(self.count("website", "live"), sites)
        self.assertEqual(self.count("docroot"), sites)
        self.assertEqual(self.count("docroot_environment", "environment = 'prod'"), sites)
        self.assertEqual(self.count("website_deployed", "website = docroot AND environment = 'prod'"), sites)
        self.assertEqual(self.count("environment"), 1)
        names = {row["website"] for row in self.websites} | {row["domain"] for row in self.websites}
        self.assertEqual(self.count("domain"), len(names | {row["Domain name"] for row in self.domains}))
        self.assertEqual(self.count("domain", "website IS NOT NULL"), sites)
        self.assertEqual(self.count("domain", "parent IS NOT NULL"),
                         sum(row["website"] != row["domain"] for row in self.websites))

    def test_lookups(self):
        self.assertEqual(self.column("SELECT name FROM referential.cms"),
                         sorted({row["CMS provider"] for row in self.websites} - {""}))
        self.assertEqual(self.column("SELECT code FROM referential.hosting_provider"),
                         sorted({row["cloud provider"] for row in self.websites} - {""}))

    def test_every_website(self):
        found = {row[0]: row[1:] for row in self.system.sql("""
            SELECT w.code, w.organization, coalesce(d.hosting_provider, ''), coalesce(e.cms, ''), n.fqdn,
                   coalesce(n.parent, '')
            FROM referential.website w
            JOIN referential.website_deployed x ON x.website = w.code
            JOIN referential.docroot d ON d.code = x.docroot
            JOIN referential.docroot_environment e ON (e.docroot, e.environment) = (x.docroot, x.environment)
            JOIN referential.domain n
              ON (n.website, n.docroot, n.environment) = (x.website, x.docroot, x.environment)""")}
        expected = {}
        for row in self.websites:
            organization = row["agency"] + (" / " + row["bureau"] if row["bureau"] else "")
            expected[row["website"]] = [organization, row["cloud provider"], slug(row["CMS provider"]), row["website"],
                                        row["domain"] if row["domain"] != row["website"] else ""]
        self.assertEqual(found, expected)

    def test_again_changes_nothing(self):
        before = self.system.sql("SELECT count(*), sum(revision) FROM referential.domain")
        for mapping, path in (("us-federal-websites.map", WEBSITES), ("us-federal-domains.map", DOMAINS)):
            summary, problems = self.run_import(mapping, path)
            self.assertEqual(problems, [])
            self.assertFalse(summary["changed"])
            self.assertEqual(summary["total"]["created"] + summary["total"]["updated"], 0)
        self.assertEqual(self.system.sql("SELECT count(*), sum(revision) FROM referential.domain"), before)


if __name__ == "__main__":
    unittest.main()
