"""Errors that a user's data or parameters can cause, each with the exit code of the program.

A wrong argument that only a programming error can pass raises a plain ValueError or TypeError.
"""

from __future__ import annotations


class InputError(ValueError):
    """Unusable data or data settings; the message names the expected and the received value."""

    exit_code = 3


class Diverged(ValueError):
    """A training whose loss is not finite or too large, or whose network gives the same output for every row."""

    exit_code = 4


class TransferError(RuntimeError):
    """Weights that were not trained, transferred or kept frozen as required."""

    exit_code = 4
