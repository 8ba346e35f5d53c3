"""
manifests.py
        Damaged manifests: each put in the place of a sound one, and met by a
        fresh backend.
"""
import collections
import os

import manifest
import mutate
import session as sql

LARGEST = 300_000       # bytes of a manifest
HOW = ("damage",) * 6 + ("hostile",) * 8 + ("other", "old", "empty", "older")


class Kept:
    """A collection of one file, its manifest and what it answers."""

    def __init__(self, number, base, layer, path, asked, answers):
        self.table = "kept%d" % number
        self.base = base
        self.layer = layer
        self.path = path
        self.asked = asked
        self.answers = answers
        with open(path, "rb") as f:
            self.data = f.read()
        self.owner = os.stat(path)

    def put(self, data):
        """Another manifest in its place, by renaming."""
        with open(self.path + ".new", "wb") as f:
            f.write(data)
        if os.geteuid() == 0:
            os.chown(self.path + ".new", self.owner.st_uid, self.owner.st_gid)
        os.rename(self.path + ".new", self.path)


def listing(directory):
    return {e.name for e in os.scandir(directory)
            if e.name.endswith(".manifest")}


def keep_all(session, directory, bases, work):
    """Register a copy of every base, and note which manifest that made."""
    kept = []
    for i, base in enumerate(bases):
        before = listing(directory)
        number = len(kept)
        copy = os.path.join(work, "kept%d.h5ad" % i)
        with open(copy, "wb") as f:
            f.write(base.data)
        state, _ = sql.create(session, "kept%d" % number, copy, "X")
        if state != "00000":
            continue
        made = listing(directory) - before
        n_rows = session.must("SELECT count(*) FROM kept%d" % number)[0][0]
        asked = sql.questions(session, "kept%d" % number, n_rows)
        answers = sql.answers(session, asked)
        if len(made) == 1:
            item = Kept(number, base, "X", os.path.join(
                directory, made.pop()), asked, answers)
            if len(item.data) <= LARGEST and manifest_is_known(item):
                kept.append(item)
                continue
        session.must("DROP TABLE kept%d" % number)
    return kept


def manifest_is_known(item):
    """Raises where format.h and manifest.py differ."""
    manifest.Manifest(item.data)
    return True


def make(rng, item, kept):
    """What was done, is every checksum right, the bytes."""
    how = rng.choice(HOW)
    if how == "hostile":
        name, data = manifest.hostile(rng, item.data)
        return "hostile " + name, True, data
    if how == "other":
        return how, False, rng.choice(kept).data
    if how == "empty":
        return how, False, b""
    if how in ("old", "older"):
        # of an older version of the program, or of the file
        changed = manifest.Manifest(item.data)
        if how == "old":
            changed.header.version = rng.choice((0, 1, 2, 4, 2**31, 2**32 - 1))
        else:
            changed.header.identity[rng.randrange(5)] ^= \
                1 << rng.randrange(64)
        return how, False, changed.sealed()
    name, data = mutate.damage(rng, item.data, rng.choice(
        ([], [(0, 4096)], [(len(item.data) // 2, len(item.data))])))
    return name, False, data


def ask(item, refresh, settings):
    """The answers of a fresh backend."""
    session = sql.Session(settings)
    try:
        if refresh:
            state, message = session.run(
                "SELECT refresh_collection(%s)" % sql.literal(item.table))
            if state != "00000":
                return [(state, message)]
        return sql.answers(session, item.asked)
    finally:
        session.close()


def judge(item, consistent, rng, settings):
    """The outcome, and what is wrong about it or None."""
    got = ask(item, rng.randrange(4) == 0, settings)
    for state, message in got:
        if sql.is_forbidden(state):
            return "forbidden", "%s: %s" % (state, message)
    if got == item.answers:
        return "right rows", None
    wrong = any(g[0] == "00000" and g not in item.answers for g in got)
    if consistent:
        return ("other rows" if wrong else "error"), None
    if wrong:
        return "wrong rows", "%s\n%s" % (got, item.answers)
    again = ask(item, True, settings)
    if again != item.answers:
        return "not rebuilt", "%s\n%s" % (got, again)
    return "error, then rebuilt", None


def run(report, session, bases, directory, work, rng, n, settings):
    """n damaged manifests."""
    kept = keep_all(session, directory, bases, work)
    counts = collections.Counter()
    for i in range(n):
        item = rng.choice(kept)
        name, consistent, data = make(rng, item, kept)
        item.put(data)
        try:
            outcome, wrong = judge(item, consistent, rng, settings)
        except sql.Lost as e:
            outcome, wrong = "lost", str(e)
        counts[("checksums right: " if consistent else "damaged: ") +
               outcome] += 1
        if wrong:
            report.failure(i, "manifest of %s, %s: %s" % (
                item.base.name, name, wrong), data, "manifest")
            if outcome == "lost":
                break
        item.put(item.data)
    for item in kept:
        session.run("DROP TABLE " + item.table)
    report.counts("damaged manifests: %d of %d" % (n, len(kept)), counts)
