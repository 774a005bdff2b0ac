"""`python -m benchmarks.golden BASE [--full]`: does the work tree give the results of commit BASE, to the byte?

Runs the smoke experiment (with --full the default one) of that commit and of the work tree on this machine, and
compares every file of data/ and the hashes of every cell's weights. No hash is kept in git: some stages' last bits
differ from machine to machine. What BASE gave is kept in .golden, by commit. What a change moves on purpose stands in
RENAMED and LEFT below, with its reason. Returns 1 where anything else differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.workers import ROOT

KEPT = ROOT / ".golden"
NOT_RUN = ("track", "track_book")  # they add no result, and would need an MLflow store
HASHES = ("weights", "layers", "sha256")  # of a cell's content
CODE_HASH = re.compile(r"\b[0-9a-f]{12,64}\b")  # on the pages, which say by which code they were made
SHOWS_CODE = ("report/", "book/")
# (files, as they were, as they are): texts of BASE that have another name now.
RENAMED: list[tuple[str, str, str]] = [
    (r".*\.tex", "python -m tasks.report", "make repro"),
    (r"book/paper/fidelity\.tex", "those of the parameter file", "ours"),
]
LEFT = {  # files (regular expressions below data/) that are in one of the two only, and why
    r"pca/points\.csv": "a table, of which `book` draws the figure",
    r"visualize/reconstructions\.npy": "rows, of which `book` draws the figure",
    r"label_curve/findings\.json": "numbers, of which `report` makes sentences",
    r"(report|book)/final\.json": "each has its own stages' metrics",
    r"report/report\.html|book/book\.html": "one page is two",
    r"report/label-curve\.png": "its arms stand in the order of the paper's figure",
}
MOVED = {  # files of BASE that lie elsewhere now
    "finetune/finetune.png": "book/few-labels.png",
    "label_curve/label_curve.png": "report/label-curve.png",
    "label_curve/verdict.json": "report/verdict.json",
    "label_curve/verdict.txt": "report/verdict.txt",
    "pca/pca.png": "book/pca.png",
    "tying/tying.png": "book/tying.png",
    "visualize/map.png": "book/map.png",
    "visualize/reconstructions.png": "book/reconstructions.png",
    **{f"report/{name}": f"book/{name}" for name in (
        "losses.png", "phases.csv", "tying.csv", "fidelity.csv", "metrics.json", "paper/few-labels.tex",
        "paper/few-labels.pdf", "paper/tying.tex", "paper/tying.pdf", "paper/fidelity.tex", "paper/losses.pdf",
    )},
}  # fmt: skip
OF_OTHERS = ("DVC_", "MLFLOW_", "PREFECT_", "PIPELINE_", "PYTHONPATH", "GIT_", "MAKE", "MFLAGS")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.golden", description=__doc__)
    parser.add_argument("base", metavar="BASE", help="a commit")
    parser.add_argument("--full", action="store_true", help="the default experiment, in ten minutes")
    given = parser.parse_args()
    commit = _git(ROOT, "rev-parse", "--verify", f"{given.base}^{{commit}}").strip()
    experiment = "" if given.full else "smoke"
    base = KEPT / f"{commit[:12]}-{experiment or 'default'}"
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        if not base.exists():
            _run(Path(folder, "base"), commit, experiment)
            _keep(Path(folder, "base"), base)
        _run(Path(folder, "now"), "", experiment)
        wrong = [*differences(base, Path(folder, "now"))]
    print(*wrong, f"{len(wrong)} differences from {commit[:12]}" if wrong else f"the same as {commit[:12]}", sep="\n")
    return 1 if wrong else 0


def differences(base: Path, now: Path) -> Iterator[str]:
    """Yield a line for each file, and each cell, that is not the same in two projects that were run."""
    old, new = (_files(folder / "data") for folder in (base, now))
    old |= {now: old.pop(was) for was, now in MOVED.items() if was in old}
    for name in sorted({*old, *new}):
        if any(re.fullmatch(pattern, name) for pattern in LEFT):
            continue
        if name not in old or name not in new:
            yield f"data/{name}: only in {'the base' if name in old else 'the work tree'}"
        elif not _same(name, old[name].read_bytes(), new[name].read_bytes()):
            yield f"data/{name}: differs"
    before, after = (_cells(folder / ".cells") for folder in (base, now))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f".cells: {name}: was {before.get(name, 'not there')}, is {after.get(name, 'not there')}"


def _files(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path for name, path in files.items() if not name.startswith((*(f"{stage}/" for stage in NOT_RUN), "raw/"))
    }


def _same(name: str, old: bytes, new: bytes) -> bool:
    for pattern, was, now in RENAMED:
        if re.fullmatch(pattern, name):
            old = old.replace(was.encode(), now.encode())
    if name.startswith(SHOWS_CODE) and old != new:
        try:
            return CODE_HASH.sub("", old.decode()) == CODE_HASH.sub("", new.decode())
        except UnicodeDecodeError:
            return False
    return old == new


def _cells(folder: Path) -> dict[str, Any]:
    """Return the hashes of every finished cell, by its stage and name without the hash of what it depends on."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8")).get("content")
        if isinstance(content, dict) and (hashes := {key: content[key] for key in HASHES if key in content}):
            stage, *_ = path.relative_to(folder).parts
            found[f"{stage} - {re.sub(r' [0-9a-f]{16}$', '', path.stem)}"] = hashes
    return found


def _run(folder: Path, commit: str, experiment: str) -> None:
    """Run a commit, or without one the work tree as it stands, in a copy."""
    print(f"running {commit[:12] or 'the work tree'} ...", flush=True)
    if commit:
        _git(ROOT, "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder))
        _git(folder, "checkout", "--quiet", "--detach", commit)
    else:
        for name in filter(None, _git(ROOT, "ls-files", "-z", "-co", "--exclude-standard").split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        _git(folder, "init", "--quiet")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", "As it stands")
    for name in ("dvc.lock", "metrics.json"):
        (folder / name).unlink(missing_ok=True)
    write = f"from flows import environment, experiments; environment.settle(); experiments.write({experiment!r})"
    plan = "from flows import environment, planning; environment.settle(); print(*planning.plan())"
    if experiment:
        _python(folder, "-c", write)
    stages = [name for name in _python(folder, "-c", plan).split() if name not in NOT_RUN]
    _python(folder, "-m", "flows", "repro", *stages)


def _python(folder: Path, *arguments: str) -> str:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(OF_OTHERS)}
    mine |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{mine.get('PATH', '')}"}
    mine |= {"PIPELINE_WATCHERS": ""}  # for code older than decision 0018, which logs curves to MLflow while it trains
    mine |= {"DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=mine, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"error: {folder.name}: {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _keep(project: Path, folder: Path) -> None:
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    for name in ("data", ".cells"):
        shutil.copytree(project / name, new / name, ignore=shutil.ignore_patterns("raw"))
    new.rename(folder)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
