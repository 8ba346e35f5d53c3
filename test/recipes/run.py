#!/usr/bin/env python3
"""run.py
    Run the SQL and Python of the README's section "Sampling", and check it.

Every fenced block runs as it stands, in order, on the server that PGHOST
leads to, in a new database "lab" with the demo's files in a collection
"coll".  What a block does is held against anndata's reading of the files, or
against other calls.  The parts that need torch are skipped without it.
"""

import collections
import copy
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import anndata
import numpy as np
import psycopg
from psycopg.rows import dict_row

try:
    import torch
    NO_TORCH = None
except ImportError as error:
    NO_TORCH = os.environ.get("MC_NO_TORCH") or str(error)

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = pathlib.Path(os.environ["MC_DATA"]) / "demo"

tests = failures = 0


def ok(condition, description):
    """Report a test."""
    global tests, failures
    tests += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {tests} - {description}",
          flush=True)


def skip(description, reason):
    """Report a test that cannot run here."""
    global tests
    tests += 1
    print(f"ok {tests} # SKIP {description}: {reason}", flush=True)


# --- what the README says ---

def recipes():
    """The blocks of the section: heading -> [(language, text)]."""
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^## Sampling\n(.*?)^## ", text, re.M | re.S)[1]
    blocks = collections.OrderedDict()
    parts = re.split(r"^### (.*)\n", section, flags=re.M)
    for heading, body in zip(["Sampling"] + parts[1::2], parts[::2]):
        blocks[heading] = re.findall(r"^```(\w+)\n(.*?)^```", body,
                                     re.M | re.S)
    return blocks


# --- the truth ---

class Truth:
    """What anndata reads from the demo's files, in the collection's order."""

    def __init__(self, conn):
        files = [anndata.read_h5ad(path) for path in sorted(DEMO.glob("*.h5ad"))]
        genes = [name for name, in conn.execute(
            "SELECT var_name FROM collection_vars('coll') ORDER BY var_index")]
        self.x = np.concatenate([f[:, genes].X.toarray()
                                 if not isinstance(f.X, np.ndarray)
                                 else f[:, genes].X
                                 for f in files]).astype(np.float32)
        self.pca = np.concatenate([
            f.obsm["X_pca"] if "X_pca" in f.obsm
            else np.full((f.n_obs, 8), np.nan) for f in files]).astype("f4")
        self.obs = {name: np.concatenate([
            np.asarray(f.obs[name].astype(object).where(f.obs[name].notna(),
                                                        None))
            if name in f.obs else np.full(f.n_obs, None) for f in files])
            for name in ["cell_type", "donor_id", "n_counts"]}
        self.labels = {name: sorted({v for v in self.obs[name]
                                     if v is not None}, key=str.encode)
                       for name in ["cell_type", "donor_id"]}

    def codes(self, name, rows):
        """Codes of the values of an obs column."""
        return np.array([-1 if self.obs[name][r] is None else
                         self.labels[name].index(self.obs[name][r])
                         for r in rows], dtype="i4")


def execute(conn, text):
    """Results of the statements of a block."""
    cursor = conn.execute(text)
    results = [cursor.fetchall()]
    while cursor.nextset():
        results.append(cursor.fetchall())
    return results


def rows(conn, arguments):
    """row_index of the draws of sample_rows, by step."""
    steps = collections.defaultdict(list)
    for step, row in conn.execute(f"SELECT batch, row_index FROM "
                                  f"sample_rows('coll', {arguments})"):
        steps[step].append(row)
    return dict(steps)


# --- the checks: what the blocks of a heading gave ---

def check_sampling(conn, truth, results, _):
    pairs, files, uniform = results
    ok([len(r) for r in results] == [256] * 3, "batches of 256")
    ok(all(label == f"{truth.obs['cell_type'][row]}__"
           f"{truth.obs['donor_id'][row]}" for row, label, _ in pairs),
       "labels of two columns")
    ok({label for _, label, _ in files} == {"0", "1", "2"}, "labels of files")
    ok({label for _, label, _ in uniform} == {None}, "no labels")
    ok(all(np.array_equal(np.frombuffer(bytes(x), "<f4"), truth.x[row])
           for r in results for row, _, x in r), "vectors are anndata's")


def check_weights(conn, truth, results, _):
    root, two, value, table, _, sampler = results
    ok(len(root) == 256, "weights of a root")
    ok({label for _, label, _ in two} == {"B cell", "plasma cell"},
       "weights of an object")
    ok(len(value) == 256 and {label for _, label, _ in value} == {None},
       "weights by value")
    ok({label for _, label, _ in table} == {"B cell", "megakaryocyte"},
       "weights of a table")
    shares = dict(conn.execute("SELECT donor_id, share FROM donors"))
    ok(all(shares[truth.obs["donor_id"][row]] > 0 for row, _, _ in sampler),
       "a sampler's weight 0 is not drawn")
    drawn = collections.Counter(
        truth.obs["donor_id"][row] for row in rows(
            conn, "20000, sampler => 'by_share', seed => 1")[0])
    total = sum(shares.values())
    ok(all(abs(drawn[d] / 20000 - s / total) < 0.02
           for d, s in shares.items()), "donors come by their shares")


