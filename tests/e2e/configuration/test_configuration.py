#!/usr/bin/env python3
"""Configuration of every program: one file for --config and systemd, --check-config, and SIGHUP
under load."""
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import ADMIN, BIN, System, Process, children, clean_environment, make_folder, wait_for  # noqa: E402
from up_test import Up  # noqa: E402

INVALID, PRECONDITION = 3, 9
PASSWORD = "correct-horse"
SERVICES = ("sitewire-referential", "sitewire-user", "sitewire-deployment")
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text, mode=0o600):
        """The file appears whole, as an administrator's tools put it there."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)
        return path

    def check(self, program, *options, **variables):
        """Runs PROGRAM --check-config; exit status, settings, messages."""
        done = subprocess.run([os.path.join(BIN, program), *options, "--check-config"], capture_output=True, text=True,
                              env=clean_environment() | variables, timeout=60, check=False)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done.returncode, done.stdout, done.stderr

    def fails(self, code, words, program, *options, **variables):
        status, _, said = self.check(program, *options, **variables)
        self.assertEqual(status, code, said)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, said)


class CheckConfig(Files):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.conninfo = cls.system.postgres.conninfo

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def broker(self):
        return "--frontend", f"ipc://{self.folder}/f", "--backend", f"ipc://{self.folder}/b"

    def database(self, service="user"):
        return f"{self.conninfo} user=sitewire_{service}"

    def test_good(self):
        for service in ("referential", "user", "deployment"):
            status, shown, said = self.check(f"sitewire-{service}", "--database", self.database(service))
            self.assertEqual((status, said), (0, ""))
            self.assertIn("SITEWIRE_DATABASE=", shown)
        status, shown, said = self.check("sitewire-broker", *self.broker())
        self.assertEqual((status, said), (0, ""))
        self.assertIn(f"# from the command line\nSITEWIRE_FRONTEND=ipc://{self.folder}/f\n", shown)
        self.assertFalse(os.path.exists(f"{self.folder}/f"))
        self.assertEqual(self.check("sitewire-runner", "--user", USER)[0], 0)
        # What it prints is a file that --config reads.
        again = self.check("sitewire-broker", "--config", self.write("again", shown))
        self.assertEqual(again[0], 0, again)

    def test_sources_are_named(self):
        missing = f"{self.folder}/no.key"
        tcp = ("--frontend", "tcp://127.0.0.1:*", "--backend", f"ipc://{self.folder}/b")
        self.fails(5, ["--key (from the command line)", missing], "sitewire-broker", *tcp, "--key", missing)
        self.fails(5, "--key (from SITEWIRE_KEY)", "sitewire-broker", *tcp, SITEWIRE_KEY=missing)
        path = self.write("broker.env", f"# keys\nSITEWIRE_KEY={missing}\n")
        self.fails(5, f"--key (from {path}:2)", "sitewire-broker", *tcp, "--config", path)
        self.fails(PRECONDITION, ["--key (from the default)", "sitewire key new FILE"], "sitewire-broker", *tcp)

    def test_overridden_lines(self):
        path = self.write("env", "SITEWIRE_LOG_LEVEL=debug\n")
        status, shown, said = self.check("sitewire-broker", *self.broker(), "--config", path, SITEWIRE_LOG_LEVEL="error")
        self.assertEqual(status, 0)
        self.assertIn(f"the variable SITEWIRE_LOG_LEVEL overrides {path}:1", said)
        self.assertIn("# from SITEWIRE_LOG_LEVEL\nSITEWIRE_LOG_LEVEL=error\n", shown)
        _, shown, said = self.check("sitewire-broker", *self.broker(), "--config", path, "--log-level", "warning")
        self.assertIn("SITEWIRE_LOG_LEVEL=warning\n", shown)
        self.assertEqual(said, "")

    def test_files(self):
        def config(name, text):
            return "--config", self.write(name, text)
        for code, words, options in (
                (INVALID, "a.env:1: this program has no option SITEWIRE_FRONTEND", config("a.env", "SITEWIRE_FRONTEND=x\n")),
                (INVALID, "b.env:2: SITEWIRE_DRAIN_MS: \"soon\" is not a number", config("b.env", "\nSITEWIRE_DRAIN_MS=soon\n")),
                (PRECONDITION, "c.env:1: remove the word `export`", config("c.env", "export SITEWIRE_KEY=x\n")),
                (PRECONDITION, "no.env: No such file", ("--config", f"{self.folder}/no.env")),
                (INVALID, "did you mean --database?", ("--databse", "x"))):
            with self.subTest(words=words):
                self.fails(code, words, "sitewire-user", *options)

    def test_passwords(self):
        line = f'SITEWIRE_DATABASE="{self.database()} password={PASSWORD}"\n'
        path = self.write("user.env", line, 0o644)
        self.fails(PRECONDITION, ["user.env:1: SITEWIRE_DATABASE holds a password", "mode 0644", f"chmod 600 {path}"],
                   "sitewire-user", "--config", path)
        started = subprocess.run([f"{BIN}/sitewire-user", "--config", path], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(started.returncode, PRECONDITION)  # it does not start with it either
        os.chmod(path, 0o600)
        status, shown, said = self.check("sitewire-user", "--config", path)
        self.assertEqual(status, 0, said)
        self.assertIn("password=***", shown)
        status, _, said = self.check("sitewire-user", "--database", f"{self.database()} password={PASSWORD}")
        self.assertEqual(status, 0, said)
        self.assertIn("warning: --database: a password on the command line", said)

    def test_variables_of_libpq(self):
        """A unit's file: what is not ours reaches libpq."""
        pairs = dict(pair.split("=", 1) for pair in self.conninfo.split())
        names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE"}
        text = "".join(f"{names[key]}={value}\n" for key, value in pairs.items() if key in names)
        path = self.write("user.env", f"{text}PGUSER=sitewire_user\nLANG=C.UTF-8\nPGPASSWORD={PASSWORD}\n")
        self.assertEqual(self.check("sitewire-user", "--config", path)[0], 0)
        os.chmod(path, 0o644)
        self.fails(PRECONDITION, "PGPASSWORD holds a password", "sitewire-user", "--config", path)

    def test_database(self):
        self.fails(PRECONDITION, ["--database (from the command line)", "no connection to the database"],
                   "sitewire-user", "--database", f"host={self.folder} user=x password={PASSWORD}")
        self.system.sql("CREATE DATABASE bare")
        bare = " ".join(part for part in self.database().split() if not part.startswith("dbname=")) + " dbname=bare"
        self.fails(PRECONDITION, "run `sitewire migrate`", "sitewire-user", "--database", bare)
        self.fails(PRECONDITION, "--secret-key (from the command line)", "sitewire-referential", "--database",
                   self.database("referential"), "--secret-key", self.write("master", "x", 0o644))

    def test_endpoints(self):
        for words, program, options in (
                ("--frontend (from the command line): tcp://host is incomplete", "sitewire-broker", ("--frontend", "tcp://host", "--curve", "off")),
                ("No such file or directory in the folder /no/such", "sitewire-broker", ("--backend", "ipc:///no/such/b")),
                ("`*` is only for listening", "sitewire-user", ("--backend", "tcp://*:1", "--curve", "off"))):
            with self.subTest(words=words):
                code, _, said = self.check(program, *options)
                self.assertNotEqual(code, 0)
                self.assertIn(words, said)

    def test_runner(self):
        secrets = self.write("secrets", "DB=\"two\nlines\"\nPATH=/evil\n")
        self.fails(PRECONDITION, ["--secrets (from the command line)", "secrets:3"], "sitewire-runner", "--user", USER, "--secrets", secrets)
        self.fails(PRECONDITION, "there is no such account", "sitewire-runner", "--user", "no-such-user")
        self.fails(INVALID, "must be an absolute path", "sitewire-runner", "--user", USER, "--directory", "here")

    def test_help_states_the_order(self):
        for program in ("sitewire-broker", "sitewire-runner", *SERVICES):
            shown = subprocess.run([f"{BIN}/{program}", "--help"], capture_output=True, text=True, check=True).stdout
            for words in ("A flag wins over the variable", "--log-format=text|json", "SITEWIRE_DRAIN_MS", "--config=FILE", "SIGHUP"):
                self.assertIn(words, shown, program)


