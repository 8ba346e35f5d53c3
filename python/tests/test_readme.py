"""What the READMEs say to do, on the demo's files."""

import pathlib
import re

import pytest

import mappedcoll as mc

torch = pytest.importorskip("torch")

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Model(torch.nn.Module):
    """A model as the examples call it: the loss of a linear layer."""

    def __init__(self, n_vars, n_labels):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(n_vars, n_labels))
        self.n_calls = 0

    def forward(self, x, labels):
        self.n_calls += 1
        return torch.nn.functional.cross_entropy(x @ self.weights, labels)


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def section(path, heading):
    text = path.read_text()
    if heading:
        text = re.search(rf"^## {heading}\n(.*?)^##+ ", text, re.M | re.S)[1]
    return text


@pytest.mark.parametrize("path, heading", [("README.md", "Train"), ("python/README.md", None)])
def test_readme(server, coll, path, heading):
    found = blocks(section(ROOT / path, heading))
    assert len(found) >= 3
    model = Model(coll.n_vars, 11)
    names = {"model": model}
    for block in found:
        for there, here in (('"host=db1,db2 dbname=lab"', repr(server.conninfo)),
                            ("10_000", "4"), ("25_000", "2"), ("4096", "64"),
                            ("" if torch.cuda.is_available() else ', device="cuda"', "")):
            block = block.replace(there, here) if there else block
        exec(compile(block, path, "exec"), names)
    assert model.n_calls >= 4
    assert isinstance(names["batch"], mc.Batch)
