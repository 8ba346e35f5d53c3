#!/usr/bin/env python3
"""make_h5ad_fixtures.py
    Writes the small h5ad files of test/data/h5ad, one for each odd thing.

Each file is named after what is odd about it; everything else in it is plain:
four cells (c0 to c3), three genes (g0 to g2), X dense.  h5py writes them, not
anndata, because many layouts are of old versions or of other writers, or are
damaged on purpose.  The unit tests say what is expected of each.

Usage: make_h5ad_fixtures.py [DIRECTORY]

numpy, h5py and hdf5plugin are needed.
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


def columns_of_all_writers(f):
    """What writers other than anndata, and its newest, do differently."""
    names = [f"code_{kind}" for kind in ("u2", "u4", "u8", ">i2", ">u4")]
    obs = skeleton(f, names + ["one", "none", "na", "nan", "f16", "utf8",
                               "deep/cat", "mask", "bool_u1", "null", "rec",
                               "awkward", "gone_null"])
    for name in names:
        signed = "i" in name
        categorical(obs, name, np.array([0, -1 if signed else 1, 0, 1]
                                        ).astype(name[5:]), ["a", "b"])
    for name, values in (("one", "only"), ("none", h5py.Empty("S1"))):
        g = categorical(obs, name, np.int8([0 if name == "one" else -1, -1,
                                            -1, -1]), [])
        del g["categories"]
        g.create_dataset("categories", data=values)
    for name, word in (("na", "NA"), ("nan", "NaN")):
        g = obs.create_group(name)
        mark(g, "nullable-string-array", "0.1.0")
        g.attrs["na-value"] = word
        g.create_dataset("values", data=text(["x", "", "", "y"]),
                         dtype=STRING)
        g["mask"] = np.array([False, True, False, False])
    wide = np.zeros(4, dtype=np.longdouble)
    wide[:] = [0.5, np.nan, np.inf, -2]
    padded = wide.view("u1").reshape(4, -1)
    padded[:, 10:] = 0          # bytes of no meaning
    obs["f16"] = padded.reshape(-1).view(np.longdouble)
    wide = h5py.string_dtype("utf-8", 4)
    obs.create_dataset("utf8", dtype=wide, data=np.array(
        ["\u00e4".encode(), "\u4e2d".encode(), b"", b"z"], dtype=wide))
    categorical(obs, "deep/cat", np.int8([0, 1, 0, 1]), ["a", "b"])
    g = obs.create_group("mask")
    mark(g, "nullable-integer", "0.1.0")
    g["values"] = np.int8([1, 2, 3, 4])
    g["mask"] = np.int8([0, 1, 0, 0])
    obs.create_dataset("bool_u1", data=np.uint8([0, 1, 1, 0]),
                       dtype=h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, "u1"))
    null_space(obs, "null")
    mark(obs["null"], "null", "0.1.0")
    obs["rec"] = np.zeros(4, dtype=[("a", "i4"), ("b", "f4")])
    mark(obs["rec"], "rec-array", "0.2.0")
    mark(obs.create_group("awkward"), "awkward-array", "0.1.0")
    null_space(obs, "gone_null")


def frames_of_all_writers(f):
    """The index listed as a column, one column as a scalar, names that come
    more than once."""
    mark(f, "anndata", "0.1.0")
    obs = frame(f, "obs", ["c", "c", "d", "c"])
    obs.move("_index", "my/cell id")
    obs.attrs["_index"] = np.array(["my/cell id"], dtype=object)
    obs.attrs.create("column-order", np.array([b"n", b"my/cell id"]))
    obs["n"] = np.int8([1, 2, 3, 4])
    var = frame(f, "var", ["g0", "g1", "g2"])
    var.move("_index", "index")
    del var.attrs["_index"]
    var.attrs.create("column-order", "n")
    var["n"] = np.int8([1, 2, 3])
    f["X"] = X


def obsm_names_not_utf8(f):
    """Two names that are one as valid UTF-8."""
    skeleton(f)
    obsm = f.create_group("obsm")
    obsm[b"a\xfe"] = np.zeros((4, 2), dtype="f4")
    obsm[b"a\xff"] = np.ones((4, 2), dtype="f4")
    obsm["b"] = np.ones((4, 2), dtype="f4")


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


def raw_categories(f):
    """anndata 0.6: raw.var has categories of its own, in raw.cat, and var
    has others of that name; a list of one as a scalar, an empty one."""
    f["obs"] = np.array([(b"c0",), (b"c1",), (b"c2",), (b"c3",)],
                        dtype=[("index", "S2")])
    kind = [("index", "S2"), ("kind", "i1"), ("one", "i1"), ("none", "i1")]
    f["var"] = np.array([(b"g0", 0, 0, -1), (b"g1", 1, 0, -1),
                         (b"g2", -1, 0, -1)], dtype=kind)
    f["raw.var"] = np.array([(b"r0", 1, 0, -1), (b"r1", 0, -1, -1)],
                            dtype=kind)
    f["uns/kind_categories"] = np.array([b"a", b"b"])
    f["raw.cat/kind_categories"] = np.array([b"raw a", b"raw b"])
    f["raw.cat/one_categories"] = "raw only"
    f["raw.cat"].create_dataset("none_categories", data=h5py.Empty("S1"))
    f["X"] = X
    f["raw.X"] = np.ones((4, 2), dtype="f4")


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


# ---- files to be joined with each other ----

def cells(f, genes, x, prefix, kind="dense"):
    """A file of these genes and values, row by row, in CSR form or dense."""
    x = np.array(x)
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["%s%d" % (prefix, i) for i in range(len(x))])
    frame(f, "var", genes)
    if kind == "dense":
        f["X"] = x
    else:
        rows, columns = np.nonzero(x)
        csr(f, "X", x[rows, columns], columns,
            np.searchsorted(rows, np.arange(len(x) + 1)), shape=x.shape)


def join_repeated_csr(f):
    cells(f, ["A", "B", "A", "C", "B", "A"],
          np.float32([[1, 2, 4, 8, 16, 32], [0, 0, 64, 0, 128, 0],
                      [0, 0, 0, 0, 0, 0]]), "p", "csr")


def join_repeated_dense(f):
    cells(f, ["D", "B", "B", "A"],
          np.int32([[1, 10, 100, 1000], [0, 20, 0, 0]]), "q")


def join_once(f):
    cells(f, ["C", "B", "E", "A"], np.float64([[0.5, 0, 2.5, 3.5]]), "r",
          "csr")


def join_no_cells(f):
    cells(f, ["B", "A", "F"], np.zeros((0, 3), np.float32), "s")


def join_no_genes(f):
    cells(f, [], np.zeros((2, 0), np.float32), "t")


def join_no_x(f):
    cells(f, ["A", "B"], np.zeros((1, 2), np.float32), "u")
    del f["X"]


def raw_part(f, genes, x):
    """raw of a file: its own genes and values."""
    x = np.array(x)
    rows, columns = np.nonzero(x)
    f.create_group("raw")
    frame(f["raw"], "var", genes)
    csr(f["raw"], "X", x[rows, columns], columns,
        np.searchsorted(rows, np.arange(len(x) + 1)), shape=x.shape)


def join_raw_1(f):
    cells(f, ["B", "A"], np.float32([[-1, -2], [-3, -4]]), "v")
    raw_part(f, ["A", "B", "C", "D"], np.int64([[1, 2, 3, 4], [0, 6, 0, 8]]))


def join_raw_2(f):
    cells(f, ["A", "E"], np.float32([[-5, -6]]), "w", "csr")
    raw_part(f, ["E", "D", "A", "B"], np.int64([[10, 20, 30, 0]]))


def join_obsm_1(f):
    cells(f, ["A"], np.float32([[1], [2]]), "m")
    f.create_group("obsm")
    f["obsm/same"] = np.float32([[1, 2, 3], [4, 5, 6]])
    f["obsm/other"] = np.float32([[1, 2], [3, 4]])
    f["obsm/one"] = np.float64([[0.5], [1.5]])


def join_obsm_2(f):
    """same is sparse, other wider than in the first; one has too many rows."""
    cells(f, ["A"], np.float32([[3]]), "n")
    f.create_group("obsm")
    csr(f["obsm"], "same", np.int32([7, 9]), np.int32([0, 2]), np.int32([0, 2]),
        shape=(1, 3))
    f["obsm/other"] = np.float32([[5, 6, 7]])
    f["obsm/one"] = np.float32([[1], [2]])


# ---- files that are something else ----

def other_loom(f):
    f.create_group("row_attrs")
    f.create_group("col_attrs")
    f["matrix"] = np.zeros((2, 2))


def other_mudata(f):
    """Without a modality."""
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


# ---- filters ----

def filtered_values(rows, columns, dtype):
    """Small numbers, two of three of them 0, that every type holds."""
    i = np.arange(rows)[:, None]
    j = np.arange(columns)[None, :]
    values = np.where((i + j) % 3 == 0, (i * 31 + j * 7 + i * j) % 100, 0)
    return values.astype(dtype)


def filter_options():
    """Name to what create_dataset takes, one for each kind of encoding."""
    import hdf5plugin as p

    options = {"szip_nn": {"compression": "szip",
                           "compression_opts": ("nn", 8)},
               "szip_ec": {"compression": "szip",
                           "compression_opts": ("ec", 16)},
               "lzf": {"compression": "lzf"},
               "bzip2": dict(p.BZip2()),
               "zstd": dict(p.Zstd()),
               "zstd_shuffle": {**p.Zstd(clevel=9), "shuffle": True},
               "lz4": dict(p.LZ4()),
               "lz4_blocks": dict(p.LZ4(nbytes=100)),
               "lz4_checked": {**p.LZ4(), "fletcher32": True},
               "bits": dict(p.Bitshuffle(cname="none")),
               "bits_blocks": dict(p.Bitshuffle(nelems=16, cname="none")),
               "bits_lz4": dict(p.Bitshuffle(cname="lz4")),
               "bits_lz4_blocks": dict(p.Bitshuffle(nelems=24, cname="lz4")),
               "bits_zstd": dict(p.Bitshuffle(cname="zstd")),
               "bits_zstd_blocks": dict(p.Bitshuffle(nelems=64,
                                                     cname="zstd"))}
    for cname in ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"):
        options["blosc_" + cname] = dict(p.Blosc(cname=cname))
    options["blosc_bits"] = dict(p.Blosc(cname="zstd", shuffle=2))
    options["blosc_plain"] = dict(p.Blosc(cname="lz4", shuffle=0))
    options["blosc_stored"] = dict(p.Blosc(clevel=0))
    options["blosc_checked"] = {**p.Blosc(), "fletcher32": True}
    return options


def filter_twice(group, name, filters):
    """A dataset with any pipeline of (id, parameters)."""
    values = filtered_values(75, 7, "i4")
    plist = creation_list()
    plist.set_chunk((32, 5))
    for number, parameters in filters:
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, parameters)
    space = h5py.h5s.create_simple(values.shape)
    d = h5py.h5d.create(group.id, name.encode(), h5py.h5t.STD_I32LE, space,
                        plist)
    d.write(space, space, values)


def filters_of_all_kinds(f):
    rows, columns = 75, 7
    options = filter_options()
    mark(f, "anndata", "0.1.0")
    obs = frame(f, "obs", [], list(options) + ["kind"])
    del obs["_index"]
    d = obs.create_dataset("_index", data=text([f"c{i}" for i in range(rows)]),
                           dtype=STRING, chunks=(32,), **options["zstd"])
    mark(d, "string-array", "0.2.0")
    frame(f, "var", [f"g{j}" for j in range(columns)])
    layers = f.create_group("layers")
    types = ("i1", "u2", "f4", "f8", ">i4", "i8")
    for n, (name, kind) in enumerate(options.items()):
        obs.create_dataset(name, data=filtered_values(rows, 1, "i8")[:, 0],
                           chunks=(32,), **kind)
        # each filter with three of the types, all types with most filters
        for dtype in types[n % 2::2]:
            layers.create_dataset(f"{name}-{dtype}", chunks=(32, 5),
                                  data=filtered_values(rows, columns, dtype),
                                  **kind)
    kind = categorical(obs, "kind", np.zeros(1, "i1"), ["a", "b", "c"])
    del kind["codes"]
    kind.create_dataset("codes", data=(np.arange(rows) % 3).astype("i1"),
                        chunks=(32,), **options["bits_lz4"])
    # random bytes: what does not shrink
    noise = np.random.default_rng(7).integers(0, 256, (rows, columns, 4), "u1")
    for name in ("lz4", "bits_lz4", "bits_zstd", "zstd", "blosc_lz4", "bzip2",
                 "szip_nn"):
        layers.create_dataset(f"noise-{name}", chunks=(32, 5),
                              data=noise.view("<u4")[:, :, 0],
                              **options[name])
    layers.create_dataset("noise-none", data=noise.view("<u4")[:, :, 0])
    # a chunk in the middle that is stored as it is
    for name in ("zstd", "blosc_lz4", "bits_lz4", "szip_nn"):
        d = layers.create_dataset(f"mask-{name}", chunks=(32, 5),
                                  data=filtered_values(rows, columns, "i4"),
                                  **options[name])
        d.id.write_direct_chunk((32, 0), d[32:64, 0:5].tobytes(), 1)
    filter_twice(layers, "twice-lz4_zstd", [(32004, (0,)), (32015, (3,))])
    filter_twice(layers, "twice-lzf_zstd_lz4",
                 [(32000, ()), (32015, (3,)), (32004, (64,))])
    filter_twice(layers, "twice-blosc_zstd",
                 [(32001, (2, 2, 4, 640, 5, 0, 0)), (32015, (3,))])
    filter_twice(layers, "twice-bits_blosc",
                 [(32008, (0, 0)), (32001, (2, 2, 4, 640, 5, 0, 1))])
    filter_twice(layers, "twice-bits_lz4_zstd",
                 [(32008, (8, 2)), (32015, (3,))])
    filter_twice(layers, "twice-unknown", [(32015, (3,)), (1, (4,))])
    sparse = filtered_values(rows, columns, "f4")
    where = np.nonzero(sparse)
    csr(layers, "csr", sparse[where], where[1].astype("i4"),
        np.concatenate(([0], np.cumsum((sparse != 0).sum(1)))),
        (rows, columns), chunks=(37,), **options["zstd_shuffle"])


# ---- what the manifest stores: CSC, what only libhdf5 reads, obsm ----

CSC_INDPTR = np.array([0, 2, 4, 6])
CSC_INDICES = np.array([0, 3, 1, 3, 0, 3])
CSC_DATA = np.array([1, 4, 3, 5, 2, 6])


def csc(f, name, data=CSC_DATA, indices=CSC_INDICES, indptr=CSC_INDPTR,
        shape=(4, 3), **options):
    """A CSC matrix; X unless it is told otherwise."""
    g = csr(f, name, data, indices, indptr, shape, **options)
    mark(g, "csc_matrix", "0.1.0")
    return g


def csc_of_all_kinds(f):
    skeleton(f, x=False)
    csc(f, "X", np.float32(CSC_DATA), np.int32(CSC_INDICES),
        np.int32(CSC_INDPTR), chunks=(4,), compression="gzip", shuffle=True)
    layers = f.create_group("layers")
    for dtype in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f8",
                  ">i4", ">f2", ">f8"):
        csc(layers, dtype, CSC_DATA.astype(dtype))
    csc(layers, "bool", CSC_DATA > 2)
    for dtype in ("i1", "u1", "i2", ">u2", "u4", ">i8", "u8"):
        csc(layers, "index_" + dtype, indices=CSC_INDICES.astype(dtype),
            indptr=CSC_INDPTR.astype(dtype))
    csc(layers, "odd", np.array([np.nan, np.inf, -0.0, 0, 1e300, 0.1]))
    csc(layers, "large", np.array([2**24 + 1, -2**31, 2**53 + 1, 0, 1, 2]))
    csc(layers, "unsorted", indices=np.array([3, 0, 3, 1, 3, 0]))
    csc(layers, "duplicates", np.uint8([200, 100, 3, 5, 2, 6]),
        np.array([0, 0, 1, 1, 3, 3]))
    csc(layers, "duplicates_f8", np.array([0.1, 0.2, 1e16, 1, -1e16, 6]),
        np.array([0, 0, 1, 1, 1, 3]), np.array([0, 2, 5, 6]))
    csc(layers, "empty_columns", indptr=np.array([0, 0, 6, 6]),
        indices=np.array([0, 3, 1, 2, 0, 3]))
    csc(layers, "empty", CSC_DATA[:0], CSC_INDICES[:0],
        np.array([0, 0, 0, 0]))
    csc(layers, "longer", np.arange(9), np.array([0, 3, 1, 3, 0, 3, 99, 99, 99]),
        chunks=(2,))
    old = csc(layers, "old")
    for name in list(old.attrs):
        del old.attrs[name]
    old.attrs["h5sparse_format"] = "csc"
    old.attrs["h5sparse_shape"] = np.array([4, 3])
    raw = f.create_group("raw")
    frame(raw, "var", ["g0", "g1"])
    csc(raw, "X", CSC_DATA[:4], CSC_INDICES[:4], CSC_INDPTR[:3], (4, 2))


def csc_damage(f):
    skeleton(f)
    layers = f.create_group("layers")
    csc(layers, "descending", indptr=np.array([0, 4, 2, 6]))
    csc(layers, "not_from_zero", indptr=np.array([1, 2, 4, 6]))
    csc(layers, "too_long", indptr=np.array([0, 2, 4, 2**40]))
    csc(layers, "row_too_large", indices=np.array([0, 3, 1, 4, 0, 3]))
    csc(layers, "row_negative", indices=np.array([0, -1, 1, 3, 0, 3]))
    csc(layers, "row_of_2_to_32", indices=np.array([0, 2**32, 1, 3, 0, 3]))
    csc(layers, "short_data", CSC_DATA[:5])
    csc(layers, "short_indices", indices=CSC_INDICES[:5])
    csc(layers, "rows_2_to_62", shape=(2**62, 3))
    csc(layers, "words", np.array([b"a"] * 6))


def odd_number(f, name, base, precision, size, values, nbit=False):
    """A dataset of integers that fill their bytes in part only."""
    kind = base.copy()
    kind.set_precision(precision)
    kind.set_size(size)
    plist = creation_list()
    if nbit:
        plist.set_chunk((3, 2))
        plist.set_filter(h5py.h5z.FILTER_NBIT, 0)
    space = h5py.h5s.create_simple(values.shape)
    d = h5py.h5d.create(f.id, name.encode(), kind, space, plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def filters_of_libhdf5(f):
    obs = skeleton(f, ["scaled"])
    obs.create_dataset("scaled", data=np.int32([5, -7, 1000, 3]), chunks=(3,),
                       scaleoffset=0)
    layers = f.create_group("layers")
    for dtype in ("i1", "u2", ">i4", "i8"):
        layers.create_dataset("scaled_" + dtype, data=X.astype(dtype) * 20,
                              chunks=(3, 2), scaleoffset=0)
    for dtype in ("f4", ">f8"):
        layers.create_dataset("scaled_" + dtype, data=X.astype(dtype) / 8,
                              chunks=(3, 2), scaleoffset=4)
    layers.create_dataset("scaled_gzip", data=np.int32(X), chunks=(4, 3),
                          scaleoffset=0, shuffle=True, compression="gzip")
    layers.create_dataset("unwritten", shape=(4, 3), dtype="i4", chunks=(3, 2),
                          scaleoffset=0, fillvalue=7)
    wide = np.int64(X) * 100 - 50
    odd_number(layers, "nbit_12", h5py.h5t.STD_I16LE, 12, 2, wide, nbit=True)
    odd_number(layers, "bits_12", h5py.h5t.STD_I16LE, 12, 2, wide)
    odd_number(layers, "bytes_3", h5py.h5t.STD_I32BE, 24, 3, wide * 9999)
    odd_number(layers, "bytes_5", h5py.h5t.STD_U64LE, 40, 5, abs(wide) << 30)
    csr(layers, "csr", DATA, INDICES, INDPTR, chunks=(4,), scaleoffset=0)
    csc(layers, "csc", chunks=(4,), scaleoffset=0)


def obsm_of_all_kinds(f):
    skeleton(f)
    obsm = f.create_group("obsm")
    obsm["dense"] = np.float32([[1, 2], [3, 4], [5, 6], [7, 8]])
    csr(obsm, "csr", DATA, INDICES, INDPTR)
    csc(obsm, "csc")
    cells = ["c0", "c1", "c2", "c3"]
    g = frame(obsm, "numbers", cells, ["f", "i", "b", "n"])
    g["f"] = np.float32([0.5, np.nan, np.inf, -2])
    g["i"] = np.int16([1, -2, 3, 4])
    g["b"] = np.array([True, False, False, True])
    n = g.create_group("n")
    mark(n, "nullable-integer", "0.1.0")
    n["values"] = np.int64([7, 8, 9, 10])
    n["mask"] = np.array([False, True, False, False])
    g = frame(obsm, "wide", cells, ["d", "i"])
    g["d"] = np.array([0.1, 1e300, np.nan, -0.0])
    g["i"] = np.array([2**24 + 1, -5, 2**53 - 1, 0])
    g = frame(obsm, "mixed", cells, ["f", "kind"])
    g["f"] = np.float32([1, 2, 3, 4])
    categorical(g, "kind", np.int8([0, 1, 0, 1]), ["x", "y"])
    frame(obsm, "no_columns", cells)


# ---- groups: MuData, AnnData deeper in a file, 10x Genomics ----

def modality(parent, name, marked=True):
    """An AnnData in a group, as mudata writes a modality."""
    g = parent.create_group(name)
    skeleton(g)
    if not marked:
        del g.attrs["encoding-type"], g.attrs["encoding-version"]
    return g


def mudata(f):
    """As mudata 0.3 writes it: order of modalities, a MuData in a MuData."""
    mark(f, "MuData", "0.1.0")
    f.attrs["axis"] = 0
    frame(f, "obs", ["c0", "c1", "c2", "c3"])
    frame(f, "var", ["g0", "g1", "g2", "p0", "p1", "p2"])
    mod = f.create_group("mod")
    mod.attrs.create("mod-order", text(["rna", "prot", "more"]), dtype=STRING)
    prot = modality(mod, "prot")
    prot["layers/half"] = X / 2
    modality(mod, "rna")["uns/method"] = "none"
    more = mod.create_group("more")
    mark(more, "MuData", "0.1.0")
    frame(more, "obs", ["c0"])
    frame(more, "var", ["g0"])
    more.create_group("mod")
    modality(more["mod"], "atac")
    f["rna"] = h5py.SoftLink("/mod/rna")
    f["out"] = h5py.ExternalLink("other.h5", "/mod")
    f["around"] = h5py.SoftLink("/around")
    mod["gone"] = h5py.SoftLink("/mod/nothing")


def mudata_0_1(f):
    """mudata 0.1: no order, other words for AnnData, 0.7's dataframes."""
    mark(f, "MuData", "0.1.0")
    frame(f, "obs", ["c0", "c1", "c2", "c3"])
    frame(f, "var", ["g0", "g1", "g2"])
    mod = f.create_group("mod")
    for name in ("rna", "prot"):
        g = mod.create_group(name)
        anndata_0_7(g)
        mark(g, "AnnData", "0.1.0")


