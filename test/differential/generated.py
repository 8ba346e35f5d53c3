"""
generated.py
        Files made at random over everything that writers vary, each against
        what was written into it and, where it can, against anndata's reading.
"""
import collections
import os
import shutil

import anndata
import h5py
import hdf5plugin
import numpy as np
import pandas as pd

import corpus
import tenx
from compare import Collection, check_collection, check_refused
from content import (KINDS, NAMES, Content, dense_matrix, given, obs_frame,
                     obsm_frame, sparse_matrix)
from filters import FILTERS
from h5write import Storage, Style, write_file
from plans import AXES, OLD, TENX, Cycle, Planner, effective
from psql import literal, text_array
from truth import Column, Expected, Truth, rows_of_sparse, truth_of_anndata

# Kinds of obs columns that anndata before 0.7 and 0.7 could write
OLD_KINDS = [k for k in KINDS if not k.startswith("nullable")]
COMPOUND_KINDS = [k for k in OLD_KINDS if k not in (
    "integer categories", "float categories", "bool categories",
    "narrow categories", "no categories", "float16")]

GROUP = "mod/rna"               # of MuData


# Always made: what once was read wrongly or not at all, and what is large
ALWAYS = (
    # what deflate makes longer was refused where a checksum follows it
    {"writer": "0.2.0", "form": "dense", "dtype": "uint8", "layout": "single",
     "filter": "gzip fletcher32", "special": "full rows", "shape": (60, 300)},
    # chunks that were never written, in the index of HDF5 1.10
    {"writer": "0.2.0", "form": "csr", "layout": "unwritten",
     "filter": "gzip", "libver": "v110", "resizable": True,
     "shape": (200, 60)},
    # many batches of rows, many chunks a row and many rows a chunk
    {"writer": "0.2.0", "form": "csr", "layout": "default", "filter": "gzip",
     "special": "plain", "shape": (2500, 3000)},
    {"writer": "0.2.0", "form": "dense", "layout": "default", "filter": "lzf",
     "special": "plain", "shape": (1800, 2500)},
    {"writer": "0.2.0", "form": "csc", "layout": "default",
     "filter": "blosc zstd shuffle", "special": "plain",
     "shape": (2500, 2000)},
    # duplicates were summed in float32
    {"writer": "0.2.0", "form": "csr", "layout": "default", "dtype": "int32",
     "filter": "none", "special": "duplicates", "shape": (300, 80)},
    {"writer": "0.2.0", "form": "csr", "layout": "default", "dtype": "float64",
     "filter": "gzip", "special": "duplicates", "shape": (300, 80)},
    {"writer": "0.2.0", "form": "csc", "layout": "default", "dtype": "int64",
     "filter": "gzip", "special": "duplicates", "shape": (300, 80)},
)


def kinds_for(writer):
    """Kinds of obs columns that a writer writes."""
    if writer in TENX:
        return []
    return {"compound": COMPOUND_KINDS, "0.1.0": OLD_KINDS}.get(
        writer, list(KINDS))


def names_for(writer):
    """
    Names that a writer can write.  Where categories have the name of their
    column, in uns, a "/" leads anndata's own reading astray.
    """
    return [n for n in NAMES if writer != "compound" or "/" not in n]


def matrix_of(rng, plan, n_rows, n_cols, dtype, form):
    if form == "dense":
        return dense_matrix(rng, n_rows, n_cols, dtype, plan["special"])
    return sparse_matrix(rng, n_rows, n_cols, dtype, plan["special"],
                         plan["index"], plan["indptr"], form)


def obsm_of(rng, plan, obs):
    """Elements of obsm."""
    form = plan["obsm"]
    n = len(obs)
    width = plan.get("obsm width") or int(rng.integers(1, 9))
    if form == "none":
        return {}
    if form == "dataframe":
        return {"frame": obsm_frame(rng, width, obs.index,
                                    plan["writer"] in OLD)}
    if form != "dense":
        return {"sparse": matrix_of(rng, plan, n, width, plan["dtype"],
                                    form)}
    return {name: rng.integers(-50, 50, (n, width)).astype(dtype)
            for name, dtype, width in (("X_pca", "float32", 3),
                                       ("counts", "int32", 2),
                                       ("wide", "float64", 70))
            if name == "X_pca" or rng.random() < 0.5}


