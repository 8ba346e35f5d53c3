"""
truth.py
        What a file holds, in the terms of a collection: the expectation.

Made from what anndata reads (or from what a generator wrote), by the rules
that the documentation states, with pandas, numpy and scipy: no code and no
algorithm is shared with the extension.
"""
import numpy as np
import pandas as pd
import scipy.sparse as sp

NAME_BYTES = 63                 # of an SQL name
FIELDS = ("row_index", "file_index", "obs_name", "x", "x_indices", "x_values")
SYSTEM_COLUMNS = ("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax")
SQL_TYPES = {"bool": "boolean", "int": "bigint", "float": "double precision",
             "text": "text"}


class Column:
    """One obs column of one file."""

    def __init__(self, kind, values, missing=None, width=8):
        self.kind = kind            # bool, int, float, text
        # text: list of str or None; else numpy array
        self.values = values
        if missing is None:
            missing = np.fromiter((v is None for v in values), bool,
                                  len(values)) if kind == "text" else \
                np.zeros(len(values), bool)
        self.missing = missing
        self.width = width          # float: bytes in the file


class Rows:
    """A matrix by rows, as the server shows it: float32, ascending columns."""

    def __init__(self, indptr, indices, values, n_cols, encoding,
                 entries=None):
        self.indptr = indptr
        self.indices = indices
        self.values = values
        self.n_cols = n_cols
        self.encoding = encoding    # in the file: csr, csc, dense
        # what is stored, before duplicates are summed: rows, columns and
        # values, in the order of the file
        self.entries = entries
        self.n_rows = len(indptr) - 1

    def dense(self):
        out = np.zeros((self.n_rows, self.n_cols), np.float32)
        rows = np.repeat(np.arange(self.n_rows), np.diff(self.indptr))
        out[rows, self.indices] = self.values
        return out


class Truth:
    """One file."""

    def __init__(self, path, obs_names, columns, var_names):
        self.path = path
        self.group = ""             # where in the file it is
        self.obs_names = [clean(n) for n in obs_names]
        self.columns = columns      # name -> Column, in order
        # layer -> genes
        self.var_names = {"X": [clean(n) for n in var_names]}
        self.matrices = {}          # layer -> Rows; absent: no X
        self.obsm = {}              # name -> float32 array of 2 dimensions
        # obsm name -> (SQLSTATE, words of the message)
        self.refused_obsm = {}

    @property
    def n_obs(self):
        return len(self.obs_names)

    def genes(self, layer):
        return self.var_names.get(layer, self.var_names["X"])


def float32(values):
    """Rounded to float32, as declared for wider types."""
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(np.float32)


def summable(values):
    """Values in a type in which no sum of the tests' integers wraps around."""
    values = np.asarray(values)
    if values.dtype.kind in "bu":
        return values.astype(np.uint64)
    if values.dtype.kind == "i":
        return values.astype(np.int64)
    return values if values.dtype.itemsize == 8 else float32(values)


def rounded(number):
    """An integer of any size as float32, rounded once."""
    shift = max(abs(number).bit_length() - 63, 0)
    high = abs(number) >> shift
    if high << shift != abs(number):
        high |= 1                   # what was cut off breaks a tie
    value = np.ldexp(np.uint64(high).astype(np.float32), shift)
    return -value if number < 0 else value


def added_up(values, starts):
    """
    The sum of each run of values, in their order and type, as float32;
    integers are summed exactly.
    """
    ends = np.append(starts[1:], len(values))
    out = float32(values[starts])
    for i in np.flatnonzero(ends - starts > 1):
        run = values[starts[i]:ends[i]]
        if run.dtype.kind in "iu":
            out[i] = rounded(sum(int(v) for v in run))
            continue
        total = run[0]
        with np.errstate(all="ignore"):
            for v in run[1:]:
                total = total + v
            out[i] = np.float32(total)
    return out


def rows_of_entries(n_rows, n_cols, rows, cols, values, encoding):
    """
    Rows of entries in the order of the file: sorted by row and column,
    duplicates summed in the type of the values, explicit zeros kept.
    """
    entries = (rows, cols, values)
    order = np.lexsort((cols, rows))    # which is stable
    rows, cols, values = rows[order], cols[order], values[order]
    new = np.ones(len(cols), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    starts = np.flatnonzero(new)
    counts = np.bincount(rows[starts], minlength=n_rows)
    return Rows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
                cols[starts].astype(np.int32), added_up(values, starts),
                n_cols, encoding, entries)


