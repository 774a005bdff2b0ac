"""The frame of a stage: check the parameters, set the threads, run the stage, write its folder whole or not at all.

A stage module has one function, `run(params, data, out, key)`: the checked parameters, the folder of all stages'
outputs, the folder to write, and the phase's number for stages with one instance per phase. `python -m tasks.NAME
[KEY]` and both runners call `execute(NAME, KEY)`.
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

from tasks.frame import code, compiled, config, declared, determinism, errors, files, printed, progress, sizes, view
from tasks.frame.sections import Params

DATA = Path("data")
KEPT_BY_GIT = "final.json"  # in a page's output; dvc.yaml declares a copy of it as the stage's metrics
UNTRAINED = ("encode", "visualize")


def execute(name: str, key: str = "") -> None:
    """Run stage `name` in this process, from the repository's root; a failure leaves data/NAME/KEY unchanged."""
    values = config.read(Path(config.PARAMS))
    params = check(values)
    numbers = [*params.phase] if name in code.numbered() else [""]
    if key not in numbers:
        expected = f"a phase's number ({', '.join(numbers)})" if name in code.numbered() else "no argument"
        raise errors.UsageError(f"tasks.{name}: expected {expected}, received {key or 'none'}")
    if name in code.showing():
        declared.refuse_stale(name, values)
    # A study of the user's own data need not fit the book's stages.
    book = name not in sizes.STUDY or (params.fetch.dataset != "file" and name == "prepare")
    determinism.set_threads(params.threads)
    compiled.keep(DATA.parent / ".cells")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's errors also come as exceptions
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of several networks in one process
    with quiet():
        run: Callable[..., None] = importlib.import_module(f"tasks.{name}").run
    with (
        determinism.fixed(params.threads),
        progress.stage(name, key),
        _new_folder(DATA / name / key) as out,
        declared.unchanged(name, key, values),
    ):
        if name not in before_sizes():
            sizes.check(params, DATA / "prepare", trains=name not in (*UNTRAINED, *code.showing()), book=book)
        reads = declared.find(name, key, values)
        seen = (view.params(params, reads), view.folder(DATA, name, reads)) if reads else (params, DATA)
        try:
            run(*seen, out, key)
        except errors.WrongSplit as wrong:
            raise sizes.of_wrong_split(params, wrong, book=book) from None
        if name == "prepare":  # rows, columns and classes are known only now
            sizes.check(params, out, book=book)


def check(values: Any) -> Params:
    """Check params.yaml's content and the CSV of printed numbers that it names; ConfigError has a line per error."""
    params = config.check(values, Path(config.PARAMS))
    printed.check(params.book.printed)
    return params


def before_sizes() -> list[str]:
    """Return the stages up to `prepare`, before which rows, columns and classes are unknown."""
    names = [*code.stages()]
    return names[: names.index("prepare") + 1] if "prepare" in names else names


def start(path: str) -> int:
    """Run the stage whose file is `path` with the command line's arguments; return the exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # ends the process at once; Keras could swallow a KeyboardInterrupt
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
    """Yield an empty folder that is renamed to `final` if the block succeeds, and deleted if it fails."""
    new = final.parent / f".{final.name}.{os.getpid()}"
    for left in final.parent.glob(f".{final.name}.*"):  # by a killed run
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
    """Copy a file whole or not at all; delete temporary files of killed runs."""
    for left in target.parent.glob(f".{target.name}.*"):
        left.unlink(missing_ok=True)
    target.parent.mkdir(exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, new)
    _sync(new)
    new.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Flush a file or folder to disk: without it, a power cut can leave a file name without content."""
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
