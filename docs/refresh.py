"""`make readme`: write into README.md and docs/results what the last run found, and dvc.yaml's stages, drawn in boxes.

After `make experiment NAME=label-study`, `make readme ARGS=label-study` keeps that study's results; after a paper's
experiment, with its name, docs/papers.py writes its page. docs/reference.py writes the reference. After the commands
of the tutorial, `make readme ARGS=breast-cancer` keeps what they gave. Between `<!-- NAME -->` and `<!-- /NAME -->`
everything is written here; tests/test_readme.py says when it is out of date.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `python docs/refresh.py` puts docs/ there, not the repository

from autoencoders.arms import CURVE_ARMS, slug  # noqa: E402
from benchmarks.planner_check import table  # noqa: E402
from tasks.frame import code, config  # noqa: E402
from tasks.reporting import wording  # noqa: E402

KEPT = {  # what the last run wrote -> where the repository keeps it, so that README can show it
    "book/few-labels.png": "few-labels.png",
    "finetune/comparisons.csv": "few-labels.csv",
    "finetune/metrics.json": "few-labels.json",
    "report/label-curve.png": "label-curve.png",
    "report/verdict.json": "label-curve.json",
    "tying/metrics.json": "tying.json",
    "book/tying.png": "tying.png",
    "book/map.png": "map.png",
    "visualize/metrics.json": "map.json",
    "book/fidelity.csv": "fidelity.csv",
}
STUDY = {
    "report/label-curve.png": "label-study.png",
    "report/verdict.json": "label-study.json",
    "label_curve/comparisons.csv": "label-study-comparisons.csv",
    "label_curve/history.csv": "label-study.csv",
    "label_curve/cells.csv": "label-study-cells.csv",
    "label_curve/right.npz": "label-study-right.npz",
}
TUTORIAL = {
    "report/label-curve.png": "breast-cancer.png",
    "report/verdict.txt": "breast-cancer.txt",
    "../experiments/breast-cancer.yaml": "breast-cancer.yaml",
}
KEPT_BY = {"": KEPT, "label-study": STUDY, "planner-check": {"label_curve/cells.csv": "planner-check-cells.csv"},
           "breast-cancer": TUTORIAL}  # fmt: skip
BOXES = {  # of README's drawing: the stages in each
    "data": ("fetch", "prepare"),
    "linear autoencoder": ("pca",),
    "stacked autoencoder": ("pretrain", "tying"),
    "greedy phases": ("phase", "encode", "stack", "layerwise"),
    "map of the codings": ("visualize",),
    "classifiers on few labels": ("finetune",),
    "the book's page": ("book", "track_book"),
    "label-efficiency study": ("label_curve",),
    "the study's page": ("report", "track"),
}
RESULTS = ROOT / "docs" / "results"
PAGES = (ROOT / "README.md", RESULTS / "README.md", ROOT / "docs" / "tutorial.md")


def keep_results(kept: dict[str, str]) -> None:
    """Copy files out of data/."""
    for source, name in kept.items():
        shutil.copyfile(ROOT / "data" / source, RESULTS / name)


def check_experiment(name: str) -> None:
    """Refuse to keep results of another experiment than the one named: params.yaml says whose are in data/."""
    if name:
        wanted = config.read(ROOT / "experiments" / f"{name}.yaml")["label_curve"]
        right = holds(config.read(ROOT / config.PARAMS)["label_curve"], wanted)
    else:
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", config.PARAMS], cwd=ROOT, check=False)
        right = changed.returncode == 0
    if not right:
        raise SystemExit(f"error: params.yaml is of another experiment; run `make experiment NAME={name or 'book-2e'}`")


def holds(whole: Any, part: Any) -> bool:
    """Return whether nested values hold all of others."""
    if isinstance(part, dict):
        return all(holds(whole.get(key), value) for key, value in part.items())
    return bool(whole == part)


def dag() -> str:
    """Return the boxes of stages and what each reads from, without the arrows that follow from others."""
    numbers = {name: f"box{k}" for k, name in enumerate(BOXES, start=1)}
    boxes = [f'    {numbers[name]}["{name}: {", ".join(stages)}"]' for name, stages in BOXES.items()]
    arrows = between_boxes()
    drawn = [(a, b) for a, b in arrows if not any(leads(c, b, arrows) for first, c in arrows if first == a)]
    return "\n".join(
        ["```mermaid", "flowchart TD", *boxes, *(f"    {numbers[a]} --> {numbers[b]}" for a, b in drawn), "```"]
    )


def between_boxes() -> list[tuple[str, str]]:
    """Return the pairs of boxes of which the second has a stage that reads from one of the first."""
    boxes = {stage: name for name, stages in BOXES.items() for stage in stages}
    if strange := {*boxes} ^ {*code.stages()}:
        names = ", ".join(sorted(strange))
        raise SystemExit(f"error: docs/refresh.py, BOXES: expected the stages of dvc.yaml, each in one box: {names}")
    pairs = {(boxes[first], boxes[second]) for first, second in reads()}
    order = [*BOXES]
    return sorted(((a, b) for a, b in pairs if a != b), key=lambda pair: (order.index(pair[0]), order.index(pair[1])))


def reads() -> set[tuple[str, str]]:
    """Return the pairs of stages of which the second reads what the first writes, as dvc.yaml declares it."""
    values, stages = config.read(ROOT / config.PARAMS), config.read(ROOT / "dvc.yaml")["stages"]
    found = set()
    for name, phase in product(stages, values["phase"].values()):
        known = {**values, "key": "", "item": phase}
        deps = stages[name].get("do", stages[name])["deps"]
        filled = [
            re.sub(r"\$\{([\w.]+)\}", lambda m, v=known: reduce(getitem, m[1].split("."), v), dep) for dep in deps
        ]
        found |= {(Path(dep).parts[1], name) for dep in filled if dep.startswith("data/")}
    return found


def leads(a: str, b: str, arrows: Iterable[tuple[str, str]]) -> bool:
    """Return whether one arrow or several lead from a to b."""
    return any(second == b or leads(second, b, arrows) for first, second in arrows if first == a)


def few_labels() -> str:
    """Return the table of arms at one label budget."""
    metrics = _read("few-labels.json")
    table = pd.read_csv(RESULTS / "few-labels.csv")
    table = table[table.against == "from scratch"].set_index("arm")
    lines = [
        f"| {int(metrics['n_labels'])} labels, {int(table.n.iloc[0])} runs | test accuracy "
        "| points above from scratch (95 % CI) | p (Holm) |",
        "|---|---|---|---|",
    ]
    names = {slug(arm): arm for arm in CURVE_ARMS}
    arms = {name.removesuffix("_accuracy"): value for name, value in metrics.items() if name.endswith("_accuracy")}
    for name, accuracy in sorted(arms.items(), key=lambda item: -item[1]):
        arm = names[name]
        difference, p = "", ""
        if arm in table.index:
            row = table.loc[arm]
            difference = f"{100 * row['mean']:+.2f} ({100 * row.low:+.2f} to {100 * row.high:+.2f})"
            p = f"{row.p_holm:.3f}"
        lines.append(f"| {arm} | {100 * accuracy:.1f} % | {difference} | {p} |")
    return "\n".join(lines)


def sentences(name: str) -> str:
    """Return a label-efficiency study's verdict, what it plans, and which rows it would label."""
    verdict = _read(name)
    return "\n\n".join(verdict[key] for key in ("sentence", "unlabelled", "planner", "choices") if verdict.get(key))