def mudata_unmarked(f):
    """The first versions did not mark what they wrote; one modality."""
    frame(f, "obs", ["c0", "c1", "c2", "c3"])
    frame(f, "var", ["g0", "g1", "g2"])
    for name in ("", "obs", "var"):
        for key in list(f["/" + name].attrs):
            if key.startswith("encoding"):
                del f["/" + name].attrs[key]
    modality(f.create_group("mod"), "rna", marked=False)


def groups_nested(f):
    """AnnData in groups of one's own."""
    for name in ("b", "a"):
        modality(f, "samples/" + name)
    f["samples/b/X"][0, 0] = 9
    f.create_group("samples/empty")
    deep = "one/two/three/four/five"
    modality(f, deep)


def group_in_anndata(f):
    """An AnnData with another one in uns."""
    skeleton(f)
    modality(f, "uns/part")["X"][0, 0] = 9


def groups_many(f):
    """More groups than the words of an error have room for."""
    for i in range(8):
        modality(f, f"sample_{i}_of_" + "a_very_long_name_" * 4)


def tenx_matrix(g, n_features=3):
    """X, by barcode."""
    g["barcodes"] = np.array([b"AAAC-1", b"AAAG-1", b"AAAT-1", b"AACA-1"])
    g["data"] = DATA.astype("<i4")
    g["indices"] = INDICES
    g["indptr"] = INDPTR
    g["shape"] = np.array([n_features, 4], dtype="<i4")


