#!/usr/bin/env python3
"""make_demo.py
    Write the h5ad files of the demo, test/data/demo/*.h5ad.

Usage: make_demo.py [DIRECTORY]     (packages: test/requirements.txt)

Blood cells of ten donors from three sites, drawn from one fixed seed, so that
a run with the same packages writes the same files.  Gene popularity follows
Zipf's law, counts are negative binomial around a cell's depth, cell types are
uneven (the rarest has one cell in two hundred) and each has marker genes, so
that figures over these files mean something.  The sites differ in their
genes, in the order of their genes, in their obs columns, and in how the
matrix is stored: CSR gzip, CSR LZF, dense gzip.
"""

import pathlib
import sys

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

SEED = 20260105

# share of the cells, marker genes
CELL_TYPES = {
    "CD4 T cell": (0.330, "CD3D CD3E IL7R CD4 LTB CCR7 LEF1 TCF7"),
    "CD8 T cell": (0.180, "CD3D CD3E CD8A CD8B GZMK CCL5 CST7"),
    "classical monocyte": (0.170, "CD14 LYZ S100A8 S100A9 FCN1 VCAN CTSS"),
    "B cell": (0.110, "CD79A CD79B MS4A1 CD19 BANK1 TCL1A HLA-DRA"),
    "natural killer cell": (0.095, "NKG7 GNLY KLRD1 KLRF1 PRF1 GZMB NCAM1"),
    "non-classical monocyte": (0.045, "FCGR3A MS4A7 CDKN1C LST1 RHOC"),
    "conventional dendritic cell": (0.030, "FCER1A CST3 CLEC10A CD1C HLA-DRA"),
    "megakaryocyte": (0.015, "PPBP PF4 GNG11 TUBB1 ITGA2B"),
    "plasma cell": (0.012, "MZB1 JCHAIN SDC1 XBP1 IGHG1 DERL3"),
    "plasmacytoid dendritic cell": (0.008, "LILRA4 IRF7 CLEC4C GZMB TCF4 IL3RA"),
    "hematopoietic stem cell": (0.005, "CD34 SOX4 SPINK2 PRSS57 AVP"),
}

# ordinary genes: families as symbols are formed, and how many of each
FAMILIES = {
    "RPL{}": 40, "RPS{}": 28, "MT-ND{}": 6, "MT-CO{}": 3, "HIST1H2A{}": 12,
    "ZNF{}": 320, "SLC{}A{}": 220, "TMEM{}": 190, "FAM{}A": 120, "KIF{}": 40,
    "LINC{:05d}": 240, "CCDC{}": 130, "RAB{}": 60, "UBE2{}": 20, "PSMB{}": 10,
    "NDUFA{}": 12, "USP{}": 50, "TRIM{}": 60, "ANKRD{}": 60, "KLHL{}": 40,
}

N_GENES_DETECTED = 130  # of a cell with average depth, roughly


