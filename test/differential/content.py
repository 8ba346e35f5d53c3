"""
content.py
        What a made-up file holds: obs columns of every kind, matrices of every
        kind, names that bite.
"""
import numpy as np
import pandas as pd
import scipy.sparse as sp

from truth import (Truth, clean, columns_of_frame, numbers_of_obsm,
                   rows_of_dense, rows_of_sparse)

# Names of obs columns that something could trip over
NAMES = (
    "plain", "has space", 'quo"te', "apo'strophe", "Ünïcödé", "細胞型", "UPPER",
    "Mixed Case", "with/slash", "deep/er/slash", "n" * 63, "n" * 64, "n" * 70,
    "é" * 40, "a" + "é" * 40, "x", "x_indices", "x_values", "row_index",
    "file_index", "obs_name", "obs_x", "obs_row_index", "select", "ctid",
    "tableoid", "semi;colon", "back\\slash", "per%cent%s", "dol$lar", "$1",
    "new\nline", "tab\t", ":colon", "::text", "--comment", "com/*ment",
    "{brace}", "com,ma", " leading", "trailing ", "ß", "ﬃ", "🧬 gene",
    "\u00e9", "e\u0301", "0digit",
    "NULL", "values", "codes", "categories", "mask", "obs_x_2", "-1", "ª",
)

STRINGS = ("", " ", "a", "B cell", "naïve", "T細胞", "🧬", "quo\"te", "it's",
           "back\\slash", "new\nline", "tab\t", "NULL", "null", "nan", "NaN",
           "None", "{}", "1", "1.0", "true", "\u00e9", "e\u0301", "z" * 300,
           "\\N")

# Bytes that are no UTF-8, as Python has them in a str
INVALID = tuple(b.decode("utf-8", "surrogateescape") for b in (
    b"\xff", b"caf\xe9", b"\xc3", b"a\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf",
    b"\xf0\x9f\xa7 gene", b"\xfe\xff", b"ok"))


class Sparse:
    """CSR or CSC arrays as they go into the file, canonical or not."""

    def __init__(self, indptr, indices, data, shape, form="csr"):
        self.indptr = indptr
        self.indices = indices
        self.data = data
        self.shape = shape
        self.form = form

    def rows(self):
        return rows_of_sparse(self.indptr, self.indices, self.data,
                              self.shape, self.form)

    def scipy(self):
        """As scipy's matrix, with the arrays as they are."""
        make = sp.csr_matrix if self.form == "csr" else sp.csc_matrix
        matrix = make(self.shape, dtype=self.data.dtype)
        matrix.data, matrix.indices = self.data, self.indices
        matrix.indptr = self.indptr
        return matrix


def given(matrix):
    """A matrix as anndata takes it."""
    return matrix.scipy() if isinstance(matrix, Sparse) else matrix


class Content:
    """A whole file."""

    def __init__(self, obs, var_names, var=None):
        self.obs = obs              # dataframe; its index: obs_names
        self.var_names = var_names
        self.var = pd.DataFrame(index=var_names) if var is None else var
        self.matrices = {}          # "X", "raw/X", "layers/..": Sparse, array
        self.raw_var_names = None
        self.obsm = {}              # name -> array, Sparse or dataframe

    def truth(self, path, float_text):
        truth = Truth(path, map(str, self.obs.index),
                      columns_of_frame(self.obs, float_text), self.var_names)
        for layer, matrix in self.matrices.items():
            truth.matrices[layer] = matrix.rows() \
                if isinstance(matrix, Sparse) else rows_of_dense(matrix)
        if self.raw_var_names is not None:
            truth.var_names["raw/X"] = [clean(n) for n in self.raw_var_names]
        truth.obsm = {k: v.rows().dense() if isinstance(v, Sparse) else
                      numbers_of_obsm(v) for k, v in self.obsm.items()}
        return truth


# ---------------------------------------------------------------------------
# obs columns
# ---------------------------------------------------------------------------

def codes(rng, n, n_categories, missing=True):
    low = -1 if missing or not n_categories else 0
    return rng.integers(low, max(n_categories, low + 1), n)


def categorical(rng, n, categories, ordered=False, missing=True):
    return pd.Series(pd.Categorical.from_codes(
        codes(rng, n, len(categories), missing), categories, ordered=ordered))


def strings(rng, n, among):
    return pd.Series([among[i] for i in rng.integers(0, len(among), n)],
                     dtype=object)


def integers(rng, n, dtype):
    """Integers of the whole range, with both ends."""
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    if rng.random() < 0.5:
        values[rng.random(n) < 0.5] = rng.integers(0, 3)
    values[rng.random(n) < 0.1] = info.max
    values[rng.random(n) < 0.1] = info.min
    return values


