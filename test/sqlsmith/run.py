#!/usr/bin/env python3
"""run.py
    sqlsmith's random queries over collections and in-house tables, in one
    connection: no crash, no assertion, no leak, no internal error, and nothing
that cannot be cancelled.

    run.py SECONDS [--seed N] [--report FILE]

It runs in rounds, each with a seed and settings of its own, so that a finding
can be met again.  An internal error (SQLSTATE XX...) may be PostgreSQL's own:
its query runs once more in a database where every relation has the same rows
in plain tables.  What fails there in the same way is counted and named as
PostgreSQL's; what does not is a finding, unless known.txt has it with a
reason.  Where the server is, says libpq's environment; MC_LOG is its log,
MC_PSQL psql, MC_DATA a readable copy of test/data, and MC_KEEP a directory
for the queries of findings.
"""

import argparse
import collections
import datetime
import os
import pathlib
import platform
import random
import re
import shutil
import subprocess
import sys
import threading
import time

import psycopg
from psycopg import sql

HERE = pathlib.Path(__file__).resolve().parent
KNOWN = [line for line in (HERE / "known.txt").read_text().splitlines()
         if line and not line.startswith("#")]
LOG = pathlib.Path(os.environ["MC_LOG"])
KEEP = pathlib.Path(os.environ["MC_KEEP"])
SMITH, TWIN = "smith", "twin"       # databases; the role is named as the first
MARK = "mappedcoll|"                # an entry of the log begins with it
QUERIES = 2000                      # of a round
EXAMPLES = 3                        # of the queries of a finding
PATIENCE = 20                       # seconds; sqlsmith's statement_timeout is 1

CHEAP_WORKERS = {"parallel_setup_cost": 0, "parallel_tuple_cost": 0,
                 "min_parallel_table_scan_size": 0,
                 "max_parallel_workers_per_gather": 2}
