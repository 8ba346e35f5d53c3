"""
bases.py
        The sound files that damage starts from.

Real ones (the corpus), the small ones of test/data, and ones that are written
here, in which a checksum stands over every byte: metadata in the structures of
HDF5 1.10, which have checksums, names of fixed length, so that nothing lies in
a heap without one, and fletcher32 over every chunk.  Damage to these must be
seen: no other row may come out.
"""
import glob
import os

import h5py
import numpy as np

try:
    import hdf5plugin
except ImportError:
    hdf5plugin = None

LARGEST = 700_000       # bytes of a file that is damaged again and again


class Base:
    """A sound file: its bytes, its matrices, where its metadata and data lie."""

    def __init__(self, path, covered=False):
        self.path = path
        self.name = os.path.basename(path)
        self.covered = covered      # a checksum over every byte
        with open(path, "rb") as f:
            self.data = f.read()
        self.chunks = []            # (start, end) under a fletcher32
        self.raw = []               # (start, end) of data
        self.layers = ["X"]
        with h5py.File(path, "r") as f:
            f.visititems(self.note)
            for place in ("raw", "layers"):
                if isinstance(f.get(place), h5py.Group):
                    self.layers += [place + "/" + name for name in f[place]
                                    if place == "layers" or name == "X"]
        self.raw.sort()
        self.metadata = self.rest()

    def note(self, _, item):
        """Where a dataset's values lie."""
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if item.chunks is None:
            at = item.id.get_offset()
            if at is not None:
                self.raw.append((at, at + item.id.get_storage_size()))
            return
        for i in range(item.id.get_num_chunks()):
            info = item.id.get_chunk_info(i)
            span = (info.byte_offset, info.byte_offset + info.size)
            self.raw.append(span)
            if item.fletcher32:
                self.chunks.append(span)

    def rest(self):
        """What is no data."""
        ranges = []
        at = 0
        for a, b in self.raw:
            if a > at:
                ranges.append((at, a))
            at = max(at, b)
        if at < len(self.data):
            ranges.append((at, len(self.data)))
        return ranges

    def passes_fletcher(self, damaged):
        """
        Is the sum of every damaged chunk still right?  Fletcher's sums hold
        0x0000 and 0xffff for the same.
        """
        seen = False
        if len(damaged) != len(self.data):
            return False
        for a, b in self.chunks:
            if damaged[a:b] != self.data[a:b]:
                seen = True
                if fletcher32(damaged[a:b - 4]) != damaged[b - 4:b]:
                    return False
        return seen


def fletcher32(data):
    """The checksum as HDF5 appends it (H5_checksum_fletcher32)."""
    words = np.frombuffer(data[:len(data) // 2 * 2], ">u2").astype(object)
    if len(data) % 2:
        words = np.append(words, data[-1] << 8)
    n = len(words)
    first = int(sum(words))
    second = int(sum(w * (n - i) for i, w in enumerate(words)))

    def fold(value):
        # 0xffff stays what it is, as the sums of 16 bits fold
        return value % 65535 or (65535 if value else 0)
    return ((fold(second) << 16) | fold(first)).to_bytes(4, "little")


# ---- files with a checksum over every byte ----

def mark(item, encoding, version):
    item.attrs["encoding-type"] = np.bytes_(encoding)
    item.attrs["encoding-version"] = np.bytes_(version)


def frame(f, name, index, columns):
    """A dataframe whose strings have a fixed length."""
    group = f.create_group(name)
    mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = np.bytes_("_index")
    group.attrs["column-order"] = np.array(list(columns), dtype="S")
    for column, values in dict(_index=index, **columns).items():
        if isinstance(values, tuple):
            part = group.create_group(column)
            mark(part, "categorical", "0.2.0")
            part.attrs["ordered"] = False
            store(part, "codes", values[0])
            store(part, "categories", values[1])
        else:
            store(group, column, values)
            mark(group[column], "string-array" if values.dtype.kind == "S"
                 else "array", "0.2.0")


def store(group, name, values, **options):
    group.create_dataset(name, data=values, fletcher32=True, chunks=tuple(
        max(1, (n + 1) // 2) for n in values.shape), **options)


def covered_file(path, rng, sparse, options, csc=False):
    """60 cells and 25 genes; every byte has a checksum."""
    n, m = 60, 25
    x = rng.poisson(0.6, (n, m)).astype("f4")
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        mark(f, "anndata", "0.1.0")
        frame(f, "obs", np.array(["cell%d" % i for i in range(n)], dtype="S"),
              {"kind": (rng.integers(-1, 3, n).astype("i1"),
                        np.array([b"a", b"b", b"c"])),
               "n": rng.integers(0, 10**9, n),
               "f": rng.random(n), "flag": rng.random(n) < 0.5,
               "donor": np.array([b"D1", b"D2"])[rng.integers(0, 2, n)]})
        frame(f, "var", np.array(["gene%d" % i for i in range(m)], dtype="S"),
              {})
        if sparse:
            group = f.create_group("X")
            mark(group, "csc_matrix" if csc else "csr_matrix", "0.1.0")
            group.attrs["shape"] = np.array([n, m])
            t = x.T if csc else x
            store(group, "data", t[t != 0], **options)
            store(group, "indices", np.nonzero(t)[1].astype("i4"), **options)
            store(group, "indptr", np.append(0, np.cumsum(
                (t != 0).sum(axis=1))).astype("i8"), **options)
        else:
            store(f, "X", x, **options)


def covered_files(directory, seed):
    """Write them; those that need hdf5plugin where it is there."""
    kinds = {"gzip": {"compression": "gzip", "shuffle": True},
             "lzf": {"compression": "lzf"}, "plain": {}}
    if hdf5plugin is not None:
        kinds.update(zstd=dict(hdf5plugin.Zstd()), lz4=dict(hdf5plugin.LZ4()),
                     blosc=dict(hdf5plugin.Blosc(cname="zstd")),
                     bitshuffle=dict(hdf5plugin.Bitshuffle()))
    for name, options in kinds.items():
        for form in ("csr", "dense", "csc"):
            path = os.path.join(directory, "covered_%s_%s.h5ad" % (form, name))
            covered_file(path, np.random.default_rng(seed), form != "dense",
                         options, form == "csc")
            yield Base(path, covered=True)


def all_files(data, corpus, work, seed):
    """Every base there is; data is test/data."""
    found = list(covered_files(work, seed))
    for directory in (os.path.join(data, "h5ad"), os.path.join(data, "demo"),
                      corpus):
        for path in sorted(glob.glob(os.path.join(directory, "*.h5ad")))\
                if directory else ():
            if os.path.getsize(path) > LARGEST:
                continue
            try:
                found.append(Base(path))
            except (OSError, RuntimeError):
                pass            # what no reader opens is no sound file
    return found
