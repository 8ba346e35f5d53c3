"""A training loop over the server's stream of batches."""

from __future__ import annotations

import operator
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import ranks, state
from .batch import Batch, Densify, Form, check_form, make_batch, place
from .collection import Collection
from .connection import Session
from .copy import Part
from .errors import StateError
from .feeder import Feeder, Request
from .join import join
from .memory import Allocate, Pool, allocate_pinned
from .pump import Pump
from .stream import Draws, Steps, plain_weights

# Pumps and connections that a fork brought along: the parent's
_inherited: list[Any] = []


class EpochSampler:
    """Where Lightning and others look for ``set_epoch``."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def set_epoch(self, epoch: int) -> None:
        """See :meth:`Loader.set_epoch`."""
        self._loader.set_epoch(epoch)


class Loader:
    """Batches of one endless, reproducible stream of weighted random cells.

    A loader is a place in the stream: iterating gives the batches from there
    to the end of the epoch, the next iteration those of the next epoch.  The
    server draws and reads; a thread keeps ``prefetch`` batches ready.  Nothing
    is connected before it is needed.

    Parameters
    ----------
    collection
        What to draw from; its choice of obs, obsm and genes holds where the
        arguments of these names are None.
    global_batch_size
        Cells of a step over all processes, each of which gets its share.
    weight_by, weights, sampler, filter, replacement, drop_last
        As of the SQL functions: see "Sampling" of the extension's README.
        ``weights`` is a name, a number, or a dict of labels.
    seed
        Which stream; None draws one (for a single process).
    obs, obsm, genes
        What to bring along; names of columns and genes.
    steps_per_epoch
        None: as many as deal every cell once without replacement, and no end
        with replacement.
    to
        "numpy" (X is a :class:`CSR`), "scipy" or "torch".
    densify
        X as a dense matrix: "cpu", "cuda", or "server" (sent so).
    device
        Where tensors go.  On a GPU batches are received in pinned memory.
    rank, world_size
        Which of how many processes; by default as torch.distributed says, or
        RANK and WORLD_SIZE, or 0 of 1.
    connections
        Connections, each a process of the server, that read a batch together;
        they divide the batch size.
    prefetch
        Batches that are kept ready.
    patience
        Seconds to wait for a server that went away.
    statement_seconds
        About how long one statement lasts.

    Attributes
    ----------
    sampler
        Has ``set_epoch``.
    waited
        Seconds that iterations have waited for batches.

    Do not wrap it in a DataLoader: it reads ahead by itself.
    """

    def __init__(self, collection: Collection, global_batch_size: int, *,
                 weight_by: str | None = None,
                 weights: str | float | Mapping[str, float] | None = None,
                 sampler: str | None = None, filter: str | None = None,
                 replacement: bool = True, drop_last: bool = False, seed: int | None = None,
                 obs: Sequence[str] | None = None, obsm: Sequence[str] | None = None,
                 genes: Sequence[str] | None = None, steps_per_epoch: int | None = None,
                 to: Form = "numpy", densify: Densify | None = None, device: Any = None,
                 rank: int | None = None, world_size: int | None = None, connections: int = 1,
                 prefetch: int = 2, patience: float = 300.0,
                 statement_seconds: float = 60.0) -> None:
        for name, value in (("global_batch_size", global_batch_size), ("connections", connections),
                            ("prefetch", prefetch), ("steps_per_epoch", steps_per_epoch)):
            if value is not None and operator.index(value) < 1:
                raise ValueError(f"{name} must be at least 1")
        # numpy's numbers are neither SQL nor plain values of a state
        seed = None if seed is None else operator.index(seed)
        if seed is not None and not -2**63 <= seed < 2**63:
            raise ValueError("seed must be a whole number of 64 bits")
        check_form(to, densify, device)
        self.collection = collection.select(obs=obs, obsm=obsm, genes=genes)
        self.global_batch_size = operator.index(global_batch_size)
        self.draws = Draws(weight_by, plain_weights(weights), sampler, filter, replacement,
                           drop_last)
        self.to = to
        self.densify = densify
        self.device = device
        self.connections = connections
        self.prefetch = prefetch
        self.patience = patience
        self.statement_seconds = statement_seconds
        self.waited = 0.0
        self._given_rank = rank, world_size
        self._given_seed = seed
        self._given_steps = None if steps_per_epoch is None else operator.index(steps_per_epoch)
        self._seed = secrets.randbits(63) if seed is None else seed
        self._step = 0
        self._placed = False            # by seek or load_state_dict, not yet drawn from
        self._known: tuple[str, int | None] | None = None       # fingerprint, epoch_cells
        self._forget()

    def _forget(self) -> None:
        """Be in a process that has no connections yet."""
        self._pid = os.getpid()
        self._pump: Pump[Batch] | None = None
        self._sessions: list[Session] = []
        self._pool = Pool()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items()
                if name not in ("_pid", "_pump", "_sessions", "_pool")}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._forget()

    def __repr__(self) -> str:
        return f"Loader({self.collection!r}, {self.global_batch_size}, step={self._step})"

    # --- where it is ---

    @property
    def dataset(self) -> Collection:
        """The collection."""
        return self.collection

    @property
    def sampler(self) -> EpochSampler:
        """Where Lightning and others look for ``set_epoch``."""
        return EpochSampler(self)

    @property
    def seed(self) -> int:
        """Which stream."""
        return self._seed

    @property
    def rank(self) -> int:
        """Number of this process."""
        return ranks.resolve(*self._given_rank)[0]

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return ranks.resolve(*self._given_rank)[1]

    @property
    def batch_size(self) -> int:
        """Cells of a step for this process."""
        world_size = self.world_size
        if self.global_batch_size % world_size:
            raise ValueError(f"global_batch_size {self.global_batch_size} cannot be divided "
                             f"among {world_size} processes")
        return self.global_batch_size // world_size

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps of an epoch; None: it does not end."""
        if self._given_steps is not None or self.draws.replacement:
            return self._given_steps
        return self._steps.epoch_steps

    def __len__(self) -> int:
        """Steps of an epoch."""
        steps = self.steps_per_epoch
        if steps is None:
            raise TypeError("this loader has no end, for want of steps_per_epoch")
        return steps

    @property
    def step(self) -> int:
        """The step that comes next, counted from the begin of the stream."""
        return self._step

    @property
    def epoch(self) -> int:
        """The epoch of that step."""
        return self._step // (self.steps_per_epoch or sys.maxsize)

    @property
    def position(self) -> int:
        """Cells of the stream before that step, over all processes."""
        return self._steps.position(self._step)

    def seek(self, step: int) -> None:
        """Go to a step of the stream."""
        step = operator.index(step)
        if step < 0:
            raise ValueError("step must not be negative")
        self._stop()
        self._step = step
        self._placed = True

    def set_epoch(self, epoch: int) -> None:
        """Go to the begin of an epoch.

        Who has just been placed within this epoch, by ``load_state_dict`` or
        ``seek``, stays there.  An endless stream has no epochs, and goes on.
        """
        epoch = operator.index(epoch)
        if epoch < 0:
            raise ValueError("epoch must not be negative")
        steps = self.steps_per_epoch
        if steps is None or (self._placed and self.epoch == epoch):
            return
        if self._step != epoch * steps:
            self._stop()
            self._step = epoch * steps

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the stream, and the cells of it that were handed out.

        Plain values; nothing of rank or world size, so that any number of
        processes may go on.
        """
        fingerprint, epoch_cells = self._facts()
        return state.make(self.draws, self._seed, self.position, epoch_cells, fingerprint)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where a state stands.

        A loader without a seed takes that of the state.

        Raises
        ------
        StateError
            The state is of another stream, or stands where no step of this
            loader begins.
        """
        if self._given_seed is None and isinstance(state_dict.get("seed"), int):
            expected = {**self.state_dict(), "seed": state_dict["seed"]}
        else:
            expected = self.state_dict()
        state.check(state_dict, expected)
        step = self._steps.step(state_dict["position"])
        if step is None:
            raise StateError(f"no step of {self.global_batch_size} cells begins at position "
                             f"{state_dict['position']}")
        self._seed = expected["seed"]
        self.seek(step)

    # --- batches ---

    def __iter__(self) -> Iterator[Batch]:
        """The batches from here to the end of the epoch.

        A new iteration ends the one before.  When it is left early no query
        is left running.
        """
        pump: Pump[Batch] | None = None
        try:
            while True:
                # at first, and in a child that a fork took along
                if pump is None or pump.pid != os.getpid():
                    pump = self._start()
                if pump is not self._pump:
                    raise RuntimeError("another iteration of this loader has begun, "
                                       "or it was moved")
                began = time.perf_counter()
                batch = pump.next()
                if batch is None:
                    return
                batch = place(batch, self.device, self.densify)
                self.waited += time.perf_counter() - began
                assert batch.step is not None
                self._step = batch.step + 1
                yield batch
        finally:
            if pump is not None and pump is self._pump:
                self._stop()

    def close(self) -> None:
        """Stop reading, and close the connections; a new iteration makes new ones."""
        self._stop()
        for session in self._sessions:
            session.close()
        self._sessions = []

    def _stop(self) -> None:
        """Stop reading."""
        self._here()
        if self._pump is not None:
            self._pump.close()
            self._pump = None

    def _here(self) -> None:
        """Leave to a parent what is the parent's."""
        if self._pid != os.getpid():
            _inherited.append((self._pump, self._sessions))
            self._forget()

    def _session(self, i: int) -> Session:
        """Connection number i of this process."""
        self._here()
        while len(self._sessions) <= i:
            self._sessions.append(Session(self.collection.server, self.patience))
        self._sessions[i].start()
        return self._sessions[i]

    def _facts(self) -> tuple[str, int | None]:
        """Fingerprint, and number of cells of an epoch without replacement."""
        if self._known is None:
            weighting = self.draws.weighting()
            calls = [self.collection.function("sample_fingerprint", **weighting)]
            if not self.draws.replacement:
                calls.append(self.collection.function("sample_size", **weighting))
            query = f"SELECT {', '.join(calls)}".encode()
            # not by the session for short queries: what this evaluates a
            # session keeps, for the stream to come
            row = self._session(0).attempt(lambda conn: conn.execute(query).fetchone())
            assert row is not None
            self._known = row[0], row[1] if len(row) > 1 else None
        return self._known

    @property
    def _steps(self) -> Steps:
        if self.draws.replacement:
            return Steps(self.global_batch_size)
        return Steps(self.global_batch_size, self._facts()[1], self.draws.drop_last)

    def _start(self) -> Pump[Batch]:
        """Begin to read from the current step on."""
        self._check_alone()
        self._stop()
        rank, world_size = self.rank, self.world_size
        if world_size > 1 and self._given_seed is None:
            raise ValueError("several processes need one seed")
        if self.batch_size % self.connections:
            raise ValueError(f"{self.connections} connections cannot divide batches of "
                             f"{self.batch_size} cells")
        length = self.steps_per_epoch
        end = None if length is None else (self.epoch + 1) * length
        feeders = [Feeder(self._session(i), self._request(rank * self.connections + i,
                                                          world_size * self.connections),
                          self._step, end, self.statement_seconds)
                   for i in range(self.connections)]
        self._placed = False
        self._pump = Pump(feeders, self._maker(), self.prefetch)
        return self._pump

    def _request(self, rank: int, world_size: int) -> Request:
        function = "sample_dense" if self.densify == "server" else "sample_csr"
        arguments = {"collection": self.collection.name, **self.draws.arguments(),
                     "seed": self._seed, "expect_fingerprint": self._facts()[0],
                     **self.collection.read_arguments(), "data_type": "narrow"}
        if function == "sample_csr":
            arguments |= {"indptr_type": "int32", "indices_type": "narrow"}
        return Request(function, self.collection.server.function(function), arguments,
                       self._steps, rank, world_size)

    def _maker(self) -> Any:
        """What makes a batch of parts, without a reference to the loader."""
        collection, form, densify = self.collection, self.to, self.densify
        columns = collection.read_columns()
        allocate = self._allocator()

        def make(parts: list[Part]) -> Batch:
            return make_batch(join(parts, columns, allocate), collection, form, densify, allocate)
        return make

    def _allocator(self) -> Allocate:
        """Pinned memory for batches that go to a GPU, else blocks that are used again."""
        if self.to == "torch" and (self.densify == "cuda" or str(self.device).startswith("cuda")):
            import torch

            if torch.cuda.is_available():
                return allocate_pinned
        return self._pool.allocate

    @staticmethod
    def _check_alone() -> None:
        data = sys.modules.get("torch.utils.data")
        if data is not None and data.get_worker_info() is not None:
            raise RuntimeError("a Loader runs in a worker of a DataLoader, where each would give "
                               "the same batches: iterate it itself, it reads ahead by its own "
                               "threads")
