"""
compare.py
        What the server returns against what is expected, in bulk.

Every comparison counts its elements.  A difference is reported with where it
is (file, row, column or gene), what was got and what was expected.
"""
import numpy as np

from psql import identifier, literal, numbers, text_array, text_values, vectors
from truth import SQL_TYPES, Names

SHOWN = 5                       # differences printed of one comparison
COPY_TYPES = {"int": ">i8", "float": ">f8", "bool": "?"}


class Report:
    """Counts of a run, and its differences."""

    def __init__(self, quiet=False):
        self.quiet = quiet
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.elements = 0
        self.wrong = 0              # elements that differ
        self.files = set()

    def say(self, line):
        if not self.quiet:
            print(line, flush=True)

    def check(self, name, function, *args):
        """Run one check: it passes if it finds nothing wrong."""
        wrong = self.wrong
        try:
            function(*args)
        except Exception as e:      # a check that breaks has failed
            self.difference(name, "%s: %s" % (type(e).__name__, e), "no error")
        if self.wrong == wrong:
            self.passed += 1
        else:
            self.failed += 1
            self.say("not ok - %s" % name)

    def skip(self, name, reason):
        self.skipped += 1
        self.say("skipped: %s: %s" % (name, reason))

    def difference(self, where, got, expected, n=1):
        self.wrong += n
        self.say("    %s\n        got:      %s\n        expected: %s" % (
            where, got, expected))

    def differences(self, places, where, got, expected):
        """Report the first of several; where, got, expected: by place."""
        if len(places) == 0:
            return
        for p in places[:SHOWN]:
            self.difference(where(p), got(p), expected(p))
        if len(places) > SHOWN:
            self.wrong += len(places) - SHOWN
            self.say("    ... and %d more" % (len(places) - SHOWN))

    def equal(self, where, got, expected):
        """Compare two values."""
        self.elements += 1
        if got != expected:
            self.difference(where, repr(got), repr(expected))

    def equal_lists(self, where, got, expected, name=str):
        """Compare lists; name(i) says which element i is."""
        self.elements += len(expected)
        if got == expected:
            return
        if len(got) != len(expected):
            self.difference(where + ", number of values", len(got),
                            len(expected))
            return
        self.differences(
            [i for i in range(len(got)) if got[i] != expected[i]],
            lambda i: "%s, %s" % (where, name(i)),
            lambda i: repr(got[i]), lambda i: repr(expected[i]))

    def equal_numbers(self, where, got, expected, name):
        """Compare arrays of one shape; NaN equals NaN."""
        self.elements += expected.size
        if got.shape != expected.shape:
            self.difference(where + ", shape", got.shape, expected.shape)
            return
        same = got == expected
        if expected.dtype.kind == "f":
            same |= (got != got) & (expected != expected)
        if same.all():
            return
        places = [tuple(int(v) for v in p) for p in np.argwhere(~same)]
        self.differences(places, lambda p: "%s, %s" % (where, name(*p)),
                         lambda p: got[p], lambda p: expected[p])


def create_call(name, truths, **options):
    """The call of create_collection for files and options."""
    groups = {t.group for t in truths}
    if len(groups) > 1:
        raise ValueError("files of one collection lie in groups %s" % groups)
    options["group_path"] = groups.pop()
    return "create_collection(%s, %s, %s)" % (
        literal(name), text_array(t.path for t in truths),
        ", ".join("%s => %s" % (k, literal(v) if isinstance(v, str) else
                                text_array(v)) for k, v in options.items()))


