"""
reads.py
        Some of the rows: by number, in batches, by TABLESAMPLE.  Whatever way
        a row is reached, it is the row that it is.
"""
import os

import numpy as np

import corpus
import generated
import joins
from compare import (Collection, check_obs, check_sparse, check_x)
from plans import Coverage
from psql import identifier, literal, numbers, text_values
from truth import Expected, as_kind

BIG = 9223372036854775807


def conditions(rng, n):
    """Conditions on row_index, each with a function of all row numbers."""
    def some(k):
        return [int(v) for v in rng.integers(-2, n + 3, k)]

    def array(values):
        return "{%s}" % ",".join(map(str, values))

    a, b = sorted(some(2))
    k = some(1)[0]
    many = some(40)
    few = some(5)
    return [
        ("row_index = %d" % k, lambda r: r == k),
        ("row_index = 0", lambda r: r == 0),
        ("%d = row_index" % (n - 1), lambda r: r == n - 1),
        ("row_index = ANY ('%s')" % array(many), lambda r: np.isin(r, many)),
        ("row_index = ANY ('%s'::int[])" % array(many),
         lambda r: np.isin(r, many)),
        ("row_index = ANY ('%s'::smallint[])" % array(few),
         lambda r: np.isin(r, few)),
        ("row_index IN (%s)" % ",".join(map(str, few)),
         lambda r: np.isin(r, few)),
        ("row_index = ANY (ARRAY(SELECT unnest('%s'::bigint[])))" %
         array(few), lambda r: np.isin(r, few)),
        ("row_index IN (SELECT unnest('%s'::bigint[]))" % array(few),
         lambda r: np.isin(r, few)),
        ("row_index = ANY ('{}')", lambda r: r < 0),
        ("row_index = ANY ('{NULL,%d}')" % k, lambda r: r == k),
        ("row_index = NULL", lambda r: r < 0),
        ("row_index BETWEEN %d AND %d" % (a, b), lambda r: (r >= a) & (r <= b)),
        ("row_index BETWEEN %d AND %d" % (b + 1, a), lambda r: r < 0),
        ("row_index >= %d AND row_index < %d" % (a, b),
         lambda r: (r >= a) & (r < b)),
        ("row_index > %d AND %d >= row_index" % (a, b),
         lambda r: (r > a) & (r <= b)),
        ("row_index < %d" % b, lambda r: r < b),
        ("row_index > %d OR row_index = %d" % (b, a),
         lambda r: (r > b) | (r == a)),
        ("row_index <> %d" % k, lambda r: r != k),
        ("row_index > %d" % BIG, lambda r: r < 0),
        ("row_index <= %d" % BIG, lambda r: r >= 0),
        ("row_index >= %d" % -BIG, lambda r: r >= 0),
        ("row_index = ANY ('%s') AND row_index > %d" % (array(many), a),
         lambda r: np.isin(r, many) & (r > a)),
        ("row_index % 3 = 1", lambda r: r % 3 == 1),
        ("file_index = 1 AND row_index < %d" % b, None),
    ]


def columns_of(coll):
    return ["row_index", "file_index", "obs_name", *coll.obs]


def check_rows(report, coll, fields, rows, way, dense):
    """Rows with their obs and, by way, vectors."""
    n = 3 + len(coll.obs)
    if not fields:
        fields = [[] for _ in range(n + 3)]
    wrong = report.wrong
    check_obs(report, coll, fields[:n], rows)
    if report.wrong > wrong:
        return
    if way in ("x", "all"):
        check_x(report, coll, fields[n], rows, dense)
    if way in ("sparse", "all"):
        check_sparse(report, coll, *fields[-2:], rows)


VECTORS = {"obs": [], "x": ["x"], "sparse": ["x_indices", "x_values"],
           "all": ["x", "x_indices", "x_values"]}


def check_conditions(report, sql, coll, rng, dense):
    """Rows that meet a condition."""
    e = coll.expected
    every = np.arange(e.n_obs)
    asked = []
    for condition, chosen in conditions(rng, e.n_obs):
        way = str(rng.choice(list(VECTORS)))
        if chosen is None:
            limit = int(condition.rsplit(" ", 1)[1])
            rows = every[(e.file_index == 1) & (every < limit)]
        else:
            rows = every[chosen(every)]
        asked.append((condition, way, rows))
    results = sql.run(*(coll.select(columns_of(coll) + VECTORS[way],
                                    "WHERE %s ORDER BY row_index" % condition)
                        for condition, way, _ in asked))
    for (condition, way, rows), result in zip(asked, results):
        wrong = report.wrong
        report.equal("error of " + condition, result.message, "")
        if result.ok():
            check_rows(report, coll, result.fields, rows, way, dense)
        if report.wrong > wrong:
            report.say("    WHERE %s (%s)" % (condition, way))


