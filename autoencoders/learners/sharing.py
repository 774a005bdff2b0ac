"""The work that several calls of a learner share (autoencoders/learners/__init__.py)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np


def shared_keywords(module: ModuleType, x: np.ndarray, rows: np.ndarray, given: Mapping[str, Any]) -> dict[str, Any]:
    """Compute what several calls of a learner's `answers` share; return it as their further keyword, or none.

    Args:
        module: A module of this package.
        x, rows: Labelled rows (n_labels, d) and rows to predict (n, d), the same in all calls.
        given: Keywords of one of the calls; those that `shared` takes must be the same in all.

    Example:
        >>> from autoencoders.learners import svm
        >>> x = np.arange(6.0).reshape(6, 1)
        >>> further = shared_keywords(svm, x, x, {"c": 1.0})
        >>> [svm.answers(x, x[:, 0] > 2, x, c=c, **further).guesses.sum().item() for c in (1.0, 10.0)]
        [3, 3]
    """
    if not hasattr(module, "shared"):
        return {}
    return {"shared": module.shared(x, rows, **{name: given[name] for name in shared_settings(module)})}


def shared_settings(module: ModuleType) -> list[str]:
    """Return the names of the keywords on which a learner's shared work depends."""
    found = inspect.signature(module.shared).parameters.values() if hasattr(module, "shared") else ()
    return [parameter.name for parameter in found if parameter.kind is parameter.KEYWORD_ONLY]
