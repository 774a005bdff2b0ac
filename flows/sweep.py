"""`make sweep`: run every combination of a grid of parameters, and compare them.

Each combination is a DVC experiment, which runs in a process and a folder of its own (flows/checkout.py), so the work
tree does not change. A combination that fails is listed, and the others run. What is recorded is not run again, so a
sweep that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import checkout, engine, experiments, grid, planning, records, run
from flows.grid import Combination
from tasks.frame import code, config, errors
from tasks.frame.errors import Changed, RunError
from tasks.frame.fields import nearest

MOST = 64  # combinations, unless the user allows more
HEADLINES = (
    "pretrain.val_loss", "tying.difference_mean", "stack.val_loss", "visualize.knn_accuracy_codings",
    "finetune.fine_tuned_accuracy", "label_curve.encoder_minus_best_{headline}_mean",
    "label_curve.encoder_minus_scratch_{headline}_mean",
)  # fmt: skip
CODE = (*code.PACKAGES, "dvc.yaml", "requirements.lock")


@dataclass(frozen=True)
class Result:
    """What became of a combination.

    Args:
        combination: The combination.
        name: The name of its DVC experiment.
        how: `ran`, `done` (by an earlier sweep) or `failed`.
        metrics: Its final metrics; none if it failed.
    """

    combination: Combination
    name: str
    how: str
    metrics: Mapping[str, float]


def sweep(
    text: str, targets: Sequence[str] = (), *, name: str = "", shown: Sequence[str] = (), most: int = MOST
) -> None:
    """Run the combinations of a grid that are not recorded, and print a table of all.

    Args:
        text: The grid.
        targets: The stages to run, with their upstream stages; none for all.
        name: An experiment of experiments/, whose parameters are the base; empty for params.yaml as it is.
        shown: The metrics of the table; none for HEADLINES.
        most: The largest number of combinations.

    Raises:
        ConfigError, UsageError: The grid, an entry of it or a stage is wrong; nothing has run.
        RunError: Some combinations failed; the others are recorded.
    """
    base = experiments.merged(experiments.committed_text(), name) if name else _text()
    stages = planning.plan(targets)
    found = grid.combinations(base, grid.parse(text), most=most, stages=stages)
    commit = checkout.head()
    checkout.refuse_other_versions(commit)
    names = [_name(one, commit, targets) for one in found]
    left = [one for one, name in zip(found, names, strict=True) if not records.is_recorded(name)]
    took = grid.told(sum(grid.minutes(one.params, stages) for one in left))
    print(f"{len(found)} combinations at commit {commit[:10]}, {len(left)} to run{took}", flush=True)
    _warn(commit)
    results = [*_results(found, names, base, commit, targets)]
    print(f"\n{table(results, shown)}")
    there = {metric for result in results for metric in result.metrics}
    for metric in [name for name in shown if there and name not in there]:
        near = nearest(metric, there)
        print(f"warning: --metric: no metric {metric}{near and f'; did you mean {near}?'}", file=sys.stderr)
    print(f"\n`dvc exp show` lists them, `dvc exp apply NAME` takes one into the work tree.\n{_in_mlflow(results)}")
    if failed := [result for result in results if result.how == "failed"]:
        raise RunError(f"{len(failed)} of {len(results)} combinations failed; run again to try those only")


def combination(name: str, targets: Sequence[str]) -> None:
    """Run the stages in this folder, log them to MLflow, and record them as a DVC experiment."""
    stages = [outcome.stage for outcome in run.repro(targets)]
    if targets:
        engine.keep_only(stages)
    if "prepare" in stages:
        from tasks.tracking import swept

        swept.log(name)
    experiments.record(name, stages)


def table(results: Sequence[Result], shown: Sequence[str] = ()) -> str:
    """Return a table with a row per combination: the grid's values, metrics, the experiment's name, what became of it.

    Args:
        results: What became of each combination.
        shown: The metrics to show; none for those of HEADLINES, of which a line below the table has those that are the
            same in all combinations.
    """
    found: dict[str, list[float]] = {}
    for name in shown or _headlines(results):
        if values := [result.metrics[name] for result in results if name in result.metrics]:
            found[name] = values
    same = {} if shown else {name: v[0] for name, v in found.items() if len(v) > 1 and len({*v}) == 1}
    keys, kept = [*results[0].combination.values], [name for name in found if name not in same]
    rows = [*zip(*(_header(name) for name in (*keys, *kept, "experiment", "")), strict=True)]
    for result in results:
        texts = [json.dumps(value, ensure_ascii=False) for value in result.combination.values.values()]
        numbers = [f"{result.metrics[name]:.6g}" if name in result.metrics else "-" for name in kept]
        rows.append((*texts, *numbers, result.name, result.how))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if same:
        lines += ["", "The same in all: " + ", ".join(f"{name} {value:.6g}" for name, value in same.items())]
    return "\n".join(lines)


def _header(name: str) -> tuple[str, str]:
    """Return the two lines of a column's header: the section, and the rest of the name."""
    section, dot, rest = name.partition(".")
    return (section, rest) if dot else ("", name)


