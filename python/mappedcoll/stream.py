"""A stream of draws: what it depends on, and its steps.

The server gives the same cells for the same arguments; what is computed here
is only how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import sql


def plain_weights(weights: Any) -> Any:
    """The argument ``weights`` as plain values, which JSON keeps as they are."""
    if isinstance(weights, Mapping):
        return {str(label): float(weight) for label, weight in weights.items()}
    return weights if weights is None or isinstance(weights, str) else float(weights)


@dataclass(frozen=True, slots=True)
class Draws:
    """What decides which cells are drawn, beside seed and position."""

    weight_by: str | None = None
    weights: Any = None
    sampler: str | None = None
    filter: str | None = None
    replacement: bool = True
    drop_last: bool = False

    def weighting(self) -> dict[str, Any]:
        """Arguments of sample_fingerprint and sample_size."""
        return {"weight_by": self.weight_by, "weights": sql.weights_json(self.weights),
                "sampler": self.sampler, "filter": self.filter}

    def arguments(self) -> dict[str, Any]:
        """Arguments of the sampling functions."""
        return {**self.weighting(), "replacement": self.replacement,
                "drop_last": self.drop_last or None}

    def described(self) -> dict[str, Any]:
        """As plain values, for a state."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Steps:
    """How the steps of a stream lie over its cells.

    Attributes
    ----------
    global_batch_size
        Cells of a step, over all ranks.
    epoch_cells
        Cells that an epoch without replacement deals; None with replacement.
    drop_last
        Whether an epoch leaves out its last, shorter step.
    """

    global_batch_size: int
    epoch_cells: int | None = None
    drop_last: bool = False

    @property
    def epoch_steps(self) -> int | None:
        """Steps of an epoch without replacement."""
        if self.epoch_cells is None:
            return None
        whole, rest = divmod(self.epoch_cells, self.global_batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def position(self, step: int) -> int:
        """Cells of the stream before a step.

        Where drop_last leaves cells out they count as passed, so that an
        epoch always begins at a multiple of its cells.
        """
        if self.epoch_cells is None:
            return step * self.global_batch_size
        epoch, step = divmod(step, self.epoch_steps or 1)
        return epoch * self.epoch_cells + step * self.global_batch_size

    def step(self, position: int) -> int | None:
        """The step that begins at a position; None if no step does."""
        if self.epoch_cells is None:
            epoch, within = 0, position
        else:
            epoch, within = divmod(position, self.epoch_cells)
        step, rest = divmod(within, self.global_batch_size)
        if rest or (self.epoch_steps is not None and step >= self.epoch_steps):
            return None
        return epoch * (self.epoch_steps or 0) + step

    def share(self, step: int, rank: int, world_size: int) -> int:
        """Cells of a rank in a step."""
        batch_size = self.global_batch_size // world_size
        if self.epoch_cells is None:
            return batch_size
        first = step % (self.epoch_steps or 1) * self.global_batch_size + rank * batch_size
        return max(0, min(batch_size, self.epoch_cells - first))
