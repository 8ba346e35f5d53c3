"""A collection as a map of cells, and its description."""

import multiprocessing
import pickle

import numpy as np
import pandas
import psycopg
import pytest

import mappedcoll as mc

torch = pytest.importorskip("torch")


def test_description(coll, truth):
    assert coll.shape == truth.dense.shape and len(coll) == len(truth.dense)
    assert coll.var_names == truth.var_names
    assert coll.columns["cell_type"] == "text" and coll.columns["n_counts"] == "bigint"
    labels = coll.labels("cell_type")
    values, counts = np.unique([v for v in truth.obs["cell_type"] if v is not None],
                               return_counts=True)
    assert labels["label"].tolist() == values.tolist() == coll.categories("cell_type")
    assert labels["n_rows"].tolist() == counts.tolist()
    assert np.allclose(labels["weight"], 1 / counts)
    assert coll.vars().index.tolist() == truth.var_names
    assert coll.files()["n_obs"].tolist() == truth.n_obs
    assert coll.file_offsets().tolist() == [0, *np.cumsum(truth.n_obs)[:-1]]
    assert coll.refresh() == 0


def test_obs(coll, truth):
    frame = coll.obs(["cell_type", "n_counts"], "n_counts > 400")
    rows = np.flatnonzero(truth.obs["n_counts"].astype(int) > 400)
    assert frame.index.tolist() == rows.tolist()
    assert frame["cell_type"].tolist() == truth.obs["cell_type"][rows].tolist()
    whole = coll.obs()
    assert len(whole) == len(coll) and "x" not in whole and "X_pca" not in whole
    assert (whole["donor_id"].to_numpy() == truth.obs["donor_id"]).all()


def test_cells(coll, truth):
    rows = [5, 9, 5, len(coll) - 1]
    assert np.array_equal(coll[rows].X.toarray(), truth.dense[rows])
    assert coll[np.array(rows)].index.tolist() == rows
    assert coll[-1]["index"] == len(coll) - 1
    assert coll[3190:].index.tolist() == list(range(3190, 3200))
    assert coll[10:2:-3].index.tolist() == [10, 7, 4]
    mask = np.zeros(len(coll), bool)
    mask[[4, 8]] = True
    assert coll[mask].index.tolist() == [4, 8]
    assert coll[[]].X.shape == (0, 924) and coll[0:0].n_rows == 0
    item = coll.select(obs=["cell_type"], obsm=["X_pca"])[7]
    assert np.array_equal(item["X"], truth.dense[7]) and item["X"].dtype == np.float32
    assert item["obs"]["cell_type"] == truth.codes("cell_type", [7])[0]
    assert np.array_equal(item["obsm"]["X_pca"], truth.pca[7], equal_nan=True)
    for wrong, error in ((3200, psycopg.errors.InvalidParameterValue), (-3201, IndexError),
                         (1.5, TypeError), ([1.5], TypeError), (mask[:5], IndexError)):
        with pytest.raises(error):
            coll[wrong]
    with pytest.raises(TypeError):
        iter(coll)
    for several in (torch.tensor(rows), torch.tensor(rows[:1]), pandas.Series(rows),
                    pandas.Index(rows)):
        assert coll[several].index.tolist() == rows[:len(several)]
    assert coll[torch.tensor(5)]["index"] == coll[np.int32(5)]["index"] == 5


def test_forms(coll):
    """What cannot be made is an error, not something else."""
    for wrong in ({"to": "jax"}, {"densify": "gpu"}, {"densify": "server"}, {"device": "cpu"},
                  {"densify": "cuda"}):
        with pytest.raises(ValueError):
            coll.fetch([1], **wrong)
    for name in ("obs", "obsm", "genes"):
        with pytest.raises(TypeError, match=f"{name} must be a list of names"):
            mc.Loader(coll, 16, **{name: "cell_type"})


