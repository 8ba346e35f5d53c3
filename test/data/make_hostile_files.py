#!/usr/bin/env python3
"""make_hostile_files.py
    Writes the h5ad files of test/data/hostile: files that are made to harm.

Each is small and valid but for the one thing that it is named after; what the
format's library would not write is patched into its bytes.  The plain rest is
that of make_h5ad_fixtures.py: four cells, three genes, X dense.
test/t/015_hostile.pl says what is expected of each, and makes from some of
them what would be too large to keep.

Usage: make_hostile_files.py [DIRECTORY]      (numpy and h5py are needed)
"""

import os
import struct
import sys
import zlib

import h5py
import numpy as np

from make_h5ad_fixtures import (DATA, INDICES, INDPTR, STRING, X, categorical,
                                creation_list, csr, frame, mark, null_space,
                                skeleton, text)

U64 = 2**64 - 1


# ---- helpers ----

def jenkins(data):
    """The checksum of HDF5's metadata: Bob Jenkins' lookup3, hashlittle."""
    def rot(x, k):
        return ((x << k) | (x >> (32 - k))) & 0xFFFFFFFF
    m = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & m
    while len(data) > 12:
        x, y, z = struct.unpack("<III", data[:12])
        a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
        for i, k in enumerate((4, 6, 8, 16, 19, 4)):
            if i % 3 == 0:
                a = ((a - c) & m) ^ rot(c, k)
                c = (c + b) & m
            elif i % 3 == 1:
                b = ((b - a) & m) ^ rot(a, k)
                a = (a + c) & m
            else:
                c = ((c - b) & m) ^ rot(b, k)
                b = (b + a) & m
        data = data[12:]
    if not data:
        return c
    x, y, z = struct.unpack("<III", data.ljust(12, b"\0"))
    a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
    c = ((c ^ b) - rot(b, 14)) & m
    a = ((a ^ c) - rot(c, 11)) & m
    b = ((b ^ a) - rot(a, 25)) & m
    c = ((c ^ b) - rot(b, 16)) & m
    a = ((a ^ c) - rot(c, 4)) & m
    b = ((b ^ a) - rot(a, 14)) & m
    return ((c ^ b) - rot(b, 24)) & m


def find_once(content, wanted):
    """Where these bytes are; they must be there once."""
    at = content.find(wanted)
    assert at >= 0 and content.find(wanted, at + 1) < 0, wanted
    return at


def put(content, at, new):
    """Other bytes in their place."""
    content[at:at + len(new)] = new


def direct(parent, name, shape, chunk, chunks, dtype="<f4", filters=(),
           masks=None):
    """A chunked dataset whose chunks are these bytes, filtered or not."""
    plist = creation_list()
    plist.set_chunk(chunk)
    for number, params in filters:
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, params)
    d = h5py.h5d.create(parent.id, name.encode(),
                        h5py.h5t.py_create(np.dtype(dtype)),
                        h5py.h5s.create_simple(
                           shape, (h5py.h5s.UNLIMITED,) * len(shape)), plist)
    for i, (offset, stored) in enumerate(chunks.items()):
        d.write_direct_chunk(offset, stored, masks[i] if masks else 0)
    return d


def typed(parent, name, kind, shape, content=None):
    """A contiguous dataset of any HDF5 type, its bytes as they are."""
    plist = creation_list()
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return h5py.h5d.create(parent.id, name.encode(), kind,
                           h5py.h5s.create_simple(shape), plist)


def in_obs(f, *names):
    """A file with columns to come."""
    return skeleton(f, list(names))


def layers(f):
    skeleton(f)
    return f.create_group("layers")


# ---- links ----

def group_in_itself(f):
    obs = in_obs(f, "again", "n")
    obs["n"] = np.int8([1, 2, 3, 4])
    obs["again"] = obs
    f["root"] = f["/"]
    f["layers"] = f["/"]


def soft_link_loop(f):
    skeleton(f, x=False)
    f["X"] = h5py.SoftLink("/Y")
    f["Y"] = h5py.SoftLink("/X")


def obs_links_to_itself(f):
    skeleton(f)
    del f["obs"]
    f["obs"] = h5py.SoftLink("/obs")


def obs_is_root(f):
    skeleton(f)
    del f["obs"]
    f["obs"] = f["/"]


def x_is_root(f):
    skeleton(f, x=False)
    f["X"] = f["/"]


def categories_are_the_column(f):
    obs = in_obs(f, "loop")
    g = categorical(obs, "loop", np.int8([0, 0, 0, 0]), ["a"])
    del g["categories"]
    g["categories"] = g


def path_of_ten_thousand_groups(f):
    """One group that holds itself is a nesting as deep as one likes."""
    skeleton(f, x=False)
    f["g"] = f["/"]
    f["Y"] = X
    f["X"] = h5py.SoftLink("g/" * 10000 + "Y")


def external_everything(f):
    obs = in_obs(f, "n", "k")
    obs["n"] = h5py.ExternalLink("other.h5", "/obs/n")
    categorical(obs, "k", np.int8([0, 0, 0, 0]), ["a"])
    del obs["k/categories"]
    obs["k/categories"] = h5py.ExternalLink("/etc/passwd", "/")


def external_obs(f):
    skeleton(f)
    del f["obs"]
    f["obs"] = h5py.ExternalLink("/proc/self/mem", "/obs")


def external_indices(f):
    skeleton(f, x=False)
    g = csr(f, "X", DATA, INDICES, INDPTR)
    del g["indices"]
    g["indices"] = h5py.ExternalLink("other.h5", "/X/indices")


def external_storage(f):
    skeleton(f, x=False)
    plist = creation_list()
    plist.set_external(b"/etc/passwd", 0, 48)
    h5py.h5d.create(f.id, b"X", h5py.h5t.IEEE_F32LE,
                    h5py.h5s.create_simple((4, 3)), plist)


