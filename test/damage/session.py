"""
session.py
        SQL on one backend, and what its answers are worth.

An answer is a list of (state, text): '00000' and the rows, or an SQLSTATE and
the message.  What a user may not meet is in FORBIDDEN: internal errors, lost
connections, statements that had to be timed out.
"""
import psycopg

TIMEOUT = "120s"
# classes of SQLSTATE that no damage may cause; 57014: it did not come to an end
FORBIDDEN = ("XX000", "XX002", "08", "57", "58P03", "53200", "42601", "P0")
VECTORS = ("x", "x_indices", "x_values")


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


class Lost(Exception):
    """The backend is gone."""


class Session:
    """One connection."""

    def __init__(self, settings=()):
        self.connection = psycopg.connect(autocommit=True)
        self.pid = self.connection.info.backend_pid
        self.messages = []
        self.run("SET statement_timeout = '%s'" % TIMEOUT)
        for setting in settings:
            self.run("SET " + setting)

    def close(self):
        self.connection.close()

    def run(self, sql):
        """(state, rows or message)"""
        try:
            cursor = self.connection.execute(sql)
            return ("00000", cursor.fetchall() if cursor.description else [])
        except psycopg.Error as e:
            if self.connection.closed or e.sqlstate is None:
                raise Lost("%s\n%s" % (sql, e)) from e
            detail = e.diag.message_detail or ""
            return (e.sqlstate, (e.diag.message_primary or "") +
                    (" (" + detail + ")" if detail else ""))

    def must(self, sql):
        state, rows = self.run(sql)
        if state != "00000":
            raise AssertionError("%s: %s: %s" % (sql, state, rows))
        return rows


def is_forbidden(state):
    return state != "00000" and state.startswith(FORBIDDEN)


def create(session, table, path, layer):
    return session.run("SELECT create_collection(%s, ARRAY[%s], layer => %s)" % (
        literal(table), literal(path), literal(layer)))


def columns(session, table):
    """Columns but the vectors, and whether there are vectors."""
    rows = session.must(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum" % literal(table))
    names = [r[0] for r in rows]
    return [n for n in names if n not in VECTORS], "x" in names


def questions(session, table, n_rows):
    """
    What is asked of a collection: a digest of each column, genes, labels,
    vectors, a sample.
    """
    plain, has_x = columns(session, table)
    listed = ", ".join(
        "md5(string_agg(coalesce(%s::text, 'NULL'), '|' ORDER BY row_index))" %
        identifier(n) for n in plain)
    ask = ["SELECT count(*), %s FROM %s" % (listed, identifier(table)),
           "SELECT count(*), md5(string_agg(concat_ws('|', var_name, n_files), "
           "',' ORDER BY var_index)) FROM collection_vars(%s)" %
           literal(table)]
    label = next((n for n in plain if n not in (
        "row_index", "file_index", "obs_name")), "file_index")
    ask.append("SELECT count(*), md5(string_agg(concat_ws('|', code, label, "
               "n_rows), ',')) FROM labels(%s, %s)" % (
                   literal(table), literal(identifier(label))))
    if has_x:
        step = max(1, n_rows // 64)
        rows = "SELECT row_index, md5(x) AS x, md5(x_indices) AS i, " \
            "md5(x_values) AS v FROM %s WHERE row_index = ANY (" \
            "ARRAY(SELECT generate_series(0, %d, %d)))" % (
                identifier(table), max(0, n_rows - 1), step)
        ask.append("SELECT count(*), md5(string_agg(concat_ws('|', row_index, "
                   "x, i, v), ',' ORDER BY row_index)) FROM (%s) r" % rows)
        ask.append("SELECT count(*), md5(string_agg(concat_ws('|', row_index, "
                   "label, md5(x)), ',')) FROM sample_batch(%s, 16, %s, "
                   "seed => 5)" % (literal(table), literal(identifier(label))))
    return ask


def answers(session, asked):
    return [session.run(sql) for sql in asked]
