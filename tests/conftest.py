"""Projects to run: a tiny one of three stages, and a copy of this one, as a stranger would clone it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import clones
import hypothesis
import pytest

from tasks.frame import compiled

for name in (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "ARGS",
):  # of `make test`: a test's own make has others
    os.environ.pop(name, None)
hypothesis.settings.register_profile("no deadline", deadline=None)  # the machines of others are slow at times
hypothesis.settings.load_profile("no deadline")

DVC_YAML = """
stages:
  last:
    cmd: python -m tasks.last
    deps: [tasks/last.py, data/phase]
    params: [threads]
    outs: [data/last]
  phase:
    foreach: ${phase}
    do:
      cmd: python -m tasks.phase ${key}
      deps: [tasks/phase.py, data/first]
      params: ["phase.${key}"]
      outs: ["data/phase/${key}"]
  first:
    cmd: python -m tasks.first
    deps: [tasks/first.py]
    params: [seed]
    outs: [data/first]
"""

STAGE = """
import os, sys
from pathlib import Path

def run(params, data, out, key):
    if Path("broken").exists():
        raise ValueError("no rows")
    (out / "value.txt").write_text(f"{Path('params.yaml').read_text()} {key}")
    with Path("calls").open("a") as calls:
        calls.write(f"{os.environ['DVC_STAGE']} {os.getpid()} {os.environ['DVC_ROOT']}\\n")

if __name__ == "__main__":
    out = Path("data", sys.argv[0].split("/")[-1].removesuffix(".py"), *sys.argv[1:])
    out.mkdir(parents=True)
    try:
        run(None, Path("data"), out, " ".join(sys.argv[1:]))
    except ValueError as error:
        sys.exit(print(f"error: {error}", file=sys.stderr) or 3)
"""


@pytest.fixture(scope="session", autouse=True)
def compiled_functions(tmp_path_factory) -> None:
    """Let no test that runs a stage name a folder for compiled functions, which would be deleted before the next test.

    TensorFlow reads the variable once in a process.
    """
    os.environ[compiled.VARIABLE] = f"{compiled.FLAG}{tmp_path_factory.mktemp('compiled')}"


@pytest.fixture(scope="session", autouse=True)
def no_registrations(tmp_path_factory) -> None:
    """Let no page of a test show a registration of this repository."""
    from tasks.reporting import registration

    registration.FILE = tmp_path_factory.mktemp("registered") / registration.NAME
    registration.FILE.write_text("")


def pytest_configure() -> None:
    """Give signals their default back, which tests send: the background of a script ignores Ctrl-C, `nohup` SIGHUP."""
    for number, default in {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


@pytest.fixture
def tiny_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a DVC project of stages first, phase@1, phase@2 and last, and go there; each call is a line in `calls`."""
    project = tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (project / "tasks").mkdir()
    shutil.copy(clones.ROOT / "params.yaml", project)
    shutil.copytree(clones.ROOT / "experiments/printed", project / "experiments/printed")
    (project / "dvc.yaml").write_text(DVC_YAML)
    clones.git(project, "init", "--quiet")
    for name in ("first", "phase", "last"):
        path = project / f"tasks/{name}.py"
        path.write_text(STAGE)
        module = types.ModuleType(f"tasks.{name}")
        exec(compile(STAGE, path, "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, f"tasks.{name}", module)
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return project


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this project as it stands, at a path that needs quoting."""
    project = tmp_path_factory.mktemp("clone") / "ü b'x"
    clones.copy(project)
    return project


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder of made-up results, of every stage."""
    import made_up

    return made_up.make(tmp_path / "data")


@pytest.fixture
def undrawn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave out the drawing, but in tests of the files themselves."""
    import pages

    with nullcontext() if "files" in request.node.name else pages.undrawn():
        yield


@pytest.fixture(scope="module")
def default(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the test module's page of the default results."""
    import made_up
    import pages

    with pages.undrawn():
        return request.module.page(made_up.make(tmp_path_factory.mktemp("default") / "data"))


@pytest.fixture
def fresh_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Go to a folder with params.yaml and the printed figures that it names."""
    import keras

    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)  # half a second at the end of each toy stage
    shutil.copy(clones.ROOT / "params.yaml", tmp_path)
    shutil.copytree(clones.ROOT / "experiments/printed", tmp_path / "experiments/printed")
    monkeypatch.chdir(tmp_path)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)  # which a stage's own process gives back to the system


@pytest.fixture
def as_stage(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a function the stage of a name."""

    def put(run: Callable[..., None], name: str = "toy") -> None:
        module = types.ModuleType(f"tasks.{name}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"tasks.{name}", module)

    return put


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
