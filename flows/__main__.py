"""`python -m flows COMMAND`: run the experiment, compare experiments, look at the results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from typer.exceptions import TyperException

from flows import environment, interrupts
from tasks.frame import progress

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Targets = Annotated[
    list[str] | None, typer.Argument(help="Stages to bring up to date, with all they need; all if none.")
]
Force = Annotated[bool, typer.Option("--force", help="Run stages that are up to date, too.")]
Isolated = Annotated[bool, typer.Option("--isolated", help="Run each stage in a process of its own.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share the work: independent stages, trainings of a stage."),
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")]


@app.command()
def repro(targets: Targets = None, force: Force = False, isolated: Isolated = False, workers: Workers = None) -> None:
    """Run the stages that are not up to date."""
    with _command(), environment.workers(workers):
        from flows import run

        run.repro(targets or (), force=force, isolated=isolated)


@app.command()
def flow(targets: Targets = None, force: Force = False, isolated: Isolated = False, workers: Workers = None) -> None:
    """Run the same as a Prefect flow."""
    with _command(), environment.workers(workers):
        from flows import services

        with services.connected():
            from flows import pipeline

            pipeline.run(targets, force=force, isolated=isolated, workers=workers)


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="A file in experiments/, without .yaml.")],
    force: Force = False,
    workers: Workers = None,
) -> None:
    """Run an experiment of experiments/ and record it, so that `dvc exp show` compares it."""
    with _command(), environment.workers(workers):
        from flows import experiments, run

        experiments.write(name)
        run.repro(force=force)
        experiments.record(name)
        print(f"\nRecorded as DVC experiment {name}; `dvc exp show` compares the recorded ones.")
        print(
            f"params.yaml and data/ are now those of {name}; `make experiment NAME=book-2e` goes back to the default."
        )


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A recorded experiment; without, what is in the work tree.")] = "",
    cache: Annotated[bool, typer.Option("--cache", help="Only read the recorded files in DVC's cache.")] = False,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="Recorded on another machine or with other versions: use intervals.")
    ] = False,
    cells: Annotated[
        int, typer.Option("--cells", metavar="N", min=0, help="Only compute N drawn cells of the study anew.")
    ] = 0,
    workers: Workers = None,
) -> None:
    """Run a finished experiment again, in a clone, and compare every metric with what was recorded."""
    with _command(kept=False), environment.workers(workers):
        from flows import records
        from flows import verify as again

        if cache:
            record = records.find(name, finished=False)
            n_files = record.check_cache()
            if not name:
                record.check_outputs()
            print(f"All {n_files} recorded files are sound.")
        elif cells:
            again.verify_cells(cells)
        else:
            again.verify(name, elsewhere=elsewhere)


@app.command()
def serve(port: Port = 4200) -> None:
    """Start a Prefect server and a worker, with the schedule of prefect.yaml, until Ctrl-C."""
    with _command():
        from flows import serving

        serving.serve(port)


@app.command()
def ui(port: Port = 5000) -> None:
    """Show the project's MLflow runs in the browser, until Ctrl-C."""
    with _command():
        from flows import services

        services.ui(port)


@contextmanager
def _command(*, kept: bool = True) -> Iterator[None]:
    """Do what every command does alike: settle in the repository, end with one line and an exit code.

    Args:
        kept: What was done before an interruption is there, and the next run goes on from it.
    """
    progress.outlive_readers()
    try:
        environment.settle()
        with interrupts.exit_on_request():
            yield
    except BaseException as error:
        if number := interrupts.requested():  # TensorFlow turns an interruption into other errors while it traces
            print("interrupted" + ("; what was done is kept, run again to go on" if kept else ""), file=sys.stderr)
            raise typer.Exit(128 + number) from None
        from tasks.frame import errors

        if not isinstance(error, Exception) or not errors.is_users(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(errors.exit_code(error)) from None


def main() -> int:
    """Run the command line and return the exit code; what is wrong with it is one line, too."""
    try:
        return int(app(standalone_mode=False) or 0)
    except TyperException as error:
        if (message := error.format_message().strip()) and "\n" not in message:  # else it is the help, shown by now
            print(f"error: {message.rstrip('.')}; `--help` says what there is", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
