"""Queries of loaders that a server runs."""

import time


def active(server):
    """Process ids of the server's backends that run a COPY for this package."""
    return [pid for pid, in server.query(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'mappedcoll' "
        "AND state = 'active' AND query LIKE 'COPY %%' AND datname = current_database()", [])]


def wait_for(condition, seconds=20.0):
    """What a condition gives as soon as it is true; an error if it does not become so."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


def contents(batch):
    """A batch as bytes."""
    return (batch.step, batch.index.tobytes(), batch.X.data.tobytes(), batch.X.indices.tobytes(),
            batch.X.indptr.tobytes())
