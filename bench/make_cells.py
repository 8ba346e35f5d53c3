#!/usr/bin/env python3
"""make_cells.py
    Write a synthetic collection of h5ad files for the benchmarks.

Usage: make_cells.py DIRECTORY [--cells N] [--genes N] [--files N]
                     [--exponent S] [--offset Q] [--copy-of DIRECTORY]
                     [--compression gzip|none] [--form csr|csc|dense]

Cells x genes as single-cell RNA-seq has them: the chance that a gene is seen
in a cell falls by Zipf's law, about 11% of the entries are non-zero (2,200 of
20,000 genes), counts are small integers as float32.  60 cell types, uneven
(the share of type k, from 1, is proportional to (k + Q) ^ -S: 1 / k unless
said), eight donors.  The matrix is CSR (or CSC, or dense) with int32 indices
in h5py's default chunks, as anndata.write_h5ad writes it.  From one fixed
seed.

With S 2.07 and Q 1.5 half of the draws of a sampler that balances the types
fall on 5,480 of 200,000 cells, and 83% on 25,500.

--copy-of writes the cells of another such directory in another form.
"""

import argparse
import concurrent.futures
import pathlib

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

SEED = 20260801
N_TYPES = 60
N_DONORS = 8
BLOCK = 500  # cells made at a time
MEAN_SEEN = 0.11  # share of the genes that a cell shows


def chances(genes):
    """For each gene, the chance that a cell shows it, and its mean count."""
    popularity = 1.0 / np.arange(1, genes + 1) ** 0.8
    low, high = 1e-9, 1e9  # scale the chances so that their mean is MEAN_SEEN
    for _ in range(200):
        scale = np.sqrt(low * high)
        if np.minimum(popularity * scale, 0.98).mean() < MEAN_SEEN:
            low = scale
        else:
            high = scale
    seen = np.minimum(popularity * scale, 0.98).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(genes)
    return seen[order], (4.0 * seen[order] ** 2).astype(np.float32)


def matrix(rng, cells, genes):
    """A CSR matrix of counts."""
    seen, means = chances(genes)
    indptr, indices, data = [0], [], []
    for start in range(0, cells, BLOCK):
        n = min(BLOCK, cells - start)
        hit = rng.random((n, genes), dtype=np.float32) < seen
        columns = np.nonzero(hit)[1].astype(np.int32)
        indptr.extend(indptr[-1] + np.cumsum(hit.sum(axis=1)))
        indices.append(columns)
        data.append((1 + rng.poisson(means[columns])).astype(np.float32))
    return sp.csr_matrix(
        (np.concatenate(data), np.concatenate(indices), np.array(indptr)),
        shape=(cells, genes))


def save(path, x, obs, var, compression, form):
    """Write one file; returns its path."""
    compression = None if compression == "none" else compression
    if form != "dense":
        anndata.AnnData(x.asformat(form), obs=obs, var=var).write_h5ad(
            path, compression=compression)
        return path
    # block by block: the whole may not fit into memory
    anndata.AnnData(obs=obs, var=var).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        dense = file.create_dataset("X", x.shape, x.dtype,
                                    compression=compression)
        dense.attrs["encoding-type"] = "array"
        dense.attrs["encoding-version"] = "0.2.0"
        for start in range(0, x.shape[0], 10 * BLOCK):
            block = x[start:start + 10 * BLOCK].toarray()
            dense[start:start + len(block)] = block
    return path


def copy(directory, path, compression, form):
    """Write the cells of a file in another form; returns its path."""
    cells = anndata.read_h5ad(path)
    return save(directory / path.name, cells.X, cells.obs, cells.var,
                compression, form)


def write(directory, number, cells, genes, law, compression, form):
    """Make the cells of one file and write it; returns its path."""
    rng = np.random.default_rng([SEED, number])
    exponent, offset = law
    shares = (np.arange(1, N_TYPES + 1) + offset) ** -exponent
    types = rng.choice(N_TYPES, cells, p=shares / shares.sum())
    donors = rng.integers(N_DONORS, size=cells)
    obs = pd.DataFrame({
        "cell_type": pd.Categorical([f"type {t:02d}" for t in types]),
        "donor_id": pd.Categorical([f"D{d}" for d in donors]),
        "n_genes": rng.integers(500, 5000, cells),
        "percent_mito": rng.random(cells),
    }, index=[f"cell_{number:02d}_{i:06d}" for i in range(cells)])
    var = pd.DataFrame(index=[f"GENE{g:05d}" for g in range(genes)])
    return save(directory / f"part_{number:02d}.h5ad",
                matrix(rng, cells, genes), obs, var, compression, form)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--exponent", type=float, default=1.0)
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--copy-of", type=pathlib.Path)
    parser.add_argument("--compression", choices=["gzip", "none"],
                        default="gzip")
    parser.add_argument("--form", choices=["csr", "csc", "dense"],
                        default="csr")
    args = parser.parse_args()
    args.directory.mkdir(parents=True, exist_ok=True)
    bounds = np.linspace(0, args.cells, args.files + 1).astype(int)
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        if args.copy_of:
            made = [pool.submit(copy, args.directory, path, args.compression,
                                args.form)
                    for path in sorted(args.copy_of.glob("*.h5ad"))]
        else:
            made = [pool.submit(write, args.directory, i,
                                int(bounds[i + 1] - bounds[i]), args.genes,
                                (args.exponent, args.offset),
                                args.compression, args.form)
                    for i in range(args.files)]
        for future in made:
            path = future.result()
            print(f"{path.name} {path.stat().st_size / 1e6:.0f} MB",
                  flush=True)


if __name__ == "__main__":
    main()
