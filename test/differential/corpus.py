"""
corpus.py
        Real files by many writers, each against what anndata reads.
"""
import os
import warnings

import anndata
import h5py
import hdf5plugin               # noqa: F401  h5py then reads its filters

from compare import Collection, check_collection, check_refused, create_call
from psql import literal, text_array, text_values
from truth import Expected, NoJoin, truth_of_anndata

# obsm that has to be refused, with an error that names it: a collection's obsm
# columns are matrices of numbers.
REFUSED_OBSM = {
    ("anndata-v0.5.0.h5ad", "X_pca"): "fields of a compound dataset",
    ("anndata-v0.5.0.h5ad", "X_umap"): "fields of a compound dataset",
    ("anndata-v0.7.0.h5ad", "df"): "a dataframe with categories",
    ("cellxgene-compound-nan.h5ad", "X_pca"): "fields of a compound dataset",
    ("cellxgene-compound-nan.h5ad", "X_tsne"): "fields of a compound dataset",
    ("cellxgene-compound-nan.h5ad", "X_umap"): "fields of a compound dataset",
}

N_FILES = 31                    # of the corpus as we know it

# Files to join
JOINS = (
    ("scvi-pbmc-5k-protein.h5ad", "scvi-pbmc-10k-protein.h5ad"),
    ("scvi-pbmc-10k-protein.h5ad", "scvi-pbmc-5k-protein.h5ad"),
    ("scvelo-pancreas-50.h5ad", "scvelo-dentategyrus-50.h5ad",
     "cellrank-50.h5ad"),
    ("scanpy-pbmc68k-reduced.h5ad", "anndata-v0.5.0.h5ad"),
)


def read(path, group=""):
    """Read a file with anndata, whatever it says about old formats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not group:
            return anndata.read_h5ad(path)
        with h5py.File(path) as f:
            return anndata.io.read_elem(f[group])


def truth_of_file(path, float_text):
    """A corpus file as it should look, with what is to be refused."""
    base = os.path.basename(path)
    truth = truth_of_anndata(path, read(path), float_text)
    for name in list(truth.obsm):
        if (base, name) in REFUSED_OBSM:
            del truth.obsm[name]
            truth.refused_obsm[name] = ("0A000", 'obsm "%s"' % name)
    return truth


def check_refusals(report, sql, truth):
    """What cannot be read is an error that says so, and is in our lists."""
    base = os.path.basename(truth.path)
    for name, (state, words) in truth.refused_obsm.items():
        report.equal("%s obsm %s is known to be refused" % (base, name),
                     (base, name) in REFUSED_OBSM, True)
        check_refused(report, sql,
                      "SELECT create_collection('refused', %s, obsm => %s)"
                      % (text_array([truth.path]), text_array([name])), state,
                      [truth.path, words])
    expected = {(base, n) for n in truth.refused_obsm}
    known = {k for k in REFUSED_OBSM if k[0] == base}
    report.equal("%s: what is refused" % base, sorted(known - expected), [])
    if "raw/X" not in truth.matrices:
        check_refused(report, sql, "SELECT create_collection('refused', %s, "
                      "'raw/X')" % text_array([truth.path]), "42704",
                      [truth.path, "raw"])


def check_no_matrix(report, sql, without, having):
    """
    A file without X beside one with X: all obs is there, x of the one file
    too, x of the other is an error that names it.
    """
    made = "SELECT create_collection('mixed', %s, var_join => 'outer')" % (
        text_array([having.path, without.path]))
    some = "SELECT %s FROM mixed WHERE row_index %s {}".format(having.n_obs)
    done = sql.run(made, some % ("x", "<"), some % ("obs_name", ">="),
                   some % ("x", ">="), some % ("x_indices", ">="),
                   "SELECT x FROM mixed", "DROP TABLE mixed")
    for result in (*done[:3], done[6]):
        report.equal("error", result.message, "")
    if not (done[1].ok() and done[2].ok()):
        return
    report.equal("rows with x", len(done[1].fields[0]), having.n_obs)
    report.equal_lists("obs_name", text_values(done[2].fields[0]),
                       without.obs_names)
    for result in done[3:6]:
        report.equal("SQLSTATE (%s)" % result.message, result.state, "42704")
        report.equal("message %r names the file" % result.message,
                     without.path in result.message, True)


def some_genes(genes, n=3):
    """A few genes whose name is theirs alone."""
    once = [g for g in genes if genes.count(g) == 1] if len(genes) < 5000 \
        else genes
    step = max(1, len(once) // n)
    return once[::step][:n]


def check_layer(report, sql, truth, layer, name, float_text, arrays=False,
                paths=None):
    """One matrix of one file, with all obs."""
    e = Expected([truth], layer, "inner", float_text)
    coll = Collection(name, e, arrays,
                      some_genes(e.genes) if e.has_matrix else (),
                      sorted(truth.obsm) if layer == "X" else ())
    check_collection(report, sql, coll, paths=paths)


def check_join(report, sql, truths, join, name, float_text, paths):
    """Several files as one."""
    try:
        e = Expected(truths, "X", join, float_text)
    except NoJoin as no:
        check_refused(report, sql, "SELECT create_collection('refused', %s, "
                      "var_join => %s)" % (text_array(t.path for t in truths),
                                           literal(join)), "22023", [str(no)])
        return
    widths = {}
    for t in truths:
        for n, matrix in t.obsm.items():
            widths.setdefault(n, set()).add(matrix.shape[1])
    for n in sorted(n for n in widths if len(widths[n]) > 1):
        check_refused(report, sql, "SELECT " + create_call(
            "refused", truths, var_join=join, obsm=[n]), "42804", [n])
    check_collection(report, sql, Collection(
        name, e, False, some_genes(e.genes, 4),
        sorted(n for n in widths if len(widths[n]) == 1)), paths=paths)


def run(report, sql, directory, float_text, paths):
    """All files of the corpus."""
    found = sorted(os.path.join(directory, f) for f in os.listdir(directory)
                   if f.endswith(".h5ad"))
    truths = {}
    for path in found:
        base = os.path.basename(path)
        truth = truth_of_file(path, float_text)
        truths[base] = truth
        layers = sorted({"X", *truth.matrices})
        for layer in layers:
            report.check("%s %s" % (base, layer), check_layer, report, sql,
                         truth, layer, "corpus", float_text, False,
                         paths if layer == "X" else None)
        report.check("%s vectors as arrays" % base, check_layer, report, sql,
                     truth, "X", "corpus", float_text, True)
        report.check("%s refusals" % base, check_refusals, report, sql, truth)
    if len(found) != N_FILES:
        report.skip("corpus", "it has %d files, not the %d that we know" % (
            len(found), N_FILES))
    having = truths.get("scp-indexed-by-gene-id.h5ad")
    for base, truth in truths.items():
        if "X" not in truth.matrices and having:
            report.check("%s without X, beside one with X" % base,
                         check_no_matrix, report, sql, truth, having)
    for names in JOINS:
        if not all(n in truths for n in names):
            report.skip("join of " + ", ".join(names), "not in the corpus")
            continue
        for join in ("inner", "outer"):
            report.check("%s join of %s" % (join, ", ".join(names)),
                         check_join, report, sql, [truths[n] for n in names],
                         join, "corpus", float_text, paths)
    return truths
