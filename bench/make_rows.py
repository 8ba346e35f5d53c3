#!/usr/bin/env python3
"""make_rows.py
    Write h5ad files of metadata alone, for the benchmark of draws.

Usage: make_rows.py DIRECTORY ROWS ROWS_PER_FILE

No matrix, so that a row costs 15 bytes: obs has cell_type (60 uneven types,
the share of type k is proportional to 1 / (k + 1)), fine_type (10,000 types,
each of about the same size), and weight (float32, uniform over 0 to 1).  The
index is a fixed-length string.  From one fixed seed; uncompressed, as
anndata's format 0.1.0.
"""

import pathlib
import sys

import h5py
import numpy as np

SEED = 20260801
N_TYPES = 60
N_FINE = 10_000


def add_strings(group, name, strings):
    """A data set of variable-length strings."""
    data = group.create_dataset(name, data=strings, dtype=h5py.string_dtype())
    data.attrs["encoding-type"] = "string-array"
    data.attrs["encoding-version"] = "0.2.0"


def add_categorical(group, name, codes, categories):
    """A categorical column."""
    column = group.create_group(name)
    column.attrs["encoding-type"] = "categorical"
    column.attrs["encoding-version"] = "0.2.0"
    column.attrs["ordered"] = False
    column.create_dataset("codes", data=codes)
    add_strings(column, "categories", categories)


def add_dataframe(file, name, columns):
    """An empty dataframe; its index and columns come after."""
    group = file.create_group(name)
    group.attrs["encoding-type"] = "dataframe"
    group.attrs["encoding-version"] = "0.2.0"
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array(columns, dtype=h5py.string_dtype())
    return group


def write(path, number, rows):
    """Write one file."""
    rng = np.random.default_rng([SEED, number])
    shares = np.cumsum(1.0 / np.arange(1, N_TYPES + 1))
    types = np.searchsorted(shares / shares[-1], rng.random(rows),
                            side="right").astype(np.int8)
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
        obs = add_dataframe(file, "obs", ["cell_type", "fine_type", "weight"])
        index = obs.create_dataset("_index", data=np.char.mod(
            b"%07d", np.arange(1000)).astype("S7")[np.arange(rows) % 1000])
        index.attrs["encoding-type"] = "string-array"
        index.attrs["encoding-version"] = "0.2.0"
        add_categorical(obs, "cell_type", types,
                        [f"type {t:02d}" for t in range(N_TYPES)])
        add_categorical(obs, "fine_type",
                        rng.integers(N_FINE, size=rows, dtype=np.int16),
                        [f"fine {t:04d}" for t in range(N_FINE)])
        weight = obs.create_dataset("weight",
                                    data=rng.random(rows, dtype=np.float32))
        weight.attrs["encoding-type"] = "array"
        weight.attrs["encoding-version"] = "0.2.0"
        var = add_dataframe(file, "var", [])
        add_strings(var, "_index", ["GENE0"])


def main():
    directory, rows, per_file = sys.argv[1:]
    rows, per_file = int(rows), int(per_file)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, rows, per_file)):
        write(directory / f"part_{number:03d}.h5ad", number,
              min(per_file, rows - first))


if __name__ == "__main__":
    main()