class Collection:
    """A registered collection, beside what is expected of it."""

    def __init__(self, name, expected, arrays=False, genes=(), obsm=()):
        self.name = name
        self.expected = expected
        self.arrays = arrays
        self.genes = list(genes)
        self.obsm = list(obsm)
        names = Names()
        self.obs = {names.choose(c, "obs"): c for c in expected.columns}
        self.gene_columns = {names.choose(g, "gene"): g for g in self.genes}
        self.obsm_columns = {names.choose(o, "obsm"): o for o in self.obsm}

    def create(self):
        """The statement that registers it."""
        e = self.expected
        return "SELECT %s::text" % create_call(
            identifier(self.name), e.truths, layer=e.layer, var_join=e.join,
            vectors="array" if self.arrays else "bytea", genes=self.genes,
            obsm=self.obsm, var_duplicates=e.duplicates)

    def select(self, columns, tail="ORDER BY row_index"):
        return "SELECT %s FROM %s %s" % (
            ", ".join(identifier(c) for c in columns), identifier(self.name),
            tail)

    def place(self, row):
        """Where a row is, for a message."""
        f = int(self.expected.file_index[row])
        return "file %s, row %d" % (self.expected.truths[f].path,
                                    row - int(self.expected.starts[f]))


def check_columns(report, coll, fields):
    """Names and types of the table's columns, in order."""
    expected = [("row_index", "bigint"), ("file_index", "integer"),
                ("obs_name", "text")]
    expected += [(n, SQL_TYPES[coll.expected.columns[c].kind])
                 for n, c in coll.obs.items()]
    expected += [(n, "real") for n in coll.gene_columns]
    expected += [(n, "real[]") for n in coll.obsm_columns]
    if coll.expected.has_columns:
        expected += [("x", "real[]" if coll.arrays else "bytea"),
                     ("x_indices", "integer[]" if coll.arrays else "bytea"),
                     ("x_values", "real[]" if coll.arrays else "bytea")]
    got = list(zip(text_values(fields[0]), text_values(fields[1]))) \
        if fields else []
    report.equal_lists("columns of the table", got, expected,
                       lambda i: "column %d" % (i + 1))


def check_notices(report, coll, notices):
    """Each renamed column is told, and that there is no matrix."""
    line = "the files have no %s: " % coll.expected.layer
    report.equal("notice of no matrix", line in notices,
                 not coll.expected.has_columns)
    for kind, renamed in (("obs", coll.obs), ("gene", coll.gene_columns),
                          ("obsm", coll.obsm_columns)):
        for name, source in renamed.items():
            line = '%s "%s" becomes column "%s"' % (kind, source, name)
            if (name != source) != (line in notices):
                report.difference("notice of %s %r" % (kind, source), notices,
                                  line if name != source else "none")
            report.elements += 1


def check_obs(report, coll, fields, rows):
    """
    row_index, file_index, obs_name and all obs columns; rows: the row_index
    of each expected row.
    """
    e = coll.expected
    if not fields:
        fields = [[] for _ in range(3 + len(coll.obs))]
    where = coll.place
    got, _ = numbers(fields[0], ">i8")
    report.equal_numbers("row_index", got, rows, lambda i: "result row %d" % i)
    if len(got) != len(rows):
        return
    got, _ = numbers(fields[1], ">i4")
    report.equal_numbers("file_index", got.astype(np.int64),
                         e.file_index[rows], lambda i: where(rows[i]))
    report.equal_lists("obs_name", text_values(fields[2]),
                       [e.obs_names[r] for r in rows],
                       lambda i: where(rows[i]))
    for field, source in zip(fields[3:], coll.obs.values()):
        check_obs_column(report, coll, source, field, rows)


def check_obs_column(report, coll, source, field, rows):
    """Every value of one obs column."""
    column = coll.expected.columns[source]
    name = "obs column %r" % source
    missing = column.missing[rows]
    if column.kind == "text":
        report.equal_lists(name, text_values(field), [
            None if m else column.values[r] for r, m in zip(rows, missing)],
            lambda i: coll.place(rows[i]))
        return
    values, nulls = numbers(field, COPY_TYPES[column.kind])
    report.equal_numbers(name + ", is null", nulls, missing,
                         lambda i: coll.place(rows[i]))
    both = ~nulls & ~missing
    at = rows[both]
    report.equal_numbers(name, values[both], column.values[rows][both],
                         lambda i: coll.place(at[i]))


