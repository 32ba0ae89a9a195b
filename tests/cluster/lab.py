"""A network of hosts in one process tree: each host has its own network, name, /etc, /run and
folders of PostgreSQL, etcd and logs. All of them are on one switch, where the tests stand, too.

    @lab.needs_lab                        # skipped, with the reason, where this is not permitted
    class Failover(unittest.TestCase):
        lab.Lab({"db1": ["db1"], "app1": ["app1"]})
    if __name__ == "__main__":
        lab.main()                        # runs the file again in namespaces of its own

`main` puts the whole run into new namespaces for network, mounts and processes, so nothing of it
has a name outside. Several runs go on side by side, and when the run ends or is killed, the kernel
removes everything: processes, networks, rules of iptables, mounts and the files, which are in
memory.
"""
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from sitewire_test import BIN, ROOT, wait_for  # noqa: E402

INSIDE = "SITEWIRE_LAB"  # set in a run that has its namespaces
AREA = "/mnt"  # exists everywhere; the run mounts a file system in memory over it
TOOLS = os.path.join(AREA, "tools")  # mounted on /usr/local/bin: programs of this build, and stand-ins
NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
              "--mount-proc"]
NETWORK = "10.77.0"
HOME = "/root"
# Folders that each host has for itself.
OWN = ("/etc", "/run", "/var/lib", "/var/log", "/srv", "/root", "/home")


def missing_programs(*programs):
    return [program for program in programs if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]


