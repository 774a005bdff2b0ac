"""The errors that a user sees: one line each, an exit code per class. Any other error is a bug and keeps its traceback.

```
RunError               1  a run was stopped; where a program has failed, its own exit code
|- UsageError          2  the command line, an environment variable or a project file is not valid
|  |- ConfigError      2  a parameter file is not valid; one line per wrong entry
|  |  '- WrongSplit    2  the data cannot be divided as `prepare` says
|  '- Undeclared       2  a stage reads an input that dvc.yaml does not declare for it
|- DataError           3  a data file or a stage's output is not valid
|- StudyFailed         4  some cells of a study failed; the results of the others are kept
|- Busy                5  another process is working on this project
|- Changed             6  a file differs from its record
|  |- Edited           6  an input or the code was edited while a stage ran; nothing is recorded
|  '- Forged           6  the record of a finished cell contradicts its encoder's file
|- Refused             7  the machine prevents the run: disk, permission, memory, network, a missing program
|  '- FullDisk         7  a disk is full; the message names it
|- WorkerKilled      137  a worker process was killed, often for lack of memory: 128 plus the signal's number
'- Ended             130  the run was stopped by the user or by another error
InputError             3  data that are not valid (this and the next two: autoencoders/errors.py)
Diverged               4  a training diverged
TransferError          4  weights were not learnt, transferred or kept frozen as expected
OSError, MemoryError   7  Python's own
FileNotFoundError      3  Python's own: missing data
```
"""

from __future__ import annotations

from collections.abc import Mapping

from autoencoders.errors import Diverged, InputError, TransferError


class RunError(ValueError):
    """An error that stops a run, with a message of one line for the user.

    Args:
        message: The line.
        exit_code: The exit code of a program that failed; by default the class's own.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(RunError):
    """The command line, an environment variable or a project file is not valid."""

    exit_code = 2


class ConfigError(UsageError):
    """A parameter file is not valid; the message has one line per wrong entry."""


class WrongSplit(ConfigError):
    """The data cannot be divided as the section `prepare` says.

    Attributes:
        expected: What was expected of each wrong key, and what was received.
        n_rows, n_labelled: Rows, and labelled rows, outside a test set that the data bring.
        n_columns, n_classes: Columns and classes.
        has_test: Whether the data bring a test set.
    """

    expected: Mapping[str, str]
    n_rows: int
    n_labelled: int
    n_columns: int
    n_classes: int
    has_test: bool

    @classmethod
    def of(cls, expected: Mapping[str, str], **facts: int | bool) -> WrongSplit:
        """Return the error with its attributes; its message has a line per wrong key."""
        error = cls("\n".join(f"{key}: expected {what}" for key, what in expected.items()))
        error.__dict__.update(expected=expected, **facts)
        return error


class Undeclared(UsageError):
    """A stage reads an input that dvc.yaml does not declare for it."""


class DataError(RunError):
    """A data file or a stage's output is not valid."""

    exit_code = 3


class StudyFailed(RunError):
    """Some cells of a study failed; the results of the others are kept."""

    exit_code = 4


class Busy(RunError):
    """Another process is working on this project."""

    exit_code = 5


class Changed(RunError):
    """A file differs from its record."""

    exit_code = 6


class Edited(Changed):
    """An input of a stage or the code was edited while the stage ran; nothing is recorded."""


class Forged(Changed):
    """The record of a finished cell contradicts its encoder's file."""


class Refused(RunError):
    """The machine prevents the run: disk, permission, memory, network, a missing program."""

    exit_code = 7


class FullDisk(Refused):
    """A disk is full; the message names it."""


class WorkerKilled(RunError):
    """A worker process was killed, often for lack of memory; the exit code is that of a shell."""

    exit_code = 137


class Ended(RunError):
    """The run was stopped by the user or by another error."""

    exit_code = 130


USERS = (RunError, InputError, Diverged, TransferError, OSError, MemoryError)


def is_users(error: BaseException) -> bool:
    """Return whether an error is for the user, as one line; others are bugs and keep their traceback."""
    return isinstance(error, USERS)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a user's error; for Python's own errors 3 (no such file) or 7 (any other)."""
    kind = DataError if isinstance(error, FileNotFoundError) else Refused
    return getattr(error, "exit_code", kind.exit_code)
