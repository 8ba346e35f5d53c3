#!/usr/bin/env python3
"""make_h5ad_fixtures.py
    Writes the small h5ad files of test/data/h5ad, one for each odd thing.

Each file is named after what is odd about it; everything else in it is plain:
four cells (c0 to c3), three genes (g0 to g2), X dense.  h5py writes them, not
anndata, because many layouts are of old versions or of other writers, or are
damaged on purpose.  The unit tests say what is expected of each.

Usage: make_h5ad_fixtures.py [DIRECTORY]      (numpy and h5py are needed)
"""

import os
import sys

import h5py
import numpy as np

STRING = h5py.string_dtype()
X = np.array([[1, 0, 2], [0, 3, 0], [0, 0, 0], [4, 5, 6]], dtype=np.float32)
INDPTR = np.array([0, 2, 3, 3, 6])
INDICES = np.array([0, 2, 1, 0, 1, 2])
DATA = np.array([1, 2, 3, 4, 5, 6])


def text(values):
    """Strings as h5py wants them."""
    return np.array(values, dtype=object)


def mark(obj, encoding, version):
    """Set what anndata calls the encoding of an element."""
    obj.attrs["encoding-type"] = encoding
    obj.attrs["encoding-version"] = version


def frame(group, name, index, columns=()):
    """A dataframe without columns; columns fills column-order."""
    g = group.create_group(name)
    mark(g, "dataframe", "0.2.0")
    g.attrs["_index"] = "_index"
    if columns:
        g.attrs.create("column-order", text(columns), dtype=STRING)
    else:
        g.attrs["column-order"] = np.array([], dtype=np.float64)
    d = g.create_dataset("_index", data=text(index), dtype=STRING)
    mark(d, "string-array", "0.2.0")
    return g


def skeleton(f, columns=(), x=True):
    """A whole small file; returns its obs."""
    mark(f, "anndata", "0.1.0")
    obs = frame(f, "obs", ["c0", "c1", "c2", "c3"], columns)
    frame(f, "var", ["g0", "g1", "g2"])
    if x:
        f["X"] = X
    return obs


def categorical(obs, name, codes, categories, ordered=False):
    """A categorical column as anndata 0.8 writes it."""
    g = obs.create_group(name)
    mark(g, "categorical", "0.2.0")
    g.attrs["ordered"] = ordered
    g["codes"] = codes
    if isinstance(categories, list):
        g.create_dataset("categories", data=text(categories), dtype=STRING)
    else:
        g["categories"] = categories
    return g


def csr(f, name, data, indices, indptr, shape=(4, 3), **options):
    """A CSR matrix; options go to data and indices."""
    g = f.create_group(name)
    mark(g, "csr_matrix", "0.1.0")
    g.attrs["shape"] = np.array(shape)
    g.create_dataset("data", data=data, **options)
    g.create_dataset("indices", data=indices, **options)
    g["indptr"] = indptr
    return g