def check_epochs(conn, truth, results, _):
    ok(sorted(results[0]) == list(enumerate([1000, 1000, 1000, 200] * 2)),
       "an epoch ends with its rows")
    steps = rows(conn, "1000, seed => 42, n_steps => 4, replacement => false")
    ok(sorted(sum(steps.values(), [])) == list(range(3200)),
       "each cell once an epoch")


def check_filters(conn, truth, results, _):
    condition, consent, parts, train = results
    ok(all(truth.obs["donor_id"][row] != "D07" and
           truth.obs["n_counts"][row] > 500 for row, _, _ in condition),
       "a condition")
    willing = {d for d, in conn.execute(
        "SELECT donor_id FROM donors WHERE consent")}
    ok(all(truth.obs["donor_id"][row] in willing for row, _, _ in consent),
       "a condition with an in-house table")
    ok([part for part, _, _ in parts] == [0, 1] and
       sum(donors for _, donors, _ in parts) == 10 and
       sum(cells for _, _, cells in parts) == 3200, "a split of donors")
    inside = {d for d, in conn.execute(
        "SELECT DISTINCT donor_id FROM coll "
        "WHERE split_of(donor_id, 3, '{0.7,0.3}') = 0")}
    ok({truth.obs["donor_id"][row] for row, _, _ in train} <= inside,
       "a batch of the first part")


def check_packed(conn, truth, _, names):
    ok(names["row"]["batch"] == 99, "100 steps came")
    r = names["row_index"]
    ok(np.array_equal(names["label"], truth.codes("cell_type", r)),
       "labels are codes of labels()")
    ok(np.array_equal(names["donor"], truth.codes("donor_id", r)), "donors")
    ok(np.array_equal(names["counts"], truth.obs["n_counts"][r].astype(float)),
       "counts")
    ok(np.array_equal(names["pca"], truth.pca[r], equal_nan=True), "X_pca")
    ok(names["step"] == 99 and np.array_equal(names["x"], truth.x[r]),
       "dense batches, the same cells")
    same = narrow = True
    with conn.cursor(row_factory=dict_row) as cursor:
        for kind in ["", ", indptr_type => 'int32', indices_type => 'narrow', "
                     "data_type => 'narrow', part_rows => 100"]:
            for row in cursor.stream("SELECT * FROM sample_csr('coll', 256, "
                                     "'cell_type', seed => 7, n_steps => 20"
                                     f"{kind})", binary=True):
                x = names["csr"](row)
                index = np.frombuffer(row["row_index"], "<i8")
                same &= np.array_equal(x.toarray(), truth.x[index])
                narrow &= not kind or row["dtypes"] == ["<i4", "<u2", "|u1"]
        ok(same, "decoded batches are anndata's, in all forms")
        ok(narrow, "the narrow form is narrow")
        cursor.execute("SELECT * FROM fetch_csr('coll', '{5,9,5,3000}')",
                       binary=True)
        ok(np.array_equal(names["csr"](cursor.fetchone()).toarray(),
                          truth.x[[5, 9, 5, 3000]]), "cells by number")


