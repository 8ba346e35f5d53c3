#!/usr/bin/env python3
"""figure2.py
    Batches of 128 random cells, all with the same chance, of cells x 5,000
    genes, sparse and dense, uncompressed: mappedcoll and h5py.

Usage: figure2.py SPARSE_DIRECTORY DENSE_DIRECTORY      (see peers.sh)
"""

import sys

import files
import measure
import ours
import peers
from ours import ALONE

BATCH = 128


def main():
    directories = {"sparse": sys.argv[1], "dense": sys.argv[2]}
    for name, directory in directories.items():
        ours.register(name, directory)
    sparse = files.Cells(directories["sparse"])
    dense = files.Cells(directories["dense"])
    entry = 8 * sum(int(p[-1]) for p in sparse.indptr) / len(sparse)
    row = 4 * dense.genes
    report = measure.Report(
        "figure2",
        [f"Batches of {BATCH} random cells, each with the same chance, from uncompressed h5ad files",
         f"to numpy arrays in the client; medians of {measure.RUNS} runs in which all took turns, page",
         "cache warm; all runs in parentheses.  All returned the same cells, bit by bit.  first ms:",
         "to the first batch, of an opened collection.  MB: the most memory that client and server",
         "had to themselves, beyond what an idle client has.  ratio: to sorted h5py."],
        ours.server_version(), "numpy", "h5py", "psycopg")
    report.line(f"files     {len(sparse):,} cells x {sparse.genes:,} genes, one file; sparse: "
                f"{entry / 8:,.0f} non-zeros a cell, "
                f"chunks of {sparse.data[0].chunks[0]:,}; dense: "
                f"{'contiguous' if dense.x[0].chunks is None else dense.x[0].chunks}")

    def stream(name, collection, **more):
        return ours.Stream(f"mappedcoll, {name}", collection, batch=BATCH,
                           settings=ALONE, weighted=False, **more)

    def h5py(name, directory):
        return peers.H5py(f"h5py, {name}", directory, batch=BATCH,
                          draws=peers.Uniform)

    forms = {
        "sparse": [
            h5py("sorted batch, sparse", directories["sparse"]),
            stream("sparse", "sparse", part_rows=None),
            stream("sparse, narrow", "sparse", types=ours.NARROW,
                   part_rows=None),
            stream("sparse to dense", "sparse", types=("float32",),
                   genes=sparse.genes, part_rows=32),
            ours.Replay("bound: pread, sparse", "sparse",
                        directories["sparse"], "read", BATCH, 8),
            ours.Wire("bound: libpq, sparse", BATCH, entry + 16),
        ],
        "dense": [
            h5py("sorted batch, dense", directories["dense"]),
            stream("dense", "dense", types=("float32",), genes=dense.genes,
                   part_rows=32),
            stream("dense, float16", "dense", types=("float16",),
                   genes=dense.genes, part_rows=64),
            stream("dense, uint8", "dense", types=("uint8",),
                   genes=dense.genes, part_rows=None),
            ours.Wire("bound: libpq, dense", 32, row + 8, unit=BATCH),
        ],
    }
    everyone = []
    for form, contenders in forms.items():
        players = measure.play(contenders, (sparse if form == "sparse" else
                                            dense).compare)
        report.line()
        report.table(players, players[0])
        everyone += players
    report.write()
    report.bars(everyone, f"Random cells x {sparse.genes:,} genes, batches of "
                f"{BATCH}, uncompressed")


if __name__ == "__main__":
    main()
