"""A batch as a mapping, and in the forms of other libraries."""

import collections
import pickle

import numpy as np
import pytest

import mappedcoll as mc

torch = pytest.importorskip("torch")


def test_mapping(coll):
    batch = coll.fetch([1, 2, 3], obs=["cell_type"])
    assert list(batch) == ["X", "obs", "index"] and len(batch) == 3 and batch.n_rows == 3
    assert batch["index"] is batch.index
    with pytest.raises(AttributeError, match="it has X, obs, index"):
        batch.label
    again = type(batch)(collections.OrderedDict(batch.items()))
    assert isinstance(again, mc.Batch) and again.index is batch.index
    with pytest.raises(ValueError, match="does not know its collection"):
        again.to_anndata()
    assert mc.Batch(batch).collection is batch.collection
    copy = pickle.loads(pickle.dumps(batch))
    assert np.array_equal(copy.X.toarray(), batch.X.toarray())
    assert copy.collection.name == "coll"


def test_to(coll):
    batch = coll.fetch([1, 2], obs=["cell_type"], to="torch")
    moved = batch.to("meta")
    assert moved.X.device.type == moved.obs["cell_type"].device.type == "meta"
    assert isinstance(moved, mc.Batch) and moved.collection is batch.collection
    with pytest.raises(TypeError, match="to='torch'"):
        coll.fetch([1]).to("cpu")
    with pytest.raises(ValueError, match="to='torch'"):
        mc.Loader(coll, 4, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu(coll, truth):
    batch = coll.fetch([1, 2], obs=["cell_type"], to="torch").pin_memory()
    assert batch.X.values().is_pinned() and batch.index.is_pinned()
    for densify in (None, "cpu", "cuda", "server"):
        for batch in mc.Loader(coll, 64, seed=1, to="torch", device="cuda", densify=densify,
                               steps_per_epoch=20):
            assert batch.X.device.type == batch.index.device.type == "cuda"
            assert np.array_equal(batch.X.cpu().to_dense().numpy() if densify is None
                                  else batch.X.cpu().numpy(), truth.dense[batch.index.cpu()])


@pytest.mark.parametrize("to", ["numpy", "scipy", "torch"])
def test_to_anndata(coll, truth, to):
    rows = [5, 9, 5, 3000, 0]
    columns = ["cell_type", "donor_id", "n_counts", "age", "is_doublet"]
    adata = coll.fetch(rows, obs=columns, obsm=["X_pca"], to=to).to_anndata()
    assert np.array_equal(adata.X.toarray(), truth.dense[rows])
    assert list(adata.var_names) == truth.var_names
    assert list(adata.obs_names) == [str(row) for row in rows]
    assert adata.obs["row_index"].tolist() == rows
    for name in ("cell_type", "donor_id"):
        assert adata.obs[name].dtype == "category"
        assert adata.obs[name].tolist() == [truth.obs[name][row] for row in rows]
    assert adata.obs["n_counts"].dtype == np.int64
    assert adata.obs["n_counts"].tolist() == [truth.obs["n_counts"][row] for row in rows]
    assert np.array_equal(adata.obs["age"], truth.numbers("age", rows), equal_nan=True)
    assert np.array_equal(adata.obsm["X_pca"], truth.pca[rows], equal_nan=True)


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_as_mapped_dict(coll, truth, to):
    ends = np.cumsum(truth.n_obs)
    rows = [0, ends[0] - 1, ends[0], ends[1], ends[2] - 1]
    item = coll.fetch(rows, obs=["cell_type"], obsm=["X_pca"], to=to).as_mapped_dict()
    assert list(item) == ["X", "obsm_X_pca", "_store_idx", "cell_type"]
    assert np.array_equal(item["X"], truth.dense[rows])
    assert np.asarray(item["_store_idx"]).tolist() == [0, 0, 1, 2, 2]
    assert np.array_equal(item["cell_type"], truth.codes("cell_type", rows))
    assert isinstance(item["_store_idx"], torch.Tensor if to == "torch" else np.ndarray)
