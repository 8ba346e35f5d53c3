"""
plans.py
        What varies between files, which of it goes together, and how often
        each value was met.

A plan is one value of each axis.  Plans are drawn so that pairs of values
meet that did not before: each value comes often, and most pairs come at all.
"""
import collections
import itertools

from content import KINDS, WIDTHS
from filters import FILTERS, FOR_ANNDATA, FOR_OBS, MATERIALISED

ELEMENTS = (*WIDTHS, "float16", "float32", "float64", "bool")

AXES = {
    "writer": ("anndata", "0.2.0", "0.1.0", "0.2.0", "anndata", "compound",
               "anndataR", "0.2.0", "0.1.0", "compound", "anndataR",
               "anndata-rs", "mudata", "10x 3", "10x 2", "10x 2 genomes"),
    "form": ("csr", "csc", "dense", "none"),
    "dtype": ELEMENTS,
    "layer": ("none", "csr", "csc", "dense"),
    "layer dtype": ELEMENTS,
    "raw": ("none", "csr", "csc", "dense"),
    "obsm": ("none", "dense", "csr", "csc", "dataframe"),
    "index": ("int32", "int64", "uint8", "int8", "uint16", "int16", "uint32",
              "uint64"),
    "indptr": ("int32", "int64", "uint32", "uint64", "uint16"),
    "layout": ("default", "remainders", "tiny", "single", "contiguous",
               "compact", "unwritten"),
    "filter": tuple(FILTERS),
    "filter masks": ("none", "some chunks"),
    "obs filter": tuple(FOR_OBS),
    "strings": ("variable utf-8", "variable ascii", "fixed utf-8",
                "fixed ascii", "fixed with NUL", "mixed", "invalid"),
    "missing": ("some", "none", "all"),
    "byte order": ("little", "little", "little", "little", "big"),
    "resizable": (False, True),
    "libver": ("earliest", "v108", "v110"),
    "userblock": (0, 0, 512, 0, 2048),
    "special": ("plain", "empty rows", "all empty", "unsorted", "duplicates",
                "explicit zeros", "nan", "full rows"),
    "shape": ((40, 30), (0, 5), (200, 60), (5, 0), (1, 1), (120, 90), (0, 0),
              (1, 40), (17, 1), (60, 200), (300, 25), (3, 4)),
}

TENX = ("10x 3", "10x 2", "10x 2 genomes")
OLD = ("compound", "0.1.0")
CANDIDATES = 12                 # plans of which the one with most new is taken


def as_anndata_writes(plan):
    """What of a plan today's anndata (and scipy's matrices) can write."""
    for key in ("dtype", "layer dtype"):
        if plan[key] == "float16":
            plan[key] = "float32"
    wide = "64" in plan["index"]
    plan["index"] = plan["indptr"] = "int64" if wide else "int32"
    if plan["filter"] not in FOR_ANNDATA:
        plan["filter"] = FOR_ANNDATA[len(plan["filter"]) % len(FOR_ANNDATA)]
    plan["layout"] = "contiguous" if plan["filter"] == "none" else "default"
    plan["obs filter"] = plan["filter"]
    plan.update({"byte order": "little", "resizable": False, "userblock": 0,
                 "libver": "earliest", "filter masks": "none",
                 "strings": "variable utf-8"})


def as_tenx_writes(plan):
    """A 10x file holds one matrix, by cell, and names."""
    plan.update({"form": "csr", "layer": "none", "raw": "none",
                 "obsm": "none", "missing": "none"})


def fit_storage(plan):
    """Filters need chunks, and some of them certain numbers."""
    empty = 0 in plan["shape"] and not plan["resizable"]
    if plan["layout"] in ("contiguous", "compact") or empty:
        plan["filter"] = "none"
    if plan["filter"] == "none" or plan["layout"] == "unwritten" or \
            plan["filter"] in MATERIALISED:
        plan["filter masks"] = "none"
    if plan["filter"] in MATERIALISED:
        if plan["layout"] == "unwritten":
            plan["layout"] = "tiny"
        for key in ("dtype", "layer dtype"):
            if plan[key] in ("bool", "float16"):
                plan[key] = "int32"
        # scale and offset of what is no number, or of sums, is nothing
        if plan["special"] in ("nan", "duplicates"):
            plan["special"] = "plain"


