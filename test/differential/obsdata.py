"""
obsdata.py
        Tables to ask with conditions: collections whose obs columns differ
        between files in kind, and a heap copy of each.

A pair of names, one of the copy and one of the collection, is a target.  Views
with a security barrier and views of an owner under row-level security make
further targets of the same rows.
"""
import os

import numpy as np
import pandas as pd

from content import Content, Sparse, nullable
from generated import write_with_anndata
from psql import identifier, literal, text_array

# Texts that a comparison, a pattern or a cast could trip over
WORDS = (
    "", " ", "a", "A", "b", "B", "ab", "Ab", "aB", "AB", "a ", " a", "abc",
    "a%b", "a_b", "a\\b", "%", "_", "\\", "a\\%b", "é", "e\u0301", "É", "e",
    "ß", "ss", "SS", "naïve", "nai\u0308ve", "T細胞", "🧬", "it's", 'quo"te',
    "NULL", "nan", "NaN", "1", "01", "1.0", "-1", "1e3", "10", "9", "true",
    "false", "t", "i", "I", "İ", "ı", "B cell", "b cell", "B Cell",
    "T cell", "NK", "new\nline", "tab\t", "x" * 300, "{}", "(a|b)", "^a$",
    "a.b", "[ab]", "ö", "o", "z", "Z", "ﬁ", "fi",
)
INTS = (0, 1, -1, 2, 3, 5, 7, 10, 100, 32767, -32768, 32768, 2147483647,
        -2147483648, 2147483648, 2**53, 2**53 + 1, 2**63 - 1, -2**63,
        2**62, -2**53 - 1)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1.5, 2.0, 3.0, 1e-7, 1e15, 2.0**53,
          1e300, -1e300, 5e-324, float(np.float32(0.1)), 123456789.125,
          np.nan, np.inf, -np.inf)

GENES = ("g0", "g1", "g2", "g3")


def pick(rng, among, n):
    return [among[i] for i in rng.integers(0, len(among), n)]


def some(rng, among, n):
    """n of these, each at most once."""
    return [among[i] for i in rng.permutation(len(among))[:n]]


def as_categories(rng, values, ordered=False):
    """A categorical of values (None: missing), with categories not used."""
    used = [v for v in dict.fromkeys(values) if v is not None]
    unused = [w for w in some(rng, WORDS, int(rng.integers(0, 4)))
              if w not in used]
    categories = [*used, *unused]
    categories = [categories[i] for i in rng.permutation(len(categories))]
    return pd.Series(pd.Categorical(values, pd.Index(categories, dtype=object),
                                    ordered=ordered))


def holes(rng, values, share=0.15):
    return [None if rng.random() < share else v for v in values]


def skewed(rng, among, n):
    """Some of these, the first ones more often."""
    of = some(rng, among, int(rng.integers(1, 9)))
    return [of[int(i)] for i in rng.integers(0, len(of), n) *
            (rng.random(n) < 0.7)]


def words(rng, n):
    return skewed(rng, WORDS, n)


def extreme_ints(rng, n, dtype="int64"):
    info = np.iinfo(dtype)
    among = [v for v in INTS if info.min <= v <= info.max]
    return pd.Series(np.array(pick(rng, among, n), dtype))


def small_ints(rng, n, dtype="int64"):
    return pd.Series(rng.integers(0, 12, n).astype(dtype))


def nullable_ints(rng, n):
    return nullable(rng, n, extreme_ints(rng, n).to_numpy(), "Int64")


def odd_floats(rng, n, dtype="float64"):
    with np.errstate(over="ignore"):
        return pd.Series(np.array(pick(rng, FLOATS, n)).astype(dtype))


def plain_floats(rng, n):
    return pd.Series(np.round(rng.normal(5, 3, n), 2))


def narrow_floats(rng, n):
    return pd.Series(rng.normal(0, 1, n).astype("float32"))


def all_missing(rng, n):
    return pd.Series(pd.Categorical.from_codes(
        np.full(n, -1), some(rng, WORDS, 2)))