def _headlines(results: Iterable[Result]) -> list[str]:
    budgets = dict.fromkeys(result.combination.params.label_curve.headline for result in results)
    return [*dict.fromkeys(name.format(headline=n) for name in HEADLINES for n in budgets)]


def _results(
    found: Sequence[Combination], names: Sequence[str], base: str, commit: str, targets: Sequence[str]
) -> Iterator[Result]:
    """Run the combinations one after the other, unless they are recorded; print a line for each."""
    for i, (one, name) in enumerate(zip(found, names, strict=True), start=1):
        begin, how, why = time.monotonic(), "done", ""
        try:
            if (metrics := _recorded(name)) is None:
                how = "ran"
                _run(one, name, base, commit, targets)
                metrics = _recorded(name)
        except Exception as error:
            if not errors.is_users(error):
                raise
            how, metrics, why = "failed", None, f": {error}"
        took = f" in {time.monotonic() - begin:.0f} s" if how != "done" else " before"
        print(f"{i}/{len(found)} {one}: {how}{took}{why}", flush=True)
        yield Result(one, name, how, metrics or {})


def _run(one: Combination, name: str, base: str, commit: str, targets: Sequence[str]) -> None:
    """Run a combination in a folder of its own, and record it in this repository."""
    with checkout.checked_out(name, commit) as made:
        text = experiments.changed(base, one.changes, grid.GRID)
        (made.folder / config.PARAMS).write_text(text, encoding="utf-8")
        made.pull(*targets)
        made.do("flows", "combination", name, *targets)
        made.hand_over()


def _recorded(name: str) -> dict[str, float] | None:
    """Return a recorded combination's metrics; None if it is not recorded, or its files are no longer in the cache."""
    if not records.is_recorded(name):
        return None
    record = records.find(name)
    try:
        return {metric: value for stage in record.stages for metric, value in record.metrics(stage).items()}
    except Changed:
        return None


def _name(one: Combination, commit: str, targets: Sequence[str]) -> str:
    """Return the name of a combination's experiment: the same for the same parameters, commit and stages."""
    given = json.dumps([one.params.model_dump(), commit, sorted(targets)], sort_keys=True)
    return f"sweep-{hashlib.sha256(given.encode()).hexdigest()[:8]}"


def _warn(commit: str) -> None:
    """Print a warning if the work tree has changes of the code, which no combination sees."""
    if changed := checkout.changes(*CODE):
        what = f"{changed[0]} and {len(changed) - 1} more files" if len(changed) > 1 else changed[0]
        print(f"warning: {what}: not committed, so not in the sweep, which runs commit {commit[:10]}", file=sys.stderr)


def _text() -> str:
    """Return the text of params.yaml; ConfigError if it cannot be read."""
    config.read(path := Path(config.PARAMS))
    return path.read_text(encoding="utf-8")


def _in_mlflow(results: Iterable[Result]) -> str:
    """Return a line that says where MLflow draws the combinations' parallel coordinates."""
    from tasks.tracking import swept

    done = [result for result in results if result.how != "failed"]
    if not done:
        return "No combination is in MLflow."
    try:
        page = swept.compared(done[0].combination.params.track.experiment, [result.name for result in done])
    except OSError as error:
        return f"MLflow: {error}"
    return (
        f"Parallel coordinates: `make ui`, then http://127.0.0.1:5000/{page}" if page else "MLflow has no run of them."
    )
