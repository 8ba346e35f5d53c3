"""
clauses.py
        Conditions made at random over the columns of a table.

A condition is a tree of AND, OR and NOT whose leaves are SQL texts, so that
one that shows a difference can be made smaller.  Names are not qualified: the
same text serves as WHERE, as FILTER and as the filter of a sample.

What may end in an error (a cast, an overflow) is "risky", and rare: SQL does
not say which rows of a condition of several parts meet it.
"""
from obsdata import FLOATS, INTS, WORDS
from psql import literal

COMPARISONS = ("=", "=", "=", "<>", "<", "<=", ">", ">=")
COLLATIONS = ('"C"', '"POSIX"', '"en-x-icu"', '"und-x-icu"', '"sv-x-icu"')
LOOSE = ("where_nd", "where_nd1")       # not deterministic

FAMILY = {
    "text": "text", "name": "text", "character varying": "text",
    "character": "text", "bigint": "int", "integer": "int", "smallint": "int",
    "where_code": "int", "double precision": "float", "real": "float",
    "numeric": "numeric", "boolean": "bool", "where_grade": "enum",
    "date": "date",
}


def family(column):
    return FAMILY.get(column.type.split("(")[0], "other")


class Clause:
    """A condition: its tree, and the values of its parameters."""

    def __init__(self, tree, types=(), values=(), risky=False, whole=False):
        self.tree = tree
        self.types = types              # of $1, $2, ...
        self.values = values            # several for each, as SQL
        self.risky = risky              # may end in an error
        self.whole = whole              # names the row, by the alias w

    def sql(self):
        return text_of(self.tree)

    def strict(self):
        """Is there only one order in which it can be evaluated?"""
        return self.tree[0] == "leaf" and not any(
            word in self.tree[1] for word in (" BETWEEN ", " AND ", " OR "))

    def smaller(self):
        """The same without some part."""
        for tree in smaller_trees(self.tree):
            yield Clause(tree, self.types, self.values, self.risky, self.whole)


def text_of(tree):
    """A tree as SQL."""
    kind, *rest = tree
    if kind == "leaf":
        return rest[0]
    if kind == "not":
        return "NOT (%s)" % text_of(rest[0])
    return "(%s)" % (" %s " % kind.upper()).join(
        "(%s)" % text_of(t) for t in rest[0])


def smaller_trees(tree):
    """Trees of which one part is left out."""
    kind, *rest = tree
    if kind == "not":
        yield rest[0]
        for t in smaller_trees(rest[0]):
            yield ("not", t)
    elif kind in ("and", "or"):
        yield from rest[0]
        for i, child in enumerate(rest[0]):
            others = rest[0][:i] + rest[0][i + 1:]
            if len(others) > 1:
                yield (kind, others)
            for t in smaller_trees(child):
                yield (kind, [*rest[0][:i], t, *rest[0][i + 1:]])