def gene_name(coll, i):
    return "gene %d (%s)" % (i, coll.expected.genes[i])


def no_nulls(report, what, coll, field, rows):
    """A vector is never NULL."""
    nulls = [i for i, f in enumerate(field) if f is None]
    report.differences(nulls, lambda i: "%s, %s" % (coll.place(rows[i]), what),
                       lambda i: "NULL", lambda i: "a vector")
    return not nulls


def check_x(report, coll, field, rows, dense=None, what="x"):
    """The dense vectors of rows."""
    n_genes = len(coll.expected.genes)
    if not no_nulls(report, what, coll, field, rows):
        return
    values, lengths = vectors(field, "f4", coll.arrays)
    report.equal_numbers("length of " + what, lengths,
                         np.full(len(rows), n_genes),
                         lambda i: coll.place(rows[i]))
    if len(values) != len(rows) * n_genes:
        return
    if dense is None:
        dense = coll.expected.rows.dense()
    report.equal_numbers(what, values.reshape(len(rows), n_genes), dense[rows],
                         lambda i, j: "%s, %s" % (coll.place(rows[i]),
                                                  gene_name(coll, j)))


def check_sparse(report, coll, index_field, value_field, rows):
    """x_indices and x_values of rows."""
    e = coll.expected.rows
    if not (no_nulls(report, "x_indices", coll, index_field, rows) and
            no_nulls(report, "x_values", coll, value_field, rows)):
        return
    indices, index_lengths = vectors(index_field, "i4", coll.arrays)
    values, value_lengths = vectors(value_field, "f4", coll.arrays)
    begin, end = e.indptr[rows], e.indptr[rows + 1]
    lengths = end - begin
    wrong = report.wrong
    report.equal_numbers("length of x_indices", index_lengths, lengths,
                         lambda i: coll.place(rows[i]))
    report.equal_numbers("length of x_values", value_lengths, lengths,
                         lambda i: coll.place(rows[i]))
    if report.wrong > wrong:
        return
    starts = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.arange(starts[-1]) - np.repeat(starts[:-1] - begin, lengths)

    def entry(i):
        r = int(np.searchsorted(starts, i, "right")) - 1
        return "%s, entry %d" % (coll.place(rows[r]), i - int(starts[r]))

    report.equal_numbers("x_indices", indices, e.indices[entries], entry)
    report.equal_numbers("x_values", values, e.values[entries],
                         lambda i: "%s, %s" % (entry(i), gene_name(
                             coll, int(e.indices[entries[i]]))))


def check_genes(report, coll, fields, rows):
    """The columns of single genes; NULL where the file lacks the gene."""
    for field, gene in zip(fields, coll.gene_columns.values()):
        values, nulls = numbers(field, ">f4")
        expected, absent = coll.expected.gene_column(gene)
        report.equal_numbers("column of gene %r, is null" % gene, nulls,
                             absent[rows], lambda i: coll.place(rows[i]))
        both = ~nulls & ~absent[rows]
        at = rows[both]
        report.equal_numbers("column of gene %r" % gene, values[both],
                             expected[rows][both],
                             lambda i: coll.place(at[i]))


def check_gene_values(report, coll, gene, fields):
    """gene_values of a gene: all rows, in order."""
    fields = fields or [[], []]
    rows, _ = numbers(fields[0], ">i8")
    values, nulls = numbers(fields[1], ">f4")
    expected, absent = coll.expected.gene_column(gene)
    report.equal_numbers("row_index of gene_values", rows,
                         np.arange(coll.expected.n_obs), str)
    report.equal_numbers("gene_values of %r, is null" % gene, nulls, absent,
                         coll.place)
    if len(values) == len(expected):
        values[absent] = expected[absent] = 0
        report.equal_numbers("gene_values of %r" % gene, values, expected,
                             coll.place)


