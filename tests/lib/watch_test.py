"""What tests of events share: websites of each test's own, events of theirs, and `sitewire watch`
as a process."""
import json
import signal
import unittest

from sitewire_test import System, wait_for


class Watch:
    """A running `sitewire watch --json`."""

    def __init__(self, system, name, *words, env=None):
        self.system, self.name, self.env = system, name, env or {}
        self.process = system.start_cli(name, "watch", "--json", *words, env=self.env)

    def events(self):
        return [json.loads(line) for line in self.process.output().split("\n")[:-1] if line.startswith("{")]

    def wait(self, count, seconds=60):
        wait_for(lambda: self.process.output().count("\n") >= count, f"{count} events of {self.name}", seconds)
        return self.events()

    def end(self, number=signal.SIGINT):
        return self.process.end(number)


class WatchTest(unittest.TestCase):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.system = System(**cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def sql(self, text):
        return self.system.sql(text)

    def setUp(self):
        """Websites of each test's own, numbered."""
        self.name = self.id().rsplit(".", 1)[1].removeprefix("test_")
        self.projects = [f"website:{self.name}{i}" for i in range(3)]
        for project in self.projects:
            self.sql(f"INSERT INTO referential.website (code) VALUES ('{project[8:]}')")
        self.watches = []

    def tearDown(self):
        for watch in self.watches:
            if watch.process.running():
                watch.end(signal.SIGKILL)

    def emit(self, count, projects=None):
        """Events of the projects in turn, as the triggers write them, in one transaction."""
        projects = projects or self.projects
        self.sql(f"INSERT INTO deployment.outbox (project, deployment, kind, payload) SELECT ('{{{','.join(projects)}}}'::text[])"
                 f"[g % {len(projects)} + 1], 1, 'state', '{{\"status\":\"DONE\"}}' FROM generate_series(0, {count - 1}) g")

    def watch(self, *words, name=None, env=None):
        watch = Watch(self.system, name or f"watch-{self.name}-{len(self.watches)}", *words, env=env)
        self.watches.append(watch)
        return watch

    def mine(self):
        return [word for project in self.projects for word in ("--project", project)]

    def check(self, events, first=1):
        """Each once and in order, without a gap."""
        at = {}
        for event in events:
            self.assertEqual(event["project_sequence"], at.get(event["project"], first - 1) + 1, event)
            at[event["project"]] = event["project_sequence"]
        return at

    def deploy(self):
        """A deployment of the first project that is requested, accepted and aborted."""
        self.sql(f"""INSERT INTO referential.docroot (code) VALUES ('{self.name}') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.environment (code) VALUES ('dev') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.cms (code) VALUES ('drupal') ON CONFLICT DO NOTHING;
                     INSERT INTO referential.docroot_environment (docroot, environment, cms) VALUES ('{self.name}', 'dev', 'drupal')
                         ON CONFLICT DO NOTHING;
                     INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                         VALUES ('{self.projects[0][8:]}', '{self.name}', 'dev', '1') ON CONFLICT DO NOTHING""")
        done = self.system.cli("call", "Deployments/RequestDeployment", json.dumps(
            {"project": self.projects[0], "environment": "dev", "version": "2", "commands": [{"shell": "true"}]}))
        self.assertEqual(done.returncode, 0, done.stderr)
        number = json.loads(done.stdout)["deployment"]["id"]
        self.assertEqual(self.system.cli("call", "Deployments/AbortDeployment", json.dumps({"id": number})).returncode, 0)

    def settled(self):
        wait_for(lambda: not self.sql("SELECT 1 FROM deployment.outbox"), "the relay has numbered all")
