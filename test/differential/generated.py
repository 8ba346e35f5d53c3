"""
generated.py
        Files made at random over everything that writers vary, each against
        what was written into it and, where it can, against anndata's reading.
"""
import collections
import os

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

import corpus
from compare import Collection, check_collection
from content import (KINDS, NAMES, WIDTHS, Content, Sparse, dense_matrix,
                     obs_frame, sparse_matrix)
from h5write import Storage, mark, write_file
from psql import literal, text_array
from truth import Expected, truth_of_anndata

ELEMENTS = (*WIDTHS, "float16", "float32", "float64", "bool")

# What varies.  Of each axis, every choice comes before one comes again.
AXES = {
    "writer": ("anndata", "0.2.0", "0.2.0", "0.1.0", "anndata", "compound"),
    "form": ("csr", "dense"),
    "dtype": ELEMENTS,
    "layer dtype": ELEMENTS,
    "index": ("int32", "int64", "uint8", "int8", "uint16", "int16", "uint32",
              "uint64"),
    "indptr": ("int32", "int64", "uint32", "uint64", "uint16"),
    "layout": ("default", "tiny", "giant", "contiguous", "compact",
               "unwritten"),
    "compression": (None, "gzip", "lzf", "gzip"),
    "level": (0, 1, 4, 9),
    "shuffle": (False, True),
    "fletcher32": (False, True),
    "big endian": (False, False, True),
    "resizable": (False, True),
    "libver": ("earliest", "v108", "v110"),
    "userblock": (0, 0, 512, 0, 2048),
    "special": ("plain", "empty rows", "all empty", "unsorted", "duplicates",
                "explicit zeros", "nan", "full rows"),
    "shape": ((40, 30), (0, 5), (200, 60), (5, 0), (1, 1), (300, 120), (0, 0),
              (1, 40), (17, 1), (60, 300), (500, 25), (3, 4)),
}

# Kinds of obs columns that anndata before 0.7 and 0.7 could write
OLD_KINDS = [k for k in KINDS if not k.startswith("nullable")]
COMPOUND_KINDS = [k for k in OLD_KINDS if k not in (
    "integer categories", "float categories", "bool categories",
    "narrow categories", "no categories", "float16")]


# Always made: what once was read wrongly or not at all, and what is large
ALWAYS = (
    # what deflate makes longer was refused where a checksum follows it
    {"writer": "0.2.0", "form": "dense", "dtype": "uint8", "layout": "giant",
     "compression": "gzip", "level": 0, "fletcher32": True, "shuffle": False,
     "special": "full rows", "shape": (60, 300)},
    # chunks that were never written, in the index of HDF5 1.10
    {"writer": "0.2.0", "form": "csr", "layout": "unwritten",
     "libver": "v110", "resizable": True, "shape": (200, 60)},
    # many batches of rows, many chunks a row and many rows a chunk
    {"writer": "0.2.0", "form": "csr", "layout": "default",
     "compression": "gzip", "special": "plain", "shape": (2500, 3000)},
    {"writer": "0.2.0", "form": "dense", "layout": "default",
     "compression": "lzf", "special": "plain", "shape": (1800, 2500)},
    # duplicates were summed in float32
    {"writer": "0.2.0", "form": "csr", "layout": "default", "dtype": "int32",
     "special": "duplicates", "shape": (300, 80)},
    {"writer": "0.2.0", "form": "csr", "layout": "default", "dtype": "float64",
     "compression": "gzip", "special": "duplicates", "shape": (300, 80)},
)


class Cycle:
    """Choices in random order, each before one comes again."""

    def __init__(self, rng, choices):
        self.rng = rng
        self.choices = list(choices)
        self.left = []

    def next(self, allowed=None):
        for _ in range(2):
            for i, choice in enumerate(self.left):
                if allowed is None or choice in allowed:
                    return self.left.pop(i)
            fresh = [self.choices[j]
                     for j in self.rng.permutation(len(self.choices))]
            self.left += fresh
        raise ValueError("no choice is allowed")


def kinds_for(version):
    return {"compound": COMPOUND_KINDS, "0.1.0": OLD_KINDS}.get(
        version, list(KINDS))


def names_for(version):
    """
    Names that a writer can write.  Where categories have the name of their
    column, in uns, a "/" leads anndata's own reading astray.
    """
    return [n for n in NAMES if version != "compound" or "/" not in n]


def matrix_of(rng, plan, n_rows, n_cols, dtype, form):
    if form == "dense":
        return dense_matrix(rng, n_rows, n_cols, dtype, plan["special"])
    return sparse_matrix(rng, n_rows, n_cols, dtype, plan["special"],
                         plan["index"], plan["indptr"])


