#!/usr/bin/env python3
"""An entity that somebody adds in a hurry, with the real programs: nobody serves it until it is
registered, and once it is, a user with the role External can read it and nothing else."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import Failed, System, wait_for  # noqa: E402
from sitewire.referential.v1 import referential_pb2  # noqa: E402

PERMISSION_DENIED = 7
EXTERNAL = "external@x.org"
SERVICE = "referential-0"

# The registry as it is before the entity Registrar is added, and a table as one writes it down
# without a thought.
HASTY = """
    DROP TABLE referential.registrar CASCADE;
    DELETE FROM sitewire.resource WHERE name = 'Registrar';
    DELETE FROM users.rule WHERE resource = 'Registrar';
    CREATE TABLE referential.registrar (code text PRIMARY KEY, name text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
        revision bigint NOT NULL DEFAULT 1);
    GRANT SELECT, INSERT, UPDATE, DELETE ON referential.registrar TO sitewire_referential"""
REGISTRATION = "SELECT sitewire.keep_resource('referential.registrar', 'sitewire_referential', read => 'profile')"


class Guarded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System(broker_options=("--caller", EXTERNAL))
        cls.addClassCleanup(cls.system.stop)
        cls.system.sql(f"""INSERT INTO referential.website (code) VALUES ('w');
                           INSERT INTO users."user" (email) VALUES ('{EXTERNAL}');
                           INSERT INTO users.access_right VALUES ('website:w', '{EXTERNAL}', 'External')""")

    def restart(self):
        """The service as it is after a look at the schema as it is now."""
        self.assertEqual(self.system.processes[SERVICE].end(signal.SIGTERM), 0)
        os.truncate(self.system.processes[SERVICE].log, 0)
        self.system.start_service(SERVICE)
        return self.system.processes[SERVICE]

    def refused(self, *texts):
        process = self.restart()
        wait_for(lambda: all(text in process.output() for text in texts), f"the log says {texts}")
        client = self.system.client()
        wait_for(lambda: client.health("@" + SERVICE) == "NOT_SERVING", "the service does not serve")
        client.close()

    def served(self):
        self.restart()
        client = self.system.client()
        wait_for(lambda: client.health("@" + SERVICE) == "SERVING", "the service serves")
        client.close()

    def ask(self, method, **fields):
        client = self.system.client()
        try:
            request = getattr(referential_pb2, method + "Request")(**fields)
            _, reply = client.call("/sitewire.referential.v1.Referential/" + method, request, referential_pb2.Registrar)
            return reply
        finally:
            client.close()

    def denied(self, method, **fields):
        with self.assertRaises(Failed) as caught:
            self.ask(method, **fields)
        self.assertEqual(caught.exception.header.code, PERMISSION_DENIED)
        self.assertIn("only admins may", caught.exception.header.message)

    def test_entity(self):
        self.system.sql(HASTY)
        self.refused("not serving", "referential.registrar is not guarded: it lacks registration",
                     "sitewire.keep_resource('referential.registrar', ...)")
        self.system.sql(REGISTRATION)
        self.served()
        self.system.sql("INSERT INTO referential.registrar (code) VALUES ('there')")
        self.assertEqual(self.ask("GetRegistrar", code="there").revision, 1)
        self.denied("CreateRegistrar", registrar=referential_pb2.Registrar(code="mine"))
        self.denied("UpdateRegistrar", registrar=referential_pb2.Registrar(code="there", name="Mine"))
        self.denied("DeleteRegistrar", code="there")
        self.system.sql("UPDATE referential.registrar SET name = 'There'")
        self.assertEqual(self.system.sql("SELECT revision, updated_at > created_at FROM referential.registrar"), [["2", "t"]])
        self.assertEqual(self.system.sql("SELECT operation FROM users.change WHERE resource = 'Registrar' ORDER BY id"),
                         [["INSERT"], ["UPDATE"]])
        # What is taken away later is missed as well, and a migration puts it back.
        self.system.sql("DROP TRIGGER guard ON referential.registrar")
        self.refused("referential.registrar is not guarded: it lacks guard; run `sitewire migrate`")
        self.system.migrate()
        self.served()
        self.denied("DeleteRegistrar", code="there")

    def test_table_of_nobody(self):
        """A table that a service can change stops it, although no row of it is served."""
        self.system.sql("CREATE TABLE referential.hasty (code text); GRANT ALL ON referential.hasty TO sitewire_referential")
        self.refused("referential.hasty is not guarded: it lacks registration")
        self.system.sql("DROP TABLE referential.hasty")
        client = self.system.client()
        wait_for(lambda: client.health("@" + SERVICE) == "SERVING", "the service looks again by itself")
        client.close()


if __name__ == "__main__":
    unittest.main()
