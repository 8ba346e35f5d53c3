"""A loader as a place in a stream: epochs, states, ranks, ends."""

import copy
import gc
import json
import multiprocessing
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import mappedcoll as mc
from mappedcoll.channel import Channel
from running import active, contents, wait_for

torch = pytest.importorskip("torch")


def indexes(batches):
    return [batch.index.tolist() for batch in batches]


def test_epochs(coll, drawn):
    steps = drawn("64, 'cell_type', seed => 5, n_steps => 12")
    loader = mc.Loader(coll, 64, weight_by="cell_type", seed=5, steps_per_epoch=4)
    assert len(loader) == 4
    assert indexes(loader) == [steps[i] for i in range(4)] and loader.epoch == 1
    assert indexes(loader) == [steps[i] for i in range(4, 8)]
    loader.sampler.set_epoch(1)
    assert indexes(loader) == [steps[i] for i in range(4, 8)]
    loader.set_epoch(0)
    assert next(iter(loader)).index.tolist() == steps[0]
    # left early: the next iteration goes on, set_epoch begins anew
    assert indexes(loader) == [steps[i] for i in range(1, 4)]
    loader.set_epoch(2)
    next(iter(loader))
    loader.set_epoch(2)
    assert indexes(loader) == [steps[i] for i in range(8, 12)]
    # who was placed in the epoch stays where he is, once
    loader.seek(6)
    loader.set_epoch(1)
    assert indexes(loader) == [steps[6], steps[7]]
    loader.seek(6)
    loader.set_epoch(2)
    assert loader.step == 8


def test_without_end(coll):
    loader = mc.Loader(coll, 16, seed=1)
    with pytest.raises(TypeError):
        len(loader)
    for batch in loader:
        if batch.step == 100:
            break
    assert (loader.step, loader.epoch, batch.step) == (101, 0, 100)
    loader.set_epoch(7)
    assert loader.step == 101


@pytest.mark.parametrize("arguments", [
    {}, {"weight_by": "cell_type"}, {"sampler": "coll_sampler"}, {"filter": "n_counts > 300"},
    {"drop_last": True}, {"weight_by": "cell_type", "weights": {"B cell": 1}}])
@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_without_replacement(coll, size, arguments):
    loader = mc.Loader(coll, size, replacement=False, seed=3, connections=2, genes=[], **arguments)
    n = coll.sample_size(**{name: value for name, value in arguments.items()
                            if name != "drop_last"})
    whole, rest = divmod(n, size)
    if arguments.get("drop_last"):
        rest = 0
    if whole == 0 and rest == 0:
        assert len(loader) == 0 and list(loader) == []
        return
    assert len(loader) == whole + (rest > 0)
    for _ in range(2):
        batches = list(loader)
        assert [b.n_rows for b in batches] == [size] * whole + [rest] * (rest > 0)
        rows = np.concatenate([b.index for b in batches])
        assert len(set(rows.tolist())) == len(rows)
    assert loader.epoch == 2 and loader.position == 2 * n


def test_seeds(coll):
    one, two = mc.Loader(coll, 16), mc.Loader(coll, 16)
    assert one.seed != two.seed and 0 <= one.seed < 2**63
    assert next(iter(one)).index.tolist() != next(iter(two)).index.tolist()
    again = mc.Loader(coll, 16, seed=one.seed)
    again.seek(1)
    assert next(iter(again)).index.tolist() == next(iter(one)).index.tolist()
    negative = mc.Loader(coll, 16, seed=-(2**63))
    assert next(iter(negative)).n_rows == 16
    with pytest.raises(ValueError, match="one seed"):
        next(iter(mc.Loader(coll, 16, rank=0, world_size=2)))


