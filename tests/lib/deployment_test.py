"""What tests of deployments share: a system with people of several roles, a website for each test,
and short words for the calls."""
import os
import unittest

from sitewire_test import ADMIN, Failed, System, wait_for
from sitewire.deployment.v1 import deployment_pb2 as pb
from sitewire.rpc.v1 import rpc_pb2

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED = 3, 5, 7, 9, 10
METHODS = {name: getattr(pb, method.output_type.name, rpc_pb2.Empty) for name, method in
           pb.DESCRIPTOR.services_by_name["Deployments"].methods_by_name.items()}
ROLES = {"owner@x.org": "Owner", "other@x.org": "Owner", "ext@x.org": "External", "reader@x.org": "Reader",
         "runner@x.org": "Runner"}


class DeploymentTest(unittest.TestCase):
    @classmethod
    def make_system(cls, broker_options):
        return System(curve=True, broker_options=broker_options)

    @classmethod
    def setUpClass(cls):
        cls.system = cls.make_system(("--local-users", f"{os.getuid()}={ADMIN}"))
        cls.system.sql("""INSERT INTO users.role (code, permissions) VALUES ('Reader', '{read}');
                          INSERT INTO referential.environment (code, protected) VALUES ('dev', false), ('prod', true);
                          INSERT INTO referential.cms (code) VALUES ('drupal');
                          INSERT INTO referential.website (code) VALUES ('elsewhere')""")
        cls.clients = {ADMIN: cls.system.client()}
        for email in (*ROLES, "stranger@x.org"):
            cls.clients[email] = cls.system.client(key=cls.system.enroll(email))
        cls.system.sql("INSERT INTO users.access_right VALUES ('website:elsewhere', 'stranger@x.org', 'Owner')")

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients.values():
            client.close()
        cls.system.stop()

    def setUp(self):
        """A website of its own for each test, w, on dev and prod of the docroot w, version 1."""
        self.w = self.id().rsplit(".", 1)[1].removeprefix("test_")
        self.project = "website:" + self.w
        self.sql(f"""INSERT INTO referential.drupal_docroot_core (code) VALUES ('{self.w}');
                     INSERT INTO referential.docroot (code, drupal_docroot_core) VALUES ('{self.w}', '{self.w}');
                     INSERT INTO referential.website (code) VALUES ('{self.w}');
                     INSERT INTO referential.docroot_environment (docroot, environment, cms)
                         VALUES ('{self.w}', 'dev', 'drupal'), ('{self.w}', 'prod', 'drupal');
                     INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                         VALUES ('{self.w}', '{self.w}', 'dev', '1'), ('{self.w}', '{self.w}', 'prod', '1')""")
        for email, role in ROLES.items():
            self.sql(f"INSERT INTO users.access_right VALUES ('{self.project}', '{email}', '{role}')")
        self.sql(f"INSERT INTO users.access_right VALUES ('drupaldocrootcore:{self.w}', 'runner@x.org', 'Runner')")

    def sql(self, text):
        return self.system.sql(text)

    def call(self, method, by=ADMIN, request_id="", **fields):
        request = getattr(pb, method + "Request")(**fields)
        return self.clients[by].call(f"/sitewire.deployment.v1.Deployments/{method}", request, METHODS[method],
                                     request_id=request_id)[1]

    def refused(self, code, words, method, field=None, **options):
        with self.assertRaises(Failed) as failed:
            self.call(method, **options)
        header = failed.exception.header
        self.assertEqual(header.code, code, header.message)
        self.assertIn(words, header.message)
        if field is not None:
            self.assertEqual([d.field_violation.field for d in header.details if d.HasField("field_violation")], [field])

    def request(self, by=ADMIN, version="2", environment="dev", commands=(), **options):
        return self.call("RequestDeployment", by, project=options.pop("project", self.project), environment=environment,
                         version=version, commands=[pb.Command(**command) for command in commands], **options)

    def claim(self, by="runner@x.org", **options):
        options = {"runner": "r1", "docroots": [self.w]} | options
        return self.call("ClaimDeployment", by, **options)

    def get(self, number):
        return self.call("GetDeployment", id=number)

    def finish(self, claim, outcome="DONE", by="runner@x.org", failure=""):
        return self.call("FinishDeployment", by, id=claim.deployment.id, fence=claim.fence, outcome=outcome, failure=failure)

    def attempt(self, claim, number, by="runner@x.org", **how):
        """Starts a command and finishes it; the result."""
        held = {"id": claim.deployment.id, "fence": claim.fence, "number": number}
        begun = self.call("StartCommand", by, **held)
        return self.call("FinishCommand", by, **held, attempt=begun.attempt, **(how or {"exit_code": 0}))

    def deploy(self, **options):
        """A deployment from request to DONE; its id."""
        self.request(**options)
        claim = self.claim()
        for command in claim.commands:
            self.attempt(claim, command.number)
        self.assertEqual(self.finish(claim).status, "DONE")
        return claim.deployment.id

    def expire(self, number):
        """Its lease is over, and the service has seen it."""
        self.sql(f"ALTER TABLE deployment.deployment DISABLE TRIGGER state; UPDATE deployment.deployment SET lease_until = "
                 f"now() - interval '1 s' WHERE id = {number}; ALTER TABLE deployment.deployment ENABLE TRIGGER state")
        wait_for(lambda: self.get(number).status != "IN_PROGRESS", "the sweep")
        return self.get(number)

    def deployed(self, environment="dev"):
        return self.sql(f"SELECT website_version FROM referential.website_deployed WHERE (website, docroot, environment) = "
                        f"('{self.w}', '{self.w}', '{environment}')")[0][0]
