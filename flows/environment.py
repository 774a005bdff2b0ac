"""The project's folder, and environment variables for every program it starts: no telemetry, files in the project."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

DEFAULTS = {
    "DVC_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",  # MLflow does not take 1 for an answer
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by default a dead server costs minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "3",  # each waits twice as long as the one before, from 2 s on
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # not pickle
}


def settle() -> None:
    """Change to the repository's root and set defaults for variables; call it before importing dvc or prefect."""
    os.chdir(ROOT)
    site = ROOT / ".dvc" / "tmp" / "site"
    # DVC keeps pickles in the site folder; its own default is one that anyone on the machine may write.
    for name, value in {**DEFAULTS, "DVC_SITE_CACHE_DIR": str(site), "PREFECT_HOME": str(ROOT / ".prefect")}.items():
        os.environ.setdefault(name, value)
    if (ROOT / ".dvc").is_dir():
        private_folder(site)
    path, bin_folder = os.environ.get("PATH", ""), str(Path(sys.executable).parent)
    if path.split(os.pathsep)[0] != bin_folder:  # so that `python` is this one
        os.environ["PATH"] = f"{bin_folder}{os.pathsep}{path}"


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def workers(n: int | None) -> Iterator[None]:
    """Set for a while how many processes share the work; None leaves what the user set, or each stage's own choice.

    Raises:
        UsageError: `n`, or what the user has set PIPELINE_WORKERS to, is no number of processes.
    """
    from tasks.frame import errors, parallel

    if n is not None and n < 1:
        raise errors.UsageError(f"workers: expected a whole number >= 1, received {n}")
    with variables(**({parallel.VARIABLE: str(n)} if n is not None else {})):
        parallel.n_workers(threads=1, work=0)
        yield