def make_content(rng, plan, kinds, names):
    """What the file of a plan holds."""
    n_obs, n_vars = plan["shape"]
    obs = obs_frame(rng, n_obs, kinds, names)
    genes = plan.get("genes") or ["g%d" % i for i in rng.permutation(n_vars)]
    var = obs_frame(rng, n_vars, kinds[:3], ["var " + n for n in names[:3]])
    var.index = pd.Index(genes, dtype=object)
    content = Content(obs, genes, var)
    form = plan["form"]
    content.matrices["X"] = matrix_of(rng, plan, n_obs, n_vars, plan["dtype"],
                                      form)
    other = "dense" if form == "csr" else "csr"
    if plan["writer"] != "compound":
        content.matrices["layers/other"] = matrix_of(
            rng, plan, n_obs, n_vars, plan["layer dtype"], other)
        for name, dtype, width in (("X_pca", "float32", 3),
                                   ("counts", "int32", 2),
                                   ("wide", "float64", 70)):
            if rng.random() < 0.5:
                content.obsm[name] = rng.integers(
                    -50, 50, (n_obs, width)).astype(dtype)
    if rng.random() < 0.4:
        content.raw_var_names = ["r%d" % i for i in range(n_vars + 7)]
        content.matrices["raw/X"] = matrix_of(
            rng, plan, n_obs, n_vars + 7, plan["dtype"], form)
    return content


def scipy_can(plan):
    """scipy's sparse matrices have no float16 and two index types."""
    changed = dict(plan)
    for key in ("dtype", "layer dtype"):
        if plan[key] == "float16":
            changed[key] = "float32"
    changed["index"] = changed["indptr"] = \
        "int64" if "64" in plan["index"] else "int32"
    return changed


def write_with_anndata(path, content, plan):
    """Let anndata write it."""
    def given(matrix):
        return matrix.scipy() if isinstance(matrix, Sparse) else matrix

    adata = anndata.AnnData(
        X=given(content.matrices["X"]), obs=content.obs.copy(),
        var=content.var.copy(), obsm=dict(content.obsm))
    adata.layers["other"] = given(content.matrices["layers/other"])
    if "raw/X" in content.matrices:
        adata.raw = anndata.AnnData(
            X=given(content.matrices["raw/X"]), obs=content.obs[[]].copy(),
            var=pd.DataFrame(index=content.raw_var_names))
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(path, compression=plan["compression"],
                         convert_strings_to_categoricals=False)


def make_file(path, rng, plan, kinds, names, float_text):
    """Write the file of a plan; returns its truth."""
    if plan["writer"] == "anndata":
        plan = scipy_can(plan)
    content = make_content(rng, plan, kinds, names)
    if plan["writer"] == "anndata":
        write_with_anndata(path, content, plan)
    else:
        storage = Storage(rng, plan["layout"], plan["compression"],
                          plan["level"], plan["shuffle"], plan["fletcher32"],
                          plan["big endian"], plan["resizable"])
        write_file(path, content, rng, storage, plan["writer"],
                   plan["libver"], plan["userblock"])
    return content.truth(path, float_text)


def same_truth(report, got, expected):
    """What anndata reads of our file is what we think that we wrote."""
    report.equal_lists("obs_names", got.obs_names, expected.obs_names)
    report.equal_lists("var_names", got.var_names["X"],
                       expected.var_names["X"])
    report.equal_lists("obs columns", sorted(got.columns),
                       sorted(expected.columns))
    for name in set(got.columns) & set(expected.columns):
        a, b = got.columns[name], expected.columns[name]
        report.equal("type of obs column %r" % name, a.kind, b.kind)
        if a.kind == b.kind == "text":
            report.equal_lists("obs column %r" % name, list(a.values),
                               list(b.values))
        elif a.kind == b.kind:
            report.equal_numbers("obs column %r, is null" % name, a.missing,
                                 b.missing, str)
            report.equal_numbers("obs column %r" % name,
                                 a.values[~b.missing], b.values[~b.missing],
                                 str)
    report.equal_lists("matrices", sorted(got.matrices),
                       sorted(expected.matrices))
    for layer in set(got.matrices) & set(expected.matrices):
        a, b = got.matrices[layer], expected.matrices[layer]
        for part in ("indptr", "indices", "values"):
            report.equal_numbers("%s of %s" % (part, layer), getattr(a, part),
                                 getattr(b, part), str)
    for name in expected.obsm:
        report.equal_numbers("obsm %r" % name, got.obsm[name],
                             expected.obsm[name], lambda i, j: (i, j))


def check_control(report, truth, unread, float_text):
    """The generator's own check: does anndata see the same?"""
    try:
        adata = corpus.read(truth.path)
    except Exception as e:          # its limits are not ours
        text = str(e).splitlines()
        unread["%s: %s" % (type(e).__name__, text[0] if text else "")] += 1
        return
    same_truth(report, truth_of_anndata(truth.path, adata, float_text), truth)


def check_layer(report, sql, truth, layer, arrays, float_text):
    e = Expected([truth], layer, "inner", float_text)
    check_collection(report, sql, Collection(
        "generated", e, arrays, corpus.some_genes(e.genes),
        sorted(truth.obsm) if layer == "X" else ()))


def describe(plan):
    return ", ".join("%s %s" % (k, v) for k, v in plan.items())


# ---------------------------------------------------------------------------
# What has to be refused
# ---------------------------------------------------------------------------