class Grammar:
    """
    Makes conditions on one table; rng: random.Random; vectors: on what comes
    from the matrix, too.
    """

    def __init__(self, rng, table, vectors=True):
        self.rng = rng
        self.table = table
        self.helper = table.helper
        self.columns = [c for c in table.columns
                        if vectors or not c.of_matrix()]
        self.by_family = {}
        for c in self.columns:
            self.by_family.setdefault(family(c), []).append(c)
        self.plain = [c for c in self.columns if family(c) != "other" and
                      c.name not in ("row_index", "file_index")]
        self.start()

    def start(self, parameters=False, risk=0.0, subqueries=True, whole=True):
        self.types = [] if parameters else None
        self.values = []
        self.risk = risk
        self.risky = False
        self.subqueries = subqueries
        self.allow_whole = whole
        self.whole = False

    def clause(self, **how):
        """A condition; how: see start."""
        self.start(**how)
        n = self.rng.choice((1, 1, 1, 2, 2, 3, 4))
        parts = [self.tree(self.rng.choice((0, 0, 0, 1, 2, 3)))
                 for _ in range(n)]
        tree = parts[0] if n == 1 else ("and", parts)
        return Clause(tree, self.types or (), self.values, self.risky,
                      self.whole)

    def tree(self, depth):
        if depth == 0:
            return ("leaf", self.leaf())
        kind = self.rng.choice(("and", "or", "or", "not"))
        if kind == "not":
            return ("not", self.tree(depth - 1))
        return (kind, [self.tree(self.rng.randrange(depth))
                       for _ in range(self.rng.choice((2, 2, 3)))])

    # -- small choices ------------------------------------------------------

    def chance(self, p):
        return self.rng.random() < p

    def may_fail(self):
        """Is something risky to be made now?"""
        if self.chance(self.risk):
            self.risky = True
            return True
        return False

    def comparison(self):
        return self.rng.choice(COMPARISONS)

    def constant(self, sql_type, sample):
        """A constant, or a parameter with several values."""
        if self.types is None or not self.chance(0.6):
            return sample()
        self.types.append(sql_type)
        self.values.append([sample() for _ in range(3)])
        return "$%d" % len(self.types)

    def items(self, sample, null=0.2):
        """A list of 1 to 6 constants, NULL among them at times."""
        made = [sample() for _ in range(self.rng.choice((1, 2, 2, 3, 6)))]
        if self.chance(null):
            made.insert(self.rng.randrange(len(made) + 1), "NULL")
        return made

    def array(self, sql_type, sample):
        """An array: of constants, a parameter, empty, NULL, or a query's."""
        kind = self.rng.random()
        if kind < 0.05:
            return "'{}'::%s[]" % sql_type
        if kind < 0.08:
            return "NULL::%s[]" % sql_type
        return self.constant(
            sql_type + "[]", lambda: "ARRAY[%s]::%s[]" % (
                ", ".join(self.items(sample)), sql_type))

    def leaf(self):
        """One test."""
        kind = self.rng.random()
        if kind < 0.13:
            return self.row_test()
        if kind < 0.16:
            return self.rng.choice((self.constant_test, self.rows_compared,
                                    self.whole_test))()
        column = self.rng.choice(self.plain) if self.plain and \
            self.chance(0.95) else self.rng.choice(self.columns)
        return self.test(column)

    def test(self, column):
        """A test of a column."""
        if self.chance(0.07):
            return "%s IS %sNULL" % (column.sql, self.rng.choice(
                ("", "NOT ")))
        return {
            "text": self.text_test, "int": self.int_test,
            "float": self.float_test, "numeric": self.float_test,
            "bool": self.bool_test, "enum": self.enum_test,
            "date": self.date_test, "other": self.other_test,
        }[family(column)](column)

    def general(self, x, sql_type, sample, loose=""):
        """
        Tests that every type has: x an expression, sample makes a constant,
        loose a collation that goes behind an operand.
        """
        rng = self.rng
        kind = rng.randrange(13)

        def one():
            return self.constant(sql_type, sample)

        if kind < 3:
            pair = [x + loose, self.comparison(), one()]
            return " ".join(pair if self.chance(0.8) else pair[::-1])
        if kind < 5:
            return "%s%s %sIN (%s)" % (x, loose, rng.choice(("", "", "NOT ")),
                                       ", ".join(self.items(one)))
        if kind == 5:
            return "%s%s = ANY (%s)" % (x, loose, self.array(sql_type, sample))
        if kind == 6:
            return "%s%s %s %s (%s)" % (
                x, loose, self.comparison(), rng.choice(("ANY", "ALL")),
                self.array(sql_type, sample))
        if kind == 7:
            return "%s%s <> ALL (%s)" % (x, loose,
                                         self.array(sql_type, sample))
        if kind == 8:
            return "%s%s %sBETWEEN %s%s AND %s" % (
                x, loose, rng.choice(("", "NOT ")),
                rng.choice(("", "", "SYMMETRIC ")), one(), one())
        if kind == 9:
            return "%s%s IS %sDISTINCT FROM %s" % (
                x, loose, rng.choice(("", "NOT ")),
                "NULL" if self.chance(0.2) else one())
        if kind == 10:
            return "coalesce(%s, %s) %s %s" % (x, one(), self.comparison(),
                                               one())
        if kind == 11:
            return "nullif(%s, %s) IS %sNULL" % (x, one(),
                                                 rng.choice(("", "NOT ")))
        return "CASE WHEN %s %s %s THEN %s WHEN %s IS NULL THEN %s END" % (
            x, self.comparison(), one(), self.truth(), x, self.truth())

    def truth(self):
        return self.rng.choice(("true", "false", "NULL::boolean",
                                "1 = 1"))

    # -- text ---------------------------------------------------------------

    def searchable(self, column):
        """A text column in a collation that can be searched, most times."""
        if column.deterministic or self.may_fail():
            return column.sql
        return '(%s COLLATE "C")' % column.sql

    def word(self, column=None):
        """A text, as SQL: one that rows have, like one, or any other."""
        rng = self.rng
        values = column.values if column else ()
        if not values or self.chance(0.25):
            return literal(rng.choice(WORDS))
        value = rng.choice(values)
        if self.chance(0.25):
            value = rng.choice((value.lower(), value.upper(), value + " ",
                                value[:1], value + "a", value[::-1],
                                value.swapcase()))
        return literal(value)

    def text_expression(self, column):
        """Something made of a text column."""
        c = self.searchable(column)
        made = self.rng.choice((
            "lower({0})", "upper({0})", "coalesce({0}, {1})",
            "nullif({0}, {1})", "substr({0}, 1, 2)", "{0} || {1}",
            "btrim({0})", "reverse({0})", "replace({0}, 'a', {1})",
            "CASE WHEN {0} = {1} THEN {2} ELSE {0} END", "left({0}, 1)",
            "concat({0}, {1})", "where_first({0})", "initcap({0})",
            "greatest({0}, {1})", "({0} || NULL)", "{0}::varchar(2)::text",
            "translate({0}, 'ab', 'ba')", "concat_ws('-', {0}, {0})",
            "format('%s', {0})", "split_part({0}, ' ', 1)", "md5({0})",
            "{0}::name::text", "right({0}, -1)", "lpad({0}, 3, '*')"))
        return made.format("%s::text" % c if column.type != "text" else c,
                           self.word(column), self.word(column))

    def like_pattern(self, column):
        """A pattern of LIKE, with what escapes in it; and the clause."""
        rng = self.rng
        value = rng.choice(column.values or WORDS)[:20]
        escape = rng.choice(("\\", "\\", "\\", "!", ""))
        quoted = value
        if escape:
            for special in (escape, "%", "_"):
                quoted = quoted.replace(special, escape + special)
        pattern = rng.choice((
            "%", "", "_", "__", "%%", "_%", quoted, quoted + "%",
            "%" + quoted, "%" + quoted[-2:] + "%", value[:1] + "%",
            "%" + value[-1:], value.swapcase() + "%", "%a%", "a_", "%b%a%",
            value[:1] + "_%"))
        clause = "" if escape == "\\" else " ESCAPE '%s'" % escape
        if pattern.endswith(escape or "\0"):
            pattern += "%"
        return literal(pattern), clause

    def regex(self, column):
        rng = self.rng
        value = rng.choice(column.values or WORDS)[:12]
        quoted = "".join(ch if ch.isalnum() or ord(ch) > 127 else "\\" + ch
                         if ch.isprintable() and ch != " " else "."
                         for ch in value)
        return literal(rng.choice((
            quoted, "^" + quoted, quoted + "$", "^" + quoted + "$",
            "^(%s|a)" % quoted, ".", "^$", "^.{1,3}$", "[[:digit:]]", "\\s$",
            "^[^a-z]*$", "(?i)AB", "a|b", "[aA]b?", "(a)\\1", "^\\w+$",
            "[é]", "^" + quoted[:1].swapcase())))

    def pattern_test(self, column):
        """LIKE, regular expressions, SIMILAR TO."""
        rng = self.rng
        x = self.searchable(column)
        if self.chance(0.2):
            x += " COLLATE " + rng.choice(COLLATIONS)
        kind = rng.random()
        if kind < 0.5:
            pattern, escape = self.like_pattern(column)
            return "%s %s%s %s%s" % (
                x, rng.choice(("", "", "NOT ")),
                rng.choice(("LIKE", "LIKE", "ILIKE")),
                pattern if escape else self.constant("text", lambda: pattern),
                escape)
        if kind < 0.85:
            pattern = self.regex(column)
            return "%s %s %s" % (x, rng.choice(("~", "~", "~*", "!~", "!~*")),
                                 self.constant("text", lambda: pattern))
        if kind < 0.95:
            return "%s %sSIMILAR TO %s" % (
                x, rng.choice(("", "NOT ")),
                rng.choice(("'(a|b)%'", "'_'", "'%'", "'[A-Z]%'", "'a*b'")))
        return "%s ^@ %s" % (x, self.word(column))

    def text_test(self, column):
        rng = self.rng
        kind = rng.random()
        c = column.sql
        if kind < 0.33:
            collation = ""
            if self.chance(0.15):
                collation = " COLLATE " + rng.choice(COLLATIONS + LOOSE)
            return self.general(c, "text", lambda: self.word(column),
                                collation)
        if kind < 0.55:
            return self.pattern_test(column)
        if kind < 0.68:
            made = self.text_expression(column)
            return self.general("(%s)" % made, "text",
                                lambda: self.word(column))
        if kind < 0.76:
            return self.text_function(self.searchable(column), column)
        if kind < 0.84:
            return self.two_columns(column)
        if kind < 0.94:
            return self.subquery_test(c, "text", column)
        return self.text_risk(column)

    def text_function(self, c, column):
        """Functions of a text."""
        return self.rng.choice((
            "length({0}) {1} {2}", "length({0}) % 2 = 1",
            "octet_length({0}::text) > {2} + 1", "position({3} in {0}) > 0",
            "hashtext({0}::text) % 3 = 0", "where_short({0}::text)",
            "where_known({0}::text)", "NOT where_short({0}::text)",
            "ascii({0}) {1} 97", "starts_with({0}, {3})",
            "split_of({0}::text, 3, '{{0.7,0.3}}') = 0",
            "strpos(lower({0}), 'b') = {2}", "({0} = {3}) IS NOT TRUE",
            "({0} = {3}) IS UNKNOWN", "({0} < {3}) IS FALSE",
            "({0} = {3}) = ({0} <> 'b')", "{0} = NULL",
            "num_nulls({0}, NULL) = {2}",
            "{0} <> current_setting('search_path')",
        )).format(c, self.comparison(), self.rng.randrange(4),
                  self.word(column))

    def text_risk(self, column):
        """What not every text can be."""
        if not self.may_fail():
            return "%s IN (%s, NULL)" % (column.sql, self.word(column))
        return self.rng.choice((
            "{0}::text::int > 3", "{0}::text::float8 < 2",
            "{0}::text::boolean",
            "1 / length({0}::text) = 1", "{0}::text::numeric >= 0",
            "repeat({0}::text, 2)::int8 = 11", "{0} LIKE 'a\\'",
            "chr(ascii({0}::text) - 97) <> ''",
            "{0} COLLATE where_nd LIKE 'a%'",
            "{0}::text::date > '2000-01-01'",
        )).format(column.sql)

    # -- numbers ------------------------------------------------------------

    def int_value(self, column):
        """A number near those of a column, in any type of number."""
        rng = self.rng
        if column.edges and self.chance(0.35):
            return int(rng.choice(column.edges)) + rng.choice((0, 0, 1, -1))
        if column.values and self.chance(0.6):
            value = self.whole_number(column)
        else:
            value = rng.choice(INTS)
        return value + rng.choice((0, 0, 0, 1, -1))

    def whole_number(self, column):
        text = self.rng.choice(column.values)
        return int(text) if text.lstrip("-").isdigit() else 3

    def int_constant(self, column):
        value = self.int_value(column)
        kind = self.rng.random()
        if kind < 0.55:
            return str(value)
        if kind < 0.65 and -2**63 <= value < 2**63:
            return "'%d'::bigint" % value
        if kind < 0.72 and -2**15 <= value < 2**15:
            return "'%d'::smallint" % value
        return self.rng.choice((
            str(value), "%d.5" % value, "'%d'::float8" % value,
            "9223372036854775808", "-9223372036854775809", "1e30",
            "'NaN'::numeric", "'NaN'::float8", "'-Infinity'::float8",
            "NULL", "'%d'::numeric" % value, "0.1::real",
            "100000000000000000000"))

    def bigint_constant(self, column):
        value = max(min(self.int_value(column), 2**63 - 1), -2**63)
        return "'%d'::bigint" % value

    def edge_test(self, column, sql_type):
        """Around the least or greatest value of a file."""
        edge = "'%s'::%s" % (self.rng.choice(column.edges), sql_type)
        one = self.constant(sql_type, lambda: edge)
        return self.rng.choice((
            "{0} < {1}", "{0} <= {1}", "{0} = {1}", "{0} >= {1}", "{0} > {1}",
            "{0} <> {1}", "{1} <= {0}", "NOT {0} < {1}",
            "{0} BETWEEN {1} AND {1}", "{0} IN ({1}, NULL)",
        )).format(column.sql, one)

    def int_expression(self, c):
        return self.rng.choice((
            "{0} % 3", "{0} / 2", "({0} & 3)", "{0}::float8",
            "{0}::numeric * 2", "coalesce({0}, 0)", "greatest({0}, 2)",
            "least({0}, 2::bigint)",
            "({0} # 1)", "sign({0}::float8)", "mod({0}::numeric, 4)",
            "CASE WHEN {0} > 2 THEN {0} END", "(~{0}::bigint)",
            "width_bucket({0}::numeric, 0, 10, 5)")).format(c)

    def int_test(self, column):
        c = column.sql
        kind = self.rng.random()
        if kind < 0.15 and column.edges:
            return self.edge_test(column, "bigint")
        if kind < 0.45:
            return self.general(c, "bigint",
                                lambda: self.bigint_constant(column))
        if kind < 0.62:
            return "%s %s %s" % (c, self.comparison(),
                                 self.int_constant(column))
        if kind < 0.74:
            return self.general("(%s)" % self.int_expression(c), "bigint",
                                lambda: str(self.rng.randrange(-3, 9)))
        if kind < 0.79:
            return "%s::text %s" % (c, self.rng.choice(
                ("LIKE '1%'", "~ '^-'", "= '1'", "> '5'")))
        if kind < 0.85:
            return self.two_columns(column)
        if kind < 0.95:
            return self.subquery_test(c, "int", column)
        if not self.may_fail():
            return "%s > 0" % c
        return self.rng.choice((
            "{0} + 1 > 0", "-{0} < 5", "abs({0}) < 3", "{0} * 2 > 1",
            "{0}::int4 = 1", "10 / {0} > 1", "sqrt({0}::float8) > 1",
            "ln({0}::numeric) > 0", "{0}::smallint <> 1")).format(c)

    def float_constant(self, column):
        """A number near those of a column, infinities, NaN."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.2 and column.edges:
            return "'%s'::float8" % rng.choice(column.edges)
        if kind < 0.45 and column.values:
            return "'%s'::float8" % rng.choice(column.values)
        if kind < 0.75:
            return "'%r'::float8" % rng.choice(FLOATS)
        return rng.choice((
            "1", "0", "-0.0", "2.5", "3::bigint", "9223372036854775807",
            "0.1", "0.1::real", "'NaN'::real", "1e-400", "1e300", "NULL",
            "5::numeric", "'Infinity'", "'NaN'"))

    def float8_constant(self, column):
        for _ in range(20):
            made = self.float_constant(column)
            if made.endswith("::float8"):
                return made
        return "'1'::float8"

    def float_test(self, column):
        c = column.sql
        kind = self.rng.random()
        if kind < 0.15 and column.edges:
            return self.edge_test(column, "float8")
        if kind < 0.45:
            return self.general(c, "float8",
                                lambda: self.float8_constant(column))
        if kind < 0.62:
            return "%s %s %s" % (c, self.comparison(),
                                 self.float_constant(column))
        if kind < 0.78:
            return self.rng.choice((
                "{0} <> {0}", "{0} = {0}", "{0}::real = 0.1::real",
                "{0}::text = '-0'", "{0}::text LIKE '%e%'", "floor({0}) = 1",
                "{0} + 1 > 2", "-{0} < 0", "abs({0}) < 1", "round({0}) = 0",
                "coalesce({0}, 0) >= 0", "sign({0}) = -1",
                "{0} = 'NaN'", "{0} > 'Infinity'", "{0} < 'NaN'",
                "NOT {0} < 'NaN'", "({0} > 1) IS NOT FALSE",
                "{0} BETWEEN '-Infinity' AND 'Infinity'",
                "greatest({0}, 1) = 1", "{0} / 2 > 0.3",
                "trunc({0}) % 1 = 0" if family(column) == "numeric" else
                "ceil({0}) >= 1")).format(c)
        if kind < 0.85:
            return self.two_columns(column)
        if kind < 0.95:
            return self.subquery_test(c, "float", column)
        if not self.may_fail():
            return "%s < 0" % c
        return self.rng.choice((
            "sqrt({0}) > 1", "ln({0}) > 0", "1 / {0} > 0", "{0}::bigint = 1",
            "{0}::int = 2", "{0} * 1e300 > 1", "power({0}, 2) > 1",
            "exp({0}) > 1")).format(c)

    # -- other types --------------------------------------------------------

    def bool_test(self, column):
        c = column.sql
        rng = self.rng
        if self.chance(0.3):
            return self.general(c, "boolean",
                                lambda: rng.choice(("true", "false")))
        return rng.choice((
            "{0}", "{0}", "NOT {0}", "{0} = true", "{0} IS TRUE",
            "{0} IS NOT TRUE", "{0} IS FALSE", "{0} IS NOT FALSE",
            "{0} IS UNKNOWN", "{0} IS NOT UNKNOWN", "{0} IN (true, NULL)",
            "{0} <> false", "coalesce({0}, true)", "{0}::int = 1",
            "{0}::text = 'true'", "{0} > false", "(NOT {0}) IS NOT TRUE",
            "({0} OR NULL) IS TRUE", "({0} AND NULL) IS UNKNOWN",
            "{0} = ({1})", "({1}) IS NOT DISTINCT FROM {0}",
            "CASE WHEN {0} THEN {1} ELSE NOT ({1}) END",
            "(CASE {0} WHEN true THEN 1 ELSE 0 END) = 1",
        )).format(c, self.test(rng.choice(self.plain)))

    def enum_test(self, column):
        def sample():
            return "'%s'::where_grade" % self.rng.choice(
                ("low", "mid", "high", "never"))
        if self.chance(0.2):
            return "%s::text %s 'mid'" % (column.sql, self.comparison())
        return self.general(column.sql, "where_grade", sample)

    def date_test(self, column):
        return self.general(column.sql, "date", lambda: self.rng.choice(
            ("date '2024-02-29'", "date 'infinity'", "date '2000-01-01'")))

    def other_test(self, column):
        c = column.sql
        if column.type == "real[]":
            return self.rng.choice((
                "cardinality({0}) {1} {2}", "{0}[1] {1} {2}",
                "{2} = ANY ({0})", "{0} @> '{{1}}'")).format(
                    c, self.comparison(), self.rng.randrange(4))
        return "%s IS NOT NULL" % c

    def two_columns(self, column):
        """A comparison with another column of the family."""
        other = self.rng.choice(self.by_family[family(column)])
        a, b = column.sql, other.sql
        if family(column) == "text" and (
                {column.collation, other.collation} != {"default"}):
            a, b = ['%s::text COLLATE "C"' % x for x in (a, b)]
        elif family(column) == "text" and self.chance(0.1):
            return "%s || 'a' LIKE %s || '%%'" % (a, b)
        return self.rng.choice((
            "{0} {2} {1}", "{0} IS DISTINCT FROM {1}", "{0} {2} {1}",
            "coalesce({0}, {1}) = {1}", "{0} IN ({1}, {0})",
            "nullif({0}, {1}) IS NULL")).format(a, b, self.comparison())

    def rows_compared(self):
        """Rows of two columns."""
        some = [c for c in self.by_family.get("int", [])]
        if len(some) < 2:
            return "true"
        a, b = self.rng.choice(some), self.rng.choice(some)
        return self.rng.choice((
            "({0}, {1}) {2} ({3}, {4})", "ROW({0}, {1}) IS NULL",
            "ROW({0}, {1}) IS NOT NULL", "({0}, {1}) IN ((1, 2), (3, NULL))",
            "({0}, {1}) IS DISTINCT FROM ({3}, {4})")).format(
                a.sql, b.sql, self.comparison(), self.rng.randrange(4),
                self.rng.randrange(4))

    def constant_test(self):
        """What looks at no column, or at none that matters."""
        return self.rng.choice((
            "true", "false", "NULL::boolean", "1 = 1", "random() < 2",
            "random() < 0", "now() > '2000-01-01'", "pi() > 4",
            "(SELECT count(*) FROM %s) > 3" % self.helper
            if self.subqueries else "true",
            "EXISTS (SELECT FROM %s WHERE h_int < 0)" % self.helper
            if self.subqueries else "false",
            "random() >= 0 AND row_index % 2 = 0"))

    def whole_test(self):
        """A test of the whole row."""
        if not self.allow_whole:
            return "obs_name IS NOT NULL"
        self.whole = True
        return self.rng.choice((
            "w IS NOT NULL", "NOT (w IS NULL)", "w::text LIKE '%a%'",
            "(w).row_index > 3", "length(w::text) % 2 = 0",
            "row_to_json(w) ->> 'obs_name' > 'a'"))

    # -- subqueries ---------------------------------------------------------

    def subquery_test(self, c, kind, column):
        """Tests that look at another table."""
        if not self.subqueries:
            return "%s IS NOT NULL" % c
        loose = "" if self.chance(0.5) or kind != "text" else ' COLLATE "C"'
        c = c + "::text" if kind == "text" and column.type != "text" else c
        return self.rng.choice((
            "{c} IN (SELECT h_{k} FROM {h})",
            "{c} NOT IN (SELECT h_{k} FROM {h})",
            "{c} NOT IN (SELECT h_{k} FROM {h} WHERE h_{k} IS NOT NULL)",
            "{c} = ANY (ARRAY(SELECT h_{k} FROM {h}))",
            "{c} <> ALL (ARRAY(SELECT h_{k} FROM {h} WHERE h_row > 5))",
            "{c} >= (SELECT max(h_{k}) FROM {h} WHERE h_row < 9)",
            "{c} = (SELECT min(h_{k}) FROM {h})",
            "EXISTS (SELECT FROM {h} WHERE h_{k} = {c})",
            "NOT EXISTS (SELECT FROM {h} WHERE h_{k} = {c} AND h_row > 3)",
            "EXISTS (SELECT FROM {h} WHERE h_{k} < {c} AND h_row = row_index)",
            "(SELECT count(*) FROM {h} WHERE h_{k} > {c}) > 2",
            "coalesce((SELECT h_bool FROM {h} WHERE h_{k} = {c} "
            "ORDER BY h_row, h_int LIMIT 1), true)",
            "{c} < ALL (SELECT h_{k} FROM {h} WHERE h_{k} IS NOT NULL "
            "AND h_bool)")).format(c=c + loose, k=kind, h=self.helper)

    # -- rows and files -----------------------------------------------------

    def row_number(self, n):
        """A row or file number, or near those that there are."""
        if n == self.table.n_rows and self.table.starts and self.chance(0.3):
            return self.rng.choice(self.table.starts) + \
                self.rng.choice((-1, 0, 1))
        return self.rng.randrange(-2, n + 3)

    def row_constant(self, n):
        """A row or file number, near, far and in any type."""
        rng = self.rng
        value = rng.choice((self.row_number(n), self.row_number(n), 0, n - 1,
                            n, -1, rng.choice(INTS)))
        kind = rng.random()
        if kind < 0.7:
            return str(value)
        if kind < 0.8 and -2**15 <= value < 2**15:
            return "'%d'::smallint" % value
        return rng.choice((str(value), "%d.5" % value, "'%d'::float8" % value,
                           "'%d'::numeric" % value, "NULL::bigint",
                           "9223372036854775808"))

    def row_test(self):
        """A condition on row_index or file_index."""
        rng = self.rng
        file = self.chance(0.35)
        c, n = ("file_index", self.table.n_files) if file else (
            "row_index", self.table.n_rows)
        if not any(column.name == c for column in self.table.columns):
            return "true"

        def plain():
            return str(self.row_number(n))

        kind = rng.random()
        sql_type = "integer" if file else "bigint"
        if kind < 0.45:
            return self.general(c, sql_type, plain)
        if kind < 0.65:
            return "%s %s %s" % (c, self.comparison(), self.row_constant(n))
        if kind < 0.75 and self.subqueries:
            return rng.choice((
                "{0} IN (SELECT {1} FROM {2})",
                "{0} = ANY (ARRAY(SELECT {1} FROM {2} ORDER BY 1))",
                "{0} NOT IN (SELECT {1} FROM {2})",
                "{0} > (SELECT avg({1}) FROM {2})",
                "{0} <= (SELECT max({1}) / 2 FROM {2})",
                "EXISTS (SELECT FROM {2} WHERE {0} = {1})",
                "EXISTS (SELECT FROM {2} WHERE {0} BETWEEN {1} AND {1} + 3)",
            )).format(c, "h_file" if file else "h_row", self.helper)
        return rng.choice((
            "{0} % 3 = 1", "{0} + 1 = {1}", "{0} IS NULL", "{0} IS NOT NULL",
            "{0} < {1} OR {0} > {2}", "NOT ({0} BETWEEN {1} AND {2})",
            "{0} = ANY ('{{1,2,2,NULL,5}}'::smallint[])",
            "{0} >= {1} AND {0} < {2}", "{0} = {1} OR {0} = {2}",
            "{0} NOT IN ({1}, {2})", "{0}::float8 < {1}",
            "{0} <> ALL ('{{1,2}}')", "({0} > {1}) IS NOT TRUE",
            "{0} = ANY ('{{{{1,2}},{{3,4}}}}'::int[])",
            "-{0} > -({1})", "{0} BETWEEN SYMMETRIC {2} AND {1}",
            "file_index * 50 > row_index", "row_index % 4 = file_index",
            "{0} < {1} AND {0} > {1}", "({0}, obs_name) > ({1}, 'a')",
        )).format(c, plain(), plain())
