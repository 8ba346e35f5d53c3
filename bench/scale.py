#!/usr/bin/env python3
"""scale.py
    What grows with a collection: registration, the first batch of a fresh
    connection, throughput, and memory.

Usage: scale.py DIRECTORY FRESH COLLECTION...     (see scale.sh)

A collection is a directory below DIRECTORY that is named CELLS-FILES.  FRESH
is the one on which the first batch is measured beside the peers.
"""

import os
import pathlib
import statistics
import sys
import threading
import time

import psycopg

import files
import measure
import ours
import peers
from measure import MB, QUICK, RUNS, SECONDS
from ours import BATCH

DRAWS = 1_000_000
MANY = 10_000 if QUICK else 100_000     # batches of a long stream
MANY_CELLS = 16                         # of each of them
WORKERS = (1, 2, 4)
TICK = os.sysconf("SC_CLK_TCK")


def name_of(directory):
    """The collection over a directory."""
    return f"scale_{directory.name.replace('-', '_')}"


def clock(work):
    """Seconds of a call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def runs(numbers, digits=0):
    """All runs, in parentheses."""
    return f"({' '.join(f'{number:.{digits}f}' for number in numbers)})"


# Registration

def cpu_of(pid):
    """Seconds of CPU of a process and of its children that have ended."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    return sum(map(int, stat.split()[11:15])) / TICK


def register(directory, workers):
    """Seconds to register a directory without manifests, share of all cores,
    bytes of manifests."""
    with psycopg.connect(autocommit=True) as conn:
        pid = conn.info.backend_pid
        data, = conn.execute("SHOW data_directory").fetchone()
        conn.execute("SELECT split_of('', 0, '{1}')")  # the library is loaded
        conn.execute("SET client_min_messages = warning")
        conn.execute(f"SET mappedcoll.manifest_workers = {workers}")
        conn.execute(f"DROP TABLE IF EXISTS {name_of(directory)}")
        manifests = pathlib.Path(data) / "mappedcoll"
        for path in manifests.glob("*.manifest"):
            path.unlink()
        before = cpu_of(pid)
        seconds = clock(lambda: conn.execute(
            "SELECT create_collection(%s, ARRAY[%s])",
            [name_of(directory), str(directory)]))
        share = (cpu_of(pid) - before) / seconds / os.cpu_count()
        return seconds, share, sum(path.stat().st_size
                                   for path in manifests.glob("*.manifest"))


def read_obs(directory):
    """obs of all files by anndata, which is what its users wait for."""
    import anndata
    import h5py
    for path in files.paths(directory):
        with h5py.File(path) as file:
            anndata.io.read_elem(file["obs"])


def report_registration(report, directories):
    """A line a collection and number of programs, and anndata's obs."""
    report.line()
    report.line("Registration: create_collection where there are no manifests, files in the page cache.")
    report.line("CPU: share of all cores.  MB/s: of h5ad files.")
    report.line()
    report.line(f"{'':<42} {'s':>7} {'cells/s':>11} {'MB/s':>7} {'CPU':>5} "
                f"{'manifest MB':>12}   s of all runs")
    for directory in directories:
        cells = int(directory.name.split("-")[0])
        size = sum(path.stat().st_size for path in files.paths(directory))
        files.warm(directory)
        lines = []
        for workers in WORKERS:
            measure.say(f"registering {directory.name}, {workers} programs")
            found = [register(directory, workers) for _ in range(RUNS + 1)][1:]
            lines.append((f"{workers} program{'s' if workers > 1 else ''} at a time",
                          *map(list, zip(*found))))
        measure.say(f"reading obs of {directory.name} with anndata")
        lines.append(("obs alone, by anndata",
                      [clock(lambda: read_obs(directory))
                       for _ in range(min(RUNS, 3))], None, None))
        for what, seconds, share, bytes_ in lines:
            middle = statistics.median(seconds)
            report.line(
                f"{cells:>10,} cells, {what:<24} {middle:>7.2f} "
                f"{cells / middle:>11,.0f} {size / MB / middle:>7,.0f} " +
                (f"{statistics.median(share):>5.0%} {bytes_[0] / MB:>12,.1f}"
                 if share else f"{'':>5} {'':>12}") +
                f"   {runs(seconds, 2)}")


# Growth

