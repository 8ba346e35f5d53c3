"""A batch of cells."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .csr import CSR, csr_tensor
from .join import Arrays
from .memory import Allocate

if TYPE_CHECKING:
    import anndata
    import scipy.sparse

    from .collection import Collection

Form = Literal["numpy", "scipy", "torch"]
Densify = Literal["cpu", "cuda", "server"]


class Batch(Mapping[str, Any]):
    """Expression and metadata of some cells, a row a cell.

    A mapping with these keys, which are attributes too:

    ``X``
        float32 (n_rows, n_vars): a :class:`CSR`, ``scipy.sparse.csr_matrix``
        or sparse CSR tensor, or where it was densified an array or tensor.
    ``obs``
        For each obs column an array (n_rows,): text as codes of
        ``Collection.categories`` (int32, as tensors int64; -1: missing), other
        columns as float64 (missing: NaN).
    ``index``
        int64 (n_rows,): row_index.
    ``label``
        With ``weight_by``: codes of the labels, as those of obs.
    ``obsm``
        Where asked for: for each element float32 (n_rows, width).

    Batches are made by :class:`Loader` and ``Collection.fetch``.  What copies
    mappings key by key (Lightning, Accelerate, the Trainer of Transformers)
    can make one of its dict again.
    """

    def __init__(self, fields: Mapping[str, Any], collection: Collection | None = None,
                 step: int | None = None) -> None:
        if isinstance(fields, Batch):
            collection = collection or fields.collection
            step = fields.step if step is None else step
        self._fields = dict(fields)
        self.collection: Collection | None = collection
        self.step: int | None = step

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._fields:
            return self._fields[name]
        raise AttributeError(f"this batch has no {name!r}; it has "
                             f"{', '.join(self.__dict__.get('_fields', ()))}")

    def __repr__(self) -> str:
        shape = tuple(self._fields["X"].shape)
        return f"Batch of {shape[0]} cells x {shape[1]} genes: {', '.join(self._fields)}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def n_rows(self) -> int:
        """Number of cells."""
        return int(self._fields["X"].shape[0])

    # --- tensors ---

    def _mapped(self, function: Any) -> Batch:
        """The same batch with a function over its tensors."""
        def over(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: over(element) for name, element in value.items()}
            if not hasattr(value, "device") or isinstance(value, np.ndarray):
                raise TypeError("this is no batch of tensors: make it with to='torch'")
            return function(value)
        return Batch({name: over(value) for name, value in self._fields.items()},
                     self.collection, self.step)

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """A batch of tensors on another device."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self, device: Any = None) -> Batch:
        """A batch of tensors in memory that a GPU reads by itself."""
        return self._mapped(_pinned)

    # --- other libraries ---

    def to_scipy(self) -> scipy.sparse.csr_matrix:
        """X as scipy.sparse.csr_matrix, float32 (n_rows, n_vars)."""
        import scipy.sparse

        x = self._fields["X"]
        if isinstance(x, CSR):
            return x.to_scipy()
        if scipy.sparse.issparse(x):
            return x
        if isinstance(x, np.ndarray):
            return scipy.sparse.csr_matrix(x)
        x = x.cpu()
        if x.layout is not _torch().sparse_csr:
            return scipy.sparse.csr_matrix(x.numpy())
        return CSR(x.values().numpy(), x.col_indices().numpy(), x.crow_indices().numpy(),
                   (x.shape[0], x.shape[1])).to_scipy()

    def to_anndata(self) -> anndata.AnnData:
        """The batch as AnnData.

        obs columns have the types of the collection: text is categorical;
        numbers and booleans are floats only where values are missing.  obs is
        indexed by row_index as text (a cell may occur more than once), with
        row_index as a column too.
        """
        import anndata
        import pandas

        collection = self._need_collection()
        index = _array(self._fields["index"])
        columns: dict[str, Any] = {"row_index": index}
        for name, values in self._fields["obs"].items():
            columns[name] = self._column(collection, name, _array(values))
        obs = pandas.DataFrame(columns, index=index.astype(str))
        var = pandas.DataFrame(index=pandas.Index(collection.var_names, dtype=object))
        obsm = {name: _array(values) for name, values in self._fields.get("obsm", {}).items()}
        with warnings.catch_warnings():
            # a cell that was drawn twice is there twice
            warnings.filterwarnings("ignore", message="Observation names are not unique")
            return anndata.AnnData(self.to_scipy(), obs=obs, var=var, obsm=obsm)

    def as_mapped_dict(self) -> dict[str, Any]:
        """What lamindb's MappedCollection gives, for these cells.

        ``X`` dense, float32 (n_rows, n_vars); ``obsm_<name>`` for each element
        of obsm; ``_store_idx``, the numbers of the files; then each obs column
        under its own name, text as codes.
        """
        collection = self._need_collection()
        index = _array(self._fields["index"])
        files = np.searchsorted(collection.file_offsets(), index, side="right") - 1
        is_tensor = not isinstance(self._fields["index"], np.ndarray)
        out: dict[str, Any] = {"X": _dense(self._fields["X"])}
        out |= {f"obsm_{name}": values for name, values in self._fields.get("obsm", {}).items()}
        out["_store_idx"] = _torch().from_numpy(files) if is_tensor else files
        return out | dict(self._fields["obs"])

    def _need_collection(self) -> Collection:
        if self.collection is None:
            raise ValueError("this batch was made of a dict and does not know its collection")
        return self.collection

    @staticmethod
    def _column(collection: Collection, name: str, values: NDArray[Any]) -> Any:
        """Values of an obs column in their own type."""
        import pandas

        if values.dtype.kind == "i":
            return pandas.Categorical.from_codes(values, collection.categories(name))
        whole = not np.isnan(values).any()
        kind = collection.columns.get(name)
        if kind == "boolean" and whole:
            return values.astype(bool)
        if kind in ("bigint", "integer") and whole:
            return values.astype(np.int64)
        return values


