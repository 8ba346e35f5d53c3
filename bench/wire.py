#!/usr/bin/env python3
"""wire.py
    Forms of a batch on the wire: dense, sparse and narrow, batches of 64 to
    4,096 cells, parts of 16 KB to 9 MB; and libpq alone with messages of the
    same size.

Usage: wire.py DIRECTORY      (see peers.sh; uncompressed files)
"""

import sys

import files
import measure
import ours
from measure import QUICK
from ours import ALONE

PARTS = (0.016, 0.14, 0.56, 1.1, 2.2, 4.5, 9)       # MB
BATCHES = (64, 256, 1024, 4096)
RUNS = 3            # there are many contenders
LARGE = 1024        # cells of a batch that is cut into parts


def main():
    directory, = sys.argv[1:]
    ours.register("wire", directory)
    cells = files.Cells(directory)
    entries = sum(int(p[-1]) for p in cells.indptr) / len(cells)
    forms = {       # types, bytes a cell
        "sparse": (ours.CSR, 8 * entries + 16),
        "narrow": (ours.NARROW, 3 * entries + 12),
        "dense": (("float32",), 4 * cells.genes + 8),
    }
    report = measure.Report(
        "wire",
        ["Forms of batches on the wire, from uncompressed h5ad files to numpy arrays in the client,",
         f"one connection; medians of {RUNS} runs in which all took turns, page cache warm; all runs",
         "in parentheses.  sparse: int32 and float32; narrow: uint16 and uint8; dense: float32.",
         "libpq: messages of a constant of the same size, copied once in the client.",
         "All returned what plain h5py reads."],
        ours.server_version(), "numpy", "h5py", "psycopg")
    report.line(f"files     {len(cells):,} cells x {cells.genes:,} genes, "
                f"{entries:,.0f} non-zeros a cell")

    def stream(name, form, batch, part_rows):
        return ours.Stream(name, "wire", batch=batch, settings=ALONE,
                           types=forms[form][0], genes=cells.genes,
                           part_rows=part_rows)

    # parts, each beside libpq
    curves = {}
    for form, (_, size) in forms.items():
        contenders, places = [], []
        for part in PARTS[::3] if QUICK else PARTS:
            rows = max(1, round(part * 1e6 / size))
            batch = LARGE // 4 if form == "dense" else LARGE
            rows = min(rows, batch)
            place = rows * size / 1e6
            if any(abs(place - other) < place / 10 for other in places):
                continue
            places.append(place)
            contenders += [
                stream(f"{form}, parts of {place:.3g} MB ({rows} cells)", form,
                       batch, rows),
                ours.Wire(f"libpq, messages of {place:.3g} MB", rows, size)]
        players = measure.play(contenders, cells.compare, RUNS)
        report.line()
        report.table(players)
        for name, found in ((form, players[::2]),
                            ("libpq, a constant", players[1::2])):
            curves.setdefault(name, []).extend(
                (place, player.rate * size / 1e9)
                for place, player in zip(places, found) if player.rate)

    # batches, in parts of about 1 MB
    contenders = []
    for form, (_, size) in forms.items():
        for batch in BATCHES[:2] if QUICK else BATCHES:
            if form == "dense" and batch > LARGE:
                continue        # 330 MB
            contenders.append(stream(f"{form}, batch of {batch}", form, batch,
                                     max(1, round(1.1e6 / size))))
    players = measure.play(contenders, cells.compare, RUNS)
    report.line()
    report.table(players)
    report.write()
    report.curves(curves, "Batches on the wire by size of a message",
                  "MB a message", "GB/s", (True, False))


if __name__ == "__main__":
    main()
