"""The state of a loader, for checkpoints.

A small dict of plain values, free of rank and world size, that says which
stream it is of and how many of its cells have been handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import StateError
from .stream import Draws

VERSION = 1


def make(draws: Draws, seed: int, position: int, epoch_cells: int | None,
         fingerprint: str) -> dict[str, Any]:
    """The state of a stream at a position."""
    return {"version": VERSION, **draws.described(), "seed": seed, "epoch_cells": epoch_cells,
            "fingerprint": fingerprint, "position": position}


def check(state: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise an error unless both are of one stream; positions may differ.

    Raises
    ------
    StateError
        Its message names all that differs.
    """
    version = state.get("version")
    if version != VERSION:
        raise StateError(f"this is no state of a loader of this version (version {version!r}, "
                         f"expected {VERSION})")
    missing = sorted(set(expected) - set(state))
    if missing:
        raise StateError(f"the state has no {', '.join(missing)}")
    position = state.get("position")
    if not isinstance(position, int) or position < 0:
        raise StateError(f"the state has no position: {position!r}")
    different = [name for name in expected
                 if name != "position" and state[name] != expected[name]]
    if not different:
        return
    # other cells make another fingerprint: alone, it means that the files have changed
    named = [name for name in different if name not in ("fingerprint", "epoch_cells")] or different
    what = "; ".join(f"{name} is {state[name]!r} in the state, {expected[name]!r} in the loader"
                     for name in named)
    if named == different and "fingerprint" in different:
        what += " (files, the rows of a filter, labels or a sampler have changed)"
    raise StateError(f"the state is of another stream: {what}")
