"""Errors for a person: one line each, with an exit code for its kind. Any other error is a fault, with its traceback.

```
RunError               1  a run was stopped; where a program has failed, its own exit code
|- UsageError          2  the command line, a variable or a file of the project asks for what cannot be done
|  |- ConfigError      2  a parameter file cannot be used; one line per wrong entry
|  '- Undeclared       2  a stage reads what dvc.yaml does not declare for it
|- DataError           3  a data file, or what a stage has written, cannot be used
|- StudyFailed         4  some cells of a study failed; the others are kept
|- Busy                5  another process is working on this project
|- Changed             6  a file is not what was recorded of it
|  |- Edited           6  a parameter, a file or the code was edited in mid-run; nothing is recorded
|  '- Forged           6  a finished cell says what its encoder's file does not bear out
|- Refused             7  the machine refuses: disk, permission, memory, network, a missing program
|  '- FullDisk         7  a disk is full; the text says which
|- WorkerKilled      137  a worker process was killed, often for want of memory: 128 and the signal's number
'- Ended             130  the run was ended meanwhile
InputError             3  data that cannot be used (autoencoders/errors.py, as the next two)
Diverged               4  a training has diverged
TransferError          4  weights were not learnt, transferred or kept as they should be
OSError, MemoryError   7  Python's own
FileNotFoundError      3  Python's own: data that are not there
```
"""

from __future__ import annotations

from autoencoders.errors import Diverged, InputError, TransferError


class RunError(ValueError):
    """What stopped a run, in one line for a person.

    Args:
        message: The line.
        exit_code: Of the program that failed, where it is not the class's.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(RunError):
    """The command line, a variable or a file of the project asks for what cannot be done."""

    exit_code = 2


class ConfigError(UsageError):
    """A parameter file that cannot be used; its text has one line for a person per wrong entry."""


class Undeclared(UsageError):
    """A stage reads what dvc.yaml does not declare for it."""


class DataError(RunError):
    """A data file, or what a stage has written, cannot be used."""

    exit_code = 3


class StudyFailed(RunError):
    """A study of which some cells failed; the others are kept."""

    exit_code = 4


class Busy(RunError):
    """Another process is working on this project."""

    exit_code = 5


class Changed(RunError):
    """A file is not what was recorded of it."""

    exit_code = 6


class Edited(Changed):
    """Something that a stage reads, or the code, is not what it was when the stage began; nothing is recorded."""


class Forged(Changed):
    """A finished cell says what its encoder's file does not bear out."""


class Refused(RunError):
    """The machine refuses: disk, permission, memory, network, a missing program."""

    exit_code = 7


class FullDisk(Refused):
    """A disk is full; the text says which."""


class WorkerKilled(RunError):
    """A worker process was killed, often for want of memory; with the exit code that a shell would show."""

    exit_code = 137


class Ended(RunError):
    """The run was ended meanwhile."""

    exit_code = 130


USERS = (RunError, InputError, Diverged, TransferError, OSError, MemoryError)


def is_users(error: BaseException) -> bool:
    """Return whether an error's text is for the person who runs a stage; others keep their traceback."""
    return isinstance(error, USERS)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a user's error: its own, or for one of Python's 3 (no such file) or 7 (refused)."""
    kind = DataError if isinstance(error, FileNotFoundError) else Refused
    return getattr(error, "exit_code", kind.exit_code)
