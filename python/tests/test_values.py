"""Every value of every batch is anndata's, in every form."""

import numpy as np
import pytest
import scipy.sparse

import mappedcoll as mc

torch = pytest.importorskip("torch")

STREAMS = {
    "uniform": ({}, "NULL"),
    "labels": ({"weight_by": "cell_type"}, "'cell_type'"),
    "two columns": ({"weight_by": "cell_type, donor_id"}, "'cell_type, donor_id'"),
    "root": ({"weight_by": "cell_type", "weights": "sqrt"}, "'cell_type', weights => '\"sqrt\"'"),
    "exponent": ({"weight_by": "cell_type", "weights": 0.75}, "'cell_type', weights => '0.75'"),
    "dict": ({"weight_by": "cell_type", "weights": {"B cell": 2, "plasma cell": 0.5}},
             "'cell_type', weights => '{\"B cell\": 2, \"plasma cell\": 0.5}'"),
    "value": ({"weight_by": "n_counts", "weights": "value"}, "'n_counts', weights => '\"value\"'"),
    "sampler": ({"sampler": "coll_sampler"}, "sampler => 'coll_sampler'"),
    "filter": ({"weight_by": "cell_type", "filter": "donor_id <> 'D07' AND n_counts > 200"},
               "'cell_type', filter => 'donor_id <> ''D07'' AND n_counts > 200'"),
    "epochs": ({"replacement": False}, "replacement => false"),
    "weighted epochs": ({"weight_by": "cell_type", "replacement": False},
                        "'cell_type', replacement => false"),
}


