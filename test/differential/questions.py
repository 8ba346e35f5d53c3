"""
questions.py
        Queries around a condition: the rows it leaves, asked for in all the
        ways in which a planner and an executor can get at them.

A question is some scripts for one backend, with @T@ for the table.  Each form
is a function of a generator of random numbers, a table and a condition, so
that the same form can be asked again with a smaller condition.
"""
PARALLEL = (
    "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
    "SET LOCAL min_parallel_table_scan_size = 0; "
    "SET LOCAL max_parallel_workers_per_gather = 2; ")
FORCED = PARALLEL + "SET LOCAL @FORCE@ = on; "
NESTED = ("SET LOCAL enable_hashjoin = off; "
          "SET LOCAL enable_mergejoin = off; ")
# Each keeps the result what it is
SETTINGS = (
    "", "", "", "", "", "", "",
    "SET LOCAL enable_partitionwise_aggregate = on; ",
    "SET LOCAL enable_hashagg = off; ",
    "SET LOCAL enable_material = off; SET LOCAL enable_sort = off; ",
    "SET LOCAL work_mem = '64kB'; ",
    "SET LOCAL enable_partition_pruning = off; ",
    "SET LOCAL constraint_exclusion = on; ",
    "SET LOCAL random_page_cost = 0; SET LOCAL cpu_operator_cost = 1; ",
)


class Question:
    """
    Scripts, one after the other.  ordered: rows come in a certain order;
    about: the columns whose floats depend on the order of rows; sampled: the
    copy cannot answer it.
    """

    def __init__(self, form, *scripts, ordered=False, about=(),
                 sampled=False):
        self.form = form
        self.scripts = scripts
        self.ordered = ordered
        self.about = about
        self.sampled = sampled

    def on(self, table, force):
        return [s.replace("@T@", table).replace("@FORCE@", force)
                for s in self.scripts]


def rows(rng, table, clause):
    return Question("rows", rng.choice(SETTINGS) +
                    "SELECT row_index FROM @T@ w WHERE " + clause.sql())


def values(rng, table, clause):
    """Some columns of the rows, as text."""
    some = ['"row_index"'] + [c.sql for c in rng.sample(
        table.columns, min(rng.randrange(1, 6), len(table.columns)))]
    return Question(
        "values", "SELECT count(*), md5(string_agg(s::text, '|' ORDER BY "
        "s.row_index)) FROM (SELECT %s FROM @T@ w WHERE %s) s" % (
            ", ".join(dict.fromkeys(some)), clause.sql()))


def count(rng, table, clause):
    return Question("count", rng.choice(SETTINGS) +
                    "SELECT count(*) FROM @T@ w WHERE " + clause.sql())


def limit(rng, table, clause):
    """The first rows, or the last."""
    end = rng.choice(("LIMIT 1", "LIMIT 5", "LIMIT 20 OFFSET 3",
                      "OFFSET 10", "FETCH FIRST 3 ROWS ONLY"))
    return Question("limit", "SELECT row_index FROM @T@ w WHERE %s "
                    "ORDER BY row_index%s %s" % (
                        clause.sql(), rng.choice(("", "", " DESC")), end),
                    ordered=True)


def ordered(rng, table, clause):
    """In the order of a column."""
    some = [c for c in table.columns if c.deterministic and
            not c.type.endswith("[]")]
    return Question(
        "ordered", "SELECT row_index FROM @T@ w WHERE %s ORDER BY %s%s, "
        "row_index LIMIT 50" % (clause.sql(), rng.choice(some).sql,
                                rng.choice(("", " DESC", " NULLS FIRST"))),
        ordered=True)


def cursor(rng, table, clause):
    """A cursor that goes back and forth."""
    steps = rng.choice((
        ("FETCH 5",), ("FETCH 3", "FETCH ALL"), ("MOVE 4", "FETCH 4"),
        ("FETCH 7", "MOVE ABSOLUTE 0", "FETCH 5"),
        ("MOVE 6", "FETCH BACKWARD 3"), ("FETCH ALL", "FETCH BACKWARD ALL")))
    return Question(
        "cursor", "CLOSE ALL; DECLARE k %sCURSOR %sFOR SELECT row_index "
        "FROM @T@ w WHERE %s ORDER BY row_index; %s" % (
            "SCROLL " if len(steps) > 1 else "",
            "WITH HOLD " if rng.random() < 0.2 else "", clause.sql(),
            "; ".join(s + " FROM k" for s in steps)),
        "CLOSE ALL", ordered=True)


