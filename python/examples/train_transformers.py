"""The Trainer of Hugging Face's transformers.

    python train_transformers.py --steps 1000 --directory runs

The Trainer takes the loader as its train dataloader.  A callback keeps the
loader's state in each checkpoint; a run goes on from the last one.
"""

import argparse
import json
import pathlib

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

import mappedcoll as mc

parser = argparse.ArgumentParser()
parser.add_argument("--collection", default="coll")
parser.add_argument("--label", default="cell_type")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--save-every", type=int, default=100)
parser.add_argument("--directory", type=pathlib.Path, default="runs")
args = parser.parse_args()


class Classifier(torch.nn.Module):
    """Cell type by expression; called with the keys of a batch."""

    def __init__(self, n_vars: int, n_labels: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(n_vars, 64), torch.nn.ReLU(),
                                          torch.nn.Linear(64, n_labels))

    def forward(self, X: torch.Tensor, label: torch.Tensor, **other: object) -> dict:
        logits = self.layers(X.log1p())
        return {"loss": torch.nn.functional.cross_entropy(logits, label), "logits": logits}


class StreamTrainer(Trainer):
    """A Trainer that reads from a Loader."""

    def __init__(self, loader: mc.Loader, **arguments: object) -> None:
        super().__init__(**arguments)
        self.loader = loader

    def get_train_dataloader(self) -> mc.Loader:
        # not prepared by accelerate: each process has its share already
        return self.loader


class KeepState(TrainerCallback):
    """The loader's state beside the model's."""

    def __init__(self, loader: mc.Loader) -> None:
        self.loader = loader

    def on_save(self, arguments, state, control, **other):
        if state.is_world_process_zero:
            path = pathlib.Path(arguments.output_dir) / f"checkpoint-{state.global_step}"
            (path / "loader.json").write_text(json.dumps(self.loader.state_dict()))


coll = mc.connect().collection(args.collection)         # or mc.local("/data/*.h5ad")
loader = mc.Loader(coll, 256, weight_by=args.label, seed=42, steps_per_epoch=500, to="torch",
                   densify="cpu")
torch.manual_seed(0)
model = Classifier(coll.n_vars, len(coll.categories(args.label)))
arguments = TrainingArguments(
    output_dir=str(args.directory), max_steps=args.steps, save_steps=args.save_every,
    learning_rate=1e-3, lr_scheduler_type="constant", report_to=[], logging_strategy="no",
    ignore_data_skip=True)          # the loader skips by itself
trainer = StreamTrainer(loader, model=model, args=arguments, callbacks=[KeepState(loader)])

last = get_last_checkpoint(str(args.directory)) if args.directory.exists() else None
if last is not None:
    loader.load_state_dict(json.loads((pathlib.Path(last) / "loader.json").read_text()))
    print(f"resumed at step {loader.step}")
trainer.train(resume_from_checkpoint=last)
with torch.no_grad():
    batch = coll.fetch(range(256), obs=[args.label], to="torch", densify="cpu")
    known = batch.obs[args.label] >= 0
    model.cpu().eval()
    loss = model(batch.X[known], batch.obs[args.label][known])["loss"]
print(f"step {trainer.state.global_step}: loss {loss.item():.6f} on the first cells")
