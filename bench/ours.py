"""ours.py
    mappedcoll as a contender, and the bounds of what it does.

Where the server is, says libpq's environment.
"""

import os
import subprocess
import time

import numpy as np
import psycopg
import scipy.sparse as sp

import client
import files
from measure import BOUND, OURS, Absent, Contender

BATCH = 256
CSR = ("int64", "int32", "float32")
NARROW = ("int32", "uint16", "uint8")

# Each batch by itself, nothing kept from one to the next
ALONE = {"mappedcoll.window_size": "0", "mappedcoll.cache_size": "0"}


def connect(settings):
    """A connection, and the names of settings that this version lacks."""
    conn = psycopg.connect(autocommit=True)
    return conn, [name for name, value in settings.items()
                  if not client.set_if_there(conn, name, value)]


def server_version():
    """Of PostgreSQL."""
    with psycopg.connect() as conn:
        return conn.execute("SHOW server_version").fetchone()[0]


def register(name, directory):
    """Make a collection of a directory, whose files are then in the page
    cache."""
    files.warm(directory)
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("SELECT create_collection(%s, ARRAY[%s])",
                     [name, str(directory)])


def draws(name, batch, seed, steps):
    """The cells that steps of a stream draw."""
    with psycopg.connect() as conn:
        found = conn.execute(
            "SELECT row_index FROM sample_rows(%s, %s, %s, seed => %s, "
            "n_steps => %s)", [name, batch, files.LABEL, seed, steps],
            binary=True).fetchall()
    return np.array(found, np.int64).ravel()