def why_not():
    """Why there can be no lab here; empty if there can."""
    if os.geteuid() != 0:
        return "namespaces of network and mounts need root"
    missing = missing_programs("ip", "iptables", "nsenter", "unshare", "runuser", "pg_createcluster")
    if missing:
        return "not installed: " + ", ".join(missing)
    probe = ("mount -t tmpfs none /mnt && ip link add swt0 type bridge && ip link add swt1 type veth peer name swt2 && "
             "iptables -A INPUT -m statistic --mode random --probability 0.5 -j ACCEPT")
    done = subprocess.run([*NAMESPACES, "sh", "-c", probe], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "namespaces are not permitted: " + (done.stderr.strip() or "no reason given")


def needs_lab(test_class):
    """Decorates a test class: skipped where there can be no lab."""
    reason = "" if os.environ.get(INSIDE) else why_not()
    return unittest.skipIf(reason, reason)(test_class)


def main():
    """Runs the tests of the file that calls this, in namespaces of their own if that is
    possible."""
    if os.environ.get(INSIDE) or why_not():
        unittest.main()
    os.environ[INSIDE] = "1"
    # The shell is the first process of its kind there: it waits for whatever loses its parent.
    os.execvp("unshare", [*NAMESPACES, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, *sys.argv])


def run(*command, **options):
    """Runs a command of the switch; fails with what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Host:
    """One host. Its first process holds the namespaces."""

    def __init__(self, lab, name, number):
        self.lab, self.name, self.address = lab, name, f"{NETWORK}.{10 + number}"
        self.link = f"swt-{name}"[:15]
        self.area = os.path.join(AREA, name)
        for folder in OWN:
            os.makedirs(self.path(folder))
        shutil.copytree("/etc", self.path("/etc"), symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("postgresql"))
        self.prepare_files()
        with open(self.path("/address"), "w", encoding="ascii") as file:  # for the stand-in of scp
            file.write(self.address)
        binds = "".join(f"mount --bind {self.path(folder)} {folder}\n" for folder in OWN)
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "--ipc", "--uts", "sh", "-ec",
             f"{binds} hostname {name}\n ip link set lo up\n echo >{self.area}/ready\n exec sleep infinity"],
            stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(f"{self.area}/ready"), f"the namespaces of {name}")
        self.connect()

    def path(self, path):
        """Where the tests find a file of the host."""
        return self.area + path

    def prepare_files(self):
        for folder in ("/etc/postgresql", "/etc/sitewire", "/var/log/postgresql"):
            shutil.rmtree(self.path(folder), ignore_errors=True)
        for folder, user in (("/etc/postgresql", "postgres"), ("/var/lib/postgresql", "postgres"),
                             ("/var/log/postgresql", "postgres"), ("/run/postgresql", "postgres"),
                             ("/var/lib/etcd", "etcd")):
            os.makedirs(self.path(folder), exist_ok=True)
            try:
                shutil.chown(self.path(folder), user, user)
            except LookupError:  # only some tests need etcd
                pass
        os.chmod(self.path("/root"), 0o700)
        for name in ("passwd", "shadow", "group", "gshadow"):  # `sitewire up` may have made this user here
            run("sed", "-i", "/^sitewire:/d", self.path(f"/etc/{name}"))

    def connect(self):
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", self.link, "master", "switch", "up")
        self.sh(f"ip address add {self.address}/24 dev eth0 && ip link set eth0 up")

    def command(self, *words):
        """The words as a command on this host."""
        return ["nsenter", "-t", str(self.holder.pid), "--net", "--mount", "--ipc", "--uts", "--", *words]

    def env(self):
        return {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": HOME, "LC_ALL": "C.UTF-8",
                "NO_COLOR": "1", "SITEWIRE_LAB_AREA": AREA}

    def try_sh(self, script, timeout=300, **env):
        """Runs a shell script as root; a CompletedProcess with text."""
        return subprocess.run(self.command("bash", "-l", "-e", "-o", "pipefail", "-c", script), env=self.env() | env, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)

    def sh(self, script, timeout=300, **env):
        """What the script prints; fails if the script does."""
        done = self.try_sh(script, timeout, **env)
        if done.returncode != 0:
            raise AssertionError(f"{self.name}: {script}\n{done.stdout}{done.stderr}")
        return done.stdout

    # What happens to networks.

    def cut(self):
        """As if its cable or its power were gone: nothing is sent any more, not even a FIN."""
        run("ip", "link", "set", self.link, "down")

    def mend(self):
        run("ip", "link", "set", self.link, "up")
        for other in self.lab.hosts.values():
            other.try_sh("ip neigh flush all")

    def drop_from(self, *others):
        """One way: what the others send never arrives here; what this host sends does."""
        for other in others:
            self.sh(f"iptables -A INPUT -s {other.address} -j DROP")

    def lose(self, share):
        """Loses this share of all packets that arrive."""
        self.sh(f"iptables -A INPUT -m statistic --mode random --probability {share} -j DROP")

    def stop_dropping(self):
        self.sh("iptables -F INPUT")


class Lab:
    """hosts: for each host, the names by which the others know it. One at a time."""

    def __init__(self, hosts):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "lab", AREA)
        self.hosts, self.by_name = {}, {}
        self.install()
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", "switch")
        run("ip", "link", "set", "switch", "up")
        for number, (name, names) in enumerate(hosts.items()):
            self.hosts[name] = Host(self, name, number)
            self.by_name |= dict.fromkeys([name, *names], self.hosts[name])
        for host in self.hosts.values():
            with open(host.path("/etc/hosts"), "w", encoding="ascii") as file:
                file.write("127.0.0.1 localhost\n")
                file.writelines(f"{other.address} {name}\n" for name, other in self.by_name.items())

    @staticmethod
    def install():
        """The programs, and what stands in for systemctl and scp, come before all others."""
        os.mkdir(TOOLS)
        stand_ins = os.path.join(ROOT, "tests", "cluster", "bin")
        for folder in (BIN, stand_ins):
            for name in os.listdir(folder):
                shutil.copy(os.path.join(folder, name), TOOLS)
        run("mount", "--bind", TOOLS, "/usr/local/bin")

    def host(self, name):
        return self.by_name[name]

    def hosts_of(self, names):
        """The hosts with these names, each once."""
        return list({self.by_name[name].name: self.by_name[name] for name in names}.values())

    def logs(self, lines=12):
        """The ends of all logs, for a failure; without calls that were slow."""
        text = []
        for host in self.hosts.values():
            for folder, _, names in os.walk(host.path("/var/log")):
                for name in (name for name in sorted(names) if name.endswith(".log")):
                    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                        kept = [line[:400] for line in file if "slow call" not in line]
                    text.append(f"--- {host.name} {name}\n" + "\n".join(line.rstrip() for line in kept[-lines:]))
        return "\n".join(text)


def now_ms():
    return int(time.monotonic() * 1000)