def tenx_features(g, **more):
    """features of Cell Ranger 3 and later."""
    features = g.create_group("features")
    features["_all_tag_keys"] = np.array([b"genome"])
    features["id"] = np.array([b"ENSG0", b"ENSG1", b"ENSG2"])
    features["name"] = np.array([b"A", b"B", b"A"])
    features["feature_type"] = np.array([b"Gene Expression"] * 2 +
                                        [b"Antibody Capture"])
    features["genome"] = np.array([b"GRCh38", b"GRCh38", b""])
    for name, values in more.items():
        features[name] = values
    return features


def tenx_3(f):
    """With what feature barcodes, ATAC, probes' sets and CellBender add."""
    f.attrs["filetype"] = "matrix"
    g = f.create_group("matrix")
    tenx_matrix(g)
    features = tenx_features(
        g, pattern=np.array([b"", b"", b"5P(BC)"]),
        interval=np.array([b"chr1:1-9", b"chr1:10-19", b""]),
        number=np.int16([1, 2, 3]), short=np.int8([1, 2]),
        pair=np.zeros((3, 2)), feature_types=np.int8([1, 2, 3]))
    features.create_group("target_sets")["panel"] = np.int64([0, 1])
    features["gone"] = h5py.SoftLink("/matrix/nothing")
    features["out"] = h5py.ExternalLink("other.h5", "/x")
    g["latent_cell_probability"] = np.float32([1, 1, 0, 1])
    f["droplet_latents/cell_probability"] = np.float32([1, 1, 0, 1])