def make_content(rng, plan, kinds, names):
    """What the file of a plan holds."""
    n_obs, n_vars = plan["shape"]
    invalid = plan["strings"] == "invalid"
    obs = obs_frame(rng, n_obs, kinds, names, plan["missing"], invalid)
    genes = plan.get("genes")
    if genes is None:
        genes = ["g%d" % i for i in rng.permutation(n_vars)]
        if invalid and n_vars > 2:
            genes[1] = "caf\udce9"
    var = obs_frame(rng, n_vars, kinds[:3], ["var " + n for n in names[:3]])
    var.index = pd.Index(genes, dtype=object)
    content = Content(obs, genes, var)
    if plan["form"] != "none":
        content.matrices["X"] = matrix_of(rng, plan, n_obs, n_vars,
                                          plan["dtype"], plan["form"])
    if plan["layer"] != "none":
        content.matrices["layers/other"] = matrix_of(
            rng, plan, n_obs, n_vars, plan["layer dtype"], plan["layer"])
    if plan["raw"] != "none":
        content.raw_var_names = plan.get("raw genes") or [
            "r%d" % i for i in range(n_vars + 7)]
        content.matrices["raw/X"] = matrix_of(
            rng, plan, n_obs, len(content.raw_var_names), plan["dtype"],
            plan["raw"])
    content.obsm = obsm_of(rng, plan, obs)
    return content


def write_with_anndata(path, content, rng, name="none"):
    """Let anndata write it."""
    matrices = {k: given(v) for k, v in content.matrices.items()}
    adata = anndata.AnnData(
        X=matrices.get("X"), obs=content.obs.copy(), var=content.var.copy(),
        obsm={k: given(v) for k, v in content.obsm.items()})
    if "layers/other" in matrices:
        adata.layers["other"] = matrices["layers/other"]
    if "raw/X" in matrices:
        adata.raw = anndata.AnnData(
            X=matrices["raw/X"], obs=content.obs[[]].copy(),
            var=pd.DataFrame(index=content.raw_var_names))
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(path, convert_strings_to_categoricals=False,
                         **FILTERS[name](rng, None, 0))


def storage_of(rng, plan):
    return Storage(rng, plan["layout"], plan["filter"],
                   plan["filter masks"] != "none",
                   plan["byte order"] == "big", plan["resizable"])


def style_of(rng, plan):
    """The habits of the plan's writer."""
    writer = plan["writer"]
    style = Style(rng, writer if writer in ("0.1.0", "compound") else "0.2.0",
                  plan["strings"], plan["obs filter"])
    if writer == "anndataR":
        style.shape_dtype = "int32"
        style.attributes = ("scalar", "array")[rng.random() < 0.3]
    elif writer == "anndata-rs":
        style.shape_dtype = "uint64"
        style.index_listed = bool(rng.random() < 0.5)
    return style


def write_tenx(path, rng, plan, content):
    """A 10x file, perhaps with a second genome."""
    other = None
    if plan["writer"] == "10x 2 genomes":
        other = make_content(rng, dict(plan, genes=None, strings="mixed"),
                             [], [])
    tenx.write_file(path, plan["writer"], content, other,
                    storage_of(rng, plan), style_of(rng, plan),
                    plan["libver"], plan["userblock"])


def make_file(path, rng, plan, kinds, names, float_text):
    """Write the file of a plan; returns its truth."""
    content = make_content(rng, plan, kinds, names)
    writer = plan["writer"]
    group = ""
    listed = False
    if writer == "anndata":
        write_with_anndata(path, content, rng, plan["filter"])
    elif writer in TENX:
        write_tenx(path, rng, plan, content)
        group = tenx.GENOMES[0] if writer == "10x 2 genomes" else ""
    else:
        group = GROUP if writer == "mudata" else ""
        style = style_of(rng, plan)
        listed = style.index_listed
        write_file(path, content, storage_of(rng, plan), style,
                   plan["libver"], plan["userblock"], group)
    os.chmod(path, 0o644)
    truth = content.truth(path, float_text)
    truth.group = group
    if listed:
        truth.columns = {"index": Column("text", list(truth.obs_names)),
                         **truth.columns}
    return truth


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