def verdict() -> str:
    """Return the sentence and the picture for the README: of the full study where it was run, else of the quick one."""
    study, command = (
        ("label-study", "make experiment NAME=label-study") if _has_study() else ("label-curve", "make repro")
    )
    path = "docs/results/" + study
    alt = "Test accuracy by number of labels: the best use of the autoencoder, the same network from scratch, and"
    return "\n\n".join(
        [
            _read(f"{study}.json")["sentence"],
            f"![{alt} the best method without it]({path}.png)",
            f"Computed by `{command}`.",
        ]
    )


def label_study() -> str:
    """Return the full study's sentences, picture and table; how to run it, where it was not."""
    if not _has_study():
        return (
            "It was not run with this version: `make experiment NAME=label-study`, then `make readme ARGS=label-study`."
        )
    picture = "![Test accuracy against the number of labels](label-study.png)"
    return "\n\n".join([sentences("label-study.json"), picture, study_table()])


def planner_check() -> str:
    """Return the planner's predictions beside what was measured; how to run the check, where it was not."""
    path = RESULTS / "planner-check-cells.csv"
    if not path.exists():
        return "It was not run yet: `make experiment NAME=planner-check`, then `make readme ARGS=planner-check`."
    return f"```\n{table(path)}\n```"


def _has_study() -> bool:
    return (RESULTS / "label-study.json").exists()


