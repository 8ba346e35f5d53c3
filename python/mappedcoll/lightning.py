"""PyTorch Lightning.

A :class:`mappedcoll.Loader` is a train dataloader as it is: Lightning moves its
batches to the device, sets its epoch, and keeps its state in checkpoints, so
that training resumes at the next batch, in mid-epoch too.  Give it
``steps_per_epoch`` (or ``replacement=False``): of a loader without end Lightning
takes one batch ahead, which a checkpoint then counts as seen.

:class:`DataModule` puts a Loader for training beside passes over the cells for
validation, test and prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .batch import Densify
from .collection import Collection
from .loader import Loader
from .sweep import Sweep

try:
    from lightning.pytorch import LightningDataModule
except ImportError:
    from pytorch_lightning import LightningDataModule  # the same under its older name


class DataModule(LightningDataModule):         # type: ignore[misc]
    """Batches of a collection for a Lightning Trainer.

    Parameters
    ----------
    collection, global_batch_size
        As of :class:`mappedcoll.Loader`.
    filter
        The cells to train on, as a condition in SQL; for a split by donors that never changes
        say ``split_of(donor_id, 3, '{0.8,0.2}') = 0``, and ``= 1`` for validation.
    val_filter, test_filter, predict_filter
        The cells of the other stages; each is seen once a pass, in order.
        None: no such stage, but for prediction all cells.
    eval_batch_size
        Cells of their batches, for each process; None: global_batch_size.
    obs, obsm, genes, densify
        What batches bring along, in all stages.
    **loader
        More arguments of the Loader.

    Batches are :class:`mappedcoll.Batch` of tensors.  Checkpoints need nothing
    of this class: Lightning keeps the Loader's state.
    """

    def __init__(self, collection: Collection, global_batch_size: int, *,
                 filter: str | None = None, val_filter: str | None = None,
                 test_filter: str | None = None, predict_filter: str | None = None,
                 eval_batch_size: int | None = None, obs: Sequence[str] | None = None,
                 obsm: Sequence[str] | None = None, genes: Sequence[str] | None = None,
                 densify: Densify | None = None, **loader: Any) -> None:
        super().__init__()
        if loader.get("replacement", True) and loader.get("steps_per_epoch") is None:
            raise ValueError("an epoch has no end: give steps_per_epoch, or replacement=False")
        if densify == "cuda":
            raise ValueError("Lightning moves batches: densify on the device in the model "
                             "(batch.X.to_dense())")
        self.collection = collection.select(obs=obs, obsm=obsm, genes=genes)
        self._filters = {"val": val_filter, "test": test_filter}
        self._predict_filter = predict_filter
        self._batch_size = eval_batch_size or global_batch_size
        self._densify = densify
        self.loader = Loader(self.collection, global_batch_size, filter=filter, to="torch",
                             densify=densify, **loader)

    def train_dataloader(self) -> Loader:
        """The Loader."""
        return self.loader

    def val_dataloader(self) -> Any:
        """The cells of ``val_filter``."""
        return self._stage("val")

    def test_dataloader(self) -> Any:
        """The cells of ``test_filter``."""
        return self._stage("test")

    def predict_dataloader(self) -> Sweep:
        """The cells of ``predict_filter``, by row_index."""
        return self._sweep(self._predict_filter)

    def _stage(self, name: str) -> Any:
        condition = self._filters[name]
        return [] if condition is None else self._sweep(condition)

    def _sweep(self, condition: str | None) -> Sweep:
        densify: Densify | None = "cpu" if self._densify == "server" else self._densify
        return Sweep(self.collection, self._batch_size, filter=condition, to="torch",
                     densify=densify)

    def teardown(self, stage: str | None = None) -> None:
        """Leave no connection open."""
        self.loader.close()
