#!/usr/bin/env python3
"""run.py
    Clients that are not psql or psycopg: what they read of a collection is
    what anndata reads from its files.

DuckDB attaches the database by its postgres extension, Perl asks by DBD::Pg,
R by RPostgreSQL.  A client that is not installed is skipped, with the reason;
"make test-foreign" installs them.  Debian has no package of Julia.  Where the
server is, says libpq's environment; MC_DATA is a readable copy of test/data,
MC_NO_DUCKDB why DuckDB could not be installed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import anndata
import pandas as pd
import psycopg

HERE = pathlib.Path(__file__).resolve().parent
DEMO = pathlib.Path(os.environ["MC_DATA"]) / "demo"
DATABASE = "foreign_clients"

tests = failures = 0


def ok(condition, description, *details):
    """Report a test."""
    global tests, failures
    tests += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {tests} - {description}",
          flush=True)
    if not condition:
        for detail in details:
            print(f"# {detail}")


def skip(description, reason):
    """Report a test that cannot run here."""
    global tests
    tests += 1
    print(f"ok {tests} # SKIP {description}: {reason}", flush=True)


# --- the truth ---

def read_obs():
    """obs of the demo's files, in the collection's order."""
    parts = [anndata.read_h5ad(path, backed="r").obs
             for path in sorted(DEMO.glob("*.h5ad"))]
    obs = pd.concat([part.astype(object).where(part.notna(), None)
                     for part in parts])
    obs.insert(0, "obs_name", obs.index)
    obs.insert(0, "file_index", [i for i, part in enumerate(parts)
                                 for _ in range(len(part))])
    obs.insert(0, "row_index", range(len(obs)))
    return obs.reset_index(drop=True)


OBS = read_obs()
DONORS = {donor: f"cohort {int(donor[1:]) % 4}"
          for donor in sorted(set(OBS["donor_id"].dropna()))}


def counts(keys, rows=OBS):
    """Rows of each key, sorted, as tuples."""
    found = rows.assign(n=1).groupby(keys, dropna=False)["n"].sum()
    return sorted([*(key if isinstance(key, tuple) else (key,)), int(n)]
                  for key, n in found.items())


def rows_where(condition, columns):
    """Some columns of some rows, as lists."""
    return OBS.loc[condition, columns].values.tolist()


COHORTS = counts(["cohort"], OBS.assign(cohort=OBS["donor_id"].map(DONORS))
                 .dropna(subset=["cohort"]))
TYPES = counts(["cell_type"], OBS.dropna(subset=["cell_type"]))
DONOR_ROWS = rows_where(OBS["donor_id"] == "D03",
                        ["row_index", "obs_name", "cell_type", "n_counts"])


# --- clients with SQL of the server ---

STATEMENTS = [
    ("count", "SELECT count(*) FROM coll", [[len(OBS)]]),
    ("GROUP BY", "SELECT cell_type, count(*) FROM coll "
     "WHERE cell_type IS NOT NULL GROUP BY 1 ORDER BY 1", TYPES),
    ("join", "SELECT d.cohort, count(*) FROM coll c JOIN donors d "
     "USING (donor_id) GROUP BY 1 ORDER BY 1", COHORTS),
    ("filter with a parameter",
     "SELECT row_index, obs_name, cell_type, n_counts FROM coll "
     "WHERE donor_id = $1 ORDER BY row_index\tD03", DONOR_ROWS),
    ("rows by number", "SELECT row_index, obs_name FROM coll "
     "WHERE row_index IN (5, 9, 3000) ORDER BY 1",
     rows_where(OBS["row_index"].isin([5, 9, 3000]),
                ["row_index", "obs_name"])),
    ("file_index", "SELECT file_index, count(*) FROM coll GROUP BY 1 "
     "ORDER BY 1", counts(["file_index"])),
    ("nothing found", "SELECT count(*) FROM coll WHERE cell_type = $1\tnone",
     [[0]]),
    ("TABLESAMPLE", "SELECT count(*), count(cell_type) FROM (SELECT * FROM "
     "coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) LIMIT 256) AS s",
     [[256, 256]]),
    ("a batch", "SELECT count(*), count(x) FROM "
     "sample_batch('coll', 256, 'cell_type', seed => 1)", [[256, 256]]),
]


def text_of(value):
    """As the clients print it."""
    if value is None or value != value:
        return "\\N"
    return str(int(value)) if isinstance(value, float) and \
        value.is_integer() else str(value)


def parse(output):
    """What a client printed: key -> rows of text."""
    found, rows = {}, None
    for line in output.splitlines():
        if line.startswith("> "):
            rows = found.setdefault(line[2:], [])
        elif rows is not None:
            rows.append(line.split("\t"))
    return found


def check_client(name, command):
    """Run a client's script, and compare."""
    lines = "".join(f"{statement}\n" for _, statement, _ in STATEMENTS)
    result = subprocess.run(command, input=lines, text=True, check=False,
                            capture_output=True, timeout=120)
    found = parse(result.stdout)
    version = found.get("version", [[name]])[0][0]
    ok(result.returncode == 0, f"{name}: {version}", result.stderr)
    for i, (what, _, expected) in enumerate(STATEMENTS):
        expected = [[text_of(value) for value in row] for row in expected]
        rows = found.get(str(i), [])
        ok(rows == expected, f"{name}: {what}",
           f"{len(rows)} rows instead of {len(expected)}",
           rows[:3], expected[:3])
    total = len(OBS) * (len(OBS) - 1) // 2
    ok(found.get("cursor") == [[str(len(OBS)), str(total)]],
       f"{name}: rows in parts", found.get("cursor"))


