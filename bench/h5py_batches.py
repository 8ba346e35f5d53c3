#!/usr/bin/env python3
"""h5py_batches.py
    The peer of sample_batch.sh: weighted batches of cells by plain h5py.

Usage: h5py_batches.py DIRECTORY BATCHES BATCH_SIZE

Draws as sample_batch does (a cell type uniformly, then a cell of it), sorts a
batch by file and row, reads each row's slice of data and indices, and fills a
dense float32 array of batch x genes.  Prints cells/s.  What is timed: drawing,
reading and filling; opening the files and the weights are not.
"""

import pathlib
import sys
import time

import h5py
import numpy as np


def main():
    directory, batches, batch_size = sys.argv[1:]
    batches, batch_size = int(batches), int(batch_size)
    files = [h5py.File(p) for p in sorted(pathlib.Path(directory).glob("*.h5ad"))]
    indptr = [f["X/indptr"][:] for f in files]
    data = [f["X/data"] for f in files]
    indices = [f["X/indices"] for f in files]
    genes = int(files[0]["X"].attrs["shape"][1])
    starts = np.cumsum([0] + [len(p) - 1 for p in indptr])
    names = [f["obs/cell_type/categories"].asstr()[:] for f in files]
    types = np.concatenate([n[f["obs/cell_type/codes"][:]]
                            for n, f in zip(names, files)])
    rows_of = [np.flatnonzero(types == t) for t in np.unique(types)]

    rng = np.random.default_rng(1)
    begin = time.perf_counter()
    for _ in range(batches):
        drawn = rng.integers(len(rows_of), size=batch_size)
        rows = np.array([rows_of[t][rng.integers(len(rows_of[t]))]
                         for t in drawn])
        out = np.zeros((batch_size, genes), dtype=np.float32)
        for i in np.argsort(rows, kind="stable"):
            f = int(np.searchsorted(starts, rows[i], side="right")) - 1
            r = int(rows[i] - starts[f])
            part = slice(indptr[f][r], indptr[f][r + 1])
            out[i, indices[f][part]] = data[f][part]
    seconds = time.perf_counter() - begin
    print(f"{batches * batch_size / seconds:.0f}")


if __name__ == "__main__":
    main()
