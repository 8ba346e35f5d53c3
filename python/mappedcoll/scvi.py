"""scvi-tools (1.4).

>>> from mappedcoll.scvi import DataModule
>>> data = DataModule(coll, batch_key="donor_id")
>>> model = scvi.model.SCVI(registry=data.registry)
>>> model.train(datamodule=data, max_epochs=20)
>>> latent = model.get_latent_representation(dataloader=data.inference_dataloader())
>>> model.save("model", datamodule=data)
>>> model = scvi.model.SCVI.load("model", adata=False)

SCANVI, whose training takes labelled cells of its own beside each batch::

    data = DataModule(coll, batch_key="donor_id", labels_key="cell_type", model_name="SCANVI")
    model = scvi.model.SCANVI(registry=data.registry, datamodule=data)
    model.train(datamodule=data, max_epochs=20)
    predicted = model.predict(dataloader=data.inference_dataloader())
    model.save("model", datamodule=data)
    model = scvi.model.SCANVI.load("model", adata=False, datamodule=data)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import ArrayLike, NDArray

from . import sql
from .batch import Batch
from .categories import Categories, Labels
from .collection import Collection
from .loader import EpochSampler, Loader
from .sweep import Sweep

ModelName = Literal["SCVI", "SCANVI"]


class DataModule(LightningDataModule):         # type: ignore[misc]
    """A collection as scvi-tools reads data, for SCVI and SCANVI.

    Parameters
    ----------
    collection
        Of raw counts; its choice of genes holds.
    batch_key, labels_key, categorical_covariate_keys, continuous_covariate_keys
        obs columns; a cell must have a batch and covariates.
    unlabeled_category
        The label that stands for none, as NULL does.
    model_name
        Of the model's class.
    batch_size
        Cells of a training step, over all processes.
    filter, val_filter
        The cells for training and validation, as conditions in SQL; None: all, none.
    weight_by, weights, sampler, replacement, drop_last, seed, steps_per_epoch, connections
        As of :class:`mappedcoll.Loader`.  By default an epoch deals each cell once, but for
        the last ones that do not fill a batch.
    balance_labels
        Whether the labelled cells of a step of SCANVI are drawn so that labels are equally
        frequent; otherwise all labelled cells alike, as scvi-tools does.

    Codes are over the whole collection, whatever the filter, so that models of different
    splits understand each other.
    """

    def __init__(self, collection: Collection, batch_key: str | None = None,
                 labels_key: str | None = None, *, unlabeled_category: str = "Unknown",
                 categorical_covariate_keys: Sequence[str] | None = None,
                 continuous_covariate_keys: Sequence[str] | None = None,
                 model_name: ModelName = "SCVI", batch_size: int = 128,
                 filter: str | None = None, val_filter: str | None = None,
                 weight_by: str | None = None, weights: Any = None, sampler: str | None = None,
                 replacement: bool = False, drop_last: bool | None = None, seed: int = 0,
                 steps_per_epoch: int | None = None, connections: int = 1,
                 balance_labels: bool = False) -> None:
        super().__init__()
        if model_name not in ("SCVI", "SCANVI"):
            raise ValueError(f"model_name must be 'SCVI' or 'SCANVI', not {model_name!r}")
        if model_name == "SCANVI" and labels_key is None:
            raise ValueError("SCANVI needs labels_key")
        if replacement and steps_per_epoch is None:
            raise ValueError("an epoch has no end: give steps_per_epoch, or replacement=False")
        self.batch_size = batch_size
        self.model_name = model_name
        self.unlabeled_category = unlabeled_category
        self.batch_key, self.labels_key = batch_key, labels_key
        self.categorical_covariate_keys = list(categorical_covariate_keys or ())
        self.continuous_covariate_keys = list(continuous_covariate_keys or ())
        keys = [key for key in (batch_key, labels_key) if key is not None]
        keys += self.categorical_covariate_keys + self.continuous_covariate_keys
        self.collection = collection.select(obs=list(dict.fromkeys(keys)), obsm=())
        self._val_filter = val_filter
        self._balance_labels = balance_labels
        # Lightning and scvi-tools look at these
        self._log_hyperparams = False
        self.allow_zero_length_dataloader_with_multiple_devices = False

        self._batches = None if batch_key is None else Categories(self.collection, batch_key)
        self._covariates = [Categories(self.collection, key)
                            for key in self.categorical_covariate_keys]
        for categories in [self._batches, *self._covariates]:
            if categories is not None and categories.n_missing:
                raise ValueError(f"{categories.n_missing} cells have no {categories.column}: "
                                 "give them one, or make a collection without them")
        self._labels = None if labels_key is None else \
            Labels(self.collection, labels_key, unlabeled_category)
        self.n_train = self.collection.sample_size(weight_by, filter, weights, sampler)
        self.n_val = 0 if val_filter is None else \
            self.collection.sample_size(filter=val_filter)
        if drop_last is None:
            drop_last = not replacement and self.n_train >= batch_size
        self.loader = Loader(self.collection, batch_size, filter=filter, weight_by=weight_by,
                             weights=weights, sampler=sampler, replacement=replacement,
                             drop_last=drop_last, seed=seed, steps_per_epoch=steps_per_epoch,
                             to="torch", densify="cpu", connections=connections)
        self.labelled: Loader | None = None
        if model_name == "SCANVI":
            self.labelled = self._labelled_loader(filter)

    def _labelled_loader(self, filter: str | None) -> Loader:
        """Cells with a label, as many steps as the other loader has."""
        assert self._labels is not None and self.labels_key is not None
        if not len(self._labels.known):
            raise ValueError(f"no cell has a label in {self.labels_key}")
        known = (f"{sql.identifier(self.labels_key)}::text <> "
                 f"{sql.quote(self.unlabeled_category)}")
        return Loader(self.collection, self.batch_size, weight_by=sql.identifier(self.labels_key),
                      weights="equal" if self._balance_labels else "proportional",
                      filter=known if filter is None else f"({filter}) AND {known}",
                      seed=self.loader.seed, steps_per_epoch=len(self.loader), to="torch",
                      densify="cpu", connections=self.loader.connections)

    # --- loaders ---

    def train_dataloader(self) -> Any:
        """Batches of ``filter``; of SCANVI pairs of a batch and labelled cells."""
        if self.labelled is None:
            return _Stream([self.loader], lambda batches: self._tensors(batches[0]))
        return _Stream([self.loader, self.labelled],
                       lambda batches: tuple(self._tensors(batch) for batch in batches))

    def val_dataloader(self) -> Any:
        """The cells of ``val_filter``, each once."""
        if self._val_filter is None:
            return []
        sweep = Sweep(self.collection, self.batch_size, filter=self._val_filter, to="torch",
                      densify="cpu")
        if self.model_name == "SCVI":
            return _Pass(sweep, self._tensors)
        return _Pass(sweep, lambda batch: self._with_labelled(self._tensors(batch)))

    def inference_dataloader(self, batch_size: int = 4096, *, filter: str | None = None,
                             indices: ArrayLike | None = None) -> Any:
        """Cells by row_index, or in the order of ``indices``: what models' methods take.

        >>> model.get_latent_representation(dataloader=data.inference_dataloader())
        """
        return _Pass(Sweep(self.collection, batch_size, filter=filter, rows=indices, to="torch",
                           densify="cpu", rank=0, world_size=1), self._tensors)

    def _tensors(self, batch: Batch) -> dict[str, Any]:
        """A batch as models read it: X (n, n_vars), other keys (n, 1) or (n, covariates)."""
        import torch

        def codes(categories: Any) -> Any:
            if categories is None:
                return torch.zeros((batch.n_rows, 1), dtype=torch.int64)
            values = batch.obs[categories.column].numpy()
            return torch.from_numpy(categories.codes(values))[:, None]

        tensors = {"X": batch.X, "batch": codes(self._batches), "labels": codes(self._labels)}
        if self._covariates:
            tensors["extra_categorical_covs"] = torch.cat(list(map(codes, self._covariates)), 1)
        if self.continuous_covariate_keys:
            values = [batch.obs[key].float()[:, None] for key in self.continuous_covariate_keys]
            tensors["extra_continuous_covs"] = torch.cat(values, 1)
        return tensors

    def _with_labelled(self, tensors: dict[str, Any]) -> Any:
        """A batch and those of its cells that have a label; the batch alone where none has."""
        assert self._labels is not None
        known = (tensors["labels"] < len(self._labels.known))[:, 0]
        if not known.any():
            return tensors
        return tensors, {key: values[known] for key, values in tensors.items()}

    def teardown(self, stage: str | None = None) -> None:
        """Leave no connection open."""
        for loader in (self.loader, self.labelled):
            if loader is not None:
                loader.close()

    # --- what models ask for ---

    @property
    def n_obs(self) -> int:
        """Number of cells to train on."""
        return self.n_train

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return self.collection.n_vars

    @property
    def var_names(self) -> NDArray[Any]:
        """Names of the genes."""
        return np.array(self.collection.var_names, object)

    @property
    def batch_labels(self) -> NDArray[Any]:
        """Name of each batch, by code."""
        return np.array(["0"], object) if self._batches is None else self._batches.names

    @property
    def n_batch(self) -> int:
        """Number of batches."""
        return len(self.batch_labels)

    @property
    def labels(self) -> NDArray[Any]:
        """Name of each label, by code; where a cell has none the unlabeled category is the last."""
        return np.array(["0"], object) if self._labels is None else self._labels.names

    @property
    def label_keys(self) -> NDArray[Any]:
        """The same."""
        return self.labels

    @property
    def n_labels(self) -> int:
        """Number of labels that the model's module has: in SCANVI's the unlabeled is none."""
        if self.model_name == "SCANVI" and self._labels is not None:
            return len(self._labels.known)
        return len(self.labels)

    @property
    def labels_(self) -> NDArray[Any]:
        """Label of each cell of the collection, (n_obs,)."""
        if self._labels is None:
            return np.full(len(self.collection), "0", object)
        return self._labels.of_all_cells()

    @property
    def n_samples(self) -> int:
        """Samples are of other models."""
        return 0

    @property
    def n_continuous_cov(self) -> int:
        """Number of continuous covariates."""
        return len(self.continuous_covariate_keys)

    @property
    def n_cats_per_cov(self) -> list[int] | None:
        """Number of categories of each categorical covariate."""
        return [len(categories.names) for categories in self._covariates] or None

    @property
    def registry(self) -> dict[str, Any]:
        """The data's description, as AnnDataManager makes it for AnnData."""
        import scvi

        def field(place: str | None, key: str | None, state: dict[str, Any],
                  summary: dict[str, Any]) -> dict[str, Any]:
            location = {} if place is None else {"attr_name": place, "attr_key": key}
            return {"data_registry": location, "state_registry": state, "summary_stats": summary}

        covariates, continuous = self.categorical_covariate_keys, self.continuous_covariate_keys
        return {
            "scvi_version": scvi.__version__,
            "model_name": self.model_name,
            "setup_method_name": "setup_datamodule",
            "setup_args": {
                "layer": None, "batch_key": self.batch_key, "labels_key": self.labels_key,
                "size_factor_key": None, "categorical_covariate_keys": covariates or None,
                "continuous_covariate_keys": continuous or None,
            },
            "field_registries": {
                "X": field("X", None, {"n_obs": self.n_obs, "n_vars": self.n_vars,
                                       "column_names": self.var_names},
                           {"n_vars": self.n_vars, "n_cells": self.n_obs}),
                "batch": field("obs", "_scvi_batch", {"categorical_mapping": self.batch_labels,
                                                      "original_key": self.batch_key},
                               {"n_batch": self.n_batch}),
                "labels": field("obs", "_scvi_labels", {
                    "categorical_mapping": self.labels, "original_key": self.labels_key,
                    "unlabeled_category": self.unlabeled_category}, {"n_labels": len(self.labels)}),
                "ind_x": field("obs", "_indices", {}, {}),
                "size_factor": field(None, None, {}, {}),
                "extra_categorical_covs": field(
                    "obsm", "_scvi_extra_categorical_covs",
                    {"field_keys": covariates, "n_cats_per_key": self.n_cats_per_cov,
                     "mapping": {c.column: c.names for c in self._covariates}},
                    {"n_extra_categorical_covs": len(covariates)}) if covariates
                else field(None, None, {}, {"n_extra_categorical_covs": 0}),
                "extra_continuous_covs": field(
                    "obsm", "_scvi_extra_continuous_covs",
                    {"columns": np.array(continuous, object)},
                    {"n_extra_continuous_covs": len(continuous)}) if continuous
                else field(None, None, {}, {"n_extra_continuous_covs": 0}),
            },
        }


class _Stream:
    """Loaders side by side, their batches converted, with the state of both."""

    def __init__(self, loaders: Sequence[Loader],
                 convert: Callable[[Sequence[Batch]], Any]) -> None:
        self._loaders = loaders
        self._convert = convert

    def __len__(self) -> int:
        return len(self._loaders[0])

    def __iter__(self) -> Iterator[Any]:
        for batches in zip(*self._loaders, strict=False):
            yield self._convert(batches)

    @property
    def sampler(self) -> EpochSampler:
        """Where Lightning looks for ``set_epoch``."""
        return EpochSampler(self)       # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """See Loader.set_epoch."""
        for loader in self._loaders:
            loader.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The loaders' states."""
        return {"loaders": [loader.state_dict() for loader in self._loaders]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See Loader.load_state_dict."""
        for loader, own in zip(self._loaders, state["loaders"], strict=True):
            loader.load_state_dict(own)


class _Pass:
    """A sweep with its batches converted."""

    def __init__(self, sweep: Sweep, convert: Callable[[Batch], Any]) -> None:
        self.sweep = sweep
        self._convert = convert

    def __len__(self) -> int:
        return len(self.sweep)

    def __iter__(self) -> Iterator[Any]:
        return map(self._convert, self.sweep)
