"""Load that checks itself while a test breaks things: websites that are created, updated and read,
deployments, and watchers. `finish` fails if anything acknowledged is lost, anything took effect
twice, or anything is stuck."""
import itertools
import os
import threading

from centre import ENDPOINTS
from deployment_checks import DeploymentChecks
from lab import AREA, HOME, wait_for
from load_test import FaultLoad
from sitewire_test import Client, Failed, Process

from sitewire.deployment.v1 import deployment_pb2 as pb

OVER = ("DONE", "FAILED", "ABORTED")
AGAIN = (4, 8, 14, 16)  # DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED: ask again
DOCROOTS, WAITING = 4, 8
KEY = f"{HOME}/.config/sitewire/key"  # on the desk
COMMANDS = ("echo one; sleep 0.1", "seq 2000")
numbers = itertools.count(1)


class Requests(threading.Thread):
    """Requests deployments, some at a time, until `over` is set. Each request is repeated with its
    request_id until it is answered."""

    def __init__(self, centre, name):
        super().__init__(daemon=True)
        self.centre, self.name, self.over, self.asked, self.failed = centre, name, threading.Event(), {}, None
        self.docroots = [f"{name}-{n}" for n in range(DOCROOTS)]
        self.endpoints = itertools.cycle(f"tcp://{centre.host(broker).address}:7601" for broker in ("broker1", "broker2"))
        self.client = Client(next(self.endpoints), centre.key())
        for docroot in self.docroots:
            centre.sql(f"""INSERT INTO referential.website (code) VALUES ('{docroot}');
                           INSERT INTO referential.docroot (code) VALUES ('{docroot}');
                           INSERT INTO referential.environment (code) VALUES ('dev') ON CONFLICT DO NOTHING;
                           INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('{docroot}', 'dev');
                           INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                               VALUES ('{docroot}', '{docroot}', 'dev', '0')""")
        for host in centre.hosts_of(("web1", "web2")):
            host.sh(f"install -d -o sitewire /srv/{name}-{{0..{DOCROOTS - 1}}} /srv/{name}-{{0..{DOCROOTS - 1}}}/dev")

    def call(self, method, request, reply, request_id=""):
        """Until it is answered, at this broker or another."""
        for _ in range(60):
            try:
                return self.client.call(f"/sitewire.deployment.v1.Deployments/{method}", request, reply, seconds=5, patience=1,
                                        request_id=request_id)[1]
            except (Failed, AssertionError) as failed:
                if isinstance(failed, Failed) and failed.header.code not in AGAIN:
                    raise
                self.client.endpoint = next(self.endpoints)
                self.client.connect()
                self.over.wait(0.2)
        raise AssertionError(f"{method}: no answer in 60 tries")

    def run(self):
        try:
            for number in itertools.count():
                while len(self.asked) - self.count_over() >= WAITING:
                    if self.over.wait(0.5):
                        return
                if self.over.is_set():
                    return
                self.ask(number)
        except (Failed, AssertionError) as failed:
            self.failed = failed

    def end(self):
        self.over.set()
        self.join(120)
        self.client.close()

    def ask(self, number):
        docroot = self.docroots[number % DOCROOTS]
        request = pb.RequestDeploymentRequest(
            project="website:" + docroot, environment="dev", docroot=docroot, version=f"v{number}", on_lost_lease="RETRY",
            commands=[pb.Command(shell=line) for line in COMMANDS])
        plan = self.call("RequestDeployment", request, pb.DeploymentPlan, f"{self.name}-request-{number}")
        self.asked[plan.deployment.id] = (docroot, f"v{number}")

    def count_over(self):
        """How many of those that were asked for are over."""
        request = pb.ListDeploymentsRequest(page_size=1, show_total_size=True)
        request.filters.add(field="status", op="in", values=OVER)
        request.filters.add(field="project", op="in", values=["website:" + docroot for docroot in self.docroots])
        return self.call("ListDeployments", request, pb.ListDeploymentsResponse).total_size


