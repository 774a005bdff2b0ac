"""`python -m benchmarks.golden BASE [--full]`: check that the work tree gives commit BASE's results, byte for byte.

Runs the smoke experiment (with --full the default one) of that commit and of the work tree on this machine, and
compares every file of data/ and the hashes of every cell's weights. No hash is kept in git: the last bits of some
stages differ between machines. BASE's results are kept in .golden, by commit. Intended changes are listed in RENAMED
and LEFT below, with their reasons. Returns 1 if anything else differs.
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

from autoencoders.arms import slug
from benchmarks.workers import ROOT

KEPT = ROOT / ".golden"
NOT_RUN = ("track", "track_book")  # they add no result, and would need an MLflow store
HASHES = ("weights", "layers", "sha256")  # of a cell's content
UNSAID = re.compile(r'\b[0-9a-f]{12,64}\b|(?<=<img src=")[^"]+')  # hashes of the code; figures, which are files too
SHOWS_CODE = ("report/report.html", "book/book.html", "report/paper/citation.bib")
ARMS = {
    "unfrozen after frozen": "LP-FT",
    "lower layers frozen": "top layer fine-tuned",
    "random frozen": "random features",
    "raw logistic": "logistic regression",
    "raw SVM": "SVM",
    "PCA logistic": "PCA + logistic regression",
}
# (files below data/, or .cells; what stands there in BASE; what stands there now), as regular expressions.
ANY, CELLS = r".*", r"\.cells"
PAGES, TYING, FEW = r"(book|report)/.*", r"tying/history\.csv", r"finetune/.*"
RENAMED: list[tuple[str, str, str]] = [
    *((ANY, was, now) for was, now in ARMS.items()),
    *((ANY, was.replace(" ", "_"), slug(now)) for was, now in ARMS.items()),
    (ANY, r"(?<![a-z_])frozen(?=_(accuracy|minus))", "frozen_encoder"),
    (ANY, r"(?<![a-z_])free(?=_(accuracy|minus))", "fine_tuned"),
    # An arm's name by itself: a cell of a table, a value, an item of a list.
    (ANY, r"(?<=[\">,(])frozen(?=[\"<,]| - )|^frozen(?=,| &| - )|(?<=, )frozen(?=[,:] | \d)", "frozen encoder"),
    (ANY, r"(?<=[\">,(])free(?=[\"<,]| - )|^free(?=,| &| - )|(?<=, )free(?=[,:] | \d)", "fine-tuned"),
    (ANY, r"(?<=against )free\b|(?<=above )free\b|(?<=from )free\b|(?<=: )free(?=[, ])", "fine-tuned"),
    (PAGES, r"(?<=&#34;)frozen(?=&#34;)|(?<=: )frozen(?=, )", "frozen encoder"),
    (PAGES, r"(?<=&#34;)free(?=&#34;)|(?<= for )free(?=,)", "fine-tuned"),
    (ANY, "spread_free", "spread_fine_tuned"),
    (ANY, "choice_kmeans", "choice_k_means"),
    (ANY, "n_seeds", "n_runs"),
    (ANY, "n_figures", "n_printed"),
    (ANY, r"book\.figures", "book.printed"),
    *((TYING, rf"^((?:un)?tied),{42 + k},", rf"\g<1>,{k},") for k in range(6)),
    *((CELLS, rf"^(tying - .* - )seed {42 + k}$", rf"\g<1>run {k}") for k in range(6)),
    (CELLS, r"^(finetune - .* - )draw ", r"\g<1>run "),
    (CELLS, r"(?<= - )frozen(?= - )", "frozen encoder"),
    (CELLS, r"(?<= - )free(?= - )", "fine-tuned"),
    (rf"{TYING}|{FEW}", r"^(arm),seed,", r"\g<1>,run,"),
    (FEW, '"seed":', '"run":'),
    (PAGES, r"(\d|\{n\}) draws, exact", r"\g<1> runs, exact"),
    (PAGES, "paired seeds", "paired runs"),
    (PAGES, r"(\d) (?:draws|seeds)(?=[,;.]| each)", r"\g<1> runs"),
    (PAGES, "paired by draw", "paired by run"),
    (PAGES, r"(?<=class=\")chart(?= )|(?<=\.)chart\b", "figure"),
    (PAGES, "Which differences can be told", "Which differences are detectable"),
    (PAGES, "(?<=sd over )seeds|(?<=mean over )seeds", "runs"),
    (PAGES, "on the same draws of labels", "with the same labelled rows"),
    (PAGES, "in (\\d) draws of ", "in \\g<1> runs with "),
    (PAGES, r"with ([\d, and]+) labels no difference can be told", r"no difference is detectable with \g<1> labels"),
    (PAGES, r"from ([\d,]+) labels on no difference can be told", r"no difference is detectable from \g<1> labels on"),
    (PAGES, r"From ([\d,]+) labels on no difference can be told", r"No difference is detectable from \g<1> labels on"),
    (PAGES, r"how many labels ([\d.]+ %) takes cannot be told", r"the number of labels for \g<1> cannot be estimated"),
    (PAGES, "as many, and how many cannot be told", "as many, a number that cannot be estimated"),
    (PAGES, "Freezing all but its top layer", "Fine-tuning its top layer alone"),
    (PAGES, "Unfreezing it after a frozen start", "Linear probing, then fine-tuning"),
    (
        PAGES,
        r"one draw of the labelled \w+\. All arms of a draw share its labels",
        "one run. All arms of a run share its labels",
    ),
    (PAGES, "draw by draw", "run by run"),
    (PAGES, "From draw to draw vary", "From run to run vary"),
    (PAGES, "Both arms of a seed", "Both arms of a run"),
    (PAGES, "([Pp])rinted figure", r"\g<1>rinted number"),
]
LEFT = {  # files (regular expressions below data/) that are not compared, and why
    r"report/(paper/)?label-curve\.(png|pdf)|book/(paper/)?few-labels\.(png|pdf)": "arms' names are drawn in them",
    r"book/(paper/)?tying\.(png|pdf)": "says runs, where it said seeds",
}
MOVED: dict[str, str] = {}  # files of BASE that have moved
OF_OTHERS = ("DVC_", "MLFLOW_", "PREFECT_", "PIPELINE_", "PYTHONPATH", "GIT_", "MAKE", "MFLAGS")


def main() -> int:
    """Run both projects and print their differences."""
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
    """Yield a line for each file and each cell that differs between two finished projects."""
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
    before = {_renamed(".cells", name): hashes for name, hashes in before.items()}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f".cells: {name}: was {before.get(name, 'not there')}, is {after.get(name, 'not there')}"


def _files(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path for name, path in files.items() if not name.startswith((*(f"{stage}/" for stage in NOT_RUN), "raw/"))
    }


def _same(name: str, old: bytes, new: bytes) -> bool:
    """Return whether a file is the same except for names; JSON keys are sorted, since renaming moves them."""
    if old == new:
        return True
    try:
        texts = [_renamed(name, old.decode()), new.decode()]
    except UnicodeDecodeError:
        return False
    if name in SHOWS_CODE:
        texts = [UNSAID.sub("", text) for text in texts]
    if name.endswith(".json"):
        texts = [json.dumps(json.loads(text), sort_keys=True) for text in texts]
    return texts[0] == texts[1]


def _renamed(name: str, text: str) -> str:
    """Return a text of BASE with the present names."""
    for files, was, now in RENAMED:
        if re.fullmatch(files, name):
            text = re.sub(was, now, text, flags=re.MULTILINE)
    return text


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
    module = "planning" if (folder / "flows/planning.py").exists() else "engine"  # where `plan` lay before
    plan = f"from flows import environment, {module}; environment.settle(); print(*{module}.plan())"
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
