"""What tests of deployments at the command line share: a terminal that programs draw on, and a
runner that is played."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from deployment_test import DeploymentTest, ROLES
from sitewire_test import PATIENCE, SITEWIRE, wait_for
from sitewire.deployment.v1 import deployment_pb2 as pb


class Terminal:
    """A program on a terminal of its own, and the screen that one sees there."""

    def __init__(self, env, *words, columns=80, rows=24):
        self.rows, self.raw = rows, b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(SITEWIRE, [SITEWIRE, *words], env)
        self.resize(columns)

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, columns, 0, 0))

    def read(self, seconds):
        """False at the end."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            self.raw += data
            return bool(data)
        return True

    def screen(self):
        """The lines as they stand, by the few controls that a view may use."""
        lines, row, column = [""], 0, 0
        text = re.sub(r"\x1b(\[\??[0-9;]*)?\Z", "", self.raw.decode("utf-8", "replace"))  # the rest of it is still to be read
        for part in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+|\x1b", text):
            if part == "\r":
                column = 0
            elif part == "\n":
                row += 1
                lines.extend([""] * (row + 1 - len(lines)))
            elif re.fullmatch(r"\x1b\[\d+A", part):
                row -= int(part[2:-1])
                assert row >= 0, text
            elif part == "\x1b[K":
                lines[row] = lines[row][:column]
            elif part == "\x1b[J":
                lines[row] = lines[row][:column]
                del lines[row + 1:]
            elif re.fullmatch(r"\x1b\[(\?25[hl]|[0-9;]*m)", part):
                pass
            elif part.startswith("\x1b"):
                raise AssertionError(f"not expected on a terminal: {part!r}")
            else:
                lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part):]
                column += len(part)
        return "\n".join(lines)

    def wait_for(self, text):
        return self.wait_for_match(re.escape(text))

    def wait_for_match(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen()):
            if not self.read(0.2) or time.monotonic() > deadline:
                raise AssertionError(f"{pattern} is not to be seen in:\n{self.screen()}")
        return self.screen()

    def end(self):
        """Its exit status."""
        while self.read(PATIENCE):
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


class DeployCliTest(DeploymentTest):
    known = False  # whether the broker has heard of everybody's first right, which takes a second

    def setUp(self):
        super().setUp()
        for by in () if self.known else (*ROLES, "stranger@x.org"):
            wait_for(lambda by=by: self.system.cli("whoami", env=self.env(by)).returncode == 0, f"{by} is known")
        type(self).known = True

    def env(self, by=None):
        """What the program needs to run as somebody; None is the admin on ipc."""
        if by is None:
            return self.system.env()
        return self.system.env() | {"SITEWIRE_ENDPOINT": self.system.tcp, "SITEWIRE_EVENTS": self.system.tcp_events,
                                    "SITEWIRE_KEY": self.clients[by].key.path}

    def cli(self, *words, by=None, status=0, stdin=""):
        done = self.system.cli(*map(str, words), env=self.env(by), stdin=stdin)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        return done

    def fails(self, status, text, *words, field=None, **options):
        done = self.cli(*words, status=status, **options)
        self.assertIn(text, done.stderr)
        if field:
            self.assertIn(f"\nfield: {field}\n", done.stderr)
        self.assertEqual(done.stdout, "")
        return done

    def json(self, *words, **options):
        return [json.loads(line) for line in self.cli(*words, "--json", **options).stdout.splitlines()]

    def wanted(self, *words, environment="dev", version="2"):
        return ("deploy", self.project, "--env", environment, "--version", version, *words)

    def ask(self, *words, **options):
        """The plan of a deployment that is asked for at the command line."""
        return self.json(*self.wanted(*words, environment=options.pop("environment", "dev")), **options)[0]

    def write(self, claim, data, command=1, attempt=1, stream="stdout", offset=None):
        """Output as a runner sends it; where it ends."""
        self.at = getattr(self, "at", 0) if offset is None else offset
        chunk = pb.LogChunk(command=command, attempt=attempt, stream=stream, offset=self.at, bytes=data)
        self.at = self.call("AppendLog", "runner@x.org", id=claim.deployment.id, fence=claim.fence, chunks=[chunk]).offset
        return self.at

    def begin(self, claim, number):
        self.call("StartCommand", "runner@x.org", id=claim.deployment.id, fence=claim.fence, number=number)

    def end_command(self, claim, number, attempt=1, **how):
        self.call("FinishCommand", "runner@x.org", id=claim.deployment.id, fence=claim.fence, number=number, attempt=attempt,
                  **(how or {"exit_code": 0}))

    def due(self):
        """A claim, once there is something to claim."""
        return wait_for(lambda: (lambda claim: claim if claim.HasField("deployment") else None)(self.claim()), "a deployment is due")

    def run_due(self):
        """Runs what is due, to DONE."""
        claim = self.due()
        for command in claim.commands:
            self.attempt(claim, command.number)
        self.finish(claim)

    def in_background(self, *words, by=None):
        process = self.system.start_cli(f"{self.w}-{words[0]}", *map(str, words), env=self.env(by))
        self.addCleanup(lambda: process.running() and process.end(signal.SIGKILL))
        return process

    def shows(self, process, condition, what):
        """Waits until its output meets the condition; the output."""
        try:
            return wait_for(lambda: condition(process.output()) and process.output(), what)
        except AssertionError as error:
            raise AssertionError(f"{error}; running: {process.running()}; output:\n{process.output()}") from None