class Load(DeploymentChecks):
    """Two clients that write, two watchers, and deployments on the runners. A test gives itself,
    for its assertions."""

    def __init__(self, test, slots=4, timeout_ms=10000, endpoints=ENDPOINTS["SITEWIRE_ENDPOINT"]):
        self.centre, self.sql, self.assertEqual = test.centre, test.centre.sql, test.assertEqual
        self.name = f"load{next(numbers)}"
        desk = self.centre.host("desk")
        env = ENDPOINTS | {"SITEWIRE_KEY": KEY, "HOME": HOME}
        self.writers = [FaultLoad(AREA, endpoints, f"{self.name}-{n}", slots, timeout_ms,
                                  KEY, desk.command()) for n in range(2)]
        self.watchers = [Process(AREA, f"{self.name}-watch-{n}", desk.command("sitewire", "watch", "--after", "0", "--json"),
                                 os.environ | env) for n in range(2)]
        for each in (*self.writers, *self.watchers):
            test.addCleanup(end, each)
        self.requests = Requests(self.centre, self.name)
        self.requests.start()
        test.addCleanup(self.requests.end)

    def progress(self, writes=200):
        for each in self.writers:
            each.wait_for_progress(writes)

    def gaps(self):
        return [gap for each in self.writers for gap in each.gaps()]

    def finish(self):
        """Ends it, checks everything, and returns the accounts of the writers."""
        accounts = [each.finish() for each in self.writers]
        totals = {key: sum(each[key] for each in accounts) for key in accounts[0]}
        complaints = "".join(each.complaints() for each in self.writers)
        for account in ("lost", "doubled", "wrong", "late"):
            self.assertEqual(totals[account], 0, f"{account}: {totals}\n{complaints}")
        self.assertEqual(totals["verified"], totals["slots"], complaints)
        self.check_history()
        self.check_deployments()
        for each in self.watchers:
            self.check_events(each)
            self.assertEqual(each.running(), True, each.output()[-2000:])
        self.check_chain()
        return totals

    def check_history(self):
        """Each revision of each row is in history, once."""
        self.assertEqual(self.sql(f"""SELECT w.code, w.revision, count(c.id) FROM referential.website w LEFT JOIN users.change c
            ON c.resource = 'Website' AND c.key = w.code WHERE w.code LIKE '{self.name}-%'
            GROUP BY w.code HAVING count(c.id) <> w.revision"""), [])

    def check_deployments(self):
        """All that were asked for are there once, and end; nothing else was made."""
        requests = self.requests
        requests.end()
        self.assertEqual((requests.is_alive(), requests.failed), (False, None))
        mine = f"FROM deployment.deployment WHERE project LIKE 'website:{self.name}-%'"
        wait_for(lambda: not self.sql(f"SELECT 1 {mine} AND status NOT IN ('DONE', 'FAILED', 'ABORTED')"), "all deployments end", 300)
        rows = {int(row[0]): (row[1], row[2]) for row in self.sql(f"SELECT id, docroot, version {mine}")}
        self.assertEqual(rows, requests.asked)
        self.assertEqual(self.sql(f"SELECT id, status, failure {mine} AND status <> 'DONE'"), [])
        self.check_in_order()
        self.check_registry(requests.docroots, "0")
        self.check_output_whole()

    def check_chain(self):
        """All changes are sealed, and the chain of history is whole."""
        wait_for(lambda: self.sql("""SELECT 1 WHERE (SELECT max(id) FROM users.change) = (SELECT max(change) FROM users.seal)"""),
                 "all changes are sealed", 300)
        self.centre.host(self.centre.primary).sh("cd / && runuser -u postgres -- sitewire audit verify --database dbname=sitewire",
                                                   timeout=600)


def end(process):
    process.popen.kill()
    process.popen.wait()
