"""Stage `fetch`: obtain and check the raw data: `python -m tasks.fetch` writes data/fetch.

The module of the data set in tasks/sources says where the data come from and how they are checked.
"""

from __future__ import annotations

from pathlib import Path

from tasks.frame import datasets, files, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place, unchecked


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Write the raw files and manifest.json, which names the data set and each file's SHA-256."""
    dataset = params.fetch.dataset
    raw = unchecked(data) / "raw"  # not declared as a dependency: files from here have a pinned hash
    datasets.source(dataset).obtain(params.fetch, raw, out)
    digests = {path.name: files.sha256(path) for path in sorted(out.iterdir())}
    files.write_json(out / "manifest.json", {"dataset": dataset, "sha256": digests})


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
