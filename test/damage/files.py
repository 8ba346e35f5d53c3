"""
files.py
        Damaged files: registered, read, sampled, dropped on one backend.

Of a base whose bytes all have a checksum, and of a copy that was cut short,
nothing but the sound rows or an error may be seen.
"""
import collections
import os
import time

import mutate
import session as sql

NAMES = 8           # files that damaged copies are written over


class Truth:
    """What the sound file answers, for one matrix."""

    def __init__(self, session, path, layer):
        self.state, rows = sql.create(session, "sound", path, layer)
        self.answers = None
        if self.state == "00000":
            self.n_rows = session.must("SELECT count(*) FROM sound")[0][0]
            self.columns = sql.columns(session, "sound")
            self.answers = sql.answers(session, sql.questions(
                session, "sound", self.n_rows))
            session.must("DROP TABLE sound")


def make_cases(session, bases):
    """(base, layer, truth) of whatever has rows."""
    cases = []
    for base in bases:
        for layer in base.layers:
            truth = Truth(session, base.path, layer)
            if truth.answers and truth.n_rows:
                cases.append((base, layer, truth))
    return cases


def sound(got, columns, truth):
    """
    Are all answers that came the sound ones?  A column that cannot be read is
    left out; then the others must be right, and labels are of another one.
    """
    pairs = list(zip(got, truth.answers))
    if columns != truth.columns:
        if got[0][0] == truth.answers[0][0] == "00000":
            right = dict(zip(truth.columns[0], truth.answers[0][1][0][1:]))
            for name, digest in zip(columns[0], got[0][1][0][1:]):
                if right.get(name) != digest:
                    return False
        pairs = pairs[1:2] + pairs[3:4]
    return all(g == t for g, t in pairs if g[0] == "00000")


def judge(session, case, path, kind, damaged):
    """The outcome of one damaged copy, and what is wrong about it or None."""
    base, layer, truth = case
    strict = base.covered or kind == "truncate"
    state, message = sql.create(session, "damaged", path, layer)
    if state != "00000":
        if sql.is_forbidden(state):
            return "forbidden", "%s: %s" % (state, message)
        if path not in message and state != "54011":
            return "refused", "no file named in: %s: %s" % (state, message)
        return "refused", None
    try:
        columns = sql.columns(session, "damaged")
        n_rows = session.must("SELECT count(*) FROM damaged")[0][0] \
            if columns != truth.columns else truth.n_rows
        got = sql.answers(session, sql.questions(session, "damaged", n_rows))
    finally:
        session.must("DROP TABLE damaged")
    for state, message in got:
        if sql.is_forbidden(state):
            return "forbidden", "%s: %s" % (state, message)
        if state != "00000" and path not in message:
            return "error", "no file named in: %s: %s" % (state, message)
    less = set(columns[0]) < set(truth.columns[0])
    same = sound(got, columns, truth) and (less or columns == truth.columns)
    failed = any(g[0] != "00000" and t[0] == "00000"
                 for g, t in zip(got, truth.answers))
    if not same:
        if strict and not base.passes_fletcher(damaged):
            return "wrong rows", "%s\n%s" % (got, truth.answers)
        return "other rows", None
    if less:
        return "a column is left out, with a notice", None
    return ("error when read" if failed else "right rows"), None


def run(report, session, bases, work, rng, n):
    """n damaged copies."""
    cases = make_cases(session, bases)
    covered = [c for c in cases if c[0].covered]
    counts = collections.Counter()
    slowest = (0, 0)
    for i in range(n):
        case = rng.choice(rng.choice((cases, cases, covered)))
        base = case[0]
        ranges = rng.choice((base.metadata, base.metadata, base.raw, []))
        kind, damaged = mutate.damage(rng, base.data, ranges)
        path = os.path.join(work, "damaged%d.h5ad" % (i % NAMES))
        with open(path, "wb") as f:
            f.write(damaged)
        begun = time.monotonic()
        outcome, wrong = judge(session, case, path, kind, damaged)
        slowest = max(slowest, (time.monotonic() - begun, i))
        counts[outcome] += 1
        if base.covered:
            counts["of these with a checksum over every byte"] += 1
        if wrong:
            report.failure(i, "%s, matrix %s, damage %s: %s" % (
                base.name, case[1], kind, wrong), damaged, "h5ad")
    report.counts("damaged files: %d of %d files and %d matrices" % (
        n, len({c[0].path for c in cases}), len(cases)), counts)
    report.say("  slowest: copy %d, %.1f s" % (slowest[1], slowest[0]))