def gene_symbols(rng):
    """All genes of the three sites, most popular first, markers spread."""
    names = set()
    for pattern, n in FAMILIES.items():
        made = set()
        while len(made) < n:
            if pattern in ("HIST1H2A{}", "UBE2{}"):
                made.add(pattern.format("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rng.integers(26)]))
            elif pattern.startswith("LINC"):
                made.add(pattern.format(rng.integers(1, 3000)))
            else:
                made.add(pattern.format(rng.integers(1, 3 * n), rng.integers(1, 12)))
        names |= made
    names = sorted(names)
    # ribosomal and mitochondrial genes are the most popular ones
    rank = rng.permutation(len(names)).astype(float)
    rank[[n.startswith(("RPL", "RPS", "MT-")) for n in names]] /= 40
    names = [names[i] for i in np.argsort(rank, kind="stable")]
    markers = sorted({g for _, genes in CELL_TYPES.values() for g in genes.split()})
    for marker in markers:
        names.insert(int(rng.integers(120, 900)), marker)
    return np.array(names)


def expression(rng, genes, cell_types, donors):
    """Counts of all genes in all cells: CSR, float32."""
    popularity = 1.0 / np.arange(5, len(genes) + 5) ** 0.95
    popularity /= popularity.sum()
    profiles = {}
    for name, (_, marker_genes) in CELL_TYPES.items():
        profile = popularity * rng.lognormal(0.0, 0.25, len(genes))
        profile[np.isin(genes, marker_genes.split())] = popularity[12]
        profiles[name] = profile
    of_donor = {d: rng.lognormal(0.0, 0.15, len(genes)) for d in sorted(set(donors))}
    depth = rng.lognormal(np.log(1.9 * N_GENES_DETECTED), 0.35, len(cell_types))
    rows = []
    for cell_type, donor, d in zip(cell_types, donors, depth):
        profile = profiles[cell_type] * of_donor[donor]
        mean = d * profile / profile.sum()
        dispersion = 2.0
        rows.append(sp.csr_matrix(rng.poisson(rng.gamma(dispersion, mean / dispersion)), dtype=np.float32))
    return sp.vstack(rows, format="csr")


def cells_of(rng, n, donors):
    """Cell type and donor of n cells; each type occurs, donors differ."""
    names = list(CELL_TYPES)
    share = np.array([CELL_TYPES[c][0] for c in names])
    donor_share = rng.dirichlet(np.full(len(donors), 6.0))
    donor = rng.choice(donors, n, p=donor_share)
    cell_type = np.empty(n, dtype=object)
    for d in donors:
        own = share * rng.lognormal(0.0, 0.2, len(share))
        mask = donor == d
        cell_type[mask] = rng.choice(names, mask.sum(), p=own / own.sum())
    cell_type[rng.choice(n, len(names), replace=False)] = names
    return cell_type, donor


def barcodes(rng, n, suffix):
    codes = set()
    while len(codes) < n:
        codes.add("".join(rng.choice(list("ACGT"), 16)) + suffix)
    return rng.permutation(sorted(codes))


def pca(matrix, n_components):
    """Principal components of log-normalised counts, signs fixed."""
    dense = matrix.toarray()
    dense = np.log1p(dense / dense.sum(axis=1, keepdims=True) * 1e4)
    dense -= dense.mean(axis=0)
    u, s, vt = np.linalg.svd(dense, full_matrices=False)
    sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    return (u * s * sign)[:, :n_components].astype(np.float32)


def percent_mito(counts, genes):
    mito = np.char.startswith(genes.astype(str), "MT-")
    total = np.asarray(counts.sum(axis=1)).ravel()
    return 100 * np.asarray(counts[:, mito].sum(axis=1)).ravel() / total


def make_site(rng, genes, n_cells, donors, n_genes, suffix):
    cell_type, donor = cells_of(rng, n_cells, donors)
    counts = expression(rng, genes, cell_type, donor)
    # a site's reference leaves some of the rarer genes out, never a marker
    markers = {g for _, m in CELL_TYPES.values() for g in m.split()}
    may_go = [i for i in range(150, len(genes)) if genes[i] not in markers]
    gone = rng.choice(may_go, len(genes) - n_genes, replace=False)
    keep = rng.permutation(np.setdiff1d(np.arange(len(genes)), gone))
    counts = counts[:, keep].tocsr()
    counts.sort_indices()
    obs = pd.DataFrame(index=pd.Index(barcodes(rng, n_cells, suffix), name="barcode"))
    obs["cell_type"] = pd.Categorical(cell_type)
    obs["donor_id"] = pd.Categorical(donor)
    obs["n_counts"] = np.asarray(counts.sum(axis=1)).ravel().astype(np.int32)
    var = pd.DataFrame(index=pd.Index(genes[keep], name="gene_symbol"))
    var["gene_id"] = [f"ENSG{(int(k) * 7919 + 100003) % 10**7:011d}" for k in keep]
    return anndata.AnnData(X=counts, obs=obs, var=var)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "demo")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    genes = gene_symbols(rng)

    # Site A: CSR, gzip; floats with NaN, a bool, a layer, an embedding
    a = make_site(rng, genes, 1500, ["D01", "D02", "D03", "D04"], 1500, "-1")
    mito = percent_mito(a.X, a.var_names.to_numpy()).astype(np.float32)
    mito[rng.random(a.n_obs) < 0.03] = np.nan
    a.obs["percent_mito"] = mito
    a.obs["is_doublet"] = rng.random(a.n_obs) < 0.04
    a.obs["sex"] = a.obs["donor_id"].map({"D01": "female", "D02": "male", "D03": "female", "D04": "male"})
    a.layers["counts"] = a.X.astype(np.int32)
    a.obsm["X_pca"] = pca(a.X, 8)
    a.write_h5ad(out / "pbmc_site_a.h5ad", compression="gzip", compression_opts=9)

    # Site B: CSR, LZF; cell types that nobody named, a nullable integer,
    # plain strings
    b = make_site(rng, genes, 1200, ["D05", "D06", "D07"], 1420, "-2")
    unnamed = rng.random(b.n_obs) < 0.02
    b.obs["cell_type"] = b.obs["cell_type"].mask(unnamed)
    age = pd.array([{"D05": 34, "D06": 61, "D07": 47}[d] for d in b.obs["donor_id"]], dtype="Int64")
    age[rng.random(b.n_obs) < 0.05] = pd.NA
    b.obs["age"] = age
    b.obs["chemistry"] = np.where(b.obs["donor_id"] == "D05", "10x 3' v2", "10x 3' v3").astype(object)
    b.obs["is_doublet"] = rng.random(b.n_obs) < 0.06
    b.strings_to_categoricals = lambda *args: None  # strings stay strings
    b.write_h5ad(out / "pbmc_site_b.h5ad", compression="lzf")

    # Site C: dense, gzip; an ordered category, double precision
    c = make_site(rng, genes, 500, ["D08", "D09", "D10"], 1250, "-3")
    c.obs["severity"] = pd.Categorical(
        c.obs["donor_id"].map({"D08": "mild", "D09": "severe", "D10": "mild"}).astype(object),
        categories=["mild", "moderate", "severe"], ordered=True)
    c.obs["percent_mito"] = percent_mito(c.X, c.var_names.to_numpy()).astype(np.float64)
    c.obs["sex"] = pd.Categorical(np.where(c.obs["donor_id"] == "D10", "male", "female"))
    c.obsm["X_pca"] = pca(c.X, 8)
    c.X = c.X.toarray()
    c.write_h5ad(out / "pbmc_site_c.h5ad", compression="gzip", compression_opts=9)


if __name__ == "__main__":
    main()
