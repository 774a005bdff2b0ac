"""Small studies, as several files of tests run them."""

from __future__ import annotations

from typing import Any

import tiny

from tasks.frame.sections import Params

UNTUNED = {"n_configurations": 1}
FEW = {"arms": ["logistic regression", "fine-tuned", "random features", "from scratch"], "n_runs": 2, "choices": []}
MANY = {"pretrainings": ["untied", "denoising masking"], "n_runs": 2, "targets": [0.2, 0.999]}


def settings(**changes: Any) -> Params:
    """Return the parameters of a tiny study with changes."""
    return tiny.params(label_curve=changes)


def contents(folder: Any) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