def truth_of_tenx(truth):
    """What scanpy's way of reading finds in a 10x file."""
    parts, shape, cells, genes = tenx.read(truth.path, truth.group)
    got = Truth(truth.path, cells, {}, genes)
    got.matrices["X"] = rows_of_sparse(*parts, shape, "csr")
    return got


def check_control(report, truth, plan, made, float_text):
    """The generator's own check: does anndata see the same?"""
    if plan["writer"] in TENX:
        same_truth(report, truth_of_tenx(truth), truth)
        made.coverage.n_controlled += 1
        return
    try:
        adata = corpus.read(truth.path, truth.group)
    except Exception as e:          # its limits are not ours
        text = str(e).splitlines()
        made.unread["%s: %s" % (type(e).__name__,
                                text[0] if text else "")] += 1
        return
    same_truth(report, truth_of_anndata(truth.path, adata, float_text), truth)
    made.coverage.n_controlled += 1


def check_layer(report, sql, truth, layer, arrays, float_text, paths=None):
    e = Expected([truth], layer, "inner", float_text)
    check_collection(report, sql, Collection(
        "generated", e, arrays,
        corpus.some_genes(e.genes) if e.has_matrix else (),
        sorted(truth.obsm) if layer == "X" else ()), paths=paths)


def describe(plan):
    return ", ".join("%s %s" % (k, v) for k, v in plan.items() if k in AXES)


# ---------------------------------------------------------------------------
# What has to be refused
# ---------------------------------------------------------------------------

def with_unknown_filter(f, layer, values):
    f.create_dataset(layer, data=values, chunks=True, **hdf5plugin.Blosc2())


def with_lossy_filter(f, layer, values):
    f.create_dataset(layer, data=values, chunks=(3, 2),
                     **hdf5plugin.Zfp(rate=16))


def with_external(f, layer, values):
    name = f.filename + ".raw"
    f.create_dataset(layer, data=values,
                     external=[(name, 0, h5py.h5f.UNLIMITED)])


def with_virtual(f, layer, values):
    f.create_dataset("source", data=values)
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(f["source"])
    f.create_virtual_dataset(layer, layout)


def with_strings(f, layer, values):
    f.create_dataset(layer, data=values.astype(str).astype(object),
                     dtype=h5py.string_dtype())


def with_complex(f, layer, values):
    f.create_dataset(layer, data=values.astype("c8"))


def with_three_dimensions(f, layer, values):
    f.create_dataset(layer, data=values[:, :, None])


