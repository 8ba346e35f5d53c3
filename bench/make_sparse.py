#!/usr/bin/env python3
"""make_sparse.py
    Write a collection of many cells that are cheap to make, for the benchmark
    of scale.

Usage: make_sparse.py DIRECTORY CELLS FILES

Cells x 2,000 genes, CSR, 40 non-zeros a cell (one of each 40 genes, seen with
a chance of 0.8), small integers as float32, uncompressed in h5py's own chunks.
60 cell types, uneven (the share of type k is proportional to 1 / (k + 1)), 24
donors of which a file has 8, two columns of numbers, and obs_names that no
other cell has.  Written by h5py as anndata 0.12 lays it out.  From one fixed
seed; two files at a time.
"""

import concurrent.futures
import os
import pathlib
import sys

import h5py
import numpy as np

from make_rows import N_TYPES, SEED, add_categorical, add_dataframe, add_strings

GENES = 2_000
STRATA = 50     # of which a cell shows one gene each, or none
SEEN = 0.8      # with this chance
N_DONORS = 24
DONORS_A_FILE = 8
BLOCK = 50_000  # cells made at a time


def add_array(group, name, data):
    """A column of numbers."""
    array = group.create_dataset(name, data=data)
    array.attrs["encoding-type"] = "array"
    array.attrs["encoding-version"] = "0.2.0"


def add_obs(file, rng, number, cells):
    """What is known of the cells."""
    obs = add_dataframe(file, "obs", ["cell_type", "donor_id", "n_counts",
                                      "percent_mito"])
    add_strings(obs, "_index",
                np.char.mod(f"cell_{number:03d}_%07d",
                            np.arange(cells)).astype(object))
    shares = np.cumsum(1.0 / np.arange(1, N_TYPES + 1))
    types = np.searchsorted(shares / shares[-1], rng.random(cells),
                            side="right")
    add_categorical(obs, "cell_type", types.astype(np.int8),
                    [f"type {t:02d}" for t in range(N_TYPES)])
    donors = (rng.integers(DONORS_A_FILE, size=cells) + number) % N_DONORS
    add_categorical(obs, "donor_id", donors.astype(np.int8),
                    [f"D{d:02d}" for d in range(N_DONORS)])
    add_array(obs, "n_counts", rng.integers(500, 50_000, cells))
    add_array(obs, "percent_mito", rng.random(cells))


def add_matrix(file, rng, cells):
    """X, a block of cells at a time."""
    x = file.create_group("X")
    x.attrs["encoding-type"] = "csr_matrix"
    x.attrs["encoding-version"] = "0.1.0"
    x.attrs["shape"] = np.array([cells, GENES])
    width = GENES // STRATA
    indptr, indices, data = [np.zeros(1, np.int64)], [], []
    for first in range(0, cells, BLOCK):
        n = min(BLOCK, cells - first)
        seen = rng.random((n, STRATA), dtype=np.float32) < SEEN
        genes = (rng.integers(width, size=(n, STRATA), dtype=np.int32)
                 + np.arange(0, GENES, width, dtype=np.int32))
        indices.append(genes[seen])
        data.append(rng.integers(1, 9, len(indices[-1]), dtype=np.int8)
                    .astype(np.float32))
        indptr.append(indptr[-1][-1] + np.cumsum(seen.sum(axis=1)))
    for name, parts in ("data", data), ("indices", indices), ("indptr", indptr):
        x.create_dataset(name, data=np.concatenate(parts), maxshape=(None,))


def write(path, number, cells):
    """Write one file, under its name when it is complete."""
    rng = np.random.default_rng([SEED, number])
    with h5py.File(f"{path}.tmp", "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
        add_matrix(file, rng, cells)
        add_obs(file, rng, number, cells)
        var = add_dataframe(file, "var", [])
        add_strings(var, "_index", [f"GENE{g:05d}" for g in range(GENES)])
    os.replace(f"{path}.tmp", path)


def main():
    directory, cells, files = sys.argv[1:]
    cells, files = int(cells), int(files)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    bounds = np.linspace(0, cells, files + 1).astype(int)
    paths = [directory / f"part_{i:03d}.h5ad" for i in range(files)]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        made = [pool.submit(write, path, i, int(bounds[i + 1] - bounds[i]))
                for i, path in enumerate(paths) if not path.exists()]
        for future in made:
            future.result()


if __name__ == "__main__":
    main()
