"""
where.py
        Push-down: the same query of a collection with it, without it, and of
        a heap copy has the same result.

Conditions (clauses.py) and aggregates (aggregates.py) are made at random, over
files made at random (obsdata.py), and asked in many ways (questions.py).  A
query that differs is made smaller before it is printed.

Errors are results, too: the same SQLSTATE, or none.  Where a condition has
several parts, SQL leaves open which of them meets a row first, so an error may
come to one side only; those are counted, and may not be many.

MC_WHERE_QUERIES is the number of queries with conditions, and of those with
aggregates; a tenth as many samples are drawn.
"""
import collections
import contextlib
import os
import random
import re
import tempfile

import numpy as np

import aggregates
import obsdata
import questions
from clauses import Clause, Grammar
from compare import Report
from psql import literal
from session import Lost, Outcome, Session

QUERIES = 4000
SHOWN = 12                      # differences printed
STRICT_FORMS = ("rows", "count", "values")
# SQLSTATEs that the values of rows can cause
DATA_ERRORS = ("22", "0A000", "23514", "54000")
NOTHING_TO_SAMPLE = "55000"
# What EXPLAIN says of what was pushed down
PUSHED = {"conditions": re.compile(r"Pushed Filter"),
          "aggregates": re.compile(r"Custom Scan", re.I)}
PLANS = 7                       # the plan of every 7th query is looked at


def in_order(rows):
    return sorted(rows, key=lambda r: tuple(
        (v is not None, v or b"") for v in r))


def without(rows, about):
    """Rows without some columns."""
    return [tuple(v for i, v in enumerate(row) if i not in about)
            for row in rows]


def same_rows(got, expected, ordered, ignored=()):
    """Are these the same rows, but for the columns that are ignored?"""
    a, b = without(got, ignored), without(expected, ignored)
    return a == b if ordered else in_order(a) == in_order(b)


class Asked:
    """A question about a table, as it was drawn."""

    def __init__(self, table, target, clause, ask):
        self.table = table
        self.target = target            # (of the copy, of the collection)
        self.clause = clause
        self.ask = ask                  # clause -> question


class Verdict:
    SAME, ORDER, WRONG = "same", "order of evaluation", "wrong"

    def __init__(self, kind, words="", errors=False):
        self.kind = kind
        self.words = words
        self.errors = errors            # did all sides end in an error?


