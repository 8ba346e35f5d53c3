"""Hugging Face's Accelerate.

    accelerate launch train_accelerate.py --steps 1000 --directory state

The loader is not prepared: each process has its share already.  It is
registered for checkpointing, and its state lies beside those of model and
optimizer.
"""

import argparse
import pathlib

import torch
from accelerate import Accelerator

import mappedcoll as mc

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--directory", type=pathlib.Path, default="state")
args = parser.parse_args()

accelerator = Accelerator()
coll = mc.connect().collection(args.collection)         # or mc.local("/data/*.h5ad")
loader = mc.Loader(coll, 256, weight_by=args.label, seed=42, to="torch")

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(coll.n_vars, 64), torch.nn.ReLU(),
                            torch.nn.Linear(64, len(coll.categories(args.label))))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
model, optimizer = accelerator.prepare(model, optimizer)
accelerator.register_for_checkpointing(loader)
if args.directory.exists():
    accelerator.load_state(str(args.directory))
    accelerator.print(f"resumed at step {loader.step}")

for batch in loader:
    batch = batch.to(accelerator.device)
    loss = torch.nn.functional.cross_entropy(model(batch.X.to_dense().log1p()), batch.label)
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()
    if loader.step >= args.steps:
        break

accelerator.save_state(str(args.directory))
loss = accelerator.reduce(loss.detach(), "mean")
accelerator.print(f"step {loader.step}: loss {loss.item():.6f}")
accelerator.end_training()
