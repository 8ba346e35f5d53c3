"""
h5write.py
        h5ad files as other writers make them: any layout of HDF5, any
        encoding of AnnData, past and present.
"""
import h5py
import numpy as np
import pandas as pd

from content import Sparse

TEXT = h5py.string_dtype()


class Storage:
    """How a numeric dataset is laid out in the file."""

    def __init__(self, rng, layout="default", compression=None, level=4,
                 shuffle=False, fletcher32=False, big_endian=False,
                 resizable=False):
        self.rng = rng
        self.layout = layout        # default, tiny, giant, contiguous,
                                    # compact, unwritten
        self.compression = compression
        self.level = level
        self.shuffle = shuffle
        self.fletcher32 = fletcher32
        self.big_endian = big_endian
        self.resizable = resizable

    def options(self, shape):
        """Keyword arguments of create_dataset."""
        if self.layout == "contiguous" or 0 in shape and not self.resizable:
            return {}
        options = {"shuffle": self.shuffle, "fletcher32": self.fletcher32}
        if self.compression == "gzip":
            options.update(compression="gzip", compression_opts=self.level)
        elif self.compression:
            options["compression"] = self.compression
        if self.resizable:
            options["maxshape"] = (None,) * len(shape)
        if self.layout in ("tiny", "unwritten"):
            options["chunks"] = tuple(
                int(self.rng.integers(1, min(d, 9) + 1)) if d else 1
                for d in shape)
            if np.prod([d // c + 1 for d, c in zip(
                    shape, options["chunks"])]) > 3000:
                options["chunks"] = tuple(min(max(d, 1), 61) for d in shape)
        elif self.layout == "giant":
            options["chunks"] = tuple(max(d, 1) for d in shape)
        else:
            options["chunks"] = True
        return options

    def write(self, group, name, values, may_be_unwritten=False):
        """
        Write an array; returns what it is afterwards (with fill values, where
        the layout is unwritten).
        """
        values = np.asarray(values)
        if self.big_endian:
            values = values.astype(values.dtype.newbyteorder(">"))
        if self.layout == "compact" and values.nbytes < 60000:
            write_compact(group, name, values)
            return values
        options = self.options(values.shape)
        if self.layout == "unwritten" and may_be_unwritten and options:
            return self.write_some(group, name, values, options)
        group.create_dataset(name, data=values, dtype=values.dtype, **options)
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


def write_compact(group, name, values):
    """A dataset whose bytes are in its header."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    values = np.ascontiguousarray(values)
    parent, _, name = name.rpartition("/")
    group = group.require_group(parent) if parent else group
    made = h5py.h5d.create(
        group.id, name.encode(), h5py.h5t.py_create(values.dtype, logical=1),
        h5py.h5s.create_simple(values.shape), plist)
    if values.size:
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def mark(obj, encoding, version="0.2.0"):
    obj.attrs["encoding-type"] = encoding
    obj.attrs["encoding-version"] = version


# ---------------------------------------------------------------------------
# Columns
# ---------------------------------------------------------------------------

def packing(rng, n):
    """How a column is chunked and compressed, if it is."""
    if n == 0 or rng.random() < 0.5:
        return {}
    options = {"chunks": (int(rng.integers(1, n + 1)),)} \
        if rng.random() < 0.5 and n < 1000 else {"chunks": True}
    compression = (None, "gzip", "lzf")[rng.integers(0, 3)]
    if compression:
        options["compression"] = compression
    return dict(options, shuffle=bool(rng.random() < 0.5),
                fletcher32=bool(rng.random() < 0.3))


def write_strings(group, name, texts, rng):
    """Strings of variable or, at times, of fixed length."""
    texts = [str(t) for t in texts]
    longest = max([len(t.encode()) for t in texts] + [1])
    options = packing(rng, len(texts))
    if rng.random() < 0.3 and longest < 1000:
        data = group.create_dataset(name, data=np.array(
            [t.encode() for t in texts], h5py.string_dtype("utf-8", longest)),
            **options)
    else:
        options.pop("fletcher32", None)     # not for variable length
        data = group.create_dataset(name, data=np.array(texts, object),
                                    dtype=TEXT, shape=(len(texts),), **options)
    mark(data, "string-array")
    return data


def write_array(group, name, values, rng):
    """Numbers, booleans or strings."""
    values = np.asarray(values)
    if values.dtype.kind in "OUT":
        return write_strings(group, name, values, rng)
    if rng.random() < 0.1 and values.dtype.kind in "iuf":
        values = values.astype(values.dtype.newbyteorder(">"))
    data = group.create_dataset(name, data=values, dtype=values.dtype,
                                **packing(rng, len(values)))
    mark(data, "array")
    return data


def code_dtype(series, rng):
    """A type for codes: any that has room, unsigned where none is missing."""
    n = len(series.cat.categories)
    dtypes = [t for t in ("i1", "i2", "i4", "i8", ">i2", ">i4")
              if n <= np.iinfo(t).max]
    if len(series) and not series.isna().any():
        dtypes += [t for t in ("u1", "u2", "u4", "u8") if n <= np.iinfo(t).max]
    return dtypes[rng.integers(0, len(dtypes))]


def write_column(group, name, series, rng):
    """An obs column as anndata 0.8 and later writes it."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        made = group.create_group(name)
        mark(made, "categorical")
        made.attrs["ordered"] = bool(series.cat.ordered)
        made.create_dataset("codes", data=series.cat.codes.to_numpy().astype(
            code_dtype(series, rng)), **packing(rng, len(series)))
        write_array(made, "categories", series.cat.categories.to_numpy(), rng)
    elif isinstance(series.dtype, pd.api.extensions.ExtensionDtype):
        made = group.create_group(name)
        missing = series.isna().to_numpy()
        if isinstance(series.dtype, pd.StringDtype):
            mark(made, "nullable-string-array", "0.1.0")
            values = series.fillna("").to_numpy(object)
        elif pd.api.types.is_bool_dtype(series.dtype):
            mark(made, "nullable-boolean", "0.1.0")
            values = series.fillna(False).to_numpy(bool)
        else:
            mark(made, "nullable-integer", "0.1.0")
            values = series.fillna(1).to_numpy(series.dtype.numpy_dtype)
        write_array(made, "values", values, rng)
        made.create_dataset("mask", data=missing, **packing(rng, len(series)))
    else:
        write_array(group, name, series.to_numpy(), rng)


