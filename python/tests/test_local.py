"""A private server: it comes when it is wanted, and goes with its last user however that ends."""

import os
import pathlib
import pwd
import re
import signal
import subprocess
import sys
import time

import numpy as np
import psycopg
import pytest

import making
import mappedcoll as mc
from mappedcoll import installation
from running import wait_for

PACKAGE = str(pathlib.Path(mc.__file__).parent.parent)


def settings():
    """Those that make a server find the extension of this run."""
    lines = (pathlib.Path(os.environ["MC_TMP"]) / "extension.conf").read_text().splitlines()
    return dict(re.match(r"(\w+) = '(.*)'", line).groups() for line in lines)


@pytest.fixture(autouse=True)
def this_postgres(monkeypatch):
    """The PostgreSQL of this run, and an environment that leads elsewhere."""
    monkeypatch.setenv("PG_CONFIG", os.path.join(os.environ["MC_BINDIR"], "pg_config"))
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("PGUSER", "nobody")


@pytest.fixture
def place():
    with making.directory() as path:
        yield path


@pytest.fixture
def files(place):
    """Two files, in a directory whose name has a space."""
    directory = place / "my files"
    directory.mkdir(mode=0o755)
    for name, seed in (("a 1", 1), ("b", 2)):
        making.write(making.cells(10 * seed, ["g1", "g2", "g3"], seed), directory / f"{name}.h5ad")
    return directory


def script(place, files, then, **options):
    """A process that makes the collection, says how many cells it has, and goes on."""
    code = ("import sys, os, time, mappedcoll as mc\n"
            f"coll = mc.local({str(files / '*.h5ad')!r}, directory={place and str(place)!r}, "
            f"settings={settings()!r})\n"
            f"print(len(coll), coll.server.directory, flush=True)\n{then}\n")
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": PACKAGE}, **options)


def started(process):
    """Directory of a script's server, as soon as it says so."""
    n_obs, directory = process.stdout.readline().rstrip("\n").split(" ", 1)
    assert n_obs == "30"
    return directory