def check_torch(conn, truth, _, names):
    batches = list(names["loader"])
    ok(len(batches) == 20, "two workers give 20 batches")
    ranks = [rows(conn, "128, 'cell_type', seed => 42, n_steps => 10, "
                  f"rank => {rank}, world_size => 2") for rank in (0, 1)]
    want = [ranks[i % 2][i // 2] for i in range(20)]
    ok(all(np.array_equal(x.to_dense().numpy(), truth.x[r])
           for (x, _), r in zip(batches, want)), "tensors are anndata's")
    ok(all(np.array_equal(label.numpy(), truth.codes("cell_type", r))
           for (_, label), r in zip(batches, want)), "and so are labels")
    ok(names["y"].shape == (128, truth.x.shape[1]) and
       names["y"].dtype == torch.float32, "a dense tensor")


TRAINING = '''
import sys
import torch.distributed
from torch.nn.parallel import DistributedDataParallel
torch.distributed.init_process_group("gloo")
model = DistributedDataParallel(torch.nn.Linear(%d, 11))
sizes = []
for x, label in dataset(1000, n_steps=4, replacement=False):
    out = model(x.to_dense())
    loss = torch.nn.functional.cross_entropy(out, label.long()) if len(label) else out.sum() * 0
    loss.backward()
    sizes.append(len(label))
# one write: lines of two processes must not mix
sys.stdout.write(" ".join(map(str, ["sizes", os.environ["RANK"], *sizes])) + "\\n")
sys.stdout.flush()
torch.distributed.destroy_process_group()
'''


def check_processes(conn, truth, _, names):
    whole = None
    for world in (1, 2, 4, 8):
        steps = [[] for _ in range(5)]
        os.environ["WORLD_SIZE"] = str(world)
        for rank in range(world):
            os.environ["RANK"] = str(rank)
            for step, (x, _) in enumerate(names["dataset"](256, n_steps=5)):
                steps[step].append(x.to_dense().numpy())
        union = [np.concatenate(parts) for parts in steps]
        whole = whole or union
        ok(all(map(np.array_equal, union, whole)),
           f"{world} ranks share the same global batches")
    ranks = [rows(conn, "64, 'cell_type', seed => 3, replacement => false, "
                  f"n_steps => 12, rank => {r}, world_size => 4")
             for r in range(4)]
    dealt = [row for rank in ranks for step in rank.values() for row in step]
    ok(len(dealt) == len(set(dealt)), "ranks of an epoch are disjoint")
    check_training(names, truth)


def check_training(names, truth):
    """One epoch in DistributedDataParallel, with an empty last batch."""
    blocks = recipes()
    text = "\n".join(block for heading in ["Packed batches", "PyTorch",
                                           "Several processes"]
                     for language, block in blocks[heading]
                     if language == "python" and "COPY" not in block)
    text = text.split("loader = ")[0] + "\n" + text[text.index("import os"):]
    with tempfile.TemporaryDirectory() as directory:
        script = pathlib.Path(directory) / "train.py"
        script.write_text(text + TRAINING % truth.x.shape[1])
        result = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone",
             "--nproc-per-node", "2", str(script)], capture_output=True,
            text=True, timeout=90, check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"})
    found = sorted(re.findall(r"^sizes (.*)$", result.stdout, re.M))
    right = (result.returncode == 0 and
             found == ["0 500 500 500 182", "1 500 500 500 0"])
    ok(right, "an epoch in two processes, the last batch of one empty")
    if not right:
        print(re.sub("^", "# ", result.stdout + result.stderr, flags=re.M))


def check_resume(conn, truth, _, names):
    state = names["state"]
    ok(state["step"] == 10, "10 steps were made")
    start = state | {"step": 0}
    whole = [bytes(r["data"]) for r in names["batches"](conn, start, 10)]
    state = state | {"step": 0}
    stream, resumed = names["batches"](conn, state, 10), []
    for row in stream:
        if len(resumed) == 4:
            break
        resumed.append(bytes(row["data"]))
    saved = copy.deepcopy(state)        # the checkpoint
    stream.close()
    conn.rollback()
    ok(saved["step"] == 4, "a crash in the fifth step")
    with psycopg.connect("dbname=lab") as again:
        for row in names["batches"](again, saved, 6):
            resumed.append(bytes(row["data"]))
    ok(resumed == whole, "resumed after a crash is uninterrupted")
    files = sorted(map(str, DEMO.glob("*.h5ad")))
    conn.execute("ALTER FOREIGN TABLE coll_h5ad OPTIONS (SET files "
                 f"'{{{','.join(files[:2])}}}')")
    try:
        next(iter(names["batches"](conn, saved, 6)))
        ok(False, "another collection is refused")
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        ok("not the one that is expected" in str(error),
           "another collection is refused")
    conn.rollback()


def check_clause(conn, truth, results, _):
    drawn = rows(conn, "256, 'cell_type', seed => 42")[0]
    ok([row for row, _ in results[0]] == drawn,
       "REPEATABLE is the stream of the seed")


CHECKS = {
    "Sampling": check_sampling,
    "Weights": check_weights,
    "Without replacement": check_epochs,
    "Filters and splits": check_filters,
    "Packed batches": check_packed,
    "PyTorch": check_torch,
    "Several processes": check_processes,
    "Resume": check_resume,
    "TABLESAMPLE": check_clause,
}
WITH_TORCH = {"PyTorch", "Several processes"}


def prepare():
    """The database that the recipes speak of."""
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS lab")
        conn.execute("CREATE DATABASE lab")
    with psycopg.connect("dbname=lab") as conn:
        conn.execute("CREATE EXTENSION mappedcoll")
        conn.execute("SELECT create_collection('coll', ARRAY[%s], "
                     "obsm => '{X_pca}')", [str(DEMO)])
        conn.execute("""
            CREATE TABLE donors AS SELECT donor_id,
                (row_number() OVER (ORDER BY donor_id) % 4)::float8 AS share,
                donor_id < 'D06' AS consent
            FROM (SELECT DISTINCT donor_id FROM coll) AS d;
            CREATE TABLE type_weights (cell_type text, importance float8);
            INSERT INTO type_weights VALUES ('B cell', 1),
                ('megakaryocyte', 2), ('plasma cell', 0)""")


def main():
    prepare()
    names = {}
    with psycopg.connect("dbname=lab") as conn:
        truth = Truth(conn)
        conn.commit()
        for heading, blocks in recipes().items():
            if not blocks:
                continue
            if heading in WITH_TORCH and NO_TORCH is not None:
                skip(heading, NO_TORCH)
                continue
            results = []
            for language, text in blocks:
                if language == "sql":
                    results += execute(conn, text)
                elif language == "python":
                    exec(compile(text, f"README.md, {heading}", "exec"), names)
                else:
                    ok(False, f"{heading}: no way to run {language}")
            conn.commit()
            ok(heading in CHECKS, f"{heading}: {len(blocks)} blocks ran")
            CHECKS[heading](conn, truth, results, names)
            conn.commit()
    print(f"1..{tests}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
