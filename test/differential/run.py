"""
run.py
        The differential test: what SQL returns against what anndata reads.

    run.py [--files N] [--only PART]...

Parts: corpus (real files), generated (N files made at random), joins (several
generated files as one), reads (rows by number, batches, samples), self (the
test itself: it must see a wrong value).

Environment:
    MC_SEED         seed of all that is random; printed; default: always the
                    same one
    MC_CORPUS       directory of the real files; '' or unset: skipped
    MC_WORK         directory for generated files that the server can read
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

import corpus                   # noqa: E402
import generated                # noqa: E402
import joins                    # noqa: E402
import reads                    # noqa: E402
import selfcheck                # noqa: E402
from compare import Report      # noqa: E402
from psql import Psql, text_values  # noqa: E402

PARTS = ("self", "corpus", "generated", "joins", "reads")


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
    parser.add_argument("--files", type=int, default=80,
                        help="files to generate (default 80)")
    parser.add_argument("--only", action="append", choices=PARTS,
                        help="run this part only")
    return parser.parse_args()


def run_parts(parts, args, report, sql, work, seed):
    """Run the parts asked for."""
    float_text = FloatText(sql)
    directory = os.environ.get("MC_CORPUS")
    truths = {}
    for part in PARTS:
        if part not in parts:
            continue
        start = time.monotonic()
        elements = report.elements
        if part == "self":
            selfcheck.run(report, sql, work, float_text)
        elif part == "generated":
            generated.run(report, sql, work, seed, args.files, float_text)
        elif part == "joins":
            joins.run(report, sql, work, seed, args.files // 4, float_text)
        elif part == "reads":
            reads.run(report, sql, work, seed, directory, truths, float_text)
        elif directory:
            truths = corpus.run(report, sql, directory, float_text)
        else:
            report.skip("corpus", "MC_CORPUS names no directory")
        print("%s: %d elements, %.0f s" % (
            part, report.elements - elements, time.monotonic() - start),
            flush=True)


def main():
    args = arguments()
    # the same files each time, unless asked for others: MC_SEED=$RANDOM
    seed = int(os.environ.get("MC_SEED") or 20260801)
    print("differential: MC_SEED=%d, anndata %s" % (
        seed, corpus.anndata.__version__), flush=True)
    report = Report()
    database = "differential_%d" % os.getpid()
    with tempfile.TemporaryDirectory(
            prefix="differential-",
            dir=os.environ.get("MC_WORK") or None) as work:
        os.chmod(work, 0o755)
        sql = Psql(os.environ.get("MC_PSQL") or "psql", work)
        sql.one("CREATE DATABASE " + database)
        outside = os.environ.get("PGDATABASE", "postgres")
        os.environ["PGDATABASE"] = database
        try:
            sql.one("CREATE EXTENSION mappedcoll")
            run_parts(args.only or PARTS, args, report, sql, work, seed)
        finally:
            os.environ["PGDATABASE"] = outside
            sql.run("DROP DATABASE " + database)

    print("%d files, %d elements compared, %d of them wrong; MC_SEED=%d" % (
        len(report.files), report.elements, report.wrong, seed))
    print("%d passed, %d failed, %d skipped" % (
        report.passed, report.failed, report.skipped))
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
