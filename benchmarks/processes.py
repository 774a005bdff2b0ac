"""Measurement of whole processes: the seconds, processor time and memory of each way, and its record."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import Row, Say, summary
from benchmarks.workers import ROOT, environment


class Took(NamedTuple):
    """Seconds on the clock, processor time of all processes, and the peak of the largest one's memory in bytes."""

    seconds: float
    cpu: float
    peak_bytes: int


def together(
    commands: Sequence[list[str]], threads: int, *, folder: Path = ROOT, variables: Mapping[str, str] | None = None
) -> tuple[Took, list[str]]:
    """Run commands in parallel; return their time and memory until all have ended, and their output.

    Raises:
        subprocess.CalledProcessError: One of them failed; the message ends with its last line of output.
    """
    env = environment(threads) | dict(variables or {})
    with tempfile.TemporaryDirectory() as name:
        files = [(Path(name, f"{k}.out"), Path(name, f"{k}.err")) for k in range(len(commands))]
        start = time.perf_counter()
        running = [_start(command, folder, env, *paths) for command, paths in zip(commands, files, strict=True)]
        used = [os.wait4(process.pid, 0)[1:] for process in running]
        seconds = time.perf_counter() - start
        for process, (status, _), (_, err) in zip(running, used, files, strict=True):
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise Failed(process.returncode, " ".join(map(str, process.args[1:4])), stderr=err.read_text())
        cpu = sum(rusage.ru_utime + rusage.ru_stime for _, rusage in used)
        unit = 1 if sys.platform == "darwin" else 1024
        peak = max(rusage.ru_maxrss for _, rusage in used) * unit
        return Took(seconds, cpu, peak), [out.read_text() for out, _ in files]


class Failed(subprocess.CalledProcessError):
    """A process failed; the message is one line with its last line of output."""

    def __str__(self) -> str:
        said = (self.stderr or "").strip().splitlines()
        return f"{self.cmd} ended with {self.returncode}" + (f": {said[-1].strip()}" if said else "")


def _start(command: list[str], folder: Path, env: dict[str, str], out: Path, err: Path) -> subprocess.Popen[bytes]:
    with out.open("wb") as stdout, err.open("wb") as stderr:
        return subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def timed(label: str, role: str, way: Callable[[], Took], rounds: int) -> Row:
    """Return the row of one way run `rounds` times; if it failed, the row holds the reason."""
    row: Row = {"label": label, "role": role, "seconds": [], "cpu": [], "peak_bytes": 0}
    for _ in range(rounds):
        if not again(row, way):
            break
    return row


def again(row: Row, way: Callable[[], Took]) -> bool:
    """Run a way once more and note it in its row; return whether it succeeded."""
    try:
        took = way()
    except (subprocess.CalledProcessError, OSError) as error:
        row["skipped"] = str(error).partition("\n")[0]
        return False
    row["seconds"].append(took.seconds)
    row["cpu"].append(took.cpu)
    row["peak_bytes"] = max(row["peak_bytes"], took.peak_bytes)
    return True


def record(key: str, title: str, note: str, rows: list[Row], rounds: int, say: Say) -> dict[str, Any]:
    """Print and return the record of these rows."""
    found = {"key": key, "title": title, "kind": "process", "note": note, "n_rows": 0, "rounds": rounds}
    found |= {"batch_size": 0, "units": [], "rows": rows}
    for row in rows:
        if "skipped" in row:
            say(f"  {row['label']}: skipped, {row['skipped']}")
    for line in summary(found):
        say(line)
    return found
