"""client.py
    A client of mappedcoll as a user would write it: psycopg, numpy, no C.

Each statement is a COPY (SELECT ... FROM sample_csr(...)) TO STDOUT (FORMAT
binary): the server sends a message a row, and a row is a batch or, with
part_rows, a part of one.  What comes in a message is copied once, into the
arrays of the batch, which are aligned and the caller's own.
"""

import dataclasses
import struct

import numpy as np

HEADER = 19             # bytes of COPY before the first row
END = 0xffff            # as number of fields: the last message
NULL = 0xffffffff       # as length of a field

# numpy's names of the types that sample_csr is asked for
DTYPES = {"int64": "<i8", "int32": "<i4", "uint16": "<u2", "uint8": "u1",
          "float16": "<f2", "float32": "<f4"}


@dataclasses.dataclass
class Batch:
    """Cells of one step; a dense batch has no indptr and indices."""

    step: int
    row_index: np.ndarray           # int64[n]
    indptr: np.ndarray | None       # [n + 1]
    indices: np.ndarray | None      # [nnz]
    data: np.ndarray                # [nnz], or [n, genes]

    def __len__(self):
        return len(self.row_index)


class Buffer:
    """An array that grows by what is appended."""

    def __init__(self, dtype, capacity):
        self.array = np.empty(capacity, dtype)
        self.n = 0

    def append(self, field, dtype):
        """Copy the elements of a field of a message."""
        piece = np.frombuffer(field, dtype)
        end = self.n + len(piece)
        if end > len(self.array):
            larger = np.empty(max(end, 2 * len(self.array)), self.array.dtype)
            larger[:self.n] = self.array[:self.n]
            self.array = larger
        self.array[self.n:end] = piece
        self.n = end
        return end

    def take(self):
        """What was appended."""
        return self.array[:self.n]


def rows(copy):
    """The fields of each row of COPY (FORMAT binary), as memoryviews."""
    at = HEADER
    for message in copy:
        count, = struct.unpack_from(">H", message, at)
        if count == END:
            continue            # and nothing follows
        at += 2
        fields = []
        for _ in range(count):
            size, = struct.unpack_from(">I", message, at)
            at += 4
            if size == NULL:
                fields.append(None)
                continue
            fields.append(message[at:at + size])
            at += size
        yield fields
        at = 0


def batches(conn, source, types, n_vars=None):
    """Yield the batches of source, "sample_csr(...)" or "sample_dense(...)".

    types are the three that source was asked for (indptr, indices, data), or
    the one of a dense matrix, which has n_vars columns.
    """
    dense = len(types) == 1
    names = "data" if dense else "indptr, indices, data"
    dtypes = [DTYPES[name] for name in types]
    buffers = []
    step = None
    capacities = [256] * (len(types) + 1)
    with conn.cursor().copy(f"COPY (SELECT batch, row_index, {names} FROM "
                            f"{source}) TO STDOUT (FORMAT binary)") as copy:
        for batch, row_index, *fields in rows(copy):
            batch = int.from_bytes(batch, "big")
            if batch != step:
                if buffers:
                    yield finish(step, buffers, dense, n_vars)
                    capacities = [buffer.n + buffer.n // 8
                                  for buffer in buffers]
                buffers = [Buffer(dtype, capacity) for dtype, capacity
                           in zip(["<i8"] + dtypes, capacities)]
                step = batch
            before = buffers[0].n
            buffers[0].append(row_index, "<i8")
            if dense:
                buffers[1].append(fields[0], dtypes[0])
                continue
            # the first entry of a further part's indptr is the last one's
            if before:
                start = buffers[1].n
                buffers[1].append(fields[0][buffers[1].array.itemsize:],
                                  dtypes[0])
                buffers[1].array[start:buffers[1].n] += buffers[2].n
            else:
                buffers[1].append(fields[0], dtypes[0])
            buffers[2].append(fields[1], dtypes[1])
            buffers[3].append(fields[2], dtypes[2])
        if buffers:
            yield finish(step, buffers, dense, n_vars)


def finish(step, buffers, dense, n_vars):
    """The batch in buffers."""
    taken = [buffer.take() for buffer in buffers]
    if dense:
        return Batch(step, taken[0], None, None, taken[1].reshape(-1, n_vars))
    return Batch(step, *taken)


def messages(conn, query):
    """Bytes of each message of a query of one bytea column, copied once."""
    kept = None
    with conn.cursor().copy(f"COPY ({query}) TO STDOUT "
                            "(FORMAT binary)") as copy:
        for field, in rows(copy):
            if kept is None:
                kept = np.empty(len(field), np.uint8)
            kept[:] = field
            yield len(field)


def set_if_there(conn, name, value):
    """SET a setting of mappedcoll; False where this version has none."""
    conn.execute("SELECT split_of('', 0, '{1}')")  # the library is loaded
    found, = conn.execute("SELECT count(*) FROM pg_settings WHERE name = %s",
                          [name]).fetchone()
    if found:
        conn.execute("SELECT set_config(%s, %s, false)", [name, value])
    return bool(found)