class Stream(Contender):
    """sample_csr or sample_dense, one statement for all steps."""

    kind = OURS

    def __init__(self, name, collection, batch=BATCH, settings=None, types=CSR,
                 part_rows=64, connections=1, genes=None, weighted=True,
                 unit=None):
        super().__init__(name)
        self.collection, self.batch, self.types = collection, batch, types
        self.settings = settings or {}
        self.part_rows, self.n, self.genes = part_rows, connections, genes
        self.weighted = weighted
        self.unit = self.at_least = unit or batch * connections

    def open(self):
        self.conns = []
        for _ in range(self.n):
            conn, lacking = connect(self.settings)
            self.conns.append(conn)
        return lacking and "this version has no " + ", ".join(lacking)

    def pids(self):
        return [conn.info.backend_pid for conn in self.conns]

    def source(self, steps, seed, rank=0):
        """The function call of a stream."""
        arguments = (f"'{self.collection}', {self.batch}, seed => {seed}, "
                     f"n_steps => {steps}, rank => {rank}, "
                     f"world_size => {self.n}")
        if self.weighted:
            arguments += f", weight_by => '{files.LABEL}'"
        if self.part_rows:
            arguments += f", part_rows => {self.part_rows}"
        names = (["data"] if len(self.types) == 1 else
                 ["indptr", "indices", "data"])
        for what, type_ in zip(names, self.types):
            arguments += f", {what}_type => '{type_}'"
        return (f"sample_{'dense' if len(names) == 1 else 'csr'}"
                f"({arguments})")

    def stream(self, steps, seed):
        """Batches; connections take turns."""
        streams = [client.batches(conn, self.source(steps, seed, rank),
                                  self.types, self.genes)
                   for rank, conn in enumerate(self.conns)]
        for batches in zip(*streams):
            yield from batches
        for stream in streams:
            # the end of COPY
            if next(stream, None) is not None:
                raise AssertionError("a stream is longer than the others")

    def check(self):
        found = list(self.stream(2, 1))
        rows = np.concatenate([batch.row_index for batch in found])
        if len(self.types) == 1:
            return rows, sp.csr_matrix(np.concatenate(
                [batch.data.astype("f4") for batch in found]))
        with psycopg.connect() as conn:
            n_vars = len(conn.execute("SELECT FROM collection_vars(%s)",
                                      [self.collection]).fetchall())
        x = [sp.csr_matrix((batch.data.astype("f4"),
                            batch.indices.astype("i4"),
                            batch.indptr.astype("i8")),
                           (len(batch), n_vars)) for batch in found]
        return rows, sp.vstack(x, "csr")

    def batches(self, cells, seed):
        for batch in self.stream(cells // (self.batch * self.n), seed):
            yield len(batch)


class Query(Stream):
    """A query a batch, as it was before sample_csr could stream, or as a
    program that decides from step to step has it."""

    def stream(self, steps, seed):
        conn, = self.conns
        for step in range(steps):
            row = conn.execute(
                "SELECT row_index, indptr, indices, data FROM sample_csr("
                "%s, %s, %s, seed => %s, step => %s)",
                [self.collection, self.batch, files.LABEL, seed, step],
                binary=True).fetchone()
            yield client.Batch(step, *map(np.frombuffer, row,
                                          ("<i8", "<i8", "<i4", "<f4")))


class SampleBatch(Stream):
    """sample_batch, a query a batch, a row a cell: dense."""

    def __init__(self, name, collection):
        super().__init__(name, collection, types=("float32",))

    def stream(self, steps, seed):
        conn, = self.conns
        for step in range(steps):
            rows = conn.execute(
                "SELECT row_index, x FROM sample_batch(%s, %s, %s, seed => %s,"
                " step => %s)",
                [self.collection, self.batch, files.LABEL, seed, step],
                binary=True).fetchall()
            yield client.Batch(
                step, np.array([row for row, _ in rows]), None, None,
                np.stack([np.frombuffer(x, "<f4") for _, x in rows]))


class Replay(Contender):
    """A plain C loop over the pieces of files that batches need (replay.c).

    group is the number of draws of which each chunk is inflated once; growing:
    the first groups are a batch, two, four, as mappedcoll's windows are.
    """

    kind = BOUND

    def __init__(self, name, collection, directory, mode, group, groups=1,
                 unit=None, growing=False):
        super().__init__(name)
        self.collection, self.directory = collection, directory
        self.mode, self.group, self.growing = mode, group, growing
        self.unit = self.at_least = unit or group * groups

    def open(self):
        self.program = os.environ["BENCH_REPLAY"]
        if self.mode == "prefix" and os.environ.get("BENCH_ISAL") != "yes":
            raise Absent("ISA-L is not installed")
        self.layout = files.Layout(self.directory)
        self.paths = [str(path) for path in files.paths(self.directory)]

    def run(self, cells, seed):
        rows = draws(self.collection, BATCH, seed, -(-cells // BATCH))[:cells]
        plan, at = b"", 0
        size = BATCH if self.growing else self.group
        while at < cells:
            plan += self.layout.plan(rows[at:at + size],
                                     self.mode != "read").tobytes()
            at += size
            size = min(2 * size, self.group)
        done = subprocess.run([self.program, self.mode, *self.paths],
                              input=plan, stdout=subprocess.PIPE, check=True)
        return cells, float(done.stdout), None


class Wire(Contender):
    """libpq alone: messages of a constant bytea, of as many bytes as so many
    cells have, copied once by the client."""

    kind = BOUND

    def __init__(self, name, cells_a_message, bytes_a_cell, unit=None):
        super().__init__(name)
        self.n = cells_a_message
        self.size = int(cells_a_message * bytes_a_cell)
        self.unit = self.at_least = unit or max(cells_a_message, BATCH)

    def open(self):
        self.conn = psycopg.connect(autocommit=True)

    def run(self, cells, seed):
        query = (f"SELECT decode(repeat('2a', {self.size}), 'hex') "
                 f"FROM generate_series(0, {cells // self.n})")
        messages = client.messages(self.conn, query)
        next(messages)      # the constant is made
        begin = time.perf_counter()
        n = sum(self.n for _ in messages)
        return n, time.perf_counter() - begin, None