def tenx_3_probes(f):
    """The raw matrix by probe: the gene's id beside the probe's."""
    g = f.create_group("matrix")
    tenx_matrix(g)
    tenx_features(g, gene_id=np.array([b"ENSG0", b"ENSG0", b"ENSG2"]),
                  filtered_probes=np.array([True, False, True]))
    g["filtered_barcodes"] = np.array([True, True, False, True])


def tenx_3_damaged(f):
    """The shape is another, an id is missing."""
    g = f.create_group("matrix")
    tenx_matrix(g, 4)
    features = tenx_features(g)
    del features["id"]
    features["id"] = np.array([b"ENSG0", b"ENSG1"])


def tenx_genome(f, genome):
    """A genome of Cell Ranger 2."""
    g = f.create_group(genome)
    tenx_matrix(g)
    g["genes"] = np.array([b"ENSG0", b"ENSG1", b"ENSG2"])
    g["gene_names"] = np.array([b"A", b"B", b"A"])
    return g


def tenx_2(f):
    tenx_genome(f, "GRCh38")


def tenx_2_genomes(f):
    tenx_genome(f, "hg19")
    tenx_genome(f, "mm10")["data"][0] = 9


def other_molecule_info(f):
    """Of 10x Genomics, without a matrix."""
    f["barcode_idx"] = np.zeros(4, dtype="u8")
    f["barcodes"] = np.array([b"AAAC", b"AAAG"])
    f["count"] = np.zeros(4, dtype="u4")
    f["umi"] = np.zeros(4, dtype="u4")
    tenx_features(f)


