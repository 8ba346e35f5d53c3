#!/usr/bin/env python3
"""Make test/data/names/names.h5ad: obs columns, genes and an embedding whose
names are hard for SQL (ours, PostgreSQL's, too long, with quotes, twice).

Needs anndata, numpy and pandas (test/requirements.txt).  The file is committed.
"""

import pathlib

import anndata
import numpy as np
import pandas as pd

OBS = [
    "row_index", "file_index", "obs_name", "x", "x_indices", "x_values", "ctid", "tableoid", "obs_x",
    "Cell Type", "cell_type", "CELL_TYPE", "age(days)", "select", 'quo"ted', "apos'trophe; --", "back\\slash",
    "größe", "таблица", " blank ", "n" * 70, "n" * 69 + "m", "é" * 40, "GENE1",
]
GENES = ["GENE1", "GENE2", "x", "row_index", "HLA-A", 'GENE"3', "g" * 80]


def main():
    n = 4
    obs = pd.DataFrame(index=pd.Index([f"cell {i}" for i in range(n)]))
    for k, name in enumerate(OBS):
        obs[name] = np.arange(n) * 100 + k
    obs["cell_type"] = pd.Categorical(["a__b", "a", "b", "a"])
    obs["CELL_TYPE"] = pd.Categorical(["c", "b__c", "b__c", "c"])
    x = np.arange(n * len(GENES), dtype=np.float32).reshape(n, len(GENES))
    adata = anndata.AnnData(X=x, obs=obs, var=pd.DataFrame(index=pd.Index(GENES)))
    adata.obsm["x"] = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    adata.obsm["GENE1"] = np.arange(n * 3, dtype=np.float64).reshape(n, 3)
    out = pathlib.Path(__file__).parent / "names"
    out.mkdir(exist_ok=True)
    adata.write_h5ad(out / "names.h5ad", compression="gzip")


if __name__ == "__main__":
    main()
