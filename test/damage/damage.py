"""
damage.py
        Damaged files and damaged manifests through SQL: right rows or a clear
        error, and never the end of a backend.

    damage.py [--files N] [--manifests N] [--seed S] [--report PATH]

Files: copies of sound ones, truncated, flipped, overwritten, shifted, are
registered, read and sampled on one backend, whose process must stay the same.
Where a checksum stands over every byte, or the end is missing, no other rows
than the sound ones may come out; elsewhere a changed value is a value.
Before that, files with absurd numbers of groups and attributes.
Manifests: sound ones are overwritten, exchanged, cut, of other versions, or
changed in any number with every checksum made right again; a fresh backend
must rebuild them or fail cleanly (with every checksum right: do no harm).

Environment:
    MC_SEED         seed, where --seed is not given; printed
    MC_DATA         test/data, as the server can read it
    MC_CORPUS       directory of the real files; '' or unset: without them
    MC_WORK         directory for damaged files that the server can read
    MC_LOG          the server's log, to be looked through
    MC_KEEP         directory for what failed
    PGHOST, ...     the server, on which we are superuser; its data directory
                    must be ours to write (its user, or root)
"""
import argparse
import os
import random
import re
import sys
import tempfile
import time

import bases
import files
import large
import manifests
import session as sql

# a damaged file may ask for any amount; small bounds make it a quick error
SETTINGS = ("mappedcoll.manifest_memory = '1GB'",
            "mappedcoll.manifest_cpu_time = '2s'",
            "mappedcoll.manifest_size = '512MB'",
            "mappedcoll.max_chunk_size = '256MB'",
            "client_min_messages = error")
DIED = re.compile(r"^.*(?:PANIC|was terminated by signal|"
                  r"AddressSanitizer|FATAL:  (?!terminating connection due to "
                  r"administrator)).*$", re.M)


class Report:
    """Lines that are printed and, if asked for, written."""

    def __init__(self, path, keep):
        self.lines = []
        self.path = path
        self.keep = keep
        self.failed = 0

    def say(self, line):
        print(line, flush=True)
        self.lines.append(line)

    def failure(self, number, text, data, suffix):
        self.failed += 1
        if self.keep:
            name = os.path.join(self.keep, "failure%d-%d.%s" % (
                self.failed, number, suffix))
            os.makedirs(self.keep, exist_ok=True)
            with open(name, "wb") as f:
                f.write(data)
            text += " [" + name + "]"
        self.say("FAILURE %d: %s" % (number, text[:2000]))

    def counts(self, title, counts):
        self.say(title)
        for outcome, n in sorted(counts.items()):
            self.say("  %-50s %7d" % (outcome, n))

    def close(self):
        if self.path:
            with open(self.path, "w", encoding="utf-8") as f:
                f.write("\n".join(self.lines) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description="damaged files and manifests")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--manifests", type=int, default=300)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--report")
    return parser.parse_args()


def log_tail(path, start):
    """What the server's log has from start on."""
    if not path:
        return ""
    with open(path, "rb") as f:
        f.seek(start)
        return f.read().decode("utf-8", "replace")


def run(report, args, seed, work):
    """All parts on one server."""
    rng = random.Random(seed)
    log = os.environ.get("MC_LOG")
    start = os.path.getsize(log) if log else 0
    session = sql.Session(SETTINGS)
    session.must("CREATE EXTENSION mappedcoll")
    directory = os.path.join(session.must("SHOW data_directory")[0][0],
                             "mappedcoll")
    found = bases.all_files(os.environ["MC_DATA"],
                            os.environ.get("MC_CORPUS"), work, seed)
    for part, n in (("large", args.files), ("files", args.files),
                    ("manifests", args.manifests)):
        begun = time.monotonic()
        if n == 0:
            continue
        try:
            if part == "large":
                large.run(report, session, work, n >= 10_000)
            elif part == "files":
                files.run(report, session, found, work, rng, n)
            else:
                manifests.run(report, session, found, directory, work, rng,
                              n, SETTINGS)
        except sql.Lost as e:
            report.failed += 1
            report.say("FAILURE: a backend was lost: %s" % e)
            break
        print("  %.0f s" % (time.monotonic() - begun), flush=True)
    else:
        if session.must("SELECT pg_backend_pid()")[0][0] != session.pid:
            report.failed += 1
            report.say("FAILURE: another backend than at the start")
        session.close()
    for line in DIED.findall(log_tail(log, start))[:10]:
        report.failed += 1
        report.say("FAILURE: the server's log: " + line)


def main():
    args = arguments()
    seed = args.seed if args.seed is not None else \
        int(os.environ.get("MC_SEED") or random.SystemRandom().randrange(2**31))
    report = Report(args.report, os.environ.get("MC_KEEP"))
    report.say("damage: seed %d, %d files, %d manifests" % (
        seed, args.files, args.manifests))
    database = "damage_%d" % os.getpid()
    outside = sql.Session()
    outside.must("CREATE DATABASE " + database)
    os.environ["PGDATABASE"] = database
    with tempfile.TemporaryDirectory(
            prefix="damage-", dir=os.environ.get("MC_WORK") or None) as work:
        os.chmod(work, 0o755)
        run(report, args, seed, work)
    try:
        outside.must("DROP DATABASE " + database)
    except sql.Lost:
        pass                # said before
    report.say("%s: %d failures; seed %d" % (
        "FAILED" if report.failed else "passed", report.failed, seed))
    report.close()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