def other_h5seurat(f):
    f["assays/RNA/counts/data"] = DATA
    f["cell.names"] = np.array([b"c0"])
    f.create_group("meta.data")


def strings_filtered(f):
    """Chunks of so many strings that it matters that each has 16 bytes.

    Not by Blosc, whose filter crashes on strings when it writes them.
    """
    options = filter_options()
    names = ["lzf", "bzip2", "zstd", "lz4", "bits", "bits_lz4",
             "bits_zstd"]
    mark(f, "anndata", "0.1.0")
    obs = frame(f, "obs", [f"c{i}" for i in range(300)], names)
    frame(f, "var", ["g0"])
    for name in names:
        d = obs.create_dataset(name, dtype=STRING, chunks=(300,),
                               data=text([f"{name} {i}" for i in range(300)]),
                               **options[name])
        mark(d, "string-array", "0.2.0")


def compound_filtered(f):
    """The same as fields of a table, as before anndata 0.7."""
    table = np.zeros(300, dtype=[("index", STRING), ("n", "i2"),
                                 ("label", STRING), ("pair", "f4", (2,))])
    table["index"] = [f"c{i}" for i in range(300)]
    table["n"] = np.arange(300)
    table["label"] = [f"label {i}" for i in range(300)]
    f.create_dataset("obs", data=table, chunks=(300,), compression="lzf")
    var = np.zeros(1, dtype=[("index", "S4")])
    var["index"] = b"g0"
    f["var"] = var


