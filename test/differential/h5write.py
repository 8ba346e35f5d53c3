"""
h5write.py
        h5ad files as other writers make them: any layout of HDF5, any
        encoding of AnnData, past and present.
"""
import copy
import io

import h5py
import numpy as np
import pandas as pd

from content import Sparse, small_numbers
from filters import FILTERS, LOSSY, for_column, mask_chunks

TEXT = h5py.string_dtype()
MAX_CHUNKS = 2000               # of one dataset


class Storage:
    """How a numeric dataset is laid out in the file."""

    def __init__(self, rng, layout="default", name="none", masks=False,
                 big_endian=False, resizable=False):
        self.rng = rng
        self.layout = layout        # an axis of plans.py
        self.filter = name          # of filters.py
        self.masks = masks
        self.big_endian = big_endian
        self.resizable = resizable

    def chunks_of(self, shape):
        """The shape of chunks, or True: h5py's choice."""
        if self.layout in ("tiny", "unwritten"):
            chunks = tuple(int(self.rng.integers(1, min(d, 9) + 1)) if d else 1
                           for d in shape)
        elif self.layout == "remainders":
            chunks = tuple(max(d * 2 // 5, 1) + (d > 4 and d % 2 == 0)
                           for d in shape)
        elif self.layout == "single":
            return tuple(max(d, 1) for d in shape)
        else:
            return True
        n = np.prod([-(-d // c) for d, c in zip(shape, chunks)])
        return chunks if n <= MAX_CHUNKS else \
            tuple(min(max(d, 1), 61) for d in shape)

    def options(self, shape, dtype):
        """Keyword arguments of create_dataset."""
        if self.layout == "contiguous" or 0 in shape and not self.resizable:
            return {}
        chunks = self.chunks_of(shape)
        n = int(np.prod(shape if chunks is True else chunks))
        options = FILTERS[self.filter](self.rng, dtype, n)
        if self.filter.startswith("szip") and chunks is True:
            options["chunks"] = tuple(max(d, 1) for d in shape)
        else:
            options["chunks"] = chunks
        if self.resizable:
            options["maxshape"] = (None,) * len(shape)
        return options

    def write(self, group, name, values, is_data=False):
        """
        Write an array; returns what it is afterwards: where is_data, that is
        with what the layout (fill values) and the filter make of it.
        """
        values = np.asarray(values)
        if is_data and values.size and (
                self.filter == "n-bit" and values.dtype.kind in "iu" or
                self.filter in LOSSY and values.dtype.kind == "f"):
            values = small_numbers(values, self.rng)
        if self.big_endian:
            values = values.astype(values.dtype.newbyteorder(">"))
        if self.layout == "compact" and values.nbytes < 60000:
            write_compact(group, name, values)
            return values
        options = self.options(values.shape, values.dtype)
        if self.filter in LOSSY and not is_data and "chunks" in options:
            options = FILTERS["gzip"](self.rng, values.dtype, values.size)
        if self.filter == "n-bit" and "chunks" in options:
            write_bits(group, name, values, options,
                       is_data and values.dtype.kind in "iu")
            return values
        if self.layout == "unwritten" and is_data and options:
            return self.write_some(group, name, values, options)
        if self.filter in LOSSY and "chunks" in options:
            values = settled(values, options)
        made = group.create_dataset(name, data=values, dtype=values.dtype,
                                    **options)
        if self.masks and made.chunks and values.size:
            mask_chunks(made, values, self.rng)
        return values

    def write_some(self, group, name, values, options):
        """Write half of the chunks; the others are fill value."""
        fill = values.dtype.type(self.rng.integers(0, 2))
        data = group.create_dataset(name, values.shape, values.dtype,
                                    fillvalue=fill, **options)
        out = np.full(values.shape, fill, values.dtype)
        for chunk in np.ndindex(*(-(-d // c) for d, c in zip(
                values.shape, data.chunks))):
            if self.rng.random() < 0.5:
                at = tuple(slice(i * c, min((i + 1) * c, d)) for i, c, d in
                           zip(chunk, data.chunks, values.shape))
                data[at] = out[at] = values[at]
        return out


def settled(values, options):
    """Values of which a filter that loses digits loses no more."""
    for _ in range(9):
        before, values = values, through_filter(values, options)
        if np.array_equal(before, values):
            return values
    raise ValueError("a filter that never settles")


def through_filter(values, options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as f:
        f.create_dataset("x", data=values, dtype=values.dtype, **options)
    with h5py.File(buffer) as f:    # opened anew, or the cache answers
        return f["x"][...]


def create(group, name, dtype, shape, plist, maxshape=None):
    """A dataset of a type and properties that h5py's own call cannot make."""
    parent, _, name = name.rpartition("/")
    group = group.require_group(parent) if parent else group
    return h5py.h5d.create(group.id, name.encode(), dtype,
                           h5py.h5s.create_simple(shape, maxshape), plist)


def write_compact(group, name, values):
    """A dataset whose bytes are in its header."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    values = np.ascontiguousarray(values)
    made = create(group, name, h5py.h5t.py_create(values.dtype, logical=1),
                  values.shape, plist)
    if values.size:
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def write_bits(group, name, values, options, narrow):
    """A dataset with the n-bit filter; narrow: of a type with unused bits."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    chunks = options["chunks"]
    if chunks is True:
        chunks = tuple(max(d, 1) for d in values.shape)
    plist.set_chunk(chunks)
    plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
    values = np.ascontiguousarray(values)
    dtype = h5py.h5t.py_create(values.dtype, logical=1).copy()
    if narrow:
        dtype.set_precision(values.dtype.itemsize * 6)
    maxshape = (h5py.h5s.UNLIMITED,) * values.ndim \
        if "maxshape" in options else None
    made = create(group, name, dtype, values.shape, plist, maxshape)
    if values.size:
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


class Style:
    """The habits of a writer, for all that is not a matrix."""

    def __init__(self, rng, version="0.2.0", strings="mixed",
                 obs_filter="none", attributes="scalar", shape_dtype="int64",
                 index_listed=False):
        self.rng = rng
        self.version = version      # 0.2.0, 0.1.0 (anndata 0.7), compound
        self.strings = strings      # an axis of plans.py
        self.obs_filter = obs_filter
        self.attributes = attributes    # scalar; or array: fixed, of one
        self.shape_dtype = shape_dtype
        self.index_listed = index_listed    # among the columns, too

    def mark(self, obj, encoding, version="0.2.0"):
        for name, text in (("encoding-type", encoding),
                           ("encoding-version", version)):
            obj.attrs[name] = text if self.attributes == "scalar" else \
                np.array([text.encode()], "S%d" % len(text))

    def names(self, texts):
        """The value of an attribute that is a list of names."""
        if not texts:
            return np.zeros(0)
        if self.attributes == "scalar":
            return np.array(texts, object)
        longest = max(len(t.encode()) for t in texts)
        return np.array([t.encode() for t in texts],
                        h5py.string_dtype("utf-8", max(longest, 1)))

    def packing(self, n, dtype):
        """How a column is chunked and compressed."""
        if n == 0 or self.obs_filter == "none" and self.rng.random() < 0.5:
            return {}
        chunk = int(self.rng.integers(1, n + 1)) \
            if self.rng.random() < 0.5 and n < 1000 else n
        name = for_column(self.obs_filter, dtype)
        return dict(FILTERS[name](self.rng, dtype, chunk), chunks=(chunk,))


def mark(obj, encoding, version="0.2.0"):
    """As today's anndata does it."""
    Style(None).mark(obj, encoding, version)


# ---------------------------------------------------------------------------
# Columns
# ---------------------------------------------------------------------------

def string_type(style, raw):
    """
    The type of strings in the file, and whether they have one length.  ASCII
    where that is right, and now and then where it is not.
    """
    strings = style.strings
    if strings in ("mixed", "invalid"):
        strings = ("variable utf-8", "variable utf-8", "fixed utf-8")[
            style.rng.integers(0, 3)]
    longest = max([len(r) for r in raw] + [1])
    if strings.startswith("fixed") and longest >= 1000:
        strings = "variable utf-8"
    ascii_only = all(r.isascii() for r in raw) or style.rng.random() < 0.05
    charset = "ascii" if strings.endswith("ascii") and ascii_only else "utf-8"
    if strings.startswith("variable"):
        return h5py.string_dtype(charset), None
    fixed = h5py.h5t.C_S1.copy()
    fixed.set_size(longest + (strings == "fixed with NUL"))
    fixed.set_strpad(h5py.h5t.STR_NULLTERM if strings == "fixed with NUL"
                     else h5py.h5t.STR_NULLPAD)
    fixed.set_cset(h5py.h5t.CSET_ASCII if charset == "ascii" else
                   h5py.h5t.CSET_UTF8)
    return fixed, fixed.get_size()


def write_strings(group, name, texts, style):
    """Strings of variable or fixed length; lone surrogates are raw bytes."""
    raw = [str(t).encode("utf-8", "surrogateescape") for t in texts]
    dtype, size = string_type(style, raw)
    options = style.packing(len(raw), None if size is None else
                            np.dtype("S%d" % size))
    if size is not None and options and style.obs_filter.startswith("szip"):
        options = {"chunks": options["chunks"]}
    if size is None:
        data = group.create_dataset(name, data=np.array(raw + [None], object)
                                    [:-1], dtype=dtype, **options)
    else:
        data = group.create_dataset(name, shape=(len(raw),),
                                    dtype=h5py.Datatype(dtype), **options)
        if raw:
            data.id.write(h5py.h5s.ALL, h5py.h5s.ALL,
                          np.array(raw, "S%d" % size), dtype)
    style.mark(data, "string-array")
    return data


def write_array(group, name, values, style):
    """Numbers, booleans or strings."""
    values = np.asarray(values)
    if values.dtype.kind in "OUT":
        return write_strings(group, name, values, style)
    if style.rng.random() < 0.1 and values.dtype.kind in "iuf":
        values = values.astype(values.dtype.newbyteorder(">"))
    data = group.create_dataset(name, data=values, dtype=values.dtype,
                                **style.packing(len(values), values.dtype))
    style.mark(data, "array")
    return data


def code_dtype(series, rng):
    """A type for codes: any that has room, unsigned where none is missing."""
    n = len(series.cat.categories)
    dtypes = [t for t in ("i1", "i2", "i4", "i8", ">i2", ">i4")
              if n <= np.iinfo(t).max]
    if len(series) and not series.isna().any():
        dtypes += [t for t in ("u1", "u2", "u4", "u8") if n <= np.iinfo(t).max]
    return np.dtype(dtypes[rng.integers(0, len(dtypes))])


def write_codes(group, name, series, style):
    dtype = code_dtype(series, style.rng)
    return group.create_dataset(
        name, data=series.cat.codes.to_numpy().astype(dtype), dtype=dtype,
        **style.packing(len(series), dtype))


def write_column(group, name, series, style):
    """An obs column as anndata 0.8 and later writes it."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        made = group.create_group(name)
        style.mark(made, "categorical")
        made.attrs["ordered"] = bool(series.cat.ordered)
        write_codes(made, "codes", series, style)
        write_array(made, "categories", series.cat.categories.to_numpy(),
                    style)
    elif isinstance(series.dtype, pd.api.extensions.ExtensionDtype):
        made = group.create_group(name)
        missing = series.isna().to_numpy()
        if isinstance(series.dtype, pd.StringDtype):
            style.mark(made, "nullable-string-array", "0.1.0")
            values = series.fillna("").to_numpy(object)
        elif pd.api.types.is_bool_dtype(series.dtype):
            style.mark(made, "nullable-boolean", "0.1.0")
            values = series.fillna(False).to_numpy(bool)
        else:
            style.mark(made, "nullable-integer", "0.1.0")
            values = series.fillna(1).to_numpy(series.dtype.numpy_dtype)
        write_array(made, "values", values, style)
        made.create_dataset("mask", data=missing,
                            **style.packing(len(series), missing.dtype))
    else:
        write_array(group, name, series.to_numpy(), style)


def write_column_07(group, name, series, style):
    """The same as anndata 0.7 wrote it."""
    if not isinstance(series.dtype, pd.CategoricalDtype):
        data = write_array(group, name, series.to_numpy(), style)
        for attribute in list(data.attrs):
            del data.attrs[attribute]
        return
    categories = write_array(group.require_group("__categories"), name,
                             series.cat.categories.to_numpy(), style)
    for attribute in list(categories.attrs):
        del categories.attrs[attribute]
    categories.attrs["ordered"] = bool(series.cat.ordered)
    write_codes(group, name, series, style).attrs["categories"] = \
        categories.ref


def write_frame(file, path, frame, style):
    """A dataframe as a group."""
    group = file.create_group(path)
    style.mark(group, "dataframe", style.version)
    index = "_index" if style.rng.random() < 0.5 else "cell id"
    if style.index_listed:
        index = "index"
    group.attrs["_index"] = index
    group.attrs["column-order"] = style.names(
        ["index"] * style.index_listed + list(frame.columns))
    write = write_column if style.version == "0.2.0" else write_column_07
    if len(frame) and not style.index_listed and \
            all(t.isdecimal() and t.isascii() for t in frame.index) and \
            all(str(int(t)) == t for t in frame.index):
        write_array(group, index, np.array([int(t) for t in frame.index]),
                    style)
    else:
        write_strings(group, index, frame.index, style)
    for i, name in enumerate(frame.columns):
        write(group, name, frame.iloc[:, i], style)


def write_old_categories(uns, name, series, style):
    """Categories in uns; of one, at times a scalar."""
    categories = series.cat.categories
    name += "_categories"
    if len(categories) == 1 and style.rng.random() < 0.5:
        uns.create_dataset(name, data=categories[0].encode(
            "utf-8", "surrogateescape"), dtype=TEXT)
    else:
        write_strings(uns, name, categories, style)


def write_compound(file, path, frame, style):
    """A dataframe as anndata before 0.7 wrote it: one compound dataset."""
    fields = [("index", TEXT)]
    arrays = [[str(v) for v in frame.index]]
    for i, name in enumerate(frame.columns):
        series = frame.iloc[:, i]
        if isinstance(series.dtype, pd.CategoricalDtype):
            write_old_categories(file.require_group("uns"), name, series,
                                 style)
            values = series.cat.codes.to_numpy()
        else:
            values = series.to_numpy()
        text = values.dtype.kind == "O"
        fields.append((name, TEXT if text else values.dtype))
        arrays.append(values)
    table = np.empty(len(frame), np.dtype(fields))
    for (name, dtype), values in zip(fields, arrays):
        if dtype is TEXT:
            values = [str(v).encode("utf-8", "surrogateescape")
                      for v in values]
        table[name] = values
    file.create_dataset(path, data=table)


# ---------------------------------------------------------------------------
# Matrices and the whole file
# ---------------------------------------------------------------------------

def write_matrix(file, path, matrix, storage, style):
    """A matrix; returns what it is in the file."""
    old = style.version == "compound"
    if isinstance(matrix, pd.DataFrame):
        plain = copy.copy(style)
        plain.index_listed = False
        write_frame(file, path, matrix, plain)
        return matrix
    if not isinstance(matrix, Sparse):
        out = storage.write(file, path, matrix, True)
        if not old:
            style.mark(file[path], "array")
        return out
    group = file.create_group(path)
    shape = np.array(matrix.shape, style.shape_dtype)
    if old:
        group.attrs["h5sparse_format"] = matrix.form
        group.attrs["h5sparse_shape"] = shape
    else:
        style.mark(group, matrix.form + "_matrix", "0.1.0")
        group.attrs["shape"] = shape
    data = storage.write(group, "data", matrix.data, True)
    storage.write(group, "indices", matrix.indices)
    storage.write(group, "indptr", matrix.indptr)
    return Sparse(matrix.indptr, matrix.indices, data, matrix.shape,
                  matrix.form)


def write_anndata(f, content, storage, style):
    """
    Write content into a group, in the style's version.  What the storage
    changes (fill values, digits) is changed in content.
    """
    old = style.version == "compound"
    if not old:
        style.mark(f, "anndata", "0.1.0")
    frames = [("obs", content.obs), ("var", content.var)]
    if content.raw_var_names is not None:
        frames.append(("raw.var" if old else "raw/var",
                       pd.DataFrame(index=content.raw_var_names)))
    for name, frame in frames:
        (write_compound if old else write_frame)(f, name, frame, style)
    for layer, matrix in content.matrices.items():
        place = "raw.X" if old and layer == "raw/X" else layer
        content.matrices[layer] = write_matrix(f, place, matrix, storage,
                                               style)
    for name, matrix in content.obsm.items():
        content.obsm[name] = write_matrix(f, "obsm/" + name, matrix, storage,
                                          style)


MUDATA_WORDS = b"MuData (format-version=0.1.0;creator=muon;" \
    b"creator-version=0.2.0)"


def write_file(path, content, storage, style, libver="earliest", userblock=0,
               group=""):
    """
    Write content as a whole file, or (group) as one modality of MuData beside
    another.
    """
    with h5py.File(path, "w", libver=(libver, "v110"),
                   userblock_size=userblock) as f:
        if not group:
            write_anndata(f, content, storage, style)
            return
        style.mark(f, "MuData", "0.1.0")
        for name in ("obs", "var"):
            write_frame(f, name, pd.DataFrame(index=["of", "all"]),
                        Style(style.rng))
        other = pd.DataFrame(index=["another", "modality"])
        made = f.create_group("mod/other")
        mark(made, "anndata", "0.1.0")
        for name in ("obs", "var"):
            write_frame(made, name, other, Style(style.rng))
        mark(made.create_dataset("X", data=np.ones((2, 2))), "array")
        f["mod"].attrs["mod-order"] = np.array(["other", group[4:]], object)
        write_anndata(f.create_group(group), content, storage, style)
    if userblock:
        with open(path, "r+b") as f:
            f.write(MUDATA_WORDS)
