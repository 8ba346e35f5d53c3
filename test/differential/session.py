"""
session.py
        Many short queries on one backend: what each did, in one round trip.

A script is one string of statements, so that SET LOCAL lasts until its end.
Values stay the text that the server sends: a comparison needs no more.
"""
from psycopg import pq

# SQLSTATEs that no query may end with: internal errors, a lost connection
FORBIDDEN = ("XX", "08", "58", "P0", "42")


class Lost(Exception):
    """The backend is gone."""


class Outcome:
    """SQLSTATE, message, and the rows of the last statement."""

    def __init__(self, state, message="", rows=()):
        self.state = state
        self.message = message
        self.rows = rows            # tuples of bytes or None

    def ok(self):
        return self.state == "00000"

    def forbidden(self):
        return self.state.startswith(FORBIDDEN)

    def __str__(self):
        if not self.ok():
            return "%s: %s" % (self.state, self.message)
        shown = [tuple(None if v is None else v.decode() for v in row)
                 for row in self.rows[:8]]
        return "%d rows: %s%s" % (len(self.rows), shown,
                                  " ..." if len(self.rows) > 8 else "")


def rows_of(result):
    """Rows of a result, as tuples."""
    columns = range(result.nfields)
    return [tuple(result.get_value(i, j) for j in columns)
            for i in range(result.ntuples)]


class Session:
    """One connection, by the environment's PGHOST and so on."""

    def __init__(self, *settings):
        self.connection = pq.PGconn.connect(b"")
        if self.connection.status != pq.ConnStatus.OK:
            raise Lost(self.connection.error_message.decode())
        self.connection.exec_(b"SET client_min_messages = error")
        for setting in settings:
            self.must("SET " + setting)

    def close(self):
        self.connection.finish()

    def run(self, script):
        """What the script's last statement did, or the one that failed."""
        last = None
        self.connection.send_query(script.encode())
        while True:
            result = self.connection.get_result()
            if result is None:
                break
            last = result
        if self.connection.status != pq.ConnStatus.OK or last is None:
            raise Lost("%s\nlast script: %s" % (
                self.connection.error_message.decode(), script))
        if last.status == pq.ExecStatus.TUPLES_OK:
            return Outcome("00000", "", rows_of(last))
        state = last.error_field(pq.DiagnosticField.SQLSTATE)
        if state is None:
            return Outcome("00000")
        primary = last.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        return Outcome(state.decode(), primary.decode())

    def must(self, script):
        """Rows of a script that may not fail."""
        outcome = self.run(script)
        if not outcome.ok():
            raise AssertionError("%s\n%s" % (outcome, script[:2000]))
        return outcome.rows

    def texts(self, script):
        """The first column of a script's rows, as str or None."""
        return [None if row[0] is None else row[0].decode()
                for row in self.must(script)]
