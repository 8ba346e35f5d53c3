"""The pieces: messages of COPY, joining, steps, literals."""

import struct

import numpy as np
import psycopg
import pytest

import mappedcoll as mc
from mappedcoll import sql
from mappedcoll.channel import Channel, Closed
from mappedcoll.connection import rotated
from mappedcoll.copy import elements, fields, messages
from mappedcoll.errors import is_passing
from mappedcoll.memory import Pool
from mappedcoll.stream import Steps

torch = pytest.importorskip("torch")


def values(fields):
    return [None if field is None else bytes(field) for field in fields]


def test_messages(server):
    query = ("SELECT i::int8, NULL::text, repeat('x', i * 70000), ARRAY['a', NULL, 'bcd'], "
             "'{}'::bytea[] FROM generate_series(0, 20) AS i")
    with server.open() as conn:
        rows = [fields(message) for message in messages(conn, query)]
        assert rows.pop() == [] and len(rows) == 21
        for i, row in enumerate(rows):
            assert values(row[:3]) == [struct.pack("!q", i), None, b"x" * i * 70000]
            assert values(elements(row[3])) == [b"a", None, b"bcd"]
            assert elements(row[4]) == []
        assert [fields(message) for message in messages(conn, query + " WHERE false")] == [[]]
        # left in the middle, the connection is idle
        stream = messages(conn, "SELECT repeat('x', 100000), generate_series(1, 100000000)")
        for _ in range(3):
            next(stream)
        stream.close()
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with pytest.raises(psycopg.errors.DivisionByZero):
            list(messages(conn, "SELECT 1 / (100 - i) FROM generate_series(1, 200) AS i"))
        assert conn.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(mc.MappedcollError, match="2 dimensions"):
            elements(next(map(fields, messages(conn, "SELECT '{{a},{b}}'::text[]")))[0])


def test_damaged_message():
    whole = memoryview(struct.pack("!hi3si4s", 2, 3, b"abc", 4, b"defg"))
    assert values(fields(whole)) == [b"abc", b"defg"]
    for n in range(2, len(whole)):
        with pytest.raises((mc.MappedcollError, struct.error)):
            fields(whole[:n])


@pytest.mark.parametrize("n, size, drop_last", [
    (3200, 100, False), (3200, 1000, False), (3200, 1000, True), (3200, 3200, True),
    (3200, 5000, False), (7, 8, False), (None, 64, False)])