def rows_of_sparse(indptr, indices, values, shape, encoding):
    """Rows of the arrays of a CSR or CSC matrix."""
    indptr = np.asarray(indptr).astype(np.int64)
    indices = np.asarray(indices).astype(np.int64)
    major = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    rows, cols = (major, indices) if encoding == "csr" else (indices, major)
    return rows_of_entries(*shape, rows, cols, summable(values), encoding)


def rows_of_dense(values):
    """Rows of a dense matrix: the entries that are not zero."""
    rows, cols = np.nonzero(float32(values))
    return rows_of_entries(*values.shape, rows, cols,
                           summable(values)[rows, cols], "dense")


def rows_of_matrix(matrix):
    """Rows of anything that anndata gives for X or a layer."""
    if sp.issparse(matrix):
        return rows_of_sparse(matrix.indptr, matrix.indices, matrix.data,
                              matrix.shape, matrix.format)
    return rows_of_dense(np.asarray(matrix))


def numbers_of_obsm(matrix):
    """
    An element of obsm, dense, as float32; None for what is no matrix of
    numbers.  A dataframe's numbers are those of its columns, NaN if missing.
    """
    if sp.issparse(matrix):
        return rows_of_matrix(matrix).dense()
    if isinstance(matrix, pd.DataFrame):
        if not all(pd.api.types.is_numeric_dtype(t) for t in matrix.dtypes):
            return None
        columns = [matrix.iloc[:, i].astype("Float64").to_numpy(
            np.float64, na_value=np.nan) for i in range(matrix.shape[1])]
        return float32(np.array(columns).reshape(
            matrix.shape[1], len(matrix)).T)
    matrix = float32(matrix)
    return matrix if matrix.ndim > 1 else matrix[:, None]


def clean(text):
    """
    Text as PostgreSQL can take it; what is not UTF-8 comes as lone surrogates
    of Python's, and goes as U+FFFD.  (Old strings that are ASCII, anndata
    gives as bytes.)
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    text = str(text)
    return text.encode("utf-8", "surrogateescape").decode(
        "utf-8", "replace").replace("\0", "\ufffd")


def category_texts(categories, float_text):
    """The text of categories: of numbers and booleans, what SQL prints."""
    dtype = categories.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return ["true" if c else "false" for c in categories]
    if pd.api.types.is_integer_dtype(dtype):
        return [str(int(c)) for c in categories]
    if pd.api.types.is_float_dtype(dtype):
        return float_text([float(c) for c in categories],
                          4 if dtype.itemsize <= 4 else 8)
    return [clean(c) for c in categories]


def column_of_series(series, float_text):
    """A Column of a pandas column; None for what a collection leaves out."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        texts = category_texts(series.cat.categories, float_text) + [None]
        return Column("text", [texts[c] for c in series.cat.codes])
    if isinstance(dtype, pd.api.extensions.ExtensionDtype) and \
            not isinstance(dtype, pd.StringDtype):
        missing = np.asarray(series.isna())
        if pd.api.types.is_bool_dtype(dtype):
            return Column("bool", np.asarray(series.fillna(False), bool),
                          missing)
        if pd.api.types.is_integer_dtype(dtype):
            return int_column(np.asarray(
                series.fillna(0).astype(dtype.numpy_dtype)), missing)
        raise TypeError("dtype %s" % dtype)
    if pd.api.types.is_bool_dtype(dtype):
        return Column("bool", np.asarray(series, bool))
    if pd.api.types.is_integer_dtype(dtype):
        return int_column(np.asarray(series), None)
    if pd.api.types.is_float_dtype(dtype):
        width = 4 if dtype.itemsize <= 4 else 8
        return Column("float", np.asarray(series, np.float64), width=width)
    missing = np.asarray(series.isna())
    return Column("text", [None if m else clean(v)
                           for v, m in zip(series, missing)])


