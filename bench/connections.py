#!/usr/bin/env python3
"""connections.py
    Connections 1 to 8: as many clients, each a process with a connection,
    share the batches of one stream.

Usage: connections.py GZIP_DIRECTORY NONE_DIRECTORY      (see peers.sh)
"""

import multiprocessing
import sys
import time

import client
import measure
import ours
from measure import QUICK
from ours import ALONE, BATCH

NUMBERS = (1, 2, 4) if QUICK else (1, 2, 3, 4, 6, 8)


def work(pipe, stream, rank):
    """The client of a rank: a run for each pair (steps, seed)."""
    conn, _ = ours.connect(stream.settings)
    pipe.send(conn.info.backend_pid)
    while True:
        try:
            steps, seed = pipe.recv()
        except EOFError:
            return
        pipe.send(sum(len(batch) for batch in client.batches(
            conn, stream.source(steps, seed, rank), stream.types)))


class Clients(measure.Contender):
    """So many processes with a connection each."""

    kind = measure.OURS

    def __init__(self, name, collection, settings, n):
        super().__init__(name)
        self.stream = ours.Stream(name, collection, settings=settings,
                                  connections=n)
        self.n = n
        self.unit = self.at_least = n * BATCH

    def load(self):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.backends = [], []
        for rank in range(self.n):
            pipe, other = context.Pipe()
            context.Process(target=work, args=(other, self.stream, rank),
                            daemon=True).start()
            other.close()
            self.pipes.append(pipe)
            self.backends.append(pipe.recv())

    def pids(self):
        return self.backends

    def run(self, cells, seed):
        begin = time.perf_counter()
        for pipe in self.pipes:
            pipe.send((cells // (BATCH * self.n), seed))
        n = sum(pipe.recv() for pipe in self.pipes)
        return n, time.perf_counter() - begin, None


def main():
    directories = {"gzip": sys.argv[1], "none": sys.argv[2]}
    report = measure.Report(
        "connections",
        [f"Weighted single cells, batches of {BATCH}, by 1 to {NUMBERS[-1]} connections to one server, each of a",
         f"process of its own; medians of {measure.RUNS} runs in which all took turns, page cache warm; all runs",
         "in parentheses.  ratio: to one connection.  MB: the most memory that clients and backends",
         "had to themselves, beyond what idle clients have."],
        ours.server_version(), "numpy", "psycopg")
    curves = {}
    for compression, directory in directories.items():
        ours.register(f"many_{compression}", directory)
        for how, settings in (("batch by itself", ALONE),
                              ("as it comes", {})):
            name = f"{compression}, {how}"
            players = measure.play([
                Clients(f"{name}, {n} connection{'s' if n > 1 else ''}",
                        f"many_{compression}", settings, n)
                for n in NUMBERS])
            report.line()
            report.table(players, players[0])
            curves[name] = [(n, player.rate) for n, player
                            in zip(NUMBERS, players) if player.rate]
    report.write()
    report.curves(curves, "Connections to one server", "connections",
                  "cells/s", (False, True))


if __name__ == "__main__":
    main()