def check_form(to: str, densify: str | None, device: Any) -> None:
    """Raise an error unless batches can be made in this form."""
    if to not in ("numpy", "scipy", "torch"):
        raise ValueError(f"to must be 'numpy', 'scipy' or 'torch', not {to!r}")
    if densify not in (None, "cpu", "cuda", "server"):
        raise ValueError(f"densify must be 'cpu', 'cuda' or 'server', not {densify!r}")
    if to != "torch" and (device is not None or densify == "cuda"):
        raise ValueError("a device is for tensors: to='torch'")


def make_batch(arrays: Arrays, collection: Collection, form: Form,
               densify: str | None, allocate: Allocate = np.empty) -> Batch:
    """A batch of arrays, which it takes over."""
    fields: dict[str, Any] = {"X": _expression(arrays.x, form, densify, allocate),
                              "obs": arrays.obs, "index": arrays.index}
    if arrays.label is not None:
        fields["label"] = arrays.label
    if arrays.obsm:
        fields["obsm"] = arrays.obsm
    if form == "torch":
        fields = {name: _tensors(value) for name, value in fields.items()}
    return Batch(fields, collection, arrays.step)


def place(batch: Batch, device: Any, densify: str | None) -> Batch:
    """The batch on the device where it is wanted, dense if it becomes so there."""
    if densify == "cuda":
        device = "cuda" if device is None else device
    if device is not None:
        batch = batch.to(device, non_blocking=True)
    if densify == "cuda":
        batch = Batch({**batch, "X": _dense(batch["X"])}, batch.collection, batch.step)
    return batch


def _expression(x: CSR | NDArray[np.float32], form: Form, densify: str | None,
                allocate: Allocate) -> Any:
    """X in the form wanted; an array becomes a tensor with the other ones."""
    if isinstance(x, np.ndarray):
        return x
    if densify == "cpu":
        return x.toarray(allocate)      # faster than scipy's and torch's
    if form == "scipy":
        return x.to_scipy()
    return x.to_torch() if form == "torch" else x


def _tensors(value: Any) -> Any:
    """Tensors of numpy arrays; codes become int64, which losses ask for."""
    if isinstance(value, Mapping):
        return {name: _tensors(element) for name, element in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    tensor = _torch().from_numpy(value)
    return tensor.long() if value.dtype == np.int32 else tensor


def _pinned(tensor: Any) -> Any:
    if tensor.layout is _torch().sparse_csr:
        return csr_tensor(tensor.crow_indices().pin_memory(), tensor.col_indices().pin_memory(),
                          tensor.values().pin_memory(), tuple(tensor.shape))
    return tensor.pin_memory()


def _dense(x: Any) -> Any:
    if isinstance(x, CSR):
        return x.toarray()
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "to_dense"):
        return x.to_dense()
    return x.toarray()


def _array(values: Any) -> NDArray[Any]:
    """An array of an array or a tensor."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def _torch() -> Any:
    import torch

    return torch
