"""Stage `track_book`: log the files of the book's stages in the experiment's MLflow run (tasks/track.py).

    python -m tasks.track_book

Writes data/track_book/track.json: the run's key, and the numbers of logged items.
"""

from __future__ import annotations

from pathlib import Path

from tasks import track
from tasks.frame import stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Update the experiment's run from the files of the book's stages."""
    track.log(params, data, out, ["track_book"])


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
