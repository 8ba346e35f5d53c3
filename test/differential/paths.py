"""
paths.py
        Every way to read the same rows: what is read ahead, kept, decoded in
        part or read right into the result must be what is read plainly.

Each way is a list of settings.  The plain one is compared with what is
expected, and the others, byte for byte, with the plain one.  What shows that
a way was taken (chunks that were not decoded again, rows that were found in
the cache) is counted; a way that no file took is a failure.
"""
import collections

import numpy as np

from psql import identifier, literal, numbers, text_array, text_values, vectors

OFF = {"window_size": "'0'", "cache_size": "'0'", "partial_decode": "off"}
WAYS = {
    "plain": {},
    "window": {"window_size": "'64MB'"},
    "cache": {"cache_size": "'64MB'"},
    "partial": {"partial_decode": "on"},
    "all": {"window_size": "'64MB'", "cache_size": "'64MB'",
            "partial_decode": "on"},
}
FULL = ("plain", "all")         # ways in which everything is asked for

# What was seen of the ways; each must be seen of some file
SEEN = ("window: fewer chunks decoded", "cache: rows found",
        "cache: rows found, mixed files", "partial: chunks decoded in part",
        "placed: sparse rows", "placed: dense rows", "genes mapped",
        "obsm beside vectors", "part_rows 1", "part_rows 3")

STATS = "chunks_decoded, cache_hits, rows, bytes_read"


def settings(way):
    """The statements that make a session read in this way."""
    return "; ".join("SET mappedcoll.%s = %s" % item for item in
                     {**OFF, **WAYS[way]}.items())


class Asked:
    """One statement, and how its result is read."""

    def __init__(self, sql, form, genes=None, n_rows=None, rows=None):
        self.sql = sql
        self.form = form            # csr, dense, batch, x, sparse
        self.genes = genes          # places of the subset; None: all
        self.n_rows = n_rows        # that come
        self.rows = rows            # row_index of them, if known