def distinct(rng, n):
    return pd.Series(["c%d%s" % (i, WORDS[i % len(WORDS)][:5])
                      for i in rng.permutation(n)], dtype=object)


def many(rng, n):
    """A categorical of 3,000 categories."""
    names = ["%s%d" % ("kK"[i % 2], i * 7 % 3000) for i in range(3000)]
    return pd.Series(pd.Categorical.from_codes(
        rng.integers(-1, 3000, n), names))


CATEGORICAL = (
    lambda r, n: as_categories(r, holes(r, words(r, n))),
    lambda r, n: as_categories(r, words(r, n)),
    lambda r, n: as_categories(r, holes(r, words(r, n), 0.7)),
    lambda r, n: as_categories(r, [words(r, 1)[0]] * n),
)
STRINGS = (
    lambda r, n: pd.Series(words(r, n), dtype=object),
    distinct,
    lambda r, n: pd.Series(pick(r, WORDS, n), dtype=object),
    lambda r, n: nullable(r, n, words(r, n), "string"),
)
INTEGERS = (
    extreme_ints, small_ints, nullable_ints,
    lambda r, n: extreme_ints(r, n, "int16"),
    lambda r, n: small_ints(r, n, "uint8"),
    lambda r, n: extreme_ints(r, n, "uint32"),
)
NUMBERS = (
    odd_floats, plain_floats, narrow_floats,
    lambda r, n: odd_floats(r, n, "float32"),
    lambda r, n: pd.Series(np.full(n, np.nan)),
)
BOOLEANS = (
    lambda r, n: pd.Series(r.random(n) < 0.5),
    lambda r, n: nullable(r, n, r.random(n) < 0.5, "boolean"),
    lambda r, n: pd.Series(np.full(n, bool(r.random() < 0.5))),
    lambda r, n: pd.Series(pd.Categorical.from_codes(
        r.integers(-1, 2, n), [True, False])),
)

# A column is drawn for each file from one of these
FAMILIES = {
    "categorical": CATEGORICAL,
    "text": (*CATEGORICAL, *STRINGS),
    "strings": STRINGS,
    "mixed": (*CATEGORICAL, *STRINGS, *INTEGERS, *NUMBERS, *BOOLEANS,
              all_missing),
    "integer": INTEGERS,
    "number": (*NUMBERS, *NUMBERS, *INTEGERS),
    "boolean": BOOLEANS[:3],
    "boolean or number": (*BOOLEANS, *INTEGERS),
    "missing": (all_missing,),
}
# All of these are in each collection of mixed files, and two more
ALWAYS = ("categorical", "categorical", "text", "mixed", "integer", "number",
          "boolean", "integer", "number", "strings")
COLUMN_NAMES = ("cat", "Cell Type", "txt", "mix", "i", "f", "b", "big",
                'q"f', "names", "k", "Ünï")


def write(path, rng, columns, n):
    """One h5ad file; columns: name -> series."""
    names = ["%s-%d" % (WORDS[i % len(WORDS)][:3], i % max(n - 2, 1))
             for i in range(n)]
    obs = pd.DataFrame({k: v.array for k, v in columns.items()},
                       index=pd.Index(names, dtype=object))
    content = Content(obs, list(GENES))
    dense = rng.integers(0, 4, (n, len(GENES))) * \
        (rng.random((n, len(GENES))) < 0.5)
    rows, indices = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum((dense != 0).sum(axis=1))])
    content.matrices["X"] = Sparse(
        indptr.astype("i8"), indices.astype("i8"),
        dense[rows, indices].astype("f4"), (n, len(GENES)))
    write_with_anndata(path, content, rng)
    os.chmod(path, 0o644)
    return path


