"""Which of several training processes this is."""

from __future__ import annotations

import operator
import os
import sys


def resolve(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and number of processes.

    From the arguments, else from torch.distributed where it is initialized,
    else from RANK and WORLD_SIZE of the environment (torchrun sets them),
    else 0 of 1.
    """
    if (rank is None) != (world_size is None):
        raise ValueError("give both rank and world_size, or neither")
    if rank is None or world_size is None:
        rank, world_size = _from_torch() or _from_environment() or (0, 1)
    rank, world_size = operator.index(rank), operator.index(world_size)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is not one of {world_size} processes")
    return rank, world_size


def _from_torch() -> tuple[int, int] | None:
    # who has not imported torch has not initialized it either
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()


def _from_environment() -> tuple[int, int] | None:
    rank, world_size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None or world_size is None:
        return None
    return int(rank), int(world_size)
