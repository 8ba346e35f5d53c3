"""measure.py
    What the parts of the benchmark share: contenders that take turns, each in
    a process of its own, and reports as text and plots.

A contender is first opened, then checked (what it returns for some cells must
be what plain h5py reads), then run once to find how many cells fill a run,
while its memory is watched; then all of them take turns, RUNS times, so that
what else the machine does meets all of them.

    QUICK=1             fewer and shorter runs
    BENCH_RESULTS=DIR   where reports are written (bench/results)
"""

import datetime
import importlib.metadata
import math
import multiprocessing
import os
import pathlib
import platform
import statistics
import sys
import threading
import time
import traceback

QUICK = bool(os.environ.get("QUICK"))
RUNS = int(os.environ.get("RUNS") or (3 if QUICK else 5))
SECONDS = 0.4 if QUICK else 1.5     # of a run
RESULTS = pathlib.Path(os.environ.get("BENCH_RESULTS") or
                       pathlib.Path(__file__).parent / "results")
POLL = 0.01             # seconds between two looks at the memory
MB = 1e6

OURS, PEER, BOUND = "mappedcoll", "peer", "bound"

# Freed arrays stay in the process: to have the pages of each batch mapped anew
# is what limits whoever is fast, and it is the same for all
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25),
          "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


def say(text):
    """Progress."""
    print(f"mappedcoll: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr,
          flush=True)


class Absent(Exception):
    """A contender that cannot play; the text says why."""


class Contender:
    """Something that gives batches of cells.  Made here, opened and run in a
    process of its own."""

    kind = PEER
    unit = 256          # a run has a multiple of so many cells
    at_least = 256      # and not fewer than these

    def __init__(self, name):
        self.name = name

    def load(self):
        """Import what is needed; not counted as memory."""

    def open(self):
        """All that comes before the first batch; returns a note or None."""

    def pids(self):
        """Other processes that work for it (their children not named)."""
        return []

    def check(self):
        """Some cells: row numbers, CSR matrix; None: nothing to compare."""
        return None

    def batches(self, cells, seed):
        """Yield each batch's number of cells when it is in memory."""
        raise NotImplementedError

    def run(self, cells, seed):
        """Cells, seconds, seconds to the first batch."""
        begin = time.perf_counter()
        first, n = None, 0
        for count in self.batches(cells, seed):
            if first is None:
                first = time.perf_counter() - begin
            n += count
        return n, time.perf_counter() - begin, first


def rss(pid):
    """Bytes of anonymous memory of a process and its children."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return 0
    own = next((int(line.split()[1]) * 1024 for line in status.splitlines()
                if line.startswith("RssAnon:")), 0)
    return own + sum(rss(child) for child in children.split())


def serve(pipe, contender):
    """The process of a contender: answers until the pipe is closed."""
    def attempt(work):
        try:
            return True, work()
        except Absent as absent:
            return False, str(absent)
        except Exception as error:      # whatever a library raises: its row
            traceback.print_exc()
            text = (str(error).strip() or type(error).__name__)
            return False, f"fails: {text.splitlines()[0][:150]}"

    pipe.send(attempt(contender.load))
    while True:
        try:
            name, *arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(lambda: getattr(contender, name)(*arguments)))


class Player:
    """A contender's process, and what was measured."""

    def __init__(self, contender):
        os.environ.update(MALLOC)
        context = multiprocessing.get_context("spawn")
        self.contender = contender
        self.name, self.kind = contender.name, contender.kind
        self.rates, self.firsts = [], []
        self.memory = self.why = self.note = None
        self.cells = contender.at_least
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, contender))
        self.process.start()
        other.close()
        self.answer()
        self.base = rss(self.process.pid)

    def answer(self):
        """What the process says; None if it failed, now or before."""
        try:
            good, value = self.pipe.recv()
        except EOFError:
            good, value = False, "its process died"
        if not good:
            self.why = self.why or value
            return None
        return value

    def ask(self, *call):
        """Call a method of the contender."""
        if self.why:
            return None
        self.pipe.send(call)
        return self.answer()

    def prepare(self, compare, lengthen=True):
        """Open, check, watch the memory, and find the length of a run."""
        begin = time.perf_counter()
        self.note = self.ask("open")
        self.opened = time.perf_counter() - begin
        found = self.ask("check")
        if found is not None and compare is not None:
            try:
                compare(*found)
            except AssertionError as error:
                raise SystemExit(f"{self.name} returns other values: {error}")
        self.rehearse(lengthen)

    def rehearse(self, lengthen):
        """Runs that do not count: for the memory, and the cells of a run."""
        pids = self.ask("pids") or []
        peak = [0]
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                peak[0] = max(peak[0], rss(self.process.pid) +
                              sum(rss(pid) for pid in pids))
                stop.wait(POLL)

        thread = threading.Thread(target=watch)
        thread.start()
        result = self.ask("run", self.cells, 0)
        while lengthen and result and result[1] < SECONDS / 2:
            # step by step: the first batches are slow
            wanted = min(result[0] * SECONDS / result[1], 16 * result[0])
            self.cells = self.contender.unit * math.ceil(
                wanted / self.contender.unit)
            result = self.ask("run", self.cells, 0)
        stop.set()
        thread.join()
        self.memory = max(0, peak[0] - self.base) / MB

    def turn(self, seed):
        """A run that counts."""
        result = self.ask("run", self.cells, seed)
        if result:
            cells, seconds, first = result
            self.rates.append(cells / seconds)
            self.firsts.append(first)

    def close(self):
        """End the process."""
        self.pipe.close()
        self.process.join(20)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()

    @property
    def rate(self):
        """Median of cells a second."""
        return statistics.median(self.rates) if self.rates else None

    @property
    def first(self):
        """Median of the seconds to the first batch."""
        known = [first for first in self.firsts if first is not None]
        return statistics.median(known) if known else None


