"""Lost connections: killed backends, restarts, standbys, hosts that go away.

The stream goes on at the exact step, so what comes is held against the same
stream without a loss, byte by byte.
"""

import threading
import time

import psycopg
import pytest

import mappedcoll as mc
from conftest import create
from node import Node, as_server
from running import active, contents, wait_for


def batches(coll, steps, **arguments):
    loader = mc.Loader(coll, 256, weight_by="cell_type", seed=21, steps_per_epoch=steps,
                       **arguments)
    return [contents(batch) for batch in loader]


def terminate(server, pids):
    """Kill backends; how many there were."""
    return sum(done for done, in server.query(
        "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [pids]))


@pytest.mark.parametrize("connections", [1, 2])
def test_killed_backend(server, coll, connections):
    """... in mid-COPY, again and again."""
    whole = batches(coll, 60)
    loader = mc.Loader(coll, 256, weight_by="cell_type", seed=21, steps_per_epoch=60,
                       connections=connections, prefetch=1)
    kills = 0
    got = []
    for i, batch in enumerate(loader):
        got.append(contents(batch))
        if i % 6 == 3:
            kills += terminate(server, active(server))
    assert got == whole
    assert kills >= 5


def test_killed_between_statements(server, coll):
    whole = batches(coll, 30)
    loader = mc.Loader(coll, 256, weight_by="cell_type", seed=21, steps_per_epoch=30)
    got = []
    while len(got) < 30:
        for _, batch in zip(range(7), loader):
            got.append(contents(batch))
        if loader.step >= 30:
            break
        pids = [session.connection.info.backend_pid for session in loader._sessions]
        assert terminate(server, pids) == 1
        wait_for(lambda: server.query("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)",
                                      [pids]) == [(0,)])
    assert got == whole


def test_frozen_backend(server, coll, monkeypatch):
    """A loop may be left though the server does not answer."""
    monkeypatch.setattr(mc.feeder, "_GRACE_SECONDS", 0.5)
    loader = mc.Loader(coll, 256, seed=21, prefetch=1)
    iteration = iter(loader)
    next(iteration)
    session, = loader._sessions
    pid = session.connection.info.backend_pid
    wait_for(lambda: active(server) == [pid])
    as_server("kill", "-STOP", pid)
    try:
        began = time.monotonic()
        iteration.close()
        assert 0.5 < time.monotonic() - began < 10
    finally:
        as_server("kill", "-CONT", pid)
    wait_for(lambda: active(server) == [])
    assert next(iter(loader)).step == 1


def test_patience_begins_anew(server):
    """... with each use: what failed long ago does not count."""
    session = mc.connection.Session(server, patience=60)
    session._failing_since = time.monotonic() - 3600
    session.start()
    done = []

    def work(conn):
        if len(done) < 3:
            done.append(conn)
            raise psycopg.errors.AdminShutdown
        return conn.execute("SELECT 1").fetchone()

    assert session.attempt(work) == (1,)
    session.close()


def test_killed_short_query(server):
    """A lost connection is made anew for the next query."""
    other = mc.connect(server.conninfo)
    pid = other.query("SELECT pg_backend_pid()")[0][0]
    terminate(server, [pid])
    wait_for(lambda: server.query("SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
                                  [pid]) == [(0,)])
    assert other.query("SELECT 1") == [(1,)]


def test_statement_timeout(server, coll):
    """Statements that a timeout ends become shorter."""
    whole = batches(coll, 400)
    limited = mc.connect(server.conninfo, options="-c statement_timeout=400")
    loader = mc.Loader(limited.collection("coll"), 256, weight_by="cell_type", seed=21,
                       steps_per_epoch=400)
    got = []
    for batch in loader:
        got.append(contents(batch))
        time.sleep(0.005)
    assert got == whole
    # where not even one step comes in time, it is an error
    hopeless = mc.connect(server.conninfo, options="-c statement_timeout=1")
    with pytest.raises(psycopg.errors.QueryCanceled):
        list(mc.Loader(hopeless.collection("coll"), 65536, seed=1, steps_per_epoch=2))


def test_statements_are_bounded(server, coll, monkeypatch):
    """They last about as long as is wanted, however the loop dawdles."""
    counts = []
    query = mc.loader.Request.query
    monkeypatch.setattr(mc.loader.Request, "query", lambda self, step, n_steps, part_rows:
                        counts.append((time.monotonic(), n_steps)) or
                        query(self, step, n_steps, part_rows))
    loader = mc.Loader(coll, 16, seed=1, steps_per_epoch=600, statement_seconds=0.5)
    for _ in loader:
        time.sleep(0.005)
    assert sum(n for _, n in counts) == 600
    durations = [b[0] - a[0] for a, b in zip(counts[2:], counts[3:])]
    assert len(durations) >= 3 and all(0.05 < seconds < 3 for seconds in durations), counts


@pytest.fixture(scope="module")
def pair():
    """A primary with the collection, and its hot standby."""
    primary, standby = Node("primary"), Node("standby")
    try:
        primary.init().configure("max_wal_senders = 4\nhot_standby = on\n").start()
        server = mc.connect(primary.conninfo)
        server.execute("CREATE EXTENSION mappedcoll")
        coll = create(server)
        standby.follow(primary).configure("max_standby_streaming_delay = 100ms\n").start()
        wait_for(lambda: mc.connect(standby.conninfo).query(
            "SELECT to_regclass('coll') IS NOT NULL") == [(True,)])
        yield primary, standby, coll
        server.close()
    finally:
        standby.remove()
        primary.remove()


def both(*nodes):
    return mc.connect(host=",".join(str(node.directory) for node in nodes), user="postgres",
                      dbname="postgres")


def test_restart(pair):
    """A server that is restarted, and one that crashes."""
    primary, _, coll = pair
    whole = batches(coll, 40)
    loader = mc.Loader(mc.connect(primary.conninfo).collection("coll"), 256, weight_by="cell_type",
                       seed=21, steps_per_epoch=40, prefetch=1, patience=60)
    got = []
    for i, batch in enumerate(loader):
        got.append(contents(batch))
        if i in (5, 20):
            primary.stop("fast" if i == 5 else "immediate")
            timer = threading.Timer(1.0, primary.start)
            timer.start()
    timer.join()
    assert got == whole


def host(loader):
    """Where the loader reads."""
    session, = loader._sessions
    return session.connection.info.host


def test_other_host(pair):
    """A server that breaks off is not asked again before the others, though it is there."""
    primary, standby, coll = pair
    whole = batches(coll, 60)
    loader = mc.Loader(both(primary, standby).collection("coll"), 256, weight_by="cell_type",
                       seed=21, steps_per_epoch=60, prefetch=1)
    got = []
    for i, batch in enumerate(loader):
        got.append(contents(batch))
        if i in (10, 30):
            node = standby if i == 30 else primary
            assert host(loader) == str(node.directory)
            assert terminate(mc.connect(node.conninfo), active(mc.connect(node.conninfo))) == 1
    assert got == whole
    assert host(loader) == str(primary.directory)


def test_next_host(pair):
    """The other server goes on where one went away, and the other way round."""
    primary, standby, coll = pair
    whole = batches(coll, 60)
    loader = mc.Loader(both(primary, standby).collection("coll"), 256, weight_by="cell_type",
                       seed=21, steps_per_epoch=60, prefetch=1, patience=60)

    got = []
    for i, batch in enumerate(loader):
        got.append(contents(batch))
        if i == 10:
            assert host(loader) == str(primary.directory)
            primary.stop("immediate")
        if i == 30:
            assert host(loader) == str(standby.directory)
            primary.start()
            standby.stop("immediate")
    assert host(loader) == str(primary.directory)
    standby.start()
    assert got == whole


def test_recovery_conflict(pair):
    """A standby that cancels the query to go on replaying."""
    primary, standby, coll = pair
    whole = batches(coll, 60)
    reader = mc.connect(standby.conninfo)
    writer = mc.connect(primary.conninfo)
    writer.execute("DROP TABLE IF EXISTS churn")
    writer.execute("CREATE TABLE churn AS SELECT generate_series(1, 1000) AS i")
    loader = mc.Loader(reader.collection("coll"), 256, weight_by="cell_type", seed=21,
                       steps_per_epoch=60, prefetch=1, patience=60)

    def conflicts():
        return sum(reader.query("SELECT confl_snapshot + confl_lock FROM "
                                "pg_stat_database_conflicts WHERE datname = 'postgres'")[0])

    before = conflicts()
    got = []
    for i, batch in enumerate(loader):
        got.append(contents(batch))
        if i % 20 == 5:
            # rows that the standby's snapshot still sees are removed
            writer.execute("UPDATE churn SET i = i + 1")
            writer.execute("VACUUM churn")
            time.sleep(0.5)
    assert got == whole
    wait_for(lambda: conflicts() > before)


def test_patience(pair):
    """It ends, with an error that says what is wrong."""
    primary, standby, coll = pair
    loader = mc.Loader(mc.connect(primary.conninfo).collection("coll"), 256, seed=1, patience=0.5,
                       prefetch=1)
    iteration = iter(loader)
    next(iteration)
    primary.stop("immediate")
    began = time.monotonic()
    with pytest.raises(mc.UnavailableError, match="no server answered"):
        for _ in iteration:
            pass
    assert time.monotonic() - began < 20
    # the loop may be left while there is no server, and at once
    primary.start()
    loader = mc.Loader(mc.connect(primary.conninfo).collection("coll"), 256, seed=1, prefetch=1)
    iteration = iter(loader)
    next(iteration)
    primary.stop("immediate")
    time.sleep(0.5)
    began = time.monotonic()
    iteration.close()
    assert time.monotonic() - began < 5
    primary.start()
    assert next(iter(loader)).step == 1