def check_obsm(report, coll, fields, rows):
    """The elements of obsm; NULL where the file has none."""
    e = coll.expected
    for field, name in zip(fields, coll.obsm_columns.values()):
        report.equal_lists(
            "obsm %r, is null" % name, [f is None for f in field],
            [name not in e.truths[f].obsm for f in e.file_index[rows]],
            lambda i: coll.place(rows[i]))
        for f, truth in enumerate(e.truths):
            at = np.flatnonzero(e.file_index[rows] == f)
            if name not in truth.obsm or not len(at) or \
                    any(field[i] is None for i in at):
                continue
            values, lengths = vectors([field[i] for i in at], "f4", True)
            expected = truth.obsm[name][rows[at] - e.starts[f]]
            report.equal_numbers(
                "length of obsm %r" % name, lengths,
                np.full(len(at), expected.shape[1]),
                lambda i: coll.place(rows[at[i]]))
            if len(values) == expected.size:
                report.equal_numbers(
                    "obsm %r" % name, values.reshape(expected.shape), expected,
                    lambda i, j: "%s, column %d" % (coll.place(rows[at[i]]),
                                                    j))


def check_vars(report, coll, fields):
    """collection_vars: the joint gene axis."""
    e = coll.expected
    if not fields:
        fields = [[], [], [], []]
    places, _ = numbers(fields[0], ">i8")
    report.equal_numbers("var_index", places, np.arange(len(e.genes)),
                         lambda i: "gene %d" % i)
    report.equal_lists("var_name", text_values(fields[1]), e.genes,
                       lambda i: "gene %d" % i)
    n_files, _ = numbers(fields[2], ">i4")
    report.equal_numbers("n_files", n_files.astype(np.int64), np.array(
        [len(e.truths) - len(m) for m in e.missing_in], np.int64),
        lambda i: "gene %d" % i)
    report.equal_lists("missing_in", text_values(fields[3]), [
        "{%s}" % ",".join(map(str, m)) for m in e.missing_in],
        lambda i: "gene %d" % i)


def check_files(report, coll, fields):
    """collection_files."""
    e = coll.expected
    got = list(zip(*(text_values(f) for f in fields)))
    expected = []
    for f, truth in enumerate(e.truths):
        rows = truth.matrices.get(e.layer)
        encoding = None if rows is None else rows.encoding
        expected.append((str(f), truth.path, str(e.starts[f]),
                         str(truth.n_obs), str(len(truth.genes(e.layer))),
                         encoding))
    report.equal_lists("collection_files", got, expected,
                       lambda i: "file %d" % i)


def check_measured(report, coll, fields):
    """measured_genes: which file has which gene of the axis, as bits."""
    measured = coll.expected.measured
    fields = fields or [[], [], []]
    n_files = len(measured)
    report.equal_numbers("file_index of measured_genes",
                         numbers(fields[0], ">i4")[0].astype(np.int64),
                         np.arange(n_files), lambda i: "file %d" % i)
    report.equal_numbers("n_measured", numbers(fields[1], ">i8")[0],
                         measured.sum(1).astype(np.int64),
                         lambda i: "file %d" % i)
    report.equal_lists("mask of measured genes", fields[2], [
        np.packbits(row, bitorder="little").tobytes() for row in measured],
        lambda i: "file %d" % i)