# ---- uns ----

def uns_of_all_kinds(f):
    """What becomes JSON, as anndata of all times, R and others write it."""
    skeleton(f)
    uns = f.create_group("uns")
    mark(uns, "dict", "0.1.0")
    scalars = uns.create_group("scalars")
    for name, value in (("int", np.int64(-3)), ("u64", np.uint64(2**64 - 1)),
                        ("f32", np.float32(0.1)), ("f64", np.float64(0.1)),
                        ("half", np.float16(0.5)), ("large", np.float64(1e300)),
                        ("bool", np.bool_(True)), ("nan", np.float32("nan")),
                        ("inf", np.float64("-inf")), ("zero", np.float64(-0.0))):
        scalars[name] = value
        mark(scalars[name], "numeric-scalar", "0.2.0")
    scalars["big_endian"] = np.array(-70000, dtype=">i4")
    null_space(scalars, "none")
    mark(scalars["none"], "null", "0.1.0")
    strings = uns.create_group("strings")
    strings["plain"] = "sehr \u00fcbel \U0001f9ec"
    mark(strings["plain"], "string", "0.2.0")
    strings["escaped"] = '"\\/\b\t\n\x1f\x7f'
    strings["fixed"] = np.bytes_(b"fixed")
    strings["bad"] = np.bytes_(b"a\xff\xe2\x82z")
    strings["empty"] = ""
    strings.create_dataset("list", data=text(["a", "", "\u00e4"]), dtype=STRING)
    strings["fixed_list"] = np.array([b"x", b"yy", b""])
    strings.create_dataset("table", data=text([["a", "b"], ["c", "d"]]),
                           dtype=STRING)
    strings.create_dataset("chunked", data=text(["s%d" % i for i in range(600)]),
                           dtype=STRING, chunks=(100,), compression="gzip")
    arrays = uns.create_group("arrays")
    arrays["ints"] = np.int16([1, -2, 3])
    arrays["floats"] = np.float64([0.5, np.nan, np.inf, 1e-7])
    arrays["bools"] = np.array([True, False])
    arrays["one"] = np.int8([7])
    arrays["matrix"] = np.float32([[1, 2.5], [np.nan, -0.0]])
    arrays["cube"] = np.arange(8).reshape(2, 2, 2)
    arrays["none"] = np.array([], dtype="f8")
    arrays["no_rows"] = np.zeros((0, 3))
    arrays["no_columns"] = np.zeros((2, 0))
    arrays.create_dataset("gzip", data=np.arange(12).reshape(3, 4),
                          chunks=(2, 3), compression="gzip", shuffle=True)
    arrays.create_dataset("compact", data=np.uint8([250, 255]))
    for name, encoding, values in (
            ("integers", "nullable-integer", np.int64([1, 2, 3])),
            ("booleans", "nullable-boolean", np.array([True, False, True])),
            ("words", "nullable-string-array", text(["a", "b", "c"]))):
        g = arrays.create_group(name)
        mark(g, encoding, "0.1.0")
        if name == "words":
            g.create_dataset("values", data=values, dtype=STRING)
        else:
            g["values"] = values
        g["mask"] = np.array([False, True, False])
    categorical(arrays, "labels", np.int8([1, -1, 0]), ["lo", "hi"])
    categorical(arrays, "numbers", np.int8([1, 0, 0]), np.int64([10, 20]))
    groups = np.zeros(2, dtype=[("B cell", "f4"), ("T/NK", "f4")])
    groups["B cell"] = [1.5, np.nan]
    groups["T/NK"] = [2, 0.1]
    ranked = uns.create_group("rank_genes_groups")
    ranked["scores"] = groups
    mark(ranked["scores"], "rec-array", "0.2.0")
    names = np.zeros(2, dtype=[("B cell", STRING), ("T/NK", "S4")])
    names["B cell"] = ["MS4A1", "CD79A"]
    names["T/NK"] = [b"CD3D", b"GNLY"]
    ranked["names"] = names
    ranked["one"] = np.array((3, True), dtype=[("n", "i2"), ("ok", "?")])
    ranked["params/method"] = "wilcoxon"
    table = frame(uns, "table", ["r0", "r1"], ["x"])
    table["x"] = np.float64([1, 2])
    uns["shared"] = f["uns/arrays/ints"]
    uns["soft"] = h5py.SoftLink("/uns/strings/plain")
    deep = uns
    for _ in range(15):
        deep = deep.create_group("d")
    deep["bottom"] = 1
    uns.create_group("empty")