def test_hidden_cells(server, coll):
    """Row-level security leaves gaps: numbers from the end are an error, not other cells."""
    server.create_collection("hidden", coll.files()["path"].tolist())
    server.execute("CREATE ROLE reader")
    server.execute("GRANT USAGE ON SCHEMA tools TO reader")
    server.execute("GRANT SELECT ON hidden TO reader")
    server.execute("ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
    server.execute("CREATE POLICY visible ON hidden USING (cell_type <> 'B cell')")
    reader = mc.connect(server.conninfo, options="-c role=reader")
    try:
        hidden = reader.collection("hidden")
        labels = coll.obs(["cell_type"])["cell_type"]
        assert len(hidden) == (labels.notna() & (labels != "B cell")).sum()
        names = hidden.categories("cell_type")
        assert "B cell" not in names
        for batch in mc.Loader(hidden, 64, seed=1, obs=["cell_type"], steps_per_epoch=5):
            assert [names[code] for code in batch.obs["cell_type"]] == labels[batch.index].tolist()
        with pytest.raises(PermissionError):
            hidden[-1]
    finally:
        reader.close()
        server.execute("DROP TABLE hidden")
        server.execute("DROP OWNED BY reader")
        server.execute("DROP ROLE reader")


def test_many_cells(coll, truth):
    rows = np.random.default_rng(1).integers(0, len(coll), 5000)
    assert np.array_equal(coll.fetch(rows, to="scipy").X.toarray(), truth.dense[rows])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_data_loader(coll, truth, context):
    """The data set of a DataLoader, whose workers have connections of their own."""
    coll = coll.select(obs=["cell_type"])
    coll[0]             # there is a connection before the fork
    loader = torch.utils.data.DataLoader(coll, batch_size=100, num_workers=2,
                                         multiprocessing_context=context)
    row = 0
    for batch in loader:
        rows = batch["index"].numpy()
        assert rows.tolist() == list(range(row, row + len(rows)))
        assert np.array_equal(batch["X"], truth.dense[rows])
        assert np.array_equal(batch["obs"]["cell_type"], truth.codes("cell_type", rows))
        row += len(rows)
    assert row == len(coll)
    assert coll[3]["index"] == 3


def fetch_elsewhere(coll, queue):
    queue.put(coll[[1, 2]].index.tolist())


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_other_process(coll, context):
    coll[0]
    processes = multiprocessing.get_context(context)
    queue = processes.Queue()
    process = processes.Process(target=fetch_elsewhere, args=(coll, queue))
    process.start()
    assert queue.get(timeout=60) == [1, 2]
    process.join()
    assert process.exitcode == 0
    assert coll[[1, 2]].index.tolist() == [1, 2]    # the parent's connection lives


def test_names(server, coll, truth):
    """Names that need quotes, in all places."""
    server.execute("CREATE SCHEMA \"La'b\"")
    files = coll.files()["path"].tolist()
    other = server.create_collection("\"La'b\".\"My \\Cells, 50%\"", files)
    assert other.obs(["cell_type"]).shape == (3200, 1)
    loader = mc.Loader(other, 64, weight_by='"cell_type"', filter="obs_name <> E'a\\'b\\\\'",
                       weights={"B cell": 1.5, "it's \\ \"it\"": 0}, seed=1)
    with pytest.raises(psycopg.Error, match="it's"):    # no cell has that label
        next(iter(loader))
    batch = next(iter(mc.Loader(other, 64, weight_by='"cell_type"', seed=1,
                                filter="obs_name <> E'a\\'b\\\\'")))
    assert np.array_equal(batch.X.toarray(), truth.dense[batch.index])
    server.execute("DROP SCHEMA \"La'b\" CASCADE")


def test_what_is_missing(server):
    with pytest.raises(psycopg.errors.UndefinedTable, match="nowhere"):
        len(server.collection("nowhere"))
    with pytest.raises(psycopg.OperationalError):
        mc.connect(host="/nowhere").query("SELECT 1")
    with pytest.raises(mc.MappedcollError, match="CREATE EXTENSION"):
        len(mc.connect(dbname="template1").collection("coll"))


def test_timeout_of_the_environment(server, monkeypatch):
    """... counts more than the package's own, and less than what is given."""
    timeouts = []
    connect = psycopg.connect
    monkeypatch.setattr(psycopg, "connect", lambda *words, **parameters: timeouts.append(
        int(parameters["connect_timeout"])) or connect(*words, **parameters))
    for given in ("", " connect_timeout=7"):
        mc.connect(server.conninfo + given).query("SELECT 1")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    for given in ("", " connect_timeout=7"):
        mc.connect(server.conninfo + given).query("SELECT 1")
    assert timeouts == [10, 7, 3, 7]


def test_server(server):
    shown = repr(mc.connect("host=a password=secret"))
    assert "secret" not in shown and "host=a" in shown
    assert pickle.loads(pickle.dumps(server)).query("SELECT 1") == [(1,)]
    server.close()
    assert server.query("SELECT %s + 1", [1]) == [(2,)]
