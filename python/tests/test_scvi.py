"""scvi-tools: SCVI and SCANVI are trained, saved, loaded, and asked."""

import numpy as np
import pandas as pd
import pytest

import making

torch = pytest.importorskip("torch")
scvi = pytest.importorskip("scvi", reason="scvi-tools is not installed")

from mappedcoll.scvi import DataModule  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

torch.set_num_threads(1)        # beside the server's processes more are slower

QUIET = {"accelerator": "cpu", "enable_progress_bar": False,
         "enable_model_summary": False}


@pytest.fixture(scope="module")
def cells(server):
    """Counts of two batches and three kinds, some cells without a kind; and the truth."""
    rng = np.random.default_rng(1)
    genes = [f"g{i}" for i in range(30)]
    with making.directory() as directory:
        paths, parts = [], []
        for i, n_obs in enumerate((110, 90)):
            kinds = rng.integers(0, 3, n_obs)
            adata = making.cells(n_obs, genes, i, obs={
                "kind": pd.Categorical.from_codes(
                    np.where(rng.random(n_obs) < 0.2, -1, kinds), ["k0", "k1", "k2"]),
                "donor": pd.Categorical(np.array(["x", "y", "z"])[rng.integers(0, 3, n_obs)]),
                "number": rng.integers(5, 7, n_obs), "age": rng.random(n_obs)})
            means = np.where(np.arange(30) // 10 == kinds[:, None], 5.0, 0.5)
            adata.X = type(adata.X)(rng.poisson(means).astype(np.float32))
            paths.append(making.write(adata, directory / f"{i}.h5ad"))
            parts.append(adata)
        coll = server.create_collection("scvi_cells", paths)
        truth = pd.concat([part.obs for part in parts], ignore_index=True)
        x = np.concatenate([part.X.toarray() for part in parts])
        yield coll, truth, x
        server.execute("DROP TABLE scvi_cells")


def module(cells, **arguments):
    return DataModule(cells[0], "donor", **{"batch_size": 32, "seed": 3, **arguments})


def test_batches(cells):
    coll, truth, x = cells
    data = module(cells, labels_key="kind", categorical_covariate_keys=["number", "donor"],
                  continuous_covariate_keys=["age"])
    assert data.n_vars == 30 and data.n_obs == 200 and data.n_batch == 3
    assert data.labels.tolist() == ["k0", "k1", "k2", "Unknown"]
    seen = 0
    for tensors in data.inference_dataloader(70):
        rows = np.arange(seen, seen + len(tensors["X"]))
        seen += len(rows)
        assert np.array_equal(tensors["X"], x[rows]) and tensors["X"].dtype == torch.float32
        assert tensors["batch"].shape == (len(rows), 1)
        assert np.array_equal(data.batch_labels[tensors["batch"][:, 0]], truth["donor"][rows])
        kinds = truth["kind"].astype(object).where(truth["kind"].notna(), "Unknown")[rows]
        assert np.array_equal(data.labels[tensors["labels"][:, 0]], kinds)
        numbers, donors = tensors["extra_categorical_covs"].T
        assert np.array_equal(numbers + 5, truth["number"][rows])
        assert np.array_equal(data.batch_labels[donors], truth["donor"][rows])
        assert np.allclose(tensors["extra_continuous_covs"][:, 0], truth["age"][rows])
    assert seen == 200
    assert np.array_equal(data.labels_, truth["kind"].astype(object).where(
        truth["kind"].notna(), "Unknown"))
    chosen, = data.inference_dataloader(indices=[5, 3, 5])
    assert np.array_equal(chosen["X"], x[[5, 3, 5]])
    assert len(list(data.train_dataloader())) == len(data.train_dataloader()) == 200 // 32


def test_registry(cells):
    """What scvi-tools makes of the same data."""
    import anndata

    coll, truth, x = cells
    adata = anndata.AnnData(x, obs=truth.set_index(truth.index.astype(str)))
    adata.obs["kind"] = adata.obs["kind"].cat.add_categories("Unknown").fillna("Unknown")
    covariates = {"categorical_covariate_keys": ["number"], "continuous_covariate_keys": ["age"]}
    scvi.model.SCANVI.setup_anndata(adata, labels_key="kind", unlabeled_category="Unknown",
                                    batch_key="donor", **covariates)
    expected = scvi.model.SCANVI(adata)
    data = module(cells, labels_key="kind", model_name="SCANVI", **covariates)
    ours = scvi.model.SCANVI(registry=data.registry, datamodule=data)
    for name in ("n_vars", "n_cells", "n_batch", "n_labels", "n_extra_categorical_covs",
                 "n_extra_continuous_covs"):
        assert ours.summary_stats[name] == expected.summary_stats[name], name
    for name in ("batch", "labels"):
        assert np.array_equal(ours.get_state_registry(name)["categorical_mapping"],
                              expected.adata_manager.get_state_registry(name)["categorical_mapping"])
    assert {name: tuple(values.shape) for name, values in ours.module.state_dict().items()} == \
        {name: tuple(values.shape) for name, values in expected.module.state_dict().items()}
    assert np.array_equal(ours._unlabeled_indices, expected._unlabeled_indices)


@pytest.mark.parametrize("covariates", [
    {}, {"categorical_covariate_keys": ["number"], "continuous_covariate_keys": ["age"]}],
    ids=["plain", "covariates"])
def test_scvi(cells, tmp_path, covariates):
    coll, truth, x = cells
    data = module(cells, filter="age < 0.8", val_filter="age >= 0.8", **covariates)
    assert data.n_train + data.n_val == 200
    model = scvi.model.SCVI(registry=data.registry, n_latent=5, n_hidden=16)
    model.train(datamodule=data, max_epochs=1, check_val_every_n_epoch=1, **QUIET)
    model.train(datamodule=data, max_epochs=4, check_val_every_n_epoch=1, **QUIET)
    losses = model.history["elbo_validation"].to_numpy().ravel()
    assert np.isfinite(losses.astype(float)).all() and losses[-1] < losses[0]
    latent = model.get_latent_representation(dataloader=data.inference_dataloader(64))
    assert latent.shape == (200, 5) and np.isfinite(latent).all()
    some = model.get_latent_representation(dataloader=data.inference_dataloader(indices=[9, 4]))
    assert np.allclose(some, latent[[9, 4]], atol=1e-5)
    model.save(tmp_path / "model", datamodule=data)
    loaded = scvi.model.SCVI.load(tmp_path / "model", adata=False, accelerator="cpu")
    again = loaded.get_latent_representation(dataloader=data.inference_dataloader(64))
    assert np.allclose(again, latent, atol=1e-5)
    elbo = loaded.get_elbo(dataloader=data.inference_dataloader())
    assert np.isfinite(float(elbo))


@pytest.mark.parametrize("balance_labels", [False, True])
def test_scanvi(cells, tmp_path, balance_labels):
    coll, truth, x = cells
    data = module(cells, labels_key="kind", model_name="SCANVI", filter="age < 0.8",
                  val_filter="age >= 0.8", balance_labels=balance_labels)
    full, labelled = next(iter(data.train_dataloader()))
    assert len(full["X"]) == len(labelled["X"]) == 32
    assert (labelled["labels"] < 3).all()
    torch.manual_seed(1)
    model = scvi.model.SCANVI(registry=data.registry, datamodule=data, n_latent=5, n_hidden=32)
    model.train(datamodule=data, max_epochs=15, check_val_every_n_epoch=1, **QUIET)
    predicted = model.predict(dataloader=data.inference_dataloader())
    known = truth["kind"].notna().to_numpy()
    assert set(predicted) <= {"k0", "k1", "k2"}
    assert np.mean(predicted[known] == truth["kind"][known].astype(str)) > 0.9
    model.save(tmp_path / "model", datamodule=data)
    loaded = scvi.model.SCANVI.load(tmp_path / "model", adata=False, accelerator="cpu",
                                    datamodule=data)
    again = loaded.predict(dataloader=data.inference_dataloader(50))
    assert np.array_equal(again, predicted)


def test_resume(cells):
    """The state of both loaders of SCANVI."""
    data = module(cells, labels_key="kind", model_name="SCANVI")
    batches = [[part["X"] for part in batch] for batch in data.train_dataloader()]
    data = module(cells, labels_key="kind", model_name="SCANVI")
    loader = data.train_dataloader()
    iterator = iter(loader)
    next(iterator), next(iterator)
    state = loader.state_dict()
    loader = module(cells, labels_key="kind", model_name="SCANVI").train_dataloader()
    loader.load_state_dict(state)
    loader.sampler.set_epoch(0)
    rest = [[part["X"] for part in batch] for batch in loader]
    assert len(rest) == len(batches) - 2
    for ours, theirs in zip(rest, batches[2:]):
        assert all(map(torch.equal, ours, theirs))
    loader.sampler.set_epoch(1)
    assert not torch.equal(next(iter(loader))[0]["X"], batches[0][0])


def test_arguments(cells):
    with pytest.raises(ValueError, match="cells have no kind"):
        DataModule(cells[0], "kind")
    with pytest.raises(ValueError, match="needs labels_key"):
        DataModule(cells[0], model_name="SCANVI")
    with pytest.raises(ValueError, match="steps_per_epoch"):
        DataModule(cells[0], replacement=True)
    with pytest.raises(ValueError, match="model_name"):
        DataModule(cells[0], model_name="TOTALVI")
    with pytest.raises(KeyError, match="nothing"):
        DataModule(cells[0], "nothing")
    data = DataModule(cells[0])
    assert data.n_batch == data.n_labels == 1 and list(data.val_dataloader()) == []
