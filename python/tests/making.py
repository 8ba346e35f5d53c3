"""Small h5ad files of a test's own, where the server can read them."""

import contextlib
import pathlib
import shutil
import tempfile

import anndata
import numpy as np
import pandas as pd
import scipy.sparse


@contextlib.contextmanager
def directory():
    """A directory that the server's user may enter; it goes with the context."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="making."))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def cells(n_obs, genes, seed, obs=None, dense=False):
    """Random counts, as float32."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(0.7, (n_obs, len(genes))).astype(np.float32)
    frame = pd.DataFrame({"kind": rng.choice(["b", "a", "c"], n_obs), **(obs or {})},
                         index=[f"cell{seed}_{i}" for i in range(n_obs)])
    return anndata.AnnData(x if dense else scipy.sparse.csr_matrix(x), obs=frame,
                           var=pd.DataFrame(index=list(genes)))


def write(adata, path):
    """Write a file; its path as text."""
    adata.write_h5ad(path)
    path.chmod(0o644)
    return str(path)