def check_lookups(report, sql, coll, rng, dense):
    """Rows in the order asked for, through a join."""
    wanted = rng.integers(0, coll.expected.n_obs, 30)
    for setting in ("on", "off"):
        result = sql.run(
            "SET enable_hashjoin = " + setting,
            "SET enable_mergejoin = " + setting,
            "SELECT %s FROM unnest('{%s}'::bigint[]) WITH ORDINALITY "
            "AS u (r, place) JOIN %s ON row_index = r ORDER BY place" % (
                ", ".join(map(identifier, columns_of(coll) + ["x"])),
                ",".join(map(str, wanted)), identifier(coll.name)))[2]
        report.equal("error of the join", result.message, "")
        if result.ok():
            check_rows(report, coll, result.fields, wanted, "x", dense)


def label_texts(coll, sources, float_text):
    """The label of each row: the texts of columns, joined."""
    columns = [as_kind(coll.expected.columns[s], "text", float_text)
               for s in sources]
    return [None if any(v is None for v in values) else "__".join(values)
            for values in zip(*(
                [None if m else v for v, m in zip(c.values, c.missing)]
                for c in columns))]


def weights_of(coll, rng):
    """Some weight_by, with the obs columns that it names."""
    names = list(coll.obs)
    out = []
    for i in rng.permutation(len(names))[:5]:
        out.append((names[i], [coll.obs[names[i]]]))
    if len(names) > 1:
        a, b = (names[i] for i in rng.permutation(len(names))[:2])
        out.append((identifier(a) + ", " + identifier(b),
                    [coll.obs[a], coll.obs[b]]))
    return out


def check_labels(report, sql, coll, weight_by, labels):
    """labels(): each text, its number of rows, its weight."""
    result = sql.run("SELECT code, label, n_rows, weight FROM labels(%s, %s) "
                     "ORDER BY code" % (literal(identifier(coll.name)),
                                        literal(weight_by)))[0]
    report.equal("error of labels(%r)" % weight_by, result.message, "")
    if not result.ok():
        return
    counts = {}
    for label in labels:
        if label is not None:
            counts[label] = counts.get(label, 0) + 1
    texts = sorted(counts, key=str.encode)
    fields = result.fields or [[], [], [], []]
    report.equal_lists("labels of %r" % weight_by, text_values(fields[1]),
                       texts)
    report.equal_numbers("codes of %r" % weight_by,
                         numbers(fields[0], ">i4")[0].astype(int),
                         np.arange(len(texts)), str)
    n_rows = np.array([counts[t] for t in texts], np.int64)
    report.equal_numbers("n_rows of %r" % weight_by,
                         numbers(fields[2], ">i8")[0], n_rows, str)
    report.equal_numbers("weights of %r" % weight_by,
                         numbers(fields[3], ">f8")[0], 1.0 / n_rows, str)


def check_batch(report, coll, fields, n, labels, dense):
    """A batch: n rows, each with its own label and vector."""
    fields = fields or [[], [], []]
    rows, nulls = numbers(fields[0], ">i8")
    report.equal("rows of the batch", len(rows), n)
    good = not nulls.any() and ((rows >= 0) & (rows < coll.expected.n_obs)
                                ).all()
    report.equal("all rows exist", bool(good), True)
    if not good:
        return rows
    report.equal_lists("label", text_values(fields[1]), [
        labels[r] if labels else None for r in rows],
        lambda i: coll.place(rows[i]))
    if labels:
        report.equal("rows without a label", [
            int(r) for r in rows if labels[r] is None], [])
    check_x(report, coll, fields[2], rows, dense, "x of the batch")
    return rows


def check_batches(report, sql, coll, weight_by, labels, seed, dense):
    """sample_batch: the rows' own values; ranks are slices of one batch."""
    name = literal(identifier(coll.name))
    weight = "NULL" if weight_by is None else literal(weight_by)
    if labels and all(v is None for v in labels):
        result = sql.run("SELECT row_index FROM sample_batch(%s, 4, %s)" % (
            name, weight))[0]
        report.equal("error where no row has a label (%s)" % result.message,
                     result.ok(), False)
        return
    calls = [(60, seed, 0, 0, 1, True), (60, seed, 0, 0, 1, True),
             (60, seed, 3, 0, 1, True), (20, seed, 3, 0, 3, True),
             (20, seed, 3, 1, 3, True), (20, seed, 3, 2, 3, True)]
    if not labels:
        calls.append((coll.expected.n_obs, seed, 0, 0, 1, False))
    results = sql.run(*(
        "SELECT row_index, label, x FROM sample_batch(%s, %d, %s, seed => %d, "
        "step => %d, rank => %d, world_size => %d, replacement => %s)" % (
            name, n, weight, s, step, rank, world, replacement)
        for n, s, step, rank, world, replacement in calls))
    rows = []
    for call, result in zip(calls, results):
        report.equal("error of sample_batch%s" % (call,), result.message, "")
        if not result.ok():
            return
        rows.append(check_batch(report, coll, result.fields, call[0], labels,
                                dense))
    report.equal_numbers("the same batch once more", rows[1], rows[0], str)
    report.equal_numbers("three ranks of a batch", np.concatenate(rows[3:6]),
                         rows[2], str)
    if not labels:
        report.equal_numbers("an epoch without replacement", np.sort(rows[6]),
                             np.arange(coll.expected.n_obs), str)