# Compiling takes longer than running does
SETTINGS = [{"jit": "off", **settings} for settings in [
    {"jit": "on"},
    CHEAP_WORKERS,
    {"enable_partitionwise_aggregate": "on",
     "enable_partitionwise_join": "on"},
    {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    {**CHEAP_WORKERS, "enable_partitionwise_aggregate": "on",
     "enable_hashagg": "off"},
    {"work_mem": "64kB", "enable_nestloop": "off"},
    {"plan_cache_mode": "force_generic_plan", "from_collapse_limit": 1},
    {"mappedcoll.enable_pushdown": "off"},
]]


class Internal:
    """Internal errors of one message."""

    def __init__(self, sqlstate, message):
        self.sqlstate, self.message = sqlstate, message
        self.n = 0
        self.queries = []       # (query, settings, seed)
        self.verdict = None     # whose it is, or None


class Tally:
    """What the log said."""

    def __init__(self):
        self.queries = self.rounds = 0
        self.states = collections.Counter()
        self.messages = collections.Counter()
        self.internal = {}
        self.crashes, self.leaks, self.assertions = [], [], []
        self.stuck = {}         # start of a query -> query

    def findings(self):
        """Internal errors that are not PostgreSQL's."""
        return [error for error in self.internal.values()
                if error.verdict is None]


def masked(message):
    """A message without its numbers and names of temporary things."""
    return re.sub(r"\d+", "N", message)


# --- the databases ---

def execute(database, script):
    """Run a script of this directory."""
    with open(HERE / script, encoding="utf-8") as text:
        subprocess.run(
            [os.environ["MC_PSQL"], "-X", "-q", "-o", "/dev/null", "-d",
             database, "-v", "ON_ERROR_STOP=1", "-v", f"smith={SMITH}", "-v",
             f"database={database}", "-v", f"data={os.environ['MC_DATA']}",
             "-f", "-"], check=True, stdin=text)


def prepare():
    """Both databases, and a log that says SQLSTATEs."""
    with psycopg.connect(autocommit=True) as conn:
        for name in SMITH, TWIN:
            conn.execute(f"DROP DATABASE IF EXISTS {name}")
            conn.execute(f"CREATE DATABASE {name}")
        conn.execute(f"DROP ROLE IF EXISTS {SMITH}")
        conn.execute(f"ALTER SYSTEM SET log_line_prefix = '{MARK}%e|%b|%d|'")
        conn.execute("SELECT pg_reload_conf()")
    execute(SMITH, "setup.sql")
    execute(SMITH, "catalog.sql")
    with psycopg.connect(dbname=SMITH, autocommit=True) as source, \
            psycopg.connect(dbname=TWIN, autocommit=True) as target:
        target.execute("SET client_min_messages = warning")
        target.execute("CREATE EXTENSION mappedcoll")
        for name, kind, columns, parent, definition in source.execute("""
                SELECT relname, relkind, string_agg(format('%I %s', attname,
                    format_type(atttypid, atttypmod)), ', ' ORDER BY attnum),
                    (SELECT inhparent::regclass FROM pg_inherits
                     WHERE inhrelid = c.oid), pg_get_viewdef(c.oid)
                FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid
                WHERE relnamespace = 'public'::regnamespace
                    AND relkind IN ('r', 'p', 'f', 'v') AND attnum > 0
                    AND NOT attisdropped AND relname <> 'mappedcoll_stats'
                GROUP BY c.oid, relname, relkind
                ORDER BY array_position('{r,p,f,v}', relkind), c.oid"""):
            copy_relation(source, target, name, kind, columns, parent,
                          definition)
        target.execute("GRANT SELECT, INSERT, UPDATE, DELETE "
                       f"ON ALL TABLES IN SCHEMA public TO {SMITH}")
        target.execute("ANALYZE")
    execute(TWIN, "catalog.sql")


def copy_relation(source, target, name, kind, columns, parent, definition):
    """A relation of the same rows, and as far as can be of the same kind: a
    collection becomes a partitioned table, a view of functions of mappedcoll
    one of a function that the planner cannot look into."""
    table = sql.Identifier(name)
    if kind == "p":
        target.execute(sql.SQL(
            "CREATE TABLE {} ({}) PARTITION BY RANGE (row_index)").format(
                table, sql.SQL(columns)))
        return
    if parent:
        target.execute(sql.SQL(
            "CREATE TABLE {} PARTITION OF {} FOR VALUES "
            "FROM (MINVALUE) TO (MAXVALUE)").format(
                table, sql.SQL(parent)))
    elif kind == "v":
        view = sql.SQL("CREATE VIEW {} AS {}")
        try:
            with target.transaction():
                target.execute(view.format(table, sql.SQL(definition)))
                target.execute(sql.SQL("SELECT FROM {}").format(table))
            return
        except psycopg.Error:
            rows = sql.Identifier(f"rows_of_{name}")
            target.execute(sql.SQL(
                "CREATE TABLE {rows} ({columns});"
                "CREATE FUNCTION {rows}() RETURNS SETOF {rows} "
                "LANGUAGE plpgsql STABLE ROWS 100 SECURITY DEFINER "
                "AS 'BEGIN RETURN QUERY SELECT * FROM {rows}; END'").format(
                    rows=rows, columns=sql.SQL(columns)))
            target.execute(view.format(
                table, sql.SQL("SELECT * FROM {}()").format(rows)))
            copy_rows(source, target, table, rows)
            return
    else:
        target.execute(sql.SQL("CREATE TABLE {} ({})").format(
            table, sql.SQL(columns)))
    copy_rows(source, target, table, table)


def copy_rows(source, target, table, copied):
    """Copy the rows of a relation."""
    with source.cursor().copy(sql.SQL(
            "COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(
                table)) as read, \
            target.cursor().copy(sql.SQL(
                "COPY {} FROM STDIN (FORMAT binary)").format(copied)) as write:
        for block in read:
            write.write(block)


def options(settings):
    """PGOPTIONS of settings."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


# --- rounds ---

class Watch(threading.Thread):
    """Notes queries that run on although they were cancelled."""

    def __init__(self, stuck):
        super().__init__()
        self.stuck, self.over = stuck, threading.Event()

    def run(self):
        while not self.over.wait(5):
            try:
                with psycopg.connect(autocommit=True) as conn:
                    self.stuck.update(conn.execute(
                        "SELECT query_start, query FROM pg_stat_activity "
                        "WHERE usename = %s AND state = 'active' AND "
                        "now() - query_start > make_interval(secs => %s)",
                        [SMITH, PATIENCE]).fetchall())
            except psycopg.Error:
                pass        # a crash, which the log tells of

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.over.set()
        self.join()


def run_round(seed, settings, seconds):
    """Queries for a while; returns how many there were."""
    try:
        errors = subprocess.run(
            ["sqlsmith", "--verbose", "--exclude-catalog", f"--seed={seed}",
             f"--max-queries={QUERIES}",
             f"--target=dbname={SMITH} user={SMITH}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
            timeout=seconds, env=os.environ | {"PGOPTIONS": options(settings)}
        ).stderr
    except subprocess.TimeoutExpired as expired:
        errors = expired.stderr or b""
    counts = re.findall(rb"^queries: (\d+)", errors, re.M)
    return int(counts[-1]) if counts else 0


def entries(text):
    """The entries of a part of the log: (SQLSTATE, kind of process, database,
    severity, message)."""
    for entry in re.split(rf"^{re.escape(MARK)}", text, flags=re.M)[1:]:
        state, kind, database, rest = entry.split("|", 3)
        severity, _, message = rest.partition(":  ")
        yield state, kind, database, severity, message.rstrip("\n")


def digest(tally, text, seed, settings):
    """Count what a part of the log says."""
    internal = None
    tally.assertions += re.findall(r"^TRAP: .*", text, re.M)
    for state, kind, database, severity, message in entries(text):
        if severity == "STATEMENT" and internal:
            if len(internal.queries) < EXAMPLES:
                internal.queries.append((message.replace("\n\t", "\n"),
                                         settings, seed))
            internal = None
        elif "was terminated by signal" in message or severity == "PANIC":
            tally.crashes.append(message)
        elif severity == "DETAIL" and "Failed process was running" in message:
            tally.crashes.append(message)
        elif severity == "WARNING" and "leak" in message:
            tally.leaks.append(message)
        # what a parallel worker logs comes from its leader again
        elif (severity in ("ERROR", "FATAL") and kind == "client backend" and
              database == SMITH):
            tally.states[state] += 1
            tally.messages[state, masked(message)] += 1
            internal = None
            if state.startswith("XX"):
                key = state, masked(message)
                internal = tally.internal.setdefault(
                    key, Internal(state, message))
                internal.n += 1


def run(seconds, seed):
    """All rounds."""
    tally = Tally()
    end = time.monotonic() + seconds
    with open(LOG, encoding="utf-8", errors="replace") as log:
        log.seek(0, os.SEEK_END)
        while (left := end - time.monotonic()) > 0:
            settings = SETTINGS[tally.rounds % len(SETTINGS)]
            with Watch(tally.stuck):
                n = run_round(seed + tally.rounds, settings, left)
            # a crash takes a moment to be over
            wait_for_server()
            digest(tally, log.read(), seed + tally.rounds, settings)
            tally.queries += n
            tally.rounds += 1
            print(f"# round {tally.rounds}, seed {seed + tally.rounds - 1}: "
                  f"{n} queries in {time.monotonic() - end + left:.0f} s; "
                  f"{tally.states.total()} errors so far, "
                  f"{len(tally.crashes)} lines of crashes, "
                  f"{len(tally.internal)} internal errors", flush=True)
    return tally


def wait_for_server():
    """Until it accepts connections."""
    for _ in range(300):
        try:
            psycopg.connect(dbname=SMITH).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.2)
    raise SystemExit("the server does not come back")


# --- whose is an internal error? ---

def again(database, query, settings):
    """SQLSTATE and message of a query, or None."""
    try:
        with psycopg.connect(dbname=database, user=SMITH,
                             options=options(settings)) as conn:
            conn.execute("SET statement_timeout = '20s'")
            conn.execute(query)
            conn.rollback()
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary or str(error)
    return None


def judge(tally):
    """Find out whose the internal errors are."""
    for (state, message), error in tally.internal.items():
        for query, settings, _ in error.queries:
            found = again(TWIN, query, settings)
            if found and (found[0], masked(found[1])) == (state, message):
                error.verdict = "PostgreSQL's: the same with plain tables"
        if any(re.search(pattern, error.message) for pattern in KNOWN):
            error.verdict = error.verdict or "known, see known.txt"


def keep(findings):
    """Write the queries of findings where they can be looked at."""
    for number, error in enumerate(findings):
        KEEP.mkdir(parents=True, exist_ok=True)
        path = KEEP / f"finding_{number:03d}.sql"
        path.write_text(f"-- {error.sqlstate} {error.message}\n" + "\n".join(
            f"-- round with seed {seed}\n" + "".join(
                f"SET {name} = '{value}';\n" for name, value
                in settings.items()) + query.rstrip(";\n") + ";\n"
            for query, settings, seed in error.queries))
        print(f"# {path}")


# --- the report ---

def name_of(state):
    """Of a SQLSTATE."""
    try:
        name = psycopg.errors.lookup(state).__name__
    except KeyError:
        return ""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower().rstrip("_")


def report(tally, seconds, seed):
    """Its lines."""
    # its own --version is "unreleased"
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}",
                              "sqlsmith"],
                             capture_output=True, check=False,
                             text=True).stdout if shutil.which(
                                 "dpkg-query") else ""
    with psycopg.connect() as conn:
        server = conn.execute("SHOW server_version").fetchone()[0].split()[0]
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path(
        "/proc/cpuinfo").read_text(), re.M)
    errors = tally.states.total()
    yield (f"make sqlsmith, {datetime.date.today()}, {os.cpu_count()} cores, "
           f"{cpu[1] if cpu else platform.machine()}")
    yield ""
    yield (f"{' '.join(['sqlsmith', version]).strip()}, PostgreSQL {server}, seed {seed}, {seconds} s, "
           f"{tally.rounds} rounds of {QUERIES:,} queries in one connection")
    yield f"{tally.queries:10,} queries"
    yield f"{errors:10,} of them errors"
    for state, n in tally.states.most_common():
        yield f"{n:16,}  {state} {name_of(state)}"
    yield f"{len(tally.crashes):10,} crashes"
    yield f"{len(tally.assertions):10,} assertions"
    yield f"{len(tally.leaks):10,} leaks"
    yield (f"{len(tally.stuck):10,} queries that ran for {PATIENCE} s after "
           "they were cancelled")
    yield f"{len(tally.findings()):10,} internal errors of mappedcoll"
    if tally.internal:
        yield ""
        yield "Internal errors:"
    for error in tally.internal.values():
        yield (f"{error.n:10,} x {error.sqlstate} {error.message[:100]} "
               f"({error.verdict or 'FINDING'})")


tests = failures = 0


def ok(condition, description, *details):
    """Report a test."""
    global tests, failures
    tests += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {tests} - {description}")
    if not condition:
        for detail in details:
            print(re.sub("^", "# ", str(detail), flags=re.M))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=int)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("MC_SEED") or
                                    random.randrange(1, 2 ** 30)))
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    prepare()
    print(f"seed {arguments.seed} (MC_SEED)", flush=True)
    tally = run(arguments.seconds, arguments.seed)
    judge(tally)
    lines = list(report(tally, arguments.seconds, arguments.seed))
    print("\n".join(lines))
    for (state, message), n in tally.messages.most_common(30):
        print(f"# {n} x {state} {message[:160]}")
    if arguments.report:
        arguments.report.write_text("\n".join(lines) + "\n")
    keep(tally.findings())
    ok(not tally.crashes, "no crash", *tally.crashes)
    ok(not tally.assertions, "no assertion", *tally.assertions)
    ok(not tally.leaks, "no leak", *tally.leaks)
    ok(not tally.stuck, "all queries can be cancelled", *tally.stuck.values())
    ok(not tally.findings(), "no internal error of mappedcoll",
       *(f"{error.sqlstate} {error.message}" for error in tally.findings()))
    ok(tally.queries - tally.states.total() > tally.queries / 4 > 0,
       "a good part of the queries had a result")
    with psycopg.connect(dbname=SMITH) as conn:
        found = conn.execute("SELECT count(*), count(DISTINCT cell_type) "
                             "FROM coll").fetchone()
    ok(found == (3200, 11), "the collection is what it was", found)
    print(f"1..{tests}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
