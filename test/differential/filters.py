"""
filters.py
        HDF5's filters by name, as options of a dataset, and chunks to which
        some of them were not applied.
"""
import zlib

import h5py
import hdf5plugin
import numpy as np

BLOSC = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
BLOSC_SHUFFLES = {"": 0, " shuffle": 1, " bitshuffle": 2}


def plain(**options):
    return lambda rng, dtype, n: dict(options)


def plugin(name, **options):
    return lambda rng, dtype, n: dict(getattr(hdf5plugin, name)(**options))


def gzip(**options):
    return lambda rng, dtype, n: dict(
        compression="gzip", compression_opts=int(rng.choice([0, 1, 4, 9])),
        **options)


def szip(method):
    """n: elements of a chunk, which holds a block of them at least."""
    def options(rng, dtype, n):
        block = min(int(rng.choice([4, 8, 16, 32])), n // 2 * 2)
        return dict(compression="szip", compression_opts=(method, block)) \
            if block else {}
    return options


def scale_offset(rng, dtype, n):
    """Lossless for integers; floats keep some decimal digits."""
    if dtype.kind == "f":
        return {"scaleoffset": int(rng.integers(1, 4))}
    return {"scaleoffset": 0}


def shuffled(options):
    return lambda rng, dtype, n: dict(options(rng, dtype, n), shuffle=True)


def summed(options):
    return lambda rng, dtype, n: dict(options(rng, dtype, n), fletcher32=True)


# name -> function of rng, dtype and elements of a chunk: keyword arguments of
# create_dataset
FILTERS = {
    "none": plain(),
    "gzip": gzip(),
    "gzip shuffle": gzip(shuffle=True),
    "gzip fletcher32": gzip(fletcher32=True),
    "gzip shuffle fletcher32": gzip(shuffle=True, fletcher32=True),
    "shuffle": plain(shuffle=True),
    "fletcher32": plain(fletcher32=True),
    "lzf": plain(compression="lzf"),
    "lzf shuffle": plain(compression="lzf", shuffle=True),
    "zstd": plugin("Zstd"),
    "zstd shuffle fletcher32": summed(shuffled(plugin("Zstd", clevel=9))),
    "lz4": plugin("LZ4"),
    "lz4 blocks": plugin("LZ4", nbytes=64),
    "bitshuffle": plugin("Bitshuffle", cname="none"),
    "bitshuffle lz4": plugin("Bitshuffle", cname="lz4"),
    "bitshuffle zstd": plugin("Bitshuffle", cname="zstd"),
    "bitshuffle blocks": plugin("Bitshuffle", cname="lz4", nelems=16),
    "bzip2": plugin("BZip2", blocksize=1),
    "szip ec": szip("ec"),
    "szip nn": szip("nn"),
    "n-bit": plain(),               # see h5write.write_bits
    "scale-offset": scale_offset,
}
for codec in BLOSC:
    for words, shuffle in BLOSC_SHUFFLES.items():
        FILTERS["blosc %s%s" % (codec, words)] = plugin(
            "Blosc", cname=codec, shuffle=shuffle)

# Those whose values differ from what was written, or whose chunks have no
# plain form
LOSSY = ("scale-offset",)
MATERIALISED = ("scale-offset", "n-bit")

# What anndata hands to h5py as it is, for strings as for numbers
FOR_ANNDATA = ("none", "gzip", "lzf", "zstd", "lz4", "bitshuffle lz4", "bzip2")

# n-bit, which h5write.py makes by hand, is left to matrices
FOR_OBS = [name for name in FILTERS if name != "n-bit"]


def for_column(name, dtype):
    """
    The filter for a column of obs; dtype None: strings of variable length.
    For those, fletcher32 and szip have no form, and hdf5plugin's Blosc divides
    by zero.  Scale and offset are of integers.
    """
    if name == "scale-offset" and (dtype is None or dtype.kind not in "iu"):
        return "gzip"
    if dtype is None and (name.startswith(("szip", "blosc")) or
                          "fletcher32" in name):
        return "gzip"
    return name


def shuffle_bytes(data, size):
    return np.frombuffer(data, np.uint8).reshape(-1, size).T.tobytes()


def mask_chunks(dataset, values, rng):
    """
    Write some chunks of a dataset anew, without all or some of its filters, as
    a writer does that sees that one does not pay.
    """
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if not codes:
        return
    counts = [-(-d // c) for d, c in zip(values.shape, dataset.chunks)]
    for chunk in np.ndindex(*counts):
        if rng.random() >= 0.4:
            continue
        start = tuple(i * c for i, c in zip(chunk, dataset.chunks))
        part = values[tuple(slice(s, s + c) for s, c in
                            zip(start, dataset.chunks))]
        full = np.zeros(dataset.chunks, values.dtype)
        full[tuple(slice(0, d) for d in part.shape)] = part
        data = full.tobytes()
        mask = (1 << len(codes)) - 1
        if codes == [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]:
            mask = int(rng.integers(1, 4))
            if not mask & 1:
                data = shuffle_bytes(data, values.dtype.itemsize)
            if not mask & 2:
                data = zlib.compress(data)
        dataset.id.write_direct_chunk(start, data, mask)