def mixed_files(rng, work, name, sizes):
    """Files whose columns differ in kind, or are not there."""
    families = [*ALWAYS, *pick(rng, list(FAMILIES), 2)]
    paths = []
    for i, n in enumerate(sizes):
        columns = {}
        for column, family in zip(COLUMN_NAMES, families):
            made = FAMILIES[family]
            if i == 0:              # all columns, in their usual kind
                columns[column] = made[0](rng, n)
            elif rng.random() < 0.85:
                columns[column] = made[rng.integers(0, len(made))](rng, n)
        paths.append(write(os.path.join(work, "%s-%d.h5ad" % (name, i)), rng,
                           columns, n))
    return paths


def large_files(rng, work, name, sizes):
    """More rows than a block has, and many categories."""
    paths = []
    for i, n in enumerate(sizes):
        columns = {
            "many": many(rng, n),
            "cat": as_categories(rng, holes(rng, words(rng, n))),
            "run": as_categories(rng, sorted(words(rng, n))),
            "i": small_ints(rng, n, "int32"),
            "rising": pd.Series(np.arange(n) // 100),
            "f": (plain_floats, odd_floats)[i % 2](rng, n),
        }
        if i == 0:
            columns["b"] = nullable(rng, n, rng.random(n) < 0.5, "boolean")
            columns["first"] = distinct(rng, n)
        paths.append(write(os.path.join(work, "%s-%d.h5ad" % (name, i)), rng,
                           columns, n))
    return paths


def hand_files(rng, work, name, sizes):
    """Columns whose values other SQL types can take."""
    paths = []
    for i, n in enumerate(sizes):
        columns = {
            "cat": as_categories(rng, holes(rng, words(rng, n))),
            "grade": as_categories(rng, holes(rng, pick(
                rng, ("low", "mid", "high"), n)), True),
            "i": small_ints(rng, n),
            "f": plain_floats(rng, n),
            "big": nullable_ints(rng, n),
            "b": BOOLEANS[i % 2](rng, n),
            "short": as_categories(rng, holes(rng, pick(
                rng, ("a", "A", "b ", "c", ""), n))),
            "day": as_categories(rng, holes(rng, pick(
                rng, ("2024-02-29", "1999-12-31", "infinity"), n))),
            "code": pd.Series(pd.Categorical.from_codes(
                rng.integers(-1, 3, n), [10, 9, -1])),
        }
        if i == 1:
            del columns["short"]
        # a category that no row has is never converted
        for column in ("grade", "short", "day"):
            if column in columns and i == 2:
                columns[column] = columns[column].cat.add_categories(
                    ["2024-99-99"])
        paths.append(write(os.path.join(work, "%s-%d.h5ad" % (name, i)), rng,
                           columns, n))
    return paths


HAND_COLUMNS = """
    dropped text,
    f real,
    file_index integer,
    grade where_grade,
    nd text OPTIONS (obs 'cat') COLLATE where_nd,
    cat text COLLATE "C",
    icu text OPTIONS (obs 'cat') COLLATE "en-x-icu",
    named name OPTIONS (obs 'cat'),
    limited varchar(300) OPTIONS (obs 'cat'),
    row_index bigint,
    i smallint,
    exact numeric(10, 3) OPTIONS (obs 'i'),
    wide double precision OPTIONS (obs 'big'),
    big bigint,
    big_text text OPTIONS (obs 'big'),
    f_text text OPTIONS (obs 'f'),
    b boolean,
    b_text text OPTIONS (obs 'b'),
    short character(2),
    day date,
    code where_code,
    x_values real[],
    obs_name text
"""


class Column:
    """A column of a table asked: its SQL name, its type, values it has."""

    def __init__(self, name, sql_type, values, collation, deterministic):
        self.name = name
        self.sql = identifier(name)
        self.type = sql_type
        self.values = values            # as text
        self.edges = []                 # least and greatest value of a file
        self.collation = collation      # its name, "default", or None
        self.deterministic = deterministic

    def of_matrix(self):
        return self.name in GENES or self.type.endswith("[]")


class Table:
    """A collection, its copy, and what else has their rows."""

    def __init__(self, name, weight, by_hand=False):
        self.name = name
        self.by_hand = by_hand          # a foreign table without a parent
        self.copy = name + "_copy"
        self.helper = name + "_values"
        self.weight = weight            # how often it is asked
        self.targets = []               # (of the copy, of the collection)
        self.columns = []
        self.n_rows = 0
        self.n_files = 0
        self.starts = []                # first row of each file that has some

    def column(self, name):
        return next(c for c in self.columns if c.name == name)


def setup(session):
    """What all tables share: collations, types, functions."""
    session.must("""
        CREATE COLLATION where_nd (provider = icu, locale = 'und-u-ks-level2',
                                   deterministic = false);
        CREATE COLLATION where_nd1 (provider = icu, locale = 'und-u-ks-level1',
                                    deterministic = false);
        CREATE TYPE where_grade AS ENUM ('low', 'mid', 'high', 'never');
        CREATE DOMAIN where_code AS integer CHECK (VALUE > -5);
        CREATE FUNCTION where_short(text) RETURNS boolean
            LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
            AS 'BEGIN RETURN length($1) < 3; END';
        CREATE FUNCTION where_known(text) RETURNS boolean
            LANGUAGE plpgsql STABLE PARALLEL SAFE
            AS 'BEGIN RETURN $1 IS NULL OR $1 > ''B''; END';
        CREATE FUNCTION where_first(text) RETURNS text
            LANGUAGE sql IMMUTABLE PARALLEL SAFE
            AS 'SELECT left($1, 1)';
    """)


def describe(session, table, rng):
    """Columns of a table with some of their values; a table of values."""
    table.n_rows = int(session.texts("SELECT count(*) FROM " + table.copy)[0])
    table.n_files = int(session.texts(
        "SELECT count(*) FROM collection_files('%s')" % table.name)[0])
    for name, sql_type, collation, deterministic in session.must(
            "SELECT attname, format_type(atttypid, atttypmod), "
            "coalesce(collname, ''), "
            "coalesce(collisdeterministic, true) FROM pg_attribute "
            "LEFT JOIN pg_collation c ON c.oid = attcollation "
            "WHERE attrelid = '%s'::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum" % table.copy):
        name = name.decode()
        values = session.texts(
            "SELECT v FROM (SELECT DISTINCT %s::text AS v FROM %s) s "
            "WHERE v IS NOT NULL ORDER BY hashtext(v) LIMIT 40" % (
                identifier(name), table.copy))
        table.columns.append(Column(name, sql_type.decode(), values,
                                    collation.decode(),
                                    deterministic == b"t"))
    for c in table.columns:
        if c.type in ("bigint", "double precision", "smallint", "real"):
            c.edges = sorted({v for end in ("min", "max")
                              for v in session.texts(
                "SELECT %s(%s) FROM %s GROUP BY file_index" % (
                    end, c.sql, table.copy)) if v is not None})
    table.starts = [int(v) for v in session.texts(
        "SELECT min(row_index) FROM %s GROUP BY file_index" % table.copy)]
    fill_helper(session, table, rng)


def fill_helper(session, table, rng):
    """A heap table of values that rows have, and of others."""
    texts = [v for c in table.columns for v in c.values[:5]
             if c.type == "text"]
    rows = []
    for i in range(24):
        rows.append("(%s, %s, %s, %s, %d, %d, %d)" % (
            "NULL" if i == 3 else
            literal(texts[rng.integers(0, len(texts))] if texts and i % 2
                    else WORDS[rng.integers(0, len(WORDS))]),
            "NULL" if i == 5 else "'%d'::bigint" % INTS[
                rng.integers(0, len(INTS))] if i % 2 else str(i % 8),
            "NULL" if i == 7 else "'%r'::float8" % FLOATS[
                rng.integers(0, len(FLOATS))],
            ("NULL", "true", "false")[i % 3],
            int(rng.integers(-3, table.n_rows + 3)),
            int(rng.integers(0, 40)),
            int(rng.integers(-1, table.n_files + 1))))
    session.must(
        "CREATE TABLE %s (h_text text, h_int bigint, h_float float8, "
        "h_bool boolean, h_row bigint, h_span int, h_file int)" % table.helper)
    session.must("INSERT INTO %s VALUES %s" % (table.helper, ", ".join(rows)))
    session.must("ANALYZE " + table.helper)


def add_views(session, table, role):
    """The same rows through views: barriers, row-level security."""
    one = next(c for c in table.columns
               if c.type == "text" and c.values and c.name != "obs_name")
    hidden = literal(one.values[0])
    condition = "%s <> %s OR row_index %% 3 = 0" % (one.sql, hidden)
    for base in (table.copy, table.name):
        session.must("CREATE VIEW %s_barrier WITH (security_barrier) AS "
                     "SELECT * FROM %s WHERE %s" % (base, base, condition))
        session.must("CREATE VIEW %s_plain AS SELECT * FROM %s "
                     "WHERE row_index >= 2 AND %s IS NOT NULL" % (
                         base, base, one.sql))
        session.must(
            "GRANT SELECT ON {0} TO {1}; CREATE VIEW {0}_owned AS "
            "SELECT * FROM {0}; ALTER VIEW {0}_owned OWNER TO {1}; "
            "CREATE POLICY part ON {0} TO {1} USING ({2}); "
            "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY".format(
                base, role, condition))
    table.targets += [(table.copy + end, table.name + end)
                      for end in ("_barrier", "_plain", "_owned")]


def add_copy(session, table, rng):
    """The heap copy, made without push-down."""
    session.must("SET LOCAL mappedcoll.enable_pushdown = off; "
                 "CREATE TABLE %s AS SELECT * FROM %s ORDER BY row_index" % (
                     table.copy, table.name))
    session.must("ANALYZE " + table.copy)
    describe(session, table, rng)


def make_collection(session, work, rng, name, weight, make, sizes, role):
    """Files, their collection, and all that goes with it."""
    table = Table(name, weight)
    paths = make(rng, work, name, sizes)
    session.must("SELECT create_collection(%s, %s, genes => '{g0}', "
                 "vectors => 'array')" % (literal(name), text_array(paths)))
    add_copy(session, table, rng)
    table.targets = [(table.copy, name)] * 5 + [
        (table.copy, name + "_h5ad")] * 2
    if role:
        add_views(session, table, role)
    return table


def make_by_hand(session, work, rng, name, weight):
    """A foreign table of other types than those of create_collection."""
    table = Table(name, weight, True)
    paths = hand_files(rng, work, name, (50, 30, 70))
    session.must("CREATE FOREIGN TABLE %s (%s) SERVER mappedcoll "
                 "OPTIONS (files %s)" % (name, HAND_COLUMNS, literal(
                     "{%s}" % ",".join(paths))))
    session.must("ALTER FOREIGN TABLE %s DROP COLUMN dropped; "
                 "ALTER FOREIGN TABLE %s ADD COLUMN added text "
                 "OPTIONS (obs 'short') COLLATE where_nd1" % (name, name))
    add_copy(session, table, rng)
    table.targets = [(table.copy, name)]
    return table


def make_tables(session, work, rng, role):
    """All tables of a run."""
    setup(session)
    make = make_collection
    return [
        make(session, work, rng, "where_a", 8, mixed_files,
             (90, 0, 60, 1, 110), role),
        make(session, work, rng, "where_b", 8, mixed_files,
             (40, 40, 40, 40, 40, 40), role),
        make(session, work, rng, "where_c", 6, mixed_files, (200, 77), role),
        make(session, work, rng, "where_large", 4, large_files,
             (5000, 4200), None),
        make(session, work, rng, "where_tiny", 1, mixed_files, (0, 1), None),
        make(session, work, rng, "where_empty", 1, mixed_files, (0, 0), None),
        make_by_hand(session, work, rng, "where_hand", 7),
    ]