def with_filter(f, layer, values):
    f.create_dataset(layer, data=values.astype("i4"), chunks=True,
                     scaleoffset=0)


def with_external(f, layer, values):
    name = f.filename + ".raw"
    f.create_dataset(layer, data=values,
                     external=[(name, 0, h5py.h5f.UNLIMITED)])


def with_virtual(f, layer, values):
    f.create_dataset("source", data=values)
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(f["source"])
    f.create_virtual_dataset(layer, layout)


def with_csc(f, layer, values):
    matrix = sp.csc_matrix(values)
    group = f.create_group(layer)
    mark(group, "csc_matrix", "0.1.0")
    group.attrs["shape"] = np.array(values.shape)
    for part in ("data", "indices", "indptr"):
        group.create_dataset(part, data=getattr(matrix, part))


def with_strings(f, layer, values):
    f.create_dataset(layer, data=values.astype(str).astype(object),
                     dtype=h5py.string_dtype())


def with_complex(f, layer, values):
    f.create_dataset(layer, data=values.astype("c8"))


def with_three_dimensions(f, layer, values):
    f.create_dataset(layer, data=values[:, :, None])


# How a matrix is written, and what the error says of it
REFUSED = (
    (with_filter, "scale-offset"),
    (with_external, "external"),
    (with_virtual, "virtual"),
    (with_csc, "CSC"),
    (with_strings, "string"),
    (with_complex, "compound"),
    (with_three_dimensions, "3 dimensions"),
)


def check_refused_layout(report, sql, work, write, words, layer):
    """A matrix that is not read is refused by its name; obs can be read."""
    path = os.path.join(work, write.__name__ + ".h5ad")
    rng = np.random.default_rng(0)
    content = Content(obs_frame(rng, 3, ["categorical"], ["a"]), ["g", "h"])
    content.matrices["X"] = np.ones((3, 2), "f4")
    write_file(path, content, rng, Storage(rng), "0.2.0", "earliest", 0)
    with h5py.File(path, "r+") as f:
        if layer in f:
            del f[layer]
        write(f, layer, np.arange(6, dtype="f4").reshape(3, 2))
    os.chmod(path, 0o644)
    made, read = sql.run(
        "SELECT create_collection('refused', %s, %s)" % (
            text_array([path]), literal(layer)),
        "SELECT x FROM refused", "DROP TABLE IF EXISTS refused")[:2]
    result = read if made.ok() else made    # a filter is met by reading only
    report.equal("SQLSTATE of %s (%s)" % (write.__name__, result.message),
                 result.state, "0A000")
    for word in (path, layer, words):
        report.elements += 1
        if word not in result.message:
            report.difference("message of " + write.__name__, result.message,
                              "with " + word)
    os.unlink(path)


def check_file(report, sql, path, rng, plan, columns, unread, float_text):
    """Make one file and compare all of it; columns: name -> kind."""
    base = os.path.basename(path)
    wrong = report.wrong
    try:
        truth = make_file(path, rng, plan, list(columns.values()),
                          list(columns), float_text)
    except Exception as e:
        report.failed += 1
        report.say("not ok - %s cannot be written: %s: %s\n    %s" % (
            base, type(e).__name__, e, describe(plan)))
        return
    os.chmod(path, 0o644)
    report.check(base + ", as anndata reads it", check_control, report, truth,
                 unread, float_text)
    for layer in truth.matrices:
        report.check("%s, %s" % (base, layer), check_layer, report, sql, truth,
                     layer, False, float_text)
    report.check(base + ", vectors as arrays", check_layer, report, sql,
                 truth, "X", True, float_text)
    if report.wrong > wrong:
        report.say("    %s is: %s\n    its columns: %s" % (
            base, describe(plan), columns))
    os.unlink(path)


def run(report, sql, work, seed, n_files, float_text):
    """n_files files of all sorts, and those that are always made."""
    rng = np.random.default_rng([seed, 1])
    axes = {k: Cycle(rng, v) for k, v in AXES.items()}
    kinds = Cycle(rng, KINDS)
    names = Cycle(rng, NAMES)
    unread = collections.Counter()
    for i in range(n_files + len(ALWAYS)):
        plan = {k: axis.next() for k, axis in axes.items()}
        plan.update(ALWAYS[i] if i < len(ALWAYS) else {})
        columns = {names.next(names_for(plan["writer"])):
                   kinds.next(kinds_for(plan["writer"]))
                   for _ in range(int(rng.integers(0, 14)))}
        check_file(report, sql, os.path.join(work, "generated-%d.h5ad" % i),
                   rng, plan, columns, unread, float_text)
    for write, words in REFUSED:
        for layer in ("X", "layers/other"):
            report.check("%s, %s" % (write.__name__, layer),
                         check_refused_layout, report, sql, work, write,
                         words, layer)
    if unread:
        print("%d of %d generated files cannot be read by anndata itself:" % (
            sum(unread.values()), n_files + len(ALWAYS)))
        for reason, n in unread.most_common():
            print("    %d: %s" % (n, reason[:100]))