def uns_left_out(f):
    """What does not become JSON, or only in part, and what tries to harm."""
    skeleton(f)
    uns = f.create_group("uns")
    uns["kept"] = "here"
    csr(uns, "csr", DATA, INDICES, INDPTR)
    csc(uns, "csc")
    old = csr(uns, "old_sparse", DATA, INDICES, INDPTR)
    for name in list(old.attrs):
        del old.attrs[name]
    old.attrs["h5sparse_format"] = "csr"
    awkward = uns.create_group("awkward")
    mark(awkward, "awkward-array", "0.1.0")
    old_table = frame(uns, "old_table", ["r0"], ["x"])
    old_table["x"] = np.int8([0])
    old_table.create_group("__categories")
    uns["timed"] = np.int64([1])
    mark(uns["timed"], "time\tarray", "9")
    uns.create_dataset("image", shape=(600, 600, 3), dtype="u1",
                       chunks=(600, 600, 3))
    uns.create_dataset("long", shape=(2**40,), dtype="i8", chunks=(2**20,))
    uns.create_dataset("brackets", shape=(2**31, 0), dtype="i8",
                       chunks=(1, 1), maxshape=(None, None))
    uns.create_dataset("big_chunk", shape=(4,), dtype="f8", chunks=(2**28,),
                       maxshape=(None,))
    uns["nested"] = np.zeros(2, dtype=[("a", "i4"), ("b", [("c", "i4")])])
    uns["structured"] = np.zeros((2, 2), dtype=[("a", "i4")])
    uns["nine"] = np.zeros((1,) * 9)
    enum = h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i1")
    uns.create_dataset("colour", data=np.int8([0, 1]), dtype=enum)
    uns["type"] = np.dtype("i4")
    uns["reference"] = f["obs"].ref
    bad = categorical(uns, "bad_code", np.int8([0, 7]), ["a"])
    bad.attrs["ordered"] = False
    short = uns.create_group("short_mask")
    mark(short, "nullable-integer", "0.1.0")
    short["values"] = np.int8([1, 2])
    short["mask"] = np.array([True])
    masked = uns.create_group("long_mask")
    mark(masked, "nullable-integer", "0.1.0")
    masked["values"] = np.int8([1, 2])
    masked.create_dataset("mask", shape=(2**34,), dtype="i1", chunks=(2**20,))
    uns["away"] = h5py.ExternalLink("other.h5", "/uns")
    uns["gone"] = h5py.SoftLink("/nothing")
    uns["self"] = h5py.SoftLink("/uns/self")
    names = np.zeros(1, dtype=[("a", "i4"), ("b", "i4")])
    uns["pair"] = names
    uns.create_dataset(b"n\xff", data=1)
    uns.create_dataset(b"n\xfe", data=2)
    part = uns.create_group("part")
    part["kept"] = 5
    part.create_dataset("dropped", data=np.zeros(100001, dtype="i1"),
                        compression="gzip")
    modality(uns, "anndata")


