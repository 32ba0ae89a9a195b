#!/usr/bin/env python3
"""./dev soak [MINUTES]: the tests of faults again and again, longer each time, while a steady load
runs beside them.

Each round runs test_runner_chaos with the next seed and more deployments, then test_faults and
test_rolling. The load (reads, lists and updates) runs on a system of its own, which nothing
disturbs: each of its processes may grow while it warms up, and then by at most GROWTH_MIB and a
tenth. The first failure ends the soak; its log names the seed.
"""
import argparse
import glob
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
from sitewire_test import BUILD, System  # noqa: E402

TESTS = ("runner/test_runner_chaos.py", "broker/test_faults.py", "broker/test_rolling.py")
GROWTH_MIB = 4
ROWS = 1000


def resident_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:")) / 1024


class Load:
    """A system under steady load, in a thread. `sizes`: what each process takes, after each round
    of load."""

    def __init__(self, system):
        self.system, self.over, self.failed, self.sizes = system, threading.Event(), None, []
        system.sql(f"INSERT INTO referential.website (code) SELECT 'soak-' || g FROM generate_series(1, {ROWS}) g")
        self.keys = os.path.join(system.folder, "keys")
        with open(self.keys, "w", encoding="ascii") as file:
            file.writelines(f"soak-{n}\n" for n in range(1, ROWS + 1))
        self.thread = threading.Thread(target=self.work)

    def once(self, mode, in_flight, seconds):
        command = [os.path.join(BUILD, "tests", "bench-load"), mode, self.system.ipc, str(in_flight), str(seconds), self.keys]
        done = subprocess.run(command, env=self.system.env(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"load {mode}: {done.stdout}{done.stderr}")

    def work(self):
        try:
            while not self.over.is_set():
                for mode, in_flight in (("get", 50), ("list", 4), ("update", 20), ("open", 1)):
                    self.once(mode, in_flight, 2)
                self.sizes.append({name: resident_mib(process.pid) for name, process in self.system.processes.items()})
        except (AssertionError, OSError, StopIteration) as error:
            self.failed = error

    def grown(self):
        """The processes that still grow when they are warm: after a third of the rounds."""
        warm, last = self.sizes[len(self.sizes) // 3], self.sizes[-1]
        for name in sorted(last):
            print(f"memory of {name:<15} {warm[name]:8.1f} MiB warm, {last[name]:8.1f} MiB at the end")
        return [name for name in last if last[name] > warm[name] * 1.1 + GROWTH_MIB]


def run_test(path, seed, deployments, log):
    env = dict(os.environ, SITEWIRE_SEED=str(seed), SITEWIRE_DEPLOYMENTS=str(deployments))
    with open(log, "wb") as file:
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "e2e", path), "-v"], env=env, stdout=file,
                              stderr=file, check=False)
    return done.returncode == 0


def rounds(until, load, folder):
    """Runs the tests until the time is over; the log of the one that failed."""
    seed = int(time.time())
    for number in range(1, 1 << 30):
        for path in TESTS:
            if time.monotonic() > until:
                return None
            began, log = time.monotonic(), os.path.join(folder, f"{os.path.basename(path)}.{number}.log")
            good = run_test(path, seed + number, 250 * (1 + number), log)
            print(f"round {number} {os.path.basename(path):<22} seed {seed + number} {'ok' if good else 'FAILED'} "
                  f"{time.monotonic() - began:6.0f} s", flush=True)
            if not good or load.failed:
                return log if not good else "the load"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=60)
    options = parser.parse_args()
    folder = os.path.join(ROOT, ".cache", "soak")
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "*.log")):
        os.unlink(old)
    measured = ("--core-dumps", "on")  # only root could read smaps_rollup otherwise
    with System(broker_options=measured, service_options=measured) as system:
        load = Load(system)
        load.thread.start()
        try:
            failed = rounds(time.monotonic() + options.minutes * 60, load, folder)
        finally:
            load.over.set()
            load.thread.join()
        grown = load.grown() if load.sizes else ["nothing was measured"]
    for text in filter(None, (failed and f"failed: {failed}", load.failed and f"load: {load.failed}",
                              grown and f"memory grows: {', '.join(grown)}")):
        print(text)
    sys.exit(1 if failed or load.failed or grown else 0)


if __name__ == "__main__":
    main()
