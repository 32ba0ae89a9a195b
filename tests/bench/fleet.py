#!/usr/bin/env python3
"""A made-up fleet for measuring: fleet.py FILE writes it as CSV, for
clients/import/us-federal-websites.map.

8,598 websites, as many as the US federal government has, in the same proportions: 133 agencies with
some 200 bureaus, 690 domains of very unequal size, half of the hosts with a known provider, a
quarter with a known CMS. Always the same bytes, so that two measurements compare.
"""
import csv
import random
import sys

WEBSITES, DOMAINS, AGENCIES = 8598, 690, 133
COLUMNS = ("website", "domain", "agency", "bureau", "visits", "pageviews", "cloud.gov", "cloud.gov pages", "login.gov",
           "search.gov", "dap", "touchpoints", "uswds", "cloud provider", "CMS provider", "login provider", "has a login",
           "has site search")
PROVIDERS = {"": 4666, "cloud.example": 847, "edge.example": 799, "cdn.example": 760, "metal.example": 610,
             "racks.example": 300, "cloud.example,edge.example": 250, **{f"host{n}.example": 366 - 18 * n for n in range(19)}}
CMS = {"": 6412, "Drupal": 1116, "WordPress": 966, "Static Pages": 43, "Joomla": 20, "Sitecore": 14, "Wagtail": 9,
       "Ghost": 8, "Plone": 5, "Umbraco": 3, "Hugo": 2}
SUBJECTS = ("air", "archive", "budget", "climate", "coast", "data", "energy", "forest", "grants", "health", "history", "jobs",
            "labs", "maps", "news", "ocean", "parks", "press", "rail", "science", "soil", "space", "trade", "water")


def shares(total, parts):
    """How many of a total each part gets: few get many, and each at least one (as 1/rank)."""
    harmonic = sum(1 / rank for rank in range(1, parts + 1))
    sizes = [max(1, int((total - parts) / (rank * harmonic)) + 1) for rank in range(1, parts + 1)]
    sizes[0] += total - sum(sizes)
    return sizes


def rows():
    chance = random.Random(8598)

    def pick(weights):
        return chance.choices(list(weights), list(weights.values()))[0]
    number = 0
    for domain, size in enumerate(shares(WEBSITES, DOMAINS)):
        fqdn = f"{SUBJECTS[domain % len(SUBJECTS)]}{domain}.example"
        agency = domain % AGENCIES
        bureau = f"Bureau {domain % 197} of {SUBJECTS[agency % len(SUBJECTS)].title()}" if domain % 4 else ""
        for host in range(size):
            number += 1
            subject = SUBJECTS[chance.randrange(len(SUBJECTS))]
            yield dict.fromkeys(COLUMNS, "") | {
                "website": fqdn if host == 0 else f"{subject}-{host}.{fqdn}", "domain": fqdn,
                "agency": f"Department {agency} of {SUBJECTS[agency % len(SUBJECTS)].title()}", "bureau": bureau,
                "visits": str(chance.randrange(100000)) if number % 2 else "", "touchpoints": "TRUE" if number % 4 else "",
                "cloud provider": pick(PROVIDERS), "CMS provider": pick(CMS)}


def write(path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        out.writeheader()
        out.writerows(rows())


if __name__ == "__main__":
    write(sys.argv[1])
