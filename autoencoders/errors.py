"""Errors that a user's data or parameters can cause; each has the exit code with which a program should end.

An argument that only wrong code can pass is a plain ValueError or TypeError.
"""

from __future__ import annotations


class InputError(ValueError):
    """Data, or settings for them, that cannot be used; the text says what was expected and what was received."""

    exit_code = 3


class Diverged(ValueError):
    """A training whose loss is not finite or beyond its bounds, or that has made the network give one answer to all."""

    exit_code = 4


class TransferError(RuntimeError):
    """Weights that should have been learnt, transferred or kept, and were not."""

    exit_code = 4