def parallel(rng, table, clause):
    """By several processes."""
    return Question("parallel", FORCED + rng.choice((
        "SELECT row_index FROM @T@ w WHERE %s",
        "SELECT count(*), sum(row_index), min(obs_name COLLATE \"C\") "
        "FROM @T@ w WHERE %s",
        "SELECT file_index, count(*) FROM @T@ w WHERE %s GROUP BY 1")) %
        clause.sql())


def prepared(rng, table, clause):
    """A prepared statement, its plan made once or for each of the values."""
    if not clause.types:
        return rows(rng, table, clause)
    prepare = "DEALLOCATE ALL; PREPARE q (%s) AS SELECT %s" % (
        ", ".join(clause.types), rng.choice((
            "row_index FROM @T@ w WHERE %s", "count(*) FROM @T@ w WHERE %s",
            "file_index, count(*) FROM @T@ w WHERE %s GROUP BY 1")) %
        clause.sql())
    mode = rng.choice(("force_generic_plan", "force_generic_plan",
                       "force_custom_plan", "auto"))
    # a plan that was made stays right when the setting changes
    later = rng.choice(("", "SET LOCAL mappedcoll.enable_pushdown = off; "))
    runs = ["%sSET LOCAL plan_cache_mode = %s; EXECUTE q (%s)" % (
        later if i == 2 else "", mode, ", ".join(v[i] for v in clause.values))
        for i in range(3)]
    return Question("prepared", prepare, *runs)


def nested(rng, table, clause):
    """The inner side of a nested loop, started again and again."""
    join = rng.choice((
        "row_index = h_row", "file_index = h_file",
        "row_index BETWEEN h_row AND h_row + h_span",
        "obs_name = h_text", "row_index >= h_row AND file_index = h_file",
        "row_index = ANY (ARRAY[h_row, h_row + 1, h_span])",
        "row_index < h_row", *joins_of(rng, table)))
    return Question("nested", rng.choice((NESTED, NESTED, "")) + rng.choice((
        "SELECT h_row, h_file, h_int, count(*), sum(row_index) FROM {h} JOIN "
        "(SELECT * FROM @T@ w WHERE {c}) s ON {j} GROUP BY 1, 2, 3",
        "SELECT h_row, h_text, row_index FROM {h} LEFT JOIN "
        "(SELECT * FROM @T@ w WHERE {c}) s ON {j} WHERE h_span < 9",
        "SELECT h_row, h_span, s.n FROM {h} CROSS JOIN LATERAL (SELECT "
        "count(*) AS n FROM @T@ w WHERE ({c}) AND {j}) s",
        "SELECT h_row, h_span, (SELECT max(row_index) FROM @T@ w "
        "WHERE ({c}) AND {j}) FROM {h}",
        "SELECT h_row FROM {h} WHERE EXISTS (SELECT FROM @T@ w "
        "WHERE ({c}) AND {j})",
        "SELECT h_row, h_text FROM {h} WHERE NOT EXISTS (SELECT FROM @T@ w "
        "WHERE ({c}) AND {j})",
        "SELECT h_row, s.row_index FROM {h} CROSS JOIN LATERAL (SELECT "
        "row_index FROM @T@ w WHERE ({c}) AND {j} ORDER BY 1 LIMIT 2) s",
    )).format(h=table.helper, c=clause.sql(), j=join))


