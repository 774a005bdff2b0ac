"""`make verdict`: from the user's own data to the study's answer, in one command and one start.

The command reads the data, chooses the sizes (tasks/study/proposal.py), writes them with their reasons into an
experiment's file, runs what the study needs, and prints the answer. Where the file is there, it is used as it is.
"""

from __future__ import annotations

import fcntl
import functools
import json
import math
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows import engine, experiment_file, experiments, planning, records, repository, run
from tasks.frame import config, datasets, parallel, stage
from tasks.frame.errors import ConfigError, UsageError
from tasks.sources import own_data
from tasks.study import effort, proposal
from tasks.study.proposal import Choice, Facts
from tasks.study.rows import Size

TARGET = "track"  # and its upstream stages: the study, without the book
ANSWER, PAGE = Path("data/report/verdict.txt"), Path("data/report/report.html")
MOST_MINUTES = 30
LOCK = Path(".dvc/tmp/verdict.lock")
COMMAND = "make verdict"  # where values of the command are named in errors


def verdict(
    data: str, label: str = "", *, name: str = "", changes: Sequence[str] = (), home: Path, runs: bool = True
) -> None:
    """Answer whether pretraining pays on the user's data.

    Args:
        data: A table, arrays or a folder of images.
        label: A table's column of classes; empty for its default, and for data without columns.
        name: The experiment's name; empty for the data's own.
        changes: The user's own parameters, such as `fetch.ignore=[id]`.
        home: The folder from which `data` is named.
        runs: Whether to run the study, or only to write its file.

    Raises:
        UsageError: The experiment's file is there and says something else, or a word of the command is not valid.
        ConfigError, DataError: As the stages do.
        Busy: Another process answers for data, or runs stages, in this project.
    """
    if not data or "://" in data:
        raise UsageError(f"DATA: expected a file or folder on this machine, received {data or 'nothing'}")
    path = _path(data, home)
    if Path.cwd().is_relative_to(path) or path == ".":
        raise UsageError(f"DATA: expected a folder of images alone, received {data}, which this project lies in")
    if not re.fullmatch(r"\w+(-+\w+)*", name or "own_data", re.ASCII):  # of a file, and of DVC's record
        raise UsageError(f"NAME: expected letters, digits, - and _, such as {_name(name)}, received {name!r}")
    with _alone():
        _answer(path, label, name, _parsed(changes), runs=runs)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock that ends with this process; Busy names the process that holds it, for both write params.yaml."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise repository.busy(file.read().split()[:1]) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _answer(path: str, label: str, name: str, own: Mapping[str, Any], *, runs: bool) -> None:
    """Write the experiment's file, or take the one that is there; run what the study needs, and print the answer."""
    given = _together({"fetch.dataset": "file", "fetch.path": path} | ({"fetch.label": label} if label else {}), own)
    file, there = _file(name or _name(path), given, is_named=bool(name))
    told = {"DATA": path, "LABEL": label, "NAME": name}
    command = " ".join(["make verdict", *(f"{key}={shlex.quote(value)}" for key, value in told.items() if value)])
    if "label_curve" in there:
        _refuse_other(file, there, given)
        _refuse_changed(file, there["fetch"])
    else:
        given = {f"fetch.{key}": value for key, value in there.get("fetch", {}).items()} | given
        given["fetch.sha256"] = _digest(given)
        header = f"Begun by `{command}`, which adds the other sections once it can read the data."
        experiment_file.write(file, header, [Choice(k, v) for k, v in given.items() if k.startswith("fetch.")])
        _choose(file, given, command)
    experiments.write(file.stem)
    if not runs:
        what = "was there, and is unchanged" if "label_curve" in there else "is written"
        print(f"{file} {what}; params.yaml is that of {file.stem}. {command} runs the study.")
        return
    record = records.free_name(file.stem)
    stages = [outcome.stage for outcome in run.repro([TARGET])]
    engine.keep_only(stages)
    experiments.record(record, stages)
    answer = ANSWER.read_text(encoding="utf-8").splitlines()[0]
    print(f"\n{answer}\n\nThe page is {PAGE}, the experiment {file}, its record {record} (`dvc exp show`).")


