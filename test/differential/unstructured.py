"""
unstructured.py
        uns: files that anndata has written at random, each with a uns of its
        own, against what anndata reads of them.

What JSON has no word for is null: NaN, the infinities, what is masked.  What
collection_uns says it has left out must be what it leaves out by its bounds.
"""
import json
import os
import re

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

from psql import identifier, literal, text_values

N_FILES = 40
MAX_VALUES = 100000
WORDS = ("", "a", "T/NK", 'say "so"', "back\\slash", "tab\there",
         "sehr \u00fcbel", "\U0001f9ec", "x" * 300)
NUMBERS = ("i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", "?")


def some_numbers(rng, shape, dtype=None):
    """Random numbers, and among floats what JSON does not know."""
    dtype = np.dtype(dtype or NUMBERS[rng.integers(len(NUMBERS))])
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    values = (rng.standard_normal(shape) *
              10.0**rng.integers(-5, 5, shape)).astype(dtype)
    values = np.atleast_1d(values)
    values[rng.random(values.shape) < 0.1] = rng.choice(
        [np.nan, np.inf, -np.inf, 0])
    return values.reshape(shape)


def some_words(rng, shape):
    return rng.choice(np.array(WORDS, object), shape)


def shape_of(rng):
    return tuple(int(n) for n in rng.integers(0, 5, rng.integers(1, 4)))


def structured(rng):
    """As rank_genes_groups has it: a field for each group."""
    n = int(rng.integers(1, 6))
    fields = ["B cell", "T/NK", "other"][:int(rng.integers(1, 4))]
    words = rng.random() < 0.5
    table = np.zeros(n, [(f, "U20" if words else rng.choice(["f4", "f8", "i4"]))
                         for f in fields])
    for f in fields:
        table[f] = rng.choice(["CD3D", "MS4A1", "\u00e4"], n) if words else \
            some_numbers(rng, n, table.dtype[f])
    return table


def value(rng, depth):
    """Something that uns may hold."""
    kind = rng.integers(11)
    if kind == 0 and depth < 4:
        return group(rng, depth + 1)
    if kind == 1:
        return WORDS[rng.integers(len(WORDS))]
    if kind == 2:
        return some_words(rng, shape_of(rng)[:2])
    if kind == 3:
        return structured(rng)
    if kind == 4:
        return pd.Categorical(rng.choice(["lo", "hi", None], 5),
                              categories=["lo", "mid", "hi"])
    if kind == 5:
        values = pd.array(rng.integers(-9, 9, 4), dtype="Int32")
        values[int(rng.integers(4))] = pd.NA
        return values
    if kind == 6:
        return pd.array([True, False, None], dtype="boolean")
    if kind == 7:
        return pd.DataFrame({"x": some_numbers(rng, 3, "f8"),
                             "w": ["a", "b", "c"]},
                            index=["r0", "r1", "r2"])
    if kind == 8:
        return some_numbers(rng, ())[()]
    if kind == 9 and rng.random() < 0.3:
        return scipy.sparse.random(4, 5, 0.3, "csr", random_state=rng)
    return some_numbers(rng, shape_of(rng))


def group(rng, depth=0):
    return {"%s_%d" % (rng.choice(["a", "\u00fc", "b c"]), i):
            value(rng, depth) for i in range(rng.integers(0, 7))}


class LeftOut(Exception):
    """This has no place in JSON."""


def number(v):
    """A number as JSON reads it; float32 by its own shortest digits."""
    if isinstance(v, (bool, np.bool_)):
        return bool(v)
    if isinstance(v, (int, np.integer)):
        return int(v)
    if not np.isfinite(v):
        return None
    return float(str(v)) if np.asarray(v).dtype.itemsize > 2 else \
        float(str(np.float32(v)))


def plain(v, path, left_out):
    """What anndata has read, as JSON has it."""
    if isinstance(v, dict):
        made = {}
        for k, item in v.items():
            try:
                made[k] = plain(item, path + "/" + k, left_out)
            except LeftOut:
                left_out.add(path + "/" + k)
        return made
    if isinstance(v, pd.DataFrame):
        columns = {c: plain(v[c].array, path, left_out) for c in v}
        return {v.index.name or "_index": [str(i) for i in v.index],
                **columns}
    if scipy.sparse.issparse(v):
        raise LeftOut
    if isinstance(v, str):
        return v
    if isinstance(v, pd.Categorical):
        return [None if c < 0 else str(v.categories[c]) for c in v.codes]
    if isinstance(v, pd.api.extensions.ExtensionArray):
        return [None if pd.isna(i) else plain(i, path, left_out) for i in v]
    if isinstance(v, np.ndarray) and v.dtype.names:
        return {n: plain(v[n], path, left_out) for n in v.dtype.names}
    if isinstance(v, np.ndarray) and v.ndim > 0:
        if v.size > MAX_VALUES:
            raise LeftOut
        return [plain(i, path, left_out) for i in v]
    if isinstance(v, np.ndarray):
        return plain(v[()], path, left_out)
    return v if v is None else number(v)


def adjusted(got, expected):
    """
    What was got, with what is expected in place of single values of 32 bits,
    which anndata gives as Python's floats, with digits that are not theirs.
    """
    if isinstance(got, dict) and isinstance(expected, dict):
        return {k: adjusted(v, expected.get(k)) for k, v in got.items()}
    if isinstance(got, float) and isinstance(expected, float) and \
            np.float32(expected) == expected == np.float32(got):
        return expected
    return got


def check_file(report, path, uns, skipped):
    """uns and skipped as SQL says them, against anndata's."""
    left_out = set()
    expected = plain(dict(anndata.read_h5ad(path).uns), "uns", left_out)
    report.equal("uns of " + path, adjusted(uns, expected), expected)
    report.equal("left out of uns of " + path,
                 {re.split(" (?:is|has) ", s)[0] for s in skipped}, left_out)


def run(report, sql, work, seed):
    """Write the files, make a collection of them, and compare all."""
    rng = np.random.default_rng(seed)
    directory = os.path.join(work, "uns")
    os.mkdir(directory, 0o755)
    for i in range(N_FILES):
        uns = group(rng)
        if i == 0:
            uns["long"] = np.zeros(MAX_VALUES, "i1")
        if i == 1:
            uns["image"] = np.zeros((200, 200, 3), "u1")
        anndata.AnnData(np.ones((1, 1), np.float32), uns=uns).write_h5ad(
            os.path.join(directory, "%03d.h5ad" % i),
            compression=rng.choice([None, "gzip"]))
    done = sql.run(
        "SELECT create_collection('uns', ARRAY[%s])::text" % literal(directory),
        "SELECT path, uns::text, array_to_json(coalesce(skipped, '{}'))::text "
        "FROM collection_uns('uns') ORDER BY file_index",
        "DROP TABLE " + identifier("uns"))
    for result in done:
        if not result.ok():
            report.difference("uns", result.state + ": " + result.message,
                              "no error")
            report.failed += 1
            return
    for path, uns, skipped in zip(*(text_values(f) for f in done[1].fields)):
        report.files.add(path)
        report.check("uns of " + path, check_file, report, path,
                     json.loads(uns), json.loads(skipped))
