"""Run one stage: check the parameters, set the threads, write its folder whole or not at all.

A stage module has one function, `run(params, data, out, key)`: the checked parameters, the folder that holds every
stage's output, the folder to write, and for numbered stages the number. `python -m tasks.NAME [KEY]` and both runners
come here with NAME and KEY.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.frame import code, config, declared, determinism, errors, files, progress, sizes, view
from tasks.frame.sections import Params

DATA = Path("data")
ROOT = code.ROOT
KEPT_BY_GIT = "final.json"  # of a page's output: its copy is what dvc.yaml calls the stage's metrics
UNTRAINED = ("encode", "visualize")


def execute(name: str, key: str = "") -> None:
    """Run stage `name` in this process, from the repository's root; on failure nothing new is left at data/NAME/KEY."""
    values = config.read(Path(config.PARAMS))
    params = check(values)
    numbers = [*params.phase] if name in code.numbered() else [""]
    if key not in numbers:
        expected = f"a phase's number ({', '.join(numbers)})" if name in code.numbered() else "no argument"
        raise errors.UsageError(f"tasks.{name}: expected {expected}, received {key or 'none'}")
    if name in code.showing():
        declared.refuse_stale(name, values)
    determinism.set_threads(params.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters of TensorFlow's comes as an exception
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # several networks a stage are no reason to warn
    with quiet():
        run: Callable[..., None] = importlib.import_module(f"tasks.{name}").run
    with (
        determinism.fixed(params.threads),
        progress.stage(name, key),
        _new_folder(DATA / name / key) as out,
        declared.unchanged(name, key, values),
    ):
        if name not in before_sizes():
            sizes.check(params, DATA / "prepare", trains=name not in (*UNTRAINED, *code.showing()))
        reads = declared.find(name, key, values)
        seen = (view.params(params, reads), view.folder(DATA, name, reads)) if reads else (params, DATA)
        run(*seen, out, key)
        if name == "prepare":  # only now rows, columns and classes are known
            sizes.check(params, out)


def check(values: Any) -> Params:
    """Check what params.yaml holds, and the file of printed figures that it names; ConfigError says what is wrong."""
    from tasks.reporting import fidelity  # not at the top: it imports numpy

    params = config.check(values, Path(config.PARAMS))
    fidelity.check(params.book.printed)
    return params


def before_sizes() -> list[str]:
    """Return the stages that run before the data's rows, columns and classes are known."""
    names = [*code.stages()]
    return names[: names.index("prepare") + 1]


def start(path: str) -> int:
    """Run the stage whose file is `path` with the command line's arguments; return the exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends the process at once; Keras can swallow an exception
    progress.outlive_readers()
    try:
        declared.refuse_code_edited_since_start()
        execute(Path(path).stem, " ".join(sys.argv[1:]))
    except Exception as error:
        if not errors.is_users(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return errors.exit_code(error)
    return 0


@contextmanager
def _new_folder(final: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the name `final` when all went well, and is deleted when not."""
    new = final.parent / f".{final.name}.{os.getpid()}"
    for left in final.parent.glob(f".{final.name}.*"):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        with files.full_disk_named(final.parent, Path(tempfile.gettempdir())):
            new.mkdir(parents=True)
            yield new
            for path in [*new.rglob("*"), new]:
                _sync(path)
            for target in code.metrics(final.name):
                _copy(new / KEPT_BY_GIT, target)
            shutil.rmtree(final, ignore_errors=True)
            new.rename(final)
            _sync(final.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file whole or not at all; a temporary file that a killed run has left goes with the next one."""
    for left in target.parent.glob(f".{target.name}.*"):
        left.unlink(missing_ok=True)
    target.parent.mkdir(exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, new)
    _sync(new)
    new.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until the disk holds a file, or a folder's names: without it a power cut can leave a name and no bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide TensorFlow's C++ log while importing; replay it if the import fails."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(screen, said.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
