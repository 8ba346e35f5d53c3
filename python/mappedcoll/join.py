"""The parts of a batch as one set of arrays, in one copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .copy import Field, Part
from .csr import CSR
from .errors import MappedcollError
from .memory import Allocate


@dataclass(frozen=True, slots=True)
class Columns:
    """What parts bring along: names of obs columns, names and widths of obsm columns."""

    obs: tuple[str, ...] = ()
    obsm: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Arrays:
    """A batch as numpy arrays.

    Attributes
    ----------
    x : CSR, or float32 (n_rows, n_vars)
    index : int64 (n_rows,)
        row_index of the cells.
    label : int32 (n_rows,)
        Codes of the labels, or None.
    obs : int32 or float64 (n_rows,) each
        Codes (-1: missing) of text columns, numbers (missing: NaN) of others.
    obsm : float32 (n_rows, width) each
    """

    step: int
    x: CSR | NDArray[np.float32]
    index: NDArray[np.int64]
    label: NDArray[np.int32] | None
    obs: dict[str, NDArray[Any]]
    obsm: dict[str, NDArray[np.float32]]


def join(parts: Sequence[Part], columns: Columns, allocate: Allocate = np.empty) -> Arrays:
    """Copy the arrays of parts into new ones, numbers widened on the way."""
    n_rows = sum(part.n_rows for part in parts)
    first = parts[0]
    n_obs = len(columns.obs)
    labelled = first.label_code is not None
    join_x = _join_dense if first.indptr is None else _join_csr
    return Arrays(
        step=first.step,
        x=join_x(parts, n_rows, allocate),
        index=_join_vector([part.row_index for part in parts], "<i8", n_rows, allocate),
        label=_join_vector([part.label_code for part in parts], "<i4", n_rows, allocate)
        if labelled else None,
        obs={name: _join_vector([part.obs[i] for part in parts],
                                first.dtypes[len(first.dtypes) - n_obs - len(columns.obsm) + i],
                                n_rows, allocate)
             for i, name in enumerate(columns.obs)},
        obsm={name: _join_obsm(parts, i, (n_rows, width), allocate)
              for i, (name, width) in enumerate(columns.obsm)},
    )


def _native(dtype: str) -> np.dtype[Any]:
    """The type of an array on this machine, for one on the wire."""
    native: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    return native


def _raw(field: Field, dtype: str) -> NDArray[Any]:
    """The numbers of a field, where they lie; mostly not aligned."""
    assert field is not None
    return np.frombuffer(field, dtype)


def _join_vector(chunks: Sequence[Field], dtype: str, n: int, allocate: Allocate) -> NDArray[Any]:
    out = allocate(n, _native(dtype))
    at = 0
    for chunk in chunks:
        raw = _raw(chunk, dtype)
        out[at:at + len(raw)] = raw
        at += len(raw)
    if at != n:
        raise MappedcollError(f"an array of {n} numbers came with {at}")
    return out


def _join_csr(parts: Sequence[Part], n_rows: int, allocate: Allocate) -> CSR:
    pieces = [(_raw(part.indptr, part.dtypes[0]), _raw(part.indices, part.dtypes[1]),
               _raw(part.data, part.dtypes[2])) for part in parts]
    nnz = sum(len(data) for _, _, data in pieces)
    if nnz > np.iinfo(np.int32).max:
        raise MappedcollError(f"a batch has {nnz} entries, too many for int32 row pointers: "
                              "make batches smaller")
    indptr = allocate(n_rows + 1, np.int32)
    indices = allocate(nnz, np.int32)
    data = allocate(nnz, np.float32)
    indptr[0] = 0
    row = at = 0
    for part_indptr, part_indices, part_data in pieces:
        n = len(part_indptr) - 1
        end = at + len(part_data)
        np.add(part_indptr[1:], at, out=indptr[row + 1:row + 1 + n], casting="unsafe")
        indices[at:end] = part_indices
        data[at:end] = part_data
        row += n
        at = end
    if row != n_rows or indptr[-1] != nnz:
        raise MappedcollError("the row pointers of a batch do not match its entries")
    return CSR(data, indices, indptr, (n_rows, parts[0].n_vars))


def _join_dense(parts: Sequence[Part], n_rows: int, allocate: Allocate) -> NDArray[np.float32]:
    n_vars = parts[0].n_vars
    out = allocate((n_rows, n_vars), np.float32)
    row = 0
    for part in parts:
        out[row:row + part.n_rows] = _raw(part.data, part.dtypes[0]).reshape(part.n_rows, n_vars)
        row += part.n_rows
    return out


def _join_obsm(parts: Sequence[Part], i: int, shape: tuple[int, int],
               allocate: Allocate) -> NDArray[np.float32]:
    """An element of obsm; in a part of cells whose files all lack it, it has no width."""
    out = allocate(shape, np.float32)
    row = 0
    for part in parts:
        raw = _raw(part.obsm[i], "<f4")
        n = part.n_rows
        out[row:row + n] = raw.reshape(n, shape[1]) if len(raw) else np.nan
        row += n
    return out
