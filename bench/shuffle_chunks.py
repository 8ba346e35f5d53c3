#!/usr/bin/env python3
"""shuffle_chunks.py
    Write a sparse h5ad file again, with shuffle before gzip.

Usage: shuffle_chunks.py FILE DIRECTORY

X's arrays go to DIRECTORY/same.h5ad in chunks of the size they have, and to
DIRECTORY/4096.h5ad in chunks of 4,096 elements; all else is copied.
"""

import pathlib
import sys

import h5py


def write(source, path, chunk):
    """One copy; chunk is a number of elements, or None for the same."""
    with h5py.File(path, "w") as out:
        out.attrs.update(source.attrs)
        for name in source:
            if name != "X":
                source.copy(name, out)
        matrix = out.create_group("X")
        matrix.attrs.update(source["X"].attrs)
        for name, data in source["X"].items():
            matrix.create_dataset(
                name, data=data[:], shuffle=True, compression="gzip",
                compression_opts=4,
                chunks=data.chunks if chunk is None or name == "indptr"
                else (chunk,))


def main():
    directory = pathlib.Path(sys.argv[2])
    with h5py.File(sys.argv[1]) as source:
        write(source, directory / "same.h5ad", None)
        write(source, directory / "4096.h5ad", 4096)


if __name__ == "__main__":
    main()