class Case:
    """What one collection is asked for."""

    def __init__(self, coll, number):
        e = coll.expected
        rng = np.random.default_rng([number, e.n_obs])
        self.coll = coll
        self.part = ("NULL", "1", "3")[number % 3]
        self.rows = rng.integers(0, e.n_obs, 25)
        self.genes = self.choose_genes(rng)
        self.asked = self.common(number) | self.full(number)
        self.short = list(self.common(number))

    def choose_genes(self, rng):
        """Places of some genes whose name is theirs alone, in any order."""
        genes = self.coll.expected.genes
        counts = collections.Counter(genes)
        once = [i for i, g in enumerate(genes) if counts[g] == 1]
        return rng.permutation(once)[:20].astype(np.int64)

    def call(self, function, first, **options):
        """SELECT of a function that packs rows."""
        dense = function == "sample_dense"
        columns = ["row_index"] + ([] if dense else ["indptr", "indices"]) + \
            ["data", "dtypes::text"]
        if "obsm_columns" in options:
            columns += ["obsm[%d]" % (i + 1)
                        for i in range(len(self.coll.obsm_columns))]
        return "SELECT %s FROM %s(%s, %s)" % (
            ", ".join(columns), function,
            literal(identifier(self.coll.name)),
            ", ".join([first, *("%s => %s" % o for o in options.items())]))

    def common(self, number):
        """Asked for in all ways: draws, the same ones again, given rows."""
        draws = {"seed": number, "n_steps": 6}
        given = "'{%s}'" % ",".join(map(str, self.rows))
        return {
            "sample_csr": Asked(
                self.call("sample_csr", "7", **draws), "csr", n_rows=42),
            "sample_csr again": Asked(
                self.call("sample_csr", "7", **draws, part_rows=self.part),
                "csr", n_rows=42),
            "fetch_csr": Asked(
                self.call("fetch_csr", given, part_rows=self.part), "csr",
                n_rows=25, rows=self.rows),
            "sample_dense": Asked(
                self.call("sample_dense", "7", **draws), "dense", n_rows=42),
        }

    def full(self, number):
        """Asked for in the plain way, and with everything at once."""
        names = text_array(self.coll.expected.genes[i] for i in self.genes)
        obsm = text_array(self.coll.obsm_columns)
        narrow = {"indptr_type": "'int32'", "indices_type": "'narrow'",
                  "data_type": "'narrow'"}
        draws = {"seed": number, "n_steps": 4, "part_rows": self.part}
        given = "'{%s}'" % ",".join(map(str, self.rows))
        some = np.unique(self.rows)
        tail = "WHERE row_index = ANY (%s) ORDER BY row_index" % given
        return {
            "sample_csr, narrow": Asked(
                self.call("sample_csr", "5", **draws, **narrow), "csr",
                n_rows=20),
            "sample_csr, genes": Asked(
                self.call("sample_csr", "5", **draws, **narrow, genes=names,
                          obsm_columns=obsm), "csr", self.genes, 20),
            "fetch_csr, genes": Asked(
                self.call("fetch_csr", given, genes=names), "csr",
                self.genes, 25, self.rows),
            "fetch_csr, obsm": Asked(
                self.call("fetch_csr", given, obsm_columns=obsm), "csr",
                n_rows=25, rows=self.rows),
            "sample_dense, narrow": Asked(
                self.call("sample_dense", "5", **draws,
                          data_type="'narrow'"), "dense", n_rows=20),
            "sample_dense, genes": Asked(
                self.call("sample_dense", "5", **draws, genes=names,
                          obsm_columns=obsm), "dense", self.genes, 20),
            "sample_batch": Asked(
                "SELECT row_index, x FROM sample_batch(%s, 15, seed => %d)" %
                (literal(identifier(self.coll.name)), number), "batch",
                n_rows=15),
            "x": Asked(self.coll.select(["x"], tail), "x", None, len(some),
                       some),
            "x_indices, x_values": Asked(
                self.coll.select(["x_indices", "x_values"], tail), "sparse",
                None, len(some), some),
        }

    def statements(self):
        """All of it, in all ways: (way, what) -> statement."""
        name = literal(identifier(self.coll.name))
        batch = {}
        for way in WAYS:
            batch[way, "settings"] = settings(way)
            batch[way, "reset"] = "SELECT mappedcoll_stats_reset()"
            for what in self.short:
                batch[way, what] = self.asked[what].sql
            batch[way, "stats"] = "SELECT %s FROM mappedcoll_stats " \
                "WHERE collection = %s::regclass" % (STATS, name)
            for what in self.asked if way in FULL else ():
                batch[way, what] = self.asked[what].sql
        batch["", "reset"] = "RESET ALL"
        return batch


def expected_entries(e, rows, genes):
    """indptr, indices and values of rows, of all genes or of those given."""
    begin, end = e.rows.indptr[rows], e.rows.indptr[rows + 1]
    lengths = end - begin
    starts = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(starts[-1]) - np.repeat(starts[:-1] - begin, lengths)
    indices, values = e.rows.indices[at], e.rows.values[at]
    if genes is None:
        return starts, indices, values
    place = np.full(len(e.genes), -1)
    place[genes] = np.arange(len(genes))
    row = np.repeat(np.arange(len(rows)), lengths)
    kept = place[indices] >= 0
    row, indices, values = row[kept], place[indices[kept]], values[kept]
    order = np.lexsort((indices, row))
    lengths = np.bincount(row, minlength=len(rows))
    return (np.concatenate([[0], np.cumsum(lengths)]), indices[order],
            values[order])


def array_of(field, dtype):
    return np.frombuffer(field, np.dtype(dtype))