def play(contenders, compare=None, runs=RUNS, player_of=Player):
    """Let contenders take turns; returns their players, in order."""
    players = []
    try:
        for contender in contenders:
            say(f"opening {contender.name}")
            players.append(player_of(contender))
            players[-1].prepare(compare)
            if players[-1].why:
                say(f"{contender.name}: {players[-1].why}")
        for seed in range(1, runs + 1):
            say(f"run {seed} of {runs}")
            for player in players:
                player.turn(seed)
    finally:
        for player in players:
            player.close()
    return players


def machine():
    """Cores, memory, processor."""
    cpu = [line.split(":")[1].strip() for line in
           pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    total = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return (f"{os.cpu_count()} cores, {total / 2 ** 20:.0f} GiB, "
            f"{cpu[0] if cpu else platform.machine()}")


def versions(server, *packages):
    """PostgreSQL, Python, its packages, system."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    system = dict(line.split("=", 1) for line in
                  pathlib.Path("/etc/os-release").read_text().splitlines()
                  if "=" in line)["PRETTY_NAME"].strip('"')
    return ", ".join([f"PostgreSQL {server.split()[0]}",
                      f"Python {platform.python_version()}", *found, system])


class Report:
    """A text that is shown, and written to RESULTS when it is complete."""

    def __init__(self, name, title, server, *packages, load=None):
        self.name = name + ("-quick" if QUICK else "")
        self.lines = []
        for line in title:
            self.line(line)
        self.line()
        now = datetime.datetime.now(datetime.timezone.utc)
        self.line(f"date      {now:%Y-%m-%d}")
        self.line(f"machine   {machine()}")
        self.line(f"versions  {versions(server, *packages)}")
        self.line(f"load      {os.getloadavg()[0]:.1f} before the first run")

    def line(self, text=""):
        """A line."""
        self.lines.append(text)
        print(text, flush=True)

    def table(self, players, against=None, unit="cells/s"):
        """A line a player; against: the player that the others are compared
        with."""
        width = max(len(player.name) for player in players)
        head = f"{'':<{width}}  {unit:>9}"
        if against is not None:
            head += f" {'ratio':>7}"
        self.line(head + f" {'first ms':>9} {'MB':>7}   runs")
        for player in players:
            text = f"{player.name:<{width}}  "
            if player.rate is None:
                self.line(text + (player.why or "no run"))
                continue
            text += f"{player.rate:>9,.0f}"
            if against is not None:
                text += (f" {player.rate / against.rate:>7.2f}"
                         if against.rate else f"{'':>8}")
            text += (f" {'':>9}" if player.first is None else
                     f" {player.first * 1e3:>9,.1f}")
            text += (f" {player.memory:>7,.0f}" if player.kind != BOUND
                     else f" {'':>7}")
            runs = " ".join(f"{rate:.0f}" for rate in player.rates)
            note = f"   {player.note}" if player.note else ""
            self.line(f"{text}   ({runs}){note}")

    def write(self):
        """Keep it."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self.name}.txt"
        path.write_text("\n".join(self.lines) + "\n")
        say(f"wrote {path}")

    def figure(self, draw, size=(8, 5), suffix=""):
        """Write a plot that draw(figure) makes."""
        try:
            import matplotlib
        except ImportError:
            say("no matplotlib: no plot")
            return
        matplotlib.use("Agg")
        from matplotlib import pyplot
        RESULTS.mkdir(parents=True, exist_ok=True)
        figure = pyplot.figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(RESULTS / f"{self.name}{suffix}.png", dpi=110,
                       metadata={"Software": None})
        pyplot.close(figure)

    def bars(self, players, title, unit="cells/s", runs=RUNS):
        """A plot of one bar a player."""
        colours = {OURS: "#1f6fb4", PEER: "#b0b0b0", BOUND: "#e8b04a"}
        players = [player for player in players if player.rate]

        def draw(figure):
            axes = figure.add_subplot()
            names = [player.name for player in players][::-1]
            rates = [player.rate for player in players][::-1]
            bars = axes.barh(names, rates, color=[
                colours[player.kind] for player in players][::-1])
            axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates],
                           padding=3, fontsize=8)
            axes.set_xscale("log")
            axes.set_xlim(min(rates) / 2, max(rates) * 3)
            axes.set_xlabel(f"{unit}, median of {runs} runs, log scale")
            axes.set_title(title, fontsize=11)
            axes.tick_params(axis="y", labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(handles=[
                axes.barh([0], [0], color=colour, label=kind)
                for kind, colour in colours.items()
                if any(player.kind == kind for player in players)],
                loc="lower right", fontsize=8)

        self.figure(draw, (9, 1.2 + 0.3 * len(players)))

    def curves(self, series, title, x_label, y_label, log=(True, True),
               suffix=""):
        """A plot of curves: series is name -> [(x, y), ...]."""
        def draw(figure):
            axes = figure.add_subplot()
            for name, points in series.items():
                axes.plot(*zip(*sorted(points)), marker="o", label=name,
                          **({"color": "black", "linestyle": ":"}
                             if name.startswith("libpq") else {}))
            if log[0]:
                axes.set_xscale("log")
            if log[1]:
                axes.set_yscale("log")
            else:
                axes.set_ylim(bottom=0)
            axes.set_xlabel(x_label)
            axes.set_ylabel(y_label)
            axes.set_title(title, fontsize=11)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(fontsize=8)

        self.figure(draw, suffix=suffix)


def ratio(players, one, other):
    """Quotient of the rates of two players by name, or None."""
    rates = {player.name: player.rate for player in players}
    if not rates.get(one) or not rates.get(other):
        return None
    return rates[one] / rates[other]