class Where:
    """A run: two sessions, tables, counts."""

    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(seed)
        limits = ("statement_timeout = '60s'", "jit = off",
                  "TimeZone = 'UTC'", "extra_float_digits = 1",
                  "search_path = %s, public" % role_name())
        self.on = Session(*limits, "mappedcoll.enable_pushdown = on")
        self.off = Session(*limits, "mappedcoll.enable_pushdown = off")
        self.force = "debug_parallel_query" if int(self.off.texts(
            "SHOW server_version_num")[0]) >= 160000 else \
            "force_parallel_mode"
        self.tables = []
        self.forms = collections.Counter()
        self.counts = collections.Counter()
        self.examples = collections.Counter()

    def close(self):
        self.on.close()
        self.off.close()

    # -- asking -------------------------------------------------------------

    def draw(self, aggregated):
        """A question; all that is random in it depends on one number."""
        table = self.rng.choices(self.tables,
                                 [t.weight for t in self.tables])[0]
        target = self.rng.choice(table.targets)
        number = self.rng.getrandbits(48)
        rng = random.Random(number)
        grammar = Grammar(rng, table, rng.random() < 0.4)
        form = None
        if not aggregated:
            form = rng.choices([f for f, _ in questions.FORMS],
                               [n for _, n in questions.FORMS])[0]
            if form is questions.sampled:
                if table.by_hand:       # PostgreSQL's parser does not
                    form = questions.rows
                else:
                    target = (table.copy, table.name)
        prepared = form is questions.prepared or \
            aggregated and rng.random() < 0.1
        clause = grammar.clause(parameters=prepared, whole=not aggregated,
                                subqueries=not aggregated or
                                rng.random() < 0.4,
                                risk=rng.choice((0, 0, 0, 0.15)))

        def ask(clause):
            again = random.Random(number + 1)
            if form is not None:
                return form(again, table, clause)
            return aggregates.Aggregates(
                again, table,
                Grammar(again, table, number % 3 == 0)).question(clause)

        return Asked(table, target, clause, ask)

    def outcomes(self, asked, question):
        """What copy, collection without and with push-down say, by script."""
        copy, name = asked.target
        sides = ((self.off, copy), (self.off, name), (self.on, name))
        if question.sampled:
            sides = sides[1:]
        return [[session.run(s) for s in question.on(table, self.force)]
                for session, table in sides]

    def judge(self, asked, question):
        """The verdict on a question."""
        every = self.outcomes(asked, question)
        if question.sampled:
            every = [self.expected_sample(asked, every[0]), *every]
        verdict = Verdict(Verdict.SAME)
        for copy, off, on in zip(*every):
            v = self.judge_one(asked, question, copy, off, on)
            if v.kind == Verdict.WRONG:
                return v
            if v.kind == Verdict.ORDER or v.errors:
                verdict = v
        return verdict

    def expected_sample(self, asked, off):
        """Of a sample's rows, those that the condition leaves in the copy."""
        plain = self.off.run("SELECT row_index FROM %s w WHERE %s" % (
            asked.target[0], asked.clause.sql()))
        if not plain.ok() or not off[1].ok():
            return off
        left = set(plain.rows)
        wanted = Outcome("00000", "", [r for r in off[1].rows if r in left])
        return [wanted, off[1]]

    def judge_one(self, asked, question, copy, off, on):
        sides = (copy, off, on)
        words = "copy:    %s\n    without: %s\n    with:    %s" % sides
        states = [s.state for s in sides]
        if any(s.forbidden() for s in sides):
            return Verdict(Verdict.WRONG, words)
        if "57014" in states:
            return Verdict(Verdict.SAME if states[0] == "57014" else
                           Verdict.WRONG, words)
        if len(set(states)) == 1:
            if not copy.ok():
                return Verdict(Verdict.SAME, words, True)
            same = all(self.same(asked, question, side, copy)
                       for side in (off, on))
            return Verdict(Verdict.SAME if same else Verdict.WRONG, words)
        strict = asked.clause.strict() and question.form in STRICT_FORMS and \
            asked.target[0] == asked.table.copy
        expected = all(s == "00000" or s.startswith(DATA_ERRORS)
                       for s in states)
        return Verdict(Verdict.ORDER if expected and not strict else
                       Verdict.WRONG, words)

    def same(self, asked, question, side, copy):
        """
        Are these the same rows?  Sums of floats are the same bit for bit
        where all sides add up in the order of rows.
        """
        return same_rows(side.rows, copy.rows, question.ordered) or (
            question.about and not self.in_row_order(asked, question) and
            same_rows(side.rows, copy.rows, question.ordered, question.about))

    def in_row_order(self, asked, question):
        """Do the plans without push-down keep the order of rows?"""
        if len(question.scripts) > 1 or "parallel" in question.form:
            return False
        for table in asked.target:
            head, select, query = question.on(
                table, self.force)[0].partition("SELECT ")
            plan = self.off.run("%sEXPLAIN %s%s" % (head, select, query))
            if any(word in row[0] for row in plan.rows
                   for word in (b"Sort", b"Gather", b"Join", b"Loop")):
                return False
        return True

    def shrink(self, asked):
        """The question with as small a condition as still differs."""
        clause = asked.clause
        for _ in range(60):
            for smaller in clause.smaller():
                trial = Asked(asked.table, asked.target, smaller, asked.ask)
                if self.judge(trial, trial.ask(smaller)).kind == \
                        Verdict.WRONG:
                    clause = smaller
                    break
            else:
                break
        return Asked(asked.table, asked.target, clause, asked.ask)

    def show(self, report, asked):
        """Print what differs."""
        if self.examples["shown"] >= SHOWN:
            return
        self.examples["shown"] += 1
        asked = self.shrink(asked)
        question = asked.ask(asked.clause)
        report.say("    %s of %s differs:\n    %s\n    %s" % (
            question.form, asked.target[1], ";\n    ".join(
                question.on(asked.target[1], self.force)),
            self.judge(asked, question).words))

    def look_at_plan(self, report, asked, question):
        """Count what is pushed down; nothing is where that is off."""
        script = question.on(asked.target[1], self.force)[0]
        if question.form not in ("rows", "count", "grouped") or \
                not script.startswith("SELECT"):
            return
        plans = [session.run("EXPLAIN " + script)
                 for session in (self.off, self.on)]
        if not plans[0].ok() or not plans[1].ok():
            return
        self.counts["plans"] += 1
        off, on = [b"\n".join(row[0] for row in plan.rows).decode()
                   for plan in plans]
        for what, pattern in PUSHED.items():
            self.counts["plans with " + what] += bool(pattern.search(on))
            report.equal("%s are pushed down where that is off" % what,
                         bool(pattern.search(off)), False)

    def ask_many(self, report, n, aggregated):
        """n random questions."""
        for i in range(n):
            asked = self.draw(aggregated)
            question = asked.ask(asked.clause)
            self.forms[question.form] += 1
            verdict = self.judge(asked, question)
            report.elements += 1
            self.counts[verdict.kind] += 1
            self.counts["errors"] += verdict.errors
            if verdict.kind == Verdict.WRONG:
                report.wrong += 1
                self.show(report, asked)
            if i % PLANS == 0:
                self.look_at_plan(report, asked, question)

    # -- samples ------------------------------------------------------------

    def ask_samples(self, report, n):
        """Samples with a condition as their filter draw the rows it leaves."""
        tables = [t for t in self.tables if t.n_rows > 0]
        for _ in range(n):
            table = self.rng.choice(tables)
            grammar = Grammar(self.rng, table)
            clause = grammar.clause(risk=self.rng.choice((0, 0, 0.2)),
                                    whole=False)
            self.forms["filter of a sample"] += 1
            report.elements += 1
            words = self.sample_differs(table, clause)
            self.counts[Verdict.WRONG if words else Verdict.SAME] += 1
            if words:
                report.wrong += 1
                report.say("    filter of a sample of %s: %s\n    %s" % (
                    table.name, clause.sql(), words))

    def sample_differs(self, table, clause):
        """What is wrong with samples under a filter; '' if nothing is."""
        copy = self.off.run("SELECT row_index FROM %s w WHERE %s" % (
            table.copy, clause.sql()))
        by = self.rng.choice(("NULL", "NULL", "'file_index'"))
        n = len(copy.rows) or 5
        script = "SELECT row_index FROM sample_rows('%s', %d, %s, " \
            "seed => %d, filter => %s, replacement => false)" % (
                table.name, n, by, self.rng.randrange(99),
                literal(clause.sql()))
        off, on = self.off.run(script), self.on.run(script)
        words = "copy:    %s\n    without: %s\n    with:    %s" % (
            copy, off, on)
        states = {copy.state, off.state, on.state}
        data_error = any(s.startswith(DATA_ERRORS) for s in states)
        if on.forbidden() or off.forbidden():
            same = False
        elif states == {"00000"}:
            same = off.rows == on.rows and \
                in_order(on.rows) == in_order(copy.rows)
        elif states == {"00000", NOTHING_TO_SAMPLE}:
            same = off.state == on.state and not copy.rows
        else:
            same = data_error and (len(states) == 1 or not clause.strict())
        return "" if same else words

    # -- the run ------------------------------------------------------------

    def line(self):
        c = self.counts
        return "%d queries (MC_SEED=%d): %d alike, of which %d errors; %d " \
            "errors on one side; %d wrong; pushed down: conditions in %d, " \
            "aggregates in %d of %d plans" % (
                sum(self.forms.values()), self.seed, c[Verdict.SAME],
                c["errors"], c[Verdict.ORDER], c[Verdict.WRONG],
                c["plans with conditions"], c["plans with aggregates"],
                c["plans"])