def parts_of(asked, fields):
    """Each part's arrays, by name."""
    names = ["row_index", "indptr", "indices", "data"]
    if asked.form == "dense":
        names = ["row_index", "data"]
    types = [t.strip("{}").split(",")
             for t in text_values(fields[len(names)])]
    for i, dtypes in enumerate(types):
        yield {name: array_of(field[i], dtype) for name, field, dtype in zip(
            names, fields, ["<i8", *dtypes])}


def gather_rows(report, parts):
    """The parts' rows as one: row_index, indptr, indices and data."""
    rows = np.concatenate([p["row_index"] for p in parts])
    data = np.concatenate([p["data"].astype("f4") for p in parts])
    if "indptr" not in parts[0]:
        return rows, None, None, data
    lengths = np.concatenate([np.diff(p["indptr"]) for p in parts])
    for p in parts:
        report.equal("indptr begins", int(p["indptr"][0]), 0)
        report.equal("indptr ends", int(p["indptr"][-1]), len(p["data"]))
    return (rows, np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([p["indices"].astype(np.int64) for p in parts]),
            data)


def good_rows(report, e, asked, rows):
    """Are these the rows asked for?"""
    report.equal("number of rows", len(rows), asked.n_rows)
    report.equal("all rows exist", bool(((rows >= 0) & (rows < e.n_obs))
                                        .all()), True)
    if asked.rows is not None:
        report.equal_numbers("row_index", rows, asked.rows, str)


def check_obsm(report, coll, asked, rows, fields):
    """Elements of obsm, NaN where a row's file has none."""
    e = coll.expected
    n = 5 if asked.form == "csr" else 3
    for name, field in zip(coll.obsm_columns.values(), fields[n:]):
        widths = {t.obsm[name].shape[1] for t in e.truths if name in t.obsm}
        expected = np.full((len(rows), widths.pop()), np.nan, "f4")
        for i, r in enumerate(rows):
            f = e.file_index[r]
            if name in e.truths[f].obsm:
                expected[i] = e.truths[f].obsm[name][r - e.starts[f]]
        got = [array_of(v, "<f4") for v in field]
        # a part none of whose rows has it is empty
        here = np.concatenate([np.repeat(len(v) > 0, n_part) for v, n_part in
                               zip(got, part_lengths(fields))])
        report.equal("obsm %r is there" % name, bool(
            np.isnan(expected[~here]).all()), True)
        report.equal_numbers("obsm %r" % name, np.concatenate(got),
                             expected[here].ravel(), str)


