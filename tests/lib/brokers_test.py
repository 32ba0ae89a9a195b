"""Two brokers with the same services, and a TCP load balancer (HAProxy) before them."""
import os
import re
import shutil
import unittest

from sitewire_test import LOCAL_SERVICES, ROOT, Process, System, free_port, wait_for


class TwoBrokers(System):
    """A System whose second process of the broker is `broker-b`; services connect to both. CURVE on
    tcp; both have the same key."""

    def __init__(self, **options):
        self.tcp_b, self.tcp_events_b = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        # PostgreSQL takes 100 connections, and two processes of each service may run.
        lanes = ("--read-lanes", "1", "--list-lanes", "2", "--write-lanes", "3")
        super().__init__(curve=True, service_options=lanes, **options)
        self.both, self.both_tcp = f"{self.ipc},{self.ipc_b}", f"{self.tcp},{self.tcp_b}"
        try:
            self.wait_for_services(self.ipc_b)
        except BaseException:
            self.stop()
            raise

    def __getattr__(self, name):
        """The second broker's endpoints in the folder: ipc_b, backend_b, events_b, publish_b."""
        if name in ("ipc_b", "backend_b", "events_b", "publish_b"):
            return getattr(self, name[:-2]) + "-b"
        raise AttributeError(name)

    def env(self):
        return super().env() | {"SITEWIRE_PUBLISH": f"{self.publish},{self.publish_b}"}

    def start_broker(self, name="broker"):
        if name == "broker":
            if "broker-b" not in self.processes:
                self.start_broker("broker-b")
            return super().start_broker()
        return self.start(name, "sitewire-broker", "--frontend", f"{self.ipc_b},{self.tcp_b}", "--backend", self.backend_b,
                          "--events", f"{self.events_b},{self.tcp_events_b}", "--publish", self.publish_b, "--key",
                          self.broker_key.path, *self.caller, *LOCAL_SERVICES, *self.broker_options)

    def start_service(self, instance, backend=None):
        return super().start_service(instance, backend or f"{self.backend},{self.backend_b}")

    def wait_for_services(self, endpoint):
        client = self.client(endpoint)
        wait_for(lambda: all(client.health(service) == "SERVING" for service in self.SERVICES), f"services at {endpoint}", 120)
        client.close()

    def kill_services(self):
        for name in [name for name in self.processes if name.startswith(("referential-", "user-", "deployment-"))]:
            self.kill(name)

    def start_services(self, backend=None):
        for name in ("referential-0", "user-0", "deployment-0"):
            self.start_service(name, backend)


class Balancer(Process):
    """HAProxy before brokers, configured as docs/brokers.md says, with endpoints of the tests in
    place of those there: `endpoints` maps `:7601` and `broker1:7601` to ours."""

    def __init__(self, folder, endpoints, more=""):
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if program is None:
            raise unittest.SkipTest("haproxy is not installed")
        with open(os.path.join(ROOT, "docs", "brokers.md"), encoding="utf-8") as page:
            text = page.read().partition("```\n# haproxy.cfg\n")[2].partition("```")[0] + more
        for documented, endpoint in endpoints.items():
            text = re.sub(r"(?<=\s)" + documented + r"(?=\s)", endpoint.removeprefix("tcp://"), text)
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        super().__init__(folder, "haproxy", [program, "-db", "-f", path])