def test_steps(n, size, drop_last):
    steps = Steps(size, n, drop_last)
    for step in range(50):
        assert steps.step(steps.position(step)) == step
        for world_size in (1, 2, 4):
            if size % world_size == 0:
                assert sum(steps.share(step, rank, world_size) for rank in range(world_size)) == (
                    size if n is None else
                    min(size, n - step % steps.epoch_steps * size))
    if n is not None:
        assert steps.epoch_steps == (n // size if drop_last else -(-n // size))
        assert steps.position(steps.epoch_steps * 3) == 3 * n
    assert steps.step(steps.position(1) + 1) is None or size == 1


def test_literals(server):
    for text in ("", "it's", "a\\b", "\\", "\"", "{a,b}", "NULL", "é\n\t"):
        assert server.query(f"SELECT {sql.literal(text)}") == [(text,)]
    texts = ["", "it's", "a\\b", "\"q\"", "{a,b}", "NULL", "é\n", " x "]
    assert server.query(f"SELECT {sql.literal(texts)}::text[]") == [(texts,)]
    assert server.query(f"SELECT {sql.literal([1, -2, 2**62])}::bigint[]") == [([1, -2, 2**62],)]
    assert server.query(f"SELECT {sql.literal([])}::text[]") == [([],)]
    assert sql.literal(None) == "NULL" and sql.literal(True) == "true"
    assert server.query(f"SELECT {sql.literal(np.arange(3).tolist())}::int[]") == [([0, 1, 2],)]


def test_hosts():
    several = {"host": "a,b,c", "port": "1,2,3", "dbname": "x"}
    assert rotated(several, 0) == several
    assert rotated(several, 4) == {"host": "b,c,a", "port": "2,3,1", "dbname": "x"}
    assert rotated({"host": "a,b", "port": "1"}, 1) == {"host": "b,a", "port": "1"}
    assert rotated({"dbname": "x"}, 3) == {"dbname": "x"}


def test_what_passes():
    errors = psycopg.errors
    for passing in (errors.SerializationFailure, errors.DeadlockDetected, errors.AdminShutdown,
                    errors.CrashShutdown, errors.CannotConnectNow, errors.ConnectionFailure,
                    psycopg.OperationalError):
        assert is_passing(passing("..."))
    for lasting in (errors.UndefinedTable, errors.QueryCanceled, errors.OutOfMemory,
                    psycopg.InterfaceError, psycopg.ProgrammingError):
        assert not is_passing(lasting("..."))


def test_pool():
    pool = Pool()
    shapes = [((300_000,), np.int32), ((100, 2000), np.float32), (1 << 20, np.uint8)]
    for shape, dtype in shapes:
        array = pool.allocate(shape, dtype)
        assert array.shape == np.empty(shape).shape and array.dtype == dtype
        assert array.flags.writeable and array.flags.aligned and array.flags.c_contiguous
        place = array.ctypes.data
        octets = array.reshape(-1).view(np.uint8)
        octets.fill(255)
        # a slice, a tensor, or a view of other numbers holds the memory
        held = [octets[-8:], torch.from_numpy(octets)[-1:], memoryview(octets)]
        del array, octets
        while held:
            other = pool.allocate(shape, dtype)
            assert other.ctypes.data != place
            other.fill(0)
            assert np.asarray(held.pop())[-1] == 255
        assert place in [other.ctypes.data for other in
                         [pool.allocate(shape, dtype) for _ in range(4)]]
    assert pool.allocate((3, 0), np.float32).shape == (3, 0)
    assert pool.allocate(10, np.int64).shape == (10,)
    many = [pool.allocate(1 << 20, np.uint8) for _ in range(40)]
    assert len({array.ctypes.data for array in many}) == 40
    del many
    pool.allocate(1 << 20, np.uint8)
    assert len(pool._idle) <= 16


def test_pool_of_many_sizes():
    """What is kept is about what was lent at a time, whatever the sizes were."""
    pool = Pool()
    rng = np.random.default_rng(0)
    lent, most = [], 0
    for n_bytes in (1 << 20) * np.exp(rng.normal(0, 0.5, 1000)):
        lent = [*lent[-4:], pool.allocate(int(n_bytes), np.uint8)]
        most = max(most, sum(array.nbytes for array in lent))
    kept = sum(block.nbytes for block in [*pool._idle, *pool._returned])
    assert 0 < kept < 4 * most


def test_channel():
    channel = Channel(2)
    channel.put(1)
    channel.put(2)
    assert channel.get() == 1
    channel.close()
    for use in (channel.get, lambda: channel.put(3)):
        with pytest.raises(Closed):
            use()


def test_quotes(server):
    """Text is what it was, whatever settings and other connections there are."""
    texts = ["", " it's ", "a\\' OR true --", "\\", "ü\\'x", "ࠀ'; --", "50%", '"', "E'x'"]
    strange = mc.connect(server.conninfo, options="-c standard_conforming_strings=off")
    assert server.query("SELECT 1") == strange.query("SELECT 1")
    # the last connection made is the one that libpq would escape for
    with psycopg.connect(server.conninfo, client_encoding="gbk") as other:
        other.execute("SELECT 1")
        for text in texts:
            assert server.query("SELECT " + sql.quote(text)) == [(text,)]
            assert strange.query("SELECT " + sql.quote(text)) == [(text,)]
        assert server.query(f"SELECT {sql.array(texts)}::text[]") == [(texts,)]
    strange.close()
    with pytest.raises(ValueError, match="NUL"):
        sql.quote("a\0b")