def check_tablesample(report, sql, coll, weight_by, labels, seed, dense):
    """TABLESAMPLE: rows are what they are, and have a label."""
    if all(v is None for v in labels):
        return
    select = coll.select(columns_of(coll) + ["x", "x_indices", "x_values"],
                         "TABLESAMPLE %s REPEATABLE (%d) LIMIT 50")
    weighted = "weighted(%s)" % literal(weight_by)
    results = sql.run(select % (weighted, seed), select % (weighted, seed),
                      select % ("bernoulli(40)", seed),
                      select % ("system(60)", seed))
    seen = []
    for result, what in zip(results, (weighted, weighted, "bernoulli",
                                      "system")):
        report.equal("error of TABLESAMPLE " + what, result.message, "")
        if not result.ok():
            return
        rows = numbers(result.fields[0] if result.fields else [], ">i8")[0]
        seen.append(rows)
        if what == weighted:
            report.equal("rows of TABLESAMPLE " + what, len(rows),
                         min(50, coll.expected.n_obs))
            report.equal("rows without a label", [
                int(r) for r in rows if labels[r] is None], [])
        else:
            report.equal("rows of %s ascend" % what,
                         bool((np.diff(rows) > 0).all()), True)
        check_rows(report, coll, result.fields, rows, "all", dense)
    report.equal_numbers("the same sample once more", seen[1], seen[0], str)


def check_all(report, sql, coll, rng, float_text):
    """Everything about one collection."""
    made = sql.run(coll.create())[0]
    report.equal("create_collection", made.message, "")
    if not made.ok():
        return
    report.files.update(t.path for t in coll.expected.truths)
    dense = coll.expected.rows.dense()
    for _ in range(3):
        check_conditions(report, sql, coll, rng, dense)
    check_lookups(report, sql, coll, rng, dense)
    seed = int(rng.integers(0, 1 << 31))
    check_batches(report, sql, coll, None, None, seed, dense)
    for weight_by, sources in weights_of(coll, rng):
        wrong = report.wrong
        labels = label_texts(coll, sources, float_text)
        check_labels(report, sql, coll, weight_by, labels)
        check_batches(report, sql, coll, weight_by, labels, seed, dense)
        check_tablesample(report, sql, coll, weight_by, labels, seed, dense)
        if report.wrong > wrong:
            report.say("    weight_by %r" % weight_by)
    report.equal("DROP", sql.run("DROP TABLE " + identifier(coll.name))[0]
                 .message, "")


def collections_of(rng, work, truths, float_text):
    """Collections to read from: name, files, join."""
    out = []
    for names, join in FROM_CORPUS:
        if all(n in truths for n in names):
            out.append((", ".join(names), [truths[n] for n in names], join))
    drawn = generated.Made(rng, Coverage())
    for i in range(4):
        made, _ = joins.make_set(rng, work, 1000 + i, "overlap", drawn,
                                 float_text)
        if sum(t.n_obs for t in made):
            out.append(("generated set %d" % i, made,
                        "outer" if i % 2 else "inner"))
    return out


# Files of the corpus that are read from
FROM_CORPUS = (
    (("scanpy-pbmc68k-reduced.h5ad", "anndata-v0.5.0.h5ad"), "inner"),
    (("scvi-pbmc-5k-protein.h5ad", "scvi-pbmc-10k-protein.h5ad"), "outer"),
    (("scimilarity-test.h5ad",), "inner"),
    (("squidpy-test-data.h5ad",), "inner"),
)


def real_files(report, directory, truths, float_text):
    """The corpus files that we read from, unless they are read already."""
    if not directory:
        report.skip("reads of real files", "MC_CORPUS names no directory")
        return {}
    names = [n for names, _ in FROM_CORPUS for n in names]
    for name in names:
        path = os.path.join(directory, name)
        if not os.path.exists(path):
            report.skip("reads of " + name, "not in the corpus")
        elif name not in truths:
            truths[name] = corpus.truth_of_file(path, float_text)
    return truths


def run(report, sql, work, seed, directory, truths, float_text):
    """Real and generated collections."""
    rng = np.random.default_rng([seed, 3])
    truths = real_files(report, directory, truths, float_text)
    for name, files, join in collections_of(rng, work, truths, float_text):
        e = Expected(files, "X", join, float_text)
        report.check("reads of " + name, check_all, report, sql,
                     Collection("Read it", e), rng, float_text)