def role_name():
    return "where_reader_%d" % os.getpid()


@contextlib.contextmanager
def opened(seed, work):
    """A run with its tables, in a schema, and a role."""
    where = Where(seed)
    directory = tempfile.mkdtemp(dir=work)
    os.chmod(directory, 0o755)
    try:
        where.off.must("CREATE ROLE {0}; CREATE SCHEMA {0}; "
                       "GRANT USAGE ON SCHEMA {0} TO {0}".format(role_name()))
        where.tables = obsdata.make_tables(
            where.off, directory, np.random.default_rng([seed, 7]),
            role_name())
        yield where
    finally:
        where.close()
        after = Session()
        after.run("DROP SCHEMA %s CASCADE" % role_name())
        after.run("DROP ROLE " + role_name())
        after.close()


def check_counts(report, where):
    """What has to be rare is, and what has to be met was."""
    n = sum(where.forms.values())
    report.equal("errors on one side only are few",
                 where.counts[Verdict.ORDER] * 50 <= n, True)
    for what in PUSHED:
        report.equal("plans that push down %s were met" % what,
                     where.counts["plans with " + what] > 0, True)
    for form, _ in questions.FORMS:
        report.equal("queries of form %s were asked" % form.__name__,
                     where.forms[form.__name__] > 0, True)


