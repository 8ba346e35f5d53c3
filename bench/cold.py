#!/usr/bin/env python3
"""cold.py
    A cold page cache: the first batches after the files were dropped from it.

Usage: cold.py GZIP_DIRECTORY NONE_DIRECTORY      (see peers.sh)

The files are dropped by posix_fadvise(DONTNEED), which any reader of a file
may ask for; fincore says what is left of them.  What lies below (the cache of
a host, of a controller) stays as it is.
"""

import os
import shutil
import subprocess
import sys

import files
import measure
import ours
import peers
from measure import QUICK, say
from ours import ALONE, BATCH

CELLS = BATCH * (4 if QUICK else 16)


def drop(directory):
    """Drop a directory's files from the page cache."""
    for path in files.paths(directory):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def resident(directory):
    """Share of a directory's bytes that is in the page cache; None if the
    system has no fincore."""
    if shutil.which("fincore") is None:
        return None
    paths = files.paths(directory)
    found = subprocess.run(["fincore", "-n", "-b", "-o", "RES", *paths],
                           stdout=subprocess.PIPE, check=True, text=True)
    return (sum(map(int, found.stdout.split())) /
            sum(path.stat().st_size for path in paths))


def play(contenders, directory, compare):
    """As measure.play, but the files are dropped before each run; returns
    players, and the largest share that was left."""
    players, left = [], []
    try:
        for contender in contenders:
            say(f"opening {contender.name}")
            contender.at_least = CELLS
            player = measure.Player(contender)
            players.append(player)
            player.prepare(compare, lengthen=False)
        for seed in range(1, measure.RUNS + 1):
            say(f"run {seed} of {measure.RUNS}")
            for player in players:
                drop(directory)
                left.append(resident(directory))
                # other cells in each run: what lies below may remember
                player.turn(seed * 100 + len(left))
    finally:
        for player in players:
            player.close()
    return players, None if None in left else max(left)


def main():
    directories = {"gzip": sys.argv[1], "none": sys.argv[2]}
    report = measure.Report(
        "cold",
        [f"The first {CELLS:,} weighted single cells, batches of {BATCH}, after the files were dropped from the",
         f"page cache by posix_fadvise(DONTNEED); medians of {measure.RUNS} runs in which all took turns; all runs",
         "in parentheses.  Manifests stay in the cache.  first ms: to the first batch.  ratio: to h5py."],
        ours.server_version(), "numpy", "h5py", "psycopg", "lamindb")
    everyone = []
    for compression, directory in directories.items():
        ours.register(f"cold_{compression}", directory)
        players, left = play([
            peers.H5py(f"h5py, sorted batch, {compression}", directory),
            peers.Mapped(f"MappedCollection, 0 workers, {compression}",
                         directory, 0),
            ours.Stream(f"mappedcoll, batch by itself, {compression}",
                        f"cold_{compression}", settings=ALONE),
            ours.Stream(f"mappedcoll, as it comes, {compression}",
                        f"cold_{compression}"),
        ], directory, files.Cells(directory).compare)
        report.line()
        if left is None:
            report.line("There is no fincore here to see what is in the page cache.")
        elif left > 0.05:
            report.line(f"The files could not be dropped: {left:.0%} stayed.  These runs were not cold.")
        else:
            report.line(f"{compression}: at most {left:.1%} of the files stayed in the page cache")
        report.table(players, players[0])
        everyone += players
    report.write()
    report.bars(everyone, "After the page cache was dropped")


if __name__ == "__main__":
    main()
