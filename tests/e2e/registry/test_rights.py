#!/usr/bin/env python3
"""Who may do what, over the wire, with real keys: every method of every service, by every kind of
caller.

The tables say what each caller hears, one letter for each of CALLERS:  . OK  n NOT_FOUND  i
INVALID_ARGUMENT  d PERMISSION_DENIED f FAILED_PRECONDITION (it was allowed, but others refer to the
row)  e ALREADY_EXISTS  a digit: OK, with so many items. They repeat no line of users.rule: what is
right is said here a second time.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sitewire_test import ADMIN, System, wait_for  # noqa: E402
import sealing  # noqa: E402
from test_referential import RESOURCES, snake  # noqa: E402
from sitewire.deployment.v1 import deployment_pb2  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402
from sitewire.user.v1 import user_pb2  # noqa: E402

UNAUTHENTICATED, PERMISSION_DENIED = 16, 7
LETTERS = {0: ".", 3: "i", 5: "n", 6: "e", 7: "d", 9: "f"}
PACKAGES = {"Referential": referential_pb2, "Users": user_pb2, "Deployments": deployment_pb2}
SITE, CORE, OTHER = "website:isover.fr", "drupaldocrootcore:core8", "website:two.fr"

# Who calls: name, roles by project. `elsewhere` is the owner of another website; `nobody` has no
# rights at all.
CALLERS = {"admin": {}, "owner": {SITE: "Owner", CORE: "Owner"}, "external": {SITE: "External", CORE: "External"},
           "approver": {SITE: "Approver", CORE: "Approver"}, "reader": {SITE: "Reader", CORE: "Reader"},
           "elsewhere": {OTHER: "Owner"}, "nobody": {}}
STRANGERS = ("inactive", "revoked", "expired", "unknown")
VICTIM = "victim@x.org"  # about whom calls are; it owns the website, too

# Resource: get, list, create, update, delete, rename.           a o e a r e n
EVERYBODYS = {"Get": "......d", "List": "......d", "Create": ".dddddd", "Update": ".dddddd", "Delete": "fdddddd",
              "Rename": ".dddddd"}
PROJECTS = {"Get": ".....nd", "List": "211111d", "Create": ".dddddd", "Update": "..dddnd", "Delete": "fddddnd",
            "Rename": ".ddddnd"}
STANDARD = {name: EVERYBODYS for name in RESOURCES} | {
    "Website": PROJECTS,
    "DrupalDocrootCore": PROJECTS | {"List": "111110d"},
    "WebsiteDeployed": PROJECTS | {"List": "222220d", "Update": "iddddnd"},  # prod is protected, and no reason is given
    "DocrootEnvironment": EVERYBODYS | {"Update": "idddddd"},
    "Domain": PROJECTS | {"List": "222221d"},  # one serves no website: it is everybody's
    "DomainLoadBalancer": PROJECTS | {"List": "111110d", "Update": ".ddddnd", "Delete": ".ddddnd"},
    "DocrootEnvironmentServer": EVERYBODYS | {"Delete": ".dddddd"},
    "DocrootEnvironmentCertificate": EVERYBODYS | {"Delete": ".dddddd"},
    "DocrootEnvironmentLoadBalancer": EVERYBODYS | {"Delete": ".dddddd"},
    "Role": EVERYBODYS,
    "Project": {"Get": ".....nd", "List": "322221d"},
    "User": {"Get": "..nnn.d", "List": "991119d", "Create": ".dddddd", "Update": ".dnnndd", "Delete": "fdnnndd",
             "Rename": ".dnnndd"},
    "AccessRight": {"Get": "..nnnnd", "List": "992221d", "Create": "..ddddd", "Update": "..nnnnd", "Delete": "..nnnnd"},
    "Group": {"Get": ".nnnnnd", "List": "100000d", "Create": ".dddddd", "Update": ".nnnnnd", "Delete": "fnnnnnd",
              "Rename": ".nnnnnd"},
    "GroupMember": {"Get": ".nnnnnd", "List": "100000d", "Create": ".dddddd", "Update": ".nnnnnd", "Delete": ".nnnnnd"},
    "Grant": {"Get": ".nnnnnd", "List": "100000d", "Create": ".dddddd", "Update": ".nnnnnd", "Delete": ".nnnnnd",
              "Rename": ".nnnnnd"},
    "Key": {"Get": ".nnnnnd", "List": "911111d", "Create": ".dddddd", "Update": ".nnnnnd", "Delete": ".nnnnnd"},
}

# Where a new row goes that does not disturb the others; a key plus "9" if it is not here.
NEW_KEYS = {"DocrootEnvironment": {"docroot": "d2", "environment": "prod"},
            "WebsiteDeployed": {"website": "two.fr", "docroot": "d1", "environment": "prod"},
            "DomainLoadBalancer": {"domain": "two.fr", "load_balancer": "lb1"},
            "DocrootEnvironmentServer": {"docroot": "d1", "environment": "prod", "server": "web2"},
            "DocrootEnvironmentCertificate": {"docroot": "d1", "environment": "prod", "certificate": "c2"},
            "DocrootEnvironmentLoadBalancer": {"docroot": "d1", "environment": "prod", "load_balancer": "lb2"},
            "GroupMember": {"group": "g1", "user": "owner@x.org"}}


class Rights(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.system = System(curve=True, broker_options=("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.addClassCleanup(cls.system.stop)
        cls.local = cls.system.client()
        cls.addClassCleanup(cls.local.close)
        for name, (_, key, fields, _) in RESOURCES.items():
            cls.ask(cls.local, "Create" + name, **{snake(name): key | fields})
        cls.system.sql(f"""
            UPDATE referential.environment SET protected = true WHERE code = 'prod';
            INSERT INTO referential.website (code) VALUES ('two.fr');
            INSERT INTO referential.docroot (code) VALUES ('d2');
            INSERT INTO referential.domain (fqdn) VALUES ('two.fr');
            INSERT INTO referential.server (hostname) VALUES ('web2');
            INSERT INTO referential.certificate (code) VALUES ('c2');
            INSERT INTO referential.load_balancer (code) VALUES ('lb2');
            INSERT INTO referential.environment (code, protected) VALUES ('dev', false);
            INSERT INTO referential.docroot_environment (docroot, environment, cms) VALUES ('d1', 'dev', 'drupal8');
            INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('isover.fr', 'd1', 'dev');
            INSERT INTO users.role (code, permissions) VALUES ('Reader', '{{read}}'), ('Approver', '{{read,approve}}'),
                ('Unused', '{{}}');
            INSERT INTO users."user" (email) VALUES ('{VICTIM}');
            INSERT INTO users.access_right VALUES ('{SITE}', '{VICTIM}', 'Owner');
            INSERT INTO users."group" (code) VALUES ('g1');
            INSERT INTO users.group_member ("group", "user") VALUES ('g1', '{VICTIM}');
            INSERT INTO users."grant" (code, role, "group", organization) VALUES ('r1', 'External', 'g1', 'Acme');
            UPDATE users.role SET permissions = permissions || '{{run}}' WHERE code = 'Owner'""")
        cls.clients = {name: cls.enroll(name, rights) for name, rights in CALLERS.items()}
        cls.clients["victim"] = cls.enroll("victim", {})
        cls.strangers = {name: cls.system.enroll(f"{name}@x.org", False, [(SITE, "Owner")]) for name in STRANGERS}
        cls.system.sql("""UPDATE users."user" SET active = false WHERE email = 'inactive@x.org';
                          UPDATE users.key SET revoked_at = now() WHERE "user" = 'revoked@x.org';
                          UPDATE users.key SET expires_at = now() WHERE "user" = 'expired@x.org';
                          DELETE FROM users.key WHERE "user" = 'unknown@x.org';
                          DELETE FROM users.access_right WHERE "user" = 'unknown@x.org';
                          DELETE FROM users."user" WHERE email = 'unknown@x.org'""")
        cls.victims_key = cls.system.sql(f"""SELECT public_key FROM users.key WHERE "user" = '{VICTIM}'""")[0][0]
        cls.tried, cls.wrong = set(), []

    @classmethod
    def enroll(cls, name, rights):
        """A user with these roles; a client that uses its key."""
        client = cls.system.client(key=cls.system.enroll(f"{name}@x.org", name == "admin", rights.items()))
        cls.addClassCleanup(client.close)
        return client

    @staticmethod
    def ask(client, method, /, **fields):
        """(ReplyHeader or None if there was no reply, reply or None)"""
        for name, package in PACKAGES.items():
            service = package.DESCRIPTOR.services_by_name[name]
            if method in service.methods_by_name:
                output = service.methods_by_name[method].output_type.name
                header, payload = client.call_bytes(f"/{service.full_name}/{method}",
                                                    getattr(package, method + "Request")(**fields).SerializeToString())
                reply = getattr(package, output, None) or getattr(rpc_pb2, output)
                return header, reply.FromString(payload) if header and header.code == 0 else None
        raise AssertionError(f"there is no method {method}")

    def check(self, method, expected, /, note="", **fields):
        """Every caller calls it; what they hear is as expected. A field may be a function of the
        caller's name."""
        self.tried.add(method)
        heard, why = "", []
        for name in CALLERS:
            header, reply = self.ask(self.clients[name], method, **{
                field: value(name) if callable(value) else value for field, value in fields.items()})
            letter = LETTERS.get(header.code, "?")
            if letter == "." and method.startswith("List") and expected.strip("nd."):
                letter = str(min(len(reply.items), 9))
            heard += letter
            why.append(f"{name}: {header.code} {header.message}")
            if header.code == PERMISSION_DENIED:
                self.assertTrue(header.message)
        with self.subTest(method=method, note=note):
            self.assertEqual(heard, expected, f"{method} {note}\n" + "\n".join(why))

    def check_standard(self, resource, key, fields, rename=None):
        table, one = STANDARD[resource], snake(resource)
        new = NEW_KEYS.get(resource) or {field: value + "9" for field, value in key.items()}
        for action, expected in table.items():
            if action == "Get":
                self.check("Get" + resource, expected, **key)
            elif action == "List":
                plural = RESOURCES[resource][0] if resource in RESOURCES else resource + "s"
                self.check("List" + plural, expected, page_size=100)
            elif action == "Create":
                self.check("Create" + resource, expected, validate_only=True, **{one: fields | new})
            elif action == "Update":
                self.check("Update" + resource, expected, validate_only=True, **{one: key | fields})
            elif action == "Delete":
                self.check("Delete" + resource, expected, validate_only=True, **key)
            elif len(key) == 1:
                (field, value), = key.items()
                self.check("Rename" + resource, expected, validate_only=True,
                           **{field: value, "new_" + field: rename or value + "8"})

    # --- What every resource offers ---

    def test_registry(self):
        for name, (_, key, fields, update) in RESOURCES.items():
            self.check_standard(name, key, update or fields)
        self.check("UpdateWebsiteDeployed", "..dddnd", "not protected", validate_only=True, website_deployed={
            "website": "isover.fr", "docroot": "d1", "environment": "dev", "website_version": "9"})

    def test_people(self):
        self.check_standard("Role", {"code": "Owner"}, {"label": "x"})
        self.check_standard("User", {"email": VICTIM}, {"company": "x"}, "new@x.org")
        self.check_standard("Project", {"code": SITE}, {})
        self.check_standard("Group", {"code": "g1"}, {"label": "x"})
        self.check_standard("GroupMember", {"group": "g1", "user": VICTIM}, {})
        self.check_standard("Grant", {"code": "r1"}, {"role": "External", "group": "g1", "organization": "Acme"})
        self.check("WhoCan", "..dddnd", action="deploy", type="Website", key="isover.fr")
        right = {"project": SITE, "user": VICTIM}
        self.check("GetAccessRight", STANDARD["AccessRight"]["Get"], role="Owner", **right)
        self.check("ListAccessRights", STANDARD["AccessRight"]["List"], page_size=100)
        self.check("CreateAccessRight", STANDARD["AccessRight"]["Create"], validate_only=True,
                   access_right=right | {"role": "External"})
        self.check("UpdateAccessRight", STANDARD["AccessRight"]["Update"], validate_only=True,
                   access_right=right | {"role": "Owner"})
        self.check("DeleteAccessRight", STANDARD["AccessRight"]["Delete"], validate_only=True, role="Owner", **right)
        self.check("GetKey", STANDARD["Key"]["Get"], public_key=self.victims_key)
        self.check("ListKeys", STANDARD["Key"]["List"], page_size=100)
        fresh = self.system.key("fresh.key").public
        self.check("CreateKey", STANDARD["Key"]["Create"], validate_only=True, key={"public_key": fresh, "user": VICTIM})
        self.check("UpdateKey", STANDARD["Key"]["Update"], validate_only=True,
                   key={"public_key": self.victims_key, "label": "x"})
        self.check("DeleteKey", STANDARD["Key"]["Delete"], validate_only=True, public_key=self.victims_key)

    def test_oneself(self):
        self.check("GetUser", "......d", "own", email=lambda name: f"{name}@x.org")
        self.check("UpdateUser", ".dddddd", "own", validate_only=True,
                   user=lambda name: {"email": f"{name}@x.org", "is_admin": True})
        fresh = self.system.key("own.key").public
        self.check("CreateKey", ".dddddd", "own", validate_only=True,
                   key=lambda name: {"public_key": fresh, "user": f"{name}@x.org"})
        self.check("CreateAccessRight", "..ddddd", "own", validate_only=True,
                   access_right=lambda name: {"project": SITE, "user": f"{name}@x.org", "role": "External" if name == "owner"
                                              else "Owner"})
        self.check("CreateAccessRight", ".dddddd", "own, with override", validate_only=True,
                   access_right=lambda name: {"project": SITE, "user": f"{name}@x.org", "role": "Admin"})

    def test_moving_to_another_project(self):
        """Takes `manage` on both: neither owner gives its domain to the other, or takes one. (An
        admin hears that two.fr is not there.)"""
        self.check("UpdateDomain", "fddddnd", validate_only=True,
                   domain={"fqdn": "isover.fr", "website": "two.fr", "docroot": "d1", "environment": "prod"})

    def test_the_command_line_of_nobody_in_particular(self):
        """Who has no access right yet finds out who it is, that the system is there, and nothing
        else."""
        env = self.system.env() | {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_KEY": self.clients["nobody"].key.path}
        for words, code in ((["whoami"], 0), (["health"], 0), (["describe"], 0), (["status"], PERMISSION_DENIED),
                            (["list", "cms"], PERMISSION_DENIED), (["history"], PERMISSION_DENIED)):
            done = self.system.cli(*words, env=env)
            self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
            if code:
                self.assertIn("no access right yet", done.stderr)

    def test_a_key_that_is_anothers(self):
        """Nobody but an admin can claim a public key without proving to have it."""
        key = {"public_key": self.victims_key, "user": "owner@x.org"}
        for method, fields in (("CreateKey", {}), ("UpdateKey", {"allow_missing": True})):
            header, _ = self.ask(self.clients["owner"], method, key=key, **fields)
            self.assertEqual(LETTERS.get(header.code), "d", header.message)

    def test_enrolment(self):
        """Without a profile one may enroll a key of one's own, and nobody else's."""
        self.check("GetEnrolment", ".......")
        self.check("InviteKey", ".dddddd", user=VICTIM, public_key="a" * 40, lifetime_ms=60000)
        self.check("EnrollKey", "iiiiiii", user=VICTIM, public_key="a" * 40)

    def test_for_admins(self):
        number = int(self.system.sql("""INSERT INTO users.refusal (caller, code, hour, fingerprint)
                                        VALUES ('x@x.org', 'PERMISSION_DENIED', now(), 'x') RETURNING id""")[0][0])
        self.check("GetRefusal", ".nnnnnd", id=number)
        self.check("ListRefusals", "100000d", filters=[{"field": "id", "values": [str(number)]}])
        self.check("Offboard", ".dddddd", email=VICTIM, validate_only=True)

    def test_what_every_process_offers(self):
        """The broker's door: without a profile one hears no more than whether something is
        there."""
        for method, expected in (("Health/Check", "......."), ("Reflection/GetSchema", "......."),
                                 ("Stats/GetStats", "......d"), ("Drain/Drain", "ndddddd")):
            for where in ("sitewire.rpc.v1." + method.split("/")[0], "sitewire.referential.v1.Referential"):
                if method.startswith("Drain"):
                    where = "@no-such-instance"
                heard = [self.clients[name].call_bytes("/sitewire.rpc.v1." + method, b"", destination=where)[0].code
                         for name in CALLERS]
                self.assertEqual("".join(LETTERS.get(code, "?") for code in heard), expected, f"{method} at {where}")

    def test_questions(self):
        self.check("WhoAmI", ".......")
        self.check("GetProfile", "..nnn.d", email=VICTIM)
        self.check("GetProfile", "......d", "own", email=lambda name: f"{name}@x.org")
        self.check("Explain", "......d", action="read", type="Website", key="isover.fr")
        self.check("Explain", ".dddddd", "of another", action="read", type="Website", key="isover.fr", user=VICTIM)
        self.check("Authenticate", "ddddddd", public_keys=[self.victims_key])
        self.check("RecordRefusals", "ddddddd", items=[])
        self.check("ListExpirations", "111110d", within_days=3650)
        self.check("CompareEnvironments", "......d", docroot="d1", environment="prod", other_environment="dev")
        self.check("ListImpact", "44444nd", type="Website", key="isover.fr")
        self.check("FindVersions", "......d", type="Cms", code="drupal8", version="8.9.1")

    def test_history(self):
        for resource, key, expected in (("Website", "isover.fr", ".....nd"), ("Server", "web1", "......d"),
                                        ("User", VICTIM, "..nnn.d")):
            number = int(self.system.sql(f"""SELECT max(id) FROM users.change WHERE resource = '{resource}'
                                             AND key = '{key}'""")[0][0])
            self.check("GetChange", expected, resource, id=number)
            self.check("ListChanges", expected.replace(".", "1").replace("n", "0"), resource,
                       filters=[{"field": "id", "values": [str(number)]}])

    def test_secrets(self):
        """Of a docroot environment with a website and a core: `manage` on both, even to know that
        there is one."""
        secret = {"type": "DocrootEnvironment", "key": "d1/prod", "field": "basic_auth_password"}
        key = sealing.get_key(self.local)
        header, _ = self.ask(self.local, "SetSecret", **sealing.to_set(key, "s3cret", **secret))
        self.assertEqual(header.code, 0, header.message)
        self.check("GetSealingKey", "......d")
        self.check("GetSecret", "..nnnnd", **secret)
        self.check("ListSecrets", "110000d")
        self.check("ReadSecret", "..ddddd", seal_to=sealing.Pair().public, **secret)
        self.check("SetSecret", "..ddddd", validate_only=True, **sealing.to_set(key, "another", **secret))
        self.check("DeleteSecret", "..nnnnd", validate_only=True, **secret)
        self.check("RotateSecrets", ".dddddd")

    # --- Deployments ---

    def plan(self, environment="dev", version="2"):
        """A deployment that the victim has requested."""
        header, plan = self.ask(self.clients["victim"], "RequestDeployment", project=SITE, environment=environment,
                                version=version, commands=[{"step": "DEPLOYMENT", "argv": ["true"]}])
        self.assertEqual(header.code, 0, header.message)
        return plan

    def claimed(self):
        """One that the victim has claimed; all before it are over."""
        self.over()
        plan = self.plan()
        header, claim = self.ask(self.clients["victim"], "ClaimDeployment", runner="r", projects=[SITE], lease_ms=600000)
        self.assertEqual((header.code, claim.deployment.id), (0, plan.deployment.id), header.message)
        return claim

    def over(self):
        self.system.sql("UPDATE deployment.deployment SET status = 'ABORTED' WHERE status NOT IN ('DONE', 'FAILED', 'ABORTED')")

    def test_deployment_lookups(self):
        for name, plural, code in (("DeploymentStatus", "DeploymentStatuses", "DONE"),
                                   ("DeploymentType", "DeploymentTypes", "WEBSITE"),
                                   ("DeploymentStep", "DeploymentSteps", "POST"), ("OutputLimit", "OutputLimits", "default")):
            change = {"deployment_bytes": 1} if name == "OutputLimit" else {"label": "x"}
            self.check("Get" + name, "......d", code=code)
            self.check("List" + plural, "......d")
            self.check("Update" + name, ".dddddd", validate_only=True, **{snake(name): {"code": code} | change})

    def test_requests(self):
        wanted = {"project": SITE, "version": "2", "validate_only": True,
                  "commands": [{"step": "DEPLOYMENT", "argv": ["true"]}]}
        self.check("RequestDeployment", "...ddnd", environment="dev", **wanted)
        self.check("RequestDeployment", "...ddnd", "protected", environment="prod", **wanted)
        self.check("RequestDeployment", "...ddnd", "of a core", **wanted | {
            "project": CORE, "environment": "prod", "docroot": "d1", "type": "DRUPALDOCROOTCORE"})
        self.over()
        plan = self.plan("prod")
        self.check("GetDeploymentPlan", ".....nd", id=plan.deployment.id)
        self.over()

        def fresh(_):
            self.over()
            fresh.plan = self.plan("prod")
            return fresh.plan.deployment.id
        self.check("ApproveDeployment", "..d.dnd", id=fresh, plan_hash=lambda _: fresh.plan.plan_hash)
        self.check("AbortDeployment", "....dnd", id=fresh)
        done = self.done()
        self.check("RollbackDeployment", "...ddnd", id=done, validate_only=True)

    def done(self):
        """A deployment that is DONE, with a second version."""
        for version in ("2", "3"):
            self.over()
            plan = self.plan(version=version)
            _, claim = self.ask(self.clients["victim"], "ClaimDeployment", runner="r", projects=[SITE])
            held = {"id": claim.deployment.id, "fence": claim.fence}
            self.ask(self.clients["victim"], "StartCommand", number=1, **held)
            header, _ = self.ask(self.clients["victim"], "AppendLog", chunks=[
                {"command": 1, "attempt": 1, "stream": "stdout", "offset": 0, "bytes": b"x"}], **held)
            self.assertEqual(header.code, 0, header.message)
            self.ask(self.clients["victim"], "FinishCommand", number=1, attempt=1, exit_code=0, **held)
            header, _ = self.ask(self.clients["victim"], "FinishDeployment", outcome="DONE", **held)
            self.assertEqual(header.code, 0, header.message)
        return plan.deployment.id

    def test_reading_deployments(self):
        number = self.done()
        self.check("GetDeployment", ".....nd", id=number)
        self.check("GetDeploymentCommand", ".....nd", deployment=number, number=1)
        self.check("GetDeploymentCommandResult", ".....nd", deployment=number, command=1, attempt=1)
        self.check("GetDeploymentLog", ".....nd", deployment=number, offset=0)
        self.check("ReadLog", ".....nd", id=number)
        mine = [{"field": "deployment", "values": [str(number)]}]
        self.check("ListDeployments", "111110d", filters=[{"field": "id", "values": [str(number)]}])
        for plural in ("DeploymentCommands", "DeploymentCommandResults", "DeploymentLogs"):
            self.check("List" + plural, "111110d", filters=mine)
        event = int(self.an_event(number))
        self.check("GetEvent", ".....nd", position=event)
        self.check("ListEvents", "111110d", filters=[{"field": "position", "values": [str(event)]}])
        self.check("GetEventHead", ".....nd", project=SITE)
        self.check("ListEventHeads", "111110d")
        self.check("ReadEventPosition", "......d")
        self.check("RemoveOutput", "..dddnd", id=number)
        self.check("DeleteDeployment", ".ddddnd", id=number, validate_only=True)

    def test_reading_approvals(self):
        self.over()
        plan = self.plan("prod")
        approved = {"deployment": plan.deployment.id, "approver": "admin@x.org"}
        header, _ = self.ask(self.clients["admin"], "ApproveDeployment", id=plan.deployment.id, plan_hash=plan.plan_hash)
        self.assertEqual(header.code, 0, header.message)
        self.check("GetDeploymentApproval", ".....nd", **approved)
        self.check("ListDeploymentApprovals", "111110d", filters=[{"field": "deployment", "values": [str(plan.deployment.id)]}])

    def an_event(self, number):
        """Position of an event of that deployment, once the relay has numbered it."""
        return wait_for(lambda: self.system.sql(f"SELECT min(position) FROM deployment.event WHERE deployment = {number}")
                        [0][0], "the relay numbers the events")

    def test_runners(self):
        def fresh(_):
            self.over()
            self.plan()
            return [SITE]
        self.check("ClaimDeployment", "d.ddddd", runner="r", projects=fresh)
        held = {"id": lambda _: fresh_claim().deployment.id, "fence": lambda _: self.claim.fence}

        def fresh_claim():
            self.claim = self.claimed()
            return self.claim
        for method, fields in (("RenewLease", {}), ("StartCommand", {"number": 1}),
                               ("FinishCommand", {"number": 1, "attempt": 1, "exit_code": 0}), ("AppendLog", {"chunks": []}),
                               ("FinishDeployment", {"outcome": "DONE"})):
            self.check(method, "dddddnd", "of another's claim", **held, **fields)

    # --- Those who do not belong ---

    def test_strangers(self):
        """Whoever is inactive, or has a key that is revoked, expired or unknown, is refused in the
        handshake, before any call; who merely has no rights may ask whether all is well."""
        for name, key in self.strangers.items():
            for words in (["get", "website", "isover.fr"], ["status"]):
                done = self.system.cli(*words, env=self.system.env() | {"SITEWIRE_ENDPOINT": self.system.tcp,
                                                                        "SITEWIRE_KEY": key.path})
                self.assertEqual(done.returncode, UNAUTHENTICATED, f"{name} {words}: {done.stdout}{done.stderr}")
        self.assertEqual(self.clients["nobody"].health(), "SERVING")

    def test_zz_every_method_was_tried(self):
        """Nothing is offered that is not in a table above."""
        offered = {method.name for name, package in PACKAGES.items()
                   for method in package.DESCRIPTOR.services_by_name[name].methods}
        self.assertEqual(offered - self.tried, set())


if __name__ == "__main__":
    unittest.main()
