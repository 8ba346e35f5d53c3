#!/usr/bin/env python3
"""main.py
    The main benchmark: exact weighted single cells, from h5ad files to numpy
    arrays in the client.

Usage: main.py gzip|none DIRECTORY [DEMO]      (see peers.sh)

DEMO is a directory of the demo's small files.
"""

import math
import sys

import anndata
import numpy as np

import files
import measure
import ours
import peers
from ours import ALONE, BATCH, NARROW
from measure import QUICK

WINDOW_DRAWS = 4096 if QUICK else 16384
BY_ITSELF = f"mappedcoll, batch of {BATCH} by itself"
# Windows that grow from one batch, then three of full size
STREAM = 2 * WINDOW_DRAWS - BATCH + 2 * WINDOW_DRAWS
WINDOW = f"mappedcoll, window of {WINDOW_DRAWS:,}"


def mappedcoll(bytes_a_cell):
    """Our ways to have batches."""
    # a little more, so that the last batch fits
    megabytes = math.ceil(1.02 * WINDOW_DRAWS * bytes_a_cell / 2 ** 20)
    window = {"mappedcoll.window_size": f"{megabytes}MB",
              "mappedcoll.cache_size": "0"}
    cache = {**window, "mappedcoll.cache_size": "100MB"}
    long = {"unit": STREAM}
    return [
        ours.SampleBatch("mappedcoll sample_batch, dense, a query a batch",
                         "cells"),
        ours.Query("mappedcoll sample_csr, a query a batch", "cells",
                   settings=ALONE, part_rows=None),
        ours.Stream(BY_ITSELF, "cells", settings=ALONE),
        ours.Stream(WINDOW, "cells", settings=window, **long),
        ours.Stream(f"{WINDOW}, cache of 100 MB", "cells", settings=cache,
                    **long),
        ours.Stream("mappedcoll, as it comes", "cells", **long),
        ours.Stream("mappedcoll, as it comes, narrow", "cells", types=NARROW,
                    **long),
        ours.Stream("mappedcoll, batch by itself, narrow", "cells",
                    settings=ALONE, types=NARROW),
        ours.Stream("mappedcoll, batch by itself, 2 connections", "cells",
                    settings=ALONE, connections=2),
        ours.Stream("mappedcoll, as it comes, 2 connections", "cells",
                    connections=2, **long),
    ]


def rivals(directory, compression):
    """Theirs."""
    found = [
        peers.Mapped("MappedCollection, 0 workers", directory, 0),
        peers.Mapped("MappedCollection, 2 workers", directory, 2),
        peers.H5py("h5py, sorted batch", directory),
        peers.H5py("h5py, sorted batch, 2 workers", directory, 2),
        peers.Collection("AnnCollection, sorted batch", directory),
    ]
    for fetch in (1, 8) if QUICK else (1, 16, 64):
        found.append(peers.ScDataset(f"scDataset, exact, fetch {fetch}",
                                     directory, 1, fetch))
    found.append(peers.ScDataset(
        "scDataset, blocks of 64, not exact", directory, 64,
        8 if QUICK else 64))
    if compression == "none":
        found.append(peers.Memory("all in memory, scipy", directory))
    return found + peers.unmeasured()


def bounds(directory, compression):
    """What this machine can do at most, on one core."""
    def replay(name, mode, group, groups=1, **more):
        return ours.Replay(f"bound: {name}", "cells", directory, mode, group,
                           groups, **more)

    layout = files.Layout(directory)
    cells = len(layout.cells)
    entry = 8 * sum(int(indptr[-1]) for indptr in layout.cells.indptr) / cells
    wire = [ours.Wire(f"bound: libpq, messages of {n * (entry + 16) / 1e6:.1f}"
                      f" MB", n, entry + 16) for n in (64, 256)]
    if compression == "none":
        return [replay("pread, batch of 256", "read", BATCH, 4)] + wire
    found = []
    for name, mode in (("libdeflate, whole chunks", "whole"),
                       ("ISA-L, up to the last byte needed", "prefix")):
        found += [
            replay(f"{name}, a cell", mode, 1, BATCH),
            replay(f"{name}, batch of 256", mode, BATCH),
            replay(f"{name}, growing windows", mode, WINDOW_DRAWS,
                   unit=STREAM, growing=True),
            replay(f"{name}, window of {WINDOW_DRAWS:,}", mode, WINDOW_DRAWS),
        ]
    return found + wire[:1]


