"""The registry through the wire: every resource by every method, and the rules that all methods
share."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
import sitewire_test  # noqa: E402  (it finds the generated modules)
from sitewire.referential.v1 import referential_pb2 as pb  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

SERVICE = pb.DESCRIPTOR.services_by_name["Referential"]
INVALID, NOT_FOUND, EXISTS, PRECONDITION, ABORTED = 3, 5, 6, 9, 10

# Resource: plural, key, other fields, an update. In an order in which each refers only to those
# before.
RESOURCES = {
    "Cms": ("Cms", {"code": "drupal8"}, {"name": "Drupal 8", "enabled": True}, {"enabled": False}),
    "HostingProvider": ("HostingProviders", {"code": "acquia"}, {"name": "Acquia"}, {"name": "Acquia, Inc."}),
    "DrupalDocrootCore": ("DrupalDocrootCores", {"code": "core8"},
                          {"name": "Core", "code_repository_url": "git@git.example:core.git"},
                          {"binary_repository_url": "https://bin.example/core"}),
    "Environment": ("Environments", {"code": "prod"}, {"name": "Production", "rank": 3, "approvals": 0}, {"rank": 4}),
    "Docroot": ("Docroots", {"code": "d1"}, {"name": "One", "hosting_provider": "acquia", "drupal_docroot_core": "core8",
                                             "shared": True, "provider_id": "id-1"}, {"drupal_docroot_core": ""}),
    "DocrootEnvironment": ("DocrootEnvironments", {"docroot": "d1", "environment": "prod"},
                           {"cms": "drupal8", "cms_version": "8.9.1", "drupal_docroot_core_version": "1.1",
                            "auto_deploy": True, "provider_id": "id-1", "basic_auth_enabled": True,
                            "basic_auth_realm": "Stop", "basic_auth_user": "me"}, {"cms_version": "8.9.2"}),
    "Website": ("Websites", {"code": "isover.fr"},
                {"name": "Isover – été", "code_repository_url": "https://git.example/isover",
                 "binary_repository_url": "https://bin.example/isover", "home_directory": "sites/isover",
                 "enabled": False, "live": True, "organization": "Saint-Gobain"}, {"live": False}),
    "WebsiteDeployed": ("WebsitesDeployed", {"website": "isover.fr", "docroot": "d1", "environment": "prod"},
                        {"website_version": "1.0"}, {"website_version": "1.1"}),
    "Server": ("Servers", {"hostname": "web1"}, {"domain": "example.com", "login": "deploy", "ssh_enabled": True},
               {"enabled": False}),
    "Registrar": ("Registrars", {"code": "nameshield"}, {"name": "Nameshield"}, {"name": ""}),
    "Certificate": ("Certificates", {"code": "c1"}, {"name": "One"}, {"name": "Two"}),
    "Domain": ("Domains", {"fqdn": "isover.fr"},
               {"https_enabled": True, "registrar": "nameshield", "certificate": "c1", "website": "isover.fr",
                "docroot": "d1", "environment": "prod", "waf_id": "w1", "expires_at": {"seconds": 1900000000}},
               {"waf_id": "w2"}),
    "LoadBalancer": ("LoadBalancers", {"code": "lb1"},
                     {"name": "LB", "ip": "10.0.0.1", "ip2": "fe80::1", "fqdn": "lb.example.com",
                      "hosting_provider": "acquia"}, {"ip2": ""}),
    "DomainLoadBalancer": ("DomainLoadBalancers", {"domain": "isover.fr", "load_balancer": "lb1"}, {}, {}),
    "DocrootEnvironmentServer": ("DocrootEnvironmentServers",
                                 {"docroot": "d1", "environment": "prod", "server": "web1"}, {}, {}),
    "DocrootEnvironmentCertificate": ("DocrootEnvironmentCertificates",
                                      {"docroot": "d1", "environment": "prod", "certificate": "c1"}, {}, {}),
    "DocrootEnvironmentLoadBalancer": ("DocrootEnvironmentLoadBalancers",
                                       {"docroot": "d1", "environment": "prod", "load_balancer": "lb1"}, {}, {}),
}


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def setUpModule():
    global SYSTEM, CLIENT  # pylint: disable=global-variable-undefined
    SYSTEM = sitewire_test.System()
    unittest.addModuleCleanup(SYSTEM.stop)
    CLIENT = SYSTEM.client()


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        SYSTEM.sql("TRUNCATE " + ", ".join("referential." + snake(name) for name in RESOURCES) + " CASCADE")

    def call(self, method, /, request_id="", **fields):
        output = SERVICE.methods_by_name[method].output_type.name
        reply_type = rpc_pb2.Empty if output == "Empty" else getattr(pb, output)
        return CLIENT.call(f"/{SERVICE.full_name}/{method}", getattr(pb, method + "Request")(**fields), reply_type,
                           request_id=request_id)[1]

    def fails(self, status, path, method, /, **fields):
        """The call fails with that status at that field (None: whichever); its reply header."""
        with self.assertRaises(sitewire_test.Failed, msg=f"{method} {fields}") as caught:
            self.call(method, **fields)
        header = caught.exception.header
        at = [detail.field_violation.field for detail in header.details if detail.HasField("field_violation")]
        self.assertEqual(header.code, status, f"{method} {fields}: {header}")
        if path is not None:
            self.assertEqual(at, [path] if path else [], f"{method} {fields}: {header}")
        self.assertTrue(header.message)
        return header

    def create(self, resource, /, **fields):
        return self.call("Create" + resource, **{snake(resource): fields})

    def create_all(self):
        return {name: self.create(name, **key, **fields) for name, (_, key, fields, _) in RESOURCES.items()}

    def keys(self, plural, field, **request):
        """The key field of all items, over all pages."""
        found, token = [], ""
        while True:
            page = self.call("List" + plural, page_token=token, **request)
            found += [getattr(item, field) for item in page.items]
            token = page.next_page_token
            if not token:
                return found


class EveryResource(Case):
    def test_all_methods(self):
        made = self.create_all()
        for name, (plural, key, fields, update) in RESOURCES.items():
            with self.subTest(name):
                stored = made[name]
                expected = getattr(pb, name)(**key, **fields)
                for field, _ in expected.ListFields():
                    self.assertEqual(getattr(stored, field.name), getattr(expected, field.name), field.name)
                self.assertEqual(stored.revision, 1)
                self.assertGreater(stored.created_at.seconds, 1700000000)
                self.assertEqual(self.call("Get" + name, **key), stored)
                listed = self.call("List" + plural, show_total_size=True)
                self.assertEqual((list(listed.items), listed.total_size), ([stored], 1))
                self.fails(EXISTS, None, "Create" + name, **{snake(name): key})
                if update:
                    changed = self.call("Update" + name, **{snake(name): key | update})
                    self.assertEqual(changed.revision, 2)
                    for field, value in update.items():
                        self.assertEqual(getattr(changed, field), value)
                    self.assertEqual(self.call("Get" + name, **key), changed)
        for name, (plural, key, _, _) in reversed(RESOURCES.items()):
            with self.subTest("delete " + name):
                self.call("Delete" + name, **key, validate_only=True)
                self.call("Get" + name, **key)
                self.call("Delete" + name, **key)
                self.fails(NOT_FOUND, None, "Get" + name, **key)
                self.fails(NOT_FOUND, None, "Delete" + name, **key)
                self.fails(NOT_FOUND, None, "Update" + name, **{snake(name): key})
                self.assertEqual(len(self.call("List" + plural).items), 0)

    def test_keys_are_needed(self):
        for name, (_, key, _, _) in RESOURCES.items():
            for field in key:
                with self.subTest(f"{name}.{field}"):
                    rest = {other: value for other, value in key.items() if other != field}
                    self.fails(INVALID, field, "Get" + name, **rest)
                    self.fails(INVALID, field, "Delete" + name, **rest)
                    self.fails(INVALID, f"{snake(name)}.{field}", "Create" + name, **{snake(name): rest})
                    self.fails(INVALID, f"{snake(name)}.{field}", "Update" + name, **{snake(name): rest})
            self.fails(INVALID, snake(name), "Create" + name)
            self.fails(INVALID, snake(name), "Update" + name)

    def test_what_others_refer_to_stays(self):
        self.create_all()
        for name in ("Cms", "HostingProvider", "DrupalDocrootCore", "Environment", "Docroot", "DocrootEnvironment",
                     "Website", "WebsiteDeployed", "Server", "Registrar", "Certificate", "Domain", "LoadBalancer"):
            with self.subTest(name):
                header = self.fails(PRECONDITION, None, "Delete" + name, **RESOURCES[name][1])
                self.assertTrue(any(snake(other) in header.message for other in RESOURCES), header.message)

    def test_every_field_is_filtered_ordered_and_searched(self):
        made = self.create_all()
        for name, (plural, key, fields, _) in RESOURCES.items():
            for field in getattr(pb, name).DESCRIPTOR.fields:
                with self.subTest(f"{name}.{field.name}"):
                    value = getattr(made[name], field.name)
                    if field.label == field.LABEL_REPEATED:
                        self.call("List" + plural, filters=[{"field": field.name, "op": "contains", "values": ["x"]}])
                        continue
                    text = {"bool": str(value).lower(), "message": ""}.get(
                        "bool" if field.type == field.TYPE_BOOL else "message" if field.message_type else "", str(value))
                    if field.message_type:
                        text = value.ToJsonString() if made[name].HasField(field.name) else "2030-01-01T00:00:00Z"
                    if field.type == field.TYPE_STRING or made[name].HasField(field.name):
                        for op, hit in (("", True), ("=", True), ("!=", False), ("in", True)):
                            found = self.call("List" + plural, filters=[{"field": field.name, "op": op, "values": [text]}])
                            self.assertEqual(len(found.items), hit, f"{op} {text}")
                    self.call("List" + plural, order_by=[{"field": field.name, "descending": True}])
                    self.call("List" + plural, filters=[{"field": field.name, "op": "is_null"}])
            for value in list(key.values()) + [v for v in fields.values() if isinstance(v, str)]:
                found = self.call("List" + plural, search=value.upper() if value.isascii() else value)
                self.assertEqual(len(found.items), 1, f"{name}: {value}")
            self.assertEqual(len(self.call("List" + plural, search="%").items), 0)

    def test_renames(self):
        self.create_all()
        for name, (_, key, _, _) in RESOURCES.items():
            if "Rename" + name not in SERVICE.methods_by_name:
                self.assertGreater(len(key), 1)
                continue
            ((field, old),) = key.items()
            new = "x-" + old
            with self.subTest(name):
                self.call("Rename" + name, **key, **{"new_" + field: new, "validate_only": True})
                self.call("Get" + name, **key)
                self.fails(ABORTED, "revision", "Rename" + name, **key, **{"new_" + field: new, "revision": 99})
                self.assertEqual(getattr(self.call("Rename" + name, **key, **{"new_" + field: new}), field), new)
                self.fails(NOT_FOUND, None, "Get" + name, **key)
                self.fails(NOT_FOUND, None, "Rename" + name, **key, **{"new_" + field: new})
                self.fails(INVALID, "new_" + field, "Rename" + name, **{field: new, "new_" + field: "a b"})
                self.fails(INVALID, "new_" + field, "Rename" + name, **{field: new})
        deployed = self.call("ListWebsitesDeployed").items[0]
        self.assertEqual((deployed.website, deployed.docroot, deployed.environment), ("x-isover.fr", "x-d1", "x-prod"))
        domain = self.call("GetDomain", fqdn="x-isover.fr")
        self.assertEqual((domain.website, domain.registrar, domain.certificate), ("x-isover.fr", "x-nameshield", "x-c1"))
        self.create("Cms", code="taken")
        self.fails(EXISTS, "new_code", "RenameCms", code="taken", new_code="x-drupal8")


class Mutations(Case):
    def test_masks(self):
        site = {"code": "w", "name": "N", "organization": "O", "live": True}
        self.create("Website", **site)

        def update(paths, **fields):
            return self.call("UpdateWebsite", website={"code": "w"} | fields, update_mask={"paths": paths})
        changed = update(["name"], name="M", organization="ignored")
        self.assertEqual((changed.name, changed.organization, changed.live), ("M", "O", True))
        changed = update(["name", "live"])  # named and unset: back to empty
        self.assertEqual((changed.name, changed.live, changed.organization), ("", False, "O"))
        changed = update([], name="P")
        self.assertEqual((changed.name, changed.organization), ("P", "O"))
        changed = update(["*"], name="All")
        self.assertEqual((changed.name, changed.organization), ("All", ""))
        self.fails(INVALID, "update_mask.paths[0]", "UpdateWebsite", website={"code": "w"}, update_mask={"paths": ["nope"]})
        self.fails(INVALID, "update_mask.paths[0]", "UpdateWebsite", website={"code": "w"}, update_mask={"paths": ["name.x"]})
        self.fails(INVALID, "update_mask.paths[0]", "UpdateWebsite", website={"code": "w"}, update_mask={"paths": ["created_at"]})

    def test_revisions(self):
        first = self.create("Website", code="w")
        second = self.call("UpdateWebsite", website={"code": "w", "name": "A", "revision": first.revision})
        self.assertEqual(second.revision, 2)
        same = self.call("UpdateWebsite", website={"code": "w", "name": "A"})
        self.assertEqual(same, second)  # nothing changed
        header = self.fails(ABORTED, None, "UpdateWebsite", website={"code": "w", "name": "B", "revision": 1})
        self.assertIn("2", header.message)
        self.fails(ABORTED, None, "DeleteWebsite", code="w", revision=1)
        self.call("DeleteWebsite", code="w", revision=2)

    def test_validate_only(self):
        self.assertEqual(self.call("CreateWebsite", website={"code": "w"}, validate_only=True).code, "w")
        self.fails(NOT_FOUND, None, "GetWebsite", code="w")
        self.assertEqual(SYSTEM.sql("SELECT count(*) FROM users.project"), [["0"]])
        self.fails(INVALID, "website.code", "CreateWebsite", website={"code": "a b"}, validate_only=True)
        self.create("Website", code="w")
        changed = self.call("UpdateWebsite", website={"code": "w", "name": "A"}, validate_only=True)
        self.assertEqual((changed.name, changed.revision), ("A", 2))
        self.assertEqual(self.call("GetWebsite", code="w").revision, 1)
        self.fails(EXISTS, None, "CreateWebsite", website={"code": "w"}, validate_only=True)

    def test_allow_missing(self):
        self.fails(NOT_FOUND, None, "UpdateWebsite", website={"code": "w"})
        made = self.call("UpdateWebsite", website={"code": "w", "name": "A"}, allow_missing=True)
        self.assertEqual((made.name, made.revision, made.enabled), ("A", 1, True))
        changed = self.call("UpdateWebsite", website={"code": "w", "live": True}, allow_missing=True)
        self.assertEqual((changed.name, changed.live, changed.revision), ("A", True, 2))
        self.call("UpdateWebsite", website={"code": "v"}, allow_missing=True, validate_only=True)
        self.fails(NOT_FOUND, None, "GetWebsite", code="v")

    def test_request_id(self):
        first = self.call("CreateWebsite", request_id="r1", website={"code": "w"})
        self.assertEqual(self.call("CreateWebsite", request_id="r1", website={"code": "w"}), first)
        with self.assertRaises(sitewire_test.Failed):
            self.call("CreateWebsite", request_id="r1", website={"code": "other"})
        self.call("DeleteWebsite", request_id="r2", code="w")
        self.call("DeleteWebsite", request_id="r2", code="w")
        self.assertEqual(SYSTEM.sql("SELECT count(*) FROM referential.website"), [["0"]])

    def test_projects(self):
        self.create("Website", code="w")
        self.create("DrupalDocrootCore", code="c")
        self.call("RenameWebsite", code="w", new_code="v")
        self.assertEqual(SYSTEM.sql("SELECT code FROM users.project ORDER BY 1"),
                         [["drupaldocrootcore:c"], ["website:v"]])
        self.call("DeleteWebsite", code="v")
        self.call("DeleteDrupalDocrootCore", code="c")
        self.assertEqual(SYSTEM.sql("SELECT code FROM users.project"), [])

    def test_bad_values(self):
        self.create_all()
        for field, name, value in (
                ("code", "Website", "a b"), ("code", "Website", "x" * 129), ("code", "Website", "a'; DROP TABLE x; --"),
                ("name", "Website", "x" * 257), ("name", "Website", "a\nb"), ("code_repository_url", "Website", "nope"),
                ("home_directory", "Website", "../etc"), ("hostname", "Server", "Web1"), ("login", "Server", "a b"),
                ("fqdn", "Domain", "fr"), ("fqdn", "Domain", "X.fr"), ("rank", "Environment", -1),
                ("ip", "LoadBalancer", "10.0.0"), ("ip", "LoadBalancer", "10.0.0.0/8"),
                ("expires_at", "Domain", {"seconds": 1 << 60}), ("expires_at", "Domain", {"nanos": -1}),
                ("certificate", "Certificate", "nope")):
            with self.subTest(f"{name}.{field} = {value!r}"):
                key = {"code": "n"} if "code" in RESOURCES[name][1] else {"hostname": "n"} if name == "Server" else {
                    "fqdn": "n.fr"}
                self.fails(INVALID, f"{snake(name)}.{field}", "Create" + name, **{snake(name): key | {field: value}})
        self.fails(INVALID, "domain.parent", "CreateDomain", domain={"fqdn": "a.de", "parent": "isover.fr"})
        self.fails(INVALID, "domain.website", "UpdateDomain", domain={"fqdn": "isover.fr", "website": ""})
        self.fails(PRECONDITION, "docroot.hosting_provider", "CreateDocroot", docroot={"code": "n", "hosting_provider": "n"})
        self.fails(PRECONDITION, "domain.parent", "CreateDomain", domain={"fqdn": "a.b.fr", "parent": "b.fr"})
        self.fails(EXISTS, "docroot.provider_id", "CreateDocroot", docroot={"code": "n", "provider_id": "id-1"})

    def test_certificates(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", folder + "/key", "-out", folder + "/pem", "-days", "10", "-subj", "/CN=isover.fr",
                            "-addext", "subjectAltName=DNS:isover.fr,IP:10.0.0.1"], check=True, capture_output=True)
            with open(folder + "/pem", encoding="ascii") as file:
                pem = file.read()
            with open(folder + "/key", encoding="ascii") as file:
                key = file.read()
        made = self.create("Certificate", code="c", certificate=pem)
        self.assertEqual((made.subject, list(made.alternative_names)), ("CN=isover.fr", ["isover.fr", "10.0.0.1"]))
        self.assertEqual(made.not_after.seconds - made.not_before.seconds, 10 * 86400)
        self.assertEqual(self.call("GetCertificate", code="c"), made)
        renamed = self.call("UpdateCertificate", certificate={"code": "c", "name": "N"})
        self.assertEqual((renamed.subject, renamed.not_after), (made.subject, made.not_after))
        found = self.call("ListCertificates", filters=[{"field": "alternative_names", "op": "contains",
                                                        "values": ["isover.fr"]}])
        self.assertEqual(len(found.items), 1)
        typed = self.call("UpdateCertificate", certificate={"code": "c", "subject": "CN=x", "name": "N"})
        self.assertEqual(typed, renamed)  # never typed: left aside, so that what was exported can be imported
        self.fails(INVALID, "update_mask.paths[0]", "UpdateCertificate", certificate={"code": "c", "subject": "CN=x"},
                   update_mask={"paths": ["subject"]})
        self.fails(INVALID, "certificate.certificate", "UpdateCertificate", certificate={"code": "c", "certificate": key})
        kept = self.call("UpdateCertificate", certificate={"code": "c", "name": "O", "certificate": "ignored"},
                         update_mask={"paths": ["name"]})
        self.assertEqual((kept.name, kept.subject), ("O", made.subject))
        cleared = self.call("UpdateCertificate", certificate={"code": "c"}, update_mask={"paths": ["certificate"]})
        self.assertEqual((cleared.certificate, cleared.subject, len(cleared.alternative_names)), ("", "", 0))
        self.assertFalse(cleared.HasField("not_after"))
        again = self.call("UpdateCertificate", certificate={"code": "c", "certificate": pem}, allow_missing=True)
        self.assertEqual(again.not_after, made.not_after)
        new = self.call("UpdateCertificate", certificate={"code": "d", "certificate": pem}, allow_missing=True)
        self.assertEqual(new.subject, "CN=isover.fr")


class Lists(Case):
    def setUp(self):
        super().setUp()
        SYSTEM.sql("INSERT INTO referential.website (code, name, organization, live) SELECT 'w' || to_char(i, 'FM000'), "
                   "'Site ' || i % 7, CASE WHEN i % 3 = 0 THEN '' ELSE 'Org ' || i % 3 END, i % 2 = 0 "
                   "FROM generate_series(1, 100) i")
        SYSTEM.sql("INSERT INTO referential.hosting_provider (code) VALUES ('a'), ('b');"
                   "INSERT INTO referential.docroot (code, hosting_provider) SELECT 'd' || to_char(i, 'FM000'), "
                   "(ARRAY['a', 'b', NULL])[1 + i % 3] FROM generate_series(1, 100) i")
        SYSTEM.sql("INSERT INTO referential.environment (code, rank) SELECT 'e' || i, i FROM generate_series(1, 20) i")

    def names(self, *filters, **request):
        return self.keys("Websites", "code", filters=[{"field": f, "op": op, "values": values} for f, op, values in filters],
                         **request)

    def test_operators(self):
        everything = [f"w{i:03}" for i in range(1, 101)]
        self.assertEqual(self.names(), everything)
        self.assertEqual(self.names(("code", "", ["w007"])), ["w007"])
        self.assertEqual(self.names(("code", "<", ["w003"])), everything[:2])
        self.assertEqual(self.names(("code", "<=", ["w003"])), everything[:3])
        self.assertEqual(self.names(("code", ">", ["w098"])), everything[98:])
        self.assertEqual(self.names(("code", ">=", ["w098"])), everything[97:])
        self.assertEqual(self.names(("code", "prefix", ["w00"])), everything[:9])
        self.assertEqual(self.names(("code", "contains", ["99"])), ["w099"])
        self.assertEqual(self.names(("code", "in", ["w001", "w100", "nope"])), ["w001", "w100"])
        self.assertEqual(len(self.names(("live", "=", ["true"]))), 50)
        self.assertEqual(len(self.names(("live", "!=", ["true"]))), 50)
        self.assertEqual(len(self.names(("organization", "is_null", []))), 33)
        self.assertEqual(len(self.names(("organization", "is_null", ["false"]))), 67)
        self.assertEqual(self.names(("live", "", ["true"]), ("name", "", ["Site 1"]), ("code", "<", ["w030"])),
                         ["w008", "w022"])
        self.assertEqual(self.names(("name", "contains", ["%"])), [])
        self.assertEqual(self.names(("name", "", ["' OR true --"])), [])
        self.assertEqual(len(self.names(("created_at", ">", ["2020-01-01T00:00:00Z"]))), 100)
        self.assertEqual(len(self.names(("revision", "in", ["1", "2"]))), 100)
        self.assertEqual(self.keys("Environments", "code", filters=[{"field": "rank", "op": "<", "values": ["10"]}]),
                         [f"e{i}" for i in range(1, 10)])
        self.assertEqual(len(self.keys("Docroots", "code",
                                       filters=[{"field": "hosting_provider", "op": "!=", "values": ["a"]}])), 67)

    def test_bad_filters(self):
        for index, (flt, field) in enumerate((
                ({"field": "nope", "values": ["x"]}, "filters[0].field"),
                ({"field": "", "values": ["x"]}, "filters[0].field"),
                ({"field": "code; DROP", "values": ["x"]}, "filters[0].field"),
                ({"field": "code", "op": "~", "values": ["x"]}, "filters[0].op"),
                ({"field": "code"}, "filters[0].values"),
                ({"field": "code", "values": ["x", "y"]}, "filters[0].values"),
                ({"field": "code", "op": "in"}, "filters[0].values"),
                ({"field": "live", "values": ["maybe"]}, "filters[0].values[0]"),
                ({"field": "live", "op": "prefix", "values": ["t"]}, "filters[0].op"),
                ({"field": "revision", "values": ["x"]}, "filters[0].values[0]"),
                ({"field": "revision", "values": ["99999999999999999999"]}, "filters[0].values[0]"),
                ({"field": "revision", "op": "in", "values": ["1", "x"]}, "filters[0].values[1]"),
                ({"field": "created_at", "values": ["yesterday"]}, "filters[0].values[0]"),
                ({"field": "code", "op": "is_null", "values": ["x"]}, "filters[0].values"))):
            with self.subTest(index):
                self.fails(INVALID, field, "ListWebsites", filters=[flt])
        self.fails(INVALID, "filters[1].field", "ListWebsites", filters=[{"field": "code", "values": ["x"]}, {"field": "x"}])
        self.fails(INVALID, "order_by[0].field", "ListWebsites", order_by=[{"field": "nope"}])
        self.fails(INVALID, "page_size", "ListWebsites", page_size=-1)
        self.fails(INVALID, "filters[0].values[0]", "ListLoadBalancers", filters=[{"field": "ip", "values": ["x"]}])

    def test_pages(self):
        everything = [f"w{i:03}" for i in range(1, 101)]
        self.assertEqual(len(self.call("ListWebsites").items), 50)
        self.assertEqual(len(self.call("ListWebsites", page_size=100000).items), 100)
        self.assertFalse(self.call("ListWebsites").HasField("total_size"))
        for size in (1, 7, 99, 100, 101):
            self.assertEqual(self.names(page_size=size), everything)
        first = self.call("ListWebsites", page_size=10, show_total_size=True,
                          filters=[{"field": "live", "values": ["true"]}])
        self.assertEqual(first.total_size, 50)
        self.assertEqual(self.call("ListWebsites", page_size=100).next_page_token, "")

    def test_order(self):
        for plural, orders, key in (
                ("Websites", [{"field": "name", "descending": True}], lambda i: (-(i % 7), i)),
                ("Websites", [{"field": "live"}, {"field": "code", "descending": True}], lambda i: (i % 2 == 0, -i)),
                ("Websites", [{"field": "organization"}, {"field": "name"}], lambda i: (i % 3, i % 7, i)),
                # NULL comes last, and first when descending.
                ("Docroots", [{"field": "hosting_provider"}], lambda i: (i % 3, i)),
                ("Docroots", [{"field": "hosting_provider", "descending": True}], lambda i: (-(i % 3), i)),
                ("Docroots", [{"field": "hosting_provider"}, {"field": "code", "descending": True}],
                 lambda i: (i % 3, -i))):
            for size in (9, 100):
                with self.subTest(f"{plural} {orders} by {size}"):
                    found = [int(code[1:]) for code in self.keys(plural, "code", order_by=orders, page_size=size)]
                    self.assertEqual(found, sorted(range(1, 101), key=key))
        self.assertEqual(self.keys("Environments", "code", order_by=[{"field": "rank", "descending": True}], page_size=3),
                         [f"e{i}" for i in range(20, 0, -1)])

    def test_pages_while_others_write(self):
        page = self.call("ListWebsites", page_size=10)
        self.call("DeleteWebsite", code="w010")  # the last one shown
        self.create("Website", code="w0055")     # before: not shown any more
        self.create("Website", code="w0115")     # after: shown
        found = self.call("ListWebsites", page_size=3, page_token=page.next_page_token)
        self.assertEqual([site.code for site in found.items], ["w011", "w0115", "w012"])

    def test_page_tokens_hold(self):
        token = self.call("ListWebsites", page_size=10).next_page_token
        for bad in ("x", "=", token[:-1], token + "A", ("B" if token[0] == "A" else "A") + token[1:], "é", "A" * 70000):
            with self.subTest(bad[:20]):
                self.fails(INVALID, "page_token", "ListWebsites", page_size=10, page_token=bad)
        self.fails(INVALID, "page_token", "ListDocroots", page_token=token)
        self.fails(INVALID, "page_token", "ListWebsites", page_token=token, search="w")
        self.fails(INVALID, "page_token", "ListWebsites", page_token=token, order_by=[{"field": "name"}])
        self.fails(INVALID, "page_token", "ListWebsites", page_token=token,
                   filters=[{"field": "live", "values": ["true"]}])
        self.call("ListWebsites", page_size=20, page_token=token)  # another size is allowed

    def test_search(self):
        self.assertEqual(self.keys("Websites", "code", search="W01"), [f"w{i:03}" for i in range(10, 20)])
        self.assertEqual(len(self.keys("Websites", "code", search="site 3")), 14)
        self.assertEqual(self.keys("Websites", "code", search="w_1"), [])
        self.assertEqual(self.keys("Websites", "code", search="\\"), [])


class Questions(Case):
    def setUp(self):
        super().setUp()
        self.create_all()

    def test_find_versions(self):
        (item,) = self.call("FindVersions", type="Cms", code="drupal8", version="8.9.1").items
        self.assertEqual((item.docroot, item.environment, list(item.websites)), ("d1", "prod", ["isover.fr"]))
        self.fails(INVALID, "type", "FindVersions", code="drupal8")
        self.fails(INVALID, "code", "FindVersions", type="Cms")
        self.fails(NOT_FOUND, "code", "FindVersions", type="Cms", code="nope")

    def test_list_impact(self):
        found = {(i.depth, i.type, i.key, i.via) for i in self.call("ListImpact", type="Server", key="web1").items}
        self.assertIn((1, "DocrootEnvironment", "d1/prod", "DocrootEnvironmentServer"), found)
        self.assertIn((2, "WebsiteDeployed", "isover.fr/d1/prod", "environment"), found)
        self.assertIn((3, "Domain", "isover.fr", "website"), found)
        self.assertEqual({i.depth for i in self.call("ListImpact", type="Server", key="web1", depth=2).items}, {1, 2})
        self.fails(INVALID, "type", "ListImpact", type="nope", key="x")
        self.fails(INVALID, "key", "ListImpact", type="DocrootEnvironment", key="d1")
        self.fails(INVALID, "depth", "ListImpact", type="Server", key="web1", depth=-1)
        self.fails(NOT_FOUND, "key", "ListImpact", type="Server", key="nope")

    def test_compare_environments(self):
        self.create("Environment", code="dev")
        self.create("DocrootEnvironment", docroot="d1", environment="dev", cms="drupal8", cms_version="8.9.2")
        environments = {"docroot": "d1", "environment": "dev", "other_environment": "prod"}
        self.assertNotIn("Server", {i.type for i in self.call("CompareEnvironments", **environments).items})
        items = self.call("CompareEnvironments", all=True, **environments).items
        found = {(i.type, i.key, i.field): (i.left, i.right) for i in items}
        self.assertEqual(found["DocrootEnvironment", "d1", "cms_version"], ("8.9.2", "8.9.1"))
        self.assertEqual(found["Server", "web1", ""], ("absent", "present"))
        self.assertNotIn(("DocrootEnvironment", "d1", "cms"), found)
        self.fails(INVALID, "other_environment", "CompareEnvironments", docroot="d1", environment="dev")
        self.fails(NOT_FOUND, "other_environment", "CompareEnvironments", docroot="d1", environment="dev",
                   other_environment="uat")

    def test_list_expirations(self):
        SYSTEM.sql("UPDATE referential.domain SET expires_at = now() + interval '10 days 1 hour'")
        (item,) = self.call("ListExpirations").items
        self.assertEqual((item.type, item.key, item.days_left, list(item.websites)),
                         ("Domain", "isover.fr", 10, ["isover.fr"]))
        self.assertEqual(len(self.call("ListExpirations", within_days=5).items), 0)
        self.fails(INVALID, "within_days", "ListExpirations", within_days=-1)


if __name__ == "__main__":
    unittest.main()