def statements(coll):
    """Everything that check_collection looks at, as one batch."""
    e = coll.expected
    name = literal(identifier(coll.name))
    batch = {
        "create": coll.create(),
        "columns": "SELECT attname::text, format_type(atttypid, atttypmod) "
                   "FROM pg_attribute WHERE attrelid = %s::regclass AND "
                   "attnum > 0 ORDER BY attnum" % name,
        "files": "SELECT file_index::text, path, first_row_index::text, "
                 "n_obs::text, n_vars::text, encoding "
                 "FROM collection_files(%s) ORDER BY file_index" % name,
        "vars": "SELECT var_index, var_name, n_files, missing_in::text "
                "FROM collection_vars(%s)" % name,
        "measured": "SELECT file_index, n_measured, mask "
                    "FROM measured_genes(%s)" % name,
        "obs": coll.select(["row_index", "file_index", "obs_name",
                            *coll.obs]),
    }
    if e.has_matrix:
        # alone, each is read in its own way; together, in another
        batch["x"] = coll.select(["x"])
        batch["sparse"] = coll.select(["x_indices", "x_values"])
        batch["all"] = coll.select(["x", "x_indices", "x_values",
                                    *coll.gene_columns])
        if coll.genes:
            for gene in coll.genes:
                batch["gene_values", gene] = "SELECT row_index, value FROM " \
                    "gene_values(%s, %s)" % (name, literal(gene))
            batch["genes"] = coll.select(list(coll.gene_columns))
            batch["genes and x"] = coll.select(["x", *coll.gene_columns])
    if coll.obsm:
        batch["obsm"] = coll.select(list(coll.obsm_columns))
    return batch


def check_collection(report, sql, coll, drop=True, first=(), paths=None):
    """
    Register a collection and compare all of it; paths: in all ways to read,
    too.
    """
    batch = statements(coll)
    case = paths.case(coll) if paths else None
    if case:
        batch.update(case.statements())
    if drop:
        batch["drop"] = "DROP TABLE " + identifier(coll.name)
    done = sql.run(*first, *batch.values())[len(first):]
    results = dict(zip(batch, done))
    failed = [k for k in results if not results[k].ok()]
    for k in failed[:1]:
        report.difference("%s of %s" % (str(k), coll.expected.truths[0].path),
                          results[k].state + ": " + results[k].message,
                          "no error")
    if failed:
        return
    for truth in coll.expected.truths:
        report.files.add(truth.path)
    compare_results(report, coll, results)
    if case:
        paths.compare(report, case, results)


def compare_results(report, coll, results):
    """Compare the results of statements()."""
    rows = np.arange(coll.expected.n_obs)

    def fields(key, n):
        got = results[key].fields
        return got if got else [[] for _ in range(n)]

    check_columns(report, coll, results["columns"].fields)
    check_notices(report, coll, results["create"].notices)
    check_files(report, coll, results["files"].fields)
    check_vars(report, coll, results["vars"].fields)
    check_measured(report, coll, results["measured"].fields)
    wrong = report.wrong
    check_obs(report, coll, results["obs"].fields, rows)
    if "x" in results:
        dense = coll.expected.rows.dense()
        n_genes = len(coll.gene_columns)
        if any(len(fields(k, 1)[0]) != len(rows)
               for k in ("x", "sparse", "all")):
            report.difference("number of rows with vectors",
                              len(fields("x", 1)[0]), len(rows))
            return
        check_x(report, coll, fields("x", 1)[0], rows, dense)
        check_sparse(report, coll, *fields("sparse", 2), rows)
        every = fields("all", 3 + n_genes)
        check_x(report, coll, every[0], rows, dense, "x beside x_indices")
        check_sparse(report, coll, every[1], every[2], rows)
        check_genes(report, coll, every[3:], rows)
        for gene in coll.genes:
            check_gene_values(report, coll, gene,
                              results["gene_values", gene].fields)
        if "genes" in results:
            check_genes(report, coll, fields("genes", n_genes), rows)
            beside = fields("genes and x", 1 + n_genes)
            check_x(report, coll, beside[0], rows, dense, "x beside genes")
            check_genes(report, coll, beside[1:], rows)
    if "obsm" in results and report.wrong == wrong:
        check_obsm(report, coll, fields("obsm", len(coll.obsm)), rows)


def check_refused(report, sql, statement, state, words):
    """Making "refused" must fail with this SQLSTATE and these words."""
    result = sql.run(statement, "DROP TABLE IF EXISTS refused")[0]
    report.equal("SQLSTATE of %s (%s)" % (statement, result.message),
                 result.state, state)
    for word in words:
        report.elements += 1
        if word not in result.message:
            report.difference("message of " + statement, result.message,
                              "with " + word)