def external_storage_of_codes(f):
    obs = in_obs(f, "k")
    g = categorical(obs, "k", np.int8([0, 0, 0, 0]), ["a"])
    del g["codes"]
    plist = creation_list()
    plist.set_external(b"/dev/zero", 0, 4)
    h5py.h5d.create(g.id, b"codes", h5py.h5t.STD_I8LE,
                    h5py.h5s.create_simple((4,)), plist)


def virtual(f):
    skeleton(f, x=False)
    plist = creation_list()
    space = h5py.h5s.create_simple((4, 3))
    plist.set_virtual(space, b".", b"X", space)
    h5py.h5d.create(f.id, b"X", h5py.h5t.IEEE_F32LE, space, plist)


def user_defined_link(f):
    """A link of class 200, made from a soft link."""
    skeleton(f, x=False)
    f["X"] = h5py.SoftLink("user-defined")

    def patch(content):
        # link message: version 1, flags 8 (its class is given), class 1
        name = content.find(b"user-defined")
        at = content.rfind(b"\x01\x08\x01\x01X", 0, name)
        assert at > 0
        put(content, at + 2, b"\xc8")
        fix_header(content, at)
    return patch


def fix_header(content, at):
    """The checksum of the version 2 object header, or of its continuation
    block, around a place."""
    start = content.rfind(b"OHDR", 0, at)
    block = content.rfind(b"OCHK", 0, at)
    if block > start:
        start = block
        pos = content.find(struct.pack("<Q", start))
        end = start + struct.unpack_from("<Q", content, pos + 8)[0] - 4
    else:
        flags = content[start + 5]
        pos = start + 6 + (16 if flags & 0x20 else 0) + \
            (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        end = pos + width + int.from_bytes(content[pos:pos + width], "little")
    put(content, end, struct.pack("<I", jenkins(bytes(content[start:end]))))


# ---- shapes ----

def rows_2_62(f):
    skeleton(f, x=False)
    f.create_dataset("X", shape=(2**62, 3), dtype="f4", chunks=(1, 1))


def cells_2_62(f):
    skeleton(f, x=False)
    del f["obs/_index"]
    f["obs"].create_dataset("_index", shape=(2**62,), dtype="S1",
                            chunks=(2**30,))


def cells_2_31(f):
    skeleton(f, x=False)
    del f["obs/_index"]
    f["obs"].create_dataset("_index", shape=(2**31,), dtype="S1",
                            chunks=(2**30,))


def cells_2_30_not_stored(f):
    """A billion cells of the fill value in a file of some kilobytes."""
    skeleton(f, x=False)
    del f["obs/_index"]
    f["obs"].create_dataset("_index", shape=(2**30,), dtype="S1",
                            chunks=(2**25,))


def column_2_40_not_stored(f):
    obs = in_obs(f, "huge")
    obs.create_dataset("huge", shape=(2**40,), dtype="f8", chunks=(2**20,))


def categories_2_40_not_stored(f):
    obs = in_obs(f, "huge")
    g = categorical(obs, "huge", np.int8([0, 1, 0, 1]), ["a"])
    del g["categories"]
    g.create_dataset("categories", shape=(2**40,), dtype="S8",
                     chunks=(2**20,))


def categories_2_27_not_stored(f):
    obs = in_obs(f, "huge")
    g = categorical(obs, "huge", np.int8([0, 1, 0, 1]), ["a"])
    del g["categories"]
    g.create_dataset("categories", shape=(2**27,), dtype="S8",
                     chunks=(2**20,))


def genes_2_40_not_stored(f):
    skeleton(f, x=False)
    f.create_dataset("X", shape=(4, 2**40), dtype="f4", chunks=(1, 2**20))
    del f["var/_index"]
    f["var"].create_dataset("_index", shape=(2**40,), dtype="S1",
                            chunks=(2**20,))


def sparse_2_40_not_stored(f):
    """Non-zeros that nobody stored: 2^40 of them in each row."""
    skeleton(f, x=False)
    g = f.create_group("X")
    mark(g, "csr_matrix", "0.1.0")
    g.attrs["shape"] = np.array([4, 3])
    for name, kind in (("data", "f4"), ("indices", "i4")):
        g.create_dataset(name, shape=(2**42,), dtype=kind, chunks=(2**20,))
    g["indptr"] = np.arange(5, dtype="i8") * 2**40


def indptr_2_40_not_stored(f):
    skeleton(f, x=False)
    g = csr(f, "X", DATA, INDICES, INDPTR)
    del g["indptr"]
    g.create_dataset("indptr", shape=(2**40,), dtype="i8", chunks=(2**20,))


def chunk_of_4_gb(f):
    skeleton(f, x=False)
    f.create_dataset("X", shape=(4, 3), maxshape=(None, None), dtype="f4",
                     chunks=(2**15, 2**14))


def one_byte_chunks(f):
    """A table of 2^40 chunks."""
    skeleton(f, x=False)
    del f["var/_index"]
    f["var"].create_dataset("_index", shape=(2**30,), dtype="S1",
                            chunks=(2**20,))
    f.create_dataset("X", shape=(4, 2**30), dtype="i1", chunks=(1, 1))


def rank_32(f):
    skeleton(f, x=False)
    f.create_dataset("X", shape=(1,) * 32, dtype="f4")


def scalar_everywhere(f):
    obs = in_obs(f, "n", "k")
    obs["n"] = 5
    g = categorical(obs, "k", np.int8([0, 0, 0, 0]), ["a"])
    del g["codes"]
    g["codes"] = np.int8(0)
    f["layers/scalar"] = np.float32(1)


def wrong_lengths(f):
    obs = in_obs(f, "short", "k", "masked")
    obs["short"] = np.int8([1, 2, 3])
    categorical(obs, "k", np.int8([0] * 5), ["a"])
    g = obs.create_group("masked")
    mark(g, "nullable-integer", "0.1.0")
    g["values"] = np.int64([1, 2, 3, 4])
    g["mask"] = np.array([True])


def x_of_other_height(f):
    skeleton(f, x=False)
    f["X"] = np.ones((5, 3), dtype="f4")


def x_of_other_width(f):
    skeleton(f, x=False)
    f["X"] = np.ones((4, 2), dtype="f4")


# ---- row pointers, indices, codes ----

def sparse_pointers(f):
    g = layers(f)
    big = np.array([0, 2, 3, 3, 2**62])
    csr(g, "beyond", DATA, INDICES, big)
    csr(g, "huge_middle", DATA, INDICES, np.array([0, 2**62, 3, 3, 6]))
    csr(g, "unsigned", DATA, INDICES, np.array([0, U64, 3, 3, 6], dtype="u8"))
    csr(g, "first_not_zero", DATA, INDICES, np.array([1, 2, 3, 3, 6]))
    csr(g, "descending", DATA, INDICES, np.array([0, 3, 2, 3, 6]))
    csr(g, "negative", DATA, INDICES, np.array([-1, 2, 3, 3, 6]))
    csr(g, "too_long", DATA, INDICES, np.array([0, 2, 3, 3, 6, 6]))
    csr(g, "none", DATA, INDICES, np.array([], dtype="i8"))
    csr(g, "floats", DATA, INDICES, INDPTR.astype("f8"))
    csr(g, "two_d", DATA, INDICES, INDPTR.reshape(1, 5))
    csr(g, "texts", DATA, INDICES, np.array([b"0"] * 5))
    csr(g, "compound", DATA, INDICES, np.zeros(5, dtype=[("a", "i8")]))


def sparse_indices(f):
    g = layers(f)
    for name, kind, value in (("three", "i4", 3), ("minus", "i4", -1),
                              ("max32", "i4", 2**31 - 1), ("u32", "u4", 2**32 - 1),
                              ("max64", "i8", 2**62), ("u64", "u8", U64),
                              ("big", ">i4", 0x03000000)):
        indices = INDICES.astype(kind)
        indices[4] = value
        csr(g, name, DATA, indices, INDPTR)
    csr(g, "texts", DATA, np.array([b"0"] * 6), INDPTR)
    csr(g, "floats", DATA, INDICES.astype("f4"), INDPTR)
    csr(g, "two_d", DATA, INDICES.reshape(6, 1), INDPTR)
    csr(g, "filtered", DATA, np.int32([0, 2, 1, 0, 77, 2]), INDPTR,
        chunks=(4,), compression="gzip")


def csc_indices(f):
    g = layers(f)
    indptr = np.array([0, 2, 4, 6])
    rows = np.array([0, 3, 1, 3, 0, 3])

    def csc(name, indices, pointers, shape=(4, 3)):
        mark(csr(g, name, DATA, indices, pointers, shape), "csc_matrix",
             "0.1.0")

    csc("good", rows, indptr)
    csc("four", np.array([0, 4, 1, 3, 0, 3]), indptr)
    csc("minus", np.array([0, -1, 1, 3, 0, 3]), indptr)
    csc("huge", np.array([0, 2**62, 1, 3, 0, 3]), indptr)
    csc("descending", rows, np.array([0, 4, 2, 6]))
    csc("beyond", rows, np.array([0, 2, 4, 2**62]))
    csc("first_not_zero", rows, np.array([1, 2, 4, 6]))
    csc("by_row", rows, np.array([0, 2, 4, 6, 6]))
    csc("floats", rows, indptr.astype("f4"))


def csc_2_40_not_stored(f):
    skeleton(f, x=False)
    g = f.create_group("X")
    mark(g, "csc_matrix", "0.1.0")
    g.attrs["shape"] = np.array([4, 3])
    for name, kind in (("data", "f4"), ("indices", "i4")):
        g.create_dataset(name, shape=(3 * 2**40,), dtype=kind, chunks=(2**20,))
    g["indptr"] = np.arange(4, dtype="i8") * 2**40


def sparse_data(f):
    g = layers(f)
    csr(g, "texts", np.array([b"1"] * 6), INDICES, INDPTR)
    csr(g, "compound", np.zeros(6, dtype=[("a", "f4")]), INDICES, INDPTR)
    csr(g, "two_d", DATA.reshape(6, 1), INDICES, INDPTR)
    csr(g, "short", DATA[:3], INDICES, INDPTR)
    csr(g, "vlen", text(["1"] * 6), INDICES, INDPTR)
    for name, shape in (("three_dims", [4, 3, 1]), ("minus", [-4, -3]),
                        ("2_62", [2**62, 3]), ("one_dim", [4]),
                        ("other", [4, 4])):
        s = csr(g, "shape_" + name, DATA, INDICES, INDPTR)
        s.attrs["shape"] = np.array(shape)
    s = csr(g, "shape_floats", DATA, INDICES, INDPTR)
    s.attrs["shape"] = np.array([4.0, 3.0])
    s = csr(g, "shape_text", DATA, INDICES, INDPTR)
    s.attrs["shape"] = "4, 3"
    s = csr(g, "indices_are_a_group", DATA, INDICES, INDPTR)
    del s["indices"]
    s.create_group("indices")


def code_too_high(f):
    categorical(in_obs(f, "k"), "k", np.int8([0, 127, 0, 0]), ["a", "b"])


def code_too_low(f):
    categorical(in_obs(f, "k"), "k", np.int8([0, -2, 0, 0]), ["a", "b"])


def code_unsigned(f):
    categorical(in_obs(f, "k"), "k", np.uint8([0, 255, 0, 0]), ["a", "b"])


def code_of_64_bits(f):
    categorical(in_obs(f, "k"), "k", np.int64([0, 2**40, 0, 0]), ["a", "b"])


def code_without_categories(f):
    categorical(in_obs(f, "k"), "k", np.int8([0, 0, 0, 0]), [])


def codes_of_odd_types(f):
    obs = in_obs(f, "floats", "texts", "two_d", "cats_2d", "cats_group",
                 "no_cats", "cats_null", "n")
    categorical(obs, "floats", np.float32([0, 1, 0, 1]), ["a", "b"])
    categorical(obs, "texts", np.array([b"0"] * 4), ["a", "b"])
    categorical(obs, "two_d", np.int8([[0, 1, 0, 1]]), ["a", "b"])
    categorical(obs, "cats_2d", np.int8([0, 1, 0, 1]),
                np.array([[b"a", b"b"]]))
    g = categorical(obs, "cats_group", np.int8([0, 1, 0, 1]), ["a"])
    del g["categories"]
    g.create_group("categories")
    del categorical(obs, "no_cats", np.int8([0] * 4), ["a"])["categories"]
    g = categorical(obs, "cats_null", np.int8([0] * 4), ["a"])
    del g["categories"]
    null_space(g, "categories")
    obs["n"] = np.int8([1, 2, 3, 4])


# ---- attributes ----

def encodings_of_wrong_type(f):
    names = ["number", "array", "empty", "long", "invalid", "null"]
    obs = in_obs(f, *names)
    values = {"number": 7, "array": np.array([b"a", b"b"]), "empty": "",
              "long": "x" * 60000, "invalid": np.bytes_(b"\xff\xfe\n\x07\""),
              "null": h5py.Empty("S1")}
    for name in names:
        obs[name] = np.int8([1, 2, 3, 4])
        obs[name].attrs["encoding-type"] = values[name]
        obs[name].attrs["encoding-version"] = values[name]


def x_encoding_is_a_number(f):
    skeleton(f, x=False)
    g = csr(f, "X", DATA, INDICES, INDPTR)
    g.attrs["encoding-type"] = 7


def x_encoding_is_a_reference(f):
    skeleton(f, x=False)
    g = csr(f, "X", DATA, INDICES, INDPTR)
    del g.attrs["encoding-type"]
    g.attrs.create("encoding-type", f["obs"].ref, dtype=h5py.ref_dtype)


def index_attribute_is_a_number(f):
    skeleton(f)
    f["obs"].attrs["_index"] = 1


def index_attribute_leads_away(f):
    skeleton(f)
    f["obs"].attrs["_index"] = "../var/_index"


def index_attribute_is_empty(f):
    skeleton(f)
    f["obs"].attrs["_index"] = ""


def index_is_two_d(f):
    skeleton(f)
    del f["obs/_index"]
    f["obs"]["_index"] = np.array([[b"a", b"b"], [b"c", b"d"]])


def order_of_absent_names(f):
    obs = in_obs(f, "gone", "n", "/", ".", "..", "../X", "a\nb'c\"d\\e", "/X",
                 "//", "n/", "x" * 5000)
    obs["n"] = np.int8([1, 2, 3, 4])


def order_of_many_names(f):
    obs = in_obs(f, "n")
    obs["n"] = np.int8([1, 2, 3, 4])
    obs.attrs.create("column-order",
                     np.array([b"c%05d" % i for i in range(100000)]))


def order_of_one_name_often(f):
    obs = in_obs(f, "n")
    obs["n"] = np.int8([1, 2, 3, 4])
    obs.attrs.create("column-order", np.array([b"n"] * 50000))


def columns_beyond_limit(f):
    """1,700 columns that are one dataset."""
    names = ["c%04d" % i for i in range(1700)]
    obs = in_obs(f)
    obs["n"] = np.int8([1, 2, 3, 4])
    obs.attrs.create("column-order", np.array([n.encode() for n in names]))
    for name in names:
        obs[name] = obs["n"]


def order_is_a_number(f):
    in_obs(f).attrs["column-order"] = 7


def order_is_two_d(f):
    obs = in_obs(f)
    obs["n"] = np.int8([1, 2, 3, 4])
    obs.attrs["column-order"] = np.array([[b"n", b"n"]])


def order_is_huge(f):
    """An attribute that says it has 2^40 names."""
    obs = in_obs(f)
    obs.attrs.create("column-order", np.array([b"n"] * 0x1234))

    def patch(content):
        at = find_once(content, struct.pack("<QQ", 0x1234, 0x1234))
        put(content, at, struct.pack("<QQ", 2**40, 2**40))
        fix_header(content, at)
    return patch


def reference_to_nowhere(f):
    """The categories of anndata 0.7, behind references that lead nowhere."""
    obs = in_obs(f, "null", "gone", "wild", "dataset")
    for name in ("null", "gone", "wild", "dataset"):
        obs[name] = np.int8([0, 1, 0, 1])
    obs["null"].attrs.create("categories", h5py.Reference(),
                             dtype=h5py.ref_dtype)
    obs["target"] = np.array([b"a", b"b"])
    obs["gone"].attrs["categories"] = obs["target"].ref
    obs["dataset"].attrs["categories"] = obs["_index"].ref
    del obs["target"]
    obs["wild"].attrs["categories"] = obs["wild"].ref


def reference_beyond_the_file(f):
    obs = in_obs(f, "wild")
    obs["wild"] = np.int8([0, 1, 0, 1])
    obs["wild"].attrs["categories"] = obs["wild"].ref
    address = h5py.h5o.get_info(obs["wild"].id).addr

    def patch(content):
        at = content.find(b"categories\0")
        at = content.find(struct.pack("<Q", address), at)
        put(content, at, struct.pack("<Q", 2**60))
    return patch


# ---- types ----

def numbers_of_odd_types(f):
    names = ["three_bytes", "twenty_bits", "vax", "odd_float", "long_double",
             "opaque", "bitfield", "time", "array", "vlen", "enum",
             "reference", "compound", "n"]
    obs = in_obs(f, *names)
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_size(3)
    typed(obs, "three_bytes", kind, (4,))
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(20)
    kind.set_offset(3)
    typed(obs, "twenty_bits", kind, (4,))
    kind = h5py.h5t.VAX_F64 if hasattr(h5py.h5t, "VAX_F64") else \
        h5py.h5t.IEEE_F64BE
    typed(obs, "vax", kind, (4,))
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(30, 20, 10, 0, 20)
    kind.set_ebias(3)
    typed(obs, "odd_float", kind, (4,))
    typed(obs, "long_double", h5py.h5t.NATIVE_LDOUBLE, (4,))
    typed(obs, "opaque", h5py.h5t.create(h5py.h5t.OPAQUE, 2**12), (4,))
    typed(obs, "bitfield", h5py.h5t.STD_B16LE, (4,))
    typed(obs, "time", h5py.h5t.UNIX_D32LE, (4,))
    typed(obs, "array", h5py.h5t.array_create(h5py.h5t.STD_I8LE, (2, 2)), (4,))
    typed(obs, "vlen", h5py.h5t.vlen_create(h5py.h5t.STD_I8LE), (4,))
    typed(obs, "enum", h5py.h5t.py_create(
        h5py.enum_dtype({"x": 1}, basetype="i8"), logical=True), (4,))
    typed(obs, "reference", h5py.h5t.STD_REF_OBJ, (4,))
    typed(obs, "compound", h5py.h5t.py_create(
        np.dtype([("a", "i4"), ("b", "f8", (3,))])), (4,))
    obs["n"] = np.int8([1, 2, 3, 4])


def x_of_odd_types(f):
    g = layers(f)
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(20)
    kind.set_offset(3)
    typed(g, "twenty_bits", kind, (4, 3))
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(30, 20, 10, 0, 20)
    typed(g, "odd_float", kind, (4, 3))
    typed(g, "long_double", h5py.h5t.NATIVE_LDOUBLE, (4, 3))
    typed(g, "bitfield", h5py.h5t.STD_B16LE, (4, 3))
    typed(g, "reference", h5py.h5t.STD_REF_OBJ, (4, 3))
    typed(g, "array", h5py.h5t.array_create(h5py.h5t.STD_I8LE, (3,)), (4,))
    typed(g, "vlen", h5py.h5t.vlen_create(h5py.h5t.STD_I8LE), (4,))
    h5py.h5t.STD_I32LE.copy().commit(g.id, b"named_type")


def obs_is_a_type(f):
    skeleton(f)
    del f["obs"]
    f["obs"] = np.dtype("i4")


def obs_is_numbers(f):
    skeleton(f)
    del f["obs"]
    f["obs"] = np.int32([1, 2, 3, 4])


def compound_members_overlap(f):
    """The frame of anndata 0.6; a member lies inside another one."""
    kind = np.dtype([("index", "S8"), ("second", "<i8"), ("third", "<i8")])
    rows = [(b"cell%d" % i, 100 + i, 200 + i) for i in range(4)]
    f["obs"] = np.array(rows, dtype=kind)
    f["var"] = np.array([(b"g0",), (b"g1",), (b"g2",)],
                        dtype=[("index", "S2")])
    f["X"] = X

    def patch(content):
        at = find_once(content, b"third\0\0\0")
        assert content[at + 8:at + 12] == struct.pack("<I", 16)
        put(content, at + 8, struct.pack("<I", 4))
    return patch


def compound_member_outside(f):
    inside = compound_members_overlap(f)

    def patch(content):
        inside(content)
        put(content, find_once(content, b"third\0\0\0") + 8,
            struct.pack("<I", 2**31))
    return patch


def compound_nested(f):
    kind = np.dtype("i4")
    for _ in range(30):
        kind = np.dtype([("a", kind)])
    f["obs"] = np.zeros(4, dtype=[("index", "S2"), ("deep", kind)])
    f["var"] = np.array([(b"g0",), (b"g1",), (b"g2",)],
                        dtype=[("index", "S2")])
    f["X"] = X


# ---- strings ----

def heap(f, new):
    """The name of cell 1 as another element of the global heap."""
    skeleton(f)
    at = f["obs/_index"].id.get_offset() + 16

    def patch(content):
        length, address, index = struct.unpack_from("<IQI", content, at)
        put(content, at, struct.pack("<IQI", *new(length, address, index)))
    return patch


def string_beyond_file(f):
    return heap(f, lambda n, address, i: (n, 2**40, i))


def string_at_superblock(f):
    return heap(f, lambda n, address, i: (n, 0, i))


def string_of_no_object(f):
    return heap(f, lambda n, address, i: (n, address, 60000))


def string_of_4_gb(f):
    return heap(f, lambda n, address, i: (2**32 - 1, address, i))


def string_longer_than_object(f):
    return heap(f, lambda n, address, i: (n + 5000, address, i))


def string_with_nul(f):
    skeleton(f)

    def patch(content):
        at = find_once(content, b"c2\0\0\0\0\0\0")
        put(content, at, b"c\0")
    return patch


def heap_object_of_2_60(f):
    skeleton(f)

    def patch(content):
        at = find_once(content, b"c2\0\0\0\0\0\0")
        put(content, at - 8, struct.pack("<Q", 2**60))
    return patch


def fixed_string_of_1_gb(f):
    """One gene whose name is said to be a gigabyte long."""
    skeleton(f, x=False)
    del f["var/_index"]
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(2**30)
    h5py.h5d.create(f["var"].id, b"_index", kind,
                    h5py.h5s.create_simple((3,)), creation_list())


# ---- structures of the format ----

def tree_of_chunks_in_itself(f):
    skeleton(f, x=False)
    f.create_dataset("X", data=X, chunks=(2, 2))

    def patch(content):
        at = find_once(content, b"TREE\x01")
        put(content, at + 5, b"\x01")
        # after the key of three dimensions: the first child
        put(content, at + 24 + 8 + 3 * 8, struct.pack("<Q", at))
    return patch


def tree_of_chunks_of_level_255(f):
    skeleton(f, x=False)
    f.create_dataset("X", data=X, chunks=(2, 2))
    return lambda content: put(content, find_once(content, b"TREE\x01") + 5,
                               b"\xff")


def tree_of_chunks_with_60000_entries(f):
    skeleton(f, x=False)
    f.create_dataset("X", data=X, chunks=(2, 2))
    return lambda content: put(content, find_once(content, b"TREE\x01") + 6,
                               struct.pack("<H", 60000))


def tree_of_names_in_itself(f):
    skeleton(f)

    def patch(content):
        at = content.find(b"TREE\x00")
        put(content, at + 5, b"\x01")
        put(content, at + 24 + 8, struct.pack("<Q", at))
    return patch


def names_beyond_heap(f):
    """A link whose name lies behind the end of its heap."""
    skeleton(f)

    def patch(content):
        at = content.find(b"SNOD")
        put(content, at + 8, struct.pack("<Q", 2**40))
    return patch


def chunk_elsewhere(address):
    def write(f):
        skeleton(f, x=False)
        f.create_dataset("X", data=X, chunks=(4, 3))

        def patch(content):
            at = find_once(content, b"TREE\x01")
            put(content, at + 24 + 8 + 3 * 8, struct.pack("<Q", address))
        return patch
    return write


def chunk_of_size(size):
    def write(f):
        skeleton(f, x=False)
        f.create_dataset("X", data=X, chunks=(4, 3), compression="gzip")

        def patch(content):
            at = find_once(content, b"TREE\x01")
            put(content, at + 24, struct.pack("<I", size))
        return patch
    return write


def contiguous_beyond_file(f):
    skeleton(f)
    at = f["X"].id.get_offset()

    def patch(content):
        put(content, find_once(content, struct.pack("<QQ", at, 48)),
            struct.pack("<Q", 2**40))
    return patch


def contiguous_shorter_than_shape(f):
    skeleton(f)
    at = f["X"].id.get_offset()

    def patch(content):
        put(content, find_once(content, struct.pack("<QQ", at, 48)) + 8,
            struct.pack("<Q", 8))
    return patch


def superblock(offset, new):
    def write(f):
        skeleton(f)
        return lambda content: put(content, offset, new)
    return write


def root_is_everywhere(f):
    """The root's object header lies beyond the file."""
    skeleton(f)
    return lambda content: put(content, 64, struct.pack("<Q", 2**50))


def header_continues_into_itself(f):
    """A continuation block that is the header that names it; its place is
    taken by an attribute."""
    skeleton(f)
    f["obs"].attrs["placeholder"] = np.zeros(8, dtype="i8")
    address = h5py.h5o.get_info(f["obs"].id).addr

    def patch(content):
        at = find_once(content, b"placeholder\0") - 16
        put(content, at, struct.pack("<H", 0x10))
        put(content, at + 8, struct.pack("<QQ", address + 16, 256))
    return patch


def many_attributes(f):
    """For 015_hostile.pl, which puts tens of thousands of attributes in the
    place of this one."""
    skeleton(f)
    for name in ("obs", "var", "X"):
        f[name].attrs["placeholder-" + name] = np.zeros(8, dtype="i8")


# ---- filters and what inflates ----

def filters(f):
    g = layers(f)
    whole = X.tobytes()
    packed = zlib.compress(whole)
    at = (0, 0)

    def one(name, stored, pipeline, mask=0):
        direct(g, name, (4, 3), (4, 3), {at: stored}, filters=pipeline,
               masks=[mask])

    deflate = (1, (6,))
    one("good", packed, [deflate])
    one("none_applied", whole, [deflate], 1)
    one("short", zlib.compress(whole[:20]), [deflate])
    one("long", zlib.compress(whole + b"\0"), [deflate])
    one("longer", zlib.compress(whole + b"\0" * 2**20), [deflate])
    one("cut", packed[:-6], [deflate])
    one("no_checksum", packed[:-4] + b"\0\0\0\0", [deflate])
    one("noise", bytes((i * 157 + 11) % 256 for i in range(500)), [deflate])
    one("nothing", b"\0", [deflate])
    one("unfiltered_short", whole[:-1], [])
    twice = packed
    for _ in range(6):
        twice = zlib.compress(twice)
    one("seven_times", twice, [deflate] * 7)
    nine = twice
    for _ in range(5):
        nine = zlib.compress(nine)
    one("twelve_times", nine, [deflate] * 12)
    one("shuffle_of_0", whole, [(2, (0,))])
    one("shuffle_of_2_31", whole, [(2, (2**31,))])
    one("shuffle_of_7", whole, [(2, (7,))])
    one("lzf_noise", b"\xff" * 300, [(32000, (4, 261, 48))])
    one("lzf_2_31", b"\x00a" * 24, [(32000, (4, 261, 2**31))])
    one("unknown", whole, [(60000, (1, 2, 3))])
    one("unknown_skipped", whole, [(60000, (1, 2, 3))], 1)
    one("szip", whole, [(4, (141, 8, 12, 4))])
    one("nbit", whole, [(5, (1, 2, 3))])
    one("scale_offset", whole, [(6, (1, 2, 3))])
    one("zstd_noise", b"\x28\xb5\x2f\xfd" + b"\xff" * 90, [(32015, (3,))])
    # a gigabyte of zeros, in runs of 128 kB; then one that only says it is large
    run = struct.pack("<I", (2**17 << 3) | 2)[:3] + b"\0"
    zstd = b"\x28\xb5\x2f\xfd\0\x58" + run * 8191 + b"\x03\0\x10\0"
    one("zstd_1_gb", zstd, [(32015, (3,))])
    one("zstd_2_60", b"\x28\xb5\x2f\xfd\xc0" + struct.pack("<BQ", 0x58, 2**60) +
        b"\x01\0\0", [(32015, (3,))])
    # 1 MB of zeros: a literal, and a match of them of the distance 1
    lz4 = b"\x1f\0\1\0" + b"\xff" * 4111 + b"\xf6\x50" + b"\0" * 5
    one("lz4_1_mb", struct.pack(">QII", 2**20, 2**20, len(lz4)) + lz4,
        [(32004, (0,))])
    one("lz4_beyond", struct.pack(">QII", 48, 48, len(lz4)) + lz4,
        [(32004, (0,))])
    one("lz4_noise", b"\xff" * 90, [(32004, (0,))])
    one("lz4_2_62", struct.pack(">QI", 2**62, 2**30) + b"\0" * 40,
        [(32004, (0,))])
    one("lz4_block_0", struct.pack(">QI", 48, 0) + b"\0" * 40, [(32004, (0,))])
    one("lz4_block_beyond", struct.pack(">QII", 48, 48, 2**31) + b"\0" * 40,
        [(32004, (0,))])
    one("blosc_noise", b"\xff" * 90, [(32001, (2, 2, 4, 48, 5, 1, 0))])
    one("blosc_beyond", b"\x02\x01\x31\x04" + struct.pack(
        "<IIIII", 48, 48, len(lz4) + 24, 20, len(lz4)) + lz4,
        [(32001, (2, 2, 4, 48, 5, 1, 1))])
    one("blosc_2_gb", b"\x02\x01\x21\x04" +
        struct.pack("<III", 2**31 - 1, 2**16, 90) + b"\0" * 74,
        [(32001, (2, 2, 4, 48, 5, 1, 0))])
    one("blosc_block_0", b"\x02\x01\x21\x04" + struct.pack("<III", 48, 0, 90) +
        b"\0" * 74, [(32001, (2, 2, 4, 48, 5, 1, 0))])
    one("bitshuffle_noise", b"\xff" * 90, [(32008, (0, 4, 4, 0, 2))])
    one("bitshuffle_2_62", struct.pack(">QI", 2**62, 2**30) + b"\0" * 90,
        [(32008, (0, 4, 4, 0, 2))])
    one("bitshuffle_beyond", struct.pack(">QII", 48, 2**20, len(lz4)) + lz4,
        [(32008, (0, 4, 4, 0, 2))])
    one("bitshuffle_zstd", struct.pack(">QII", 48, 2**20, len(zstd)) + zstd,
        [(32008, (0, 4, 4, 0, 3))])
    one("bitshuffle_of_0", struct.pack(">QI", 48, 0) + b"\0" * 90,
        [(32008, (0, 4, 0, 0, 2))])


def checksum_wrong(f):
    """One byte of X differs from its fletcher32."""
    skeleton(f, x=False)
    f.create_dataset("X", data=np.float32([[11, 12, 13]] * 4), chunks=(2, 3),
                     fletcher32=True)
    return lambda content: put(
        content, content.find(struct.pack("<f", 13)), struct.pack("<f", 14))


def checksum_wrong_in_obs(f):
    obs = in_obs(f, "n")
    obs.create_dataset("n", data=np.int32([1001, 1002, 1003, 1004]),
                       chunks=(4,), fletcher32=True)
    return lambda content: put(
        content, find_once(content, struct.pack("<i", 1003)),
        struct.pack("<i", 1005))


def inflates(parent, name, chunk):
    """A chunk in whose place 015_hostile.pl puts others: of 4,951 bytes, so
    that its entry in the tree of chunks can be found."""
    direct(parent, name, (4, 3), chunk, {(0, 0): b"\xaa" * 0x1357}, "<f4",
           [(1, (6,))])


def inflates_to_1_gb(f):
    """A chunk that says it is a gigabyte, and one of 48 bytes."""
    skeleton(f, x=False)
    inflates(f, "X", (2**14, 2**14))


def inflates_beyond_its_chunk(f):
    skeleton(f, x=False)
    inflates(f, "X", (4, 3))


def inflates_to_more_than_1_gb(f):
    skeleton(f, x=False)
    inflates(f, "X", (2**14, 2**14 + 2**13))


def inflates_in_obs(f):
    obs = in_obs(f, "n")
    direct(obs, "n", (4,), (2**27,), {(0,): b"\xaa" * 0x1357}, "<i8",
           [(1, (6,))])


# ---- other formats ----

def tenx(f):
    """A 10x file whose shape does not fit its matrix."""
    g = f.create_group("matrix")
    g["barcodes"] = np.array([b"AAAC-1", b"AAAG-1", b"AAAT-1", b"AACA-1"])
    g["features/id"] = np.array([b"g0", b"g1", b"g2"])
    g["features/name"] = np.array([b"G0", b"G1", b"G2"])
    g["features/feature_type"] = np.array([b"Gene Expression"] * 3)
    g["features/genome"] = np.array([b"x"] * 3)
    g["data"], g["indices"], g["indptr"] = DATA, INDICES, INDPTR
    g["shape"] = np.int32([3, 4])
    return g


def tenx_of_other_shape(f):
    g = tenx(f)
    del g["shape"]
    g["shape"] = np.int32([4, 4])


def tenx_with_absurd_shape(f):
    g = tenx(f)
    del g["shape"]
    g["shape"] = np.int64([2**62, -1])


def tenx_index_out_of_range(f):
    g = tenx(f)
    del g["indices"]
    g["indices"] = np.int64([0, 2, 1, 0, 3, 2])


def tenx_without_features(f):
    del tenx(f)["features"]


def mudata_of_itself(f):
    mark(f, "MuData", "0.1.0")
    frame(f, "obs", ["c0"])
    frame(f, "var", ["g0"])
    f.create_group("mod")
    f["mod/rna"] = f["/"]
    f["mod/loop"] = h5py.SoftLink("/mod/loop")
    f["mod/away"] = h5py.ExternalLink("other.h5mu", "/mod/rna")
    f["mod/number"] = 5


def loom(f):
    f.attrs["LOOM_SPEC_VERSION"] = "3.0.0"
    for name in ("attrs", "row_attrs", "col_attrs", "layers", "row_graphs",
                 "col_graphs"):
        f.create_group(name)
    f["matrix"] = np.zeros((3, 4), dtype="f4")
    f["row_attrs/Gene"] = text(["g0", "g1", "g2"])
    f["col_attrs/CellID"] = text(["c0", "c1", "c2", "c3"])


def nothing_in_it(f):
    del f


# Those that need the structures of HDF5 1.10 and later
NEW = [user_defined_link, virtual, order_of_many_names,
       order_of_one_name_often, columns_beyond_limit, order_is_huge]

OLD = [
    group_in_itself, soft_link_loop, obs_links_to_itself, obs_is_root,
    x_is_root, categories_are_the_column, path_of_ten_thousand_groups,
    external_everything, external_obs, external_indices, external_storage,
    external_storage_of_codes, rows_2_62, cells_2_62, cells_2_31,
    cells_2_30_not_stored, column_2_40_not_stored, categories_2_40_not_stored,
    categories_2_27_not_stored, genes_2_40_not_stored, sparse_2_40_not_stored,
    indptr_2_40_not_stored, chunk_of_4_gb, one_byte_chunks, rank_32,
    scalar_everywhere, wrong_lengths, x_of_other_height, x_of_other_width,
    sparse_pointers, sparse_indices, csc_indices, csc_2_40_not_stored,
    sparse_data, code_too_high, code_too_low, code_unsigned, code_of_64_bits,
    code_without_categories, codes_of_odd_types, encodings_of_wrong_type,
    x_encoding_is_a_number, x_encoding_is_a_reference,
    index_attribute_is_a_number, index_attribute_leads_away,
    index_attribute_is_empty, index_is_two_d, order_of_absent_names,
    order_is_a_number, order_is_two_d, reference_to_nowhere,
    reference_beyond_the_file, numbers_of_odd_types, x_of_odd_types,
    obs_is_a_type, obs_is_numbers, compound_members_overlap,
    compound_member_outside, compound_nested, string_beyond_file,
    string_at_superblock, string_of_no_object, string_of_4_gb,
    string_longer_than_object, string_with_nul, heap_object_of_2_60,
    fixed_string_of_1_gb, tree_of_chunks_in_itself,
    tree_of_chunks_of_level_255, tree_of_chunks_with_60000_entries,
    tree_of_names_in_itself, names_beyond_heap, contiguous_beyond_file,
    contiguous_shorter_than_shape, root_is_everywhere,
    header_continues_into_itself, many_attributes, filters, checksum_wrong,
    checksum_wrong_in_obs, inflates_to_1_gb, inflates_beyond_its_chunk,
    inflates_to_more_than_1_gb, inflates_in_obs, tenx_of_other_shape,
    tenx_with_absurd_shape, tenx_index_out_of_range, tenx_without_features,
    mudata_of_itself, loom, nothing_in_it,
]

NAMED = {
    "chunk_at_superblock": chunk_elsewhere(0),
    "chunk_beyond_file": chunk_elsewhere(2**40),
    "chunk_of_no_address": chunk_elsewhere(2**63),
    "chunk_of_no_bytes": chunk_of_size(0),
    "chunk_of_4_gb_stored": chunk_of_size(2**32 - 1),
    "superblock_version": superblock(8, b"\xfe"),
    "superblock_offsets_of_3": superblock(13, b"\x03"),
    "superblock_lengths_of_0": superblock(14, b"\x00"),
    "superblock_base": superblock(24, struct.pack("<Q", 2**50)),
    "superblock_end_too_large": superblock(40, struct.pack("<Q", 2**50)),
    "superblock_end_too_small": superblock(40, struct.pack("<Q", 100)),
    "superblock_driver": superblock(48, struct.pack("<Q", 512)),
    "superblock_tree_of_0": superblock(16, b"\0\0\0\0"),
}


def write(path, writer, **options):
    """One file, and its bytes patched where the writer says so."""
    with h5py.File(path, "w", track_order=False, **options) as f:
        patch = writer(f)
    if callable(patch):
        with open(path, "rb") as f:
            content = bytearray(f.read())
        patch(content)
        with open(path, "wb") as f:
            f.write(content)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    directory = sys.argv[1] if len(sys.argv) > 1 else \
        os.path.join(here, "hostile")
    os.makedirs(directory, exist_ok=True)
    for writer in OLD:
        write(os.path.join(directory, writer.__name__ + ".h5ad"), writer)
    for writer in NEW:
        write(os.path.join(directory, writer.__name__ + ".h5ad"), writer,
              libver=("v110", "v110"))
    for name, writer in NAMED.items():
        write(os.path.join(directory, name + ".h5ad"), writer)


if __name__ == "__main__":
    main()
