"""Convergence warnings of scikit-learn as errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

from autoencoders.errors import InputError


@contextmanager
def must_converge(name: str, max_iterations: int) -> Iterator[None]:
    """Turn a convergence warning into an error.

    Args:
        name: Of the classifier, for the message.
        max_iterations: Of the fit.

    Raises:
        InputError: The fit did not converge.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning:
            raise InputError(f"{name}: expected convergence within {max_iterations} iterations") from None