class Session:
    """A fresh connection; what its first batch took."""

    def __init__(self, name):
        self.name = name
        begin = time.perf_counter()
        self.conn = psycopg.connect(autocommit=True)
        self.connected = time.perf_counter() - begin
        self.batch(0)
        self.first = time.perf_counter() - begin
        self.second = statistics.median(clock(lambda s=s: self.batch(s))
                                        for s in range(1, 6))

    def batch(self, step):
        """One batch by a statement of its own."""
        self.conn.execute(
            f"SELECT * FROM sample_csr('{self.name}', {BATCH}, "
            f"'{files.LABEL}', seed => 1, step => {step})",
            binary=True).fetchall()

    def draws(self):
        """Draws a second."""
        return DRAWS / clock(lambda: self.conn.execute(
            f"SELECT count(*) FROM sample_rows('{self.name}', {DRAWS}, "
            f"'{files.LABEL}', seed => 1)"))

    def memory(self):
        """Bytes that the backend has to itself."""
        return measure.rss(self.conn.info.backend_pid)


def plan_time(name):
    """Seconds of a session's first EXPLAIN."""
    with psycopg.connect(autocommit=True) as conn:
        return clock(lambda: conn.execute(
            f"EXPLAIN SELECT row_index, x FROM {name} "
            "WHERE cell_type = 'type 03' AND n_counts > 100"))


def report_growth(report, directories):
    """A line a collection, of medians; then the curves."""
    report.line()
    report.line(f"Growth.  connect: to the server.  first: from there to the end of the first batch of {BATCH} labelled")
    report.line("cells (sample_csr).  second: a later one, by a statement of its own.  EXPLAIN: the first of a session.")
    report.line("draws/s: sample_rows alone.  MB: what the backend has to itself (RssAnon) after the first batches.")
    report.line("cells/s: batches by one statement.  pread: a C loop that reads the bytes of the same cells, and does")
    report.line("nothing else: what the machine gives, whose caches hold the smaller collections as a whole.")
    report.line()
    report.line(f"{'cells':>11} {'files':>5} {'connect ms':>10} {'first ms':>9} {'second ms':>9} {'EXPLAIN ms':>10} "
                f"{'draws/s':>10} {'MB':>5} {'cells/s':>8} {'pread/s':>8} {'ratio':>5}   first ms of all runs; cells/s of all runs")
    curves = {"mappedcoll": [], "pread": []}
    for directory in directories:
        name, (cells, n_files) = name_of(directory), directory.name.split("-")
        measure.say(f"sessions on {directory.name}")
        files.warm(directory)
        found, drawn, memory = [], [], []
        for _ in range(RUNS + 1):
            session = Session(name)
            memory.append(session.memory() / MB)
            drawn.append(session.draws())
            session.conn.close()
            found.append(session)
        stream, bound = measure.play([
            ours.Stream(f"{cells} cells", name, part_rows=0),
            ours.Replay(f"{cells} cells, pread", name, directory, "read",
                        BATCH, 40)])
        firsts = [(s.first - s.connected) * 1e3 for s in found[1:]]
        median = statistics.median
        line = (f"{int(cells):>11,} {n_files:>5} "
                f"{median(s.connected for s in found[1:]) * 1e3:>10.1f} "
                f"{median(firsts):>9.1f} "
                f"{median(s.second for s in found[1:]) * 1e3:>9.2f} "
                f"{median(plan_time(name) for _ in range(RUNS)) * 1e3:>10.1f} "
                f"{median(drawn[1:]):>10,.0f} {median(memory[1:]):>5.1f} ")
        for player in stream, bound:
            if player.why:
                line += f"{player.why} "
        if stream.rate and bound.rate:
            line += (f"{stream.rate:>8,.0f} {bound.rate:>8,.0f} "
                     f"{stream.rate / bound.rate:>5.2f}   ")
            curves["mappedcoll"].append((int(cells), stream.rate))
            curves["pread"].append((int(cells), bound.rate))
        report.line(line + f"{runs(firsts, 1)} {runs(stream.rates)}")
    return curves


