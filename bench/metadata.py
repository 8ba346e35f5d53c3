#!/usr/bin/env python3
"""metadata.py
    Queries of obs: mappedcoll beside DuckDB on a parquet export of the same
    obs, PostgreSQL on a heap copy of it, and pandas over anndata's reading.

Usage: metadata.py DIRECTORY     (see metadata.sh and make_metadata.py)

Each question is one statement, the same SQL for all that speak it.  Before a
question is measured all give their answers, and these must be equal.
"""

import dataclasses
import decimal
import math
import pathlib
import statistics
import sys
import time

import pandas as pd
import psycopg

import files
import make_metadata
import measure
import ours
import peers
from measure import OURS, PEER, QUICK, RUNS, Absent, Contender
from scale import register

SECONDS = 0.1 if QUICK else 0.5     # that the repeats of a run fill
REPEATS = 1000                      # and no more than these
OURSELVES = "mappedcoll"
DUCK = "DuckDB, parquet, {} thread{}"
HEAP = "PostgreSQL, heap copy"
READERS = ("pandas, obs of all files read", "pandas, the columns needed read")


@dataclasses.dataclass
class Question:
    """What is asked: {obs} and {donors} of sql are the tables, and pandas a
    function of both as frames that gives the same rows; columns are those
    that it needs."""

    title: str
    sql: str
    columns: list
    pandas: object
    aims: dict = dataclasses.field(default_factory=dict)


def by_two(obs, _):
    """GROUP BY of two."""
    return obs.groupby(["cell_type", "tissue"], observed=True)["n_genes"].agg(
        ["size", "mean"]).reset_index()


def by_one_of_some(obs, _):
    """A filter, then GROUP BY."""
    some = obs[(obs["cell_type"] == "type 03") & (obs["assay"] != "assay 0")]
    return some.groupby("tissue", observed=True).agg(
        n=("n_genes", "size"), low=("n_genes", "min"), high=("n_genes", "max"),
        mean=("percent_mito", "mean")).reset_index()


def rows_of(condition):
    """Rows for which a condition of a frame holds."""
    return lambda obs, _: obs.loc[condition(obs), [
        "row_index", "obs_name", "donor_id", "n_genes", "percent_mito"]]


def by_cohort(obs, donors):
    """Join and GROUP BY."""
    cohort = obs["donor_id"].map(donors.set_index("donor_id")["cohort"])
    return obs["n_genes"].groupby(cohort.astype("category"),
                                  observed=True).agg(
        ["size", "mean"]).reset_index()


def by_cohort_and_type(obs, donors):
    """Join with a filter on the table, GROUP BY columns of both."""
    willing = donors[donors["consent"] & (donors["age"] >= 65)]
    cohort = obs["donor_id"].map(willing.set_index("donor_id")["cohort"])
    return obs.groupby([cohort.astype("category"), "cell_type"],
                       observed=True).size().reset_index()


ROW = "SELECT row_index, obs_name, donor_id, n_genes, percent_mito FROM {obs} "
NUMBERS = ["obs_name", "donor_id", "n_genes", "percent_mito"]
QUESTIONS = [
    Question("GROUP BY of two categoricals",
             "SELECT cell_type, tissue, count(*), avg(n_genes) "
             "FROM {obs} GROUP BY 1, 2",
             ["cell_type", "tissue", "n_genes"], by_two,
             {DUCK.format(2, "s"): ("at most", 3), HEAP: ("at least", 10)}),
    Question("GROUP BY of what a filter leaves",
             "SELECT tissue, count(*), min(n_genes), max(n_genes), "
             "avg(percent_mito) FROM {obs} "
             "WHERE cell_type = 'type 03' AND assay <> 'assay 0' GROUP BY 1",
             ["cell_type", "tissue", "assay", "n_genes", "percent_mito"],
             by_one_of_some),
    Question("Filter, 1 row of 10,000, by categoricals and a number",
             ROW + "WHERE cell_type = 'type 20' AND tissue = 'tissue 07' "
             "AND percent_mito < 0.24",
             NUMBERS + ["cell_type", "tissue"],
             rows_of(lambda obs: (obs["cell_type"] == "type 20") &
                     (obs["tissue"] == "tissue 07") &
                     (obs["percent_mito"] < 0.24)),
             {HEAP: ("at least", 5)}),
    Question("Filter, a donor",
             ROW + "WHERE donor_id = 'donor 042042'", NUMBERS,
             rows_of(lambda obs: obs["donor_id"] == "donor 042042")),
    Question("Filter, 1 row of 10,000, by numbers alone",
             ROW + "WHERE percent_mito > 0.99 AND n_genes BETWEEN 1000 AND 1077",
             NUMBERS, rows_of(lambda obs: (obs["percent_mito"] > 0.99) &
                              obs["n_genes"].between(1000, 1077))),
    Question("Join with 100,000 donors, GROUP BY cohort",
             "SELECT d.cohort, count(*), avg(c.n_genes) FROM {obs} c "
             "JOIN {donors} d USING (donor_id) GROUP BY 1",
             ["donor_id", "n_genes"], by_cohort),
    Question("Join with some of them, GROUP BY cohort and cell type",
             "SELECT d.cohort, c.cell_type, count(*) FROM {obs} c "
             "JOIN {donors} d USING (donor_id) "
             "WHERE d.consent AND d.age >= 65 GROUP BY 1, 2",
             ["donor_id", "cell_type"], by_cohort_and_type),
    Question("count(*)", "SELECT count(*) FROM {obs}", ["tissue"],
             lambda obs, _: pd.DataFrame({"count": [len(obs)]})),
]


