"""The rows of the fault table. What is tried is a change of the project's files, or something done while it runs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from autoencoders import idx
from benchmarks.faults.project import Project, Run, command_line, marked
from benchmarks.faults.table import Change, During, Fault

_held: list[socket.socket] = []  # open as long as this process lives


def params(**values: Any) -> Change:
    """Set parameters: `params(finetune__n_labels=5)`."""

    def change(work: Path) -> None:
        yaml, path = YAML(), work / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for name, value in values.items():
            *sections, key = name.split("__")
            inner = content
            for section in sections:
                inner = inner[section]
            inner[key] = value
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)

    return change


def cut(name: str) -> Change:
    """Cut a file in half."""

    def change(work: Path) -> None:
        path = work / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


def write(name: str, text: str) -> Change:
    """Write a file."""

    def change(work: Path) -> None:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, encoding="utf-8")

    return change


def remove(name: str) -> Change:
    """Delete a file or folder."""
    return lambda work: shutil.rmtree(work / name) if (work / name).is_dir() else (work / name).unlink()


def back(name: str) -> Change:
    """Put a file back as it was in the finished project."""

    def change(work: Path) -> None:
        shutil.copy2(work.parent / "finished" / name, work / name)

    return change


def flip(path: Path) -> None:
    """Change a bit in the middle of a file, which keeps its size, mode and time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def table(content: pd.DataFrame, *, suffix: str = ".csv", sha256: str = "") -> Change:
    """Let the data be a table of one's own."""

    def change(work: Path) -> None:
        path = work / "data" / "raw" / f"table{suffix}"
        if suffix == ".csv":
            content.to_csv(path, index=False)
        else:
            content.to_parquet(path)
        digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
        fetch = {"dataset": "file", "path": f"data/raw/table{suffix}", "sha256": digest, "label": "class"}
        params(fetch=fetch, prepare__n_valid=20, prepare__n_test=40)(work)

    return change


def rows(**columns: Any) -> pd.DataFrame:
    """Return 200 rows of three classes, with these columns exchanged."""
    x = np.random.default_rng(0).random((200, 4)).round(3)
    names = np.array(["a", "b", "c"])[np.arange(200) % 3]
    return pd.DataFrame({**{f"x{k}": x[:, k] for k in range(4)}, "class": names} | columns)


def images(broken: Callable[[bytes], bytes], *, zipped: bool = True) -> Change:
    """Let the data be the files of MNIST, the first one of black images and broken."""

    def change(work: Path) -> None:
        folder = work / "data" / "raw" / "mnist"
        folder.mkdir(parents=True)
        for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            (folder / name).touch()
        plain = idx.encode(np.zeros((60_000, 28, 28), np.uint8))
        content = broken(gzip.compress(plain, 1)) if zipped else gzip.compress(broken(plain), 1)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
        params(fetch__dataset="mnist")(work)

    return change


def cached(work: Path) -> Path:
    """Return the cache's copy of phase@1's metrics."""
    content = YAML(typ="safe", pure=True).load((work / "dvc.lock").read_text(encoding="utf-8"))
    cache = work / ".dvc" / "cache" / "files" / "md5"
    folder = content["stages"]["phase@1"]["outs"][0]["md5"]
    entries = json.loads((cache / folder[:2] / folder[2:]).read_text(encoding="utf-8"))
    md5 = next(entry["md5"] for entry in entries if entry["relpath"] == "metrics.json")
    return cache / md5[:2] / md5[2:]


def mount(name: str, *options: str) -> Change:
    """Mount a small file system over a folder, or the folder itself read-only."""

    def change(work: Path) -> None:
        (work / name).mkdir(parents=True, exist_ok=True)
        if options:
            subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(work / name)], check=True)
        else:
            subprocess.run(["mount", "--bind", str(work / name), str(work / name)], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(work / name)], check=True)

    return change


def unmount(name: str) -> Change:
    """Take it away again."""
    return lambda work: subprocess.run(["umount", str(work / name)], check=False) and None


def all_of(*changes: Change) -> Change:
    """Do one change after the other."""

    def change(work: Path) -> None:
        for one in changes:
            one(work)

    return change


def wait_for(run: Run, text: str, seconds: float = 200) -> bool:
    """Wait until a run has said something; return whether it has."""
    end = time.monotonic() + seconds
    while text not in run.out + run.err and run.process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return text in run.out + run.err