def plain(x):
    """X of any form as an array."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, torch.Tensor):
        return x.to_dense().numpy()
    return x.toarray()


@pytest.mark.parametrize("name", STREAMS)
def test_stream(coll, truth, drawn, name):
    arguments, sql = STREAMS[name]
    steps = drawn(f"256, {sql}, seed => 7, step => 9, n_steps => 6")
    loader = mc.Loader(coll, 256, seed=7, steps_per_epoch=15, **arguments)
    loader.seek(9)
    batches = list(loader)
    assert [batch.step for batch in batches] == list(range(9, 15))
    for batch in batches:
        rows = steps.get(batch.step, [])
        assert batch.index.tolist() == rows
        assert np.array_equal(batch.X.toarray(), truth.dense[rows])
        if "weight_by" in arguments and arguments.get("weights") != "value":
            names = coll.categories(arguments["weight_by"])
            assert [names[code] for code in batch.label] == [
                "__".join(truth.obs[column][row] for column in arguments["weight_by"].split(", "))
                for row in rows]
        else:
            assert "label" not in batch


@pytest.mark.parametrize("connections", [1, 2, 4])
@pytest.mark.parametrize("densify", [None, "cpu", "server"])
@pytest.mark.parametrize("to", ["numpy", "scipy", "torch"])
def test_form(coll, truth, to, densify, connections):
    loader = mc.Loader(coll, 128, weight_by="cell_type", seed=3, steps_per_epoch=5, to=to,
                       densify=densify, connections=connections,
                       obs=["cell_type", "donor_id", "n_counts", "age", "is_doublet"],
                       obsm=["X_pca"])
    n = 0
    for batch in loader:
        rows = np.asarray(batch.index)
        assert list(batch)[0] == "X"
        assert set(batch) == {"X", "obs", "index", "label", "obsm"}
        assert isinstance(batch.X, {
            ("numpy", False): mc.CSR, ("scipy", False): scipy.sparse.csr_matrix,
            ("torch", False): torch.Tensor}.get((to, densify is not None),
                                                torch.Tensor if to == "torch" else np.ndarray))
        assert batch.X.dtype == torch.float32 if to == "torch" else True
        assert np.array_equal(plain(batch.X), truth.dense[rows])
        assert np.array_equal(batch.label, truth.codes("cell_type", rows))
        for name in ("cell_type", "donor_id"):
            assert np.array_equal(batch.obs[name], truth.codes(name, rows))
        for name in ("n_counts", "age", "is_doublet"):
            assert np.array_equal(batch.obs[name], truth.numbers(name, rows), equal_nan=True)
        assert np.array_equal(batch.obsm["X_pca"], truth.pca[rows], equal_nan=True)
        assert np.array_equal(batch.to_scipy().toarray(), truth.dense[rows])
        n += len(rows)
    assert n == 640


def test_types(coll):
    batch = next(iter(mc.Loader(coll, 16, weight_by="cell_type", obs=["cell_type", "age"])))
    assert (batch.X.data.dtype, batch.X.indices.dtype, batch.X.indptr.dtype) == (
        np.float32, np.int32, np.int32)
    assert (batch.index.dtype, batch.label.dtype) == (np.int64, np.int32)
    assert (batch.obs["cell_type"].dtype, batch.obs["age"].dtype) == (np.int32, np.float64)
    for array in (batch.X.data, batch.X.indices, batch.X.indptr, batch.index):
        assert array.flags.aligned and array.flags.writeable
    batch = next(iter(mc.Loader(coll, 16, weight_by="cell_type", obs=["cell_type", "age"],
                                to="torch")))
    assert batch.X.layout == torch.sparse_csr
    assert batch.X.crow_indices().dtype == batch.X.col_indices().dtype == torch.int32
    assert (batch.index.dtype, batch.label.dtype) == (torch.int64, torch.int64)
    assert (batch.obs["cell_type"].dtype, batch.obs["age"].dtype) == (torch.int64, torch.float64)


def test_product(coll, truth):
    """A sparse tensor is good for what models do first."""
    batch = next(iter(mc.Loader(coll, 64, seed=1, to="torch")))
    weights = torch.randn(truth.dense.shape[1], 5)
    assert torch.allclose(batch.X @ weights, torch.from_numpy(truth.dense[batch.index]) @ weights,
                          rtol=1e-4, atol=1e-3)


def test_genes(coll, truth):
    genes = [truth.var_names[i] for i in (700, 3, 41)]
    for densify in (None, "server"):
        batch = next(iter(mc.Loader(coll, 64, seed=1, genes=genes, densify=densify)))
        assert np.array_equal(plain(batch.X), truth.dense[batch.index][:, [700, 3, 41]])
    assert list(batch.to_anndata().var_names) == genes


def test_messages_of_any_size(coll, truth, monkeypatch):
    """However a batch is cut into parts, it is the same."""
    for n_bytes in (1, 5000, 1 << 30):
        monkeypatch.setattr("mappedcoll.feeder._MESSAGE_BYTES", n_bytes)
        monkeypatch.setattr("mappedcoll.feeder._FIRST_ROWS", 7)
        for batch in mc.Loader(coll, 100, seed=2, steps_per_epoch=20, obs=["donor_id"]):
            assert np.array_equal(batch.X.toarray(), truth.dense[batch.index])
            assert np.array_equal(batch.obs["donor_id"], truth.codes("donor_id", batch.index))


@pytest.mark.parametrize("densify", [None, "cpu", "server"])
def test_large_batches(coll, truth, densify):
    """... stay what they were while others come into memory that is used again."""
    loader = mc.Loader(coll, 8192, seed=2, steps_per_epoch=12, densify=densify, to="torch")
    held = []
    for batch in loader:
        held.append(batch)
        if len(held) > 5:
            batch = held.pop(0)
            rows = batch.index.numpy()
            assert np.array_equal(batch.to_scipy()[::7].toarray(), truth.dense[rows[::7]])
            assert batch.X.sum().item() == pytest.approx(truth.dense[rows].sum(), rel=1e-4)


def test_one_file_lacks_an_embedding(coll, truth):
    """A batch of cells without it has no width to tell; with others it is NaN."""
    lacking = np.flatnonzero(np.isnan(truth.pca).all(axis=1))
    assert len(lacking) > 0
    rows = [int(lacking[0]), int(np.flatnonzero(~np.isnan(truth.pca).any(axis=1))[0])]
    assert np.array_equal(coll.fetch(rows, obsm=["X_pca"]).obsm["X_pca"], truth.pca[rows],
                          equal_nan=True)
    assert np.array_equal(coll.fetch(rows[:1], obsm=["X_pca"]).obsm["X_pca"], truth.pca[rows[:1]],
                          equal_nan=True)


def test_labels_come_by_their_weights(coll):
    """Chi-square of 10^5 draws; 10 degrees of freedom, p = 10^-6."""
    counts = np.zeros(11)
    for batch in mc.Loader(coll, 1000, weight_by="cell_type", seed=11, steps_per_epoch=100,
                           genes=[]):
        counts += np.bincount(batch.label, minlength=11)
    assert counts.sum() == 100_000
    assert ((counts - 100_000 / 11) ** 2 / (100_000 / 11)).sum() < 46.9
