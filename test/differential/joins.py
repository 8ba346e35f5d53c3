"""
joins.py
        Several files as one: shuffled, partly overlapping genes, obs columns
        that differ in name and type; against the rules and, where it can,
        against anndata.concat.
"""
import os
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

import corpus
import generated
import tenx
from compare import Collection, check_collection, check_refused, create_call
from generated import Made
from plans import AXES, TENX, Cycle
from truth import Expected, NoJoin

# How the gene axes of a set of files meet
MEETINGS = ("overlap", "overlap", "permuted", "same", "overlap", "nested",
            "same with duplicates", "overlap", "disjoint", "one empty",
            "differing with duplicates", "one gene in common",
            "all with duplicates")

# The values of what varies between joins
AXES_OF_JOINS = {
    "genes of a join": MEETINGS,
    "var_join": ("inner", "outer"),
    "var_duplicates": ("error", "first", "sum"),
    "matrix of a join": ("X", "raw/X", "layers/other"),
}

# Files of one collection lie at one place in each of them
ANYWHERE = [w for w in AXES["writer"]
            if w not in ("mudata", "10x 2 genomes")]
WITH_LAYERS = [w for w in ANYWHERE if w not in (*TENX, "compound")]
WITH_RAW = [w for w in ANYWHERE if w not in TENX]

# Names of the obs columns that the files of a set share, or not
SHARED = ["cell_type", "donor", "n_counts", "Batch no", "x", "score", "ok",
          "row_index"]


def axes_of(rng, meeting, n_files):
    """Gene names of each file."""
    pool = ["gene %d" % i if i % 7 else "Gène%d" % i for i in range(60)]
    if meeting in ("same", "permuted", "same with duplicates"):
        base = [pool[i] for i in rng.permutation(60)[:25]]
        if meeting == "same with duplicates":
            base[3] = base[11] = base[0]
        if meeting == "permuted":
            return [[base[i] for i in rng.permutation(25)]
                    for _ in range(n_files)]
        return [base] * n_files
    axes = []
    for f in range(n_files):
        n = int(rng.integers(20, 50))
        axis = [pool[i] for i in rng.permutation(60)[:n]]
        if meeting == "disjoint":
            axis = ["f%d %s" % (f, g) for g in axis]
        elif meeting == "one gene in common":
            axis = ["f%d %s" % (f, g) for g in axis] + ["shared"]
        elif meeting == "nested":
            axis = pool[:10 * (n_files - f)]
        axes.append(axis)
    if meeting == "one empty":
        axes[int(rng.integers(0, n_files))] = []
    if meeting == "differing with duplicates":
        axes[-1].append(axes[-1][0])
    if meeting == "all with duplicates":
        for axis in axes:
            for _ in range(8):
                axis[int(rng.integers(len(axis)))] = axis[0] \
                    if rng.random() < 0.4 else axis[int(
                        rng.integers(len(axis)))]
    return axes


def plan_set(rng, planner, number, meeting):
    """Plans of the files of a set."""
    writers, fixed = (
        (ANYWHERE, {}), (WITH_LAYERS, {"layer": AXES["layer"][1:]}),
        (WITH_RAW, {"raw": AXES["raw"][1:]}), (ANYWHERE, {}),
        (["mudata"], {"layer": AXES["layer"][1:]}),
        (["10x 2 genomes"], {}))[number % 6]
    n_files = int(rng.integers(2, 5))
    axes = axes_of(rng, meeting, n_files)
    raw_axes = axes_of(rng, MEETINGS[int(rng.integers(len(MEETINGS)))],
                       n_files)
    order = Cycle(rng, writers)
    plans = []
    for genes, raw_genes in zip(axes, raw_axes):
        plan = planner.next(
            writer=order.next(), form=str(rng.choice(AXES["form"][:3])),
            shape=(int(rng.choice([0, 1, 9, 40, 120])), len(genes)),
            **{k: str(rng.choice(v)) for k, v in fixed.items()})
        # obsm of one name has one width
        plan.update({"genes": genes, "raw genes": raw_genes,
                     "obsm width": 3})
        plans.append(plan)
    return plans


def make_set(rng, work, number, meeting, made, float_text):
    """Write the files of a set; returns their truths, and their plans."""
    truths = []
    plans = plan_set(rng, made.planner, number, meeting)
    for f, plan in enumerate(plans):
        allowed = generated.kinds_for(plan["writer"])
        names = [n for n in SHARED if allowed and rng.random() < 0.7]
        mine = [made.kinds.next(allowed) for _ in names]
        path = os.path.join(work, "join-%d-%d.h5ad" % (number, f))
        truths.append(generated.make_file(path, rng, plan, mine, names,
                                          float_text))
        made.count({**plan, "shape": None}, mine)
    return truths, plans


