#!/usr/bin/env python3
"""make_metadata.py
    Write a collection whose obs is large and whose X is next to nothing, and
    the exports of it that other systems want, for the benchmark of metadata.

Usage: make_metadata.py DIRECTORY ROWS FILES

DIRECTORY/files gets FILES files, in anndata's format 0.1.0, uncompressed,
X one gene.  obs, drawn row by row from one fixed seed:

    cell_type       categorical, 60 types, the share of type k proportional
                    to 1 / (k + 1)
    tissue          categorical, 24, each of the same share
    assay           categorical, 8, uneven as cell_type
    donor_id        categorical, 100,000 in all; a file has its own
    n_genes         int32, 200 to 8,000
    percent_mito    float64, 0 to 1

and obs_names that no other row has.  DIRECTORY/donors.parquet is a table of
the donors as a lab has it (donor_id, cohort, age, consent), and
DIRECTORY/obs.parquet, if duckdb is there, all of obs with row_index and
file_index as DuckDB exports it; DIRECTORY/exported.txt says how many seconds
that took.
"""

import pathlib
import sys
import time

import h5py
import numpy as np
import pandas as pd

from make_rows import SEED, add_categorical, add_dataframe, add_strings
from make_sparse import add_array

N_TYPES, N_TISSUES, N_ASSAYS, N_DONORS, N_COHORTS = 60, 24, 8, 100_000, 12
COLUMNS = ["cell_type", "tissue", "assay", "donor_id", "n_genes",
           "percent_mito"]


def uneven(rng, n, rows):
    """Codes of n categories, the share of k proportional to 1 / (k + 1)."""
    shares = np.cumsum(1.0 / np.arange(1, n + 1))
    return np.searchsorted(shares / shares[-1], rng.random(rows),
                           side="right").astype(np.int8)


def write(path, number, rows, donors):
    """Write one file."""
    rng = np.random.default_rng([SEED, number])
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
        obs = add_dataframe(file, "obs", COLUMNS)
        add_strings(obs, "_index", np.char.mod(
            f"cell_{number:03d}_%07d", np.arange(rows)).astype(object))
        add_categorical(obs, "cell_type", uneven(rng, N_TYPES, rows),
                        [f"type {k:02d}" for k in range(N_TYPES)])
        add_categorical(obs, "tissue",
                        rng.integers(N_TISSUES, size=rows, dtype=np.int8),
                        [f"tissue {k:02d}" for k in range(N_TISSUES)])
        add_categorical(obs, "assay", uneven(rng, N_ASSAYS, rows),
                        [f"assay {k}" for k in range(N_ASSAYS)])
        add_categorical(obs, "donor_id",
                        rng.integers(donors, size=rows, dtype=np.int16),
                        [f"donor {number * donors + k:06d}"
                         for k in range(donors)])
        add_array(obs, "n_genes",
                  rng.integers(200, 8001, size=rows, dtype=np.int32))
        add_array(obs, "percent_mito", rng.random(rows))
        add_strings(add_dataframe(file, "var", []), "_index", ["GENE0"])
        add_array(file, "X", rng.integers(9, size=(rows, 1)).astype("f4"))


def write_donors(path):
    """The table that the collection is joined with."""
    rng = np.random.default_rng(SEED)
    pd.DataFrame({
        "donor_id": [f"donor {k:06d}" for k in range(N_DONORS)],
        "cohort": np.char.mod("cohort %02d",
                              rng.integers(N_COHORTS, size=N_DONORS)),
        "age": rng.integers(18, 95, size=N_DONORS),
        "consent": rng.random(N_DONORS) < 0.9,
    }).to_parquet(path)


def read_obs(paths):
    """obs of all files as anndata reads it, as one frame."""
    import anndata
    parts = []
    for path in paths:
        with h5py.File(path) as file:
            parts.append(anndata.io.read_elem(file["obs"]))
    return concatenated(parts)


def concatenated(parts):
    """Frames, one below the other; their categoricals stay categorical."""
    return pd.DataFrame({
        name: pd.api.types.union_categoricals([part[name] for part in parts])
        if isinstance(parts[0][name].dtype, pd.CategoricalDtype)
        else np.concatenate([part[name].to_numpy() for part in parts])
        for name in parts[0].columns
    }, index=np.concatenate([part.index.to_numpy() for part in parts]))


def export(directory, paths):
    """obs.parquet, by DuckDB."""
    import duckdb
    begin = time.perf_counter()
    obs = read_obs(paths)
    files = np.repeat(np.arange(len(paths)), [len(h5py.File(path)["X"])
                                              for path in paths])
    frame = pd.DataFrame({"row_index": np.arange(len(obs)),
                          "file_index": files.astype(np.int32),
                          "obs_name": obs.index.to_numpy()})
    frame = pd.concat([frame, obs.reset_index(drop=True)], axis=1)
    read = time.perf_counter()
    # DuckDB has an ENUM of a categorical; a Parquet file has its strings
    with duckdb.connect() as conn:
        conn.register("frame", frame)
        conn.execute(f"COPY (SELECT * FROM frame ORDER BY row_index) "
                     f"TO '{directory / 'obs.parquet'}' (FORMAT parquet)")
    (directory / "exported.txt").write_text(
        f"{read - begin:.1f} {time.perf_counter() - read:.1f}\n")


def main():
    directory, rows, n_files = sys.argv[1:]
    directory, rows, n_files = pathlib.Path(directory), int(rows), int(n_files)
    files = directory / "files"
    files.mkdir(parents=True, exist_ok=True)
    bounds = np.linspace(0, rows, n_files + 1).astype(int)
    paths = [files / f"part_{i:03d}.h5ad" for i in range(n_files)]
    for i, path in enumerate(paths):
        write(path, i, int(bounds[i + 1] - bounds[i]), N_DONORS // n_files)
    write_donors(directory / "donors.parquet")
    try:
        export(directory, paths)
    except ImportError as error:
        print(f"no obs.parquet: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