def creation_list():
    """Properties of a dataset made by hand; no times, so that files repeat."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    return plist


def null_space(parent, name):
    """A dataset without values, as anndata writes None."""
    parent.create_dataset(name, data=h5py.Empty("f4"))


# ---- columns ----

def categories_of_all_types(f):
    obs = skeleton(f, ["strings", "integers", "floats", "bools", "none",
                       "ordered", "repeated", "unsigned", "narrow"])
    categorical(obs, "strings", np.int8([0, 1, -1, 1]), ["a", "b"])
    categorical(obs, "integers", np.int16([1, 0, 1, 0]), np.int64([-5, 7]))
    categorical(obs, "floats", np.int32([0, 1, 2, 0]),
                np.float64([0.5, 1e20, np.nan]))
    categorical(obs, "bools", np.int8([0, 1, 0, -1]), np.array([False, True]))
    categorical(obs, "none", np.int8([-1] * 4), np.array([], dtype="f8"))
    categorical(obs, "ordered", np.int64([2, 1, 0, 2]), ["lo", "mid", "hi"],
                ordered=True)
    categorical(obs, "repeated", np.int8([0, 1, 2, 1]), ["x", "y", "x"])
    categorical(obs, "unsigned", np.uint8([0, 1, 0, 1]), ["p", "q"])
    categorical(obs, "narrow", np.int8([0, 1, 2, 0]),
                np.float32([0.1, 16777216, 2.5]))


def numbers_of_all_types(f):
    names = [k + str(b) for k in ("i", "u") for b in (8, 16, 32, 64)]
    names += ["f16", "f32", "f64", "i32be", "f64be", "bool", "u64big"]
    obs = skeleton(f, names)
    for name in names[:8]:
        kind, bits = name[0], int(name[1:])
        info = np.iinfo(f"{kind}{bits // 8}")
        top = min(info.max, 2**63 - 1)
        obs[name] = np.array([info.min, 0, 1, top], dtype=info.dtype)
    for name in ("f16", "f32", "f64"):
        obs[name] = np.array([0.5, np.nan, np.inf, -2],
                             dtype=f"f{int(name[1:]) // 8}")
    obs["i32be"] = np.array([1, -2, 3, 2**31 - 1], dtype=">i4")
    obs["f64be"] = np.array([1.5, -2.5, 0, 1e300], dtype=">f8")
    obs["bool"] = np.array([True, False, False, True])
    obs["u64big"] = np.array([0, 2**64 - 1, 1, 2], dtype="u8")


def nullable(f):
    obs = skeleton(f, ["int", "bool", "str", "plain"])
    values = {"int": np.int64([1, 2, 3, 4]),
              "bool": np.array([True, False, True, False]),
              "str": text(["a", "a", "", "b"])}
    encodings = {"int": "nullable-integer", "bool": "nullable-boolean",
                 "str": "nullable-string-array"}
    for name, data in values.items():
        g = obs.create_group(name)
        mark(g, encodings[name], "0.1.0")
        if name == "str":
            g.create_dataset("values", data=data, dtype=STRING)
        else:
            g["values"] = data
        g["mask"] = np.array([False, True, False, name == "int"])
    g = obs.create_group("plain")
    mark(g, "nullable-integer", "0.1.0")
    g["values"] = np.int32([1, 2, 3, 4])


def nullable_beyond_bigint(f):
    """Unsigned integers above 2^63, missing in one column and not in the
    other."""
    obs = skeleton(f, ["masked", "bare"])
    for name in ("masked", "bare"):
        g = obs.create_group(name)
        mark(g, "nullable-integer", "0.1.0")
        g["values"] = np.uint64([1, 2**64 - 1, 2**63, 2**63 - 1])
        g["mask"] = np.array([False, True, name == "masked", False])


def column_names_not_utf8(f):
    """Three names that are one as valid UTF-8; the first is listed twice."""
    obs = skeleton(f)
    names = [b"a\xff", b"n", b"a\xfe", "a\ufffd".encode(), b"a\xff"]
    obs.attrs.create("column-order", text(names), dtype=STRING)
    for i, name in enumerate(names[:4]):
        obs[name] = np.int8([i, 1, 2, 3])


def strings_of_all_kinds(f):
    obs = skeleton(f, ["fixed", "padded", "utf8", "invalid", "few", "null"])
    obs["fixed"] = np.array([b"ab", b"", b"abcd", b"x"], dtype="S4")
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(4)
    kind.set_strpad(h5py.h5t.STR_SPACEPAD)
    space = h5py.h5s.create_simple((4,))
    d = h5py.h5d.create(obs.id, b"padded", kind, space, creation_list())
    d.write(space, space, np.array([b"a   ", b"  b ", b"    ", b"cdef"],
                                   dtype="S4"), kind)
    obs.create_dataset("utf8", data=text(["\u00e4", "\u4e2d", "\U0001f600",
                                          "z"]), dtype=STRING)
    obs["invalid"] = np.array([b"a\xffb", b"\xe4\xb8", b"\xed\xa0\x80",
                               b"a\x00b"], dtype="S4")
    obs.create_dataset("few", data=text(["u", "v", "u", "u"]), dtype=STRING,
                       chunks=(3,))
    obs.create_dataset("null", shape=(4,), dtype=STRING)


def column_in_group(f):
    obs = skeleton(f, ["deep/er", "gone", "deep/er", "_index"])
    obs["deep/er"] = np.int8([1, 2, 3, 4])


def column_types_left_out(f):
    obs = skeleton(f, ["two_d", "complex", "group", "when", "opaque", "fine",
                       "enum", "scalar", "future"])
    obs["two_d"] = np.zeros((4, 2))
    obs["complex"] = np.zeros(4, dtype="c8")
    obs.create_group("group")
    g = obs.create_group("when")
    mark(g, "datetime-array", "0.1.0")
    obs["opaque"] = np.zeros(4, dtype="V3")
    obs["fine"] = np.int8([1, 2, 3, 4])
    obs.create_dataset("enum", data=np.int8([0, 1, 2, 0]),
                       dtype=h5py.enum_dtype({"R": 0, "G": 1, "B": 2}))
    obs["scalar"] = 5
    obs["future"] = np.int8([1, 2, 3, 4])
    mark(obs["future"], "time\narray", "9")


def code_out_of_range(f):
    obs = skeleton(f, ["bad"])
    categorical(obs, "bad", np.int8([0, 1, 2, 0]), ["a", "b"])


def column_too_short(f):
    obs = skeleton(f, ["bad"])
    obs["bad"] = np.int8([1, 2, 3])


def index_is_categorical(f):
    obs = skeleton(f, ["_index"])
    del obs["_index"]
    categorical(obs, "_index", np.int8([0, 1, 2, 0]), ["p", "q", "r"])


def index_is_integer(f):
    obs = skeleton(f)
    del obs["_index"]
    obs["_index"] = np.int64([10, -2, 0, 7])


def replace_index(f, name, values):
    """Another index for obs or var: values as they are."""
    del f[name]["_index"]
    f[name]["_index"] = values


def index_is_float(f):
    skeleton(f)
    replace_index(f, "obs", np.float64([1, -0.1, 1e16, np.nan]))
    replace_index(f, "var", np.float32([0.1, 2, -np.inf]))


def index_is_boolean(f):
    """In var: integers, one of them masked."""
    skeleton(f)
    replace_index(f, "obs", np.array([True, False, True, True]))
    del f["var/_index"]
    g = f["var"].create_group("_index")
    mark(g, "nullable-integer", "0.1.0")
    g["values"] = np.int64([5, 6, 7])
    g["mask"] = np.array([False, True, False])


def index_is_category_of_numbers(f):
    obs = skeleton(f)
    del obs["_index"]
    categorical(obs, "_index", np.int8([0, 1, -1, 2]),
                np.float32([0.1, 3, 1e16]))
    del f["var/_index"]
    categorical(f["var"], "_index", np.int8([0, 1, 0]), np.array([False, True]))


def index_missing(f):
    obs = skeleton(f)
    del obs["_index"]


def no_column_order(f):
    obs = skeleton(f)
    del obs.attrs["column-order"]
    obs["b"] = np.int8([1, 2, 3, 4])
    obs["a"] = np.float32([1, 2, 3, 4])


def zero_cells(f):
    mark(f, "anndata", "0.1.0")
    obs = frame(f, "obs", [], ["label", "n"])
    obs.create_dataset("label", data=text([]), dtype=STRING)
    obs["n"] = np.array([], dtype="i4")
    frame(f, "var", ["g0", "g1", "g2"])
    csr(f, "X", np.float32([]), np.int32([]), np.int32([0]), (0, 3))


# ---- layouts of old versions ----

def anndata_0_7(f):
    for name, index in (("obs", ["c0", "c1", "c2", "c3"]),
                        ("var", ["g0", "g1", "g2"])):
        g = f.create_group(name)
        mark(g, "dataframe", "0.1.0")
        g.attrs["_index"] = "names"
        g.create_dataset("names", data=text(index), dtype=STRING)
    obs = f["obs"]
    obs.attrs.create("column-order", text(["kind", "lost", "n"]), dtype=STRING)
    f["var"].attrs["column-order"] = np.array([], dtype=np.float64)
    cats = obs.create_group("__categories")
    for name in ("kind", "lost"):
        cats.create_dataset(name, data=text(["a", "b"]), dtype=STRING)
        cats[name].attrs["ordered"] = name == "kind"
        obs[name] = np.int8([0, 1, -1, 1])
    obs["kind"].attrs["categories"] = cats["kind"].ref
    obs["lost"].attrs["categories"] = "not a reference"
    obs["n"] = np.int32([4, 3, 2, 1])
    f["X"] = X


def anndata_0_6(f):
    kind = np.dtype([("index", "S2"), ("kind", "i1"), ("one", "i1"),
                     ("n", "<i8"), ("many", "<f4", (2,)), ("flag", "?")])
    f["obs"] = np.array([(b"c0", 0, 0, 5, (0, 0), True),
                         (b"c1", 1, 0, 6, (0, 0), False),
                         (b"c2", -1, -1, 7, (0, 0), True),
                         (b"c3", 1, 0, 8, (0, 0), False)], dtype=kind)
    f.create_dataset("var", data=np.array(
        [("g0", "l"), ("g1", "m"), ("g2", "n")],
        dtype=[("index", STRING), ("label", STRING)]))
    f["uns/kind_categories"] = np.array([b"a", b"b"])
    f["uns/one_categories"] = "only"
    g = f.create_group("X")
    g.attrs["h5sparse_format"] = "csr"
    g.attrs["h5sparse_shape"] = np.array([4, 3])
    g["data"], g["indices"], g["indptr"] = DATA, INDICES, INDPTR
    f["raw.X"] = np.ones((4, 2), dtype="f4")
    f["raw.var"] = np.array([(b"r0",), (b"r1",)], dtype=[("index", "S2")])
    f["obsm"] = np.zeros(4, dtype=[("X_pca", "<f4", (2,))])


def uns_categories_of_another(f):
    """anndata 0.6: categories that are those of obs, and fields of that name
    elsewhere that hold something else."""
    f["obs"] = np.array([(b"c0", 0), (b"c1", 1), (b"c2", -1), (b"c3", 1)],
                        dtype=[("index", "S2"), ("kind", "i1")])
    f["var"] = np.array([(b"g0", 100), (b"g1", 200), (b"g2", 1)],
                        dtype=[("index", "S2"), ("kind", "<i8")])
    f["uns/kind_categories"] = np.array([b"a", b"b"])
    f["X"] = X
    f["raw.X"] = np.ones((4, 2), dtype="f4")
    f["raw.var"] = np.array([(b"r0", -2), (b"r1", 0)],
                            dtype=[("index", "S2"), ("kind", "i1")])


def one_gene_one_dimension(f):
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["c0", "c1", "c2", "c3"])
    frame(f, "var", ["g0"])
    f.create_dataset("X", data=np.float32([1, 2, 3, 4]), chunks=(3,))


def one_cell_one_dimension(f):
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["c0"])
    frame(f, "var", ["g0", "g1", "g2"])
    f.create_dataset("X", data=np.float32([1, 2, 3]), chunks=(2,))


# ---- matrices ----

def matrices_of_all_kinds(f):
    skeleton(f)
    layers = f.create_group("layers")
    for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4",
                 "f8", ">i4", ">f2", ">f8"):
        layers[kind] = X.astype(kind)
    layers["bool"] = X > 0
    layers.create_dataset("gzip", data=X, chunks=(3, 2), compression="gzip",
                          shuffle=True, fletcher32=True)
    layers.create_dataset("sparse", shape=(4, 3), dtype="f4", chunks=(2, 2),
                          fillvalue=7.5)
    layers["sparse"][0, 0] = 1
    layers.create_dataset("empty", shape=(4, 3), dtype=">i4", fillvalue=258)
    plist = creation_list()
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4, 3))
    d = h5py.h5d.create(layers.id, b"compact", h5py.h5t.IEEE_F32BE, space,
                        plist)
    d.write(space, space, X)
    csr(layers, "csr", DATA.astype("f4"), INDICES.astype("u1"),
        INDPTR.astype("i8"), chunks=(4,), compression="gzip")
    csr(layers, "csr_more", np.arange(9), np.zeros(8, dtype="i2"),
        INDPTR.astype(">u4"))
    layers["strings"] = np.array([[b"a"] * 3] * 4)
    layers["cube"] = np.zeros((4, 3, 2))
    layers["complex"] = np.zeros((4, 3), dtype="c8")
    layers["wide"] = np.zeros((4, 5))
    csc = csr(layers, "csc", DATA, INDICES, np.array([0, 2, 4, 6]))
    mark(csc, "csc_matrix", "0.1.0")
    null_space(layers, "null")
    obsm = f.create_group("obsm")
    obsm["pca"] = np.zeros((4, 2), dtype="f8")
    obsm["short"] = np.zeros((3, 2))
    obsm["words"] = np.array([[b"a"]] * 4)
    frame(obsm, "table", ["c0", "c1", "c2", "c3"])


def filter_unknown(f):
    obs = skeleton(f, ["n"])
    plist = creation_list()
    plist.set_chunk((4,))
    # An optional filter that nobody has is left out when writing, but it
    # stays in the list.
    plist.set_filter(32321, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(obs.id, b"n", h5py.h5t.STD_I32LE, space, plist)


def sparse_damage(f):
    skeleton(f)
    layers = f.create_group("layers")
    csr(layers, "descending", DATA, INDICES, np.array([0, 3, 2, 3, 6]))
    csr(layers, "not_from_zero", DATA, INDICES, np.array([1, 2, 3, 3, 6]))
    csr(layers, "negative", DATA, INDICES, np.array([0, -1, 3, 3, 6]))
    csr(layers, "short_indptr", DATA, INDICES, np.array([0, 2, 3, 6]))
    csr(layers, "short_data", DATA[:5], INDICES, INDPTR)
    csr(layers, "short_indices", DATA, INDICES[:5], INDPTR)
    csr(layers, "float_indices", DATA, INDICES.astype("f4"), INDPTR)
    csr(layers, "float_indptr", DATA, INDICES, INDPTR.astype("f4"))
    csr(layers, "wrong_shape", DATA, INDICES, INDPTR, (4, 4))
    csr(layers, "negative_shape", DATA, INDICES, INDPTR, (4, -3))
    del csr(layers, "no_shape", DATA, INDICES, INDPTR).attrs["shape"]
    del csr(layers, "no_indices", DATA, INDICES, INDPTR)["indices"]
    mark(csr(layers, "future", DATA, INDICES, INDPTR), "coo_matrix", "1")
    layers.create_group("bare")


def absurd_sizes(f):
    skeleton(f, ["huge"], x=False)
    f["obs"].create_dataset("huge", shape=(2**40,), dtype="i1", chunks=(2**20,))
    layers = f.create_group("layers")
    f.create_dataset("X", shape=(2**62, 3), dtype="f4", chunks=(1, 1))
    layers.create_dataset("chunks", shape=(4, 2**40), dtype="f4", chunks=(1, 1))


def links_that_leave(f):
    skeleton(f, ["outside", "around", "inside"])
    f["obs"]["outside"] = h5py.ExternalLink("other.h5", "/obs/n")
    f["obs"]["around"] = h5py.SoftLink("/obs/around")
    f["obs"]["n"] = np.int8([1, 2, 3, 4])
    f["obs"]["inside"] = h5py.SoftLink("/obs/n")
    layers = f.create_group("layers")
    layers["external"] = h5py.ExternalLink("other.h5", "/X")
    layers["behind"] = h5py.SoftLink("/layers/external")
    layers["nowhere"] = h5py.SoftLink("/no/where")
    space = h5py.h5s.create_simple((4, 3))
    plist = creation_list()
    plist.set_virtual(space, b"other.h5", b"X", space)
    h5py.h5d.create(layers.id, b"virtual", h5py.h5t.IEEE_F32LE, space, plist)
    plist = creation_list()
    plist.set_external(b"/etc/passwd", 0, 48)
    h5py.h5d.create(layers.id, b"elsewhere", h5py.h5t.IEEE_F32LE, space, plist)


def raw_elsewhere(f):
    skeleton(f)
    f["raw/X"] = h5py.ExternalLink("other.h5", "/X")


# ---- files that are something else ----

def other_10x(f):
    f["matrix/barcodes"] = np.array([b"AAAC"])


def other_loom(f):
    f.create_group("row_attrs")
    f.create_group("col_attrs")
    f["matrix"] = np.zeros((2, 2))


def other_mudata(f):
    mark(f, "MuData", "0.1.0")
    f.create_group("mod")
    frame(f, "obs", ["c0"])
    frame(f, "var", ["g0"])


def var_missing(f):
    skeleton(f)
    del f["var"]


def layers_without_x(f):
    skeleton(f, x=False)
    f["layers/only"] = X


def x_is_null(f):
    skeleton(f, x=False)
    null_space(f, "X")


def raw_is_null(f):
    """raw without content, as anndata.io.write_elem writes it; a column whose
    name ends in a slash."""
    skeleton(f)
    raw = f.create_dataset("raw", data=h5py.Empty("f4"))
    raw.attrs["encoding-type"] = "null"
    raw.attrs["encoding-version"] = "0.1.0"
    f["obs"].create_dataset("slash", data=np.arange(4))
    f["obs"].attrs["column-order"] = np.array(["slash/"], dtype=object)


FILES = [
    categories_of_all_types, numbers_of_all_types, nullable,
    nullable_beyond_bigint, column_names_not_utf8, strings_of_all_kinds,
    column_in_group, column_types_left_out, code_out_of_range, column_too_short, index_is_categorical,
    index_is_integer, index_is_float, index_is_boolean,
    index_is_category_of_numbers, index_missing, no_column_order, zero_cells,
    anndata_0_7, anndata_0_6, uns_categories_of_another,
    one_gene_one_dimension, one_cell_one_dimension,
    matrices_of_all_kinds, filter_unknown, sparse_damage, absurd_sizes,
    links_that_leave, raw_elsewhere, other_10x, other_loom, other_mudata, var_missing,
    layers_without_x, x_is_null, raw_is_null,
]


def damaged(directory):
    """Files that h5py would not write."""
    path = os.path.join(directory, "x_is_null.h5ad")
    with open(path, "rb") as f:
        whole = f.read()
    files = {"truncated.h5ad": whole[:-100], "empty.h5ad": b"",
             "not_hdf5.h5ad": b"barcode,gene\nc0,g0\n" * 40,
             "header_only.h5ad": whole[:40]}
    for name, content in files.items():
        with open(os.path.join(directory, name), "wb") as f:
            f.write(content)


def user_block(directory):
    """512 bytes before the superblock: every address is shifted."""
    path = os.path.join(directory, "user_block.h5ad")
    with h5py.File(path, "w", userblock_size=512) as f:
        skeleton(f)
        f.create_dataset("layers/chunked", data=X, chunks=(2, 2),
                         compression="gzip")
        csr(f, "layers/csr", DATA, INDICES, INDPTR, chunks=(4,))


def newest_format(directory):
    """libver latest: the newer chunk indexes, link and attribute storage."""
    path = os.path.join(directory, "newest_format.h5ad")
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        skeleton(f)
        layers = f.create_group("layers")
        layers.create_dataset("fixed", data=X, chunks=(3, 2))
        layers.create_dataset("single", data=X, chunks=(4, 3),
                              compression="gzip")
        layers.create_dataset("extensible", data=X, chunks=(3, 2),
                              maxshape=(None, 3), compression="gzip")
        layers.create_dataset("btree2", data=X, chunks=(3, 2),
                              maxshape=(None, None), compression="gzip")
        plist = creation_list()
        plist.set_chunk((3, 2))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((4, 3))
        d = h5py.h5d.create(layers.id, b"implicit", h5py.h5t.IEEE_F32LE, space,
                            plist)
        d.write(space, space, X)


def open_for_writing(directory):
    """A copy taken while the file was open for writing."""
    path = os.path.join(directory, "open_for_writing.h5ad")
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        skeleton(f)
        f.flush()
        with open(path, "rb") as copied:
            content = copied.read()
    with open(path, "wb") as f:
        f.write(content)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "h5ad")
    os.makedirs(directory, exist_ok=True)
    for write in FILES:
        path = os.path.join(directory, write.__name__ + ".h5ad")
        with h5py.File(path, "w", track_order=False) as f:
            write(f)
    damaged(directory)
    user_block(directory)
    newest_format(directory)
    open_for_writing(directory)


if __name__ == "__main__":
    main()
