#!/usr/bin/env python3
"""sitewire-runner: commands, their surroundings, their output, their end."""
import os
import pwd
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from runner_test import RunnerTest, pids_that_say  # noqa: E402
from sitewire_test import BIN, wait_for  # noqa: E402
import subprocess  # noqa: E402


def peak_memory(pid):
    """KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])


class Runner(RunnerTest):
    def test_commands_in_order(self):
        self.runner()
        number = self.asked({"shell": "echo third", "step": "POST"}, {"argv": ["echo", "second", "$HOME"]},
                            {"shell": "echo first; echo oops >&2", "step": "PREDEPLOYMENT"})
        d = self.over(number)
        self.assertEqual((d.status, d.failure, self.deployed()), ("DONE", "", "2"))
        self.assertEqual(self.output(number).replace(b"oops\n", b""), b"first\nsecond $HOME\nthird\n")
        results = self.results(number)
        self.assertEqual([(r.command, r.attempt, r.exit_code, r.stdout_bytes) for r in results],
                         [(1, 1, 0, 6), (2, 1, 0, 13), (3, 1, 0, 6)])
        self.assertEqual(results[0].stderr_bytes, 5)
        streams = {item.stream: item.bytes for item in self.call("ReadLog", id=number, command=1).items}
        self.assertEqual(streams, {"stdout": b"first\n", "stderr": b"oops\n"})
        self.check(number)

    def test_surroundings(self):
        runner = self.runner()
        self.sql(f"UPDATE referential.website SET home_directory = 'x-y' WHERE code = '{self.w}'")
        number = self.asked("pwd; id -un; env | sort; grep -c . /proc/self/status >/dev/null; ls -l /proc/self/fd | wc -l; cat; "
                            "grep NoNewPrivs /proc/self/status", {"shell": "echo $SITEWIRE_STEP $SITEWIRE_COMMAND $SITEWIRE_ATTEMPT",
                                                                   "step": "POST"}, version="2.0")
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        lines = self.output(number).decode().splitlines()
        self.assertEqual(lines[0], self.place())
        self.assertEqual(lines[1], "nobody" if os.geteuid() == 0 else subprocess.check_output(["id", "-un"], text=True).strip())
        facts = dict(line.split("=", 1) for line in lines[2:] if "=" in line)
        self.assertEqual({name: facts.get("SITEWIRE_" + name) for name in
                          ("PROJECT", "DOCROOT", "ENVIRONMENT", "VERSION", "PREVIOUS_VERSION", "HOME_DIRECTORY", "RUNNER")},
                         {"PROJECT": self.project, "DOCROOT": self.w, "ENVIRONMENT": "dev", "VERSION": "2.0",
                          "PREVIOUS_VERSION": "1", "HOME_DIRECTORY": "x-y", "RUNNER": runner.name})
        self.assertNotIn("SITEWIRE_KEY", facts)
        self.assertNotIn("SITEWIRE_DATABASE", facts)
        self.assertNotIn("PGHOST", facts)
        self.assertIn("NoNewPrivs:\t1", lines)
        self.assertEqual(lines[-1], "POST 2 1")

    def test_failures(self):
        self.runner("--grace-ms", "200")
        cases = (({"shell": "exit 3"}, "command 1 of DEPLOYMENT exited with 3"),
                 ({"argv": ["/no/such"]}, "could not be started: cannot run /no/such: No such file"),
                 ({"shell": "kill -SEGV $$"}, "was ended by signal 11 (Segmentation fault)"),
                 ({"shell": "sleep 1000", "timeout_s": 1}, "was ended after 1 s, its timeout"),
                 ({"shell": "trap '' TERM; while :; do sleep 0.1; done", "timeout_s": 1}, "its timeout"))
        for command, words in cases:
            with self.subTest(command=command):
                number = self.asked(command, "echo never")
                d = self.over(number)
                self.assertEqual(d.status, "FAILED")
                self.assertIn(words, d.failure)
                self.assertEqual(len(self.results(number)), 1)
                self.assertEqual(self.output(number), b"")
                self.check(number)
        self.assertEqual(self.deployed(), "1")

    def test_retries_and_going_on(self):
        self.runner()
        number = self.asked({"shell": "echo try $SITEWIRE_ATTEMPT; test $SITEWIRE_ATTEMPT = 3", "retries": 2},
                            {"shell": "exit 9", "retries": 1, "continue_on_failure": True}, "echo on")
        self.assertEqual(self.over(number).status, "DONE")
        self.assertEqual(self.output(number), b"try 1\ntry 2\ntry 3\non\n")
        self.assertEqual([(r.command, r.attempt, r.exit_code) for r in self.results(number)],
                         [(1, 1, 1), (1, 2, 1), (1, 3, 0), (2, 1, 9), (2, 2, 9), (3, 1, 0)])

    def test_nothing_to_run(self):
        self.runner()
        self.assertEqual(self.over(self.asked()).status, "DONE")
        self.assertEqual(self.deployed(), "2")

    def test_no_such_directory(self):
        self.runner()
        os.rename(self.place(), self.place() + ".gone")
        d = self.over(self.asked("true"))
        self.assertEqual(d.status, "FAILED")
        self.assertIn("cannot enter " + self.place(), d.failure)

    def test_binary_output(self):
        self.runner()
        number = self.asked("printf '\\000\\377\\200\\n\\033[31m'; head -c 3000000 /dev/zero; printf end")
        self.assertEqual(self.over(number).status, "DONE")
        self.assertEqual(self.output(number), b"\x00\xff\x80\n\x1b[31m" + bytes(3000000) + b"end")

    def test_secrets(self):
        path = os.path.join(self.system.folder, "runner-secrets")
        with open(path, "w", encoding="utf-8") as file:
            file.write('DB_PASSWORD = "correct horse"\n')
        os.chmod(path, 0o600)
        self.runner("--secrets", path)
        line = "echo the password is $DB_PASSWORD; printf 'correct '; sleep 0.1; printf horse; echo; printf 'correct h'"
        number = self.asked(line)
        self.assertEqual(self.over(number).status, "DONE")
        self.assertEqual(self.output(number), b"the password is ***\n***\ncorrect h")
        with open(path, "w", encoding="utf-8") as file:  # read anew for each deployment
            file.write('DB_PASSWORD = "battery staple"\n')
        number = self.asked("echo $DB_PASSWORD; test \"$DB_PASSWORD\" = 'battery staple'")
        self.assertEqual((self.over(number).status, self.output(number)), ("DONE", b"***\n"))
        os.chmod(path, 0o644)
        d = self.over(self.asked("true"))
        self.assertEqual(d.status, "FAILED")
        self.assertIn("mode 0644", d.failure)

    def test_limits(self):
        self.runner("--output-max", "1000", "--deployment-output-max", "1500")
        number = self.asked("head -c 900000 /dev/zero; head -c 500 /dev/zero >&2", "head -c 900 /dev/zero", "head -c 10 /dev/zero")
        self.assertEqual(self.over(number).status, "DONE")
        self.assertEqual([(r.stdout_bytes, r.stderr_bytes, r.truncated) for r in self.results(number)],
                         [(900000, 500, True), (900, 0, True), (10, 0, True)])
        self.assertEqual([len(self.output(number, command=n)) for n in (1, 2, 3)], [1000, 500, 0])

    def test_output_that_somebody_else_holds_open(self):
        """A pipe whose end never comes, as a daemon that a command has reached may have it."""
        self.runner()
        number = self.asked("echo $$; while ! test -e go; do sleep 0.01; done; echo end", "echo second")
        self.running(number, b"\n")
        with open(f"/proc/{int(self.output(number))}/fd/1", "wb"):
            with open(os.path.join(self.place(), "go"), "wb"):
                pass
            self.assertEqual(self.over(number, 20).status, "DONE")
        self.assertEqual(self.output(number).split()[1:], [b"end", b"second"])

    def test_a_gigabyte(self):
        """Neither stalls the runner nor fills a process's memory; what is left out is counted."""
        runner = self.runner("--output-max", "24M", "--jobs", "2")
        service = self.system.processes["deployment-0"]
        before = peak_memory(service.pid)
        number = self.asked("head -c 1000000000 /dev/zero; head -c 30000000 /dev/zero | tr '\\000' e >&2; echo end", "echo second")
        self.assertEqual(self.over(number, 120).status, "DONE", runner.output())
        self.assertEqual([(r.stdout_bytes, r.stderr_bytes, r.truncated) for r in self.results(number)],
                         [(1000000004, 30000000, True), (7, 0, False)])
        self.assertEqual(sum(int(row[0]) for row in self.sql(f"SELECT octet_length(bytes) FROM deployment.deployment_log WHERE deployment = {number}")),
                         (24 << 20) + 7)
        if "ASAN_OPTIONS" in os.environ:  # which keeps what is freed
            return
        self.assertLess(peak_memory(runner.pid), 32 << 10)
        self.assertLess(peak_memory(service.pid), before + (48 << 10))

    def test_abort(self):
        runner = self.runner("--grace-ms", "300")
        cases = ("echo up; trap 'echo told; exit 0' TERM; while :; do sleep 0.05; done",  # ends when asked
                 "echo up; trap '' TERM; while :; do sleep 0.05; done",  # is killed
                 f"setsid sh -c 'trap \"\" TERM HUP; exec -a {self.w}-away sleep 1000' & echo up; sleep 1000")
        for line in cases:
            with self.subTest(line=line):
                number = self.asked({"argv": ["/bin/bash", "-c", line]}, "echo never")
                self.running(number, b"up\n")
                self.call("AbortDeployment", id=number, reason="wrong version")
                d = self.over(number)
                self.assertEqual((d.status, d.failure), ("ABORTED", "aborted by admin@localhost: wrong version"), runner.output())
                self.assertEqual(len(self.results(number)), 1)
                self.assertNotIn(b"never", self.output(number))
                wait_for(lambda: not pids_that_say(self.w + "-away"), "the end of what forked away")
                self.check(number)
        self.assertEqual(self.deployed(), "1")

    def test_several_at_once(self):
        """One at a time for each docroot environment, several at once over all."""
        other = self.w + "-2"
        self.sql(f"""INSERT INTO referential.docroot (code) VALUES ('{other}');
                     INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('{other}', 'dev');
                     INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('{self.w}', '{other}', 'dev')""")
        os.makedirs(os.path.join(self.root, other, "dev"))
        fifo = os.path.join(self.system.folder, self.w + ".fifo")
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        self.runner("--jobs", "2", docroots=f"{self.w},{other}")
        first = self.asked(f"echo x >{fifo}", docroot=self.w)
        second = self.asked(f"cat {fifo}", docroot=other)  # ends only beside the first one
        behind = self.asked("true", docroot=self.w, version="3")
        for number in (first, second, behind):
            self.assertEqual(self.over(number).status, "DONE")
        self.assertGreaterEqual(self.get(behind).started_at.ToMicroseconds(), self.get(first).finished_at.ToMicroseconds())

    def test_drain(self):
        """SIGTERM: what runs goes on to its end, nothing else is claimed."""
        runner = self.runner()
        number = self.asked("echo up; while test ! -e go; do sleep 0.05; done; echo done")
        self.running(number, b"up\n")
        runner.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in runner.output(), "the drain")
        later = self.asked("true", version="3")
        with open(os.path.join(self.place(), "go"), "w", encoding="ascii"):
            pass
        self.assertEqual(runner.popen.wait(30), 0)
        self.assertEqual(self.get(number).status, "DONE")
        self.assertEqual(self.get(later).status, "ACCEPTED")
        self.call("AbortDeployment", id=later)

    def test_stop(self):
        """A second signal ends what runs, and says so."""
        runner = self.runner("--grace-ms", "200")
        number = self.asked("echo up; sleep 1000")
        self.running(number, b"up\n")
        runner.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in runner.output(), "the drain")
        runner.popen.send_signal(signal.SIGTERM)
        self.assertEqual(runner.popen.wait(30), 0)
        d = self.get(number)
        self.assertEqual((d.status, d.failure), ("FAILED", "the runner was stopped"))
        self.check(number)

    def test_without_events(self):
        self.runner("--events", "", "--poll-ms", "50")
        number = self.asked("echo up; sleep 1000")
        self.running(number, b"up\n")
        self.call("AbortDeployment", id=number)
        self.assertEqual(self.over(number, 3).status, "ABORTED")  # it asks about it as often as for work

    def test_bad_settings(self):
        user = ("--user", "nobody") if os.geteuid() == 0 else ()
        cases = ((("--user", "no-such-user"), "user", "no such account"), (("--directory", "srv"), "directory", "absolute"),
                 (("--directory", "/srv/{site}"), "directory", "braces"), (("--jobs", "0"), "jobs", "1"),
                 (("--lease-ms", "1"), "lease-ms", "1000"), (("--log-level", "loud"), "log-level", "one of"),
                 (("--secrets", "/no/such"), "", "/no/such"), (("word",), "", "unexpected word"),
                 (("--endpoint", "http://x"), "endpoint", "http"))
        for options, field, words in cases:
            with self.subTest(options=options):
                done = subprocess.run([os.path.join(BIN, "sitewire-runner"), *user, *options], capture_output=True, text=True,
                                      timeout=20, check=False, env=self.system.env())
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)
                self.assertTrue("error: " in done.stderr or "code=" in done.stderr, done.stderr)