def floats(rng, n, dtype, special=True):
    """Floats of many magnitudes; special: NaN, infinities, zeros."""
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-6, 5, n)
    values = np.where(rng.random(n) < 0.3, np.round(values), values)
    values = values.astype(dtype)
    if special:
        for v in (np.nan, np.inf, -np.inf, -0.0, 0.0,
                  np.finfo(dtype).max, np.finfo(dtype).tiny,
                  np.finfo(dtype).smallest_subnormal):
            values[rng.random(n) < 0.06] = v
    return values


def nullable(rng, n, values, dtype):
    array = pd.array(values, dtype=dtype)
    array[rng.random(n) < 0.3] = pd.NA
    return pd.Series(array)


WIDTHS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
          "uint64")

KINDS = {
    "categorical": lambda r, n: categorical(r, n, ["B", "T", "NK", ""]),
    "ordered": lambda r, n: categorical(r, n, ["low", "mid", "high"], True),
    "complete": lambda r, n: categorical(r, n, ["b", "a"], missing=False),
    "unicode categories": lambda r, n: categorical(r, n, list(STRINGS[3:])),
    "one category": lambda r, n: categorical(r, n, ["only"]),
    "no categories": lambda r, n: categorical(
        r, n, pd.Index([], dtype=object)),
    "all missing": lambda r, n: pd.Series(pd.Categorical.from_codes(
        np.full(n, -1), ["never", "used"])),
    "many categories": lambda r, n: categorical(
        r, n, ["c%d" % i for i in range(300)]),
    "integer categories": lambda r, n: categorical(
        r, n, [-5, 0, 7, 1 << 40]),
    "float categories": lambda r, n: categorical(
        r, n, [0.1, -2.0, 1e300, 1e-7, 123456789.125, 1e15, 5e-324]),
    "bool categories": lambda r, n: categorical(r, n, [False, True]),
    "narrow categories": lambda r, n: categorical(
        r, n, np.float32([0.1, -2.5, 16777216])),
    "strings": lambda r, n: strings(r, n, STRINGS),
    "few strings": lambda r, n: strings(r, n, ["b", "a", ""]),
    "distinct strings": lambda r, n: pd.Series(
        ["s%d é" % i for i in r.permutation(n)], dtype=object),
    "long strings": lambda r, n: strings(r, n, ["y" * 5000, "é" * 3000, "z"]),
    "empty strings": lambda r, n: strings(r, n, [""]),
    "nullable string": lambda r, n: nullable(
        r, n, [STRINGS[i] for i in r.integers(0, len(STRINGS), n)], "string"),
    "bool": lambda r, n: pd.Series(r.random(n) < 0.5, dtype=bool),
    "nullable boolean": lambda r, n: nullable(r, n, r.random(n) < 0.5,
                                              "boolean"),
    "float16": lambda r, n: pd.Series(floats(r, n, "float16")),
    "float32": lambda r, n: pd.Series(floats(r, n, "float32")),
    "float64": lambda r, n: pd.Series(floats(r, n, "float64")),
    "float64 without NaN": lambda r, n: pd.Series(
        floats(r, n, "float64", False)),
    "all NaN": lambda r, n: pd.Series(np.full(n, np.nan)),
    "uint64 in range": lambda r, n: pd.Series(
        integers(r, n, "int64").astype("uint64") >> np.uint64(1)),
}
for width in WIDTHS:
    KINDS[width] = lambda r, n, w=width: pd.Series(integers(r, n, w))
    if width != "uint64":
        KINDS["nullable " + width] = lambda r, n, w=width: nullable(
            r, n, integers(r, n, w), w.replace("i", "I", 1)
            .replace("uI", "UI"))


def obs_names(rng, n, invalid=False):
    """Cell names: barcodes, or strings that bite; duplicates allowed."""
    chance = rng.random()
    if invalid:
        return [INVALID[i] for i in rng.integers(0, len(INVALID), n)]
    if chance < 0.3:
        return [STRINGS[i] for i in rng.integers(0, len(STRINGS), n)]
    if chance < 0.4:
        return [str(i) for i in rng.permutation(n)]
    letters = np.array(list("ACGT"))
    return ["".join(letters[rng.integers(0, 4, 12)]) + "-%d" % i
            for i in range(n)]


