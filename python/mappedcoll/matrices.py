"""Matrices of several files on one axis of genes, joined as lamindb joins them.

The server's own joint axis has the genes in the order of their first
appearance; a model that was trained on lamindb's has them in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .collection import Collection

if TYPE_CHECKING:
    import pandas

Join = Literal["inner", "outer"]


def joined(axes: Sequence[pandas.Index], join: Join) -> pandas.Index:
    """The joint axis of several, in the order that lamindb gives it."""
    import pandas

    if all(axes[0].equals(names) for names in axes[1:]):
        return axes[0]
    if join == "outer":
        return reduce(pandas.Index.union, axes)
    joint = reduce(pandas.Index.intersection, axes)
    if len(joint) == 0:
        raise ValueError("the files share no genes: use join='outer'")
    return joint


class Matrix:
    """A matrix that some of several files have, as vectors on an axis of genes.

    Parameters
    ----------
    collection
        Of the files that have it.
    files, n_files
        Their numbers in ``path_list``, and the length of that.
    axis
        The genes wanted; None: those of each file.
    names
        Genes of each file; None where the file has no such matrix.
    """

    def __init__(self, collection: Collection, files: list[int], n_files: int,
                 axis: pandas.Index | None, names: list[list[str] | None]) -> None:
        import pandas

        self.collection = collection
        self._first = np.full(n_files, -1, np.int64)
        self._first[files] = collection.file_offsets()
        own = pandas.Index(collection.var_names)
        self._places: NDArray[Any] | None = None        # on the axis of the collection
        self._file_places: dict[int, NDArray[Any] | None] = {}
        if axis is None:
            for i in files:
                same = own.equals(pandas.Index(names[i]))
                self._file_places[i] = None if same else own.get_indexer(names[i])
        elif not own.equals(axis):
            self._places = own.get_indexer(axis)

    def rows(self, stores: NDArray[Any], local: NDArray[Any],
             dense: NDArray[np.float32] | None) -> list[NDArray[Any] | None]:
        """Vectors of cells by file and number within; None where the file has no such matrix.

        ``dense`` has them on the axis of the collection, where they were read.
        """
        first = self._first[stores]
        present = np.flatnonzero(first >= 0)
        out: list[NDArray[Any] | None] = [None] * len(stores)
        if dense is None:
            dense = self.collection.fetch((first + local)[present], densify="cpu").X
        else:
            dense = dense[present]
        if self._places is not None:
            dense = _chosen(dense, self._places)
        for row, i in zip(dense, present, strict=True):
            places = self._file_places.get(int(stores[i]))
            out[i] = row if places is None else row[places]
        return out


def _chosen(dense: NDArray[np.float32], places: NDArray[Any]) -> NDArray[np.float32]:
    """Columns of a matrix; zeros where a place is -1."""
    chosen: NDArray[np.float32] = dense[:, places] if dense.shape[1] else \
        np.zeros((len(dense), len(places)), np.float32)
    chosen[:, places < 0] = 0
    return chosen