# --- the contenders ---

class Teller(Contender):
    """Something that answers questions."""

    def rows(self, question):
        """The answer, as something that has been read to its end."""
        raise NotImplementedError

    def answer(self, number):
        """The rows of a question as sorted tuples, and the seconds taken."""
        begin = time.perf_counter()
        rows = self.rows(QUESTIONS[number])
        seconds = time.perf_counter() - begin
        if isinstance(rows, pd.DataFrame):
            rows = rows.itertuples(index=False)
        return sorted(tuple(float(value) if isinstance(value, decimal.Decimal)
                            else value for value in row)
                      for row in rows), seconds

    def repeat(self, number, times):
        """Seconds of one of so many answers."""
        begin = time.perf_counter()
        for _ in range(times):
            self.rows(QUESTIONS[number])
        return (time.perf_counter() - begin) / times


class Postgres(Teller):
    """A table of the server."""

    def __init__(self, name, table, kind=PEER, **settings):
        super().__init__(name)
        self.table, self.kind, self.settings = table, kind, settings

    def open(self):
        # planned each time, as a query that is asked once
        self.conn = psycopg.connect(autocommit=True, prepare_threshold=None)
        lacking = [name for name, value in self.settings.items()
                   if not ours.client.set_if_there(
                       self.conn, name.replace("__", "."), value)]
        if lacking:
            raise Absent("this version has no " + ", ".join(lacking))

    def rows(self, question):
        return self.conn.execute(question.sql.format(
            obs=self.table, donors="donors")).fetchall()


class Duck(Teller):
    """DuckDB on the export; the donors are a table of its own."""

    def __init__(self, directory, threads):
        super().__init__(DUCK.format(threads, "s" if threads > 1 else ""))
        self.directory, self.threads = directory, threads

    def load(self):
        try:
            import duckdb   # noqa: F401 (whether it is there)
        except ImportError as error:
            raise Absent(f"{peers.missing('duckdb')}: {error}") from None

    def open(self):
        import duckdb
        self.conn = duckdb.connect(config={"threads": self.threads})
        self.conn.execute(f"CREATE TABLE donors AS SELECT * "
                          f"FROM '{self.directory / 'donors.parquet'}'")
        self.conn.execute(f"CREATE VIEW obs AS SELECT * "
                          f"FROM '{self.directory / 'obs.parquet'}'")

    def rows(self, question):
        return self.conn.execute(question.sql.format(
            obs="obs", donors="donors")).fetchall()


class Pandas(Teller):
    """anndata's obs: read for each question, whole or the columns that it
    needs; or once, before the first."""

    def __init__(self, name, directory, what):
        super().__init__(name)
        self.directory, self.what = directory, what

    def load(self):
        import anndata      # noqa: F401 (imported before time counts)

    def open(self):
        self.donors = pd.read_parquet(self.directory / "donors.parquet")
        self.paths = files.paths(self.directory / "files")
        if self.what == "memory":
            self.frame = self.whole()

    def whole(self):
        """obs of all files, with the columns that mappedcoll adds."""
        obs = make_metadata.read_obs(self.paths)
        obs.insert(0, "row_index", range(len(obs)))
        obs.insert(1, "obs_name", obs.index)
        return obs.reset_index(drop=True)

    def needed(self, question):
        """The same of some columns."""
        import anndata
        import h5py
        parts = []
        for path in self.paths:
            with h5py.File(path) as file:
                parts.append(pd.DataFrame({
                    name: anndata.io.read_elem(file["obs"][
                        "_index" if name == "obs_name" else name])
                    for name in question.columns}))
        obs = make_metadata.concatenated(parts).reset_index(drop=True)
        obs.insert(0, "row_index", range(len(obs)))
        return obs

    def rows(self, question):
        obs = (self.frame if self.what == "memory" else
               self.whole() if self.what == "whole" else self.needed(question))
        return question.pandas(obs, self.donors)


