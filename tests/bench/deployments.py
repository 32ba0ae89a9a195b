"""Deployments in ./dev bench: rows k to m. bench.py calls `run`.

The references are PostgreSQL, on the same cluster with the same settings, doing with plain tables
what a deployment cannot do without: as many commits, processes and bytes, by pgbench and libpq.
"""
import contextlib
import json
import os
import pwd
import statistics
import subprocess

DOCROOTS = 32
FIRST = """INSERT INTO bench.job DEFAULT VALUES RETURNING id \\gset
UPDATE bench.job SET status = 'IN_PROGRESS', runner = 'r' WHERE id = :id;
INSERT INTO bench.result (job) VALUES (:id);
\\shell true
"""
LAST = """UPDATE bench.result SET finished_at = now(), exit_code = 0 WHERE job = :id;
UPDATE bench.job SET status = 'DONE' WHERE id = :id;
"""


def prepare(b):
    """Websites bench0 ... each on a docroot of its own, and the references' tables."""
    b.sql(f"""INSERT INTO referential.environment (code, protected) VALUES ('bench', false);
              INSERT INTO referential.cms (code) VALUES ('bench') ON CONFLICT DO NOTHING;
              INSERT INTO referential.docroot (code) SELECT 'bench' || g FROM generate_series(0, {DOCROOTS - 1}) g;
              INSERT INTO referential.website (code) SELECT 'bench' || g FROM generate_series(0, {DOCROOTS - 1}) g;
              INSERT INTO referential.docroot_environment (docroot, environment, cms)
                  SELECT 'bench' || g, 'bench', 'bench' FROM generate_series(0, {DOCROOTS - 1}) g;
              INSERT INTO referential.website_deployed (website, docroot, environment, website_version)
                  SELECT 'bench' || g, 'bench' || g, 'bench', '1' FROM generate_series(0, {DOCROOTS - 1}) g;
              INSERT INTO users."grant" (code, role, "user", everything) VALUES ('bench', 'Runner', 'admin@localhost', true);
              UPDATE deployment.output_limit SET deployment_bytes = 1::bigint << 50, project_day_bytes = 1::bigint << 50;
              CREATE SCHEMA bench;
              CREATE TABLE bench.job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, runner text, status text DEFAULT 'ACCEPTED');
              CREATE TABLE bench.result (job bigint PRIMARY KEY REFERENCES bench.job, started_at timestamptz DEFAULT now(),
                                         finished_at timestamptz, exit_code integer);
              CREATE TABLE bench.output ("offset" bigint PRIMARY KEY, bytes bytea NOT NULL);
              ALTER TABLE bench.output ALTER COLUMN bytes SET STORAGE EXTERNAL""")


@contextlib.contextmanager
def runners(b, count):
    """As many runners, of this user, that hear events."""
    options = ["--user", pwd.getpwuid(os.geteuid()).pw_name, "--directory", b.folder, "--output-max", str(1 << 40),
               "--deployment-output-max", str(1 << 40), "--log-level", "warning"]
    children = [b.spawn(os.path.join(b.bin, "sitewire-runner"), "--name", f"bench{i}", *options, env=b.env, stderr=b.log)
                for i in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(60)


def measure(b, program, *arguments):
    done = subprocess.run([os.path.join(b.tests, program), *map(str, arguments)], env=b.env, check=True, stdout=subprocess.PIPE,
                          text=True)
    return json.loads(done.stdout)


def latency(b):
    fifo, tails = os.path.join(b.folder, "fifo"), []
    os.mkfifo(fifo)

    def ours():
        result = measure(b, "bench-deploy", 1, b.seconds * 2, fifo)
        tails.append(result["p99_us"])
        return result
    b.compare("k ACCEPTED to command, p50 (pgbench: 3 commits, sh)", ours,
              lambda: b.pgbench(FIRST, 1, False)["p50"], "p50_us", unit="us")
    print(f"{'k ACCEPTED to command, p99':<52} {statistics.median(tails):>10,.0f}us  "
          f"({min(tails):,}..{max(tails):,})", flush=True)


def output(b, line):
    path, rates, size = os.path.join(b.folder, "output"), [], max(16, int(b.seconds * 64)) << 20
    with open(path, "wb") as file:
        file.write(os.urandom(size))

    def ours():
        result = measure(b, "bench-output", "follow", path)
        rates.append(result["mb_s"])
        return result
    b.compare("l output to a reader that follows (libpq alone)", ours,
              lambda: measure(b, "bench-output", "copy", path, b.database)["mb_s"], "mb_s", unit=" MB/s")
    line("l output to a reader that follows", statistics.median(rates), 50, "MB/s", least=True)
    b.sql("DROP TABLE bench.output")


def throughput(b):
    tails = []

    def ours():
        result = measure(b, "bench-deploy", DOCROOTS, b.seconds * 2)
        tails.append((result["p50_us"], result["p99_us"]))
        return result
    b.compare("m deployments, 4 runners (pgbench: 5 commits, sh)", ours,
              lambda: b.pgbench(FIRST + LAST, 4, False, ("-j", "4"))["rate"], "rate")
    print(f"{f'm from request to DONE, {DOCROOTS} at once, p50 and p99':<52} " +
          " ".join(f"{statistics.median(values) / 1000:>10,.1f}ms" for values in zip(*tails)), flush=True)


def run(b, letters, line):
    if not set("klm") & set(letters):
        return
    prepare(b)
    if "k" in letters or "l" in letters:
        with runners(b, 1):
            if "k" in letters:
                latency(b)
            if "l" in letters:
                output(b, line)
    if "m" in letters:
        with runners(b, 4):
            throughput(b)