def int_column(values, missing):
    """Integers; None if bigint has no room for one."""
    if values.dtype.kind == "u" and len(values) and \
            int(values.max()) > np.iinfo(np.int64).max:
        return None
    return Column("int", values.astype(np.int64), missing)


def columns_of_frame(frame, float_text):
    """Columns of a dataframe, in order, without what is left out."""
    columns = {}
    for i, name in enumerate(frame.columns):
        column = column_of_series(frame.iloc[:, i], float_text)
        if column is not None:
            columns[clean(name)] = column
    return columns


def truth_of_anndata(path, adata, float_text):
    """What anndata has read, in our terms."""
    truth = Truth(path, map(str, adata.obs_names),
                  columns_of_frame(adata.obs, float_text),
                  map(str, adata.var_names))
    matrices = {"layers/" + k: v for k, v in adata.layers.items()}
    if adata.X is not None:
        matrices["X"] = adata.X
    if adata.raw is not None:
        matrices["raw/X"] = adata.raw.X
        truth.var_names["raw/X"] = [
            clean(v) for v in adata.raw.var_names]
    for layer, matrix in matrices.items():
        truth.matrices[layer] = rows_of_matrix(matrix)
    for name, matrix in adata.obsm.items():
        numbers = numbers_of_obsm(matrix)
        if numbers is None:
            truth.refused_obsm[name] = ("0A000", 'obsm "%s"' % name)
        else:
            truth.obsm[name] = numbers
    return truth


# ---------------------------------------------------------------------------
# Several files as one
# ---------------------------------------------------------------------------

def joint_type(kinds):
    """The SQL type of a column that has these types in its files."""
    kinds = set(kinds)
    if len(kinds) == 1:
        return kinds.pop()
    return "float" if kinds == {"int", "float"} else "text"


def as_kind(column, kind, float_text):
    """A column in the joint type."""
    if column.kind == kind:
        return column
    if kind == "float":
        return Column("float", column.values.astype(np.float64),
                      column.missing)
    missing = column.missing.copy()
    if column.kind == "bool":
        texts = ["true" if v else "false" for v in column.values]
    elif column.kind == "int":
        texts = [str(int(v)) for v in column.values]
    else:
        missing |= np.isnan(column.values)
        texts = float_text(column.values.tolist(), column.width)
    return Column("text", [None if m else t for t, m in zip(texts, missing)])


class NoJoin(Exception):
    """The gene axes cannot be joined; the argument is a word of the error."""


def join_genes(axes, join, duplicates="error"):
    """
    Names of the joint axis, and for each file its columns in it or -1.  Of
    several columns of a name, "first" takes the first and "sum" all; they are
    an error, unless all axes are equal and joined by position.
    """
    if duplicates == "error" and all(a == axes[0] for a in axes):
        return list(axes[0]), [np.arange(len(axes[0]))] * len(axes)
    for axis in axes:
        if len(set(axis)) < len(axis) and duplicates == "error":
            raise NoJoin("twice")
    if join == "inner":
        common = set(axes[0]).intersection(*axes[1:])
        joint = [g for g in dict.fromkeys(axes[0]) if g in common]
        if not joint and all(axes):
            raise NoJoin("no gene in common")
    else:
        joint = list(dict.fromkeys(g for axis in axes for g in axis))
    place = {g: i for i, g in enumerate(joint)}
    maps = []
    for axis in axes:
        mapping = np.array([place.get(g, -1) for g in axis], np.int64)
        if duplicates == "first":
            seen = pd.Series(axis, dtype=object).duplicated().to_numpy(bool)
            mapping[seen] = -1
        maps.append(mapping)
    return joint, maps


def clip(text):
    """Cut to the length of an SQL name, between characters."""
    data = text.encode()[:NAME_BYTES]
    return data.decode("utf-8", "ignore")


class Names:
    """SQL names of columns, as create_collection promises to choose them."""

    def __init__(self):
        self.taken = list(FIELDS[:3])

    def choose(self, source, prefix):
        name = clip(source)
        if name in FIELDS or self._is_taken(name):
            number = 1
            while True:
                suffix = "_%d" % number if number > 1 else ""
                full = (prefix + "_" + source).encode()
                name = full[:NAME_BYTES - len(suffix)].decode(
                    "utf-8", "ignore") + suffix
                if not self._is_taken(name):
                    break
                number += 1
        self.taken.append(name)
        return name

    def _is_taken(self, name):
        return name in self.taken or name in SYSTEM_COLUMNS or not name


