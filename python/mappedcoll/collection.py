"""A collection of h5ad files on a server, as a map of cells."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import sql
from .batch import Batch, Densify, Form, check_form, make_batch, place
from .copy import packed_query, parts
from .join import Columns, join
from .stream import Draws

if TYPE_CHECKING:
    import pandas

    from .connection import Server

_FETCH_PART_ROWS = 128


class Collection:
    """A table that ``create_collection`` made, and a map of its cells.

    Parameters
    ----------
    server
        Where it is.
    name
        As SQL reads it.
    obs, obsm, genes
        What reads bring along where they say nothing else: obs columns, obsm
        columns, and names of genes in the order wanted (None: all).

    As a map it may be the data set of a DataLoader, whose workers, forked or
    spawned, make connections of their own.  For training, see
    :class:`Loader`.
    """

    def __init__(self, server: Server, name: str, *, obs: Sequence[str] = (),
                 obsm: Sequence[str] = (), genes: Sequence[str] | None = None) -> None:
        for argument, names in (("obs", obs), ("obsm", obsm), ("genes", genes)):
            if isinstance(names, str):
                raise TypeError(f"{argument} must be a list of names: [{names!r}]")
        self.server = server
        self.name = name
        self.obs_columns = tuple(obs)
        self.obsm_columns = tuple(obsm)
        self.genes = None if genes is None else tuple(genes)
        self._known: dict[Any, Any] = {}        # what was asked for before, by key

    def __getstate__(self) -> dict[str, Any]:
        return {"server": self.server, "name": self.name, "obs": self.obs_columns,
                "obsm": self.obsm_columns, "genes": self.genes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Collection.__init__(self, **state)

    def __repr__(self) -> str:
        return f"Collection({self.name!r})"

    def select(self, *, obs: Sequence[str] | None = None, obsm: Sequence[str] | None = None,
               genes: Sequence[str] | None = None) -> Collection:
        """The same collection with other defaults; what is None stays."""
        other = Collection(self.server, self.name,
                           obs=self.obs_columns if obs is None else obs,
                           obsm=self.obsm_columns if obsm is None else obsm,
                           genes=self.genes if genes is None else genes)
        other._known = self._known
        return other

    # --- description ---

    def _remember(self, key: Any, query: Any) -> Any:
        """What a query gives, asked once."""
        if key not in self._known:
            self._known[key] = query()
        return self._known[key]

    def refresh(self) -> int:
        """Take up files that changed (owner only); the number of manifests built."""
        count = self.server.execute("SELECT " + self.function("refresh_collection"))[0][0]
        self._known.clear()
        return int(count)

    def function(self, function: str, **arguments: Any) -> str:
        """A call of a function of the extension on this collection, in SQL."""
        return sql.call(self.server.function(function), {"collection": self.name, **arguments})

    def _rows(self, select: str, function: str, order_by: str = "1",
              **arguments: Any) -> list[tuple[Any, ...]]:
        return self.server.query(f"SELECT {select} FROM {self.function(function, **arguments)} "
                                 f"ORDER BY {order_by}")

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self._remember("n_obs", lambda: self._rows(
            "coalesce(sum(n_obs), 0)", "collection_files")[0][0]))

    @property
    def var_names(self) -> list[str]:
        """Names of the genes of a batch: those chosen, or the joint axis."""
        if self.genes is not None:
            return list(self.genes)
        names: list[str] = self._remember("var_names", lambda: [name for name, in self._rows(
            "var_name", "collection_vars", order_by="var_index")])
        return names

    @property
    def n_vars(self) -> int:
        """Number of genes of a batch."""
        return len(self.var_names)

    @property
    def shape(self) -> tuple[int, int]:
        """n_obs, n_vars."""
        return self.n_obs, self.n_vars

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the table, and their SQL types."""
        names: dict[str, str] = self._remember("columns", lambda: dict(self.server.query(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            f"WHERE attrelid = {sql.quote(self.name)}::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum")))
        return names

    def categories(self, column: str) -> list[str]:
        """The text that each code of a column, or of a ``weight_by``, stands for."""
        names: list[str] = self._remember(("categories", column), lambda: [
            label for label, in self._rows("label", "labels", order_by="code", weight_by=column)
            if label is not None])
        return names

    def labels(self, weight_by: str) -> pandas.DataFrame:
        """code, label, n_rows and weight of each of its cells, a row a label."""
        return self._frame(("code", "label", "n_rows", "weight"), "labels", weight_by=weight_by)

    def vars(self) -> pandas.DataFrame:
        """The joint gene axis: var_index, n_files and missing_in, by var_name."""
        return self._frame(("var_name", "var_index", "n_files", "missing_in"),
                           "collection_vars", order_by="var_index").set_index("var_name")

    def files(self) -> pandas.DataFrame:
        """A row a file: path, first_row_index, n_obs, n_vars, encoding, ..., by file_index."""
        return self._frame(("file_index", "path", "first_row_index", "n_obs", "n_vars", "encoding",
                            "dtype", "nnz", "size", "modified"),
                           "collection_files").set_index("file_index")

    def _frame(self, columns: Sequence[str], function: str, **arguments: Any) -> pandas.DataFrame:
        import pandas

        rows = self._rows(", ".join(columns), function, **arguments)
        return pandas.DataFrame.from_records(rows, columns=list(columns))

    def obs(self, columns: Sequence[str] | None = None,
            where: str | None = None) -> pandas.DataFrame:
        """Metadata of cells, by row_index.

        Parameters
        ----------
        columns
            Columns of the table; None takes all but those of expression and
            embeddings.
        where
            A condition in SQL.
        """
        import pandas

        if columns is None:
            columns = [name for name, kind in self.columns.items()
                       if kind in ("text", "boolean", "bigint", "integer", "double precision")
                       and name != "row_index"]
        names = ["row_index", *columns]
        rows = self.server.query(
            f"SELECT {', '.join(map(sql.identifier, names))} FROM {self.table()}"
            + (f" WHERE ({where})" if where else "") + " ORDER BY row_index")
        frame = pandas.DataFrame.from_records(rows, columns=names)
        return frame.set_index("row_index")

    def table(self) -> str:
        """The table as a FROM clause reads it, whatever the search path becomes."""
        name: str = self._remember("table", lambda: self.server.query(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE c.oid = {sql.quote(self.name)}::regclass")[0][0])
        return name

    def file_offsets(self) -> NDArray[np.int64]:
        """row_index of the first cell of each file, int64 (n_files,).

        Row-level security hides them: an error then.
        """
        offsets = self._remember("offsets", lambda: [first for first, in self._rows(
            "first_row_index", "collection_files")])
        if None in offsets:
            raise PermissionError(f"row-level security hides the files of {self.name}")
        return np.asarray(offsets, np.int64)

    def obsm_width(self, name: str) -> int:
        """Numbers a cell of an obsm column; 0 if no cell has it."""
        size = "octet_length({}) / 4" if self.columns.get(name) == "bytea" else "cardinality({})"
        column = sql.identifier(name)
        rows = self._remember(("width", name), lambda: self.server.query(
            f"SELECT {size.format(column)} FROM {self.table()} "
            f"WHERE {column} IS NOT NULL LIMIT 1"))
        return int(rows[0][0]) if rows else 0

    def fingerprint(self, weight_by: str | None = None, filter: str | None = None,
                    weights: Any = None, sampler: str | None = None) -> str:
        """What a stream of draws depends on beside its arguments; see sample_fingerprint."""
        draws = Draws(weight_by, weights, sampler, filter)
        value: str = self.server.query(
            "SELECT " + self.function("sample_fingerprint", **draws.weighting()))[0][0]
        return value

    def sample_size(self, weight_by: str | None = None, filter: str | None = None,
                    weights: Any = None, sampler: str | None = None) -> int:
        """Number of cells that can be drawn: those of an epoch without replacement."""
        draws = Draws(weight_by, weights, sampler, filter)
        return int(self.server.query(
            "SELECT " + self.function("sample_size", **draws.weighting()))[0][0])

    # --- cells by number ---

    def fetch(self, rows: ArrayLike, *, obs: Sequence[str] | None = None,
              obsm: Sequence[str] | None = None, genes: Sequence[str] | None = None,
              to: Form = "numpy", densify: Densify | None = None,
              device: Any = None) -> Batch:
        """Cells by number, in the order given, repeats too.

        Parameters
        ----------
        rows
            row_index of each, int (n_rows,).
        obs, obsm, genes
            What to bring along; None: the collection's own choice.
        to, densify, device
            As of :class:`Loader`, but for densify="server".
        """
        check_form(to, densify, device)
        if densify == "server":
            raise ValueError("cells by number come sparse: densify='cpu' makes them dense here")
        chosen = self.select(obs=obs, obsm=obsm, genes=genes)
        numbers = np.asarray(rows)
        if numbers.ndim != 1 or numbers.size and numbers.dtype.kind not in "iu":
            raise TypeError("rows must be a one-dimensional array of whole numbers")
        query = packed_query("fetch_csr", chosen.function(
            "fetch_csr", row_indexes=numbers.tolist(), **chosen.read_arguments(),
            indptr_type="int32", part_rows=_FETCH_PART_ROWS))
        pieces = self.server.reading(lambda conn: list(parts(conn, query)))
        batch = make_batch(join(pieces, chosen.read_columns()), chosen, to, densify)
        return place(batch, device, densify)

    def read_arguments(self) -> dict[str, Any]:
        """Arguments of the packed functions that say what to bring along."""
        return {"genes": None if self.genes is None else list(self.genes),
                "obs_columns": list(self.obs_columns) or None,
                "obsm_columns": list(self.obsm_columns) or None}

    def read_columns(self) -> Columns:
        """What comes of them."""
        return Columns(self.obs_columns,
                       tuple((name, self.obsm_width(name)) for name in self.obsm_columns))

    def __len__(self) -> int:
        return self.n_obs

    def __getitem__(self, key: Any) -> Any:
        """A cell as a dict of plain arrays, by its number; a Batch of cells, by several.

        A dict has ``X`` float32 (n_vars,), ``index``, and with obs or obsm
        columns ``obs`` and ``obsm``, each a dict: what a collate function
        makes batches of.
        """
        if isinstance(key, slice):
            return self.fetch(np.arange(*key.indices(len(self)), dtype=np.int64))
        if np.ndim(key):        # a list, an array, a tensor, a column of a data frame
            numbers = np.asarray(key)
            if numbers.dtype == bool:
                if numbers.shape != (len(self),):
                    raise IndexError(f"a mask has {len(self)} elements, one a cell")
                numbers = np.flatnonzero(numbers)
            elif numbers.size == 0:
                numbers = numbers.astype(np.int64)
            return self.fetch(self._from_end(numbers))
        return self.__getitems__([operator.index(key)])[0]

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, Any]]:
        """Several cells at once, a dict each."""
        batch = self.fetch(self._from_end(np.asarray(keys, np.int64)), densify="cpu")
        items = []
        for i in range(len(batch.index)):
            item = {"X": batch.X[i], "index": int(batch.index[i])}
            for name in ("obs", "obsm"):
                if batch.get(name):
                    item[name] = {column: values[i] for column, values in batch[name].items()}
            items.append(item)
        return items

    def _from_end(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Negative numbers count from the end."""
        if numbers.size and numbers.dtype.kind not in "iu":
            raise TypeError("cells are named by whole numbers")
        if numbers.size and numbers.min() < 0:
            self.file_offsets()         # what row-level security leaves has no last number
            numbers = np.where(numbers < 0, numbers + len(self), numbers)
        if numbers.size and numbers.min() < 0:
            raise IndexError(f"{self.name} has {len(self)} cells")
        return numbers

    # iteration by number would be a query a cell, and not end by an IndexError
    __iter__ = None
