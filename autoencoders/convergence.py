"""A fit that scikit-learn gives up is an error, and no result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

from autoencoders.errors import InputError


@contextmanager
def must_converge(name: str, max_iterations: int) -> Iterator[None]:
    """Raise InputError where a fit of that name warns that it did not end within so many iterations."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning:
            raise InputError(f"{name}: expected an end within {max_iterations} iterations") from None