class Expected:
    """A collection of files, as the server should show it."""

    def __init__(self, truths, layer, join, float_text, duplicates="error"):
        self.truths = truths
        self.layer = layer
        self.join = join
        self.duplicates = duplicates
        self.starts = np.concatenate(
            [[0], np.cumsum([t.n_obs for t in truths])]).astype(np.int64)
        self.n_obs = int(self.starts[-1])
        self.obs_names = [n for t in truths for n in t.obs_names]
        self.file_index = np.repeat(np.arange(len(truths)),
                                    np.diff(self.starts))
        self.columns = {}           # obs name -> Column over all rows
        for name in dict.fromkeys(n for t in truths for n in t.columns):
            self.columns[name] = self._join_column(name, float_text)
        self.genes, self.maps = join_genes([t.genes(layer) for t in truths],
                                           join, duplicates)
        # no file has the layer: no columns for it
        self.has_columns = any(layer in t.matrices for t in truths)
        self.has_matrix = all(layer in t.matrices for t in truths)
        self.rows = self._join_rows() if self.has_matrix else None
        # which file (row) has which gene of the axis (column)
        self.measured = np.zeros((len(truths), len(self.genes)), bool)
        for f, mapping in enumerate(self.maps):
            self.measured[f, mapping[mapping >= 0]] = True
        self.missing_in = [np.flatnonzero(~column).tolist()
                           for column in self.measured.T]

    def _join_column(self, name, float_text):
        kind = joint_type(t.columns[name].kind for t in self.truths
                          if name in t.columns)
        values = []
        missing = []
        for t in self.truths:
            if name not in t.columns:
                missing.append(np.ones(t.n_obs, bool))
                values.append([None] * t.n_obs if kind == "text" else
                              np.zeros(t.n_obs))
                continue
            part = as_kind(t.columns[name], kind, float_text)
            values.append(part.values)
            missing.append(part.missing)
        missing = np.concatenate(missing)
        if kind == "text":
            return Column("text", [v for part in values for v in part],
                          missing)
        dtype = {"bool": bool, "int": np.int64, "float": np.float64}[kind]
        return Column(kind, np.concatenate([p.astype(dtype) for p in values]),
                      missing)

    def _join_rows(self):
        lengths = [np.zeros(1, np.int64)]
        indices = []
        values = []
        for truth, mapping in zip(self.truths, self.maps):
            rows = truth.matrices[self.layer]
            if rows.n_cols != len(mapping):
                raise AssertionError("%s: %d columns, but %d genes" % (
                    truth.path, rows.n_cols, len(mapping)))
            kept = mapping[mapping >= 0]
            if len(set(kept.tolist())) < len(kept):
                # several columns are one: what is stored is summed anew
                at, cols, stored = rows.entries
                keep = mapping[cols] >= 0
                rows = rows_of_entries(
                    rows.n_rows, len(self.genes), at[keep],
                    mapping[cols[keep]], stored[keep], rows.encoding)
                mapping = np.arange(len(self.genes))
            joint = mapping[rows.indices]
            keep = joint >= 0
            row_of = np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr))
            row_of, joint, kept = row_of[keep], joint[keep], rows.values[keep]
            order = np.lexsort((joint, row_of))
            indices.append(joint[order])
            values.append(kept[order])
            lengths.append(np.bincount(row_of, minlength=rows.n_rows))
        return Rows(np.cumsum(np.concatenate(lengths)).astype(np.int64),
                    np.concatenate(indices).astype(np.int32),
                    np.concatenate(values), len(self.genes), None)

    def gene_column(self, gene):
        """Values of a gene, and the rows whose file lacks it."""
        place = self.genes.index(gene)
        at = self.rows.indices == place
        rows = np.repeat(np.arange(self.n_obs), np.diff(self.rows.indptr))
        values = np.zeros(self.n_obs, np.float32)
        values[rows[at]] = self.rows.values[at]
        return values, np.isin(self.file_index, self.missing_in[place])
