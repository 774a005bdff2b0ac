"""`make readme`: write into README.md and docs/results what the last run found, and the DAG as dvc.yaml has it.

Between `<!-- NAME -->` and `<!-- /NAME -->` in README.md, everything is written here; tests/test_readme.py says when it
is out of date.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
KEPT = {  # what the last run wrote -> where the repository keeps it, so that README can show it
    "finetune/finetune.png": "few-labels.png",
    "finetune/comparisons.csv": "few-labels.csv",
    "finetune/metrics.json": "few-labels.json",
    "label_curve/label_curve.png": "label-curve.png",
    "label_curve/verdict.json": "label-curve.json",
    "tying/metrics.json": "tying.json",
    "tying/tying.png": "tying.png",
    "visualize/map.png": "map.png",
    "visualize/metrics.json": "map.json",
    "report/fidelity.csv": "fidelity.csv",
}


def keep_results() -> None:
    """Copy the files that README shows out of data/."""
    (ROOT / "docs" / "results").mkdir(exist_ok=True)
    for source, name in KEPT.items():
        shutil.copyfile(ROOT / "data" / source, ROOT / "docs" / "results" / name)


def blocks() -> dict[str, str]:
    """Return the text of every block of README.md that is written by this command."""
    return {"dag": dag(), "few-labels": few_labels(), "label-curve": label_curve(), "tying": tying(), "fidelity": fidelity()}


def dag() -> str:
    """Return DVC's drawing of dvc.yaml."""
    dvc = Path(sys.executable).parent / "dvc"
    done = subprocess.run([dvc, "dag", "--md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def few_labels() -> str:
    """Return the table of arms at one label budget."""
    metrics = _read("few-labels.json")
    table = pd.read_csv(ROOT / "docs" / "results" / "few-labels.csv")
    table = table[table.against == "from scratch"].set_index("arm")
    lines = [
        f"| {int(metrics['n_labels'])} labels, {int(table.n.iloc[0])} draws | test accuracy "
        "| points above from scratch (95 % CI) | p (Holm) |",
        "|---|---|---|---|",
    ]
    arms = {name.removesuffix("_accuracy"): value for name, value in metrics.items() if name.endswith("_accuracy")}
    for slug, accuracy in sorted(arms.items(), key=lambda item: -item[1]):
        arm = slug.replace("_", " ")
        difference, p = "", ""
        if arm in table.index:
            row = table.loc[arm]
            difference = f"{100 * row['mean']:+.2f} ({100 * row.low:+.2f} to {100 * row.high:+.2f})"
            p = f"{row.p_holm:.3f}"
        lines.append(f"| {arm} | {100 * accuracy:.1f} % | {difference} | {p} |")
    return "\n".join(lines)


def label_curve() -> str:
    """Return the label-efficiency study's verdict."""
    return str(_read("label-curve.json")["sentence"])


def tying() -> str:
    """Return the sentence on tied and untied weights."""
    m = _read("tying.json")
    return (
        f"Tied weights end at a validation loss of {m['tied_val_loss']:.4f}, untied ones at "
        f"{m['untied_val_loss']:.4f}: a difference of {m['difference_mean']:+.4f} "
        f"(95 % CI {m['difference_low']:+.4f} to {m['difference_high']:+.4f}, {m['difference_n']} paired seeds, exact p = {m['difference_p']:.3f}), with "
        f"{m['tied_n_parameters']:,} parameters instead of {m['untied_n_parameters']:,}."
    )


def fidelity() -> str:
    """Return the fidelity table."""
    table = pd.read_csv(ROOT / "docs" / "results" / "fidelity.csv")
    lines = ["| system | printed | ours | difference | verdict |", "|---|---|---|---|---|"]
    for row in table.dropna(subset="ours").itertuples():
        places = 0 if row.printed > 1 else 4
        numbers = f"{row.printed:,.{places}f} | {row.ours:,.{places}f} | {row.difference:+,.{places}f}"
        lines.append(f"| {row.system} | {numbers} | {row.verdict} |")
    departs = table[(table.verdict == "departs") & table.note.notna()]
    return "\n".join(lines + [f"\nWhere it departs: *{row.system}*: {row.note}" for row in departs.itertuples()])


def fill(text: str) -> str:
    """Return README.md's text with every block written anew."""
    for name, block in blocks().items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"error: README.md: expected a block <!-- {name} --> ... <!-- /{name} -->, found none")
        text = pattern.sub(lambda found, block=block: found[1] + block + "\n" + found[2], text)
    return text


def _read(name: str) -> Any:
    return json.loads((ROOT / "docs" / "results" / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    keep_results()
    readme = ROOT / "README.md"
    readme.write_text(fill(readme.read_text(encoding="utf-8")), encoding="utf-8")
