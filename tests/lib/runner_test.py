"""What tests of sitewire-runner share: a docroot of its own for each test, with folders, and
runners as processes."""
import os
import pwd
import re

from deployment_test import DeploymentTest
from sitewire_test import wait_for

OVER = ("DONE", "FAILED", "ABORTED")


class RunnerTest(DeploymentTest):
    """Runners log in by a key of runner@x.org and serve the docroot of their test only."""
    count = 0
    program = ("sitewire-runner",)  # what starts one

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = os.path.join(cls.system.folder, "docroots")
        cls.key = cls.system.enroll("runner@x.org")

    def setUp(self):
        super().setUp()
        self.runners = []
        for environment in ("dev", "prod"):
            path = self.place(environment)
            os.makedirs(path)
            if os.geteuid() == 0:
                account = pwd.getpwnam("nobody")
                os.chown(path, account.pw_uid, account.pw_gid)

    def tearDown(self):
        for runner in self.runners:
            runner.popen.kill()
            runner.popen.wait()
            self.system.processes.pop(runner.name, None)

    def place(self, environment="dev"):
        return os.path.join(self.root, self.w, environment)

    def runner(self, *options, name=None, docroots=None):
        RunnerTest.count += 1
        who = ("--user", "nobody") if os.geteuid() == 0 else ()
        name = name or f"r{RunnerTest.count}"
        started = self.system.start(name, *self.program, "--endpoint", self.system.tcp, "--events",
                                    self.system.tcp_events, "--key", self.key.path, "--name", name, "--docroots",
                                    docroots or self.w, "--directory", self.root + "/{docroot}/{environment}", *who, *options)
        self.runners.append(started)
        return started

    def asked(self, *lines, **options):
        """The id of a deployment that runs these shell lines."""
        return self.request(commands=[{"shell": line} if isinstance(line, str) else line for line in lines], **options).deployment.id

    def over(self, number, seconds=60):
        """The deployment, once it is over."""
        return wait_for(lambda: (lambda d: d if d.status in OVER else None)(self.get(number)), f"the end of {number}", seconds)

    def running(self, number, words=b""):
        """Returns once the deployment has written this."""
        wait_for(lambda: words in self.output(number), f"{words} of {number}")

    def output(self, number, **options):
        return b"".join(item.bytes for item in self.call("ReadLog", id=number, limit=8 << 20, **options).items)

    def results(self, number):
        return self.call("ListDeploymentCommandResults", filters=[{"field": "deployment", "values": [str(number)]}],
                         page_size=1000).items

    def check(self, number):
        """What holds of every deployment that is over: nothing runs, results and events are
        whole."""
        d = self.get(number)
        self.assertIn(d.status, OVER)
        for result in self.results(number):
            self.assertTrue(result.HasField("finished_at"), result)
        if d.status == "DONE":
            self.assertEqual(self.deployed(d.environment), d.version)
        return d


def pids_that_say(word):
    """Processes whose command line holds the word."""
    found = []
    for pid in filter(re.compile("[0-9]+").fullmatch, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if word.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found
