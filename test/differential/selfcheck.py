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
from compare import Collection, Report, check_collection
from content import Content, Sparse
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


def errors_seen(sql, truth, float_text, arrays):
    """Number of differences that a comparison with truth finds."""
    report = Report(quiet=True)
    e = Expected([truth], "X", "inner", float_text)
    check_collection(report, sql,
                     Collection("self", e, arrays, ["g0"], ["X_pca"]))
    return report.wrong


def check_alterations(report, sql, truth, float_text):
    """Everything that is wrong is seen, and nothing else."""
    for arrays in (False, True):
        report.equal("differences of the right expectation",
                     errors_seen(sql, truth, float_text, arrays), 0)
        for name, alter in ALTERATIONS.items():
            altered = copy.deepcopy(truth)
            alter(altered)
            report.equal("an expectation that is wrong in %s is seen" % name,
                         errors_seen(sql, altered, float_text, arrays) > 0,
                         True)


def run(report, sql, work, float_text):
    """The one check of the check."""
    path = os.path.join(work, "self.h5ad")
    content = make_content()
    content.matrices["layers/other"] = content.matrices["X"]
    generated.write_with_anndata(path, content, {"compression": None})
    os.chmod(path, 0o644)
    report.check("the test sees a wrong value", check_alterations, report,
                 sql, content.truth(path, float_text), float_text)
    os.unlink(path)
