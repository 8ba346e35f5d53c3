"""A throw-away server with the demo's files, and what anndata reads from them.

"TESTS=client make test" in the directory above runs these tests.
"""

import os
import pathlib
import sys

import anndata
import numpy as np
import pytest
import scipy.sparse

import mappedcoll as mc

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def pytest_configure(config):
    if not {"MC_TMP", "MC_DATA", "MC_BINDIR", "PGHOST"} <= set(os.environ):
        pytest.exit("run these tests by: TESTS=client make test", returncode=2)


def demo_files():
    return sorted((pathlib.Path(os.environ["MC_DATA"]) / "demo").glob("*.h5ad"))


class Truth:
    """The demo's files as anndata reads them, in the order of the collection."""

    def __init__(self, var_names):
        files = [anndata.read_h5ad(path) for path in demo_files()]
        self.x = scipy.sparse.vstack(
            [scipy.sparse.csr_matrix(file[:, var_names].X) for file in files]).astype(np.float32)
        self.x = self.x.tocsr()
        self.dense = self.x.toarray()
        self.n_obs = [file.n_obs for file in files]
        self.var_names = list(var_names)
        self.obs = {name: np.concatenate([
            file.obs[name].astype(object).where(file.obs[name].notna(), None).to_numpy()
            if name in file.obs else np.full(file.n_obs, None) for file in files])
            for name in ("cell_type", "donor_id", "n_counts", "age", "is_doublet")}
        self.pca = np.concatenate([
            file.obsm["X_pca"] if "X_pca" in file.obsm else np.full((file.n_obs, 8), np.nan)
            for file in files]).astype(np.float32)

    def codes(self, name, rows):
        """Codes of text, -1 where it is missing."""
        labels = sorted({v for v in self.obs[name] if v is not None}, key=str.encode)
        return np.array([-1 if self.obs[name][row] is None else labels.index(self.obs[name][row])
                         for row in rows])

    def numbers(self, name, rows):
        """Numbers as float64, NaN where they are missing."""
        return np.array([np.nan if self.obs[name][row] is None else self.obs[name][row]
                         for row in rows], np.float64)


def create(server, name="coll"):
    """The collection of the demo's files, with a sampler beside it."""
    coll = server.create_collection(name, [str(path) for path in demo_files()], obsm=["X_pca"])
    server.execute(f"SELECT {server.function('create_sampler')}('{name}_sampler', "
                   f"'SELECT row_index, n_counts::float8 AS weight FROM {name} "
                   "WHERE donor_id <> ''D07''')")
    return coll


@pytest.fixture(scope="session")
def server():
    """The server of this run, in a database of its own."""
    admin = mc.connect()
    admin.execute("CREATE DATABASE client")
    server = mc.connect(dbname="client")
    # not in the search path: the client has to find it
    server.execute("CREATE SCHEMA tools")
    server.execute("CREATE EXTENSION mappedcoll SCHEMA tools")
    server.execute("ALTER DATABASE client SET jit = off")
    yield server
    server.close()
    admin.execute("DROP DATABASE client WITH (FORCE)")
    admin.close()


@pytest.fixture(scope="session")
def coll(server):
    return create(server)


@pytest.fixture(scope="session")
def truth(coll):
    return Truth(coll.var_names)


@pytest.fixture
def drawn(server):
    """row_index of each rank's draws, by step, as sample_rows says."""
    def rows(arguments):
        steps = {}
        for step, row in server.query("SELECT batch, row_index FROM "
                                      f"tools.sample_rows('coll', {arguments})"):
            steps.setdefault(step, []).append(row)
        return steps
    return rows