def study_table() -> str:
    """Return every arm's mean accuracy, and in points how far it lies from training from scratch."""
    curves = pd.read_csv(RESULTS / "label-study.csv").pivot(index="arm", columns="n_labels", values="accuracy")
    pairs = pd.read_csv(RESULTS / "label-study-comparisons.csv").query("against == 'from scratch'")
    pairs = pairs.set_index(["arm", "n_labels"])
    lines = ["| labels | " + " | ".join(f"{n:,}" for n in curves.columns) + " |", "|---" * (1 + curves.shape[1]) + "|"]
    for arm, scores in curves.iterrows():
        cells = [_cell(score, pairs, (arm, n)) for n, score in scores.items()]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    note = (
        "Test accuracy in %; in brackets, points from training from scratch; bold: the 95 % interval leaves out zero, "
        f"not adjusted for {len(pairs)} comparisons ([adjusted by max-t and by Holm](label-study-comparisons.csv)). "
        f"Every cell: [label-study-cells.csv](label-study-cells.csv), and the test rows that it had right: "
        "[how to compute every interval again](../concepts.md#to-compute-them-again). "
        f"{_read('label-study.json')['tuning']}"
    )
    return "\n".join([*lines, "", note])


def _cell(score: float, pairs: pd.DataFrame, key: tuple[str, int]) -> str:
    if pd.isna(score):
        return ""
    if key not in pairs.index:
        return f"{100 * score:.1f}"
    row = pairs.loc[key]
    difference = f"{100 * row['mean']:+.1f}"
    return f"{100 * score:.1f} (" + (f"**{difference}**" if row.distinguishable else difference) + ")"


def papers() -> str:
    """Return a list of the pages that docs/papers.py has written."""
    pages = sorted(path for path in RESULTS.glob("*.md") if path.name != "README.md")
    return "\n".join(
        f"- [{path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}]({path.name})" for path in pages
    )


def tying() -> str:
    """Return the sentence on tied and untied weights."""
    m = _read("tying.json")
    return (
        f"Tied weights end at a validation loss of {m['tied_val_loss']:.4f}, untied ones at "
        f"{m['untied_val_loss']:.4f}: a difference of {m['difference_mean']:+.4f} "
        f"(95 % CI {m['difference_low']:+.4f} to {m['difference_high']:+.4f}, {m['difference_n']} paired runs, "
        f"exact p = {m['difference_p']:.3f}), with {m['tied_n_parameters']:,} parameters instead of "
        f"{m['untied_n_parameters']:,}."
    )


def fidelity() -> str:
    """Return the fidelity table."""
    table = pd.read_csv(RESULTS / "fidelity.csv")
    lines = ["| system | printed | ours | difference | tolerance | verdict |", "|---|---|---|---|---|---|"]
    for row in table.dropna(subset="ours").itertuples():
        places = 0 if row.printed > 1 else 4
        numbers = f"{row.printed:,.{places}f} | {row.ours:,.{places}f} | {row.difference:+,.{places}f}"
        lines.append(f"| {row.system} | {numbers} | {row.within:g} | {row.verdict} |")
    notes = table[table.note.notna()]
    measured = table.dropna(subset="ours").to_dict("records")
    lines += ["", *wording.shifts(measured)]
    return "\n".join(lines + [f"\n*{row.system}*: {row.note}." for row in notes.itertuples()])


def tutorial_file() -> str:
    """Return the first sections of the experiment's file that the tutorial's command has written."""
    text = (RESULTS / "breast-cancer.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text[: text.index('  learners:')].rstrip()}\n```"


def tutorial_answer() -> str:
    """Return the sentence that the tutorial's command prints, and the page's figure."""
    alt = (
        "Accuracy by number of labels: the best use of the autoencoder, the same network from scratch, the best without"
    )
    answer = (RESULTS / "breast-cancer.txt").read_text(encoding="utf-8").splitlines()[0]
    return f"> {answer}\n\n![{alt}](results/breast-cancer.png)"


BLOCKS = {
    "tutorial-file": tutorial_file,
    "tutorial-answer": tutorial_answer,
    "dag": dag,
    "few-labels": few_labels,
    "label-curve": lambda: sentences("label-curve.json"),
    "label-study": label_study,
    "planner-check": planner_check,
    "verdict": verdict,
    "tying": tying,
    "fidelity": fidelity,
    "papers": papers,
}


def fill(text: str) -> str:
    """Return a page's text with every block written anew; SystemExit names a block that is unknown."""
    for name in re.findall(r"<!-- ([a-z-]+) -->", text):
        if name not in BLOCKS:
            raise SystemExit(f"error: no block is called {name}, expected {', '.join(BLOCKS)}")
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        block = BLOCKS[name]()
        text = pattern.sub(lambda found, block=block: found[1] + block + "\n" + found[2], text)
    return text


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def main(name: str = "") -> None:
    """Keep what the last run wrote, of the default, another study or a paper; bring the pages up to date."""
    if name in KEPT_BY:
        check_experiment(name)
        keep_results(KEPT_BY[name])
    else:
        import papers

        papers.main(name)
    if not name:  # the parameters of another experiment are no defaults
        import reference

        reference.write()
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