def _together(said: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what DATA and LABEL say with one's own parameters; UsageError if these say something else."""
    for key, value in said.items():
        if own.get(key, value) != value:
            raise UsageError(f"--set {key}: expected {value}, as DATA and LABEL say, received {own[key]}")
    return {**said, **own}


def _path(data: str, home: Path) -> str:
    """Return a path as the parameters name it: relative to the project if it lies in it."""
    full = Path(os.path.abspath(home / Path(data).expanduser()))
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)


def _name(path: str) -> str:
    """Return a name for an experiment: the file's, in small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", Path(path).name.lower().partition(".")[0]).strip("-") or "own-data"


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of `section.key=value`; values are YAML."""
    found = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or "." not in key:
            raise UsageError(f"--set: expected SECTION.KEY=VALUE, such as fetch.ignore=[id], received {change}")
        found[key] = config.parsed(text, f"--set {key}")
    return found


def _file(name: str, given: Mapping[str, Any], *, is_named: bool) -> tuple[Path, dict[str, Any]]:
    """Return the experiment's file for these data, and its content, empty if it is not there."""
    file = experiments.FOLDER / f"{name}.yaml"
    there = config.read(file) or {} if file.exists() else {}
    if not isinstance(there, dict) or not isinstance(there.get("fetch", {}), dict):
        received = json.dumps(there.get("fetch") if isinstance(there, dict) else there, default=str)
        raise ConfigError(f"{file}: expected sections such as fetch, each with keys, received {received:.80}")
    of = there.get("fetch", {}).get("path")
    if not file.exists() or of == given["fetch.path"]:
        return file, there
    if is_named:
        raise UsageError(f"{file} is there, for {of or 'other data'}: expected another NAME for {given['fetch.path']}")
    return _file(f"{name}-{_digest(given)[: records.N_DIGITS]}", given, is_named=True)