def with_missing(rng, series, how):
    """A column of which all is missing, or nothing, where that can be."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        n = len(dtype.categories)
        made = series.cat.codes.to_numpy().copy()
        if how == "all":
            made[:] = -1
        elif n:
            made[made < 0] = rng.integers(0, n)
        return pd.Series(pd.Categorical.from_codes(made, dtype=dtype))
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        values = series.array.copy()
        if how == "all":
            values[:] = pd.NA
        elif len(values):
            fill = values[~values.isna()][:1]
            values[values.isna()] = fill[0] if len(fill) else \
                "" if isinstance(dtype, pd.StringDtype) else \
                values.dtype.type(0)
        return pd.Series(values)
    return series


def obs_frame(rng, n, kinds, names, missing="some", invalid=False):
    """A dataframe with one column of each kind."""
    columns = {name: KINDS[kind](rng, n) for name, kind in zip(names, kinds)}
    if missing != "some":
        columns = {k: with_missing(rng, v, missing)
                   for k, v in columns.items()}
    if invalid:
        for name, series in columns.items():
            if series.dtype == object:
                columns[name] = strings(rng, n, INVALID)
            elif isinstance(series.dtype, pd.CategoricalDtype) and \
                    2 < len(series.cat.categories) <= len(INVALID) and \
                    series.cat.categories.dtype == object:
                columns[name] = series.cat.rename_categories(
                    list(INVALID[:len(series.cat.categories)]))
    index = pd.Index(obs_names(rng, n, invalid), dtype=object)
    frame = pd.DataFrame({k: v.array for k, v in columns.items()},
                         index=index)
    return frame


# ---------------------------------------------------------------------------
# Matrices
# ---------------------------------------------------------------------------

def values_of(rng, n, dtype, special):
    """n matrix values, none of them 0 by design."""
    if dtype == "bool":
        return np.ones(n, bool)
    dtype = np.dtype(dtype)
    if special == "duplicates":
        # numbers whose sums float32 does not hold, where the type does
        wide = dtype.itemsize == 8 or dtype.kind in "iu" and \
            dtype.itemsize == 4
        return (rng.integers(1, 5, n) + (2**24 if wide else 0)).astype(dtype)
    if dtype.kind == "f":
        values = floats(rng, n, dtype, special == "nan")
        if special != "nan":
            values[values == 0] = 1
        return values
    return np.maximum(integers(rng, n, dtype), 1).astype(dtype) \
        if rng.random() < 0.5 else integers(rng, n, dtype)


def sparse_matrix(rng, n_rows, n_cols, dtype, special, index_dtype,
                  indptr_dtype, form="csr"):
    """CSR or CSC arrays; special says what is odd about them."""
    shape = (n_rows, n_cols)
    if form == "csc":
        n_rows, n_cols = n_cols, n_rows
    counts = rng.binomial(n_cols, rng.choice([0.02, 0.2, 0.7]), n_rows)
    if special == "all empty":
        counts[:] = 0
    elif special == "empty rows":
        counts[rng.random(n_rows) < 0.6] = 0
    elif special == "full rows":
        counts[rng.random(n_rows) < 0.5] = n_cols
    indices = [np.sort(rng.choice(n_cols, c, replace=False)) for c in counts]
    if special == "duplicates":
        indices = [np.concatenate([i, i[:len(i) // 2], i[:1]])
                   for i in indices]
    if special in ("duplicates", "unsorted"):
        indices = [rng.permutation(i) for i in indices]
    counts = np.array([len(i) for i in indices], np.int64)
    indices = np.concatenate([*indices, np.zeros(0)]).astype(np.int64)
    data = values_of(rng, len(indices), dtype, special)
    if special == "explicit zeros":
        data[rng.random(len(data)) < 0.4] = 0
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Sparse(fit(indptr, indptr_dtype, indptr[-1]),
                  fit(indices, index_dtype, n_cols), data, shape, form)


def fit(values, dtype, greatest):
    """In the wished type, or the next that has room."""
    if greatest > np.iinfo(dtype).max:
        dtype = "int64"
    return values.astype(dtype)


def dense_matrix(rng, n_rows, n_cols, dtype, special):
    """An array with many zeros."""
    values = values_of(rng, n_rows * n_cols, dtype,
                       special).reshape(n_rows, n_cols)
    if special != "full rows":
        values[rng.random(values.shape) < 0.7] = 0
    if special == "empty rows":
        values[rng.random(n_rows) < 0.5] = 0
    if special == "all empty":
        values[:] = 0
    return values


def small_numbers(values, rng):
    """
    Numbers of an array as some digits and bits hold them; how many bits those
    are is the caller's to see.
    """
    if values.dtype.kind == "f":
        return np.where(values == 0, 0, rng.integers(
            -4000, 4000, values.shape) / 8).astype(values.dtype)
    bits = values.dtype.itemsize * 8
    low, high = (0, bits * 3 // 4 - 1) if values.dtype.kind == "u" else \
        (-(1 << (bits * 3 // 4 - 2)), bits * 3 // 4 - 2)
    return np.where(values == 0, 0, rng.integers(
        low, 1 << high, values.shape, dtype=np.int64)).astype(values.dtype)


def obsm_frame(rng, width, index, old):
    """A dataframe of numbers; old: without anything nullable."""
    n = len(index)
    kinds = ["float32", "int16", "bool", "float64", "float16", "uint8"]
    if not old:
        kinds += ["nullable int8", "nullable boolean"]
    frame = obs_frame(rng, n, [str(k) for k in rng.choice(kinds, width)],
                      ["c%d" % i for i in range(width)])
    frame.index = index
    return frame
