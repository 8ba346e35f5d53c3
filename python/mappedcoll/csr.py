"""A sparse matrix of cells by genes as three numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .memory import Allocate

if TYPE_CHECKING:
    import scipy.sparse
    import torch


@dataclass(frozen=True, slots=True)
class CSR:
    """Compressed sparse rows; genes ascend within a row, each at most once.

    Attributes
    ----------
    data : float32 (nnz,)
    indices : int32 (nnz,)
        Genes of the entries.
    indptr : int32 (n_rows + 1,)
        Where each row's entries begin and end.
    shape
        n_rows, n_vars.
    """

    data: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int32]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def toarray(self, allocate: Allocate = np.empty) -> NDArray[np.float32]:
        """The dense matrix, float32 (n_rows, n_vars)."""
        dense = allocate(self.shape, np.float32)
        dense.fill(0)
        # row by row: no array of nnz positions beside the matrix
        for i in range(len(self)):
            entries = slice(self.indptr[i], self.indptr[i + 1])
            dense[i, self.indices[entries]] = self.data[entries]
        return dense

    def to_scipy(self) -> scipy.sparse.csr_matrix:
        """The same arrays as scipy.sparse.csr_matrix."""
        import scipy.sparse

        matrix = scipy.sparse.csr_matrix(self.shape, dtype=np.float32)
        # not by the constructor, which reads all indices to check them
        matrix.data, matrix.indices, matrix.indptr = self.data, self.indices, self.indptr
        matrix.has_canonical_format = True
        return matrix

    def to_torch(self) -> torch.Tensor:
        """The same arrays as a sparse CSR tensor."""
        import torch

        return csr_tensor(torch.from_numpy(self.indptr), torch.from_numpy(self.indices),
                          torch.from_numpy(self.data), self.shape)


_warned = False


def csr_tensor(indptr: Any, indices: Any, data: Any, shape: tuple[int, int]) -> torch.Tensor:
    """A sparse CSR tensor of tensors that are one already."""
    import torch

    _warn_once()
    return torch.sparse_csr_tensor(indptr, indices, data, shape, check_invariants=False)


def _warn_once() -> None:
    """Let torch say, unheard, that its sparse CSR tensors are a beta: it says so once."""
    global _warned
    if not _warned:
        import warnings

        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.sparse_csr_tensor([0], [], torch.zeros(0), (0, 0))
        _warned = True