# How a matrix is written, and what the error says of it
REFUSED = (
    (with_unknown_filter, "32026"),
    (with_lossy_filter, "32013"),
    (with_external, "external"),
    (with_virtual, "virtual"),
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
    write_file(path, content, Storage(rng), Style(rng))
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


class Made:
    """What all of a run's files are drawn from, and what became of them."""

    def __init__(self, rng, coverage, paths=None):
        self.planner = Planner(rng)
        self.paths = paths
        self.kinds = Cycle(rng, KINDS)
        self.names = Cycle(rng, NAMES)
        self.coverage = coverage
        self.unread = collections.Counter()     # why anndata could not

    def count(self, plan, kinds):
        self.coverage.add(plan)
        for kind in set(kinds):
            self.coverage.count("obs column", kind)

    def tell_unread(self, what, n):
        """Print what anndata itself could not read."""
        if self.unread:
            print("%d of %d %s cannot be read by anndata itself:" % (
                sum(self.unread.values()), n, what))
        for reason, n in self.unread.most_common():
            print("    %d: %s" % (n, reason[:100]))


def check_refused_frame(report, sql, work, version, kind):
    """A dataframe of obsm that has a column of no numbers is refused."""
    path = os.path.join(work, "frame.h5ad")
    rng = np.random.default_rng(0)
    content = Content(obs_frame(rng, 9, ["int8"], ["a"]), ["g"])
    content.obsm["frame"] = obs_frame(rng, 9, ["float32", kind], ["a", "b"])
    write_file(path, content, Storage(rng), Style(rng, version))
    os.chmod(path, 0o644)
    check_refused(report, sql, "SELECT create_collection('refused', %s, "
                  "obsm => '{frame}')" % text_array([path]), "0A000",
                  [path, 'obsm "frame"'])
    os.unlink(path)


def check_file(report, sql, path, rng, plan, columns, made, float_text):
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
    made.count(plan, columns.values())
    report.check(base + ", as anndata reads it", check_control, report, truth,
                 plan, made, float_text)
    for layer in sorted({"X", *truth.matrices}):
        report.check("%s, %s" % (base, layer), check_layer, report, sql, truth,
                     layer, False, float_text,
                     made.paths if layer == "X" else None)
    if "X" in truth.matrices:
        report.check(base + ", vectors as arrays", check_layer, report, sql,
                     truth, "X", True, float_text)
    if report.wrong > wrong:
        report.say("    %s is: %s\n    its columns: %s" % (
            base, describe(plan), columns))
        keep(path)
    os.unlink(path)


def keep(path):
    """Copy a file that something is wrong with to MC_KEEP, if that is set."""
    directory = os.environ.get("MC_KEEP")
    if directory:
        os.makedirs(directory, exist_ok=True)
        shutil.copy(path, directory)


# Values in different rows of which no type of 16 bits holds all
MIXED = (([3, 32767], [-1, 0]), ([2049, 0], [0.5, 0]), ([65535, 1], [0, -2]),
         ([0.25, 0], [4097, 1]))


def check_mixed(report, sql, work, rows, made, float_text):
    """Rows that fit into different narrow types, in batches of all kinds."""
    path = os.path.join(work, "mixed.h5ad")
    rng = np.random.default_rng(0)
    content = Content(obs_frame(rng, 4, ["int8"], ["a"]), ["g", "h"])
    content.matrices["X"] = np.array([*rows, *rows], "f4")
    write_file(path, content, Storage(rng), Style(rng))
    os.chmod(path, 0o644)
    truth = content.truth(path, float_text)
    for _ in range(3):              # a part_rows each
        check_layer(report, sql, truth, "X", False, float_text, made.paths)
    os.unlink(path)


def run(report, sql, work, seed, n_files, float_text, coverage, paths):
    """n_files files of all sorts, some of them always the same."""
    rng = np.random.default_rng([seed, 1])
    made = Made(rng, coverage, paths)
    for i in range(n_files):
        plan = made.planner.next()
        if i < len(ALWAYS):
            plan = effective({**plan, **ALWAYS[i]})
        allowed = kinds_for(plan["writer"])
        columns = {made.names.next(names_for(plan["writer"])):
                   made.kinds.next(allowed)
                   for _ in range(int(rng.integers(0, 14)) if allowed else 0)}
        check_file(report, sql, os.path.join(work, "generated-%d.h5ad" % i),
                   rng, plan, columns, made, float_text)
    for rows in MIXED:
        report.check("narrow types of %s and %s" % rows, check_mixed, report,
                     sql, work, rows, made, float_text)
    for write, words in REFUSED:
        for layer in ("X", "layers/other"):
            report.check("%s, %s" % (write.__name__, layer),
                         check_refused_layout, report, sql, work, write,
                         words, layer)
    for version in ("0.2.0", "0.1.0"):
        for kind in ("categorical", "integer categories", "strings"):
            report.check("obsm with %s, %s" % (kind, version),
                         check_refused_frame, report, sql, work, version, kind)
    made.tell_unread("generated files", n_files)
    coverage.pairs = (len(made.planner.seen), len(made.planner.possible))
