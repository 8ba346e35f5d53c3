"""
large.py
        Sound files with an absurd number of something: groups in groups, groups
        side by side, attributes.  Each must be read, or refused, soon.
"""
import os
import time

import h5py
import numpy as np

import session as sql

SOON = 60           # seconds for what costs the file's structure, not its data


def skeleton(f):
    """Two cells, two genes; where X lies is the caller's."""
    for name, index in (("obs", [b"c0", b"c1"]), ("var", [b"g0", b"g1"])):
        group = f.create_group(name)
        group.attrs["encoding-type"] = "dataframe"
        group.attrs["_index"] = "_index"
        group.attrs["column-order"] = np.array([], dtype="f8")
        group["_index"] = np.array(index)


def nested(f, n):
    """X at the bottom of n groups."""
    skeleton(f)
    group = f.create_group("layers")
    path = ["layers"]
    for _ in range(n):
        group = group.create_group("g")
        path.append("g")
    group["X"] = np.float32([[1, 2], [3, 4]])
    f["X"] = h5py.SoftLink("/" + "/".join(path) + "/X")


def side_by_side(f, n):
    """n groups at the root, each of which could be AnnData."""
    for i in range(n):
        f.create_group("group%06d/obs" % i)


def in_layers(f, n):
    skeleton(f)
    f["X"] = np.float32([[1, 2], [3, 4]])
    for i in range(n):
        f.create_group("layers/%06d" % i)


def attributes(f, n):
    """n attributes of obs, and as many of X."""
    skeleton(f)
    f["X"] = np.float32([[1, 2], [3, 4]])
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    for item in (f["obs"].id, f["X"].id):
        for i in range(n // 2):
            h5py.h5a.create(item, b"attribute%07d" % i, h5py.h5t.STD_I8LE,
                            space)


def run(report, session, work, large):
    """large: at full size."""
    cases = ((nested, 10_000), (side_by_side, 100_000 if large else 10_000),
             (in_layers, 100_000 if large else 10_000),
             (attributes, 1_000_000 if large else 20_000))
    report.say("files with absurd numbers of things")
    for make, n in cases:
        path = os.path.join(work, make.__name__ + ".h5ad")
        with h5py.File(path, "w", libver=("v110", "v110")) as f:
            make(f, n)
        begun = time.monotonic()
        state, said = sql.create(session, "large", path, "X")
        if state == "00000":
            said = session.must(
                "SELECT string_agg(encode(x, 'hex'), ' ' ORDER BY row_index) "
                "FROM large")[0][0]
            session.must("DROP TABLE large")
        seconds = time.monotonic() - begun
        report.say("  %-20s %9d  %.1f s  %s %s" % (
            make.__name__, n, seconds, state, said[:150]))
        right = said == "0000803f00000040 0000404000008040" \
            if state == "00000" else path in said
        if sql.is_forbidden(state) or not right or seconds > SOON:
            report.failure(0, "%s: %s %s" % (make.__name__, state, said), b"",
                           "none")
        os.unlink(path)