def write_column_07(group, name, series, rng):
    """The same as anndata 0.7 wrote it."""
    if not isinstance(series.dtype, pd.CategoricalDtype):
        data = write_array(group, name, series.to_numpy(), rng)
        for attribute in list(data.attrs):
            del data.attrs[attribute]
        return
    categories = write_array(group.require_group("__categories"), name,
                             series.cat.categories.to_numpy(), rng)
    for attribute in list(categories.attrs):
        del categories.attrs[attribute]
    categories.attrs["ordered"] = bool(series.cat.ordered)
    data = group.create_dataset(name, data=series.cat.codes.to_numpy().astype(
        code_dtype(series, rng)), **packing(rng, len(series)))
    data.attrs["categories"] = categories.ref


def write_frame(file, path, frame, rng, version):
    """A dataframe as a group."""
    group = file.create_group(path)
    mark(group, "dataframe", version)
    index = "_index" if rng.random() < 0.5 else "cell id"
    group.attrs["_index"] = index
    group.attrs["column-order"] = np.array(list(frame.columns), object) \
        if len(frame.columns) else np.zeros(0)
    write = write_column if version == "0.2.0" else write_column_07
    if len(frame) and all(t.isdecimal() and t.isascii() for t in frame.index) \
            and all(str(int(t)) == t for t in frame.index):
        write_array(group, index, np.array([int(t) for t in frame.index]), rng)
    else:
        write_strings(group, index, frame.index, rng)
    for i, name in enumerate(frame.columns):
        write(group, name, frame.iloc[:, i], rng)


def write_compound(file, path, frame, rng):
    """A dataframe as anndata before 0.7 wrote it: one compound dataset."""
    fields = [("index", TEXT)]
    arrays = [np.array([str(v) for v in frame.index], object)]
    for i, name in enumerate(frame.columns):
        series = frame.iloc[:, i]
        if isinstance(series.dtype, pd.CategoricalDtype):
            write_strings(file.require_group("uns"), name + "_categories",
                          series.cat.categories, rng)
            values = series.cat.codes.to_numpy()
        else:
            values = series.to_numpy()
        text = values.dtype.kind == "O"
        fields.append((name, TEXT if text else values.dtype))
        arrays.append(values)
    table = np.empty(len(frame), np.dtype(fields))
    for (name, _), values in zip(fields, arrays):
        table[name] = values
    file.create_dataset(path, data=table)


# ---------------------------------------------------------------------------
# Matrices and the whole file
# ---------------------------------------------------------------------------

def write_matrix(file, path, matrix, storage, old):
    """A matrix; returns what it is in the file."""
    if not isinstance(matrix, Sparse):
        out = storage.write(file, path, matrix, True)
        if not old:
            mark(file[path], "array")
        return out
    group = file.create_group(path)
    if old:
        group.attrs["h5sparse_format"] = "csr"
        group.attrs["h5sparse_shape"] = np.array(matrix.shape)
    else:
        mark(group, "csr_matrix", "0.1.0")
        group.attrs["shape"] = np.array(matrix.shape)
    data = storage.write(group, "data", matrix.data, True)
    storage.write(group, "indices", matrix.indices)
    storage.write(group, "indptr", matrix.indptr)
    return Sparse(matrix.indptr, matrix.indices, data, matrix.shape)


def write_file(path, content, rng, storage, version, libver, userblock):
    """
    Write content; version is "0.2.0", "0.1.0" (anndata 0.7) or "compound".
    What the layout changes (fill values) is changed in content.
    """
    old = version == "compound"
    with h5py.File(path, "w", libver=(libver, "v110"),
                   userblock_size=userblock) as f:
        if not old:
            mark(f, "anndata", "0.1.0")
        frames = [("obs", content.obs), ("var", content.var)]
        if content.raw_var_names is not None:
            frames.append(("raw.var" if old else "raw/var",
                           pd.DataFrame(index=content.raw_var_names)))
        for name, frame in frames:
            if old:
                write_compound(f, name, frame, rng)
            else:
                write_frame(f, name, frame, rng, version)
        for layer, matrix in content.matrices.items():
            place = "raw.X" if old and layer == "raw/X" else layer
            content.matrices[layer] = write_matrix(f, place, matrix, storage,
                                                   old)
        for name, values in content.obsm.items():
            content.obsm[name] = storage.write(f, "obsm/" + name, values, True)