def _refuse_other(file: Path, there: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise UsageError if the command says something else than the file that is there."""
    for key, value in given.items():
        found: Any = there
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found != value:
            raise UsageError(
                f"{file} says {key}: {found}, the command {value}: edit the file, or delete it to have all values"
                " chosen anew, or keep both by another NAME"
            )


def _refuse_changed(file: Path, fetch: Mapping[str, Any]) -> None:
    """Raise UsageError if the data are no longer those of the file, whose finished study would answer for them."""
    now = _digest({f"fetch.{key}": value for key, value in fetch.items()}, str(file))
    if (expected := fetch.get("sha256")) not in (None, now):
        raise UsageError(
            f"{file}: fetch.sha256: expected {expected}, {fetch['path']} has changed and gives {now}: set this value,"
            " or delete the file to have all values chosen anew, or keep both by another NAME"
        )


def _digest(given: Mapping[str, Any], where: str = COMMAND) -> str:
    """Return the hash of the data; ConfigError, which names `where` the settings are, or DataError if it has none."""
    fetch = {key.partition(".")[2]: value for key, value in given.items() if key.startswith("fetch.")}
    values = experiments.with_changes(experiments.committed_text(), {"fetch": fetch})
    fetch_section = config.check(values, Path(where)).fetch
    try:
        return own_data.digest(fetch_section)
    except ConfigError as error:  # nothing is written yet: no file holds what is wrong
        raise ConfigError(str(error).replace(config.origin(), where, 1)) from None


def _choose(file: Path, given: Mapping[str, Any], command: str) -> None:
    """Fetch the data; choose the sizes, write them into the experiment's file, and print them."""
    fetch = [Choice(f"fetch.{key}", value) for key, value in config.read(file)["fetch"].items()]
    experiments.write(file.stem)
    graph, is_done = planning.begin(["fetch"])
    if not is_done:
        run.stages(graph, functools.partial(run.one, force=False, isolated=False))
    record = datasets.source("file").read(stage.DATA / "fetch", "file")
    facts = Facts.of(record, file.stem, given["fetch.path"], config.load().seed)
    own = {key: Choice(key, value, "your own") for key, value in given.items() if not key.startswith("fetch.")}
    chosen = {choice.key: choice for choice in [*fetch, *proposal.choices(facts)]} | own
    if "prepare.max_leaked" not in own:
        proposal.refuse_copies(facts)
    _refuse_sizes({key: choice.value for key, choice in chosen.items()}, facts)
    minutes = _minutes(chosen, facts)
    if minutes > MOST_MINUTES and "label_curve.n_runs" not in own:
        why = f"ten would take {minutes:.0f} minutes; six are the fewest with which p can fall below 0.05"
        chosen["label_curve.n_runs"] = Choice("label_curve.n_runs", 6, why)
        minutes *= 0.6
    n_minutes = math.ceil(minutes)
    time = f"About {n_minutes} minute{'s' if n_minutes > 1 else ''} on this machine."
    header = f"Does pretraining pay on {facts.name}?\n\n{facts.told()}. {time}\nAny value may be edited. Run: {command}"
    experiment_file.write(file, header, [*chosen.values()])
    told = [f"  {c.key} = {json.dumps(c.value)}: {c.reason}" for c in chosen.values() if c.reason]
    print(_unused_label(given, facts), end="")
    print("\n".join([f"\n{facts.told()}.\nChosen by these numbers, in {file}:", *told, f"{time}\n"]), flush=True)


def _unused_label(given: Mapping[str, Any], facts: Facts) -> str:
    """Return a line that says that a label's column was named for data that have no columns; empty otherwise."""
    if facts.kind == "table" or "fetch.label" not in given:
        return ""
    return f"WARNING: LABEL={given['fetch.label']} is not used: {facts.path} is no table, and has its own classes\n"


def _refuse_sizes(values: Mapping[str, Any], facts: Facts) -> None:
    """Raise UsageError if one's own sizes take more labelled rows than there are, or hold out too few."""
    n_classes = len(facts.class_counts)
    for key in ["prepare.n_valid", *(["prepare.n_test"] if not facts.n_test else [])]:
        if isinstance(n := values.get(key), int) and n < n_classes:
            raise UsageError(f"--set {key}: expected {n_classes} or more, a row of each class, received {n}")
    keys = ["prepare.n_valid", "prepare.n_test", "label_curve.n_labels"]
    given = [max(size, default=0) if isinstance(size, list) else size for size in map(values.get, keys)]
    sizes = [size for size in given if isinstance(size, int)]  # the check of the parameters names any other
    if sum(sizes) > facts.n_labelled:
        raise UsageError(
            f"--set: expected {', '.join(keys[:2])} and the greatest of {keys[2]} to be {facts.n_labelled:,} labelled"
            f" rows at most, received {' + '.join(map(str, sizes))}: choose smaller ones"
        )


def _minutes(chosen: Mapping[str, Choice], facts: Facts) -> float:
    """Return the minutes that the study takes on this machine's cores, by the table of costs."""
    values = experiments.with_changes(experiments.committed_text(), experiment_file.values(chosen.values()))
    params = config.check(values, Path(COMMAND))  # nothing of it is in the file yet
    n_rows = facts.n_labelled + facts.n_unlabelled - params.prepare.n_valid - params.prepare.n_test
    seconds = effort.of_run(params, Size(n_rows, facts.n_columns, len(facts.class_counts))) * params.label_curve.n_runs
    n = parallel.n_workers(params.threads, seconds * effort.PER_SECOND)
    return (seconds / n + 30) / 60  # imports, compilations and the page
