"""The project's root and environment variables: programs send no telemetry and keep their files in the project."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

DEFAULTS = {
    "DVC_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",  # MLflow does not accept 1
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the default waits minutes for a dead server
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "3",  # waits of 2, 4 and 8 s
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # not pickle
}


def settle() -> None:
    """Change to the repository's root and set default variables; call this before importing dvc or prefect."""
    os.chdir(ROOT)
    site = ROOT / ".dvc" / "tmp" / "site"
    # DVC stores pickles in the site folder; every user of the machine may write to its default one.
    for name, value in {**DEFAULTS, "DVC_SITE_CACHE_DIR": str(site), "PREFECT_HOME": str(ROOT / ".prefect")}.items():
        os.environ.setdefault(name, value)
    if (ROOT / ".dvc").is_dir():
        private_folder(site)
    path, bin_folder = os.environ.get("PATH", ""), str(Path(sys.executable).parent)
    if path.split(os.pathsep)[0] != bin_folder:  # so that `python` is this interpreter
        os.environ["PATH"] = f"{bin_folder}{os.pathsep}{path}"


def private_folder(path: Path) -> Path:
    """Create a folder that only its owner can read, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Set environment variables within the block."""
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
    """Set the number of worker processes within the block; None keeps the user's setting or each stage's default.

    Raises:
        UsageError: `n` or the user's PIPELINE_WORKERS is not a whole number >= 1.
    """
    from tasks.frame import errors, parallel

    if n is not None and n < 1:
        raise errors.UsageError(f"workers: expected a whole number >= 1, received {n}")
    with variables(**({parallel.VARIABLE: str(n)} if n is not None else {})):
        parallel.n_workers(threads=1, work=0)
        yield


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Set the address of Dask's scheduler within the block; empty keeps the user's setting, by default none.

    Raises:
        UsageError: The address, or the user's PIPELINE_DASK, is none, or one of another machine without TLS.
    """
    from tasks.frame import addresses

    with variables(**({addresses.VARIABLE: address} if address else {})):
        addresses.given()
        yield