def contenders(directory):
    """All of them; what the others are compared with first."""
    return [
        Postgres(OURSELVES, "coll", OURS),
        Postgres("mappedcoll, no parallel workers", "coll", OURS,
                 max_parallel_workers_per_gather="0"),
        Postgres("mappedcoll, enable_pushdown off", "coll", OURS,
                 mappedcoll__enable_pushdown="off"),
        Duck(directory, 1),
        Duck(directory, 2),
        Postgres(HEAP, "heap"),
        Postgres(HEAP + ", no parallel workers", "heap",
                 max_parallel_workers_per_gather="0"),
        Pandas(READERS[0], directory, "whole"),
        Pandas(READERS[1], directory, "needed"),
        Pandas("pandas, in memory", directory, "memory"),
    ]


# --- what is measured ---

def same(found, expected):
    """Are two answers equal?  Sums of floats differ by their order."""
    return len(found) == len(expected) and all(
        len(one) == len(other) and all(
            math.isclose(a, b, rel_tol=1e-9) if isinstance(b, float) else a == b
            for a, b in zip(one, other))
        for one, other in zip(found, expected))


class Column:
    """What a player needed for a question."""

    def __init__(self, player):
        self.player, self.name, self.kind = player, player.name, player.kind
        self.seconds = []
        self.why = player.why

    @property
    def median(self):
        """Seconds, or None."""
        return statistics.median(self.seconds) if self.seconds else None


def ask(players, number):
    """All players answer a question, then take turns; a Column each."""
    question = QUESTIONS[number]
    measure.say(question.title)
    columns = [Column(player) for player in players]
    expected, times = None, {}
    for column in columns:
        found = column.player.ask("answer", number)
        if found is None:
            column.why = column.player.why
            measure.say(f"{column.name}: {column.why}")
            continue
        expected = expected or found
        if not same(found[0], expected[0]):
            raise SystemExit(
                f"{question.title}: {column.name} has another answer than "
                f"{columns[0].name}: {found[0][:3]}... ({len(found[0])} rows) "
                f"instead of {expected[0][:3]}... ({len(expected[0])} rows)")
        times[column] = max(1, min(REPEATS, math.ceil(SECONDS / found[1])))
    for _ in range(RUNS):
        for column, n in times.items():
            seconds = column.player.ask("repeat", number, n)
            if seconds is None:
                column.why = column.player.why
            else:
                column.seconds.append(seconds)
    return columns, len(expected[0]) if expected else 0


def milliseconds(seconds):
    """With three digits that count."""
    ms = seconds * 1e3
    return f"{ms:,.{max(0, 2 - math.floor(math.log10(max(ms, 1e-3))))}f}" \
        if ms < 100 else f"{ms:,.0f}"


def report_question(report, question, columns, n_rows):
    """A table; against mappedcoll as it comes."""
    ours_ = columns[0].median
    report.line()
    report.line(f"{question.title}: {n_rows:,} row{'s' if n_rows > 1 else ''}")
    report.line(f"    {question.sql.format(obs='obs', donors='donors')}")
    width = max(len(column.name) for column in columns)
    for column in columns:
        line = f"{column.name:<{width}}  "
        if column.median is None:
            report.line(line + (column.why or "no run"))
            continue
        runs = " ".join(milliseconds(s) for s in column.seconds)
        line += f"{milliseconds(column.median):>9} ms "
        line += f"{column.median / ours_:>9.2f} x" if ours_ else f"{'':>11}"
        report.line(f"{line}   ({runs})")


def report_aims(report, answers):
    """The targets, and what was reached."""
    report.line()
    for question, columns in zip(QUESTIONS, answers):
        found = {column.name: column.median for column in columns}
        for name, (word, aim) in question.aims.items():
            if not found.get(OURSELVES) or not found.get(name):
                report.line(f"{question.title}, beside {name}: -")
            elif word == "at most":
                report.line(f"{question.title}: {found[OURSELVES] / found[name]:.2f} times as long as {name} (aim {aim})")
            else:
                report.line(f"{question.title}: {found[name] / found[OURSELVES]:.1f} times as fast as {name} (aim {aim})")


def draw(figure, answers):
    """A panel a question, a bar a contender."""
    axes = figure.subplots(math.ceil(len(QUESTIONS) / 2), 2).flatten()
    for panel, question, columns in zip(axes, QUESTIONS, answers):
        columns = [column for column in columns if column.median][::-1]
        bars = panel.barh([column.name for column in columns],
                          [column.median * 1e3 for column in columns],
                          color=["#1f6fb4" if column.kind == OURS else
                                 "#b0b0b0" for column in columns])
        panel.bar_label(bars, [milliseconds(column.median)
                               for column in columns], padding=3, fontsize=7)
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        panel.set_xlim(low / 2, high * 5)
        panel.set_title(question.title, fontsize=9)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in axes[len(QUESTIONS):]:
        panel.set_axis_off()
    figure.supxlabel(f"ms, median of {RUNS} runs, log scale", fontsize=9)