def test_numbers_of_numpy(coll):
    """... are numbers; what a state keeps of them is plain."""
    plain = mc.Loader(coll, 60, seed=5, weight_by="cell_type",
                      weights={"B cell": 2, "plasma cell": 1}, steps_per_epoch=4)
    loader = mc.Loader(coll, np.int64(60), seed=np.int64(5), weight_by="cell_type",
                       weights={"B cell": np.float32(2), "plasma cell": np.float64(1)},
                       steps_per_epoch=np.int32(4), rank=np.int64(0), world_size=np.int64(1))
    loader.set_epoch(np.int64(1))
    assert loader.step == 4
    loader.seek(np.int64(2))
    assert json.loads(json.dumps(loader.state_dict())) == loader.state_dict()
    plain.load_state_dict(loader.state_dict())
    assert indexes(loader) == indexes(plain)
    for wrong in ({"seed": "1"}, {"seed": 1.5}, {"global_batch_size": 60.0}, {"prefetch": "2"}):
        with pytest.raises(TypeError):
            mc.Loader(coll, **{"global_batch_size": 60, **wrong})
    with pytest.raises(ValueError, match="64 bits"):
        mc.Loader(coll, 60, seed=2**63)
    with pytest.raises(ValueError, match="negative"):
        plain.set_epoch(-1)


# --- states ---

STREAMS = [
    {"weight_by": "cell_type", "steps_per_epoch": 5},
    {"replacement": False, "filter": "n_counts > 300"},
    {"replacement": False, "weight_by": "cell_type", "filter": "n_counts > 300",
     "drop_last": True},
]


