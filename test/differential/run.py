"""
run.py
        The differential test: what SQL returns against what anndata reads.

    run.py [--files N] [--seed S] [--report PATH] [--only PART]...

Parts: corpus (real files), generated (files made at random), joins (several
generated files as one), uns (unstructured data), reads (rows by number,
batches, samples), where (conditions and aggregates, pushed down and not), self
(the test itself: it must see a wrong value).

Parts generated and joins together make N files.  How many of them have each
value of each axis (plans.py) is printed, and a value that none has is a
failure.  With --report the result goes to a file as well.

Environment:
    MC_SEED         seed of all that is random; printed; default: always the
                    same one
    MC_CORPUS       directory of the real files; '' or unset: skipped
    MC_WORK         directory for generated files that the server can read
    MC_WHERE_QUERIES    queries of part where, of each sort (default 4000)
    MC_KEEP         directory to which files go that something is wrong with
    MC_PSQL         psql; default: that of PATH
    PGHOST, ...     the server, on which we are superuser
"""
import argparse
import os
import sys
import tempfile
import time
import warnings

warnings.simplefilter("ignore")

import h5py                     # noqa: E402
import hdf5plugin               # noqa: E402

import corpus                   # noqa: E402
import generated                # noqa: E402
import joins                    # noqa: E402
import reads                    # noqa: E402
import selfcheck                # noqa: E402
import unstructured             # noqa: E402
import where                    # noqa: E402
from compare import Report      # noqa: E402
from paths import Paths         # noqa: E402
from plans import Coverage      # noqa: E402
from psql import Psql, text_values  # noqa: E402

PARTS = ("self", "corpus", "generated", "joins", "uns", "reads", "where")


class FloatText:
    """What SQL prints for floats, asked from the server."""

    def __init__(self, sql):
        self.sql = sql
        self.known = {}

    def __call__(self, values, width):
        wanted = {repr(v) for v in values} - \
            {r for r, w in self.known if w == width}
        if wanted:
            self.ask(sorted(wanted), width)
        return [self.known[repr(v), width] for v in values]

    def ask(self, wanted, width):
        printed = self.sql.one(
            "SELECT v::float%d::text FROM unnest('{%s}'::text[]) "
            "WITH ORDINALITY AS u (v, i) ORDER BY i" % (
                width, ",".join(wanted)))
        for r, text in zip(wanted, text_values(printed.fields[0])):
            self.known[r, width] = text


def arguments():
    parser = argparse.ArgumentParser(description="the differential test")
    parser.add_argument("--files", type=int, default=320,
                        help="files to generate (default 320)")
    parser.add_argument("--seed", type=int, help="instead of MC_SEED")
    parser.add_argument("--report", help="write the result to this file, too")
    parser.add_argument("--only", action="append", choices=PARTS,
                        help="run this part only")
    return parser.parse_args()


def run_parts(parts, args, report, sql, work, coverage, paths):
    """Run the parts asked for; a line of each."""
    float_text = FloatText(sql)
    directory = os.environ.get("MC_CORPUS")
    truths = {}
    n_joined = args.files // 4
    lines = []
    for part in PARTS:
        if part not in parts:
            continue
        start = time.monotonic()
        elements = report.elements
        wrong = report.wrong
        more = []
        if part == "self":
            selfcheck.run(report, sql, work, args.seed, float_text)
        elif part == "generated":
            generated.run(report, sql, work, args.seed, args.files - n_joined,
                          float_text, coverage, paths)
        elif part == "joins":
            joins.run(report, sql, work, args.seed, n_joined, float_text,
                      coverage, paths)
        elif part == "uns":
            unstructured.run(report, sql, work, args.seed)
        elif part == "reads":
            reads.run(report, sql, work, args.seed, directory, truths,
                      float_text)
        elif part == "where":
            more = where.run(report, work, args.seed)
        elif directory:
            truths = corpus.run(report, sql, directory, float_text, paths)
        else:
            report.skip("corpus", "MC_CORPUS names no directory")
        lines.append("%s: %d elements, %d wrong, %.0f s" % (
            part, report.elements - elements, report.wrong - wrong,
            time.monotonic() - start))
        print(lines[-1], flush=True)
        lines += more
    return lines


def in_database(args, report, coverage, paths):
    """Run everything in a database of its own."""
    database = "differential_%d" % os.getpid()
    with tempfile.TemporaryDirectory(
            prefix="differential-",
            dir=os.environ.get("MC_WORK") or None) as work:
        os.chmod(work, 0o755)
        sql = Psql(os.environ.get("MC_PSQL") or "psql", work)
        server = text_values(sql.one("SELECT version()").fields[0])
        sql.one("CREATE DATABASE " + database)
        outside = os.environ.get("PGDATABASE", "postgres")
        os.environ["PGDATABASE"] = database
        try:
            sql.one("CREATE EXTENSION mappedcoll")
            extension = text_values(sql.one(
                "SELECT extversion FROM pg_extension "
                "WHERE extname = 'mappedcoll'").fields[0])
            lines = run_parts(args.only or PARTS, args, report, sql, work,
                              coverage, paths)
        finally:
            os.environ["PGDATABASE"] = outside
            sql.run("DROP DATABASE " + database)
    return ["mappedcoll %s, %s" % (extension[0], server[0]), *lines]


def check_coverage(parts, report, coverage):
    """No value of an axis may vanish."""
    if not {"generated", "joins"} <= set(parts):
        return []
    for axis, value in coverage.missed():
        report.failed += 1
        report.say("not ok - no file was made with %s: %s" % (axis, value))
    return ["%d generated files, of which each was read alone or joined with "
            "others; of those" % coverage.n_files,
            "read alone, anndata itself reads %d alike, the others are "
            "compared with what was" % coverage.n_controlled,
            "written; %d of %d pairs of values met.  How many files have "
            "each value:" % coverage.pairs, *coverage.lines()]


def main():
    args = arguments()
    # the same files each time, unless asked for others: MC_SEED=$RANDOM
    if args.seed is None:
        args.seed = int(os.environ.get("MC_SEED") or 20260801)
    start = time.monotonic()
    words = "differential: MC_SEED=%d, %s" % (args.seed, ", ".join(
        "%s %s" % (m.__name__, version) for m, version in (
            (corpus.anndata, corpus.anndata.__version__),
            (h5py, h5py.__version__), (hdf5plugin, hdf5plugin.version))))
    print(words, flush=True)
    report = Report()
    coverage = Coverage()
    paths = Paths(coverage)
    lines = in_database(args, report, coverage, paths)
    table = check_coverage(args.only or PARTS, report, coverage)
    summary = [
        "%d files, %d elements compared, %d of them wrong; MC_SEED=%d" % (
            len(report.files), report.elements, report.wrong, args.seed),
        paths.line(),
        "%d passed, %d failed, %d skipped" % (
            report.passed, report.failed, report.skipped)]
    print("\n".join([*table, *summary]))
    if args.report:
        with open(args.report, "w", encoding="utf-8") as f:
            f.write("\n".join([words, *lines, *summary, "%.0f s" % (
                time.monotonic() - start), "", *table]) + "\n")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
