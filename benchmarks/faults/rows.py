"""The rows of the fault table: what is tried, and what must be so then."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.faults.changes import (
    all_of,
    append,
    back,
    cached,
    cut,
    damage_site,
    edit_rows,
    flip,
    foreign_lock,
    forget_cached,
    images,
    mount,
    move,
    no_symlink,
    params,
    remove,
    rows,
    symlink_data,
    table,
    unmount,
    write,
)
from benchmarks.faults.meanwhile import closed, edit, kill_worker, once_started, second, sent
from benchmarks.faults.table import Fault

PHASE = ("phase@1",)
DVC_PHASE, DVC_PREPARE = ("dvc", "repro", "phase@1"), ("dvc", "repro", "prepare")
REFUSED: dict[str, Any] = {"codes": (2,), "check": "untouched", "target": "prepare", "quick": True}
DATA: dict[str, Any] = {"codes": (3,), "target": "prepare"}
TRAINS: dict[str, Any] = {"target": "phase@1", "redo": PHASE}

PARAMETERS = (
    Fault("unknown-key", "an unknown key in params.yaml", params(sed=1), says="did you mean seed", **REFUSED),
    Fault("wrong-type", "text where a number belongs", params(finetune__n_runs="many"), says="n_runs", **REFUSED),
    Fault("workers", "--workers=-3", command=("flows", "repro", "--workers=-3"), says="workers", **REFUSED),
    Fault("units", "units: [1000000000]", params(network__shape__units=[1000000000]), target="pretrain", codes=(2, 7)),
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
    Fault("other-section", "params.yaml edited while a stage runs: a finished stage's section, which `book` shows",
          target="book", redo=("phase@1", "book"), during=edit(params(pretrain__epochs=1)), codes=(6,),
          says="params.yaml", check="unrecorded"),
    Fault("dependency", "data/prepare edited while a stage runs", during=edit(edit_rows), codes=(),
          undo=back("data/prepare/train.npy"), check="unrecorded", plain=DVC_PHASE, **TRAINS),
    Fault("code", "code edited while a stage runs", during=edit(append("tasks/phase.py")),
          undo=back("tasks/phase.py"), codes=(), says=r"tasks/phase\.py", check="unrecorded", plain=DVC_PHASE,
          **TRAINS),
)  # fmt: skip

INPUTS = (
    Fault("nan", "a table with an infinite cell", table(rows(x1=[np.inf] + [0.5] * 199)), says="row 1, column 'x1'",
          quick=True, **DATA),
    Fault("no-label", "a table without the column of classes", table(rows().drop(columns="class")), says="class",
          quick=True, **DATA),
    Fault("one-class", "a table of one class", table(rows(**{"class": ["a"] * 200})), says="2 classes", **DATA),
    Fault("two-rows", "a class of two rows", table(rows(**{"class": ["a", "b"] * 99 + ["rare"] * 2})), says="rare",
          **DATA),
    Fault("nat", "a Parquet table in order of dates, and a NaT", table(rows(x1=[*pd.date_range("2020-01-01",
          periods=199), None]), suffix=".parquet"), says="x1", **DATA),
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
    Fault("no-git", "no git repository, as of an unpacked download", move(".git", ".git-away"), codes=(0, 7),
          undo=move(".git-away", ".git"), **TRAINS),
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
    Fault("site-damaged", "DVC's site cache damaged", damage_site, plain=DVC_PHASE, **TRAINS),
    Fault("data-symlink", "data/ is a symbolic link", symlink_data, undo=no_symlink, codes=(0, 2, 7), says="data",
          plain=DVC_PHASE, **TRAINS),
)  # fmt: skip

SERVICES = (
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
        Fault(name.lower(), f"{name} while a stage trains", during=sent(name, later=2.0, says="stopping"),
              codes=(code,), plain=("dvc", "repro", "pca"), target="pca", redo=("pca",))
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
    Fault("disk-cache", "disk full in DVC's cache", all_of(forget_cached, mount(".dvc/cache/files", "size=32k")),
          undo=unmount(".dvc/cache/files"), codes=(7,), says="(?i)space", mounts=True, plain=DVC_PHASE, **TRAINS),
    Fault("disk-tmp", "disk full in .dvc/tmp", mount(".dvc/tmp", "size=64k"), undo=unmount(".dvc/tmp"), codes=(7,),
          says="(?i)space", mounts=True, plain=DVC_PHASE, **TRAINS),
    Fault("read-only", "an output's folder is read-only", mount("data/phase"), undo=unmount("data/phase"), codes=(7,),
          says="data/phase", mounts=True, plain=DVC_PHASE, **TRAINS),
)  # fmt: skip

ALL = (*PARAMETERS, *EDITED, *INPUTS, *FILES, *SERVICES, *PROCESSES, *DISK)
