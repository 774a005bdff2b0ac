"""Stage `stack`: stack all phases, and fine-tune the whole network (book, S7).

    python -m tasks.stack

Writes data/stack: the model, history.csv, metrics.json (val_loss_before, val_loss).
"""

from __future__ import annotations

from pathlib import Path

from autoencoders.pretraining import Training
from autoencoders.stacking import sandwich
from tasks.frame import files, models, progress, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Stack the phases; evaluate before and after fine-tuning."""
    (train, scale), (valid, _) = (files.open_rows(data / "prepare", split) for split in ("train", "valid"))
    s = params.stack
    model = sandwich([models.read(data / "phase" / number) for number in params.phase])
    training = Training(**s.model_dump(exclude={"epochs"}))
    trainer = training.trainer(model, metrics=("mse", "rounded_accuracy"), scale=scale)
    before = {f"val_{name}": value for name, value in trainer.evaluate(valid).items()}
    history = trainer.fit(
        train, epochs=s.epochs, batch_size=s.batch_size, seed=params.seed, phase=len(params.phase) + 1,
        validation=(valid, valid), on_epoch=progress.epochs("", s.epochs),
    )  # fmt: skip
    models.write(out, model)
    files.write_table(out / "history.csv", history or [{"epoch": 0, **before}])
    after = files.last(history) if history else before
    files.write_json(out / "metrics.json", after | {f"{name}_before": value for name, value in before.items()})


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