def report_many(report, directory):
    """Memory over a long stream of small batches."""
    measure.say(f"{MANY:,} batches of {directory.name}")
    looks = {0: None, MANY // 100: None, MANY // 10: None, MANY // 2: None,
             MANY - 1: None}
    with psycopg.connect(autocommit=True) as conn:
        stream = conn.cursor().stream(
            f"SELECT indptr, indices, data FROM sample_csr("
            f"'{name_of(directory)}', {MANY_CELLS}, '{files.LABEL}', "
            f"seed => 1, n_steps => {MANY})", binary=True)
        for i, _ in enumerate(stream):
            if i in looks:
                looks[i] = measure.rss(conn.info.backend_pid) / MB
    report.line()
    report.line(f"{MANY:,} batches of {MANY_CELLS} of {directory.name.split('-')[0]} cells, MB that the backend has to itself after "
                + ", ".join(f"{i + 1:,}: {mb:.1f}" for i, mb in looks.items()))


# The first batch

class Ours(ours.Stream):
    """sample_csr in a fresh connection, without a stream."""

    def stream(self, steps, seed):
        return ours.Query.stream(self, steps, seed)


def first_batch(contender):
    """Seconds from a loaded process to its first batch, MB of the process and
    of its backend after it (the most that a look each 10 ms saw); or why not."""
    player = measure.Player(contender)
    peak = [0]
    stop = threading.Event()

    def watch():
        while not stop.wait(measure.POLL):
            peak[0] = max(peak[0], measure.rss(player.process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.perf_counter()
    player.ask("open")
    player.ask("run", contender.at_least, 1)
    seconds = time.perf_counter() - begin
    stop.set()
    thread.join()
    pids = player.ask("pids") or []
    backend = sum(map(measure.rss, pids)) / MB
    player.close()
    return player.why, seconds, max(0, peak[0] - player.base) / MB, backend


def report_first(report, directory):
    """Each contender in fresh processes."""
    cells, n_files = directory.name.split("-")
    report.line()
    report.line(f"From nothing to the first batch of {BATCH} weighted cells of {int(cells):,} in {n_files} files, manifests there, page cache")
    report.line("warm: connect and draw, or construct and draw, in a process that has imported what it needs.  MB: what")
    report.line("client and backend have to themselves beyond that.")
    report.line()
    contenders = [
        Ours("mappedcoll, sample_csr", name_of(directory)),
        peers.Mapped("MappedCollection, WeightedRandomSampler", directory, 0),
        peers.ScDataset("scDataset, block 1, fetch 1", directory, 1, 1)]
    report.line(f"{'':<42} {'ms':>9} {'client MB':>10} {'backend MB':>10}   ms of all runs")
    for contender in contenders:
        measure.say(f"first batch of {contender.name}")
        found = [first_batch(contender)
                 for _ in range(RUNS if contender.kind == measure.OURS else 3)]
        if found[0][0]:
            report.line(f"{contender.name:<42} {found[0][0]}")
            continue
        _, seconds, client, backend = map(list, zip(*found))
        report.line(f"{contender.name:<42} {statistics.median(seconds) * 1e3:>9,.1f} "
                    f"{statistics.median(client):>10,.1f} " +
                    (f"{statistics.median(backend):>10,.1f}" if any(backend)
                     else f"{'':>10}") +
                    f"   {runs([s * 1e3 for s in seconds], 1)}")


def main():
    base = pathlib.Path(sys.argv[1])
    fresh = base / sys.argv[2]
    directories = [base / name for name in sys.argv[3:]]
    report = measure.Report(
        "scale",
        ["What grows with a collection: cells of 40 non-zeros of 2,000 genes, uncompressed files, 60 uneven labels.",
         f"Medians of {RUNS} runs, page cache warm; all runs in parentheses."],
        ours.server_version(), "anndata", "h5py", "lamindb", "scdataset",
        "torch", "psycopg")
    report_registration(report, [fresh, directories[-1]]
                        if fresh != directories[-1] else [fresh])
    for directory in {*directories, fresh}:
        register(directory, max(WORKERS))
    # the one above deletes the manifests of the others: they are built here
    for directory in {*directories, fresh}:
        Session(name_of(directory)).conn.close()
    report_first(report, fresh)
    curves = report_growth(report, directories)
    report_many(report, directories[-1])
    report.write()
    report.curves(curves, f"Batches of {BATCH} labelled cells", "cells",
                  "cells/s")


if __name__ == "__main__":
    main()
