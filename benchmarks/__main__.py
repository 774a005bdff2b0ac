"""`python -m benchmarks [--quick] [--only KEY ... [--keep]] [--threads N] [--fewer N] [--write]`: measure speed.

Prints every case as it is measured, then the table; writes docs/performance.json, .md and .png. `--only` measures
only the cases of these keys (small-fits, start-up, dag and book among them) and writes nothing; with `--keep` it puts
them among the earlier numbers. `--write` measures nothing and writes .md and .png again from .json. `--quick` leaves
out the book's stages; `--fewer 5` divides their epochs and seeds by 5.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cases, cold, dag, environment, page, plot, rows
from benchmarks.measure import measure
from benchmarks.workers import ROOT, Pool

DOCS = ROOT / "docs"


def main() -> None:
    """Measure the cases, print and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside its peers, in one run.")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: minutes instead of an hour")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="only these cases; nothing is written without --keep")
    parser.add_argument("--keep", action="store_true", help="with --only: put these cases among the kept numbers")
    parser.add_argument("--threads", type=int, default=1, help="of every way (default 1)")
    parser.add_argument("--fewer", type=int, metavar="N", help="divide the epochs and seeds of the book's stages by N")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page anew from its numbers")
    given = parser.parse_args()
    if given.write:
        results = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    else:
        start = time.monotonic()
        environment.make_peers(say)
        fewer = given.fewer or (5 if given.quick else 1)
        results = run(quick=given.quick, threads=given.threads, only=given.only, fewer=fewer)
        if given.only and given.keep:
            results = kept_with(results, json.loads((DOCS / "performance.json").read_text(encoding="utf-8")))
        say(f"{time.monotonic() - start:.0f} s in all\n")
    say(page.page(results))
    if given.keep or not given.only:
        write(results, DOCS)


def kept_with(results: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Replace or append these cases in the kept numbers; the page names the cases measured later."""
    new = {record["key"]: record for record in results["records"]}
    old = {record["key"]: record for record in kept["records"]}
    return kept | {"records": [*(old | new).values()], "added": sorted({*kept.get("added", []), *new})}


def say(line: str) -> None:
    """Print without buffering."""
    print(line, flush=True)


def run(*, quick: bool, threads: int, only: list[str] | None, fewer: int) -> dict[str, Any]:
    """Measure every case and return the records with the machine and versions."""
    x, y, source = rows.images()
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, Pool(threads) as pool:
        folder = Path(name)
        for case in cases.QUICK if quick else cases.FULL:
            if only is None or case.key in only:
                write_rows = rows.write_bytes if case.kind in ("stream", "file") else rows.write_rows
                records.append(measure(case, pool, write_rows(x, case.n_rows, folder), say))
        versions = pool.versions()
    records += processes(x, y, quick=quick, threads=threads, only=only, fewer=fewer)
    return {
        "quick": quick, "threads": threads, "source": source, "records": records, "versions": versions,
        "machine": environment.machine(), "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }  # fmt: skip


def processes(
    x: np.ndarray, y: np.ndarray, *, quick: bool, threads: int, only: list[str] | None, fewer: int
) -> Iterator[dict[str, Any]]:
    """Yield the record of every case of whole processes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if only is None or "small-fits" in only:
            labelled = rows.write_labelled(x, y, 2_000 if quick else 10_000, folder)
            yield cold.small_fits(labelled, threads, 1 if quick else 2, 5 if quick else 15, say)
        if only is None or "start-up" in only:
            yield cold.start_up(3 if quick else 5, threads, say)
        if only is None or "dag" in only:
            yield from dag.runners(folder / "smoke", threads, 1 if quick else 3, say, ("stack",) if quick else ())
        if "book" in only if only else not quick:
            few = len(x) // 5 if quick else len(x)
            yield dag.book(x[:few], y[:few], folder, threads, fewer, say)


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the numbers, the page and the figure."""
    text = json.dumps(results, indent=1, sort_keys=True, allow_nan=False) + "\n"
    (folder / "performance.json").write_text(text, encoding="utf-8")
    (folder / "performance.md").write_text(page.page(results), encoding="utf-8")
    plot.draw(results, folder / "performance.png")


if __name__ == "__main__":
    main()
