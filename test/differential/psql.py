"""
psql.py
        SQL through psql: batches of statements in, columns of binary values out.

A batch is one psql and so one connection: each tests a fresh backend, and a
backend that dies is seen as what it is.  Results come as COPY's binary format,
so that nothing is printed and parsed on the way: a float is its bits.
"""
import os
import re
import struct
import subprocess

import numpy as np


# What psql prints of an error with VERBOSITY verbose
ERROR = re.compile(r"^(?:psql:[^\n]*?:\d+: )?(?:ERROR|FATAL|PANIC):  "
                   r"([0-9A-Z]{5}): (.*?)\n(?=[A-Z]+: |\Z)", re.M | re.S)


def literal(text):
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name):
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_array(items):
    """An SQL array of text."""
    return "ARRAY[" + ", ".join(literal(i) for i in items) + "]::text[]"


class ServerDied(Exception):
    """psql lost its connection, or ended with an error of its own."""


class Result:
    """What one statement did: SQLSTATE, message, notices and, if asked, rows."""

    def __init__(self, state, message, notices, fields):
        self.state = state
        self.message = message
        self.notices = notices
        self.fields = fields        # [column][row] bytes or None; None: no rows

    def ok(self):
        return self.state == "00000"


def parse_copy(data):
    """Columns of COPY's binary format: [column][row], bytes or None."""
    if data[:11] != b"PGCOPY\n\xff\r\n\0":
        raise ValueError("not the binary format of COPY")
    pos = 19 + struct.unpack_from(">i", data, 15)[0]
    count = struct.Struct(">h").unpack_from
    length = struct.Struct(">i").unpack_from
    columns = None
    while True:
        n = count(data, pos)[0]
        pos += 2
        if n == -1:
            break
        if columns is None:
            columns = [[] for _ in range(n)]
        for column in columns:
            size = length(data, pos)[0]
            pos += 4
            if size < 0:
                column.append(None)
            else:
                column.append(data[pos:pos + size])
                pos += size
    if pos != len(data):
        raise ValueError("bytes after the end of COPY's data")
    return columns or []


class Psql:
    """Runs batches."""

    def __init__(self, program, work):
        self.program = program
        self.work = work
        self.n_batches = 0

    def run(self, *statements):
        """
        Run statements on one connection; a Result each.  One that starts with
        SELECT, WITH or VALUES has its rows fetched.  An error does not end the
        batch.
        """
        names = []
        script = []
        for i, statement in enumerate(statements):
            rows = statement.lstrip().split(None, 1)[0].upper() in (
                "SELECT", "WITH", "VALUES")
            name = os.path.join(self.work, "rows-%d" % i) if rows else None
            names.append(name)
            if rows:
                script += ["\\o " + literal(name),
                           "COPY (%s) TO STDOUT (FORMAT binary);" % statement,
                           "\\o"]
            else:
                script.append(statement + ";")
            script.append("\\warn @@end")
        self.n_batches += 1
        done = subprocess.run(
            [self.program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=0",
             "-v", "VERBOSITY=verbose"],
            input="\n".join(script).encode() + b"\n", capture_output=True,
            env=dict(os.environ, PGCLIENTENCODING="UTF8",
                     PGOPTIONS="-c client_min_messages=notice"))
        return self._results(done, statements, names)

    def _results(self, done, statements, names):
        said = done.stderr.decode().split("@@end\n")
        if done.returncode != 0 or len(said) != len(statements) + 1:
            last = statements[min(len(said) - 1, len(statements) - 1)]
            raise ServerDied("psql ended with %d\n%s\nlast statement: %s" % (
                done.returncode, done.stderr.decode()[-2000:], last[:2000]))
        results = []
        for notices, name in zip(said, names):
            error = ERROR.search(notices)
            state, message = error.groups() if error else ("00000", "")
            fields = None
            if name is not None:
                with open(name, "rb") as f:
                    data = f.read()
                os.unlink(name)
                if not error:
                    fields = parse_copy(data)
            results.append(Result(state, message, notices, fields))
        return results

    def one(self, statement):
        """Run one statement that must succeed."""
        result = self.run(statement)[0]
        if not result.ok():
            raise AssertionError("%s: %s\n%s" % (
                result.state, result.message, statement[:2000]))
        return result


def text_values(fields):
    """Values of a text column: str or None."""
    return [None if f is None else str(f, "utf-8") for f in fields]


def numbers(fields, dtype):
    """Values of a column of numbers (dtype in network order), and its nulls."""
    nulls = np.fromiter((f is None for f in fields), bool, len(fields))
    values = np.zeros(len(fields), np.dtype(dtype).newbyteorder("="))
    values[~nulls] = np.frombuffer(b"".join(f for f in fields if f is not None),
                                   dtype)
    return values, nulls


def array_values(field, dtype):
    """Values of a one-dimensional int[] or real[] without nulls."""
    n_dims, has_nulls, _ = struct.unpack_from(">iiI", field, 0)
    if n_dims == 0:
        return np.zeros(0, np.dtype(dtype).newbyteorder("="))
    n, lower = struct.unpack_from(">ii", field, 12)
    if n_dims != 1 or has_nulls or lower != 1 or len(field) != 20 + 8 * n:
        raise ValueError("not a plain array of %d bytes" % len(field))
    pairs = np.frombuffer(field, np.dtype([("n", ">i4"), ("v", dtype)]), n, 20)
    return pairs["v"].astype(np.dtype(dtype).newbyteorder("="))


def vectors(fields, dtype, arrays):
    """
    Values of a column of vectors, one after the other, and the length of each;
    dtype "f4" or "i4".  Fields must not be None.
    """
    if arrays:
        parts = [array_values(f, ">" + dtype) for f in fields]
        lengths = np.fromiter((len(p) for p in parts), np.int64, len(parts))
        return (np.concatenate(parts) if parts else
                np.zeros(0, dtype)), lengths
    lengths = np.fromiter((len(f) for f in fields), np.int64, len(fields))
    if (lengths % 4).any():
        raise ValueError("a vector whose length is no multiple of 4")
    return np.frombuffer(b"".join(fields), "<" + dtype), lengths // 4
