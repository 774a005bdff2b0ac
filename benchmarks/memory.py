"""`python -m benchmarks.memory [--rows N ...] [--of arrays tables] [--write]`: data larger than the memory, by stage.

Makes rows of 784 bytes in a .npy file, few of them labelled, and runs the stages from `fetch` to the study, each in a
process of its own; then a table as CSV and as Parquet, which are fetched and prepared. The private memory (RssAnon in
/proc) of a stage and its children is sampled. Writes docs/memory.json, in which other sizes are kept, and
docs/memory.md; `--write` measures nothing and writes the page again. The greatest default takes 20 GB on the disk of
`--folder` and half an hour; every size is deleted after it was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from autoencoders.pieces import MOST_HELD
from benchmarks import environment
from benchmarks.dag import Clone
from benchmarks.workers import ROOT
from tasks.frame.files import new_array
from tasks.prepare import MOST_FITTED

SIZES = (250_000, 1_000_000, 4_000_000)
WIDTH, N_CLASSES, N_LABELLED, HELD_OUT = 784, 10, 20_000, 5_000
EVERY = 0.02  # seconds between two looks at the memory
LIMIT = 2**31
STAGES = ("fetch", "prepare", "label_curve", "phase 1", "encode 1", "pretrain")
OF_TABLES = {f"{stage}, {form}": (stage, form) for form in ("csv", "parquet") for stage in ("fetch", "prepare")}
ORDER = (*STAGES, *OF_TABLES)
AT_A_TIME = 250_000  # rows of a table that are written
DOCS = ROOT / "docs"

HEAD = """# Data larger than the memory

Written by `python -m benchmarks.memory` on {date}; the numbers are kept in memory.json.

Rows of {width} bytes in a .npy file, {labelled:,} of them with a label (10 classes), of which {held_out:,} are held out
for validation and as many for testing. Each stage is a process of its own, with one thread. *Memory* is the most
private memory (RssAnon, TensorFlow's included) that it and its children held at a time; *µs a row* is its processor
time divided by the rows. `prepare` scales the bytes by column to float32, four times the file. `phase 1` and `pretrain`
train for an epoch on all rows; the study pretrains on {most:,} of them at most. The table, `csv` and `parquet`, has 20
columns (fractions, some missing, whole numbers, two of words, a date) and as few labels; its columns are fitted on
{fitted:,} training rows at most.

Asked: under {limit:,} MiB at every size, and a cost per row that does not grow. Reached: {reached}.
"""


def main() -> None:
    """Measure every size, print and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.partition(": ")[2])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--of", nargs="+", choices=("arrays", "tables"), default=("arrays", "tables"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page anew from its numbers")
    given = parser.parse_args()
    if not given.write:
        for n in given.rows:
            for what, measure in (("arrays", measured), ("tables", measured_tables)):
                if what in given.of:
                    keep([*measure(n, given.folder)], DOCS / "memory.json")
    (DOCS / "memory.md").write_text(page(json.loads((DOCS / "memory.json").read_text("utf-8"))), encoding="utf-8")