def demo_compare(directory):
    """As Cells.compare, for files of several forms with other genes each."""
    x = anndata.concat([anndata.read_h5ad(path)
                        for path in files.paths(directory)]).X

    def compare(rows, found):
        if not np.array_equal(x[rows].toarray(), found.toarray()):
            raise AssertionError("other values")

    return compare


def quotients(report, players, compression):
    """The targets, and what was reached."""
    whole = "bound: libdeflate, whole chunks"
    fetch = 8 if QUICK else 64
    pairs = [
        (BY_ITSELF, f"{whole}, batch of 256", 0.85),
        (BY_ITSELF, "MappedCollection, 0 workers", 4.5),
        (BY_ITSELF, "h5py, sorted batch", 1.8),
        (WINDOW, f"{whole}, growing windows", 0.85),
        (WINDOW, "MappedCollection, 0 workers", 8),
        (WINDOW, f"scDataset, exact, fetch {fetch}", 2.5),
    ] if compression == "gzip" else [
        (BY_ITSELF, "h5py, sorted batch", 3.5),
        (BY_ITSELF, f"scDataset, exact, fetch {fetch}", 3.5),
        (BY_ITSELF, "MappedCollection, 0 workers", 35),
        ("mappedcoll, batch by itself, narrow", BY_ITSELF, 1.4),
    ]
    report.line()
    for one, other, target in pairs:
        found = measure.ratio(players, one, other)
        found = "-" if found is None else f"{found:.2f}"
        report.line(f"{one} / {other}: {found} (aim {target})")
    found = {player.name: player for player in players}
    alone, window = found[BY_ITSELF], found[WINDOW]
    if compression == "gzip" and alone.rate and window.rate:
        report.line(f"first batch, {WINDOW} / {BY_ITSELF}: "
                    f"{window.first / alone.first:.2f} (aim 1)")
        report.line(f"{WINDOW}: {window.memory:,.0f} MB in all (aim 400)")


def main():
    compression, directory, *demo = sys.argv[1:]
    ours.register("cells", directory)
    cells = files.Cells(directory)
    entries = sum(int(indptr[-1]) for indptr in cells.indptr)
    size = sum(path.stat().st_size for path in files.paths(directory))
    report = measure.Report(
        f"main-{compression}",
        ["Exact weighted single cells from h5ad files to numpy arrays in the client, batches",
         f"of {BATCH}; medians of {measure.RUNS} runs in which all took turns, page cache warm; all runs in",
         "parentheses.  Before that each returned the same cells as plain h5py, bit by bit.",
         "first ms: to the first batch, of an opened collection.  MB: the most memory that client,",
         "workers and server had to themselves, beyond what an idle client has.  ratio: to a batch",
         "of mappedcoll by itself.  One connection or process unless said.  The bounds are plain C",
         "loops over the same chunks (replay.c), and messages of a constant.  Windows grow from one",
         f"batch to their full size; a run is {STREAM:,} cells then, and the bound of growing windows is",
         "that of the same cells.  As it comes: with the settings that mappedcoll has by default."],
        ours.server_version(), "numpy", "h5py", "anndata", "lamindb", "scdataset",
        "torch", "psycopg")
    report.line(f"files     {len(cells):,} cells x {cells.genes:,} genes, "
                f"{entries / len(cells):,.0f} non-zeros a cell, "
                f"{len(cells.files)} files, {size / 1e6:,.0f} MB, "
                f"{'gzip' if compression == 'gzip' else 'uncompressed'}, "
                f"chunks of {cells.data[0].chunks[0]:,}, "
                f"{len(set(files.labels(directory)))} labels")
    report.line()
    players = measure.play(
        mappedcoll(8 * entries / len(cells) + 16) +
        rivals(directory, compression) +
        bounds(directory, compression), cells.compare)
    alone = next(player for player in players
                 if player.name == BY_ITSELF)
    report.table(players, alone)
    quotients(report, players, compression)
    if demo:
        ours.register("demo", demo[0])
        report.line()
        small = measure.play([
            ours.SampleBatch("demo's files, sample_batch, a query a batch",
                             "demo"),
            ours.Stream("demo's files, sample_csr", "demo"),
        ], demo_compare(demo[0]))
        report.table(small)
    report.write()
    kind = "gzip" if compression == "gzip" else "uncompressed"
    report.bars(players, f"Weighted single cells, {kind} files to numpy arrays")


if __name__ == "__main__":
    main()
