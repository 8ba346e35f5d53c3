"""scvi-tools: SCVI, then SCANVI, on all cells of a collection of raw counts.

    python train_scvi.py --epochs 20 --directory models
"""

import argparse
import pathlib

import scvi

import mappedcoll as mc
from mappedcoll.scvi import DataModule

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--batch", default="donor_id")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--directory", type=pathlib.Path, default="models")
args = parser.parse_args()

coll = mc.connect().collection(args.collection)         # or mc.local("/data/*.h5ad")
scvi.settings.seed = 0

data = DataModule(coll, args.batch, batch_size=256)
model = scvi.model.SCVI(registry=data.registry, n_latent=10)
model.train(datamodule=data, max_epochs=args.epochs)
model.save(args.directory / "scvi", datamodule=data, overwrite=True)
model = scvi.model.SCVI.load(args.directory / "scvi", adata=False)
latent = model.get_latent_representation(dataloader=data.inference_dataloader())
print(f"latent {latent.shape}")

# cells of one donor only: the same registry, other rows
one = data.inference_dataloader(filter=f"{args.batch} = '{data.batch_labels[0]}'")
print(f"{data.batch_labels[0]}: {len(model.get_latent_representation(dataloader=one))} cells")

data = DataModule(coll, args.batch, args.label, model_name="SCANVI", batch_size=256,
                  balance_labels=True)
model = scvi.model.SCANVI(registry=data.registry, datamodule=data)
model.train(datamodule=data, max_epochs=args.epochs)
model.save(args.directory / "scanvi", datamodule=data, overwrite=True)
model = scvi.model.SCANVI.load(args.directory / "scanvi", adata=False, datamodule=data)
predicted = model.predict(dataloader=data.inference_dataloader())
known = data.labels_ != data.unlabeled_category
print(f"accuracy {(predicted == data.labels_)[known].mean():.3f}")
