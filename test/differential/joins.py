"""
joins.py
        Several files as one: shuffled, partly overlapping genes, obs columns
        that differ in name and type; against the rules and, where it can,
        against anndata.concat.
"""
import collections
import os
import warnings

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

import corpus
import generated
from compare import Collection, check_collection, check_refused
from content import KINDS
from psql import literal, text_array
from truth import Expected, NoJoin

# How the gene axes of a set of files meet
MEETINGS = ("overlap", "overlap", "permuted", "same", "overlap", "nested",
            "same with duplicates", "overlap", "disjoint", "one empty",
            "differing with duplicates", "one gene in common")

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
    return axes


def make_set(rng, work, number, meeting, cycles, float_text):
    """Write the files of a set; returns their truths."""
    axes, kinds = cycles
    n_files = int(rng.integers(2, 5))
    truths = []
    for f, genes in enumerate(axes_of(rng, meeting, n_files)):
        plan = {k: axis.next() for k, axis in axes.items()}
        plan["genes"] = genes
        # anndata, which is the control here, reads it in few cases only
        plan["big endian"] &= number % 3 == 0
        plan["shape"] = (int(rng.choice([0, 1, 9, 40, 120])), len(genes))
        names = [n for n in SHARED if rng.random() < 0.7]
        mine = [kinds.next(generated.kinds_for(plan["writer"]))
                for _ in names]
        path = os.path.join(work, "join-%d-%d.h5ad" % (number, f))
        truths.append(generated.make_file(path, rng, plan, mine, names,
                                          float_text))
        os.chmod(path, 0o644)
    return truths


def concatenated(truths, join):
    """What anndata makes of the files: genes and float32 values."""
    parts = []
    for truth in truths:
        adata = corpus.read(truth.path)
        x = sp.csr_matrix(adata.X, copy=True)
        if x.dtype.itemsize >= 4 and x.dtype != np.float32:
            x.sum_duplicates()  # in the elements' own type, then rounded
        parts.append(anndata.AnnData(
            x.astype(np.float32), obs=adata.obs[[]],
            var=pd.DataFrame(index=adata.var_names)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.concat(parts, join=join, fill_value=0)


def check_control(report, truths, expected, join, unread):
    """The expectation itself, against anndata.concat."""
    try:
        joined = concatenated(truths, join)
    except Exception as e:
        text = str(e).splitlines()
        unread["%s: %s" % (type(e).__name__, text[0] if text else "")] += 1
        return
    genes = [str(g) for g in joined.var_names]
    report.equal_lists("genes of anndata.concat", sorted(genes),
                       sorted(expected.genes))
    report.equal_lists("obs_names of anndata.concat",
                       [str(n) for n in joined.obs_names], expected.obs_names)
    if len(set(genes)) == len(genes) and sorted(genes) == sorted(
            expected.genes):
        place = {g: i for i, g in enumerate(genes)}
        order = [place[g] for g in expected.genes]
        report.equal_numbers("X of anndata.concat",
                             joined.X.toarray()[:, order],
                             expected.rows.dense(), lambda i, j: (i, j))


def check_join(report, sql, truths, join, layer, unread, float_text):
    """Register the files as one and compare all of it."""
    try:
        e = Expected(truths, layer, join, float_text)
    except NoJoin as no:
        check_refused(report, sql, "SELECT create_collection('refused', %s, "
                      "%s, %s)" % (text_array(t.path for t in truths),
                                   literal(layer), literal(join)),
                      "22023", [str(no)])
        return
    if layer == "X":
        check_control(report, truths, e, join, unread)
    coll = Collection("joined", e, False, corpus.some_genes(e.genes, 4),
                      sorted({n for t in truths for n in t.obsm}))
    check_collection(report, sql, coll, join)


def check_missing(report, sql, truths, layer):
    """A file of several that lacks the layer is named."""
    lacking = [t.path for t in truths if layer not in t.matrices]
    result = sql.run("SELECT create_collection('refused', %s, %s)" % (
        text_array(t.path for t in truths), literal(layer)))[0]
    report.equal("SQLSTATE (%s)" % result.message, result.state, "42704")
    report.equal("%r names one of %s and %s" % (
        result.message, lacking, layer), layer in result.message and any(
            p in result.message for p in lacking), True)


def run(report, sql, work, seed, n_sets, float_text):
    """n_sets sets of files, each joined in both ways."""
    rng = np.random.default_rng([seed, 2])
    axes = {k: generated.Cycle(rng, v) for k, v in generated.AXES.items()
            if k != "shape"}
    kinds = generated.Cycle(rng, KINDS)
    unread = collections.Counter()
    for i in range(n_sets):
        meeting = MEETINGS[i % len(MEETINGS)]
        truths = make_set(rng, work, i, meeting, (axes, kinds), float_text)
        for join in ("inner", "outer"):
            report.check("%s join %d: %s" % (join, i, meeting), check_join,
                         report, sql, truths, join, "X", unread, float_text)
        layer = "layers/other" if i % 2 else "raw/X"
        if all(layer in t.matrices for t in truths):
            report.check("outer join %d of %s" % (i, layer), check_join,
                         report, sql, truths, "outer", layer, unread,
                         float_text)
        else:
            report.check("join %d of %s, which not all have" % (i, layer),
                         check_missing, report, sql, truths, layer)
        for truth in truths:
            os.unlink(truth.path)
    if unread:
        print("%d of %d joins cannot be made by anndata itself:" % (
            sum(unread.values()), 2 * n_sets))
        for reason, n in unread.most_common():
            print("    %d: %s" % (n, reason[:100]))
