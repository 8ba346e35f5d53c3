"""A script that trained on lamindb's MappedCollection, moved by changing one import.

    python move_from_mapped_collection.py /data/a.h5ad /data/b.h5ad

Below it, what to change next: the same draws by the server.
"""

import sys

import torch
from torch.utils.data import DataLoader, WeightedRandomSampler

# was: from lamindb.core import MappedCollection
from mappedcoll.compat import MappedCollection

if __name__ == "__main__":
    with MappedCollection(sys.argv[1:], obs_keys=["cell_type"], join="inner", encode_labels=True,
                          parallel=True) as dataset:
        torch.manual_seed(0)
        n_labels = len(dataset.encoders["cell_type"])
        model = torch.nn.Linear(dataset.n_vars, n_labels)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        sampler = WeightedRandomSampler(dataset.get_label_weights("cell_type"), 2560)
        loader = DataLoader(dataset, batch_size=128, sampler=sampler, num_workers=2,
                            worker_init_fn=dataset.torch_worker_init_fn)
        for batch in loader:
            loss = torch.nn.functional.cross_entropy(model(batch["X"]), batch["cell_type"].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{len(dataset)} cells, {n_labels} labels: loss {loss.item():.3f}")

        # next: no sampler, no workers, no weights in memory; resumable, for any number of processes
        import mappedcoll as mc

        faster = mc.Loader(dataset.collection, 128, weight_by="cell_type", seed=0,
                           steps_per_epoch=20, obs=["cell_type"], to="torch", densify="cpu")
        for batch in faster:
            loss = torch.nn.functional.cross_entropy(model(batch.X), batch.obs["cell_type"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"loss {loss.item():.3f}, waited {faster.waited:.2f} s for data")
