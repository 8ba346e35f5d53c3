"""Each example script, on the demo's files."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import mappedcoll as mc
from conftest import demo_files

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
PACKAGE = str(pathlib.Path(mc.__file__).parent.parent)


def need(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


@pytest.fixture
def run(coll, tmp_path):
    """What a script prints."""
    def start(name, *arguments, launcher=()):
        environment = {**os.environ, "PGDATABASE": "client", "PYTHONPATH": PACKAGE,
                       "PGOPTIONS": "-c search_path=public,tools", "OMP_NUM_THREADS": "1",
                       "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
        process = subprocess.run(
            [sys.executable, *map(str, launcher), str(EXAMPLES / name), *map(str, arguments)],
            capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=500)
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]
        return process.stdout
    return start


def loss_of(output, steps):
    return float(re.search(rf"^step {steps}: loss (\S+?),?( |$)", output, re.MULTILINE)[1])


def test_every_example_is_run():
    text = pathlib.Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in text


def test_torch(run, tmp_path):
    need("torch")
    whole = run("train_torch.py", "--steps", 12, "--checkpoint", tmp_path / "whole.pt")
    run("train_torch.py", "--steps", 5)
    rest = run("train_torch.py", "--steps", 12)
    assert "resumed at step 5" in rest
    assert loss_of(rest, 12) == pytest.approx(loss_of(whole, 12), rel=1e-4)


def test_ddp(run, tmp_path):
    """On two processes, then on one; as on one."""
    need("torch")

    def launcher(n):
        return "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n
    whole = run("train_ddp.py", "--steps", 10, "--checkpoint", tmp_path / "whole.pt",
                launcher=launcher(1))
    assert "2 processes of 128 cells" in run("train_ddp.py", "--steps", 4, launcher=launcher(2))
    rest = run("train_ddp.py", "--steps", 10, launcher=launcher(1))
    assert loss_of(rest, 10) == pytest.approx(loss_of(whole, 10), rel=1e-3)


def test_lightning(run):
    need("lightning")
    whole = run("train_lightning.py", "--steps", 12, "--directory", "whole")
    run("train_lightning.py", "--steps", 6, "--save-every", 6)
    rest = run("train_lightning.py", "--steps", 12, "--resume", "runs/last.ckpt")
    assert loss_of(rest, 12) == pytest.approx(loss_of(whole, 12), rel=1e-4)
    assert float(re.search(r"accuracy (\S+) on donors", rest)[1]) > 0.1


def test_scvi(run):
    need("scvi")
    output = run("train_scvi.py", "--epochs", 2)
    assert "latent (3200, 10)" in output
    assert re.search(r"^\S+: \d+ cells$", output, re.MULTILINE)
    assert float(re.search(r"accuracy (\S+)", output)[1]) > 0.1


def test_transformers(run):
    need("transformers", "accelerate")
    whole = run("train_transformers.py", "--steps", 12, "--directory", "whole")
    run("train_transformers.py", "--steps", 6, "--save-every", 6)
    rest = run("train_transformers.py", "--steps", 12)
    assert "resumed at step 6" in rest
    assert loss_of(rest, 12) == pytest.approx(loss_of(whole, 12), rel=1e-4)


def test_accelerate(run):
    need("accelerate")
    whole = run("train_accelerate.py", "--steps", 10, "--directory", "whole")
    run("train_accelerate.py", "--steps", 4)
    rest = run("train_accelerate.py", "--steps", 10)
    assert "resumed at step 4" in rest
    assert loss_of(rest, 10) == pytest.approx(loss_of(whole, 10), rel=1e-4)
    launcher = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", 2,
                "--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no")
    rest = run("train_accelerate.py", "--steps", 14, launcher=launcher)
    assert "resumed at step 10" in rest and loss_of(rest, 14) > 0


def test_move(run, server):
    need("torch")
    output = run("move_from_mapped_collection.py", *demo_files())
    assert "3200 cells, 11 labels" in output
    assert len(re.findall(r"loss \d+\.\d+", output)) == 2
