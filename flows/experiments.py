"""Experiments: what each file in experiments/ changes of the committed params.yaml, written there and run.

Mappings merge; lists and single values replace, and so does `phase`, whose number of entries is itself a parameter.
"""

from __future__ import annotations

import copy
import io
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import engine
from flows.environment import variables
from flows.processes import RunError
from tasks import config

FOLDER = Path("experiments")
PARAMS = Path(config.PARAMS)
WRITTEN = Path(".dvc/tmp/experiments")  # what each made of params.yaml: its file may have been edited since
REPLACED = ("phase",)
NOBODY = {"NAME": "experiment", "EMAIL": "experiment@localhost"}  # where git was never told who its user is


def names() -> list[str]:
    """Return the experiments there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def write(name: str) -> None:
    """Make params.yaml that of an experiment.

    Raises:
        RunError: There is no such experiment, or params.yaml holds changes that would be lost.
        config.ConfigError: The experiment's parameters cannot be used.
    """
    if name not in names():
        raise RunError(f"no experiment {name}; there are {', '.join(names())}", exit_code=2)
    committed = _committed()
    text = merged(committed, name)
    config.check(_values(text), FOLDER / f"{name}.yaml")
    now = config.read(PARAMS) if PARAMS.exists() else None
    known = [_values(merged(committed, other)) for other in names()]
    if now not in [None, _values(committed), *known, *_written()]:
        ways = f"move them to {FOLDER / name}.yaml, commit them, or drop them with `git checkout {PARAMS}`"
        raise RunError(f"{PARAMS} holds changes of your own, which {name} would overwrite: {ways}", exit_code=2)
    engine.make_ready()  # not while another run reads it
    if now != _values(text):
        new = PARAMS.with_name(f".{PARAMS.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        WRITTEN.mkdir(parents=True, exist_ok=True)
        (WRITTEN / f"{name}.yaml").write_text(text, encoding="utf-8")
        new.replace(PARAMS)


def merged(committed: str, name: str) -> str:
    """Return the text of the committed params.yaml with an experiment's changes, its comments kept."""
    path = FOLDER / f"{name}.yaml"
    changes = config.read(path)
    if not isinstance(changes, dict):
        raise config.ConfigError(f"{path}: expected sections, received {type(changes).__name__}")
    if not changes:
        return committed
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    values = yaml.load(committed)
    _merge(values, yaml.load(path.read_text(encoding="utf-8")))
    text = io.StringIO()
    yaml.dump(values, text)
    return text.getvalue()


def record(name: str) -> None:
    """Save the workspace as the DVC experiment of that name, also where git does not know its user."""
    known = _git("config", "user.email").returncode == 0
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in NOBODY.items()}
    with variables(**({} if known else {k: v for k, v in identity.items() if k not in os.environ})):
        engine.save_experiment(name)


def _merge(values: Any, changes: Mapping[str, Any]) -> None:
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(values.get(key), Mapping) and key not in REPLACED:
            _merge(values[key], change)
        else:
            values[key] = copy.deepcopy(change)


def _values(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _written() -> Iterator[Any]:
    """Yield what each experiment that is still there last made of params.yaml."""
    for path in (WRITTEN / f"{name}.yaml" for name in names()):
        with suppress(config.ConfigError):
            yield config.read(path)


def _committed() -> str:
    """Return params.yaml as it was last committed."""
    shown = _git("show", f"HEAD:./{PARAMS}")
    if shown.returncode:
        why = " ".join(shown.stderr.split())
        raise RunError(f"an experiment starts from the committed {PARAMS}, and git says: {why}", exit_code=2)
    return shown.stdout


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise RunError("git is not installed, and experiments need it", exit_code=7) from None
