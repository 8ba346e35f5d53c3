"""obs columns as codes for a model, of text or of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .collection import Collection
from .values import read_values


class Categories:
    """An obs column as codes.

    Attributes
    ----------
    column
        Its name.
    names
        The category of each code.
    n_missing
        Cells without one.
    """

    def __init__(self, collection: Collection, column: str) -> None:
        values = read_values(collection, column)
        self.column = column
        self.n_missing = int(values.missing.sum())
        self._values = values
        if values.kind == "text":
            self._numbers = None
            self.names = np.array(collection.categories(column), object)
        else:
            self._numbers = np.unique(values.array[~values.missing]).astype(np.float64)
            self.names = np.array([f"{number:g}" for number in self._numbers], object)

    def codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of values as batches have them; -1 where they are missing."""
        if self._numbers is None:
            return values.astype(np.int64)
        places = np.searchsorted(self._numbers, values)
        return np.where(np.isnan(values), -1, places).astype(np.int64)


class Labels(Categories):
    """Labels of cells, of which some may have none.

    Attributes
    ----------
    known
        The labels proper; they have the first codes.
    names
        These, then the unlabeled category if a cell has no label.
    """

    def __init__(self, collection: Collection, column: str, unlabeled: str) -> None:
        super().__init__(collection, column)
        self.known = self.names[self.names != unlabeled]
        # the last element is of code -1
        table = np.full(len(self.names) + 1, len(self.known), np.int64)
        table[:-1][self.names != unlabeled] = np.arange(len(self.known))
        self._table = table
        if self.n_missing or len(self.known) < len(self.names):
            self.names = np.append(self.known, unlabeled)

    def codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of labels; a missing one is the unlabeled category."""
        return self._table[super().codes(values)]

    def of_all_cells(self) -> NDArray[Any]:
        """The label of each cell, by row_index."""
        array = self._values.array.astype(np.float64 if self._numbers is not None else np.int64)
        if self._numbers is not None:
            array[self._values.missing] = np.nan
        return self.names[self.codes(array)]
