"""peers.py
    What mappedcoll is measured against, each used as its own documentation
    says, from the same files, by the same law: exact draws of single cells,
    each with the weight 1 / (cells of its label), unless its name says
    otherwise.
"""

import os
import pathlib
import sys
import warnings

import numpy as np

import files
from measure import PEER, Absent, Contender

BATCH = 256


def missing(package):
    """Why a package was not installed, by bench_peers_venv."""
    path = pathlib.Path(__file__).parents[1] / "build/peers-venv/missing.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line for line in lines if line.startswith(package + ":")),
                f"{package} is not installed")


class Peer(Contender):
    """A peer that reads a directory."""

    kind = PEER
    packages = ()

    def __init__(self, name, directory, batch=BATCH):
        super().__init__(name)
        self.directory, self.batch = directory, batch
        self.unit = self.at_least = batch

    def load(self):
        for package, module in self.packages:
            try:
                __import__(module)
            except ImportError as error:
                why = missing(package)
                raise Absent(why if "ERROR" in why else
                             f"{package} cannot be imported: {error}") from None

    def check(self):
        rows = files.Draws(self.directory, 1).take(2 * BATCH)
        return rows, self.read(rows)

    def read(self, rows):
        """The matrix of some cells, in their order."""
        raise NotImplementedError


class Mapped(Peer):
    """MappedCollection, WeightedRandomSampler, DataLoader: dense tensors."""

    packages = (("torch", "torch"), ("lamindb", "lamindb.core"))

    def __init__(self, name, directory, workers):
        super().__init__(name, directory)
        self.workers = workers

    def open(self):
        import torch
        from lamindb.core import MappedCollection
        self.torch = torch
        self.mapped = MappedCollection(
            [str(path) for path in files.paths(self.directory)],
            obs_keys=files.LABEL, parallel=self.workers > 0)
        self.sampler = torch.utils.data.WeightedRandomSampler(
            self.mapped.get_label_weights(files.LABEL), BATCH)
        more = {} if not self.workers else {
            "worker_init_fn": self.mapped.torch_worker_init_fn,
            "persistent_workers": True}
        self.loader = torch.utils.data.DataLoader(
            self.mapped, batch_size=self.batch, sampler=self.sampler,
            num_workers=self.workers, **more)

    def read(self, rows):
        return np.stack([self.mapped[row]["X"] for row in rows])

    def labelled(self, rows):
        """What training would have of some cells: X, text of labels."""
        batch = self.loader.collate_fn([self.mapped[row] for row in rows])
        names = list(self.mapped.encoders[files.LABEL])
        return batch["X"], [names[code] for code in batch[files.LABEL]]

    def tensors(self, cells, seed):
        """Yield X, dense, and the codes of labels."""
        self.torch.manual_seed(seed)
        self.sampler.num_samples = cells
        for batch in self.loader:
            yield batch["X"], batch[files.LABEL]

    def batches(self, cells, seed):
        for x, _ in self.tensors(cells, seed):
            yield len(x)


