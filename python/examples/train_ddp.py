"""Several processes: DistributedDataParallel under torchrun.

    torchrun --nproc-per-node 4 train_ddp.py --steps 1000 --checkpoint model.pt

A step is the same 256 cells for any number of processes, so that the next run
may have another number of them.
"""

import argparse
import os
import pathlib

import torch
from torch.nn.parallel import DistributedDataParallel

import mappedcoll as mc

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--checkpoint", type=pathlib.Path, default="model.pt")
args = parser.parse_args()

cuda = torch.cuda.is_available()
torch.distributed.init_process_group("nccl" if cuda else "gloo")
device = f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu"
if cuda:
    torch.cuda.set_device(device)

# rank and number of processes are those of torch.distributed
coll = mc.connect().collection(args.collection)
loader = mc.Loader(coll, global_batch_size=256, weight_by=args.label, seed=42, to="torch",
                   densify="cuda" if cuda else "cpu", device=device)

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(coll.n_vars, 64), torch.nn.ReLU(),
                            torch.nn.Linear(64, len(coll.categories(args.label)))).to(device)
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
if args.checkpoint.exists():
    checkpoint = torch.load(args.checkpoint, map_location=device)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    loader.load_state_dict(checkpoint["data"])
parallel = DistributedDataParallel(model)

for batch in loader:
    loss = torch.nn.functional.cross_entropy(parallel(batch.X.log1p()), batch.label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loader.step >= args.steps:
        break

loss = loss.detach()
torch.distributed.all_reduce(loss)
if loader.rank == 0:
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "data": loader.state_dict()}, args.checkpoint)
    print(f"step {loader.step}: loss {loss.item() / loader.world_size:.6f}, "
          f"{loader.world_size} processes of {loader.batch_size} cells")
torch.distributed.destroy_process_group()