def run(report, work, seed):
    """The part of the test; what it did, as lines."""
    n = int(os.environ.get("MC_WHERE_QUERIES") or QUERIES)
    with opened(seed, work) as where:
        try:
            report.check("conditions, pushed down and not", where.ask_many,
                         report, n, False)
            report.check("aggregates, pushed down and not", where.ask_many,
                         report, n, True)
            report.check("filters of samples, pushed down and not",
                         where.ask_samples, report, n // 10)
            report.check("what was met", check_counts, report, where)
        except Lost as e:
            report.difference("the backend", e, "alive")
            report.failed += 1
        lines = [where.line(), ", ".join("%s %d" % f for f in
                                         where.forms.most_common())]
    for line in lines:
        report.say("    " + line)
    return lines


# ---------------------------------------------------------------------------
# The test itself
# ---------------------------------------------------------------------------

# Alterations of the copy, each of which has to be seen
ALTERED = {
    "": "",
    "a row less": "DELETE FROM {t} WHERE row_index = 5",
    "a row twice": "INSERT INTO {t} SELECT * FROM {t} WHERE row_index = 5",
    "another file": "UPDATE {t} SET file_index = 7 WHERE row_index < 9",
    "another name": "UPDATE {t} SET obs_name = upper(obs_name)",
    "another text": "UPDATE {t} SET cat = lower(cat)",
    "NULL for a text": "UPDATE {t} SET cat = NULL WHERE row_index % 9 = 0",
    "a text for NULL": "UPDATE {t} SET cat = '' WHERE cat IS NULL",
    "another number": "UPDATE {t} SET i = i / 2",
    "NULL for NaN": "UPDATE {t} SET f = NULL WHERE f = 'NaN'",
    "another float": "UPDATE {t} SET f = f * 1.00001",
    "the other boolean": "UPDATE {t} SET b = NOT b",
}


def check_altered(report, work, seed):
    """A copy that is wrong in one place is seen."""
    with opened(seed, work) as where:
        where.examples["shown"] = SHOWN
        table = where.tables[0]
        where.tables = [table]
        for name, alteration in ALTERED.items():
            where.off.must("DROP TABLE IF EXISTS where_altered; "
                           "CREATE TABLE where_altered AS SELECT * FROM " +
                           table.copy)
            if alteration:
                where.off.must(alteration.format(t="where_altered"))
            table.targets = [("where_altered", table.name)]
            found = Report(quiet=True)
            for _ in range(40):
                where.ask_many(found, 10, False)
                where.ask_many(found, 10, True)
                if found.wrong or not alteration and found.elements >= 200:
                    break
            report.equal("a copy with %r is seen" % name, found.wrong > 0,
                         bool(alteration))


def check_judgement(report):
    """What differs only with push-down is seen, too."""
    class Ordered:
        """In place of a run: all plans keep the order of rows."""

        same = Where.same

        def in_row_order(self, asked, question):
            return "parallel" not in question.form
    column = obsdata.Column("a", "bigint", [], "", True)
    table = obsdata.Table("t", 1)
    table.columns.append(column)

    def verdict(copy, off, on, form="rows", about=(), tree=("leaf", "a")):
        asked = Asked(table, (table.copy, "t"), Clause(tree), None)
        return Where.judge_one(Ordered(), asked, questions.Question(
            form, "", about=about), copy, off, on).kind

    def rows(*values):
        return Outcome("00000", "", [(v,) for v in values])

    one, two, near = rows(b"1"), rows(b"1", b"2"), rows(b"1.0000000000001")
    divided, internal = Outcome("22012"), Outcome("XX000")
    both = ("and", [("leaf", "a"), ("leaf", "b")])
    for what, got, expected in (
            ("the same", verdict(one, one, one), Verdict.SAME),
            ("another order", verdict(two, two, rows(b"2", b"1")),
             Verdict.SAME),
            ("a row more", verdict(one, one, two), Verdict.WRONG),
            ("a row less", verdict(two, one, one), Verdict.WRONG),
            ("a row twice", verdict(one, one, rows(b"1", b"1")),
             Verdict.WRONG),
            ("digits of both", verdict(near, one, one, about=(0,)),
             Verdict.WRONG),
            ("digits with push-down", verdict(one, one, near, about=(0,)),
             Verdict.WRONG),
            ("digits in parallel", verdict(one, one, near, "parallel", (0,)),
             Verdict.SAME),
            ("the same error", verdict(divided, divided, divided),
             Verdict.SAME),
            ("an error with push-down", verdict(one, one, divided),
             Verdict.WRONG),
            ("an error of two parts", verdict(one, one, divided, tree=both),
             Verdict.ORDER),
            ("internal errors", verdict(internal, internal, internal),
             Verdict.WRONG)):
        report.equal("verdict on " + what, got, expected)


def check_itself(report, work, seed):
    report.check("the test sees a wrong verdict", check_judgement, report)
    report.check("the test sees a wrong copy", check_altered, report, work,
                 seed)