class Collection(Peer):
    """AnnCollection of backed AnnData, a sorted batch at a time: CSR."""

    packages = (("anndata", "anndata"),)

    def open(self):
        import anndata
        from anndata.experimental import AnnCollection
        self.collection = AnnCollection(
            [anndata.read_h5ad(path, backed="r")
             for path in files.paths(self.directory)], join_vars="inner")
        self.draws = files.Draws(self.directory, 1)

    def read(self, rows):
        order = np.argsort(rows, kind="stable")
        x = self.collection[rows[order]].X
        return x[np.argsort(order)]

    def batches(self, cells, seed):
        for _ in range(cells // self.batch):
            rows = np.sort(self.draws.take(self.batch))
            yield self.collection[rows].X.shape[0]


class ScDataset(Collection):
    """scDataset over AnnCollection: CSR."""

    packages = (("anndata", "anndata"), ("torch", "torch"),
                ("scdataset", "scdataset"))

    def __init__(self, name, directory, block, fetch):
        super().__init__(name, directory)
        self.block, self.fetch = block, fetch
        self.unit = self.at_least = BATCH * fetch

    def open(self):
        super().open()
        self.weights = files.weights(self.directory)
        self.names = np.unique(files.labels(self.directory))
        self.codes = {name: code for code, name in enumerate(self.names)}

    def dataset(self, strategy, seed, **transforms):
        """A data set of a strategy; CSR matrices unless transforms are
        given."""
        from scdataset import scDataset
        return scDataset(self.collection, strategy, batch_size=self.batch,
                         fetch_factor=self.fetch, seed=seed,
                         **(transforms or
                            {"fetch_transform": lambda fetched: fetched.X}))

    def for_training(self, strategy, seed):
        """A data set of tensors: X, dense, and the codes of labels.

        What is fetched stays sparse: its own adata_to_mindex would make all
        of it dense, 1.3 GB with a fetch of 64.
        """
        import torch

        def fetched(cells):
            with warnings.catch_warnings():
                # a cell that was drawn twice is there twice
                warnings.filterwarnings(
                    "ignore", message="Observation names are not unique")
                return cells.to_adata()

        def tensors(batch):
            codes = batch.obs[files.LABEL].map(self.codes)
            return (torch.from_numpy(batch.X.toarray()),
                    torch.from_numpy(codes.to_numpy(np.int64)))

        return self.dataset(strategy, seed, fetch_transform=fetched,
                            batch_transform=tensors)

    def read(self, rows):
        from scdataset import Streaming
        import scipy.sparse as sp
        # gives the cells in their files' order, each once
        sorted_rows = np.unique(rows)
        x = sp.vstack(list(self.dataset(Streaming(indices=sorted_rows), 1)),
                      "csr")
        return x[np.searchsorted(sorted_rows, rows)]

    def labelled(self, rows):
        """As of Mapped."""
        from scdataset import Streaming
        sorted_rows = np.unique(rows)
        found = list(self.for_training(Streaming(indices=sorted_rows), 1))
        order = np.searchsorted(sorted_rows, rows)
        codes = np.concatenate([code for _, code in found])[order]
        return np.concatenate([x for x, _ in found])[order], self.names[codes]

    def sampling(self, cells):
        """The strategy of a run."""
        from scdataset import BlockWeightedSampling
        return BlockWeightedSampling(
            block_size=self.block, weights=self.weights, total_size=cells)

    def tensors(self, cells, seed):
        """As of Mapped."""
        yield from self.for_training(self.sampling(cells), seed)

    def batches(self, cells, seed):
        for x in self.dataset(self.sampling(cells), seed):
            yield x.shape[0]


class Batches:
    """A sampler of whole batches."""

    def __init__(self, draws, batch):
        self.draws, self.batch, self.n = draws, batch, 0

    def __iter__(self):
        for _ in range(self.n):
            yield self.draws.take(self.batch)


class Sorted:
    """A data set of which an item is a batch; each process opens the files
    for itself."""

    def __init__(self, directory):
        self.directory = directory
        self.cells = self.pid = None

    def __getitem__(self, rows):
        if self.pid != os.getpid():
            self.cells, self.pid = files.Cells(self.directory), os.getpid()
        if self.cells.dense:
            # in the order of the file, which saves a copy
            return (self.cells.read_dense(np.sort(rows)),)
        x = self.cells.read(rows)
        return x.indptr, x.indices, x.data


class Uniform:
    """Every cell with the same chance."""

    def __init__(self, directory, seed):
        self.n = len(files.Cells(directory))
        self.rng = np.random.default_rng(seed)

    def take(self, n):
        """The next n."""
        return self.rng.integers(self.n, size=n)


class H5py(Peer):
    """Plain h5py and numpy: a batch is sorted, its cells read one by one; CSR
    arrays, or dense from dense files."""

    packages = (("h5py", "h5py"),)

    def __init__(self, name, directory, workers=0, batch=BATCH, draws=None):
        super().__init__(name, directory, batch)
        self.workers, self.draws = workers, draws or files.Draws
        if workers:
            self.packages = (*self.packages, ("torch", "torch"))

    def open(self):
        self.sampler = Batches(self.draws(self.directory, 1), self.batch)
        self.data = Sorted(self.directory)
        if self.workers:
            import torch
            self.loader = torch.utils.data.DataLoader(
                self.data, batch_size=None, sampler=self.sampler,
                num_workers=self.workers, persistent_workers=True)

    def check(self):
        return None     # it is what the others are compared with

    def batches(self, cells, seed):
        self.sampler.n = cells // self.batch
        if self.workers:
            for batch in self.loader:
                yield self.batch
        else:
            for rows in self.sampler:
                self.data[rows]
                yield self.batch


class Memory(Peer):
    """All files in memory as one scipy CSR matrix, which batches index."""

    packages = (("anndata", "anndata"),)

    def open(self):
        import anndata
        import scipy.sparse as sp
        self.x = sp.vstack([anndata.read_h5ad(path).X
                            for path in files.paths(self.directory)], "csr")
        self.draws = files.Draws(self.directory, 1)

    def read(self, rows):
        return self.x[rows]

    def batches(self, cells, seed):
        for _ in range(cells // self.batch):
            yield self.x[self.draws.take(self.batch)].shape[0]


class Unmeasured(Contender):
    """A row that says why there is none."""

    def __init__(self, name, why):
        super().__init__(name)
        self.why = why

    def open(self):
        raise Absent(self.why)


def annbatch():
    """Its row."""
    python = "{}.{}".format(*sys.version_info)
    why = "refuses h5ad (its own converted copies only)"
    if sys.version_info < (3, 12):
        why += f", and needs Python 3.12 (here: {python})"
    return Unmeasured("annbatch", why)


def unmeasured():
    """Those that cannot do this job."""
    return [
        annbatch(),
        Unmeasured("tiledbsoma-ml", "has no weighted draws, and no h5ad"),
        Unmeasured("Merlin dataloader", "has no h5ad, and cannot be imported "
                   "beside numpy 2"),
    ]