def read(truth):
    """X, names of the cells and of the genes, as anndata or scanpy has it."""
    with h5py.File(truth.path) as f:
        is_tenx = "obs" not in f
    if is_tenx:
        (indptr, indices, data), shape, cells, genes = tenx.read(
            truth.path, truth.group)
        return anndata.AnnData(sp.csr_matrix(
            (data, indices, indptr), shape), obs=pd.DataFrame(index=cells),
                               var=pd.DataFrame(index=genes))
    return corpus.read(truth.path, truth.group)


def concatenated(truths, join):
    """What anndata makes of the files: genes and float32 values."""
    parts = []
    for truth in truths:
        adata = read(truth)
        x = sp.csr_matrix(adata.X, copy=True)
        if x.dtype.itemsize >= 4 and x.dtype != np.float32:
            x.sum_duplicates()  # in the elements' own type, then rounded
        parts.append(anndata.AnnData(
            x.astype(np.float32), obs=adata.obs[[]],
            var=pd.DataFrame(index=adata.var_names)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.concat(parts, join=join, fill_value=0)


def clean(name):
    """A name as we show it: h5py hands on invalid UTF-8 as surrogates."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8",
                                                               "replace")


def check_control(report, truths, expected, join, unread):
    """The expectation itself, against anndata.concat."""
    try:
        joined = concatenated(truths, join)
    except Exception as e:
        text = str(e).splitlines()
        unread["%s: %s" % (type(e).__name__, text[0] if text else "")] += 1
        return
    genes = [clean(g) for g in joined.var_names]
    report.equal_lists("genes of anndata.concat", sorted(genes),
                       sorted(expected.genes))
    report.equal_lists("obs_names of anndata.concat",
                       [clean(n) for n in joined.obs_names],
                       expected.obs_names)
    if len(set(genes)) == len(genes) and sorted(genes) == sorted(
            expected.genes):
        place = {g: i for i, g in enumerate(genes)}
        order = [place[g] for g in expected.genes]
        report.equal_numbers("X of anndata.concat",
                             joined.X.toarray()[:, order],
                             expected.rows.dense(), lambda i, j: (i, j))


def check_join(report, sql, truths, options, made, float_text):
    """Register the files as one and compare all of it."""
    layer, join, duplicates = options
    try:
        e = Expected(truths, layer, join, float_text, duplicates)
    except NoJoin as no:
        check_refused(report, sql, "SELECT " + create_call(
            "refused", truths, layer=layer, var_join=join,
            var_duplicates=duplicates), "22023", [str(no)])
        return
    if layer == "X" and duplicates == "error":
        check_control(report, truths, e, join, made.unread)
    coll = Collection("joined", e, False, corpus.some_genes(e.genes, 4),
                      sorted({n for t in truths for n in t.obsm}))
    check_collection(report, sql, coll, paths=made.paths)


def check_missing(report, sql, truths, layer):
    """A file of several that lacks the layer is named."""
    lacking = [t.path for t in truths if layer not in t.matrices]
    result = sql.run("SELECT " + create_call("refused", truths,
                                             layer=layer))[0]
    report.equal("SQLSTATE (%s)" % result.message, result.state, "42704")
    report.equal("%r names one of %s and %s" % (
        result.message, lacking, layer), layer in result.message and any(
            p in result.message for p in lacking), True)


def check_set(report, sql, number, meeting, truths, made, float_text):
    """All joins of the files of a set."""
    duplicates = ("error", "first", "sum") if "duplicates" in meeting else \
        (("error", "first", "sum")[number % 3],)
    for layer in ("X", "raw/X", "layers/other"):
        what = "%s join %%s %d of %s (%s)" % ("%s", number, layer, meeting)
        if not all(layer in t.matrices for t in truths):
            if layer != "X":
                report.check(what % ("failed", "missing"), check_missing,
                             report, sql, truths, layer)
            continue
        for join in ("inner", "outer"):
            for policy in duplicates:
                made.coverage.count("var_join", join, len(truths))
                made.coverage.count("var_duplicates", policy, len(truths))
                made.coverage.count("matrix of a join", layer, len(truths))
                report.check(what % (join, policy), check_join, report, sql,
                             truths, (layer, join, policy), made,
                             float_text)


def run(report, sql, work, seed, n_files, float_text, coverage, paths):
    """Sets of files, n_files together, each joined in all ways."""
    rng = np.random.default_rng([seed, 2])
    for axis, values in AXES_OF_JOINS.items():
        coverage.axis(axis, values)
    made = Made(rng, coverage, paths)
    before = coverage.n_files
    number = 0
    while coverage.n_files - before < n_files or number < len(MEETINGS):
        meeting = MEETINGS[number % len(MEETINGS)]
        wrong = report.wrong
        truths, plans = make_set(rng, work, number, meeting, made, float_text)
        coverage.count("genes of a join", meeting, len(truths))
        check_set(report, sql, number, meeting, truths, made, float_text)
        for truth, plan in zip(truths, plans):
            if report.wrong > wrong:
                report.say("    %s is: %s" % (os.path.basename(truth.path),
                                              generated.describe(plan)))
                generated.keep(truth.path)
            os.unlink(truth.path)
        number += 1
    made.tell_unread("joins", number)
