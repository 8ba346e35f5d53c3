"""
aggregates.py
        Queries with aggregates, made at random: keys, aggregates, FILTER,
        HAVING, DISTINCT, and what stands around them.
"""
from clauses import family
from questions import PARALLEL, Question, joins_of

EXACT = (                       # of any rows, in any order
    "min({0})", "max({0})", "count({0})", "count(DISTINCT {0})",
    "count({0})", "sum({0})", "avg({0})")
BY_FAMILY = {
    "text": ("min({0} COLLATE \"C\")", "max({0} COLLATE \"C\")", "count({0})",
             "count(DISTINCT {0})", "count(*)", "count(nullif({0}, 'a'))",
             "string_agg({0}, ',' ORDER BY row_index)", "min({0})", "max({0})",
             "bool_or({0} > 'b')", "max(length({0}::text))",
             "count(DISTINCT lower({0} COLLATE \"C\"))"),
    "int": (*EXACT, *EXACT, "sum(DISTINCT {0})", "bit_or({0})", "sum({0} % 7)",
            "count(DISTINCT {0} % 3)", "avg({0} / 2)", "max({0}::numeric)",
            "array_agg({0} ORDER BY row_index)", "stddev_pop({0})"),
    "float": ("min({0}) + 0", "max({0}) + 0", "count({0})", "sum({0})",
              "avg({0})", "sum({0})", "avg({0})", "count(DISTINCT {0})",
              "sum({0} / 2)", "max({0}::text COLLATE \"C\")",
              "count(*) - count({0})"),
    "numeric": (*EXACT, "sum(DISTINCT {0})"),
    "bool": ("bool_and({0})", "bool_or({0})", "every({0})", "count({0})",
             "count(DISTINCT {0})", "sum({0}::int)", "bool_or(NOT {0})"),
    "enum": ("min({0})", "max({0})", "count({0})", "count(DISTINCT {0})"),
    "date": ("min({0})", "max({0})", "count({0})"),
    "other": ("count({0})",),
}
# What is answered on codes and numbers, by family; and the types of keys
PLAIN = {
    "text": ("count({0})", "count(DISTINCT {0})", "min({0})", "max({0})"),
    "int": ("count({0})", "min({0})", "max({0})", "sum({0})", "avg({0})",
            "count(DISTINCT {0})"),
    "float": ("count({0})", "min({0}) + 0", "max({0}) + 0", "sum({0})",
              "avg({0})"),
    "bool": ("bool_and({0})", "bool_or({0})", "every({0})", "count({0})",
             "count(DISTINCT {0})"),
}
PLAIN_KEYS = ("text", "boolean", "bigint", "integer")
# Those whose floats depend on the order of the rows in their last digits
INEXACT = ("sum(", "avg(", "stddev", "var_")