@unittest.skipUnless(os.geteuid() == 0, "only root can give capabilities")
class CapableRunner(RunnerTest):
    """Runs as daemon, with CAP_SETUID and CAP_SETGID alone; commands run as nobody."""
    program = ("/usr/bin/setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups",
               "--inh-caps", "-all,+setuid,+setgid", "--ambient-caps", "-all,+setuid,+setgid", "--no-new-privs",
               os.path.join(BIN, "sitewire-runner"))

    def setUp(self):
        super().setUp()
        shutil.chown(self.key.path, "daemon")

    def test_a_command_has_no_capability(self):
        runner = self.runner()
        number = self.asked("id -un; id -G; grep ^Uid /proc/self/status; grep ^Cap /proc/self/status")
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        nobody = pwd.getpwnam("nobody")
        name, groups, uids, *has = self.output(number).decode().splitlines()
        self.assertEqual((name, groups), ("nobody", str(nobody.pw_gid)))
        self.assertEqual(uids.split()[1:], [str(nobody.pw_uid)] * 4)
        has = dict(line.split(":\t") for line in has)
        self.assertEqual({int(has[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {0})

    def test_its_commands_end(self):
        """Without CAP_KILL: when a command ends, is aborted, or the runner dies."""
        runner = self.runner("--grace-ms", "300")
        away = f"setsid sh -c 'trap \"\" TERM HUP; exec -a {self.w}-away sleep 1000' & echo up"
        number = self.asked({"argv": ["/bin/bash", "-c", away]})
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        wait_for(lambda: not pids_that_say(self.w + "-away"), "the end of what a command left")
        number = self.asked({"argv": ["/bin/bash", "-c", away + "; trap '' TERM; while :; do sleep 0.05; done"]})
        self.running(number, b"up\n")
        self.call("AbortDeployment", id=number, reason="wrong version")
        self.assertEqual(self.over(number).status, "ABORTED", runner.output())
        wait_for(lambda: not pids_that_say(self.w + "-away"), "the end of an aborted command")
        number = self.asked({"argv": ["/bin/bash", "-c", away + "; sleep 1000"]})
        self.running(number, b"up\n")
        runner.popen.kill()
        wait_for(lambda: not pids_that_say(self.w + "-away"), "the end with the runner")

    def test_a_command_cannot_end_its_keeper(self):
        """The keeper acts as the command's user, but is not a process of that user."""
        runner = self.runner()
        number = self.asked("kill -KILL $PPID 2>/dev/null || echo refused; kill -STOP $PPID 2>/dev/null || echo refused; "
                            "cat /proc/$PPID/environ 2>/dev/null || echo refused")
        self.assertEqual(self.over(number).status, "DONE", runner.output())
        self.assertEqual(self.output(number), b"refused\n" * 3)


if __name__ == "__main__":
    unittest.main()