def part_lengths(fields):
    return [len(f) // 8 for f in fields[0]]


def check_packed(report, coll, asked, fields):
    """A result of sample_csr, fetch_csr or sample_dense."""
    e = coll.expected
    rows, indptr, indices, data = gather_rows(
        report, list(parts_of(asked, fields)))
    wrong = report.wrong
    good_rows(report, e, asked, rows)
    if report.wrong > wrong:
        return
    starts, joint, values = expected_entries(e, rows, asked.genes)
    if asked.form == "dense":
        n = len(e.genes) if asked.genes is None else len(asked.genes)
        dense = np.zeros((len(rows), n), "f4")
        dense[np.repeat(np.arange(len(rows)), np.diff(starts)), joint] = values
        report.equal_numbers("data", data, dense.ravel(), str)
    else:
        report.equal_numbers("indptr", indptr, starts, str)
        report.equal_numbers("indices", indices, joint, str)
        report.equal_numbers("data", data, values, str)
    check_obsm(report, coll, asked, rows, fields)


def check_vectors(report, coll, asked, fields):
    """A result of sample_batch, or of a SELECT of vectors."""
    e = coll.expected
    rows = asked.rows
    if asked.form == "batch":
        rows = numbers(fields[0], ">i8")[0]
        fields = fields[1:]
    wrong = report.wrong
    good_rows(report, e, asked, rows)
    if report.wrong > wrong:
        return
    starts, indices, values = expected_entries(e, rows, None)
    got = [vectors(f, "f4", coll.arrays)[0] for f in fields]
    if asked.form == "sparse":
        report.equal_numbers("x_indices", vectors(
            fields[0], "i4", coll.arrays)[0], indices, str)
        report.equal_numbers("x_values", got[1], values, str)
        return
    dense = np.zeros((len(rows), len(e.genes)), "f4")
    dense[np.repeat(np.arange(len(rows)), np.diff(starts)), indices] = values
    report.equal_numbers("x", got[0], dense.ravel(), str)


class Paths:
    """The ways that the collections of a run were read in."""

    def __init__(self, coverage):
        self.coverage = coverage
        coverage.axis("read", WAYS)
        coverage.axis("seen of it", SEEN)
        self.number = 0             # of collections
        self.results = 0            # that were compared

    def case(self, coll):
        """What to ask of a collection; None: it has no row to draw."""
        e = coll.expected
        if not (e.has_matrix and e.n_obs):
            return None
        self.number += 1
        return Case(coll, self.number)

    def compare(self, report, case, results):
        """results: (way, what) -> Result, of case.statements()."""
        n_files = len(case.coll.expected.truths)
        for what, asked in case.asked.items():
            plain = results["plain", what].fields
            wrong = report.wrong
            packed = asked.form in ("csr", "dense")
            (check_packed if packed else check_vectors)(
                report, case.coll, asked, plain)
            if report.wrong > wrong:
                report.say("    plain: " + asked.sql)
            for way in WAYS:
                if (way, what) in results:
                    self.results += 1
                    self.same(report, case, way, what, results)
        for way in WAYS:
            self.coverage.count("read", way, n_files)
        self.see(case, {way: [int(v) for (v,) in map(
            lambda f: numbers(f, ">i8")[0], results[way, "stats"].fields)]
            for way in WAYS}, n_files)

    def same(self, report, case, way, what, results):
        """What one way gave is what the plain one gave."""
        plain = results["plain", what].fields
        got = results[way, what].fields
        report.elements += sum(len(f) // 4 for column in plain
                               for f in column if f is not None)
        if got == plain:
            return
        wrong = report.wrong
        asked = case.asked[what]
        report.difference("%s, %s" % (way, asked.sql), "other bytes",
                          "those of the plain way")
        if asked.form in ("csr", "dense"):
            check_packed(report, case.coll, asked, got)
        else:
            check_vectors(report, case.coll, asked, got)
        if report.wrong == wrong + 1:
            report.say("    the values are those expected all the same")

    def see(self, case, stats, n_files):
        """Count what shows that a way was taken."""
        coll = case.coll
        forms = {t.matrices[coll.expected.layer].encoding
                 for t in coll.expected.truths}
        decoded = {way: s[0] for way, s in stats.items()}
        hits = stats["cache"][1] > 0 and stats["all"][1] > 0
        straight = decoded["plain"] == 0 and stats["plain"][3] > 0 and \
            n_files == 1
        seen = {
            "window: fewer chunks decoded":
                decoded["window"] < decoded["plain"],
            "cache: rows found": hits,
            "cache: rows found, mixed files": hits and len(forms) > 1,
            # what a chunk decoded in part lacks is decoded a second time
            "partial: chunks decoded in part":
                decoded["partial"] > decoded["plain"],
            "placed: sparse rows": straight and forms == {"csr"},
            "placed: dense rows": straight and forms == {"dense"},
            "genes mapped": any(
                not np.array_equal(m, np.arange(len(coll.expected.genes)))
                for m in coll.expected.maps),
            "obsm beside vectors": bool(coll.obsm_columns),
            "part_rows 1": case.part == "1",
            "part_rows 3": case.part == "3",
        }
        for name, yes in seen.items():
            if yes:
                self.coverage.count("seen of it", name, n_files)

    def line(self):
        n_files = sum(self.coverage.counts["read"].values())
        return "%d collections read in %d ways, %d files times ways, %d " \
            "results compared" % (self.number, len(WAYS), n_files,
                                  self.results)