def joins_of(rng, table):
    """Join conditions on obs columns with the helper table."""
    joins = []
    for c in table.columns:
        if c.type == "text":
            joins += ["%s = h_text" % c.sql, "%s < h_text AND h_int < 3" %
                      c.sql]
        elif c.type == "bigint" and c.name != "row_index":
            joins += ["%s = h_int" % c.sql, "%s > h_int" % c.sql]
        elif c.type == "double precision":
            joins += ["%s = h_float" % c.sql, "%s <= h_float" % c.sql]
        elif c.type == "boolean":
            joins += ["%s = h_bool" % c.sql,
                      "%s IS NOT DISTINCT FROM h_bool" % c.sql]
    return rng.sample(joins, min(len(joins), 5))


def joined(rng, table, clause):
    """With itself, or several times."""
    key = rng.choice([c for c in table.columns if c.deterministic and
                      not c.type.endswith("[]")]).sql
    return Question("joined", rng.choice(SETTINGS) + rng.choice((
        "SELECT count(*), sum(a.row_index), min(b.row_index) FROM "
        "(SELECT * FROM @T@ w WHERE {c}) a JOIN (SELECT * FROM @T@ w "
        "WHERE file_index = 0 AND row_index < 60) b ON a.{k} = b.{k}",
        "SELECT row_index FROM @T@ w WHERE ({c}) AND {k} IN "
        "(SELECT {k} FROM @T@ WHERE row_index % 7 = 0)",
        "SELECT row_index FROM @T@ w WHERE {c} EXCEPT ALL "
        "SELECT row_index FROM @T@ w WHERE file_index = 0",
        "SELECT row_index, 1 FROM @T@ w WHERE {c} UNION ALL "
        "SELECT row_index, 2 FROM @T@ w WHERE NOT ({c})",
        "SELECT a.row_index FROM @T@ a LEFT JOIN (SELECT row_index AS r "
        "FROM @T@ w WHERE {c}) b ON a.row_index = b.r WHERE b.r IS NULL",
    )).format(c=clause.sql(), k=key))


def subquery(rng, table, clause):
    """Below a subquery, a CTE, or a limit."""
    return Question("subquery", rng.choice((
        "SELECT row_index FROM (SELECT * FROM @T@ OFFSET 0) w WHERE {c}",
        "SELECT row_index FROM (SELECT * FROM @T@ w WHERE {c} OFFSET 0) s "
        "WHERE file_index >= 1",
        "WITH s AS MATERIALIZED (SELECT * FROM @T@ w WHERE {c}) "
        "SELECT a.row_index FROM s a JOIN s b USING (row_index)",
        "WITH s AS (SELECT row_index, obs_name FROM @T@ w WHERE {c}) "
        "SELECT row_index FROM s WHERE obs_name > 'a'",
        "SELECT row_index, ({c}) FROM @T@ w",
        "SELECT row_index FROM @T@ w WHERE ({c}) IS TRUE",
        "SELECT row_index FROM @T@ w WHERE ({c}) IS UNKNOWN",
        "SELECT row_index FROM @T@ w WHERE NOT ({c})",
        "SELECT row_index FROM @T@ w WHERE NOT (NOT ({c}) OR file_index = 9)",
        "SELECT row_index FROM @T@ w WHERE CASE WHEN file_index = 0 "
        "THEN {c} ELSE NOT ({c}) END",
        "SELECT row_index, rank() OVER (ORDER BY row_index) FROM @T@ w "
        "WHERE {c}",
    )).format(c=clause.sql()))


def sampled(rng, table, clause):
    """TABLESAMPLE comes before WHERE."""
    method = rng.choice(("BERNOULLI (40)", "SYSTEM (60)", "BERNOULLI (100)",
                         "BERNOULLI (0)", "weighted('file_index')"))
    sample = "@T@ w TABLESAMPLE %s REPEATABLE (%d)" % (method,
                                                     rng.randrange(1000))
    return Question("sampled",
                    "SELECT row_index FROM %s WHERE %s" % (
                        sample, clause.sql()),
                    "SELECT row_index FROM " + sample, sampled=True)


# Forms, and how often each is asked
FORMS = ((rows, 30), (values, 8), (count, 8), (limit, 7), (ordered, 5),
         (cursor, 4), (parallel, 2), (prepared, 14), (nested, 10), (joined, 6),
         (subquery, 10), (sampled, 3))
