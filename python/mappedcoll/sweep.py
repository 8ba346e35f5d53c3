"""Batches of chosen cells, each cell once and in order: for validation and inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import ranks
from .batch import Batch, Densify, Form
from .collection import Collection
from .values import read_rows


class Sweep:
    """One pass over cells, the same each time, read one batch ahead.

    Parameters
    ----------
    collection
        Its choice of obs, obsm and genes holds where the arguments are None.
    batch_size
        Cells of a batch of this process.
    filter
        A condition in SQL: the cells that meet it, by row_index.
    rows
        row_index of the cells, int (n,), in their order; excludes ``filter``.
    obs, obsm, genes, to, densify, device, rank, world_size
        As of :class:`Loader`.  Each process has an equal part of the cells.
    """

    def __init__(self, collection: Collection, batch_size: int, *, filter: str | None = None,
                 rows: ArrayLike | None = None, obs: Sequence[str] | None = None,
                 obsm: Sequence[str] | None = None, genes: Sequence[str] | None = None,
                 to: Form = "numpy", densify: Densify | None = None, device: Any = None,
                 rank: int | None = None, world_size: int | None = None) -> None:
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        if rows is not None and filter is not None:
            raise ValueError("give rows or filter, not both")
        self.collection = collection.select(obs=obs, obsm=obsm, genes=genes)
        self.batch_size = batch_size
        self.filter = filter
        self.to = to
        self.densify = densify
        self.device = device
        self._given_rank = rank, world_size
        self._rows = None if rows is None else np.asarray(rows)

    @property
    def dataset(self) -> Collection:
        """The collection."""
        return self.collection

    @property
    def rows(self) -> NDArray[np.int64]:
        """row_index of the cells of this process, int64 (n,)."""
        if self._rows is None:
            self._rows = self._all() if self.filter is None else \
                read_rows(self.collection, self.filter)
        rank, world_size = ranks.resolve(*self._given_rank)
        return np.array_split(self._rows.astype(np.int64, copy=False), world_size)[rank]

    def _all(self) -> NDArray[np.int64]:
        """row_index of all cells; there are gaps where row-level security hides some."""
        try:
            self.collection.file_offsets()
        except PermissionError:
            return read_rows(self.collection, "true")
        return np.arange(len(self.collection), dtype=np.int64)

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        rows = self.rows
        pieces = [rows[at:at + self.batch_size] for at in range(0, len(rows), self.batch_size)]
        with ThreadPoolExecutor(1, "mappedcoll") as executor:
            coming: Future[Batch] | None = None
            for i in range(len(pieces)):
                batch = self._read(pieces[i]) if coming is None else coming.result()
                coming = executor.submit(self._read, pieces[i + 1]) if i + 1 < len(pieces) else None
                yield batch

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        return self.collection.fetch(rows, to=self.to, densify=self.densify, device=self.device)
