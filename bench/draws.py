#!/usr/bin/env python3
"""draws.py
    Draws of rows without I/O, and what torch and numpy do with the weights.

Usage: draws.py DIRECTORY SIZE...     (see draws.sh)

Each kind of weights is measured in a fresh session: the first call, the
second, draws in bulk, and the memory that the process has to itself
(RssAnon) after them.  The peers draw rows by the weights of 60 labels,
1 / (rows of the label), in this process.
"""

import datetime
import pathlib
import platform
import statistics
import sys
import time

import h5py
import numpy as np
import psycopg

try:
    import torch
except ImportError:
    torch = None

RUNS = 5
BATCH = 256
BULK = 1_000_000
KINDS = [                       # name, arguments, run once at 10^8
    ("uniform", "", False),
    ("uniform, without replacement", ", replacement => false", False),
    ("60 labels", ", 'cell_type'", False),
    ("10,000 labels", ", 'fine_type'", False),
    ("60 labels, weights \"sqrt\"", ", 'cell_type', weights => '\"sqrt\"'",
     False),
    ("weights \"value\"", ", 'weight', weights => '\"value\"'", False),
    ("60 labels, filter of half the rows",
     ", 'cell_type', filter => 'weight < 0.5'", True),
    ("60 labels, without replacement", ", 'cell_type', replacement => false",
     True),
]


def clock(function):
    """Seconds of a call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def anonymous(pid):
    """MB that a process has to itself."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no RssAnon")


def ours(size, arguments):
    """First call, second call (s), draws/s, MB, of one fresh session."""
    def draw(batch, step):
        conn.execute(f"SELECT count(*) FROM sample_rows('rows_{size}', {batch}"
                     f"{arguments}, seed => 1, step => {step})").fetchone()

    with psycopg.connect(autocommit=True) as conn:
        conn.execute("SELECT split_of('', 0, '{1}')")  # the library is loaded
        before = anonymous(conn.info.backend_pid)
        first = clock(lambda: draw(BATCH, 0))
        second = statistics.median(clock(lambda s=s: draw(BATCH, s))
                                   for s in range(1, 6))
        bulk = min(BULK, size)
        seconds = clock(lambda: draw(bulk, 0))
        return (first, second, bulk / seconds,
                anonymous(conn.info.backend_pid) - before)


def print_ours(size):
    """A line for each kind."""
    for name, arguments, slow in KINDS:
        runs = 1 if slow and size > 10_000_000 else RUNS
        found = [ours(size, arguments) for _ in range(runs)]
        first, second, rate, memory = (statistics.median(column)
                                       for column in zip(*found))
        rates = " ".join(f"{f[2]:.0f}" for f in found)
        print(f"{size:>11,}  {name:<36} {first * 1e3:>9.1f} {second * 1e3:>9.2f}"
              f" {rate:>11,.0f} {memory:>8.1f}   ({rates})", flush=True)


def weights_of(directory):
    """1 / (rows of the label) of each row."""
    codes = []
    for path in sorted(directory.glob("*.h5ad")):
        with h5py.File(path) as file:
            codes.append(file["obs/cell_type/codes"][:])
    codes = np.concatenate(codes)
    return 1.0 / np.bincount(codes)[codes]


def peer(name, size, draw):
    """Lines of a peer: a batch, and draws in bulk."""
    runs = RUNS if size <= 10_000_000 else min(RUNS, 3)
    try:
        batches = [clock(lambda: draw(BATCH)) for _ in range(runs)]
        bulks = [BULK / clock(lambda: draw(BULK)) for _ in range(runs)]
    except (RuntimeError, ValueError, MemoryError) as error:
        print(f"{size:>11,}  {name:<36} fails: {str(error).splitlines()[0]}",
              flush=True)
        return
    rates = " ".join(f"{rate:.0f}" for rate in bulks)
    print(f"{size:>11,}  {name:<36} {'':>9} "
          f"{statistics.median(batches) * 1e3:>9.2f} "
          f"{statistics.median(bulks):>11,.0f} {'':>8}   ({rates})", flush=True)


def print_peers(directory, size):
    """numpy and torch on the same weights."""
    weights = weights_of(directory / str(size))
    p = weights / weights.sum()
    rng = np.random.default_rng(1)
    peer("numpy Generator.choice(p)", size,
         lambda n: rng.choice(size, n, p=p))
    if torch is not None:
        tensor = torch.from_numpy(weights)
        peer("torch.multinomial", size,
             lambda n: torch.multinomial(tensor, n, replacement=True))


def torch_limit():
    """The size at which torch.multinomial fails."""
    for n in (2 ** 24, 2 ** 24 + 1):
        try:
            torch.multinomial(torch.ones(n), 1, replacement=True)
            print(f"torch.multinomial of {n:,} weights works")
        except RuntimeError as error:
            print(f"torch.multinomial of {n:,} weights fails: "
                  f"{str(error).splitlines()[0]}")


def machine():
    """Cores, memory, processor."""
    cpu = [line.split(":")[1].strip() for line in
           pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    total = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return f"{len(cpu)} cores, {total / 2 ** 20:.0f} GiB, {cpu[0]}"


def main():
    directory = pathlib.Path(sys.argv[1])
    sizes = [int(size) for size in sys.argv[2:]]
    with psycopg.connect(autocommit=True) as conn:
        server, = conn.execute("SHOW server_version").fetchone()
        registered = {}
        for size in sizes:
            registered[size] = clock(lambda: conn.execute(
                f"SELECT create_collection('rows_{size}', ARRAY[%s])",
                [str(directory / str(size))]))
    print("Draws of rows without I/O: SELECT count(*) FROM sample_rows(...), one")
    print(f"connection, files without X.  Medians of {RUNS} fresh sessions (at 10^8 one of the")
    print("last two kinds, and 3 of a peer); draws/s of all in parentheses.  first, second:")
    print(f"a batch of {BATCH} as the first call of a session, and as a later one.  draws/s: one")
    print(f"call of {BULK:,}, or of all rows.  MB: memory that the process has to itself")
    print("(RssAnon) beyond what it had before the first call.")
    print("Manifests are in the page cache; the machine is shared, so runs differ.")
    print()
    print(f"date      {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}")
    print(f"machine   {machine()}")
    print(f"versions  PostgreSQL {server.split()[0]}, numpy {np.__version__}, "
          f"torch {torch.__version__ if torch is not None else 'not there'}, "
          f"Python {platform.python_version()}")
    for size in sizes:
        print(f"rows      {size:,}: "
              f"{len(list((directory / str(size)).glob('*.h5ad')))} files, "
              f"registered in {registered[size]:.1f} s")
    print(f"\n{'rows':>11}  {'weights':<36} {'first ms':>9} {'second ms':>9}"
          f" {'draws/s':>11} {'MB':>8}")
    for size in sizes:
        print_ours(size)
        print_peers(directory, size)
    if torch is not None:
        print()
        torch_limit()


if __name__ == "__main__":
    main()