def has(command):
    """Does a command that only loads a module succeed?"""
    return shutil.which(command[0]) is not None and subprocess.run(
        command, capture_output=True, check=False).returncode == 0


# --- DuckDB, with SQL of its own ---

def attached():
    """DuckDB with the database attached, and versions; or None and why."""
    if os.environ.get("MC_NO_DUCKDB"):
        return None, os.environ["MC_NO_DUCKDB"]
    try:
        import duckdb
        from duckdb_extensions import import_extension
    except ImportError as error:
        return None, str(error)
    import_extension("postgres_scanner")
    conn = duckdb.connect()
    conn.execute("LOAD postgres_scanner")
    conn.execute("SET pg_debug_show_queries = false")
    conn.execute(f"ATTACH 'dbname={DATABASE}' AS lab (TYPE postgres, READ_ONLY)")
    return conn, duckdb.__version__


def duck_questions():
    """Description, DuckDB's SQL, what it must give."""
    some = OBS["n_counts"].map(lambda n: n is not None and 600 < n < 1500)
    return [
        ("count(*)", "SELECT count(*) FROM lab.coll", [[len(OBS)]]),
        ("count(*) of the foreign table", "SELECT count(*) FROM lab.coll_h5ad",
         [[len(OBS)]]),
        ("GROUP BY", "SELECT cell_type, count(*) FROM lab.coll "
         "WHERE cell_type IS NOT NULL GROUP BY 1 ORDER BY 1", TYPES),
        ("a filter of text", "SELECT row_index, obs_name, cell_type, n_counts "
         "FROM lab.coll WHERE donor_id = 'D03' ORDER BY 1", DONOR_ROWS),
        ("a range of numbers", "SELECT row_index FROM lab.coll "
         "WHERE n_counts > 600 AND n_counts < 1500 ORDER BY 1",
         rows_where(some, ["row_index"])),
        ("IN, and IS NULL", "SELECT count(*) FROM lab.coll "
         "WHERE donor_id IN ('D01', 'D02') OR cell_type IS NULL",
         [[int((OBS["donor_id"].isin(["D01", "D02"]) |
                OBS["cell_type"].isna()).sum())]]),
        ("rows by number", "SELECT row_index, obs_name FROM lab.coll "
         "WHERE row_index IN (5, 9, 3000) ORDER BY 1",
         rows_where(OBS["row_index"].isin([5, 9, 3000]),
                    ["row_index", "obs_name"])),
        ("join of two attached tables", "SELECT d.cohort, count(*) FROM "
         "lab.coll c JOIN lab.donors d USING (donor_id) GROUP BY 1 ORDER BY 1",
         COHORTS),
        ("every row once", "SELECT count(DISTINCT row_index), min(row_index), "
         "max(row_index), count(x) FROM lab.coll",
         [[len(OBS), 0, len(OBS) - 1, len(OBS)]]),
        ("expression data", "SELECT octet_length(x) FROM lab.coll "
         "WHERE row_index = 7", None),
        ("postgres_query", "SELECT count(*), count(x) FROM postgres_query("
         "'lab', 'SELECT * FROM sample_batch(''coll'', 256, ''cell_type'')')",
         [[256, 256]]),
    ]


def check_duckdb():
    """All questions; again when ANALYZE has told the planner of pages."""
    conn, version = attached()
    if conn is None:
        skip("DuckDB", version)
        return
    with psycopg.connect(dbname=DATABASE, autocommit=True) as server:
        genes, = server.execute("SELECT count(*) FROM collection_vars('coll')"
                                ).fetchone()
        for state in "attached", "after ANALYZE":
            if state == "after ANALYZE":
                server.execute("ANALYZE coll")
                server.execute("ANALYZE coll_h5ad")
                conn.execute("CALL pg_clear_cache()")
            for what, text, expected in duck_questions():
                try:
                    rows = [list(row) for row in conn.execute(text).fetchall()]
                except Exception as error:
                    rows = [str(error)]
                ok(rows == (expected or [[4 * genes]]),
                   f"DuckDB {version}, {state}: {what}", rows[:3],
                   expected and expected[:3])


def prepare():
    """The database that all use."""
    with psycopg.connect(autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        conn.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE) as conn:
        conn.execute("CREATE EXTENSION mappedcoll")
        conn.execute("SELECT create_collection('coll', ARRAY[%s])",
                     [str(DEMO)])
        conn.execute("CREATE TABLE donors (donor_id text PRIMARY KEY, "
                     "cohort text)")
        conn.cursor().executemany("INSERT INTO donors VALUES (%s, %s)",
                                  DONORS.items())
    os.environ["PGDATABASE"] = DATABASE


def main():
    prepare()
    check_duckdb()
    if has(["perl", "-MDBD::Pg", "-e", "1"]):
        check_client("Perl", ["perl", HERE / "client.pl"])
    else:
        skip("Perl", "DBD::Pg is not installed")
    if has(["Rscript", "-e", "library(RPostgreSQL)"]):
        check_client("R", ["Rscript", "--vanilla", HERE / "client.R"])
    else:
        skip("R", "R or its package RPostgreSQL is not installed")
    print(f"1..{tests}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
