#!/usr/bin/env python3
"""`sitewire up` as root: the user that it becomes, who cannot harm root. And `up` as a user."""
import glob
import os
import pwd
import shutil
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import BIN, SITEWIRE, Process, children, clean_environment, make_folder, wait_for  # noqa: E402

CHANGE_USER = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def tree(pid):
    """A process and all below it: (name, pid)."""
    found = []
    for name, pids in children(pid).items():
        for child in pids:
            found += [(name, child)] + tree(child)
    return found


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
class UpUser(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = os.path.join(self.folder, "d")
        self.nobody = pwd.getpwnam("nobody")
        self.count = 0

    def up(self, *options, program=SITEWIRE, prefix=(), data=None):
        self.count += 1
        up = Process(self.folder, f"up-{self.count}", [*prefix, program, "up", "--data", data or self.data, *options],
                     clean_environment(), death="TERM")
        self.addCleanup(up.end)
        return up

    def ready(self, *options, **more):
        up = self.up(*options, **more)
        wait_for(lambda: "\nready " in "\n" + up.output() or not up.running(), "ready", 120)
        self.assertTrue(up.running(), up.output())
        return up

    def refused(self, says, *options, **more):
        up = self.up(*options, **more)
        self.assertNotEqual(up.popen.wait(120), 0)
        self.assertIn(says, up.output())
        self.assertNotIn("Traceback", up.output())

    def cli(self, *words):
        return subprocess.run(["sh", "-c", '. "$0/env"; exec "$@"', self.data, SITEWIRE, *words], capture_output=True, text=True,
                              check=False)

    def folder_of_nobody(self, path):
        os.mkdir(path)
        os.chown(path, self.nobody.pw_uid, self.nobody.pw_gid)
        return path

    def assert_owned(self, path, uid):
        for name in [path] + glob.glob(f"{path}/**", recursive=True):
            self.assertEqual(os.lstat(name).st_uid, uid, name)

    def assert_unprivileged(self, up, uid):
        """Every process: its user, its capabilities, no_new_privs, and who may look into it."""
        wait_for(lambda: "sitewire-runner" in children(up.pid), "the runner starts")
        found = [("sitewire", up.pid)] + tree(up.pid)
        self.assertGreater(len(found), 10)
        for name, pid in found:
            with self.subTest(name):
                about = status(pid)
                self.assertEqual(about["Uid"].split(), [str(uid)] * 4)
                self.assertNotIn("0", about["Groups"].split())
                self.assertEqual(about["NoNewPrivs"], "1")
                has = {kind: int(about[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
                runner = name == "sitewire-runner"
                self.assertEqual(has["CapEff"] | has["CapInh"] | has["CapAmb"], CHANGE_USER if runner else 0, has)
                self.assertEqual(has["CapPrm"], CHANGE_USER if runner or pid == up.pid else 0, has)
                if name == "postgres":
                    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                        self.assertRegex(file.read(), r"Max core file size +0 +0 ")
                else:  # the files of a process that is not dumpable belong to root
                    self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    def test_the_system_user(self):
        """In a folder of root's, root keeps the folder and what shells execute."""
        up = self.ready("--runner", f"{self.data}/docroots")
        uid = pwd.getpwnam("sitewire").pw_uid
        self.assertIn("event=\"running as another user\" user=sitewire", up.output())
        self.assert_unprivileged(up, uid)
        for name in ("", "env", "lock"):
            about = os.stat(f"{self.data}/{name}")
            self.assertEqual((about.st_uid, about.st_mode & 0o022), (0, 0), name)
        for name in ("keys", "run", "postgresql"):
            self.assert_owned(f"{self.data}/{name}", uid)
        self.assertIn("admin@localhost", self.cli("whoami").stdout)
        self.assertRegex(self.cli("secret", "new-key").stdout, "^[0-9]{4}-")  # as its owner
        self.assert_owned(f"{self.data}/keys", uid)
        keys = sorted(os.path.basename(path) for path in glob.glob(f"{self.data}/keys/*.key"))
        self.assertEqual(keys, [f"{name}.key" for name in ("broker", "deployment", "referential", "runner", "user")])
        for name, key in (("referential", "referential"), ("user", "user"), ("deployment", "deployment"), ("runner", "runner")):
            with open(f"/proc/{children(up.pid)[f'sitewire-{name}'[:15]][0]}/cmdline", "rb") as file:
                self.assertIn(f"--key\0{os.path.realpath(self.data)}/keys/{key}.key\0".encode(), file.read())
        self.assertEqual(up.end(), 0)

    def test_the_owner_of_the_folder(self):
        """In a folder of nobody's all runs as nobody, who gains nothing by what is put there."""
        self.folder_of_nobody(self.data)
        victim, place = os.path.join(self.folder, "victim"), os.path.join(self.folder, "place")
        with open(victim, "w", encoding="ascii") as file:
            file.write("precious")
        os.chmod(victim, 0o600)
        os.mkdir(place, 0o700)
        before = os.stat(place)
        for name, to in (("lock", victim), ("postgresql.log", victim), ("env.new", victim), ("keys", place), ("run", place),
                         ("postgresql.new", place)):
            path = os.path.join(self.data, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            os.symlink(to, path)
            os.chown(path, self.nobody.pw_uid, self.nobody.pw_gid, follow_symlinks=False)
            with self.subTest(name):
                up = self.up()
                wait_for(lambda up=up: "\nready " in "\n" + up.output() or not up.running(), "it runs, or refuses", 120)
                up.end()
                with open(victim, encoding="ascii") as file:
                    self.assertEqual(file.read(), "precious")
                self.assertEqual((os.stat(victim).st_uid, os.stat(place).st_uid), (0, 0))
                self.assertEqual((os.stat(place).st_mtime_ns, os.listdir(place)), (before.st_mtime_ns, []))
            if os.path.islink(path):
                os.unlink(path)
        up = self.ready("--runner", f"{self.data}/docroots", "--runner-user", "daemon")
        self.assert_unprivileged(up, self.nobody.pw_uid)
        self.assert_owned(self.data, self.nobody.pw_uid)
        self.assertEqual(up.end(), 0)
        self.refused("belongs to uid", "--user", "daemon")

    def test_a_folder_that_others_can_replace(self):
        """Whoever can write a folder above DATA, or a link on the way to it, could replace it."""
        theirs = self.folder_of_nobody(f"{self.folder}/theirs")
        link = f"{self.folder}/link"
        os.symlink(self.folder, link)
        os.chown(link, self.nobody.pw_uid, -1, follow_symlinks=False)
        os.mkdir(f"{theirs}/roots")
        os.mkdir(f"{self.folder}/open")
        os.chmod(f"{self.folder}/open", 0o777)
        self.refused("is a symbolic link that belongs to nobody", data=f"{link}/d")
        self.refused("is a symbolic link that belongs to nobody", data=link)
        self.refused("belongs to root, but a folder above it to nobody", data=f"{theirs}/roots")
        self.refused("other users can write", data=f"{self.folder}/open/d")
        self.refused("other users can write", data=f"{self.folder}/open")
        self.refused("do not run as root", "--user", "root")
        self.refused("there is no user", "--user", "no-such-user")
        os.mkdir(f"{self.folder}/run")
        self.refused("is not a folder of `sitewire up`", data=self.folder)
        self.assertEqual(os.stat(f"{self.folder}/run").st_uid, 0)
        drop = ("setpriv", "--reuid", "nobody", "--regid", str(self.nobody.pw_gid), "--clear-groups")
        self.refused("belongs to root", prefix=drop, data=f"{theirs}/roots")
        self.refused("only root can run a system as another user", "--user", "daemon", prefix=drop, data=f"{theirs}/d")

    def test_another_user_takes_over(self):
        """The data stays when another user is to run it. A file with two names is not given."""
        up = self.ready("--user", "nobody")
        self.assertEqual(self.cli("create", "website", "kept.example").returncode, 0)
        self.assertEqual(up.end(), 0)
        victim = os.path.join(self.folder, "victim")
        with open(victim, "w", encoding="ascii") as file:
            file.write("precious")
        os.link(victim, f"{self.data}/keys/more")
        self.refused("has a second name", "--user", "daemon")
        self.assertEqual(os.stat(victim).st_uid, 0)
        os.unlink(f"{self.data}/keys/more")
        os.symlink(victim, f"{self.data}/postgresql/link")
        up = self.ready("--user", "daemon")
        self.assertEqual(os.stat(victim).st_uid, 0)
        for name in ("keys", "run", "postgresql"):
            self.assert_owned(f"{self.data}/{name}", pwd.getpwnam("daemon").pw_uid)
        self.assertIn("kept.example", self.cli("list", "websites").stdout)
        self.assertEqual(up.end(), 0)

    def test_programs_that_only_root_reaches(self):
        """As in a clone below /root: root opens the programs for the user."""
        private = os.path.join(self.folder, "private")
        shutil.copytree(BIN, private)
        os.chmod(private, 0o700)
        config = os.path.join(self.folder, "config")
        with open(config, "w", encoding="ascii") as file:
            file.write("SITEWIRE_LOG_LEVEL=info\n")
        os.chmod(config, 0o600)
        self.refused("who cannot read --config", "--user", "nobody", "--config", config, program=f"{private}/sitewire")
        os.chmod(config, 0o644)
        up = self.ready("--user", "nobody", "--config", config, program=f"{private}/sitewire")
        self.assertIn("sitewire-broker", children(up.pid))
        self.assertEqual(up.end(), 0)

    def test_as_a_user(self):
        """Without root: as oneself, in a folder of one's own or one that is to be made."""
        home = self.folder_of_nobody(f"{self.folder}/home")
        drop = ("setpriv", "--reuid", "nobody", "--regid", str(self.nobody.pw_gid), "--clear-groups")
        up = self.ready("--runner", f"{home}/d/docroots", prefix=drop, data=f"{home}/d")
        found = [("sitewire", up.pid)] + tree(up.pid)
        for name, pid in found:
            about = status(pid)
            self.assertEqual((about["Uid"].split()[0], about["NoNewPrivs"]), (str(self.nobody.pw_uid), "1"), name)
        self.assert_owned(f"{home}/d", self.nobody.pw_uid)
        self.assertEqual(up.end(), 0)
        self.assertTrue(stat.S_ISDIR(os.stat(f"{home}/d/docroots").st_mode))


if __name__ == "__main__":
    unittest.main()