# --- what is prepared ---

def prepare(directory):
    """The collection, the donors and the heap copy; lines that say how long
    each took."""
    source = directory / "files"
    files.warm(source)
    found = [register(source, 2)[0] for _ in range(RUNS + 1)][1:]
    lines = [f"registered in {statistics.median(found):.2f} s "
             f"({' '.join(f'{s:.2f}' for s in found)})"]
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("SET client_min_messages = warning")
        conn.execute("SELECT create_collection('coll', ARRAY[%s])",
                     [str(source)])
        conn.execute("CREATE TABLE donors (donor_id text, cohort text, "
                     "age bigint, consent boolean)")
        donors = pd.read_parquet(directory / "donors.parquet")
        with conn.cursor().copy("COPY donors FROM STDIN") as copy:
            for row in donors.itertuples(index=False):
                copy.write_row(row)
        conn.execute("VACUUM ANALYZE donors")
        begin = time.perf_counter()
        columns = ", ".join(["row_index", "file_index", "obs_name",
                             *make_metadata.COLUMNS])
        conn.execute(f"CREATE TABLE heap AS SELECT {columns} FROM coll")
        conn.execute("VACUUM (ANALYZE, FREEZE) heap")
        size, = conn.execute("SELECT pg_table_size('heap')").fetchone()
        lines.append(f"heap copy, {size / measure.MB:,.0f} MB, in "
                     f"{time.perf_counter() - begin:.1f} s")
    noted = directory / "exported.txt"
    if noted.exists():
        read, written = noted.read_text().split()
        size = (directory / "obs.parquet").stat().st_size
        lines.append(f"parquet export, {size / measure.MB:,.0f} MB, in "
                     f"{written} s, after {read} s of reading by anndata")
    return lines


def fresh(number):
    """Seconds from nothing to an answer of mappedcoll."""
    begin = time.perf_counter()
    with psycopg.connect(autocommit=True) as conn:
        conn.execute(QUESTIONS[number].sql.format(
            obs="coll", donors="donors")).fetchall()
        return time.perf_counter() - begin


def main():
    directory = pathlib.Path(sys.argv[1])
    prepared = prepare(directory)
    paths = files.paths(directory / "files")
    with psycopg.connect() as conn:
        n_rows, = conn.execute("SELECT count(*) FROM coll").fetchone()
    report = measure.Report(
        "metadata",
        [f"Queries of the metadata of a collection.  ms: median of {RUNS} runs in which all took turns, page",
         "cache warm, a connection or process that is open; all runs in parentheses.  x: how many times as",
         "long as mappedcoll.  Before that all gave the same answer.  What it took to convert the data for",
         "others is not counted.  PostgreSQL's settings are its own but for shared_buffers, so that the",
         "heap copy, which is VACUUMed and ANALYZEd and has no index, stays in memory."],
        ours.server_version(), "duckdb", "anndata", "h5py", "pandas", "psycopg")
    size = sum(path.stat().st_size for path in paths)
    report.line(f"files     {n_rows:,} rows in {len(paths)} files, {size / measure.MB:,.0f} MB; "
                f"categoricals of {make_metadata.N_TYPES}, {make_metadata.N_TISSUES}, {make_metadata.N_ASSAYS} and "
                f"{make_metadata.N_DONORS:,} categories, an int32, a float64, names")
    report.line(f"made      {'; '.join(prepared)}")
    players = []
    try:
        for contender in contenders(directory):
            measure.say(f"opening {contender.name}")
            players.append(measure.Player(contender))
            players[-1].ask("open")
        answers = []
        for number, question in enumerate(QUESTIONS):
            # reading the files takes what it takes, whatever is asked
            columns, n = ask([player for player in players
                              if number == 0 or player.name not in READERS],
                             number)
            answers.append(columns)
            report_question(report, question, columns, n)
    finally:
        for player in players:
            player.close()
    report_aims(report, answers)
    firsts = [fresh(0) for _ in range(RUNS)]
    report.line(f"{QUESTIONS[0].title}, mappedcoll, from connecting to the answer: "
                f"{milliseconds(statistics.median(firsts))} ms "
                f"({' '.join(milliseconds(s) for s in firsts)})")
    report.write()
    report.figure(lambda figure: draw(figure, answers), (11, 11))


if __name__ == "__main__":
    main()
