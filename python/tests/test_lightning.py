"""Lightning: the loader as it is, the DataModule, and a checkpoint in mid-epoch."""

import warnings

import numpy as np
import pytest

import mappedcoll as mc

torch = pytest.importorskip("torch")
pl = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")

from mappedcoll.lightning import DataModule  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Model(pl.LightningModule):
    """A classifier that notes which cells it sees."""

    def __init__(self, n_vars=924, n_labels=11, stop_at=None):
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(n_vars, n_labels)
        self.stop_at = stop_at
        self.seen, self.validated = [], []

    def training_step(self, batch, batch_idx):
        assert isinstance(batch, mc.Batch)
        if self.stop_at == len(self.seen):
            raise KeyboardInterrupt
        self.seen.append(batch.index.numpy().copy())
        loss = torch.nn.functional.cross_entropy(self.layer(batch.X.to_dense()), batch.label)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.validated.append(batch.index.numpy().copy())
        self.log("val", self.layer(batch.X.to_dense()).sum())

    def test_step(self, batch, batch_idx):
        self.validated.append(batch.index.numpy().copy())

    def predict_step(self, batch, batch_idx):
        return batch.index

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


def trainer(directory, **arguments):
    return pl.Trainer(accelerator="cpu", default_root_dir=directory, logger=False,
                      enable_progress_bar=False, enable_model_summary=False,
                      **{"enable_checkpointing": False, **arguments})


def expected(coll, n_steps, **arguments):
    """The first batches of a stream."""
    loader = mc.Loader(coll, 64, weight_by="cell_type", seed=5, **arguments)
    return [batch.index for _, batch in zip(range(n_steps), loader)]


def same(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def labelled(truth, donor=lambda name: True):
    """Cells that can be drawn by cell type."""
    return np.array([row for row in range(3200) if truth.obs["cell_type"][row] is not None
                     and donor(truth.obs["donor_id"][row])])


def test_loader_as_it_is(coll, truth, tmp_path):
    loader = mc.Loader(coll, 64, weight_by="cell_type", seed=5, steps_per_epoch=7, to="torch")
    model = Model()
    trainer(tmp_path, max_epochs=3).fit(model, loader)
    assert same(model.seen, expected(coll, 21))
    # dealt out: an epoch is what it is
    loader = mc.Loader(coll, 1000, weight_by="cell_type", seed=5, replacement=False, to="torch")
    model = Model()
    trainer(tmp_path, max_epochs=2).fit(model, loader)
    for epoch in (model.seen[:len(loader)], model.seen[len(loader):]):
        assert np.array_equal(np.sort(np.concatenate(epoch)), labelled(truth))


@pytest.mark.parametrize("kind", ["loader", "module"])
@pytest.mark.parametrize("save_every", [1, 3, 7, 10])
def test_checkpoint_in_mid_epoch(coll, tmp_path, kind, save_every):
    """A run that is stopped and resumed sees what one that is not sees, and learns the same."""
    def data():
        arguments = {"weight_by": "cell_type", "seed": 5, "steps_per_epoch": 7}
        if kind == "loader":
            return {"train_dataloaders": mc.Loader(coll, 64, **arguments, to="torch")}
        return {"datamodule": DataModule(coll, 64, **arguments, val_filter="donor_id = 'D07'")}

    whole = Model()
    trainer(tmp_path, max_epochs=3, num_sanity_val_steps=0).fit(whole, **data())
    assert same(whole.seen, expected(coll, 21))

    stopped = Model(stop_at=save_every + 1)
    saving = pl.callbacks.ModelCheckpoint(tmp_path, every_n_train_steps=save_every, save_top_k=-1,
                                          filename="{step}")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        trainer(tmp_path, max_epochs=3, num_sanity_val_steps=0, enable_checkpointing=True,
                callbacks=[saving]).fit(stopped, **data())
    path = tmp_path / f"step={save_every}.ckpt"
    resumed = Model()
    trainer(tmp_path, max_epochs=3, num_sanity_val_steps=0).fit(
        resumed, **data(), ckpt_path=path, weights_only=False)
    assert same(resumed.seen, expected(coll, 21)[save_every:])
    assert torch.equal(resumed.layer.weight, whole.layer.weight)


def test_checkpoint_of_another_stream(coll, tmp_path):
    saving = pl.callbacks.ModelCheckpoint(tmp_path, every_n_train_steps=2, filename="{step}")
    trainer(tmp_path, max_steps=2, enable_checkpointing=True, callbacks=[saving]).fit(
        Model(), DataModule(coll, 64, weight_by="cell_type", seed=5, steps_per_epoch=7))
    with pytest.raises(mc.StateError, match="seed is 5 in the state, 6 in the loader"):
        trainer(tmp_path, max_steps=4).fit(
            Model(), DataModule(coll, 64, weight_by="cell_type", seed=6, steps_per_epoch=7),
            ckpt_path=tmp_path / "step=2.ckpt", weights_only=False)


def test_module(coll, truth, tmp_path):
    """All stages."""
    donors = truth.obs["donor_id"]
    module = DataModule(coll, 64, weight_by="cell_type", seed=5, replacement=False,
                        filter="donor_id <> 'D07'", val_filter="donor_id = 'D07'",
                        test_filter="file_index = 1", eval_batch_size=500, obs=["donor_id"],
                        obsm=["X_pca"], densify="cpu")
    model = Model()
    lightning = trainer(tmp_path, max_epochs=1)
    lightning.fit(model, module)
    assert np.array_equal(np.sort(np.concatenate(model.seen)),
                          labelled(truth, lambda name: name != "D07"))
    sanity = 2 if len(module.val_dataloader()) > 2 else len(module.val_dataloader())
    assert np.array_equal(np.concatenate(model.validated[sanity:]), np.flatnonzero(donors == "D07"))
    model.validated.clear()
    lightning.test(model, module)
    first = truth.n_obs[0]
    assert np.array_equal(np.concatenate(model.validated), np.arange(first, first + truth.n_obs[1]))
    assert torch.equal(torch.cat(lightning.predict(model, module)), torch.arange(3200))
    batch = next(iter(module.predict_dataloader()))
    assert list(batch.obs) == ["donor_id"] and list(batch.obsm) == ["X_pca"]
    assert np.array_equal(batch.X.numpy(), truth.dense[:500])


def test_module_without_validation(coll, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer(tmp_path, max_steps=2).fit(
            Model(), DataModule(coll, 64, weight_by="cell_type", seed=5, steps_per_epoch=5))
    with pytest.raises(ValueError, match="steps_per_epoch"):
        DataModule(coll, 64)
    with pytest.raises(ValueError, match="densify on the device"):
        DataModule(coll, 64, steps_per_epoch=1, densify="cuda")
