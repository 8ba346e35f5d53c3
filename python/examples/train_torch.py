"""Plain PyTorch: a classifier of cell types, with a checkpoint that training goes on from.

    python train_torch.py --collection coll --label cell_type --steps 1000 --checkpoint model.pt

PGHOST, PGDATABASE and so on lead to the server.  Run it again with more steps:
it goes on with the cells that would have come next.
"""

import argparse
import pathlib

import torch

import mappedcoll as mc

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--checkpoint", type=pathlib.Path, default="model.pt")
args = parser.parse_args()

device = "cuda" if torch.cuda.is_available() else "cpu"
coll = mc.connect().collection(args.collection)         # or mc.local("/data/*.h5ad")
loader = mc.Loader(coll, 256, weight_by=args.label, seed=42, to="torch", densify=device,
                   device=device)

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(coll.n_vars, 64), torch.nn.ReLU(),
                            torch.nn.Linear(64, len(coll.categories(args.label)))).to(device)
optimizer = torch.optim.Adam(model.parameters(), 1e-3)

if args.checkpoint.exists():
    checkpoint = torch.load(args.checkpoint)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    loader.load_state_dict(checkpoint["data"])
    print(f"resumed at step {loader.step}")

for batch in loader:
    loss = torch.nn.functional.cross_entropy(model(batch.X.log1p()), batch.label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loader.step >= args.steps:
        break

torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
            "data": loader.state_dict()}, args.checkpoint)
print(f"step {loader.step}: loss {loss.item():.6f}, waited {loader.waited:.2f} s for data")
