"""
manifest.py
        A manifest as bytes: its records (src/manifest/format.h), and numbers in
        it changed so that every checksum is right again.

Random damage meets the checksums and nothing behind them.  What is made here
passes them: only the checks at open and at use are left.
"""
import ctypes
import ctypes.util

import mutate

U32, U64, I64 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64
VERSION = 3
BLOCK = 65536


def record(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


Section = record("Section", ("offset", U64), ("length", U64),
                 ("checksum", U64), ("verified", U64))
Column = record("Column", ("name_offset", U64), ("name_length", U64),
                ("kind", U32), ("width", U32), ("flags", U32),
                ("reserved", U32), ("n_values", U64), ("n_nulls", U64),
                ("n_categories", U64), ("min_integer", I64),
                ("max_integer", I64), ("min_float", ctypes.c_double),
                ("max_float", ctypes.c_double), ("values", Section),
                ("nulls", Section), ("offsets", Section), ("bytes", Section),
                ("counts", Section), ("rank_starts", Section),
                ("rank_entries", Section))
Filter = record("Filter", ("id", U32), ("flags", U32), ("n_params", U32),
                ("params", U32 * 8))
Array = record("Array", ("layout", U32), ("rank", U32), ("dims", U64 * 2),
               ("chunk", U64 * 2), ("element", U32), ("big_endian", U32),
               ("fill", ctypes.c_uint8 * 8), ("n_filters", U32),
               ("reserved", U32), ("filters", Filter * 8), ("address", U64),
               ("n_chunks", U64), ("chunks", Section), ("compact", Section),
               ("stored", Section), ("blocks", Section))
Matrix = record("Matrix", ("name_offset", U64), ("name_length", U64),
                ("kind", U32), ("flags", U32), ("file_element", U32),
                ("reserved", U32), ("n_rows", U64), ("n_cols", U64),
                ("nnz", U64), ("indptr", Section), ("data", Array),
                ("indices", Array))
Skipped = record("Skipped", ("name_offset", U64), ("name_length", U64),
                 ("reason_offset", U64), ("reason_length", U64))
Header = record("Header", ("magic", ctypes.c_char * 8), ("version", U32),
                ("byte_order", U32), ("length", U64), ("identity", U64 * 5),
                ("n_obs", U64), ("n_vars", U64), ("n_obs_columns", U32),
                ("n_var_columns", U32), ("n_matrices", U32),
                ("n_skipped", U32), ("names_length", U64),
                ("directory_offset", U64), ("directory_length", U64),
                ("directory_checksum", U64), ("uns", Section),
                ("fingerprint", U64 * 2),
                ("checksum", U64))
COLUMN_SECTIONS = ("values", "nulls", "offsets", "bytes", "counts",
                   "rank_starts", "rank_entries")
ARRAY_SECTIONS = ("chunks", "compact", "stored", "blocks")

_library = None


def xxh3(data):
    """XXH3, 64 bits, by the library that mappedcoll uses."""
    global _library
    if _library is None:
        _library = ctypes.CDLL(ctypes.util.find_library("xxhash") or
                               "libxxhash.so.0")
        _library.XXH3_64bits.restype = U64
        _library.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    return _library.XXH3_64bits(bytes(data), len(data))


class Manifest:
    """Bytes of a sound manifest, to be changed."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.header = Header.from_buffer(self.data)
        if self.header.magic != b"MCMANIF\n" or self.header.version != VERSION:
            raise ValueError("not a manifest of version %d" % VERSION)
        if self.header.checksum != self.header_checksum() or \
                self.header.directory_checksum != self.directory_checksum():
            raise ValueError("format.h is not what is written here")
        self.start = self.header.directory_offset
        self.end = self.start + self.header.directory_length
        self.columns = []
        self.matrices = []
        at = self.start
        for kind, n, into in (
                (Column, self.header.n_obs_columns +
                 self.header.n_var_columns + 2, self.columns),
                (Matrix, self.header.n_matrices, self.matrices),
                (Skipped, self.header.n_skipped, [])):
            for _ in range(n):
                into.append(kind.from_buffer(self.data, at))
                at += ctypes.sizeof(kind)
        self.names = at
        self.sound = {}

    def header_checksum(self):
        return xxh3(self.data[:Header.checksum.offset])

    def directory_checksum(self):
        start = self.header.directory_offset
        return xxh3(self.data[start:start + self.header.directory_length])

    def sections(self):
        """Every section with bytes; a stored array's has blocks of its own."""
        yield self.header.uns, None
        for column in self.columns:
            for name in COLUMN_SECTIONS:
                yield getattr(column, name), None
        for matrix in self.matrices:
            yield matrix.indptr, None
            for array in (matrix.data, matrix.indices):
                for name in ARRAY_SECTIONS:
                    yield getattr(array, name), \
                        array.blocks if name == "stored" else None

    def content(self, section):
        return self.data[section.offset:section.offset + section.length]

    def alter_section(self, rng):
        """Other numbers in a section; its length stays."""
        found = [s for s in self.sections() if s[0].length]
        section, blocks = rng.choice(found)
        a, b = section.offset, section.offset + section.length
        if b > len(self.data):
            return          # a record was altered before
        kind = rng.choice((mutate.flip, mutate.change, mutate.ones,
                           mutate.zeros, mutate.number, mutate.number,
                           mutate.swap))
        self.data[a:b] = kind(rng, bytes(self.data[a:b]), [])[:b - a]
        if blocks is None:
            section.checksum = xxh3(self.data[a:b])
            return
        sums = b"".join(xxh3(self.data[i:min(i + BLOCK, b)]).to_bytes(
            8, "little") for i in range(a, b, BLOCK))
        self.data[blocks.offset:blocks.offset + len(sums)] = sums
        blocks.checksum = xxh3(self.content(blocks))

    def alter_record(self, rng):
        """A number in a record, or of the names."""
        self.put(rng, rng.randrange(self.start, self.end), self.start,
                 self.end)

    def alter_header(self, rng):
        """A number of the header but its magic, version and identity."""
        first = Header.n_obs.offset
        self.put(rng, rng.randrange(first, Header.checksum.offset), first,
                 Header.checksum.offset)

    def move_section(self, rng):
        """A section becomes another one, or one nearby."""
        found = [s for s, _ in self.sections()]
        section, other = rng.choice(found), rng.choice(found)
        if rng.randrange(2):
            section.offset, section.checksum = other.offset, other.checksum
            if rng.randrange(2):
                section.length = other.length
        else:
            section.offset = max(0, section.offset + rng.choice(
                (-64, -8, -1, 1, 8, 64, 4096)))
        if section.offset + section.length <= len(self.data):
            section.checksum = xxh3(self.content(section))

    def put(self, rng, at, first, end):
        """A number at the edge of something, or one that is nearly right."""
        width = rng.choice((1, 4, 4, 8, 8, 8))
        at = max(first, min(at - at % width, end - width))
        old = int.from_bytes(self.data[at:at + width], "little")
        value = rng.choice((rng.choice(mutate.NUMBERS), old + 1, old - 1,
                            old * 2, old ^ (1 << rng.randrange(width * 8)),
                            self.header.n_obs, self.header.n_vars, rng.randrange(12)))
        self.data[at:at + width] = (value % 256**width).to_bytes(
            width, "little")

    def sealed(self):
        """Its bytes with every checksum right."""
        if self.header.directory_offset + self.header.directory_length <= \
                len(self.data):
            self.header.directory_checksum = self.directory_checksum()
        self.header.checksum = self.header_checksum()
        return bytes(self.data)


def hostile(rng, data):
    """Consistent checksums over other numbers: what was done, and the bytes."""
    while True:
        manifest = Manifest(data)
        done = []
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            how = rng.choice(("section", "section", "section", "record",
                              "record", "record", "header", "move"))
            done.append(how)
            if how == "move":
                manifest.move_section(rng)
            else:
                getattr(manifest, "alter_" + how)(rng)
        out = manifest.sealed()
        if out != data:
            return "+".join(sorted(set(done))), out
