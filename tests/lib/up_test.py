"""`sitewire up` as a process of a test, with its settings and the programs that it started."""
import os
import signal
import subprocess

from sitewire_test import SITEWIRE, Client, Process, children, clean_environment, wait_for

SERVICE = "sitewire.referential.v1.Referential"


class Up(Process):
    """One `sitewire up`, ready unless `wait` is off. `env` is added to a clean environment. Its log
    is `name` in `folder`: another one in the same folder needs another name."""

    def __init__(self, folder, *options, name="up", data=None, env=None, wait=True):
        self.data = data or os.path.join(folder, "d")
        super().__init__(folder, name, [SITEWIRE, "up", "--data", self.data, *options],
                         clean_environment() | (env or {}), death="TERM")
        if wait:
            wait_for(lambda: self.ready() or not self.running(), "sitewire up is ready", 120)
            if not self.ready():
                raise AssertionError("sitewire up is not ready:\n" + self.output())

    def ready(self):
        """The line that it prints when all is served; empty before that."""
        return next((line for line in self.output().splitlines() if line.startswith("ready ")), "")

    def env(self):
        """The environment of a shell that has read DATA/env."""
        shell = subprocess.run(["sh", "-c", '. "$1" && env -0', "sh", f"{self.data}/env"], check=True,
                               capture_output=True, text=True, env=clean_environment())
        return dict(pair.split("=", 1) for pair in shell.stdout.split("\0") if pair)

    def setting(self, name):
        return self.env()[name]

    def child(self, name):
        """The pid of one of its programs; waits until it runs."""
        return wait_for(lambda: children(self.pid).get(name[:15]), f"{name} runs")[0]

    def postmaster(self):
        return self.child("postgres")

    def wait_serving(self):
        client = Client(self.setting("SITEWIRE_ENDPOINT").split(",")[0])
        try:
            wait_for(lambda: client.health(SERVICE) == "SERVING", "it serves\n" + self.output())
        finally:
            client.close()

    def end(self, number=signal.SIGTERM, seconds=60):
        return super().end(number, seconds)