def once_started(act: Callable[[Run, Project], str | None], *, later: float = 0.0) -> During:
    """Do something so many seconds after the first stage that runs has started."""

    def during(run: Run, project: Project) -> str:
        if not wait_for(run, " started"):
            return "no stage started"
        time.sleep(later)
        return act(run, project) or ""

    return during


def edit(change: Change, *, later: float = 0.3) -> During:
    """Change files while the first stage runs."""
    return once_started(lambda _, project: change(project.work), later=later)


def sent(name: str, *, later: float, says: str = "", parent: bool = False) -> During:
    """Send a signal as a terminal does, or to the command alone; it has to be answered within a second."""

    def act(run: Run, _: Project) -> str:
        (os.kill if parent else os.killpg)(run.process.pid, getattr(signal, name))
        if says and not wait_for(run, says, 1.0):
            return f"{says} ... not said within a second"
        return "" if run.wait(15) is not None else "still there after 15 s"

    return once_started(act, later=later)


def kill_worker(run: Run, project: Project) -> str:
    """Kill one of the worker processes."""
    workers = [pid for pid in marked(run.token) if "workers.serve" in command_line(pid)]
    if not workers:
        return "no worker found"
    os.kill(workers[0], signal.SIGKILL)
    return ""


def second(run: Run, project: Project) -> str:
    """Start the same beside it; it has to be refused, with the first one's number."""
    other = project.run("flows", "repro", "phase@1", seconds=60)
    said = f"the second: exit {other.process.returncode}, {other.said}"
    return "" if other.process.returncode == 5 and str(run.process.pid) in other.said else said


def _flipped_in_place(work: Path) -> None:
    new = work / "data" / "prepare" / "new.npy"
    shutil.copy(work / "data" / "prepare" / "train.npy", new)
    content = bytearray(new.read_bytes())
    content[-1] ^= 1
    new.write_bytes(content)
    new.replace(work / "data" / "prepare" / "train.npy")


def _damage_site(work: Path) -> None:
    for path in (work / ".dvc" / "tmp" / "site").rglob("*.db"):
        path.write_bytes(b"no database" * 1000)


def _symlink_data(work: Path) -> None:
    (work / "data").rename(work.parent / "elsewhere")
    (work / "data").symlink_to(work.parent / "elsewhere")


def _no_symlink(work: Path) -> None:
    (work / "data").unlink()
    (work.parent / "elsewhere").rename(work / "data")


def closed() -> str:
    """Return the address of a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def black_hole() -> str:
    """Return the address of a server that takes connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    _held.append(server)
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def foreign_lock(work: Path) -> None:
    """Let DVC's table of locks name a process that lives and is no run."""
    info = {"pid": 1, "cmd": "dvc repro"}
    write(".dvc/tmp/rwlock", json.dumps({"write": {str(work / "data/phase/1"): info}, "read": {}}))(work)


PHASE = ("phase@1",)
DVC_PHASE, DVC_PREPARE = ("dvc", "repro", "phase@1"), ("dvc", "repro", "prepare")
REFUSED: dict[str, Any] = {"codes": (2,), "check": "untouched", "target": "prepare", "quick": True}
DATA: dict[str, Any] = {"codes": (3,), "target": "prepare", "undo": lambda work: None}
TRAINS: dict[str, Any] = {"target": "phase@1", "redo": PHASE}

PARAMETERS = (
    Fault("unknown-key", "an unknown key in params.yaml", params(sed=1), says="did you mean seed", **REFUSED),
    Fault("wrong-type", "text where a number belongs", params(finetune__n_seeds="many"), says="n_seeds", **REFUSED),
    Fault("workers", "--workers=-3", command=("flows", "repro", "--workers=-3"), says="workers", **REFUSED),
    Fault("units", "units: [1000000000]", params(network__units=[1000000000]), target="pretrain", codes=(2, 7)),
    Fault("components", "pca.n_components above the columns", params(pca__n_components=100), target="pca",
          codes=(2, 3), says="n_components"),
    Fault("labels-finetune", "finetune.n_labels beyond the rows, all up to date", params(finetune__n_labels=100_000),
          command=("flows", "repro"), codes=(2, 3), says="n_labels", check="untouched"),
    Fault("labels-curve", "label_curve.n_labels beyond the rows, all up to date",
          params(label_curve__n_labels=[20, 60, 100_000]), command=("flows", "repro"), codes=(2, 3), says="n_labels",
          check="untouched"),
    Fault("labels-prepare", "finetune.n_labels beyond the rows, seen at the end of prepare",
          params(finetune__n_labels=100_000), target="prepare", redo=("prepare",), codes=(2, 3), says="n_labels",
          quick=True),
    Fault("nan-loss", "a learning rate of 1e20: NaN", params(phase__1__learning_rate=1.0e20), codes=(4,),
          says="diverged", target="phase@1"),
    Fault("finite-divergence", "finetune diverges to a finite loss", params(finetune__learning_rate=1.0e4),
          codes=(4,), target="finetune"),
)  # fmt: skip