def uns_loops(f):
    """Groups that are their own members: endless, and of many ways."""
    skeleton(f)
    uns = f.create_group("uns")
    uns["kept"] = 1
    loop = uns.create_group("loop")
    loop["again"] = loop
    many = uns.create_group("many")
    for name in "abcdefgh":
        many[name] = many


def uns_is_no_group(f):
    skeleton(f)
    f["uns"] = np.arange(3)


# ---- genes by column ----

def genes_csc(f):
    """A CSC layer with a gene that has no entries, and one more gene."""
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["a0", "a1", "a2", "a3"])
    frame(f, "var", ["g1", "g3", "g0", "g4"])
    csc(f, "X", np.float32([1, 2, 3, 4, 5]), np.int32([0, 3, 1, 2, 3]),
        np.int32([0, 2, 2, 4, 5]), (4, 4), chunks=(2,), compression="gzip")


def genes_csr(f):
    """Explicit zeros, duplicates, unsorted entries; genes in another order."""
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["b0", "b1", "b2"])
    frame(f, "var", ["g0", "g1", "g2"])
    csr(f, "X", np.float32([1, 0.5, 2, 0, -3]), np.int32([0, 0, 2, 1, 0]),
        np.int64([0, 3, 3, 5]), (3, 3))


def genes_dense(f):
    mark(f, "anndata", "0.1.0")
    frame(f, "obs", ["d0", "d1"])
    frame(f, "var", ["g2", "g1"])
    f["X"] = np.float64([[0.25, -7], [np.nan, 0]])


FILES = [
    uns_of_all_kinds, uns_left_out, uns_loops, uns_is_no_group, genes_csc,
    genes_csr, genes_dense,
    csc_of_all_kinds, csc_damage, filters_of_libhdf5, obsm_of_all_kinds,
    filters_of_all_kinds, strings_filtered, compound_filtered,
    categories_of_all_types, numbers_of_all_types, nullable,
    nullable_beyond_bigint, column_names_not_utf8, strings_of_all_kinds,
    column_in_group, column_types_left_out, code_out_of_range, column_too_short, index_is_categorical,
    index_is_integer, index_is_float, index_is_boolean,
    index_is_category_of_numbers, index_missing, no_column_order, zero_cells,
    anndata_0_7, anndata_0_6, uns_categories_of_another,
    one_gene_one_dimension, one_cell_one_dimension,
    matrices_of_all_kinds, filter_unknown, sparse_damage, absurd_sizes,
    links_that_leave, raw_elsewhere, other_loom, other_mudata, var_missing,
    layers_without_x, x_is_null, raw_is_null, mudata, mudata_0_1,
    mudata_unmarked,
    groups_nested, group_in_anndata, groups_many, tenx_3, tenx_3_probes,
    tenx_3_damaged, tenx_2, tenx_2_genomes, other_molecule_info,
    other_h5seurat, columns_of_all_writers, frames_of_all_writers,
    obsm_names_not_utf8, raw_categories,
    join_repeated_csr, join_repeated_dense, join_once, join_no_cells,
    join_no_genes, join_no_x, join_raw_1, join_raw_2, join_obsm_1, join_obsm_2,
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