@pytest.mark.parametrize("arguments", STREAMS)
def test_round_trip(coll, arguments):
    """From every step of a stream, through JSON, and from there once more."""
    def loader(**more):
        return mc.Loader(coll, 60, seed=4, **arguments, **more)

    first = loader()
    length = len(first)
    whole = [contents(batch) for _ in range(3) for batch in first]
    assert len(whole) == 3 * length > 9

    def rest(step):
        """From a step to the end of its epoch."""
        return whole[step:(step // length + 1) * length]

    for step in range(2 * length):
        given = loader()
        given.seek(step)
        state = json.loads(json.dumps(given.state_dict()))
        assert "rank" not in state and "world_size" not in state
        resumed = mc.Loader(coll, 60, **arguments)
        resumed.load_state_dict(state)
        assert (resumed.step, resumed.seed, resumed.epoch) == (step, 4, step // length)
        iteration = iter(resumed)
        assert contents(next(iteration)) == whole[step]
        again = loader()
        again.load_state_dict(copy.deepcopy(resumed.state_dict()))      # in mid-epoch
        assert [contents(batch) for batch in again] == rest(step + 1)
        assert [contents(batch) for batch in iteration] == rest(step)[1:]


def test_only_what_was_handed_out(coll):
    loader = mc.Loader(coll, 50, seed=1, prefetch=8)
    iteration = iter(loader)
    assert loader.state_dict()["position"] == 0
    for n in range(1, 20):
        next(iteration)
        assert loader.state_dict()["position"] == 50 * n
    iteration.close()
    assert loader.state_dict()["position"] == 50 * 19


def test_checkpoint(coll, tmp_path):
    """A state is plain enough for what torch.load reads from strangers."""
    loader = mc.Loader(coll, 50, seed=1, weight_by="cell_type", weights={"B cell": 0.5})
    loader.seek(7)
    torch.save({"data": loader.state_dict()}, tmp_path / "checkpoint")
    state = torch.load(tmp_path / "checkpoint", weights_only=True)["data"]
    assert state == loader.state_dict()
    loader.seek(0)
    loader.load_state_dict(state)
    assert loader.step == 7


def test_other_batch_size(coll):
    loader = mc.Loader(coll, 60, seed=1, replacement=False, genes=[])
    loader.seek(2 * len(loader) + 10)
    state = loader.state_dict()
    other = mc.Loader(coll, 100, seed=1, replacement=False, genes=[])
    other.load_state_dict(state)
    assert other.step == 2 * 32 + 6
    rows = sum(indexes(loader), [])
    assert sum(indexes(other), []) == rows
    with pytest.raises(mc.StateError, match="no step of 70 cells begins at position 7000"):
        mc.Loader(coll, 70, seed=1, replacement=False).load_state_dict(state)


@pytest.mark.parametrize("change, words", [
    ({"seed": 2}, "seed is 1 in the state, 2 in the loader"),
    ({"weight_by": "donor_id"}, "weight_by is 'cell_type' in the state, 'donor_id' in the loader"),
    ({"filter": "n_counts > 300"}, "filter is None in the state, 'n_counts > 300' in the loader"),
    ({"weights": "sqrt"}, "weights is None in the state, 'sqrt' in the loader"),
    ({"weight_by": None, "sampler": "coll_sampler"}, "sampler is None"),
    ({"replacement": False}, "replacement is True in the state, False in the loader"),
])
def test_state_of_another_stream(coll, change, words):
    arguments = {"seed": 1, "weight_by": "cell_type"}
    state = mc.Loader(coll, 60, **arguments).state_dict()
    with pytest.raises(mc.StateError, match=words):
        mc.Loader(coll, 60, **{**arguments, **change}).load_state_dict(state)


def test_state_of_other_files(server, coll):
    fewer = server.create_collection("fewer", coll.files()["path"].tolist()[:2])
    state = mc.Loader(coll, 60, seed=1).state_dict()
    with pytest.raises(mc.StateError, match="fingerprint is .* have changed"):
        mc.Loader(fewer, 60, seed=1).load_state_dict(state)
    for wrong in ({}, {**state, "version": 2}, {"version": 1}, {**state, "position": -60},
                  {**state, "position": 60.0}, {**state, "position": None}):
        with pytest.raises(mc.StateError):
            mc.Loader(coll, 60, seed=1).load_state_dict(wrong)
    server.execute("DROP TABLE fewer")


def test_collection_that_changes(server, coll):
    """... under a loader is an error, not other cells."""
    server.execute("CREATE TABLE changing AS SELECT row_index, 1.0::float8 AS weight FROM coll")
    loader = mc.Loader(coll, 60, seed=1, sampler="changing", steps_per_epoch=3)
    assert len(list(loader)) == 3
    server.execute("UPDATE changing SET weight = 2 WHERE row_index = 7")
    with pytest.raises(Exception, match="not the one that is expected"):
        next(iter(loader))
    server.execute("DROP TABLE changing")


# --- ranks ---

@pytest.mark.parametrize("replacement", [True, False])
def test_ranks(coll, replacement):
    """The global batch of a step does not depend on how many share it."""
    def steps(world_size, connections):
        arguments = {"weight_by": "cell_type", "replacement": replacement, "seed": 9}
        loaders = [mc.Loader(coll, 240, rank=rank, world_size=world_size, genes=[],
                             connections=connections, **arguments,
                             steps_per_epoch=30 if replacement else None)
                   for rank in range(world_size)]
        assert {loader.batch_size for loader in loaders} == {240 // world_size}
        return [np.concatenate([batch.index for batch in batches]).tolist()
                for batches in zip(*loaders, strict=True)]

    one = steps(1, 1)
    for world_size, connections in ((1, 3), (2, 1), (4, 2), (8, 1)):
        assert steps(world_size, connections) == one


def test_which_rank(coll, monkeypatch):
    loader = mc.Loader(coll, 60, seed=1)
    assert (loader.rank, loader.world_size) == (0, 1)
    monkeypatch.setenv("RANK", "2")
    assert (loader.rank, loader.world_size) == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert (loader.rank, loader.world_size, loader.batch_size) == (2, 3, 20)
    loader = mc.Loader(coll, 60, seed=1, rank=1, world_size=2)
    assert (loader.rank, loader.world_size) == (1, 2)
    with pytest.raises(ValueError, match="cannot be divided among 7"):
        mc.Loader(coll, 60, rank=0, world_size=7).batch_size
    with pytest.raises(ValueError, match="both"):
        mc.Loader(coll, 60, rank=0).rank
    with pytest.raises(ValueError, match="not one of"):
        mc.Loader(coll, 60, rank=2, world_size=2).rank
    with pytest.raises(ValueError, match="connections"):
        next(iter(mc.Loader(coll, 60, rank=0, world_size=1, connections=7)))


def trained(rank, world_size, conninfo, port, queue):
    """A process of a gloo group: gradients of a few steps."""
    import os

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    loader = mc.Loader(mc.connect(conninfo).collection("coll"), 256, weight_by="cell_type", seed=6,
                       replacement=False, steps_per_epoch=9, to="torch", connections=2)
    assert (loader.rank, loader.world_size) == (rank, world_size)
    loader.seek(5)
    weights = torch.zeros(924, 11, requires_grad=True)
    steps = []
    for batch in loader:
        rows = [None] * world_size
        torch.distributed.all_gather_object(rows, batch.index.tolist())
        steps.append(sum(rows, []))
        out = batch.X @ weights
        loss = (torch.nn.functional.cross_entropy(out, batch.label, reduction="sum")
                if batch.n_rows else out.sum() * 0)
        gradient, = torch.autograd.grad(loss, weights)
        torch.distributed.all_reduce(gradient)
        with torch.no_grad():
            weights -= gradient * 1e-3
    states = [None] * world_size
    torch.distributed.all_gather_object(states, loader.state_dict())
    assert states == [states[0]] * world_size
    if rank == 0:
        queue.put((steps, weights.detach().numpy(), states[0]))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_distributed(server, coll):
    """1, 2 and 4 processes of torch.distributed learn the same of the same cells."""
    import socket

    context = multiprocessing.get_context("spawn")
    results = []
    for world_size in (1, 2, 4):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        queue = context.Queue()
        processes = [context.Process(target=trained, args=(rank, world_size, server.conninfo, port,
                                                           queue))
                     for rank in range(world_size)]
        for process in processes:
            process.start()
        results.append(queue.get(timeout=180))
        for process in processes:
            process.join()
            assert process.exitcode == 0
    for steps, weights, state in results[1:]:
        assert steps == results[0][0] and len(steps) == 4
        assert np.allclose(weights, results[0][1], rtol=1e-3, atol=1e-4)
        assert state == results[0][2]


# --- ends ---

def test_early_break(server, coll):
    """Leaving a loop early leaves no running query, and connections that can be used."""
    loader = mc.Loader(coll, 512, seed=1, connections=2)
    for n in (1, 3, 1, 20):
        for _ in zip(range(n), loader):
            pass
        assert active(server) == []
    try:
        for _ in loader:
            raise RuntimeError("the loop's own")
    except RuntimeError:
        pass
    wait_for(lambda: active(server) == [])
    pids = [session.connection.info.backend_pid for session in loader._sessions]
    iteration = iter(loader)
    next(iteration)
    del iteration
    assert active(server) == []
    assert [session.connection.info.backend_pid for session in loader._sessions] == pids
    loader.close()
    loader.close()
    assert next(iter(loader)).n_rows == 512


@pytest.mark.parametrize("name", ["mappedcoll", "mappedcoll-0", "mappedcoll-1"])
def test_garbage(server, coll, monkeypatch, name):
    """An iteration that the garbage collector finds, in a thread of its own, ends all the same."""
    class Trainer:
        pass

    def threads():
        return [thread.name for thread in threading.enumerate()
                if thread.name.startswith("mappedcoll")]

    garbage, collected, unraisable = threading.Event(), threading.Event(), []
    get, put = Channel.get, Channel.put

    def collect():
        if garbage.is_set() and threading.current_thread().name == name:
            garbage.clear()
            gc.collect()
            collected.set()

    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    monkeypatch.setattr(Channel, "get", lambda self: (get(self), collect())[0])
    monkeypatch.setattr(Channel, "put", lambda self, thing: (put(self, thing), collect())[0])
    gc.disable()
    try:
        trainer = Trainer()
        trainer.itself = trainer
        trainer.batches = iter(mc.Loader(coll, 64, seed=1, connections=2, prefetch=1000))
        next(trainer.batches)
        del trainer
        garbage.set()
        assert collected.wait(20)
    finally:
        gc.enable()
    wait_for(lambda: threads() == [] and active(server) == [])
    assert [entry.exc_value for entry in unraisable] == []


def test_end_of_the_program(server, coll):
    """... in an iteration is quiet, and leaves no running query."""
    program = f"""
import mappedcoll as mc
loader = mc.Loader(mc.connect({server.conninfo!r}).collection("coll"), 512, seed=1, connections=2)
iteration = iter(loader)
print(next(iteration).n_rows)
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True,
                            text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "512\n", "")
    wait_for(lambda: active(server) == [])


def test_interrupt(server, coll):
    """Ctrl-C ends a loop that waits."""
    # who runs the tests in the background has it ignored
    program = f"""
import signal
import mappedcoll as mc
signal.signal(signal.SIGINT, signal.default_int_handler)
loader = mc.Loader(mc.connect({server.conninfo!r}).collection("coll"), 500_000, seed=1)
print(flush=True)
for batch in loader:
    pass
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    wait_for(lambda: active(server))
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    wait_for(lambda: active(server) == [])


def test_one_iteration_at_a_time(coll):
    loader = mc.Loader(coll, 16, seed=1)
    one = iter(loader)
    first, two = next(one), iter(loader)
    assert next(two).step == first.step + 1
    with pytest.raises(RuntimeError, match="another iteration"):
        next(one)
    assert next(two).step == 2
    loader.seek(50)
    with pytest.raises(RuntimeError, match="moved"):
        next(two)
    assert next(iter(loader)).step == 50


def test_errors_of_the_server(coll):
    for arguments, words in (({"filter": "no_such_column = 1"}, "no_such_column"),
                             ({"weight_by": "cell_typ"}, "cell_typ"),
                             ({"obs": ["cell_typ"]}, "cell_typ"),
                             ({"obsm": ["X_tsne"]}, "X_tsne"),
                             ({"genes": ["no gene"]}, "no gene"),
                             ({"filter": "false"}, "no row to sample")):
        loader = mc.Loader(coll, 16, seed=1, **arguments)
        for _ in range(2):
            with pytest.raises(Exception, match=words):
                next(iter(loader))
    with pytest.raises(ValueError):
        mc.Loader(coll, 0)
    with pytest.raises(ValueError):
        mc.Loader(coll, 16, to="jax")
    with pytest.raises(ValueError):
        mc.Loader(coll, 16, densify="gpu")


def test_steps_that_do_not_come(coll, monkeypatch):
    """... are an error, not asked for again and again."""
    query = mc.loader.Request.query
    monkeypatch.setattr(mc.loader.Request, "query", lambda self, step, n_steps, part_rows:
                        query(self, step, n_steps - (n_steps > 1), part_rows))
    with pytest.raises(mc.MappedcollError, match="before all of step 1 came"):
        list(mc.Loader(coll, 16, seed=1, steps_per_epoch=4))


def test_in_a_worker(coll):
    class Wrapped(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(mc.Loader(coll, 16, seed=1, steps_per_epoch=3))

    with pytest.raises(RuntimeError, match="iterate it itself"):
        list(torch.utils.data.DataLoader(Wrapped(), batch_size=None, num_workers=1))


def draw(loader, queue):
    queue.put(indexes(loader))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_other_process(coll, context):
    """A loader goes to another process with its place, and the parent's goes on."""
    loader = mc.Loader(coll, 100, seed=1, steps_per_epoch=6)
    whole = indexes(loader)
    loader.set_epoch(0)
    iteration = iter(loader)
    assert next(iteration).index.tolist() == whole[0]
    processes = multiprocessing.get_context(context)
    queue = processes.Queue()
    process = processes.Process(target=draw, args=(loader, queue))
    process.start()
    assert queue.get(timeout=60) == whole[1:]
    process.join()
    assert process.exitcode == 0
    assert indexes(iteration) == whole[1:]


def go_on(iteration, queue):
    queue.put(indexes(iteration))


def test_fork_in_an_iteration(coll):
    loader = mc.Loader(coll, 100, seed=1, steps_per_epoch=6)
    iteration = iter(loader)
    next(iteration)
    processes = multiprocessing.get_context("fork")
    queue = processes.Queue()
    process = processes.Process(target=go_on, args=(iteration, queue))
    process.start()
    rest = queue.get(timeout=60)
    process.join()
    assert process.exitcode == 0
    assert len(rest) == 5 and indexes(iteration) == rest


def test_pickle(coll):
    loader = mc.Loader(coll, 100, seed=1, weight_by="cell_type", steps_per_epoch=6,
                       obs=["cell_type"])
    iteration = iter(loader)
    next(iteration)
    other = pickle.loads(pickle.dumps(loader))
    assert indexes(other) == indexes(iteration)
    assert other.state_dict() == loader.state_dict()


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_constant_memory(coll):
    """10^4 steps take no more memory than 10^3."""
    loader = mc.Loader(coll, 16, seed=1, weight_by="cell_type", obs=["cell_type"], to="torch",
                       steps_per_epoch=10_000, statement_seconds=0.5)
    sizes = []
    for i, batch in enumerate(loader):
        assert batch.n_rows == 16
        if i % 1000 == 999:
            sizes.append(resident())
    assert len(sizes) == 10
    assert max(sizes[1:]) - sizes[0] < 8 << 20