EDITED = (
    Fault("own-section", "params.yaml edited while a stage runs: its own section",
          during=edit(params(phase__1__learning_rate=0.4)), codes=(), says="params.yaml", check="unrecorded",
          plain=DVC_PHASE, **TRAINS),
    Fault("other-section", "params.yaml edited while a stage runs: another section; the stage is recorded",
          target="report", redo=("phase@1", "report"), during=edit(params(report__title="Another")), codes=(),
          says="params.yaml", check="unrecorded"),
    Fault("dependency", "data/prepare edited while a stage runs", during=edit(_flipped_in_place), codes=(),
          undo=back("data/prepare/train.npy"), check="unrecorded", plain=DVC_PHASE, **TRAINS),
    Fault("code", "code edited while a stage runs", during=edit(lambda work: _append(work / "tasks/phase.py")),
          undo=back("tasks/phase.py"), codes=(), says=r"tasks/phase\.py", check="unrecorded", plain=DVC_PHASE,
          **TRAINS),
)  # fmt: skip

INPUTS = (
    Fault("nan", "a table with an empty cell", table(rows(x1=[np.nan] + [0.5] * 199)), says="row 1, column 'x1'",
          quick=True, **DATA),
    Fault("no-label", "a table without the column of classes", table(rows().drop(columns="class")), says="class",
          quick=True, **DATA),
    Fault("one-class", "a table of one class", table(rows(**{"class": ["a"] * 200})), says="2 classes", **DATA),
    Fault("two-rows", "a class of two rows", table(rows(**{"class": ["a", "b"] * 99 + ["rare"] * 2})), says="rare",
          **DATA),
    Fault("nat", "a Parquet table with dates and a NaT", table(rows(x1=pd.to_datetime(["2020-01-01"] * 199 + [None])),
          suffix=".parquet"), says="x1", **DATA),
    Fault("sha256", "a table that is not the one of fetch.sha256", table(rows(), sha256="0" * 64), says="sha256",
          **DATA | {"codes": (2,)}),
    Fault("idx-cut", "an IDX file, gzipped and cut", images(lambda b: b[: len(b) // 2]), says="gzip", **DATA),
    Fault("idx-flip", "a bit flipped in a gzipped IDX file", images(lambda b: b[:999] + bytes([b[999] ^ 4]) + b[1000:]),
          quick=True, **DATA),
    Fault("idx-magic", "an IDX file with a wrong magic", images(lambda b: b"\1" + b[1:], zipped=False), says="magic",
          **DATA),
    Fault("idx-sha256", "an IDX file of other images", images(lambda b: b), says="SHA-256", **DATA),
)  # fmt: skip

FILES = (
    Fault("lock-torn", "dvc.lock cut in half", cut("dvc.lock"), target="prepare", plain=DVC_PREPARE, quick=True),
    Fault("lock-empty", "dvc.lock empty", write("dvc.lock", ""), target="prepare", plain=DVC_PREPARE),
    Fault("rwlock-torn", "DVC's table of locks torn", write(".dvc/tmp/rwlock", '{"read"'), target="prepare",
          plain=DVC_PREPARE, redo=("prepare",), quick=True),
    Fault("rwlock-foreign", "DVC's table of locks names a living process that is no run", foreign_lock,
          plain=DVC_PHASE, **TRAINS),
    Fault("no-dvc-yaml", "dvc.yaml missing", remove("dvc.yaml"), undo=back("dvc.yaml"), codes=(2, 3, 6, 7),
          says=r"dvc\.yaml", target="prepare", plain=DVC_PREPARE, quick=True),
    Fault("no-git", "no git repository, as of an unpacked download", remove(".git"), **TRAINS),
    Fault("leftover", "an unfinished output of a killed run", write("data/phase/.1.12345/x", ""), target="stack",
          redo=("stack",), plain=("dvc", "repro", "stack")),
    Fault("cache-damaged", "a damaged object in DVC's cache, to be restored",
          all_of(lambda work: flip(cached(work)), remove("data/phase/1")), target="phase@1", codes=(0, 6),
          check="sound", plain=DVC_PHASE),
    Fault("output-changed", "an output changed, its size and time kept; `make verify ARGS=--cache`",
          lambda work: flip(work / "data/phase/1/metrics.json"), command=("flows", "verify", "--cache"), codes=(6,),
          says=r"data/phase/1/metrics\.json", check="", plain=("dvc", "status")),
    Fault("model-damaged", "a damaged model file", lambda work: flip(work / "data/pretrain/model.weights.h5"),
          target="finetune", redo=("finetune",)),
    Fault("site-damaged", "DVC's site cache damaged", _damage_site, plain=DVC_PHASE, **TRAINS),
    Fault("data-symlink", "data/ is a symbolic link", _symlink_data, undo=_no_symlink, plain=DVC_PHASE, **TRAINS),
)  # fmt: skip

SERVICES = (
    Fault("mlflow-down", "MLflow's server down, a stage trains", env=lambda: {"MLFLOW_TRACKING_URI": closed()},
          says="MLflow", **TRAINS),
    Fault("mlflow-hole", "MLflow's server never answers, a stage trains",
          env=lambda: {"MLFLOW_TRACKING_URI": black_hole()}, **TRAINS),
    Fault("mlflow-down-track", "MLflow's server down at `track`", env=lambda: {"MLFLOW_TRACKING_URI": closed()},
          says="MLflow", codes=(), target="track", redo=("track",)),
    Fault("prefect-down", "Prefect's server down at the start", env=lambda: {"PREFECT_API_URL": f"{closed()}/api"},
          command=("flows", "flow", "phase@1"), codes=(7,), says="Prefect", **TRAINS),
    Fault("prefect-password", ".prefect/password empty", write(".prefect/password", ""),
          command=("flows", "flow", "phase@1"), **TRAINS),
)  # fmt: skip

PROCESSES = (
    Fault("two-at-once", "two runs at once: the second is refused with exit 5, the first ends well",
          during=once_started(second), **TRAINS),
    *(
        Fault(name.lower(), f"{name} while a stage trains", during=sent(name, later=3.0, says="stopping"),
              codes=(code,), plain=DVC_PHASE, **TRAINS)
        for name, code in (("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129))
    ),
    Fault("sigint-xla", "Ctrl-C while XLA compiles", during=sent("SIGINT", later=0.7), codes=(130,), **TRAINS),
    Fault("nohup", "SIGHUP under nohup: the run goes on",
          command=("sh", "-c", "trap '' HUP; exec python -m flows repro phase@1"),
          during=once_started(lambda run, _: os.killpg(run.process.pid, signal.SIGHUP), later=1.0), **TRAINS),
    Fault("stdout-closed", "standard output closed", command=("sh", "-c", "exec python -m flows repro phase@1 >&-"),
          **TRAINS),
    Fault("worker-killed", "a worker process killed: the message names the stage", target="pca",
          redo=("pca", "phase@1"), command=("flows", "repro", "--workers", "2", "pca", "phase@1"),
          during=once_started(kill_worker, later=1.0), codes=(), says=r"(?m)^error: .*(pca|phase@1)"),
)  # fmt: skip

DISK = (
    Fault("disk-encode", "disk full in encode", mount("data/encode", "size=64k"), undo=unmount("data/encode"),
          target="encode@1", redo=("encode@1", "encode@2"), codes=(7,), says="(?i)space", mounts=True,
          plain=("dvc", "repro", "encode@1")),
    Fault("disk-cache", "disk full in DVC's cache", mount(".dvc/cache/files", "size=32k"),
          undo=unmount(".dvc/cache/files"), codes=(7,), says="(?i)space", mounts=True, plain=DVC_PHASE, **TRAINS),
    Fault("disk-tmp", "disk full in .dvc/tmp", mount(".dvc/tmp", "size=64k"), undo=unmount(".dvc/tmp"), codes=(7,),
          says="(?i)space", mounts=True, plain=DVC_PHASE, **TRAINS),
    Fault("read-only", "an output's folder is read-only", mount("data/phase"), undo=unmount("data/phase"), codes=(7,),
          says="data/phase", mounts=True, plain=DVC_PHASE, **TRAINS),
)  # fmt: skip

ALL = (*PARAMETERS, *EDITED, *INPUTS, *FILES, *SERVICES, *PROCESSES, *DISK)


def _append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("# edited\n")


def can_mount(folder: Path) -> bool:
    """Return whether a file system can be mounted here."""
    with suppress(OSError, subprocess.CalledProcessError):
        mount("probe", "size=64k")(folder)
        unmount("probe")(folder)
        return True
    return False
