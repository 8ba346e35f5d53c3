#!/usr/bin/env python3
"""train.py
    The Python package: batches of its Loader beside COPY by psql and beside
    the peers' loaders, and training steps fed by each of them, with the share
    of time that they wait for data.

Usage: train.py gzip|none DIRECTORY      (see train.sh)
"""

import os
import statistics
import subprocess
import sys
import time

import numpy as np
import psycopg
import scipy.sparse as sp

import files
import mappedcoll as mc
import measure
import ours
import peers
from measure import BOUND, OURS, QUICK, Contender
from ours import BATCH

RUNS = 3            # there are many contenders
EPOCH = 1 << 30     # steps; a run is the last ones of an epoch
CHECKED = 1000      # the epoch whose last batches are compared
# Of a run; a Loader's statements have 2 steps, 8, 32, 128 and so on
STEPS = {"gzip": 10 if QUICK else 42, "none": 42 if QUICK else 106}
FETCH = 8 if QUICK else 64
GENES = {"MLP": 1024, "transformer": 16}     # the top ones, which models read
HIDDEN, WIDTH, HEADS = 128, 16, 2
TARGET = 0.8


class Loading(Contender):
    """A Loader; densify is its argument, and stays for X in tensors()."""

    kind = OURS

    def __init__(self, name, collection, steps, to="torch", densify="cpu",
                 connections=1, genes=None):
        super().__init__(name)
        self.collection, self.to, self.densify = collection, to, densify
        self.connections, self.genes = connections, genes
        self.at_least = steps * BATCH

    def load(self):
        if self.to == "torch":
            import torch  # noqa: F401

    def connect(self):
        """The server, by a name that its processes have to themselves."""
        return mc.connect(application_name=f"train-{os.getpid()}")

    def open(self):
        self.server = self.connect()
        collection = self.server.collection(self.collection)
        names = collection.var_names
        self.categories = collection.categories(files.LABEL)
        self.loader = mc.Loader(
            collection, BATCH, weight_by=files.LABEL, seed=1, to=self.to,
            densify=self.densify, connections=self.connections,
            genes=self.genes and [names[gene] for gene in self.genes],
            steps_per_epoch=EPOCH)
        # all its connections are made
        for _ in self.last(1, 0):
            pass

    def pids(self):
        rows = self.server.query(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
            [f"train-{os.getpid()}"])
        return [pid for pid, in rows]

    def last(self, steps, epoch):
        """The batches of the last steps of an epoch."""
        self.loader.seek((epoch + 1) * EPOCH - steps)
        yield from self.loader

    def check(self):
        found = list(self.last(2, CHECKED))
        return (np.concatenate([np.asarray(batch.index) for batch in found]),
                sp.vstack([batch.to_scipy() for batch in found], "csr"))

    def labelled(self):
        """Some cells as tensors() gives them: row numbers, X, text of
        labels."""
        found = list(self.last(2, CHECKED))
        codes = np.concatenate([batch.label.numpy() for batch in found])
        return (np.concatenate([batch.index.numpy() for batch in found]),
                np.concatenate([batch.X.numpy() for batch in found]),
                [self.categories[code] for code in codes])

    def tensors(self, cells, seed):
        """Yield X, dense, and the codes of labels."""
        for batch in self.last(cells // BATCH, seed):
            yield batch.X, batch.label

    def batches(self, cells, seed):
        for batch in self.last(cells // BATCH, seed):
            yield batch.n_rows


class Statements(psycopg.Cursor):
    """A cursor that notes which COPY statements its connection sends."""

    def copy(self, statement, params=None, **more):
        self.connection.statements.append(bytes(statement).decode())
        return super().copy(statement, params, **more)


class Noting(mc.Server):
    """A server of which all connections do so."""

    def __init__(self, conninfo):
        super().__init__(conninfo)
        self.connections = []

    def open(self, shift=0):
        connection = super().open(shift)
        connection.cursor_factory = Statements
        connection.statements = []
        self.connections.append(connection)
        return connection


class Copy(Loading):
    """The statements of a Loader, sent by psql to /dev/null: by one psql for
    each of its connections, at the same time.

    A Loader is run before, in vain, to know them.
    """

    kind = BOUND

    def connect(self):
        return Noting(super().connect().conninfo)

    def open(self):
        super().open()
        self.noting = [connection for connection in self.server.connections
                       if connection.statements]
        if len(self.noting) != self.connections:
            raise AssertionError("not all connections are known")
        self.psql = [subprocess.Popen(
            [os.environ["BENCH_PSQL"], "-XqAt", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in self.noting]
        # connected, and with the session's first draws done, as the Loader
        self.copy()

    def check(self):
        return None     # the batches of this Loader are another's

    def copy(self):
        """Send what was noted; returns the number of parts that came."""
        for psql, connection in zip(self.psql, self.noting):
            for statement in connection.statements:
                psql.stdin.write(f"{statement} \\g /dev/null\n"
                                 "\\echo :ROW_COUNT\n")
            psql.stdin.flush()
        found = 0
        for psql, connection in zip(self.psql, self.noting):
            for _ in connection.statements:
                line = psql.stdout.readline()
                if not line:
                    raise RuntimeError("psql ended")
                found += int(line)
            connection.statements.clear()
        return found

    def run(self, cells, seed):
        steps = cells // BATCH
        for _ in self.last(steps, seed):
            pass
        begin = time.perf_counter()
        parts = self.copy()
        seconds = time.perf_counter() - begin
        if parts < steps * self.connections:
            raise AssertionError(f"{parts} parts of {steps} steps")
        return cells, seconds, None


class Again(Contender):
    """A batch in memory, again and again: what no loader can exceed."""

    kind = BOUND
    at_least = BATCH

    def __init__(self, name, directory):
        super().__init__(name)
        self.directory = directory

    def open(self):
        import torch
        cells = files.Cells(self.directory)
        self.rows = np.linspace(0, len(cells) - 1, BATCH).astype(int)
        self.names, codes = np.unique(files.labels(self.directory),
                                      return_inverse=True)
        self.x = torch.from_numpy(cells.read(self.rows).toarray())
        self.y = torch.from_numpy(codes[self.rows])

    def labelled(self):
        """As of Loading."""
        return self.rows, self.x.numpy(), self.names[self.y.numpy()]

    def tensors(self, cells, seed):
        """As of Loading."""
        for _ in range(cells // BATCH):
            yield self.x, self.y


def mlp(genes, n_labels):
    """A classifier of cells by the counts of some genes."""
    import torch
    return torch.nn.Sequential(
        torch.nn.Linear(genes, HIDDEN), torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, n_labels))


def transformer(genes, n_labels):
    """The same with a token for each gene, its place scaled by its count."""
    import torch

    class Model(torch.nn.Module):
        """One layer, and the mean of its tokens."""

        def __init__(self):
            super().__init__()
            self.gene = torch.nn.Parameter(torch.randn(genes, WIDTH))
            self.count = torch.nn.Parameter(torch.randn(genes, WIDTH))
            self.layer = torch.nn.TransformerEncoderLayer(
                WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
            self.last = torch.nn.Linear(WIDTH, n_labels)

        def forward(self, x):
            """Logits (cells, n_labels) of x (cells, genes)."""
            tokens = self.gene + x[..., None] * self.count
            return self.last(self.layer(tokens).mean(1))

    return Model()


MODELS = {"MLP": mlp, "transformer": transformer}


class Training(Contender):
    """Training steps on what a source's tensors() gives.

    Models pick their genes here, of all genes; a source that has only the
    first of genes says so by its attribute genes.
    """

    def __init__(self, source, genes, n_labels):
        super().__init__(source.name)
        self.kind, self.unit = source.kind, source.unit
        self.at_least = source.at_least
        self.source, self.genes, self.n_labels = source, genes, n_labels

    def load(self):
        import torch
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.source.load()

    def open(self):
        import torch
        chosen = getattr(self.source, "genes", None)
        genes = list(range(len(chosen))) if chosen else self.genes
        self.loss_of = torch.nn.functional.cross_entropy
        self.models = {}
        for name, n in GENES.items():
            net = MODELS[name](n, self.n_labels)
            self.models[name] = (torch.tensor(genes[:n]), net,
                                 torch.optim.Adam(net.parameters(), 1e-3))
            # the first one is slow
            self.step(name, torch.zeros(BATCH, max(genes) + 1),
                      torch.zeros(BATCH, dtype=torch.int64))
        return self.source.open()

    def pids(self):
        return self.source.pids()

    def check(self):
        if not isinstance(self.source, peers.Peer):
            return self.source.labelled()
        rows = files.Draws(self.source.directory, 1).take(2 * BATCH)
        return rows, *self.source.labelled(rows)

    def step(self, model, x, y):
        """A training step; returns its loss."""
        genes, net, optimizer = self.models[model]
        loss = self.loss_of(net(x.index_select(1, genes).log1p()), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def train(self, model, cells, seed):
        """A run: cells, seconds, seconds to the first batch, and the share of
        time in which there was no batch."""
        begin = time.perf_counter()
        first, n, waited, loss = None, 0, 0.0, 0.0
        tensors = iter(self.source.tensors(cells, seed))
        while True:
            asked = time.perf_counter()
            batch = next(tensors, None)
            got = time.perf_counter()
            waited += got - asked
            if batch is None:
                break
            if first is None:
                first = got - begin
            loss = self.step(model, *batch)
            n += len(batch[1])
        seconds = time.perf_counter() - begin
        if n != cells or not np.isfinite(loss):
            raise AssertionError(f"{n} of {cells} cells, loss {loss}")
        return n, seconds, first, waited / seconds

    def run(self, cells, seed):
        return self.train(next(iter(GENES)), cells, seed)[:3]


class Fixed(measure.Player):
    """A contender whose runs have a number of cells that is given, if it is
    one of ours: the statements of a Loader and of psql are the same then."""

    def rehearse(self, lengthen):
        super().rehearse(lengthen and not isinstance(self.contender, Loading))


class Trainee(measure.Player):
    """One who trains each model in turn."""

    def __init__(self, contender):
        super().__init__(contender)
        self.runs = {model: [] for model in GENES}

    def turn(self, seed):
        for i, (model, runs) in enumerate(self.runs.items()):
            # other cells for each: what one has read is not to help the next
            result = self.ask("train", model, self.cells,
                              seed * len(GENES) + i)
            if result:
                cells, seconds, *more = result
                runs.append((cells / BATCH / seconds, *more))

    def median(self, model):
        """Medians of steps/s, seconds to the first batch, share of time
        without a batch; None without a run."""
        return [statistics.median(values)
                for values in zip(*self.runs[model])] or None


def loading(directory, steps):
    """Contenders that load, and pairs (Loader, its COPY) by name."""
    found, pairs = [], []
    for form, to, densify, wire in (
            ("sparse", "numpy", None, "CSR"),
            ("sparse", "torch", None, "CSR"),
            ("dense", "numpy", "cpu", "CSR"),
            ("dense", "torch", "cpu", "CSR"),
            ("dense on the wire", "torch", "server", "dense")):
        for n in (1,) if QUICK and found else (1, 2):
            name = f"Loader, {to}, {form}{connections(n)}"
            found.append(Loading(name, "cells", steps, to, densify, n))
            pairs.append((name, copy_name(wire, n)))
    for wire, densify in (("CSR", None), ("dense", "server")):
        for n in (1, 2):
            name = copy_name(wire, n)
            if any(name == other for _, other in pairs):
                found.append(Copy(name, "cells", steps, "numpy", densify, n))
    return found + rivals(directory) + [peers.annbatch()], pairs


def connections(n):
    """What a name says of connections."""
    return "" if n == 1 else f", {n} connections"


def copy_name(wire, n):
    """The name of a Copy."""
    return f"bound: psql, COPY of {wire} to /dev/null{connections(n)}"


def rivals(directory):
    """Theirs."""
    return [
        *(peers.Mapped(f"MappedCollection, {n} workers", directory, n)
          for n in ((0,) if QUICK else (0, 2))),
        peers.ScDataset(f"scDataset, exact, fetch {FETCH}", directory, 1,
                        FETCH),
    ]


def training(directory, steps, genes, n_labels):
    """Contenders that train."""
    sources = [
        *(Loading(f"Loader{connections(n)}", "cells", steps, connections=n)
          for n in ((1,) if QUICK else (1, 2))),
        Loading("Loader, the models' genes alone", "cells", steps,
                genes=genes),
        *rivals(directory),
        Again("bound: one batch again and again", directory),
    ]
    return [Training(source, genes, n_labels) for source in sources]


def top_genes(cells):
    """Genes by their mean over some cells, highest first."""
    rows = np.linspace(0, len(cells) - 1, 1000).astype(int)
    mean = np.asarray(cells.read(rows).mean(0)).ravel()
    return np.argsort(-mean, kind="stable")


def comparing(cells, labels, genes):
    """As Cells.compare, of X with all genes or these, and with labels."""
    def compare(rows, x, names):
        if not np.array_equal(labels[rows], np.asarray(names, dtype=object)):
            raise AssertionError("other labels")
        expected = cells.read(rows).toarray()
        if x.shape[1] == len(genes):
            expected = expected[:, genes]
        if not np.array_equal(expected, x):
            raise AssertionError("other entries")

    return compare


def quotients(report, players, pairs):
    """The targets, and what was reached."""
    report.line()
    for one, other in pairs:
        found = measure.ratio(players, one, other)
        report.line(f"{one} / {other}: "
                    f"{'-' if found is None else f'{found:.2f}'} "
                    f"(aim {TARGET})")


def training_table(report, model, players):
    """A line a player."""
    width = max(len(player.name) for player in players)
    report.line()
    report.line(f"{model:<{width}}  {'steps/s':>8} {'waiting':>8} "
                f"{'first ms':>9} {'MB':>7}   runs")
    for player in players:
        found = player.median(model)
        if found is None:
            report.line(f"{player.name:<{width}}  {player.why or 'no run'}")
            continue
        steps, first, share = found
        runs = " ".join(f"{steps:.1f}:{share:.1%}"
                        for steps, _, share in player.runs[model])
        memory = "" if player.kind == BOUND else f"{player.memory:,.0f}"
        report.line(f"{player.name:<{width}}  {steps:>8.1f} {share:>8.1%} "
                    f"{first * 1e3:>9,.1f} {memory:>7}   ({runs})")


def training_plot(report, players, title):
    """Milliseconds of a step, computing and waiting, a panel a model."""
    def draw(figure):
        panels = figure.subplots(1, len(GENES), sharey=True)
        for axes, model in zip(panels, GENES):
            known = [player for player in players[::-1]
                     if player.median(model)]
            names = [player.name for player in known]
            steps, _, share = np.array([player.median(model)
                                        for player in known]).T
            whole = 1e3 / steps
            waiting = whole * share
            axes.barh(names, whole - waiting, color="#1f6fb4",
                      label="computing")
            bars = axes.barh(names, waiting, left=whole - waiting,
                             color="#e8b04a", label="waiting for data")
            axes.bar_label(bars, [f"{part:.0%}" for part in share],
                           padding=3, fontsize=8)
            axes.margins(x=0.12)
            axes.set_xlabel(f"ms a step of {BATCH} cells, median of {RUNS} "
                            "runs", fontsize=9)
            axes.set_title(model, fontsize=10)
            axes.tick_params(axis="y", labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        panels[-1].legend(loc="lower right", fontsize=8)
        figure.suptitle(title, fontsize=11)

    report.figure(draw, (10, 3.6), "-steps")


def main():
    compression, directory = sys.argv[1:]
    steps = STEPS[compression]
    kind = "gzip" if compression == "gzip" else "uncompressed"
    ours.register("cells", directory)
    cells = files.Cells(directory)
    labels = files.labels(directory).astype(object)
    report = measure.Report(
        f"train-{compression}",
        [f"The Python package: weighted single cells from {kind} h5ad files, batches of {BATCH}, as a",
         f"training loop has them; medians of {RUNS} runs in which all took turns, page cache warm; all",
         "runs in parentheses.  Before that each returned what plain h5py reads.  A run of ours is",
         f"{steps} steps of a Loader with the server's default settings, by one connection unless said,",
         "which was made before.  psql sends the very statements of the Loader, on as many",
         "connections.  dense: of CSR, in the client.  first ms: to the first batch, of what is",
         "opened.  MB: the most memory that client, workers and server had to themselves, beyond",
         "what an idle client has.  ratio: to psql with CSR.",
         f"Training: a step of Adam on the counts of the top genes (MLP: {GENES['MLP']:,}, {HIDDEN} hidden units;",
         f"transformer: {GENES['transformer']} tokens of width {WIDTH}, one layer), on one core; X is a dense tensor of all",
         "genes unless said.  waiting: the share of time in which there was no batch to train on; for",
         "one that reads in its own process this is reading.  Runs are steps/s and that share."],
        ours.server_version(), "numpy", "h5py", "anndata", "lamindb",
        "scdataset", "torch", "psycopg")
    report.line(f"files     {len(cells):,} cells x {cells.genes:,} genes, "
                f"{len(cells.files)} files, {kind}, "
                f"{len(set(labels))} labels")

    contenders, pairs = loading(directory, steps)
    players = measure.play(contenders, cells.compare, RUNS, Fixed)
    report.line()
    report.table(players, next(
        player for player in players if player.name == copy_name("CSR", 1)))
    quotients(report, players, pairs)

    genes = top_genes(cells)[:max(GENES.values())].tolist()
    trained = measure.play(
        training(directory, steps, genes, len(set(labels))),
        comparing(cells, labels, genes), RUNS, Trainee)
    for model in GENES:
        training_table(report, model, trained)
    report.write()
    report.bars(players, f"Loaders, {kind} files to batches of {BATCH}",
                runs=RUNS)
    training_plot(report, trained,
                  f"A training step, fed from {kind} files")


if __name__ == "__main__":
    main()
