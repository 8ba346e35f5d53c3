"""files.py
    Collections of h5ad files by plain h5py: their labels, their cells, and
    where each cell lies in its file.
"""

import pathlib

import h5py
import numpy as np
import scipy.sparse as sp

LABEL = "cell_type"


def paths(directory):
    """The files of a collection, in mappedcoll's order."""
    return sorted(pathlib.Path(directory).glob("*.h5ad"))


def labels(directory):
    """The label of each cell of all files, as text."""
    found = []
    for path in paths(directory):
        with h5py.File(path) as file:
            column = file["obs"][LABEL]
            found.append(column["categories"].asstr()[:][column["codes"][:]])
    return np.concatenate(found)


def weights(directory):
    """1 / (cells of its label) of each cell."""
    _, codes = np.unique(labels(directory), return_inverse=True)
    return 1.0 / np.bincount(codes)[codes]


class Draws:
    """Cells by the weights 1 / (cells of their label): a label, then a cell
    of it."""

    def __init__(self, directory, seed):
        _, codes = np.unique(labels(directory), return_inverse=True)
        self.order = np.argsort(codes, kind="stable")
        self.counts = np.bincount(codes)
        self.starts = np.cumsum(self.counts) - self.counts
        self.rng = np.random.default_rng(seed)

    def take(self, n):
        """The next n."""
        label = self.rng.integers(len(self.counts), size=n)
        return self.order[self.starts[label] +
                          self.rng.integers(self.counts[label])]


def warm(directory):
    """Read all files once, so that they are in the page cache."""
    for path in paths(directory):
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def opened(path):
    """A file, with what makes h5py fastest: no cache of chunks that need no
    decoding, since HDF5 would read a whole chunk for each cell."""
    file = h5py.File(path)
    data = file["X"] if isinstance(file["X"], h5py.Dataset) else file["X/data"]
    if data.chunks is None or data.id.get_create_plist().get_nfilters():
        return file
    file.close()
    return h5py.File(path, rdcc_nbytes=0)


class Cells:
    """The matrices X of the files, opened."""

    def __init__(self, directory):
        self.files = [opened(path) for path in paths(directory)]
        first = self.files[0]["X"]
        self.dense = isinstance(first, h5py.Dataset)
        if self.dense:
            self.x = [file["X"] for file in self.files]
            sizes = [len(x) for x in self.x]
            self.genes = first.shape[1]
        else:
            self.indptr = [file["X/indptr"][:] for file in self.files]
            self.indices = [file["X/indices"] for file in self.files]
            self.data = [file["X/data"] for file in self.files]
            sizes = [len(indptr) - 1 for indptr in self.indptr]
            self.genes = int(first.attrs["shape"][1])
        self.starts = np.cumsum([0] + sizes)

    def __len__(self):
        return int(self.starts[-1])

    def place(self, rows):
        """File, and row in it, of each row."""
        file = np.searchsorted(self.starts, rows, side="right") - 1
        return file, rows - self.starts[file]

    def read(self, rows):
        """The CSR matrix of rows, read one by one in their files' order."""
        rows = np.asarray(rows)
        order = np.argsort(rows, kind="stable")
        pieces = [None] * len(rows)
        file, row = self.place(rows[order])
        for i, f, r in zip(order.tolist(), file.tolist(), row.tolist()):
            begin, end = self.indptr[f][r:r + 2].tolist()
            pieces[i] = self.indices[f][begin:end], self.data[f][begin:end]
        indptr = np.cumsum([0] + [len(indices) for indices, _ in pieces])
        return sp.csr_matrix((np.concatenate([data for _, data in pieces]),
                              np.concatenate([ind for ind, _ in pieces]),
                              indptr), (len(rows), self.genes))

    def read_dense(self, rows):
        """The array of rows of dense files, each row read once."""
        rows, inverse = np.unique(rows, return_inverse=True)
        x = [self.x[f][row] for f, row in self.by_file(rows)]
        x = x[0] if len(x) == 1 else np.concatenate(x)
        in_order = len(rows) == len(inverse) and (np.diff(inverse) > 0).all()
        return x if in_order else x[inverse]

    def by_file(self, rows):
        """File and rows in it, for sorted rows."""
        file, row = self.place(rows)
        for f in np.unique(file):
            yield f, row[file == f]

    def compare(self, rows, x):
        """AssertionError unless x is what the files have for rows."""
        expected = self.read_dense(rows) if self.dense else self.read(rows)
        expected = sp.csr_matrix(expected)
        x = sp.csr_matrix(x)
        if x.shape != expected.shape:
            raise AssertionError(f"{x.shape} instead of {expected.shape}")
        for matrix in (x, expected):
            matrix.sort_indices()
        if (not np.array_equal(x.indptr, expected.indptr) or
                not np.array_equal(x.indices, expected.indices) or
                not np.array_equal(x.data, expected.data)):
            raise AssertionError("other entries")


class Layout:
    """Where the entries of cells of CSR files lie."""

    def __init__(self, directory):
        self.cells = Cells(directory)
        self.chunks = [[self.table(dataset) for dataset in (indices, data)]
                       for indices, data in
                       zip(self.cells.indices, self.cells.data)]

    @staticmethod
    def table(dataset):
        """Entries of a chunk, bytes of an entry, (address, size) of chunks."""
        if dataset.chunks is None:
            return (dataset.shape[0], dataset.dtype.itemsize,
                    np.array([[dataset.id.get_offset(),
                               dataset.id.get_storage_size()]]))
        length = dataset.chunks[0]
        table = np.zeros((-(-dataset.shape[0] // length), 2), np.int64)

        def keep(info):
            table[info.chunk_offset[0] // length] = info.byte_offset, info.size

        dataset.id.chunk_iter(keep)
        return length, dataset.dtype.itemsize, table

    def touched(self, file, rows, dataset):
        """Of sorted rows of a file: chunk, first entry in it, end, each."""
        length, width, table = self.chunks[file][dataset]
        begin, end = self.cells.indptr[file][[rows, rows + 1]]
        found = []
        chunk = begin // length
        while (inside := chunk * length < end).any():
            found.append(np.stack([
                chunk, np.maximum(begin - chunk * length, 0),
                np.minimum(end - chunk * length, length)], 1)[inside])
            chunk = chunk + 1
        return np.concatenate(found), length, width, table

    def plan(self, rows, whole):
        """Records for replay of the pieces that some cells need: each chunk
        once as a whole, or the bytes of each cell."""
        records = []
        for file, row in self.cells.by_file(np.unique(rows)):
            for dataset in (0, 1):
                touched, length, width, table = self.touched(file, row,
                                                             dataset)
                chunk, begin, end = touched.T
                if whole:
                    chunk, which = np.unique(chunk, return_inverse=True)
                    needed = np.zeros(len(chunk), np.int64)
                    np.maximum.at(needed, which, end * width)
                    records.append(np.stack([
                        np.full(len(chunk), file), table[chunk, 0],
                        table[chunk, 1],
                        np.full(len(chunk), length * width), needed], 1))
                else:
                    size = (end - begin) * width
                    records.append(np.stack([
                        np.full(len(chunk), file),
                        table[chunk, 0] + begin * width, size, size, size], 1))
        return np.concatenate(records).astype("<i8")