class Aggregates:
    """Makes queries on one table; grammar makes their conditions."""

    def __init__(self, rng, table, grammar):
        self.plain = rng.random() < 0.6     # nothing that cannot be pushed
        self.rng = rng
        self.table = table
        self.grammar = grammar

    def condition(self):
        """A condition for FILTER."""
        return self.grammar.clause(whole=False, subqueries=False)

    # -- parts --------------------------------------------------------------

    def key(self):
        """(GROUP BY, as it is shown) or None: what cannot be a key."""
        rng = self.rng
        c = rng.choice(self.table.columns)
        if self.plain:
            c = rng.choice([c for c in self.table.columns
                            if c.type in PLAIN_KEYS and c.deterministic])
            return c.sql, c.sql
        if rng.random() < 0.12:
            made = rng.choice(("file_index + 1", "row_index % 3",
                               "row_index < 20", "file_index = 1"))
            return made, made
        kind = family(c)
        if kind == "other":
            return None
        if not c.deterministic:         # any of its texts may be shown
            return c.sql, "1"
        if rng.random() < 0.75:
            if kind in ("float", "numeric"):
                return c.sql, c.sql + " + 0"
            return c.sql, c.sql
        made = rng.choice({
            "text": ("lower({0})", "{0} IS NULL", "left({0}, 1)",
                     "coalesce({0}, 'none')", "{0} = 'a'", "{0}::varchar(1)"),
            "int": ("{0} % 3", "{0} > 2", "{0} / 4", "{0} IS NULL"),
            "bool": ("{0} IS TRUE", "NOT {0}", "coalesce({0}, false)"),
            "float": ("{0} > 1", "{0} <> {0}", "floor({0}) + 0"),
        }.get(kind, ("{0} IS NULL",))).format(c.sql)
        return made, made

    def keys(self, n):
        """Keys: those of GROUP BY, and what SELECT says of them."""
        made = [self.key() for _ in range(n)]
        made = [k for k in made if k is not None]
        return list(dict.fromkeys(k[0] for k in made)), \
            ["%s AS k%d" % (shown, i) for i, shown in enumerate(
                dict.fromkeys(k[1] for k in made))]

    def aggregate(self):
        """One aggregate; the second: a float that depends on the order."""
        rng = self.rng
        if rng.random() < 0.25:
            return "count(*)", False
        if rng.random() < 0.12:
            return rng.choice((
                "min(row_index)", "max(row_index)", "sum(row_index)",
                "count(DISTINCT file_index)", "max(file_index)",
                "avg(file_index)", "array_agg(row_index ORDER BY row_index)",
                "max(row_index) - min(row_index) + count(*)",
                "count(DISTINCT obs_name)", "min(obs_name)")), False
        c = rng.choice(self.table.columns)
        kind = family(c)
        if self.plain:
            c = rng.choice([c for c in self.table.columns
                            if not c.of_matrix()])
            kind = family(c)
            made = rng.choice(PLAIN.get(kind, ("count({0})",))).format(c.sql)
            if not c.deterministic or c.type == "name":
                made = "count(%s)" % c.sql
            return made, kind == "float" and made.startswith(INEXACT)
        if c.type == "name" or not c.deterministic:
            return "count(%s)" % c.sql, False
        made = rng.choice(BY_FAMILY[kind]).format(c.sql)
        if "string_agg" in made and c.type != "text":
            made = "count(%s)" % c.sql
        if c.type != "numeric" and made.startswith(("bit_or", )) and \
                c.type == "where_code":
            made = "max(%s)" % c.sql
        return made, kind == "float" and made.startswith(INEXACT)

    def filtered(self):
        """An aggregate, with FILTER at times."""
        made, inexact = self.aggregate()
        if self.rng.random() < 0.2 and " - " not in made and " + " not in made:
            made += " FILTER (WHERE %s)" % self.condition().sql()
        return made, inexact

    def having(self, keys):
        rng = self.rng
        made = ["count(*) > %d" % rng.randrange(6), "count(*) % 2 = 0",
                "max(row_index) >= 10", "min(obs_name) > 'a'",
                "count(*) > (SELECT min(h_row) FROM %s)" % self.table.helper]
        made += ["(%s) IS NOT NULL" % k for k in keys]
        return rng.choice(made)

    # -- queries ------------------------------------------------------------

    def select(self, condition):
        """
        A plain query with GROUP BY: SQL without ORDER BY, what it groups by,
        and the columns whose floats depend on the order of rows.
        """
        rng = self.rng
        keys, shown = self.keys(rng.choice((0, 1, 1, 1, 2, 2, 3)))
        made = [self.filtered() for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        about = [len(shown) + i for i, m in enumerate(made) if m[1]]
        sql = "SELECT %s FROM @T@ w" % ", ".join(shown + [m[0] for m in made])
        if rng.random() < 0.75:
            sql += " WHERE " + condition
        if keys:
            sql += " GROUP BY " + rng.choice((", ".join(keys), ", ".join(
                reversed(keys)), "(%s)" % ", ".join(keys)))
        if rng.random() < 0.2:
            sql += " HAVING " + self.having(keys)
        return sql, keys, about

    def grouped(self, condition):
        sql, keys, about = self.select(condition)
        rng = self.rng
        if keys and rng.random() < 0.3:
            sql += " ORDER BY %s%s" % (", ".join(
                k + rng.choice(("", " DESC", " NULLS FIRST")) for k in keys),
                rng.choice(("", " LIMIT 3", " LIMIT 2 OFFSET 1")))
            return Question("grouped, ordered", sql, about=about,
                            ordered=all(k.startswith('"') for k in keys))
        return Question("grouped", rng.choice((
            "", "", "", "SET LOCAL enable_partitionwise_aggregate = on; ",
            "SET LOCAL enable_hashagg = off; ",
            "SET LOCAL work_mem = '64kB'; ")) + sql, about=about)

    def distinct(self, condition):
        keys, shown = self.keys(self.rng.choice((1, 1, 2, 3)))
        shown = shown or ["file_index"]
        return Question("distinct", "SELECT DISTINCT %s FROM @T@ w WHERE %s" %
                        (", ".join(shown), condition))

    def distinct_on(self, condition):
        keys, _ = self.keys(1)
        key = (keys or ["file_index"])[0]
        return Question("distinct on", "SELECT DISTINCT ON (%s) row_index "
                        "FROM @T@ w WHERE %s ORDER BY %s, row_index" % (
                            key, condition, key))

    def sets(self, condition):
        """GROUPING SETS and the like."""
        keys, shown = self.keys(2)
        if len(keys) < 2 or "1 AS k0" in shown or "1 AS k1" in shown:
            keys = shown = ["file_index", "row_index % 2"]
        how = self.rng.choice((
            "ROLLUP ({0}, {1})", "CUBE ({0}, {1})",
            "GROUPING SETS (({0}), ({1}), ())", "GROUPING SETS (({0}, {1}))",
            "{0}, ROLLUP ({1})")).format(*keys)
        return Question("grouping sets", "SELECT %s, grouping(%s, %s), "
                        "count(*), max(row_index) FROM @T@ w WHERE %s "
                        "GROUP BY %s" % (", ".join(shown), *keys[:2],
                                         condition, how))

    def correlated(self, condition):
        """For each row of another table."""
        joins = joins_of(self.rng, self.table)
        join = self.rng.choice([*joins, "file_index = h_file",
                                "row_index < h_row"])
        agg, inexact = self.aggregate()
        return Question("correlated", self.rng.choice((
            "SELECT h_row, h_int, (SELECT {a} FROM @T@ w WHERE ({c}) AND {j}) "
            "FROM {h}",
            "SELECT h_row, h_int, s.v FROM {h} CROSS JOIN LATERAL (SELECT "
            "{a} AS v FROM @T@ w WHERE {j} AND ({c})) s",
            "SELECT h_row, h_int, s.v, s.f FROM {h} LEFT JOIN LATERAL (SELECT "
            "file_index AS f, {a} AS v FROM @T@ w WHERE {j} AND ({c}) "
            "GROUP BY 1) s ON true",
        )).format(a=agg, c=condition, j=join, h=self.table.helper),
            about=(2,) if inexact else ())

    def above(self, condition):
        """Aggregates in another query."""
        rng = self.rng
        agg = rng.choice(("count(*)", "max(row_index)", "sum(file_index)",
                          "count(DISTINCT obs_name)"))
        keys, _ = self.keys(1)
        key = (keys or ["file_index"])[0]
        return Question("above", rng.choice((
            "SELECT sum(n), count(*) FROM (SELECT {k}, {a} AS n FROM @T@ w "
            "WHERE {c} GROUP BY {k}) s",
            "WITH s AS (SELECT {a} AS n FROM @T@ w WHERE {c} GROUP BY {k}) "
            "SELECT n, (SELECT count(*) FROM s) FROM s",
            "SELECT h_row, s.n FROM {h} JOIN (SELECT file_index AS f, "
            "{a} AS n FROM @T@ w WHERE {c} GROUP BY 1) s ON f = h_file",
            "SELECT {a}, 1 FROM @T@ w WHERE {c} UNION ALL "
            "SELECT {a}, 2 FROM @T@ w WHERE NOT ({c})",
            "SELECT row_index FROM @T@ w WHERE row_index = (SELECT "
            "max(row_index) FROM @T@ w WHERE {c})",
            "SELECT {a}, rank() OVER (ORDER BY {a}) FROM @T@ w WHERE {c} "
            "GROUP BY {k}",
            "SELECT 1 FROM @T@ w WHERE {c} HAVING count(*) > 5",
            "SELECT count(*) FROM (SELECT DISTINCT {k} FROM @T@ w "
            "WHERE {c}) s",
            "SELECT EXISTS (SELECT {k} FROM @T@ w WHERE {c} GROUP BY {k} "
            "HAVING count(*) > 2)",
        )).format(a=agg, k=key, c=condition, h=self.table.helper))

    def cursor(self, condition):
        """An aggregate that is read again."""
        sql, keys, about = self.select(condition)
        return Question("grouped cursor", "CLOSE ALL; DECLARE k SCROLL CURSOR "
                        "FOR %s; FETCH 2 FROM k; MOVE ABSOLUTE 0 IN k; "
                        "FETCH ALL FROM k" % sql, "CLOSE ALL", about=about)

    def parallel(self, condition):
        """By several processes: no sum of floats."""
        keys, shown = self.keys(1)
        return Question("grouped, parallel", PARALLEL + "SELECT %s FROM @T@ w "
                        "WHERE %s%s" % (
                            ", ".join([*shown, "count(*)", "max(row_index)"]),
                            condition,
                            " GROUP BY " + ", ".join(keys) if keys else ""))

    def prepared(self, clause):
        """With parameters."""
        sql, _, about = self.select(clause.sql())
        runs = ["SET LOCAL plan_cache_mode = %s; EXECUTE q (%s)" % (
            self.rng.choice(("force_generic_plan", "force_custom_plan")),
            ", ".join(v[i] for v in clause.values)) for i in range(3)]
        return Question("grouped, prepared",
                        "DEALLOCATE ALL; PREPARE q (%s) AS %s" % (
                            ", ".join(clause.types), sql), *runs, about=about)

    def question(self, clause):
        """Any query with this condition."""
        if clause.types:
            return self.prepared(clause)
        kinds = ((self.grouped, 60), (self.distinct, 8), (self.distinct_on, 3),
                 (self.sets, 4), (self.correlated, 8), (self.above, 14),
                 (self.cursor, 2), (self.parallel, 2))
        kind = self.rng.choices([k for k, _ in kinds],
                                [n for _, n in kinds])[0]
        return kind(clause.sql())
