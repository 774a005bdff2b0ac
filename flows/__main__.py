"""The command line, `python -m flows COMMAND`: run and compare experiments, answer for own data, schedule, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from flows import environment
from flows.frame import command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

cells = typer.Typer(no_args_is_help=True, help="Take finished cells of the study to another machine.")
app.add_typer(cells, name="cells")

Targets = Annotated[
    list[str] | None,
    typer.Argument(help="Stages to bring up to date, with their upstream stages; default: all stages."),
]
Force = Annotated[bool, typer.Option("--force", help="Also run stages that are up to date.")]
Isolated = Annotated[bool, typer.Option("--isolated", help="Run each stage in its own process.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share the work: independent stages, trainings of a stage."),
]
Dask = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Compute the study on the workers of this Dask scheduler (docs/cluster.md)."),
]
File = Annotated[Path, typer.Argument(help="A tar file.")]
Named = Annotated[str, typer.Argument(help="A file in experiments/, without .yaml; default: params.yaml as it is.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")]


@app.command()
def repro(
    targets: Targets = None,
    force: Force = False,
    isolated: Isolated = False,
    workers: Workers = None,
    dask: Dask = "",
    shard: Annotated[
        str,
        typer.Option(metavar="K/N", help="Only compute the K-th of N parts of the study's cells (docs/cluster.md)."),
    ] = "",
) -> None:
    """Run the stages that are not up to date."""
    with command(), environment.workers(workers), environment.cluster(dask):
        if shard:
            from tasks.frame.errors import UsageError

            if targets or force or isolated:
                raise UsageError("--shard: expected no stages, no --force and no --isolated beside it")
            from flows import shards

            shards.compute(shard)
            return
        from flows import run

        run.repro(targets or (), force=force, isolated=isolated)


@app.command()
def flow(
    targets: Targets = None,
    force: Force = False,
    isolated: Isolated = False,
    workers: Workers = None,
    dask: Dask = "",
    experiment: Annotated[str, typer.Option(help="A file in experiments/, whose parameters are written first.")] = "",
) -> None:
    """Run the stages that are not up to date, as a Prefect flow."""
    with command(), environment.workers(workers), environment.cluster(dask):
        from flows import services

        if experiment:
            from flows import experiments, register

            experiments.write(experiment)
            register.warn(experiment)

        with services.connected():
            from flows import pipeline

            pipeline.run(targets, force=force, isolated=isolated, workers=workers)


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="A file in experiments/, without .yaml.")],
    force: Force = False,
    workers: Workers = None,
    dask: Dask = "",
) -> None:
    """Run an experiment of experiments/ and record it, so that `dvc exp show` compares it."""
    with command(), environment.workers(workers), environment.cluster(dask):
        from flows import experiments, records, register, run

        experiments.write(name)
        register.warn(name)
        record = records.free_name(name)
        run.repro(force=force)
        experiments.record(record)
        print(f"\nRecorded as DVC experiment {record}; `dvc exp show` compares the recorded ones.")
        print(
            f"params.yaml and data/ are now those of {name}; `make experiment NAME=book-2e` goes back to the default."
        )


@app.command()
def sweep(
    grid: Annotated[str, typer.Argument(help="Values of parameters: 'pretrain.epochs=[10,20] pretrain.tied=[true]'.")],
    targets: Targets = None,
    name: Annotated[
        str, typer.Option(help="A file in experiments/ to start from; default: params.yaml as it is.")
    ] = "",
    metric: Annotated[list[str] | None, typer.Option(help="A metric for the table, such as pretrain.val_mse.")] = None,
    at_most: Annotated[int, typer.Option(min=1, help="The largest number of combinations.")] = 64,
    workers: Workers = None,
) -> None:
    """Run every combination of a grid of parameters as a DVC experiment, and compare them."""
    with command(), environment.workers(workers):
        from flows import sweep as sweeping

        sweeping.sweep(grid, targets or (), name=name, shown=metric or (), most=at_most)


@app.command(hidden=True)
def combination(name: str, targets: Targets = None) -> None:
    """Run one combination of a sweep in the folder that the sweep made for it, and record it."""
    with command():
        from flows import sweep as sweeping

        sweeping.combination(name, targets or ())


@app.command()
def verdict(
    data: Annotated[str, typer.Argument(help="A table, arrays or a folder of images.")],
    label: Annotated[str, typer.Option(help="A table's column of classes.")] = "",
    name: Annotated[str, typer.Option(help="The experiment's name; default: the data's own.")] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="A parameter of your own, such as fetch.ignore=[id]."),
    ] = None,
    runs: Annotated[bool, typer.Option("--run/--no-run", help="Run the study, or only write its file.")] = True,
    workers: Workers = None,
) -> None:
    """Answer for your own data: does pretraining pay, by how much, and up to how many labels?"""
    home = Path.cwd()
    with command(), environment.workers(workers):
        from flows import verdict as answer

        answer.verdict(data, label, name=name, changes=changes or (), home=home, runs=runs)


@app.command()
def plan(name: Named = "", workers: Workers = None) -> None:
    """Say how many runs a study's question takes, from a pilot on validation rows."""
    with command(), environment.workers(workers):
        from flows import plan as planned

        planned.plan(name)