def processes(directory):
    """Processes of a server: those whose command line names its directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word == os.fsencode(f"{directory}/data") or
               os.fsencode(f'"{directory}/users"') in word for word in words):
            found.append(int(path.parent.name))
    return found


def sockets():
    return set(pathlib.Path(os.environ.get("TMPDIR", "/tmp")).glob("mappedcoll.*"))


def test_local(files, truth_of):
    before = sockets()
    coll = mc.local(str(files / "*.h5ad"), settings=settings())
    assert coll.shape == (30, 3) and coll.name == "coll"
    assert np.array_equal(coll[:].X.toarray(), truth_of(files))
    assert len(list(mc.Loader(coll, 10, seed=1, replacement=False))) == 3
    directory = coll.server.directory
    assert len(processes(directory)) == 2       # the keeper and the server
    assert os.stat(os.path.join(directory, "socket")).st_mode & 0o077 == 0
    coll.server.stop()
    wait_for(lambda: not processes(directory) and sockets() == before)
    assert not os.path.exists(directory)


@pytest.fixture
def truth_of():
    import anndata

    def read(files):
        return np.concatenate([anndata.read_h5ad(path).X.toarray()
                               for path in sorted(files.glob("*.h5ad"))])
    return read


@pytest.mark.parametrize("name", ["kept", "with space, comma", "very long " * 12,
                                  "kept 'quoted' %s"])
def test_kept(place, files, name):
    path = place / name
    coll = mc.local(files, directory=path, settings=settings())
    oid = coll.server.query("SELECT 'coll'::regclass::oid")
    assert len(coll) == 30
    # in use already: the same server
    again = mc.local(files, directory=path)
    assert again.server.conninfo == coll.server.conninfo
    coll.server.stop()
    assert len(again) == 30 and processes(path)
    again.server.stop()
    wait_for(lambda: not processes(path))
    assert (path / "data" / "PG_VERSION").exists() and (path / "log").exists()
    # the next run: as it was, but for files that changed
    changed = files / "b.h5ad"
    making.write(making.cells(20, ["g1", "g2", "g3"], 5), changed)
    coll = mc.local(files, directory=path, settings=settings())
    assert coll.server.query("SELECT 'coll'::regclass::oid") == oid
    import anndata
    assert np.array_equal(coll[10:].X.toarray(), anndata.read_h5ad(changed).X.toarray())
    # other files, and other columns
    coll = mc.local(changed, directory=path, settings=settings())
    assert len(coll) == 20 and coll.server.query("SELECT 'coll'::regclass::oid") != oid
    making.write(making.cells(20, ["g1"], 5, obs={"new": ["x"] * 20}), changed)
    coll = mc.local(changed, directory=path, settings=settings())
    assert coll.shape == (20, 1) and "new" in coll.columns
    assert len(processes(path)) >= 2


def test_many_at_once(place, files):
    """Processes that come at the same time share one server."""
    scripts = [script(place / "kept", files, "print(mc.connect(coll.server.conninfo).query("
                      "\"SELECT system_identifier, pg_postmaster_start_time() "
                      "FROM pg_control_system()\"))")
               for _ in range(5)]
    outputs = [process.communicate(timeout=120)[0] for process in scripts]
    assert all(process.returncode == 0 for process in scripts)
    assert len({output.splitlines()[1].split(",")[0] for output in outputs}) == 1
    wait_for(lambda: not processes(place / "kept"))


def test_one_after_the_other(place, files):
    """Who comes while the server stops gets a new one."""
    for _ in range(6):
        process = script(place / "kept", files, "")
        started(process)
        assert process.wait(60) == 0
    wait_for(lambda: not processes(place / "kept"))


@pytest.mark.parametrize("how", ["killed", "exits", "fails", "os._exit"])
def test_end_of_the_user(files, how):
    """No server and no file stays behind."""
    before = sockets()
    then = {"killed": "time.sleep(100)", "exits": "", "fails": "raise SystemExit(3)",
            "os._exit": "os._exit(4)"}[how]
    process = script(None, files, then)
    directory = started(process)
    if how == "killed":
        assert processes(directory)
        process.kill()
    process.wait(60)
    wait_for(lambda: not processes(directory) and sockets() == before)
    assert not os.path.exists(directory)


def test_killed_while_it_starts(place, files):
    for delay in (0.3, 0.6, 0.9, 1.2, 1.5):
        process = script(place / "kept", files, "")
        time.sleep(delay)
        process.kill()
        process.wait()
    wait_for(lambda: not processes(place / "kept"))
    process = script(place / "kept", files, "")
    started(process)
    assert process.wait(60) == 0
    wait_for(lambda: not processes(place / "kept"))


def test_children_use_it_too(files):
    """A forked child keeps it; a session of the terminal that ends does not reach it."""
    process = script(None, files, "if os.fork() == 0:\n    time.sleep(1.5)\n"
                     "    print(mc.connect(coll.server.conninfo).query('SELECT 7'), flush=True)\n")
    directory = started(process)
    assert process.wait(60) == 0
    assert processes(directory)
    assert process.stdout.readline() == "[(7,)]\n"
    wait_for(lambda: not processes(directory))


def answers(server):
    try:
        server.open().close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_end_of_the_keeper(place, files, number):
    """The server goes with it, and the next one comes."""
    path = place / "kept"
    before = sockets()
    coll = mc.local(files, directory=path, settings=settings())
    keeper, = [pid for pid in processes(path)
               if b"keeper.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(keeper, number)
    # the way is closed as soon as the server knows
    wait_for(lambda: not answers(coll.server))
    again = mc.local(files, directory=path, settings=settings())
    assert len(again) == 30 and again.server.query("SELECT 1") == [(1,)]
    coll.server.stop()
    again.server.stop()
    wait_for(lambda: not processes(path) and sockets() == before)


def test_end_of_the_server(place, files):
    """One that was killed is started again, and recovers."""
    path = place / "kept"
    coll = mc.local(files, directory=path, settings=settings())
    pid = int((path / "data" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    again = mc.local(files, directory=path, settings=settings())
    assert len(again) == 30
    coll.server.stop()
    again.server.stop()
    wait_for(lambda: not processes(path))


def fake(place, *programs, version=99):
    """What looks like an installed PostgreSQL."""
    bindir = place / "bin"
    bindir.mkdir(exist_ok=True)
    for program in programs:
        text = {"pg_config": f"echo {bindir}; echo {place}",
                "postgres": f"echo 'postgres (PostgreSQL) {version}.1'",
                "initdb": "exit 1"}[program]
        (bindir / program).write_text(f"#!/bin/sh\n{text}\n")
        (bindir / program).chmod(0o755)
    return str(bindir / "pg_config")


def test_what_is_missing(place, files, monkeypatch):
    before = sockets()
    monkeypatch.setenv("PG_CONFIG", fake(place, "pg_config"))
    with pytest.raises(mc.MappedcollError, match="install one.*then the extension"):
        mc.local(files)
    monkeypatch.setenv("PG_CONFIG", fake(place, "pg_config", "postgres", "initdb"))
    with pytest.raises(mc.MappedcollError, match="SQL 99 .* has no extension.*make install"):
        mc.local(files)
    with pytest.raises(mc.MappedcollError, match="initdb failed"):
        mc.local(files, settings={"extension_destdir": "/nowhere"})
    monkeypatch.delenv("PG_CONFIG")
    monkeypatch.setattr(installation, "_candidates", lambda: [])
    with pytest.raises(mc.MappedcollError, match="found no PostgreSQL server"):
        mc.local(files)
    assert sockets() == before


def test_no_extension(place, files):
    """Found only when the server is asked."""
    name, = {"extension_control_path", "extension_destdir"} & set(settings())
    before = sockets()
    with pytest.raises(mc.MappedcollError, match="no extension mappedcoll"):
        mc.local(files, settings={name: str(place / "nothing")})
    wait_for(lambda: sockets() == before)


def test_does_not_start(place, files):
    with pytest.raises(mc.MappedcollError, match="did not start(.|\n)*no_such_setting"):
        mc.local(files, settings={**settings(), "no_such_setting": "1"})
    path = place / "kept"
    (path / "data").mkdir(parents=True)
    (path / "data" / "PG_VERSION").write_text("7\n")
    with pytest.raises(mc.MappedcollError, match="PostgreSQL 7, which is not installed"):
        mc.local(files, directory=path, settings=settings())


def test_files_that_cannot_be_read(place, files):
    before = sockets()
    with pytest.raises(psycopg.Error, match="nothing"):
        mc.local(place / "nothing.h5ad", settings=settings())
    wait_for(lambda: sockets() == before)


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root(place, files, monkeypatch):
    coll = mc.local(files, settings=settings())
    stat = os.stat(os.path.join(coll.server.directory, "data"))
    assert stat.st_uid == pwd.getpwnam("postgres").pw_uid
    (place / "closed").mkdir(mode=0o700)
    with pytest.raises(mc.MappedcollError, match="cannot be reached by the user postgres"):
        mc.local(files, directory=place / "closed" / "kept")

    def nobody(name):
        raise KeyError(name)
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    with pytest.raises(mc.MappedcollError, match="no user postgres"):
        mc.local(files, settings=settings())


def test_pickled(files):
    import pickle

    coll = mc.local(files, settings=settings())
    copy = pickle.loads(pickle.dumps(coll))
    assert len(copy) == 30 and copy.server.directory == coll.server.directory
    copy.server.stop()
    assert len(coll) == 30


def test_mapped_collection(files, truth_of, monkeypatch):
    """The data set of a script that has no server either."""
    from mappedcoll.compat import MappedCollection

    servers = []

    def local_server():
        servers.append(mc.local_server(settings=settings()))
        return servers[-1]
    monkeypatch.setattr(sys.modules["mappedcoll.local"], "local_server", local_server)
    paths = sorted(files.glob("*.h5ad"))
    mapped = MappedCollection(paths, obs_keys=["kind"], server="local")
    items = mapped.__getitems__(range(len(mapped)))
    assert np.array_equal(np.stack([item["X"] for item in items]), truth_of(files))
    assert len(servers) == 1
    servers[0].stop()
