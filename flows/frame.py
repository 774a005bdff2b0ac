"""The frame of every command: the repository as its folder, and an error or a signal as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from flows import environment, interrupts
from tasks.frame import progress


@contextmanager
def command(*, kept: bool = True) -> Iterator[None]:
    """Frame every command: change to the repository; end an error or a signal with one line and an exit code.

    Args:
        kept: Whether the next run resumes after an interruption.
    """
    progress.outlive_readers()
    try:
        environment.settle()
        with interrupts.exit_on_request():
            yield
    except BaseException as error:
        if number := interrupts.requested():  # while tracing, TensorFlow replaces the interruption by other errors
            print("interrupted" + ("; finished work is kept, run again to continue" if kept else ""), file=sys.stderr)
            raise typer.Exit(128 + number) from None
        from tasks.frame import errors

        if not isinstance(error, Exception) or not errors.is_users(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(errors.exit_code(error)) from None
