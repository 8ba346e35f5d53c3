"""Lightning: a DataModule with a split by donors, and checkpoints in mid-epoch.

    python train_lightning.py --steps 1000 --directory runs
    python train_lightning.py --steps 2000 --directory runs --resume runs/last.ckpt
"""

import argparse

import lightning.pytorch as pl
import torch

import mappedcoll as mc
from mappedcoll.lightning import DataModule

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--donor", default="donor_id")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--save-every", type=int, default=100)
parser.add_argument("--directory", default="runs")
parser.add_argument("--resume")
args = parser.parse_args()


class Classifier(pl.LightningModule):
    """Cell type by expression."""

    def __init__(self, n_vars: int, n_labels: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(n_vars, 64), torch.nn.ReLU(),
                                          torch.nn.Linear(64, n_labels))

    def training_step(self, batch: mc.Batch, batch_idx: int) -> torch.Tensor:
        # sparse on its way to the device, dense there
        logits = self.layers(batch.X.to_dense().log1p())
        loss = torch.nn.functional.cross_entropy(logits, batch.label)
        self.log("loss", loss, prog_bar=True, batch_size=batch.n_rows)
        return loss

    def validation_step(self, batch: mc.Batch, batch_idx: int) -> None:
        label = batch.obs[args.label]
        known = label >= 0
        predicted = self.layers(batch.X.to_dense().log1p()).argmax(1)
        self.log("accuracy", (predicted == label)[known].float().mean(), prog_bar=True,
                 batch_size=int(known.sum()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 1e-3)


coll = mc.connect().collection(args.collection)         # or mc.local("/data/*.h5ad")
part = f"split_of({args.donor}, 3, '{{0.8,0.2}}')"
data = DataModule(coll, 256, weight_by=args.label, seed=42, steps_per_epoch=500, obs=[args.label],
                  filter=f"{part} = 0", val_filter=f"{part} = 1")
pl.seed_everything(0)
saving = pl.callbacks.ModelCheckpoint(args.directory, every_n_train_steps=args.save_every,
                                      save_last=True)
trainer = pl.Trainer(max_steps=args.steps, callbacks=[saving], logger=False,
                     default_root_dir=args.directory)
model = Classifier(coll.n_vars, len(coll.categories(args.label)))
trainer.fit(model, data, ckpt_path=args.resume, weights_only=False)
print(f"step {trainer.global_step}: loss {trainer.callback_metrics['loss']:.6f}")
accuracy = trainer.validate(model, data, verbose=False)[0]["accuracy"]
print(f"accuracy {accuracy:.3f} on donors not seen")
