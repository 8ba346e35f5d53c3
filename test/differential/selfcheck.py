"""
selfcheck.py
        The test itself: a right expectation passes, and each expectation that
        is wrong in one place is seen.
"""
import copy
import os

import numpy as np
import pandas as pd

import generated
import tenx
import where
from compare import Collection, Report, check_collection
from content import KINDS, Content, Sparse
from h5write import Storage, Style
from paths import Paths, SEEN, WAYS
from plans import Coverage, Planner
from psql import identifier
from truth import Column, Expected


def make_content():
    """A small file with one of everything."""
    obs = pd.DataFrame({
        "text": pd.Categorical.from_codes([0, 1, -1, 0], ["T", "B"]),
        "number": np.array([1, 2, 3, 4]),
        "float": np.array([0.5, np.nan, 1.5, 0.0]),
        "bool": np.array([True, False, True, False]),
        "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
    }, index=["a", "b", "c", "d"])
    content = Content(obs, ["g0", "g1", "g2"])
    content.matrices["X"] = Sparse(
        np.array([0, 2, 2, 4, 5]), np.array([0, 2, 1, 2, 0], "i4"),
        np.array([1, 2, 3, 0, 5], "f4"), (4, 3))
    content.obsm["X_pca"] = np.arange(8, dtype="f4").reshape(4, 2)
    return content


def value(name, i, new):
    """An obs value becomes another one."""
    def alter(t):
        t.columns[name].values[i] = new
    return alter


def missing(name, i):
    """An obs value becomes missing, or is no longer."""
    def alter(t):
        t.columns[name].missing[i] ^= True
    return alter


def text_missing(t):
    t.columns["text"].values[0] = None
    t.columns["text"].missing[0] = True


def next_float(t):
    rows = t.matrices["X"]
    rows.values[1] = np.nextafter(rows.values[1], np.float32(9))


def without_zero(t):
    rows = t.matrices["X"]
    rows.values, rows.indices = (np.delete(a, 3)
                                 for a in (rows.values, rows.indices))
    rows.indptr = np.array([0, 2, 2, 3, 4])


def other_index(t):
    t.matrices["X"].indices[0] = 1


def other_row(t):
    t.matrices["X"].indptr = np.array([0, 1, 2, 4, 5])


def obs_name(t):
    t.obs_names[3] = "e"


def gene_name(t):
    t.var_names["X"][2] = "g3"


def gene_order(t):
    t.var_names["X"][:2] = ["g1", "g0"]


def obsm_value(t):
    t.obsm["X_pca"][3, 1] += 1


def kind(t):
    t.columns["number"] = Column("float", np.array([1.0, 2, 3, 4]))


def no_column(t):
    del t.columns["bool"]


def column_order(t):
    t.columns["text"] = t.columns.pop("text")


def one_row_less(t):
    t.obs_names.pop()
    for c in t.columns.values():
        c.values, c.missing = c.values[:-1], c.missing[:-1]
    rows = t.matrices["X"]
    rows.indptr = rows.indptr[:-1]
    rows.values, rows.indices = rows.values[:4], rows.indices[:4]
    rows.n_rows = 3
    t.obsm["X_pca"] = t.obsm["X_pca"][:-1]


ALTERATIONS = {
    "a text": value("text", 0, "t"),
    "a text that is missing": text_missing,
    "an integer": value("number", 2, 4),
    "a float": value("float", 0, 0.5000000000000001),
    "NaN for a float": value("float", 0, np.nan),
    "a float for NaN": value("float", 1, 0.0),
    "NULL for NaN": missing("float", 1),
    "a boolean": value("bool", 1, True),
    "a value for NULL": missing("nullable", 1),
    "NULL for a value": missing("nullable", 0),
    "an obs_name": obs_name,
    "a gene's name": gene_name,
    "the order of genes": gene_order,
    "the next float32 in X": next_float,
    "a column index in X": other_index,
    "an entry in another row": other_row,
    "no explicit zero": without_zero,
    "obsm": obsm_value,
    "the type of a column": kind,
    "a column less": no_column,
    "the order of columns": column_order,
    "a row less": one_row_less,
}


def as_csc(t):
    t.matrices["X"].encoding = "csc"


def measured(e):
    """What an outer join says of a gene that one file lacks."""
    e.measured[1, 0] ^= True


def missing_in(e):
    e.missing_in[0] = []


def other_sum(e):
    e.rows.values[0] = np.nextafter(e.rows.values[0], np.float32(99))


def other_gene(e):
    """The columns of two genes change places."""
    e.rows.indices[:] = (e.rows.indices + 1) % len(e.genes)


ALTERATIONS["the encoding of X"] = as_csc

# Of what is expected of two files together
JOINT_ALTERATIONS = {
    "the mask of measured genes": measured,
    "the files that lack a gene": missing_in,
    "a sum of duplicates": other_sum,
    "the place of genes": other_gene,
}


def errors_of(sql, e, arrays=False, genes=(), obsm=()):
    """Number of differences that a comparison with an expectation finds."""
    report = Report(quiet=True)
    check_collection(report, sql, Collection("self", e, arrays, genes, obsm))
    return report.wrong


def check_alterations(report, sql, truth, float_text):
    """Everything that is wrong is seen, and nothing else."""
    for arrays in (False, True):
        for name, alter in {"": None, **ALTERATIONS}.items():
            altered = copy.deepcopy(truth)
            if alter:
                alter(altered)
            e = Expected([altered], "X", "inner", float_text)
            report.equal("an expectation that is wrong in %r is seen" % name,
                         errors_of(sql, e, arrays, ["g0"], ["X_pca"]) > 0,
                         alter is not None)


