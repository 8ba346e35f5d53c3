"""lamindb's MappedCollection over a server.

A training script moves by changing its import::

    from mappedcoll.compat import MappedCollection

    mapped = MappedCollection(paths, obs_keys=["cell_type"], join="outer")
    sampler = WeightedRandomSampler(mapped.get_label_weights("cell_type"), len(mapped))
    loader = DataLoader(mapped, batch_size=128, sampler=sampler)

A batch of a DataLoader is one query then.  :class:`mappedcoll.Loader` on
``mapped.collection`` is faster still, and draws on the server.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import sql
from .collection import Collection
from .connection import Server, connect
from .contents import option_columns, read_contents
from .matrices import Join, Matrix, joined
from .registration import register
from .values import Values, read_rows, read_values

if TYPE_CHECKING:
    import pandas


class MappedCollection:
    """Map-style data set over several h5ad files, as lamindb 2.12 has it.

    Parameters
    ----------
    path_list
        The files, on the server's machine (a relative path is made absolute
        here).
    layers_keys
        Matrices of an item: "X", "raw.X", or names of layers.
    obs_keys, obsm_keys
        Columns of obs and elements of obsm of an item.
    obs_filter
        Values that cells must have, by obs column.
    join
        How genes are joined; None: each item on the axis of its file.
    encode_labels
        Which of ``obs_keys`` are integers in items.
    unknown_label
        The label, or one for each column, that becomes -1.
    cache_categories, parallel
        Taken and not needed: categories are always kept, and connections are
        made by each process that needs one.
    dtype
        Type of X, layers and obsm; None: float32.
    server
        A Server, what :func:`mappedcoll.connect` takes, or "local" for a
        private one (:func:`mappedcoll.local_server`); by default the one of
        libpq's environment (PGHOST, PGDATABASE, ...).

    It makes a collection for each matrix in the server's current schema (a
    table ``mapped_...``), or finds it there.  That takes the rights that
    create_collection asks for; who has fewer uses a
    :class:`mappedcoll.Collection` that was granted.

    What is other than there, because it is wrong there:

    * a cell without a label has weight 0, and is no label of its own; weights and merged
      labels have an element for each cell, also where files lack the column (missing is NaN);
    * files that are refused there are read: CSC, compound obs, sparse matrices from before
      anndata 0.7, categoricals without any category, and a missing code is never the last
      category;
    * genes of "raw.X" are joined as those of X are, on an axis of their own (``raw_joint``);
    * a gene name that occurs twice in a file is an error unless all axes are equal.

    What is other for reasons of the server: numbers are float32 and float64, int64 for whole
    ones in obs; categories that are numbers are text, and only those that a cell has are numbered;
    a file may be there once; obs columns that no file has are an error.
    """

    def __init__(self, path_list: Sequence[str | os.PathLike[str]],
                 layers_keys: str | Sequence[str] | None = None,
                 obs_keys: str | Sequence[str] | None = None,
                 obsm_keys: str | Sequence[str] | None = None,
                 obs_filter: Mapping[str, Any] | tuple[str, Any] | None = None,
                 join: Join | None = "inner", encode_labels: bool | Sequence[str] = True,
                 unknown_label: str | Mapping[str, str] | None = None,
                 cache_categories: bool = True, parallel: bool = False,
                 dtype: Any = None, *, server: Server | str | None = None) -> None:
        if join not in (None, "inner", "outer"):
            raise ValueError(f"join must be None, 'inner' or 'outer', not {join!r}")
        self.path_list = [os.path.abspath(os.fspath(path)) for path in path_list]
        if len(set(self.path_list)) != len(self.path_list) or not self.path_list:
            raise ValueError("path_list must have at least one file, and each once")
        self.layers_keys = ["X"] if layers_keys is None else _names(layers_keys)
        self.obs_keys = None if obs_keys is None else _names(obs_keys)
        self.obsm_keys = None if obsm_keys is None else _names(obsm_keys)
        self.encode_labels = _encoded(encode_labels, self.obs_keys)
        if isinstance(unknown_label, Mapping) and self.encode_labels and \
                not set(unknown_label) <= set(self.encode_labels):
            raise ValueError("all keys of unknown_label must be in encode_labels and obs_keys")
        self.unknown_label = unknown_label
        self.filtered = obs_filter is not None
        self.parallel = parallel
        self._dtype = np.dtype(np.float32 if dtype is None else dtype)
        self._closed = False
        self._server = _server(server)
        self._values: dict[str, Values] = {}

        layers = list(dict.fromkeys(["X", *self.layers_keys]))
        self._contents = read_contents(self._server, self.path_list,
                                       [_layer(key) for key in layers], self.obsm_keys or ())
        self._make_axis(join)
        self._make_matrices()
        self._make_rows(obs_filter)
        self.encoders = {key: self._encoder(key) for key in self.encode_labels or ()}

    # --- genes ---

    def _make_axis(self, join: Join | None) -> None:
        import pandas

        self.join_vars: Join | None = join
        self.var_joint: pandas.Index | None = None
        self.var_indices: list[NDArray[Any]] | None = None
        # of a file without X the genes are still those of X
        self.var_list = [pandas.Index(file.vars["X"]) for file in self._contents]
        self.n_vars_list = [len(names) for names in self.var_list]
        if join is not None:
            self.var_joint = joined(self.var_list, join)
            if all(self.var_list[0].equals(names) for names in self.var_list[1:]):
                self.join_vars = None
            elif join == "inner":
                self.var_indices = [names.get_indexer(self.var_joint) for names in self.var_list]
            else:
                self.var_indices = [self.var_joint.get_indexer(names) for names in self.var_list]
        self.n_vars = None if self.var_joint is None else len(self.var_joint)
        self.raw_joint: pandas.Index | None = None
        if join is not None and "raw.X" in self.layers_keys:
            raw = [pandas.Index(file.vars["raw/X"]) for file in self._contents
                   if "raw/X" in file.vars]
            self.raw_joint = joined(raw, join) if raw else None
        self._join = join

    def _make_matrices(self) -> None:
        """A collection for each matrix that a file has."""
        self.matrices: dict[str, Matrix] = {}
        for key in dict.fromkeys(["X", *self.layers_keys]):
            files = [i for i, file in enumerate(self._contents) if _layer(key) in file.vars]
            if files:
                axis = self.raw_joint if key == "raw.X" else self.var_joint
                self.matrices[key] = Matrix(
                    self._collection(key, files), files, len(self.path_list), axis,
                    [file.vars.get(_layer(key)) for file in self._contents])
        base = self.matrices["X"].collection
        n_obs = base.files()["n_obs"].to_numpy(np.int64)
        self._ends = np.cumsum(n_obs)
        self._first = self._ends - n_obs
        columns = self._server.reading(lambda conn: option_columns(conn, base.name, "obs"))
        self._columns = columns
        for name in self.obs_keys or ():
            self._column(name)
        self._obsm = self._server.reading(lambda conn: option_columns(conn, base.name, "obsm"))

    def _collection(self, key: str, files: list[int]) -> Collection:
        """The collection of a matrix; that of X has obsm too."""
        arguments: dict[str, Any] = {"layer": _layer(key), "var_join": self._join or "outer"}
        if key == "X" and self.obsm_keys:
            present = set().union(*(file.obsm for file in self._contents))
            arguments["obsm"] = [name for name in self.obsm_keys if name in present]
        paths = [self.path_list[i] for i in files]
        digest = hashlib.blake2b(repr((paths, sorted(arguments.items()))).encode(), digest_size=12)
        coll = register(self._server, f"mapped_{digest.hexdigest()}", paths, **arguments)
        if len(coll.files()) != len(paths):
            raise ValueError("path_list must have files, each once, no directories or patterns")
        return coll

    @property
    def collection(self) -> Collection:
        """The collection of X on the server."""
        return self.matrices["X"].collection

    def check_vars_sorted(self, ascending: bool = True) -> bool:
        """Whether the genes of each file are sorted."""
        return all(names.is_monotonic_increasing if ascending else names.is_monotonic_decreasing
                   for names in self.var_list)

    def check_vars_non_aligned(self, vars: pandas.Index | Sequence[str]) -> list[int]:
        """Numbers of the files whose genes are not these, in this order."""
        import pandas

        expected = pandas.Index(vars)
        return [i for i, names in enumerate(self.var_list) if not names.equals(expected)]

    # --- cells ---

    def _make_rows(self, obs_filter: Mapping[str, Any] | tuple[str, Any] | None) -> None:
        """Which cells there are: row_index of each."""
        if obs_filter is None:
            self._rows = np.arange(self._ends[-1], dtype=np.int64)
        else:
            conditions = dict(obs_filter) if isinstance(obs_filter, Mapping) else \
                {obs_filter[0]: obs_filter[1]}
            self._rows = read_rows(self.collection, " AND ".join(
                self._condition(key, values) for key, values in conditions.items()) or "true")
        self.storage_idx = np.searchsorted(self._ends, self._rows, side="right")
        counts = np.bincount(self.storage_idx, minlength=len(self.path_list))
        self.indices = self._rows - self._first[self.storage_idx]
        self.n_obs_list = [int(n) for n in counts]
        self.indices_list = np.split(self.indices, np.cumsum(counts)[:-1])
        self.n_obs = len(self._rows)

    def _condition(self, key: str, values: Any) -> str:
        """A condition of obs_filter in SQL."""
        import pandas

        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray, set)):
            values = [values]
        if key not in self._columns:
            return "false"
        name = self._columns[key]
        column, kind = sql.identifier(name), self.collection.columns[name]
        plain = [value for value in values if not pandas.isna(value)]
        parts = [f"{column} = {_literal(value, kind)}" for value in plain]
        if len(plain) < len(values):
            parts.append(f"{column} IS NULL")
            if kind == "double precision":
                parts.append(f"{column} = 'NaN'")
        return f"({' OR '.join(parts) or 'false'})"

    def __len__(self) -> int:
        return self.n_obs

    @property
    def shape(self) -> tuple[int, int | None]:
        """Number of cells and of joint genes."""
        return self.n_obs, self.n_vars

    @property
    def original_shapes(self) -> list[tuple[int, int]]:
        """Number of cells (that pass ``obs_filter``) and of genes of each file."""
        return list(zip(self.n_obs_list, self.n_vars_list, strict=True))

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """A cell.

        ``_store_idx`` (number of its file), each of ``layers_keys`` (n_vars,),
        ``obsm_<name>`` (width,), each of ``obs_keys`` (a code, or the value;
        NaN where it is missing); without what the cell's file does not have.
        """
        return self.__getitems__([idx])[0]

    def __getitems__(self, idxs: Sequence[int]) -> list[dict[str, Any]]:
        """Several cells by one query for each matrix."""
        if self._closed and not self.parallel:
            raise ValueError("this collection was closed")
        places = np.asarray(idxs)
        rows, stores = self._rows[places], self.storage_idx[places]
        items: list[dict[str, Any]] = [{"_store_idx": store} for store in stores]
        keys = [key for key in self.obs_keys or () if key in self._columns]
        obsm = [key for key in self.obsm_keys or () if key in self._obsm]
        base = self.collection.fetch(
            rows, obs=[self._columns[key] for key in keys], obsm=[self._obsm[key] for key in obsm],
            genes=None if "X" in self.layers_keys else (), densify="cpu")
        local = rows - self._first[stores]
        for key in self.layers_keys:
            if key in self.matrices:
                found = self.matrices[key].rows(stores, local, base.X if key == "X" else None)
                for item, row in zip(items, found, strict=True):
                    if row is not None:
                        item[key] = row.astype(self._dtype, copy=False)
        for key in obsm:
            for item, values, store in zip(items, base.obsm[self._obsm[key]], stores, strict=True):
                if key in self._contents[store].obsm:
                    item[f"obsm_{key}"] = values.astype(self._dtype, copy=False)
        for key in keys:
            values = self._item_values(key, base.obs[self._columns[key]])
            for item, value, store in zip(items, values, stores, strict=True):
                if key in self._contents[store].obs:
                    item[key] = value
        return items

    def _item_values(self, key: str, values: NDArray[Any]) -> list[Any]:
        """Values of an obs column as items have them."""
        plain = self._plain(key, values)
        encoder = self.encoders.get(key)
        if encoder is None:
            return plain
        return [np.nan if _is_missing(value) else encoder[value] for value in plain]

    def _plain(self, key: str, values: NDArray[Any]) -> list[Any]:
        """Values that came with expression data in the types that they have in files."""
        name = self._column(key)
        kind = self.collection.columns[name]
        if kind == "text":
            categories = [*self.collection.categories(name), np.nan]      # -1 is the last
            return [categories[code] for code in values]
        own = {"boolean": np.bool_, "bigint": np.int64}.get(kind)
        return [value if own is None or np.isnan(value) else own(value) for value in values]

    # --- labels ---

    def _column(self, key: str) -> str:
        """Column of the table, by its name in the files."""
        if key not in self._columns:
            raise KeyError(f"no file has an obs column {key!r}; there are: "
                           f"{', '.join(self._columns)}")
        return self._columns[key]

    def _labels(self, key: str) -> Values:
        """Values of an obs column for the cells that there are."""
        name = self._column(key)
        if name not in self._values:
            whole = read_values(self.collection, name)
            self._values[name] = Values(whole.kind, whole.array[self._rows],
                                        whole.missing[self._rows])
        return self._values[name]

    def _encoder(self, key: str) -> dict[Any, int]:
        """Code of each label of a column."""
        labels = self.get_merged_categories(key)
        unknown = self.unknown_label.get(key) if isinstance(self.unknown_label, Mapping) \
            else self.unknown_label
        encoder: dict[Any, int] = {}
        if unknown is not None and unknown in labels:
            labels.remove(unknown)
            encoder[unknown] = -1
        return encoder | {label: i for i, label in enumerate(labels)}

    def get_merged_labels(self, label_key: str) -> NDArray[Any]:
        """Labels of all cells, (n_obs,): text as objects, numbers and booleans in their own type.

        A missing one is NaN (among whole numbers and booleans as objects).
        """
        values = self._labels(label_key)
        if values.kind == "text":
            categories = np.array([*self.collection.categories(self._column(label_key)), np.nan],
                                  object)
            labels: NDArray[Any] = categories[values.array]
            return labels
        array = values.array.astype(bool) if values.kind == "boolean" else values.array
        if values.missing.any() and array.dtype.kind != "f":
            array = array.astype(object)
            array[values.missing] = np.nan
        return array

    def get_merged_categories(self, label_key: str) -> list[Any]:
        """All labels of a column over the files, whatever ``obs_filter``; sorted."""
        name = self._column(label_key)
        if self.collection.columns[name] == "text":
            return sorted(self.collection.categories(name))
        values = read_values(self.collection, name)
        array = values.array.astype(bool) if values.kind == "boolean" else values.array
        return list(np.unique(array[~values.missing]))

    def get_label_weights(self, obs_keys: str | Sequence[str], scaler: float | None = None,
                          return_categories: bool = False) -> Any:
        """Weights that balance labels: 1 / n for a cell whose label n cells have.

        Parameters
        ----------
        obs_keys
            One column, or several whose labels are joined by "__".
        scaler
            Makes it scaler / (scaler + n).
        return_categories
            Give a dict of the labels' weights.

        Returns
        -------
        float64 (n_obs,), 0 where a label is missing; or the dict.

        torch.multinomial, and so WeightedRandomSampler, takes 2^24 weights at most;
        :class:`mappedcoll.Loader` with ``weight_by`` has no such limit.
        """
        columns = [self._labels(key) for key in _names(obs_keys)]
        missing = np.logical_or.reduce([column.missing for column in columns])
        # the number of each combination; combinations are told apart by numbers
        number = np.zeros(self.n_obs, np.int64)
        for column in columns:
            _, codes = np.unique(column.array, return_inverse=True)
            _, number = np.unique(number * (int(codes.max(initial=0)) + 1) + codes,
                                  return_inverse=True)
        counts = np.bincount(number[~missing], minlength=int(number.max(initial=0)) + 1)
        weights = np.zeros(len(counts))
        present = counts > 0
        weights[present] = 1.0 / counts[present] if scaler is None else \
            scaler / (counts[present] + scaler)
        if not return_categories:
            return np.where(missing, 0.0, weights[number])
        first = np.full(len(counts), -1)
        cells = np.flatnonzero(~missing)
        first[number[cells[::-1]]] = cells[::-1]
        texts = [self._texts(key, first[present]) for key in _names(obs_keys)]
        names = ["__".join(labels) for labels in zip(*texts, strict=True)]
        return dict(zip(names, weights[present].tolist(), strict=True))

    def _texts(self, key: str, cells: NDArray[Any]) -> list[str]:
        """Labels of some cells as text."""
        values = self._labels(key)
        if values.kind == "text":
            categories = self.collection.categories(self._column(key))
            return [categories[code] for code in values.array[cells]]
        array = values.array[cells]
        return [str(value) for value in (array.astype(bool) if values.kind == "boolean" else array)]

    # --- the end ---

    def close(self) -> None:
        """Close this process' connection; only with ``parallel`` can cells be read afterwards."""
        self._server.close()
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def __enter__(self) -> MappedCollection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @classmethod
    def torch_worker_init_fn(cls, worker_id: int) -> None:
        """For DataLoader's ``worker_init_fn``; workers make their connections without it."""


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _encoded(wanted: bool | Sequence[str],
             obs_keys: list[str] | None) -> list[str] | Literal[False]:
    """Which columns are encoded."""
    if isinstance(wanted, bool):
        return obs_keys if wanted and obs_keys is not None else False
    if not set(wanted) <= set(obs_keys or ()):
        raise ValueError("all elements of encode_labels must be in obs_keys")
    return list(wanted) or False


def _layer(key: str) -> str:
    """A key of layers_keys as create_collection names it."""
    return {"X": "X", "raw.X": "raw/X"}.get(key, f"layers/{key}")


def _is_missing(value: Any) -> bool:
    return bool(value != value)


def _literal(value: Any, kind: str) -> str:
    """A value of obs_filter in SQL."""
    if kind == "text":
        return sql.quote(str(value))
    if isinstance(value, (bool, np.bool_)):
        return ("true" if value else "false") if kind == "boolean" else str(int(value))
    return sql.quote(value) if isinstance(value, str) else repr(float(value) if isinstance(
        value, (float, np.floating)) else int(value))


def _server(server: Server | str | None) -> Server:
    if isinstance(server, Server):
        return server
    if server == "local":
        from .local import local_server

        return local_server()
    return connect(server or "")