def keep(records: list[dict[str, Any]], path: Path) -> None:
    """Write the records of one size in place of its earlier ones of the same stages."""
    kept = json.loads(path.read_text("utf-8"))["records"] if path.exists() else []
    new = {(record["n_rows"], record["stage"]) for record in records}
    records += [record for record in kept if (record["n_rows"], record["stage"]) not in new]
    records.sort(key=lambda record: (record["n_rows"], ORDER.index(record["stage"])))
    found = {"records": records, "machine": environment.machine(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def measured(n: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of every stage on n rows."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="memory-") as name:
        rows = Path(name, "x.npy")
        digest = write_rows(rows, n)
        clone = Clone(Path(name, "clone"), changes(rows, digest), 1)
        for stage in STAGES:
            yield _record(clone, stage, stage, n)


def measured_tables(n: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of each stage on a table of n rows in each form."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="memory-") as name:
        for told, (stage, form) in OF_TABLES.items():
            if stage == "fetch":
                path = Path(name, f"table.{form}")
                write_table(path, n)
                clone = Clone(Path(name, form), changes(path, _sha256(path)), 1)
            yield _record(clone, stage, told, n)


def _record(clone: Clone, stage: str, told: str, n: int) -> dict[str, Any]:
    record = {"stage": told, "n_rows": n} | run(clone, stage)
    print(record, flush=True)
    return record


def write_table(path: Path, n: int) -> None:
    """Write n rows of 20 columns and a label, as CSV or Parquet by the name's ending."""
    rng, writer = np.random.default_rng(0), None
    for start in range(0, n, AT_A_TIME):
        labels = np.arange(start, min(start + AT_A_TIME, n)) % N_CLASSES
        size = len(labels)
        parts: dict[str, Any] = {f"n{k}": rng.normal(labels * (k % 3), 1).round(6) for k in range(13)}
        parts["n3"] = pa.array(parts["n3"], mask=rng.random(size) < 0.05)
        parts |= {f"k{k}": rng.integers(0, 10 ** (k + 2), size) for k in range(4)}
        parts |= {f"w{k}": [f"word {word}" for word in rng.integers(0, k, size)] for k in (3, 40)}
        parts["day"] = (np.datetime64("2015-01-01") + rng.integers(0, 3000, size)).astype(str)
        parts["label"] = pa.array([f"c{k}" for k in labels], mask=rng.random(size) >= N_LABELLED / n)
        table = pa.table(parts)
        if writer is None:
            make = pa.parquet.ParquetWriter if path.suffix == ".parquet" else pa.csv.CSVWriter
            writer = make(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def write_rows(path: Path, n: int) -> str:
    """Write n rows around the centres of their classes, uint8, and their labels beside them; return the data's hash."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 192, (N_CLASSES, WIDTH), dtype=np.uint8)
    labels, x = np.arange(n) % N_CLASSES, new_array(path, (n, WIDTH), np.dtype(np.uint8))
    for start in range(0, n, 50_000):
        part = labels[start : start + 50_000]
        x[start : start + 50_000] = centres[part] + rng.integers(0, 64, (len(part), WIDTH), dtype=np.uint8)
    labels[rng.permutation(n)[N_LABELLED:]] = -1
    np.save(path.with_name("y.npy"), labels)
    digests = {key: _sha256(path.with_name(file)) for key, file in (("path", path.name), ("labels", "y.npy"))}
    return hashlib.sha256("".join(f"{key} {digest}\n" for key, digest in digests.items()).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changes(rows: Path, digest: str) -> dict[str, Any]:
    """Return what differs from params.yaml: the data, short trainings in large batches, a small study."""
    training = {"loss": "mean_squared_error", "optimizer": "adam", "learning_rate": 0.001, "batch_size": 1024}
    phase = {"activation": "selu", "kernel_initializer": "glorot_uniform", "l2": 0.0, "noise": None, "epochs": 1}
    missing = [-1] if rows.suffix == ".npy" else []
    return {
        "fetch": {"dataset": "file", "path": str(rows), "sha256": digest, "missing_labels": missing},
        "prepare": {"n_valid": HELD_OUT, "n_test": HELD_OUT},
        "network": {"training": training},
        "pretrain": {"epochs": 1},
        "phase": {
            "1": {"input": "data/prepare", "units": 100, "output_activation": "sigmoid", **phase, **training},
            "2": {"input": "data/encode/1", "units": 30, "output_activation": "linear", **phase, **training},
        },
        "label_curve": {
            "n_labels": [50, 200], "headline": 200, "n_runs": 2, "pretrain_epochs": 1, "choice_labels": 50,
            "arms": ["logistic regression", "self-training", "PCA + logistic regression", "linear probe",
                     "random features", "frozen encoder", "fine-tuned", "from scratch"],
            "beforehand": {"with_encoder": "fine-tuned", "without": "logistic regression"},
            "network": {"training": {"loss": "mean_squared_error"}},
            "tuning": {"n_configurations": 1},
        },
    }  # fmt: skip


def run(clone: Clone, stage: str) -> dict[str, Any]:
    """Run a stage to its end; return its seconds, processor time, and the most private memory at a time in bytes.

    Raises:
        RuntimeError: The stage failed; with its last line of output.
    """
    name, _, key = stage.partition(" ")
    variables = {"PIPELINE_WORKERS": "1", "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as said:
        start, before, peak = time.perf_counter(), os.times(), 0
        command = [sys.executable, "-m", f"tasks.{name}", *([key] if key else [])]
        process = subprocess.Popen(
            command, cwd=clone.folder, env={**os.environ, **variables}, stdout=said, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, private_bytes(process.pid))
            time.sleep(EVERY)
        after = os.times()
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{stage}: {said.read().strip().splitlines()[-1:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": round(time.perf_counter() - start, 1), "cpu": round(cpu, 1), "peak_bytes": peak}


def private_bytes(pid: int) -> int:
    """Return the private memory (RssAnon) of a process and its children; 0 for those that have ended."""
    total = 0
    try:
        for process in (own := psutil.Process(pid), *own.children(recursive=True)):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            total += sum(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    except (psutil.Error, OSError):
        pass
    return total


def page(found: dict[str, Any]) -> str:
    """Return the page docs/memory.md."""
    records = found["records"]
    most = max(records, key=lambda record: record["peak_bytes"])
    reached = "yes" if most["peak_bytes"] < LIMIT else "no"
    told = f"{reached}, {most['peak_bytes'] / 2**20:,.0f} MiB at most ({most['stage']}, {most['n_rows']:,} rows)"
    sizes = list(dict.fromkeys(record["n_rows"] for record in records))
    lines = [f"| stage | {' | '.join(f'{n:,} rows: memory, MiB | µs a row' for n in sizes)} |"]
    lines.append("|---" * (1 + 2 * len(sizes)) + "|")
    for stage in dict.fromkeys(record["stage"] for record in records):
        by_size = {record["n_rows"]: record for record in records if record["stage"] == stage}
        cells = [
            f"{by_size[n]['peak_bytes'] / 2**20:,.0f} | {1e6 * by_size[n]['cpu'] / n:,.0f}" if n in by_size else " | "
            for n in sizes
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    head = HEAD.format(date=found["date"], width=WIDTH, labelled=N_LABELLED, held_out=HELD_OUT, most=MOST_HELD,
                       fitted=MOST_FITTED,                       limit=LIMIT // 2**20, reached=told)  # fmt: skip
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return f"{head}\n" + "\n".join(lines) + f"\n\n{machine}.\n"


if __name__ == "__main__":
    main()