def check_joint_alterations(report, sql, truths, float_text):
    """The same of two files whose genes differ."""
    for policy in ("first", "sum"):
        for name, alter in {"": None, **JOINT_ALTERATIONS}.items():
            e = Expected(truths, "X", "outer", float_text, policy)
            if alter:
                alter(e)
            report.equal("an expectation that is wrong in %r is seen" % name,
                         errors_of(sql, e) > 0, alter is not None)
        e = Expected(truths, "X", "outer", float_text, policy)
        e.duplicates = {"first": "sum", "sum": "first"}[policy]
        report.equal("the other var_duplicates than %s is seen" % policy,
                     errors_of(sql, e) > 0, True)


def results_of_paths(sql, coll):
    """A collection read in all ways: the ways, the case, its results."""
    paths = Paths(Coverage())
    case = paths.case(coll)
    batch = case.statements()
    done = sql.run(coll.create(), *batch.values(),
                   "DROP TABLE " + identifier(coll.name))
    return paths, case, dict(zip(batch, done[1:-1]))


def errors_of_paths(paths, case, results):
    report = Report(quiet=True)
    paths.compare(report, case, results)
    return report.wrong


def other_byte(fields):
    """The same, but for one bit of the last value that is not of text."""
    columns = [list(column) for column in fields]
    for column in reversed(columns):
        for i, value in enumerate(column):
            if value and not value.startswith(b"{"):
                column[i] = value[:-1] + bytes([value[-1] ^ 1])
                return columns
    raise ValueError("there is nothing to change")


def check_paths(report, sql, truth, float_text):
    """The ways to read: wrong values, one bit in one way, a way not taken."""
    for name in ("", "the next float32 in X", "a column index in X",
                 "an entry in another row", "no explicit zero", "obsm"):
        altered = copy.deepcopy(truth)
        if name:
            ALTERATIONS[name](altered)
        e = Expected([altered], "X", "inner", float_text)
        wrong = errors_of_paths(*results_of_paths(
            sql, Collection("self", e, False, (), ["X_pca"])))
        report.equal("an expectation that is wrong in %r is seen by reading "
                     "in all ways" % name, wrong > 0, bool(name))
    e = Expected([truth], "X", "inner", float_text)
    paths, case, results = results_of_paths(
        sql, Collection("self", e, False, (), ["X_pca"]))
    for way in WAYS:
        for what in case.asked:
            if (way, what) not in results:
                continue
            result = copy.copy(results[way, what])
            result.fields = other_byte(result.fields)
            report.equal("a bit in %s, %s is seen" % (way, what),
                         errors_of_paths(paths, case, {
                             **results, (way, what): result}) > 0, True)
    coverage = Coverage()
    Paths(coverage)
    missed = {value for axis, value in coverage.missed()
              if axis in ("read", "seen of it")}
    report.equal("ways that were not taken", missed, {*WAYS, *SEEN})


def check_tenx(report, sql, path, float_text):
    """10x: the genome is the one asked for, and features are not cells."""
    rng = np.random.default_rng(1)
    contents = [Content(pd.DataFrame(index=["c", "d", "e"]), names)
                for names in (["g0", "g1"], ["h0", "h1"])]
    for i, content in enumerate(contents):
        content.matrices["X"] = Sparse(
            np.array([0, 1, 2, 3]), np.array([0, 1, i]),
            np.array([1, 2, 3 + i], "i4"), (3, 2))
    tenx.write_file(path, "10x 2 genomes", *contents, Storage(rng), Style(rng),
                    "earliest", 0)
    os.chmod(path, 0o644)
    for content, genome in zip(contents, tenx.GENOMES):
        for asked in tenx.GENOMES:
            truth = content.truth(path, float_text)
            truth.group = asked
            e = Expected([truth], "X", "inner", float_text)
            report.equal("genome %s for %s is seen" % (asked, genome),
                         errors_of(sql, e) > 0, asked != genome)
    os.unlink(path)


def check_coverage(report):
    """A value that no file has is missed."""
    coverage = Coverage()
    planner = Planner(np.random.default_rng(0))
    for _ in range(300):
        coverage.add(planner.next())
    for kind in KINDS:
        coverage.count("obs column", kind)
    report.equal("values that no plan has", coverage.missed(), [])
    for axis, counts in coverage.counts.items():
        value = next(iter(counts))
        n = counts.pop(value)
        report.equal("axis %s without %s is seen" % (axis, value),
                     coverage.missed(), [(axis, value)])
        counts[value] = n


def run(report, sql, work, seed, float_text):
    """The checks of the check."""
    path = os.path.join(work, "self.h5ad")
    content = make_content()
    content.matrices["layers/other"] = content.matrices["X"]
    generated.write_with_anndata(path, content, np.random.default_rng(0))
    os.chmod(path, 0o644)
    truth = content.truth(path, float_text)
    report.check("the test sees a wrong value", check_alterations, report,
                 sql, truth, float_text)

    report.check("the test sees a wrong way to read", check_paths, report, sql,
                 truth, float_text)

    second = os.path.join(work, "self-2.h5ad")
    content = make_content()
    content.var_names = ["g1", "g2", "g1"]
    content.var.index = pd.Index(content.var_names)
    generated.write_with_anndata(second, content, np.random.default_rng(0))
    os.chmod(second, 0o644)
    report.check("the test sees a wrong join", check_joint_alterations, report,
                 sql, [truth, content.truth(second, float_text)], float_text)
    os.unlink(path)
    os.unlink(second)
    report.check("the test sees a wrong genome", check_tenx, report, sql,
                 os.path.join(work, "self.h5"), float_text)
    report.check("the test sees an axis that vanished", check_coverage, report)
    where.check_itself(report, work, seed)