def effective(plan):
    """The plan with what does not go together made so that it does."""
    plan = dict(plan)
    writer = plan["writer"]
    if writer == "anndata":
        as_anndata_writes(plan)
    if writer in TENX:
        as_tenx_writes(plan)
    if writer == "compound":
        plan["layer"] = plan["obsm"] = "none"
    if plan["form"] == plan["raw"] == "none":
        plan["dtype"] = plan["layer dtype"]
    if plan["layer"] == "none":
        plan["layer dtype"] = plan["dtype"]
    fit_storage(plan)
    return plan


class Cycle:
    """Choices in random order, each before one comes again."""

    def __init__(self, rng, choices):
        self.rng = rng
        self.choices = list(choices)
        self.left = []

    def next(self, allowed=None):
        for _ in range(2):
            for i, choice in enumerate(self.left):
                if allowed is None or choice in allowed:
                    return self.left.pop(i)
            fresh = [self.choices[j]
                     for j in self.rng.permutation(len(self.choices))]
            self.left += fresh
        raise ValueError("no choice is allowed")


def pairs_of(plan):
    """The pairs of values that a plan brings together."""
    items = sorted(((k, str(v)) for k, v in plan.items() if k in AXES))
    return set(itertools.combinations(items, 2))


class Planner:
    """Draws plans."""

    def __init__(self, rng):
        self.rng = rng
        # as often as they are named, no more: anndata reads no big endian
        self.cycles = {k: Cycle(rng, AXES[k]) for k in ("writer",
                                                        "byte order")}
        self.seen = set()           # pairs that a plan had
        self.possible = set()       # pairs that a candidate had

    def next(self, **fixed):
        """A plan; fixed: axes whose values are given."""
        fixed = {**{k: c.next() for k, c in self.cycles.items()}, **fixed}
        best = None
        for _ in range(CANDIDATES):
            drawn = {k: values[int(self.rng.integers(len(values)))]
                     for k, values in AXES.items()}
            plan = effective({**drawn, **fixed})
            pairs = pairs_of(plan)
            self.possible |= pairs
            new = len(pairs - self.seen)
            if best is None or new > best[0]:
                best = (new, plan, pairs)
        self.seen |= best[2]
        return best[1]


class Coverage:
    """How many files had each value of each axis."""

    def __init__(self):
        self.counts = {}
        self.expected = {}          # axis -> its values
        for name, values in AXES.items():
            self.axis(name, values)
        self.axis("obs column", KINDS)
        self.n_files = 0
        self.n_controlled = 0       # of them read by anndata or scanpy's way
        self.pairs = (0, 0)         # of axis values: met, seen in candidates

    def axis(self, name, values):
        """One more axis than those of the plans."""
        self.counts[name] = collections.Counter()
        self.expected[name] = list(dict.fromkeys(map(str, values)))

    def add(self, plan):
        """Count a file."""
        self.n_files += 1
        for axis in AXES:
            self.counts[axis][str(plan[axis])] += 1

    def count(self, axis, value, n=1):
        self.counts[axis][str(value)] += n

    def missed(self):
        """(axis, value) of which no file was made."""
        return [(axis, value) for axis, values in self.expected.items()
                for value in values if not self.counts[axis][value]]

    def lines(self):
        """The table."""
        for axis, values in self.expected.items():
            yield "  %s" % axis
            row = "   "
            for value in values:
                word = " %s %d," % (value, self.counts[axis][value])
                if len(row) + len(word) > 79:
                    yield row
                    row = "   "
                row += word
            yield row.rstrip(",")
