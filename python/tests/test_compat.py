"""The surface of lamindb's MappedCollection: against anndata, and lamindb where it is there."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest

import making
import mappedcoll as mc
from mappedcoll.compat import MappedCollection

torch = pytest.importorskip("torch")

SAMPLES = (
    {},
    {"obs_keys": "kind"},
    {"obs_keys": ["kind", "donor", "count", "share", "flag"], "encode_labels": ["kind"]},
    {"obs_keys": ["kind", "donor", "count", "flag"], "unknown_label": "a", "dtype": "float32"},
    {"obs_keys": ["kind", "donor"], "unknown_label": {"donor": "d1"}, "encode_labels": ["donor"]},
    {"obs_keys": ["donor"], "encode_labels": False, "cache_categories": False, "parallel": True},
    {"obs_keys": ["kind"], "obsm_keys": "X_pca", "layers_keys": ["X", "counts"]},
    {"layers_keys": "counts", "obs_keys": ["donor"]},
    {"layers_keys": ["raw.X", "X"], "join": None},
    {"obs_keys": ["kind"], "obs_filter": {"kind": ["a", "c"]}},
    {"obs_keys": ["kind"], "obs_filter": {"donor": ("d1", "d2"), "kind": "a"}},
    {"obs_keys": ["kind"], "obs_filter": ("count", [3, 4, 5])},
    {"obs_keys": ["kind"], "obs_filter": {"donor": ["d1", np.nan]}},
    {"obs_keys": ["kind"], "join": "outer"},
    {"obs_keys": ["kind"], "join": "outer", "layers_keys": ["X", "counts"], "dtype": "float64"},
)


def donors(n_obs, missing):
    codes = np.arange(n_obs) % 3
    codes[missing] = -1
    return pd.Categorical.from_codes(codes, ["d0", "d1", "d2"])


@pytest.fixture(scope="module")
def paths():
    """Three files that differ in all that a join joins."""
    with making.directory() as directory:
        first = making.cells(20, ["g5", "g1", "g3", "g2"], 1)
        second = making.cells(15, ["g1", "g2", "g6", "g5"], 2, dense=True)
        third = making.cells(9, ["g2", "g9", "g5", "g1"], 3)
        for adata, missing in ((first, [2, 7]), (second, []), (third, [8])):
            adata.obs["donor"] = donors(adata.n_obs, missing)
            adata.obs["count"] = np.arange(adata.n_obs, dtype=np.int64)
            adata.obs["share"] = np.linspace(0, 1, adata.n_obs)
            adata.obs["flag"] = np.arange(adata.n_obs) % 2 == 0
        for adata in (first, third):
            adata.layers["counts"] = adata.X * 2
            adata.obsm["X_pca"] = np.arange(adata.n_obs * 2, dtype=np.float32).reshape(-1, 2)
        first.raw = first.copy()
        second.obs["only here"] = pd.Categorical(["x", "y", "x"] * 5)
        yield [making.write(adata, directory / name)
               for adata, name in ((first, "z [1].h5ad"), (second, "a b.h5ad"), (third, "c.h5ad"))]


@pytest.fixture(scope="module")
def lamindb_class():
    return pytest.importorskip("lamindb.core._mapped_collection",
                               reason="lamindb is not installed").MappedCollection


def same(ours, theirs):
    """Whether two values of an item are the same."""
    if isinstance(theirs, np.ndarray):
        return ours.shape == theirs.shape and np.array_equal(ours, theirs, equal_nan=True)
    if isinstance(theirs, float) and np.isnan(theirs):
        return isinstance(ours, float) and np.isnan(ours)
    return ours == theirs and isinstance(ours, str) == isinstance(theirs, str)


def same_labels(ours, theirs):
    return len(ours) == len(theirs) and all(map(same, ours, theirs))


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_against_lamindb(server, lamindb_class, paths, sample):
    theirs = lamindb_class(paths, **sample)
    ours = MappedCollection(paths, **sample, server=server)
    for name in ("filtered", "layers_keys", "obsm_keys", "obs_keys", "encode_labels",
                 "unknown_label", "n_obs_list", "n_obs", "n_vars", "join_vars", "parallel",
                 "closed", "shape"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours) == len(theirs)
    if theirs.n_vars_list is not None:      # otherwise it has not looked yet
        assert ours.original_shapes == theirs.original_shapes
        assert ours.n_vars_list == theirs.n_vars_list
    assert (ours.var_joint is None) == (theirs.var_joint is None)
    if ours.var_joint is not None:
        assert ours.var_joint.equals(theirs.var_joint)
        assert all(map(np.array_equal, ours.var_indices, theirs.var_indices))
    assert np.array_equal(ours.storage_idx, theirs.storage_idx)
    assert np.array_equal(ours.indices, theirs.indices)
    assert all(map(np.array_equal, ours.indices_list, theirs.indices_list))
    assert ours.encoders == getattr(theirs, "encoders", {})
    for ascending in (True, False):
        assert ours.check_vars_sorted(ascending) == theirs.check_vars_sorted(ascending)
    for names in (["g1"], ["g5", "g1", "g3", "g2"]):
        assert ours.check_vars_non_aligned(names) == theirs.check_vars_non_aligned(names)
    for i, item in enumerate(ours.__getitems__(list(range(len(ours))))):
        expected = theirs[i]
        assert list(item) == list(expected)
        for key, value in expected.items():
            assert same(item[key], value), (i, key)
            if isinstance(value, np.ndarray) and (value.dtype.kind == "f"):
                assert item[key].dtype == value.dtype
    for key in ("kind", "count", "share", "flag", "donor"):
        assert ours.get_merged_categories(key) == theirs.get_merged_categories(key)
        assert same_labels(ours.get_merged_labels(key), theirs.get_merged_labels(key))
    for keys in ("kind", "count", "flag", ["kind", "count"]):
        assert np.allclose(ours.get_label_weights(keys), theirs.get_label_weights(keys))
        assert np.allclose(ours.get_label_weights(keys, 5), theirs.get_label_weights(keys, 5))
        assert ours.get_label_weights(keys, return_categories=True) == \
            pytest.approx(theirs.get_label_weights(keys, return_categories=True))
    ours.close()
    theirs.close()
    assert ours.closed and theirs.closed


def test_weights_of_missing_labels(server, paths):
    """A weight for each cell, 0 without a label; lamindb makes NaN a class and is shorter."""
    mapped = MappedCollection(paths, server=server)
    weights = mapped.get_label_weights("donor")
    labels = mapped.get_merged_labels("donor")
    missing = pd.isna(labels)
    assert np.flatnonzero(missing).tolist() == [2, 7, 43]
    for label in ("d0", "d1", "d2"):
        assert np.isclose(weights[labels == label].sum(), 1)
    assert (weights[missing] == 0).all()
    assert set(mapped.get_label_weights("donor", return_categories=True)) == {"d0", "d1", "d2"}
    weights = mapped.get_label_weights("only here")
    assert len(weights) == len(mapped.get_merged_labels("only here")) == len(mapped) == 44
    assert np.isclose(weights[20:35].sum(), 2) and weights[:20].sum() == weights[35:].sum() == 0
    both = mapped.get_label_weights(["donor", "kind"])
    assert (both[missing] == 0).all() and np.isclose(both.sum(), len(np.unique(
        [f"{a}__{b}" for a, b in zip(labels, mapped.get_merged_labels("kind"))
         if not pd.isna(a)])))


def test_raw_is_joined(server, paths):
    mapped = MappedCollection(paths, layers_keys=["raw.X"], server=server)
    assert mapped.raw_joint.tolist() == ["g5", "g1", "g3", "g2"]
    assert list(mapped[0]) == ["_store_idx", "raw.X"] and list(mapped[20]) == ["_store_idx"]


def test_what_lamindb_refuses(server):
    """CSC, and a categorical without any value."""
    with making.directory() as directory:
        adata = making.cells(6, ["g1", "g2"], 1)
        adata.obs["empty"] = pd.Categorical([None] * 6)
        dense = adata.X.toarray()
        adata.X = adata.X.tocsc()
        path = making.write(adata, directory / "csc.h5ad")
        mapped = MappedCollection([path], obs_keys=["empty"], server=server)
        items = mapped.__getitems__(range(6))
        assert np.array_equal(np.stack([item["X"] for item in items]), dense)
        assert np.isnan(mapped[0]["empty"]) and mapped.encoders == {"empty": {}}
        assert mapped.get_merged_categories("empty") == []


def test_arguments(server, paths):
    for wrong, error in (({"join": "left"}, "join must be"),
                         ({"encode_labels": ["kind"]}, "encode_labels"),
                         ({"obs_keys": "kind", "unknown_label": {"donor": "a"}}, "unknown_label")):
        with pytest.raises(ValueError, match=error):
            MappedCollection(paths, **wrong, server=server)
    with pytest.raises(ValueError, match="each once"):
        MappedCollection(paths + paths, server=server)
    with pytest.raises(KeyError, match="no file has.*kind, donor"):
        MappedCollection(paths, obs_keys=["nothing"], server=server)
    with pytest.raises(KeyError, match="nothing"):
        MappedCollection(paths, server=server).get_label_weights("nothing")
    disjoint = [paths[0]]
    with making.directory() as directory:
        disjoint.append(making.write(making.cells(3, ["h1"], 1), directory / "h.h5ad"))
        with pytest.raises(ValueError, match="outer"):
            MappedCollection(disjoint, server=server)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_training_script(server, paths, context):
    """What a script does with it: a sampler, and a DataLoader with workers."""
    with MappedCollection(paths, obs_keys=["kind", "donor"], unknown_label="a", parallel=True,
                          server=server) as mapped:
        every = mapped.__getitems__(list(range(len(mapped))))
        weights = mapped.get_label_weights("kind")
        sampler = torch.utils.data.WeightedRandomSampler(
            weights, 100, generator=torch.Generator().manual_seed(1))
        loader = torch.utils.data.DataLoader(
            mapped, batch_size=10, sampler=sampler, num_workers=2, multiprocessing_context=context,
            worker_init_fn=mapped.torch_worker_init_fn)
        seen = 0
        for batch in loader:
            assert batch["X"].shape == (10, 3) and batch["X"].dtype == torch.float32
            assert batch["kind"].dtype == torch.int64 and (batch["kind"] >= -1).all()
            for x in batch["X"].numpy():
                assert any(np.array_equal(x, item["X"]) for item in every)
            seen += 10
        assert seen == 100


def test_life(server, paths, monkeypatch):
    mapped = MappedCollection(paths, obs_keys=["kind"], server=server.conninfo)
    copy = pickle.loads(pickle.dumps(mapped))
    assert np.array_equal(copy[3]["X"], mapped[3]["X"]) and mapped[-1]["_store_idx"] == 2
    assert isinstance(mapped.collection, mc.Collection)
    with mapped:
        pass
    assert mapped.closed
    with pytest.raises(ValueError, match="closed"):
        mapped[0]
    with pytest.raises(IndexError):
        copy[44]
    # made once
    made = "SELECT oid FROM pg_class WHERE relname ~ '^mapped_' ORDER BY 1"
    before = server.query(made)
    MappedCollection(paths, obs_keys=["kind"], server=server)
    assert server.query(made) == before
    # the environment leads to the server too, and relative paths are made absolute
    monkeypatch.setenv("PGDATABASE", "client")
    monkeypatch.chdir(os.path.dirname(paths[0]))
    assert len(MappedCollection([os.path.basename(path) for path in paths])) == 44
