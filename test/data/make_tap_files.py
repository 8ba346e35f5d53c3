#!/usr/bin/env python3
"""make_tap_files.py
    Write the h5ad files of the TAP tests, test/data/tap/*.h5ad.

Usage: make_tap_files.py [DIRECTORY]     (packages: test/requirements.txt)

Small files that are large for who reads them: written with h5py, since anndata
would choose other chunks and types.  Nothing is random, so that every run
writes the same files.

large_chunk.h5ad    500 cells x 500 genes, CSR, all of data in one chunk of 1 MB;
                    the value of cell i and gene j is (7 i + j) mod 5 + 1
many_cells.h5ad     2,000,000 cells of one gene, nothing expressed: the manifest
                    needs much more memory than the file has bytes
"""

import pathlib
import sys

import h5py
import numpy as np


def encoding(item, kind, version):
    item.attrs["encoding-type"] = kind
    item.attrs["encoding-version"] = version


def frame(file, name, index, columns=()):
    group = file.create_group(name)
    encoding(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array([c for c, _ in columns], dtype=h5py.string_dtype())
    names = group.create_dataset("_index", data=index, compression="gzip", chunks=(min(len(index), 100_000),))
    encoding(names, "string-array", "0.2.0")
    for column, values in columns:
        encoding(group.create_dataset(column, data=values, compression="gzip"), "array", "0.2.0")


def sparse(file, shape, data, indices, indptr, chunk):
    group = file.create_group("X")
    encoding(group, "csr_matrix", "0.1.0")
    group.attrs["shape"] = np.array(shape, dtype="int64")
    for name, values in (("data", data), ("indices", indices), ("indptr", indptr)):
        size = min(chunk, max(len(values), 1))
        group.create_dataset(name, data=values, compression="gzip", chunks=(size,), maxshape=(None,))


def h5ad(path):
    file = h5py.File(path, "w", track_order=False)
    encoding(file, "anndata", "0.1.0")
    return file


def large_chunk(path):
    n = 500
    with h5ad(path) as file:
        frame(file, "obs", np.array([f"c{i:03d}" for i in range(n)], dtype="S4"),
              [("batch", (np.arange(n) % 3).astype("int32"))])
        frame(file, "var", np.array([f"g{i:03d}" for i in range(n)], dtype="S4"))
        i, j = np.divmod(np.arange(n * n), n)
        sparse(file, (n, n), ((7 * i + j) % 5 + 1).astype("float32"), j.astype("int32"),
               np.arange(n + 1, dtype="int64") * n, n * n)


def many_cells(path):
    n = 2_000_000
    with h5ad(path) as file:
        frame(file, "obs", np.full(n, b"cell", dtype="S4"), [("n_counts", np.zeros(n, dtype="int64"))])
        frame(file, "var", np.array([b"gene"], dtype="S4"))
        sparse(file, (n, 1), np.zeros(0, dtype="float32"), np.zeros(0, dtype="int32"),
               np.zeros(n + 1, dtype="int64"), 100_000)


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "tap")
    directory.mkdir(exist_ok=True)
    large_chunk(directory / "large_chunk.h5ad")
    many_cells(directory / "many_cells.h5ad")


if __name__ == "__main__":
    main()
