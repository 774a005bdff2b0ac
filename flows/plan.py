"""`make plan`: how many runs a study's question takes, from a pilot on validation rows."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows import experiments, planning, run
from tasks.frame import compiled, config, determinism, files, progress, sizes, stage
from tasks.frame.sections import Params
from tasks.study import answer, pilot


def prepared(name: str = "") -> Params:
    """Write an experiment's params.yaml if it is named, and run the missing stages up to `prepare`.

    Raises:
        ConfigError: A parameter is not valid, or a size is out of range for the data.
    """
    if name:
        experiments.write(name)
        print(f"params.yaml is now that of {name}")
    graph, is_done = planning.begin(["prepare"])
    if not is_done:
        run.stages(graph, functools.partial(run.one, force=False, isolated=False))
    params = config.load()
    sizes.check(params, stage.DATA / "prepare", trains=False, book=False)
    return params


def plan(name: str = "") -> None:
    """Compute a study's pilot if it is not there, and print its answer.

    Args:
        name: An experiment of experiments/; empty for params.yaml as it is.
    """
    params = prepared(name)
    with pilot.opened(params, stage.DATA) as given:
        if given.n_missing:
            _compute(given)
        compared, seconds = given.compared(), given.seconds_per_run()
    n_valid, n_test = (len(files.read_labels(stage.DATA / "prepare", split)) for split in ("valid", "test"))
    found = answer.plans(params, compared, n_test)
    print("\n" + "\n".join(answer.lines(params, found, n_valid=n_valid, n_test=n_test, seconds=seconds)))


def _compute(given: pilot.Pilot) -> None:
    """Compute the missing cells in the frame of a stage."""
    with framed("pilot", given.params):
        given.compute()


@contextmanager
def framed(name: str, params: Params) -> Iterator[None]:
    """Compute cells as a stage does, without writing its output: threads, compiled functions, progress."""
    determinism.set_threads(params.threads)
    compiled.keep(stage.DATA.parent / ".cells")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as in a stage
    with stage.quiet():
        import tasks.study.worker  # noqa: F401 - imports TensorFlow, whose C++ log is hidden
    with determinism.fixed(params.threads), progress.stage(name):
        yield
