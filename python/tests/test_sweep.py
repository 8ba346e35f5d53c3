"""Each cell once, in order."""

import numpy as np
import pytest
from psycopg.conninfo import make_conninfo

import mappedcoll as mc


@pytest.mark.parametrize("world_size", [1, 3])
def test_order(coll, truth, world_size):
    rows = []
    for rank in range(world_size):
        sweep = mc.Sweep(coll, 700, obs=["cell_type"], rank=rank, world_size=world_size)
        for _ in range(2):          # the same each time
            batches = list(sweep)
            assert len(batches) == len(sweep)
        for batch in batches:
            assert np.array_equal(batch.X.toarray(), truth.dense[batch.index])
            assert np.array_equal(batch.obs["cell_type"], truth.codes("cell_type", batch.index))
            rows += batch.index.tolist()
    assert rows == list(range(3200))


def test_chosen(coll, truth):
    sweep = mc.Sweep(coll, 100, filter="n_counts > 400", to="scipy")
    expected = np.flatnonzero(truth.obs["n_counts"].astype(int) > 400)
    assert np.array_equal(sweep.rows, expected)
    assert np.array_equal(np.concatenate([batch.index for batch in sweep]), expected)
    rows = [7, 3, 3, 3199]
    batch, = mc.Sweep(coll, 10, rows=rows)
    assert batch.index.tolist() == rows
    assert list(mc.Sweep(coll, 10, filter="false")) == [] == list(mc.Sweep(coll, 10, rows=[]))
    with pytest.raises(ValueError, match="not both"):
        mc.Sweep(coll, 10, rows=rows, filter="true")
    with pytest.raises(ValueError, match="at least 1"):
        mc.Sweep(coll, 0)


def test_left_early(coll):
    for _ in mc.Sweep(coll, 10):
        break
    assert len(coll[[1]].index) == 1


def test_row_level_security(server, coll, truth):
    """The cells that may be seen, though their numbers have gaps."""
    other = server.create_collection("guarded", coll.files()["path"].tolist())
    server.execute("CREATE ROLE regress_client")
    try:
        server.execute("ALTER TABLE guarded ENABLE ROW LEVEL SECURITY")
        server.execute("CREATE POLICY p ON guarded USING (donor_id <> 'D07')")
        server.execute("GRANT SELECT ON guarded TO regress_client")
        server.execute("GRANT USAGE ON SCHEMA tools TO regress_client")
        conninfo = make_conninfo(server.conninfo, options="-c role=regress_client")
        guarded = mc.connect(conninfo).collection("guarded")
        batches = list(mc.Sweep(guarded, 1000))
        rows = np.flatnonzero([donor is not None and donor != "D07"
                               for donor in truth.obs["donor_id"]])
        assert 0 < len(rows) < len(other) == 3200
        assert np.array_equal(np.concatenate([batch.index for batch in batches]), rows)
        assert np.array_equal(batches[0].X.toarray(), truth.dense[rows[:1000]])
        guarded.server.close()
    finally:
        server.execute("DROP TABLE guarded")
        server.execute("REVOKE ALL ON SCHEMA tools FROM regress_client")
        server.execute("DROP ROLE regress_client")
