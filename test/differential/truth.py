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

    def __init__(self, indptr, indices, values, n_cols, sparse):
        self.indptr = indptr
        self.indices = indices
        self.values = values
        self.n_cols = n_cols
        self.sparse = sparse        # stored as CSR in the file
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
        self.obs_names = list(obs_names)
        self.columns = columns      # name -> Column, in order
        self.var_names = {"X": list(var_names)}     # layer -> genes
        self.matrices = {}          # layer -> Rows; absent: no X
        self.obsm = {}              # name -> float32 array of 2 dimensions
        self.refused = {}           # layer -> (SQLSTATE, words of the message)
        self.refused_obsm = {}      # name -> the same

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


def rows_of_csr(indptr, indices, values, n_cols):
    """
    Rows of CSR arrays: float32, sorted by column, duplicates summed in the
    type of the values, explicit zeros kept.
    """
    indptr = np.asarray(indptr).astype(np.int64)
    indices = np.asarray(indices).astype(np.int64)
    values = summable(values)
    n = len(indptr) - 1
    rows = np.repeat(np.arange(n), np.diff(indptr))
    order = np.lexsort((np.arange(len(indices)), indices, rows))
    rows, indices, values = rows[order], indices[order], values[order]
    new = np.ones(len(indices), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (indices[1:] != indices[:-1])
    if not new.all():
        starts = np.flatnonzero(new)
        values = np.add.reduceat(values, starts) if len(starts) else values
        rows, indices = rows[starts], indices[starts]
    counts = np.bincount(rows, minlength=n)
    return Rows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
                indices.astype(np.int32), float32(values), n_cols,
                True)


def rows_of_dense(values):
    """Rows of a dense matrix: the entries that are not zero."""
    values = float32(values)
    rows, cols = np.nonzero(values)
    counts = np.bincount(rows, minlength=len(values))
    return Rows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
                cols.astype(np.int32), values[rows, cols], values.shape[1],
                False)


def rows_of_matrix(matrix):
    """Rows of anything that anndata gives for X or a layer."""
    if sp.issparse(matrix):
        if matrix.format != "csr":
            raise TypeError("matrix in %s form" % matrix.format)
        return rows_of_csr(matrix.indptr, matrix.indices, matrix.data,
                           matrix.shape[1])
    return rows_of_dense(np.asarray(matrix))


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
    return [str(c) for c in categories]


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
    return Column("text", [None if m else str(v)
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
            columns[str(name)] = column
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
        truth.var_names["raw/X"] = [str(v) for v in adata.raw.var_names]
    for layer, matrix in matrices.items():
        if sp.issparse(matrix) and matrix.format == "csc":
            truth.refused[layer] = ("0A000", 'matrix "%s"' % layer)
        else:
            truth.matrices[layer] = rows_of_matrix(matrix)
    for name, matrix in adata.obsm.items():
        if sp.issparse(matrix) or isinstance(matrix, pd.DataFrame):
            truth.refused_obsm[name] = ("0A000", 'obsm "%s"' % name)
        else:
            matrix = float32(matrix)
            truth.obsm[name] = matrix if matrix.ndim > 1 else matrix[:, None]
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


def join_genes(axes, join):
    """Names of the joint axis, and for each file its columns in it or -1."""
    if all(a == axes[0] for a in axes):
        return list(axes[0]), [np.arange(len(axes[0]))] * len(axes)
    for axis in axes:
        if len(set(axis)) < len(axis):
            raise NoJoin("twice")
    if join == "inner":
        common = set(axes[0]).intersection(*axes[1:])
        joint = [g for g in axes[0] if g in common]
        if not joint and all(axes):
            raise NoJoin("no gene in common")
    else:
        joint = list(dict.fromkeys(g for axis in axes for g in axis))
    place = {g: i for i, g in enumerate(joint)}
    return joint, [np.array([place.get(g, -1) for g in a], np.int64)
                   for a in axes]


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

    def __init__(self, truths, layer, join, float_text):
        self.truths = truths
        self.layer = layer
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
                                           join)
        # no file has the layer: no columns for it
        self.has_columns = any(layer in t.matrices for t in truths)
        self.has_matrix = all(layer in t.matrices for t in truths)
        self.rows = self._join_rows() if self.has_matrix else None
        self.missing_in = self._missing()

    def _missing(self):
        """For each gene of the axis the files that lack it."""
        has = np.zeros((len(self.truths), len(self.genes)), bool)
        for f, mapping in enumerate(self.maps):
            has[f, mapping[mapping >= 0]] = True
        return [np.flatnonzero(~column).tolist() for column in has.T]

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
                    np.concatenate(values), len(self.genes), True)

    def gene_column(self, gene):
        """Values of a gene, and the rows whose file lacks it."""
        place = self.genes.index(gene)
        at = self.rows.indices == place
        rows = np.repeat(np.arange(self.n_obs), np.diff(self.rows.indptr))
        values = np.zeros(self.n_obs, np.float32)
        values[rows[at]] = self.rows.values[at]
        return values, np.isin(self.file_index, self.missing_in[place])