class Load(threading.Thread):
    """Calls one after the other until it is stopped."""

    def __init__(self, system):
        super().__init__(daemon=True)
        self.client, self.bad, self.calls, self.over = system.client(), [], 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            answer = self.client.health("sitewire.user.v1.Users")
            self.calls += 1
            if answer != "SERVING":
                self.bad.append(answer)

    def finish(self):
        self.over.set()
        self.join(30)
        self.client.close()


class Hangup(Files):
    def hang_up(self, process, words):
        """SIGHUP; returns once the log has the words once more."""
        before = process.output().count(words)
        process.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: process.output().count(words) > before or not process.running(), f"{process.name}: {words}\n{process.output()}")
        self.assertTrue(process.running(), process.output())

    def test_under_load(self):
        config = self.write("all.env", "SITEWIRE_LOG_LEVEL=info\nSITEWIRE_DRAIN_MS=20000\n")
        options = ("--config", config)
        with System(broker_options=options, service_options=options) as system:
            system.sql(f"""INSERT INTO referential.website (code) VALUES ('w');
                           INSERT INTO users.access_right VALUES ('website:w', '{ADMIN}', 'Runner')""")
            system.start("runner", "sitewire-runner", "--user", USER, "--directory", self.folder + "/{docroot}/{environment}", *options)
            wait_for(lambda: "event=serving" in system.processes["runner"].output(), "the runner serves")
            load = Load(system)
            self.write("all.env", "SITEWIRE_LOG_LEVEL=debug\nSITEWIRE_LOG_FORMAT=json\nSITEWIRE_DRAIN_MS=10000\nSITEWIRE_KEY=/no/key\n")
            for process in system.processes.values():
                self.hang_up(process, '"event":"configuration reloaded"')
                said = process.output()
                for option, before, after in (("log-level", "info", "debug"), ("log-format", "text", "json"), ("drain-ms", "20000", "10000")):
                    self.assertIn(f'"event":"option changed","option":"{option}","before":"{before}","after":"{after}","source":"{config}:', said)
                self.assertIn('"event":"option changed, restart to use it","option":"key"', said)
                self.assertIn('"waiting_for_restart":"1"', said)
            self.write("all.env", "SITEWIRE_LOG_LEVEL=error\nSITEWIRE_NO_SUCH=1\n")
            for process in system.processes.values():
                self.hang_up(process, '"event":"configuration rejected, the old one stays in force"')
                self.assertIn("this program has no option SITEWIRE_NO_SUCH", process.output())
            os.unlink(config)
            for process in system.processes.values():
                self.hang_up(process, '"event":"configuration rejected, the old one stays in force"')
            calls = load.calls
            wait_for(lambda: load.calls > calls + 10, "calls go on")
            load.finish()
            self.assertEqual(load.bad, [])
            for process in reversed(list(system.processes.values())):
                self.assertEqual(process.end(), 0, process.output())

    def test_keys_are_read_again(self):
        with System(curve=True) as system:
            broker = system.processes["broker"]
            self.hang_up(broker, "configuration reloaded")
            os.chmod(system.broker_key.path, 0o644)
            self.hang_up(broker, "configuration rejected")
            self.assertIn("has mode 0644", broker.output())
            os.chmod(system.broker_key.path, 0o600)
            system.key("other.key").write(system.broker_key.path)
            self.hang_up(broker, "configuration reloaded")
            self.assertIn('event="key changed"', broker.output())

    def test_variable_over_line_at_start(self):
        config = self.write("broker.env", "SITEWIRE_LOG_LEVEL=debug\n")
        broker = Process(self.folder, "broker", [f"{BIN}/sitewire-broker", "--frontend", f"ipc://{self.folder}/f", "--backend",
                                                 f"ipc://{self.folder}/b", "--config", config], os.environ | {"SITEWIRE_LOG_LEVEL": "info"})
        try:
            wait_for(lambda: "event=ready" in broker.output() or not broker.running(), "the broker is ready")
            self.assertIn(f'event="a variable overrides a line of the configuration file" variable=SITEWIRE_LOG_LEVEL line={config}:1',
                          broker.output())
        finally:
            self.assertEqual(broker.end(), 0)

    def test_up(self):
        """`up` and its programs read the same file; an identity in the environment is not
        theirs."""
        config = self.write("up.env", "SITEWIRE_LOG_LEVEL=warning\n", 0o644)
        up = Up(self.folder, "--config", config,
                env={"SITEWIRE_KEY": "/no/such/key", "SITEWIRE_DATABASE": "host=/no/such"})
        try:
            before = children(up.pid)
            self.write("up.env", "SITEWIRE_LOG_LEVEL=info\nSITEWIRE_LOG_FORMAT=json\n", 0o644)
            up.popen.send_signal(signal.SIGHUP)
            for program in ("sitewire-up", "sitewire-broker", *SERVICES):
                wait_for(lambda name=program: any(f'"program":"{name}","event":"configuration reloaded"' in line
                                                  for line in up.output().splitlines()), f"{program} reads again\n{up.output()}")
            self.assertEqual(children(up.pid), before)  # nobody ended
            self.write("up.env", "LOG\n", 0o644)
            up.popen.send_signal(signal.SIGHUP)
            for program in ("sitewire-up", "sitewire-broker", *SERVICES):
                wait_for(lambda name=program: any(f'"program":"{name}","event":"configuration rejected' in line
                                                  for line in up.output().splitlines()), f"{program} rejects\n{up.output()}")
            self.assertEqual(children(up.pid), before)
        finally:
            self.assertEqual(up.end(), 0, up.output())


if __name__ == "__main__":
    unittest.main()