@app.command()
def register(
    name: Named = "",
    hypothesis: Annotated[str, typer.Option(help="A sentence of your own; default: the verdict's question.")] = "",
) -> None:
    """Freeze a study's question and settings in registered.yaml, before any test score of it exists."""
    with command():
        from flows import register as registering

        registering.register(name, hypothesis)


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A recorded experiment; default: the one in the work tree.")] = "",
    cache: Annotated[bool, typer.Option("--cache", help="Only check the recorded files in DVC's cache.")] = False,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="For a record of another machine or other versions: use intervals.")
    ] = False,
    cells: Annotated[
        int, typer.Option("--cells", metavar="N", min=0, help="Only compute N random cells of the study again.")
    ] = 0,
    workers: Workers = None,
) -> None:
    """Run a finished experiment again, in a clone, and compare every metric with what was recorded."""
    with command(kept=False), environment.workers(workers):
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
def serve(
    port: Port = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="MLflow's port on 127.0.0.1.")] = 5000,
    store: Annotated[
        str, typer.Option(help="postgresql://USER@HOST/DATABASE for MLflow and Prefect; its password: PGPASSFILE.")
    ] = "",
) -> None:
    """Start Prefect's server, a worker with the schedules of prefect.yaml, and MLflow's server, until Ctrl-C."""
    with command():
        from flows import serving

        serving.serve(port, mlflow_port, store)


@app.command()
def ui(port: Port = 5000) -> None:
    """Show the project's MLflow runs in the browser, until Ctrl-C."""
    with command():
        from flows import services

        services.ui(port)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="pretrain or stack; default: the one with less error.")] = "",
    name: Annotated[str, typer.Option(help="The registered model's name; default: the data's.")] = "",
    alias: Annotated[str, typer.Option(help="The alias that other programs load it by.")] = "champion",
) -> None:
    """Give a model of the finished experiment an alias in MLflow's registry."""
    with command():
        from tasks.tracking import registry

        print(registry.promote(model, name=name, alias=alias))


@cells.command()
def pack(file: File) -> None:
    """Write the study's finished cells into one tar file."""
    home = Path.cwd()
    with command():
        from flows import shards

        shards.pack(home / file)


@cells.command()
def unpack(file: File) -> None:
    """Take the study's cells from a tar file of another machine; files that do not fit are left out."""
    home = Path.cwd()
    with command():
        from flows import shards

        shards.unpack(home / file)


def main() -> int:
    """Run the command line and return the exit code; an invalid command line gives one line, too."""
    try:
        return int(app(standalone_mode=False) or 0)
    except TyperException as error:
        if (
            message := error.format_message().strip()
        ) and "\n" not in message:  # else it is the help, which is already printed
            print(f"error: {message.rstrip('.')}; `--help` says what there is", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
