"""The speed targets, whether the measurement reaches them, and the bound on each that it does not."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.cases import COMPILED, JAX, KERAS
from benchmarks.cold import FEW_FITS
from benchmarks.measure import best, ratios, times

Record = dict[str, Any]
Records = Mapping[str, Record]
Verdict = Literal["yes", "within noise", "no", "not measured"]


@dataclass(frozen=True)
class Target:
    """One figure to reach.

    Attributes:
        text: The comparison in words.
        case: Key of the record.
        other: Label of the way to compare with, or a role, for its fastest way; None for a target in seconds.
        ours: Label of ours; default: the first way of the case.
        at_least: Least ratio of the other's time to ours.
        at_most: Most seconds for ours.
        quiet: Whether the target is judged only if no other work ran.
        whole: Whether the target is judged only with all epochs and seeds.
        bound: Explains, from the measurement, why a target is not reached.
    """

    text: str
    case: str
    other: str | None
    ours: str | None = None
    at_least: float = 0.0
    at_most: float = 0.0
    quiet: bool = False
    whole: bool = False
    bound: Callable[[Records, Record, str], str] = lambda records, record, clock: ""


@dataclass(frozen=True)
class Result:
    """A target with its measurement: the median, lowest and highest round, as a ratio or in seconds."""

    target: Target
    verdict: Verdict
    measured: str = ""
    bound: str = ""


def judge(target: Target, records: Records, clock: str) -> Result:
    """Judge one target by the records; `clock`, seconds or cpu, is the unit of ratios."""
    record = records.get(target.case)
    if record is None:
        return Result(target, "not measured")
    if target.whole and record["fewer"] > 1:
        return Result(target, "not measured", f"epochs and seeds were 1/{record['fewer']}; `--fewer 1` runs all")
    if target.quiet and clock == "cpu":
        return Result(target, "not measured", "needs a quiet machine", target.bound(records, record, clock))
    rows = {row["label"]: row for row in record["rows"] if "skipped" not in row}
    ours = rows.get(target.ours or record["rows"][0]["label"])
    other = best(record, target.other, clock) if target.other in ("peer", "floor") else target.other
    if ours is None or (target.other is not None and other not in rows):
        return Result(target, "not measured")
    values = ours["seconds"] if other is None else ratios(rows[other], ours, clock)
    middle, *rounds = (
        value <= target.at_most if other is None else value >= target.at_least
        for value in [statistics.median(values), *values]
    )
    verdict: Verdict = "yes" if middle else "within noise" if any(rounds) else "no"
    named = f" ({other})" if target.other in ("peer", "floor") else ""
    return Result(
        target, verdict, _shown(values, "s" if other is None else "times") + named,
        "" if verdict == "yes" else target.bound(records, record, clock),
    )  # fmt: skip


def _shown(values: list[float], unit: str) -> str:
    middle = f"{statistics.median(values):.2f} {unit}"
    return middle if len(values) == 1 else f"{middle}, {min(values):.2f} to {max(values):.2f}"


def against_products(_: Records, record: Record, clock: str) -> str:
    """Compare the cost of the bare matrix products with every way."""
    floor = best(record, "floor", clock)
    if floor is None:
        return ""
    labels = [row["label"] for row in record["rows"] if row["role"] != "floor"]
    ways = {label: times(record, label, floor, clock) for label in labels}
    known = {label: ratio for label, ratio in ways.items() if ratio is not None}
    told = ", ".join(f"{label} {ratio:.2f}" for label, ratio in known.items())
    rest = 1 - 1 / next(iter(known.values()))
    left = "nothing" if rest < 0.05 else f"{100 * rest:.0f} % of our time"
    return (
        f"Beyond the products alone by the faster BLAS there is {left} to gain, and nothing can be ahead of a way by "
        f"more than that way's multiple of them: {told}."
    )


def small_fits(_: Records, record: Record, clock: str) -> str:
    """State the share of start-up and compilation, which every process repeats."""
    rows = {row["label"]: row for row in record["rows"]}
    if any("skipped" in row for row in rows.values()):
        return ""
    all_fits, few = (statistics.median(rows[label][clock]) for label in ("ours, one process", FEW_FITS))
    return (
        f"15 fits, one seed of each cell, take {few:.0f} s of the {all_fits:.0f} s that 150 take: imports, and a "
        "compilation for each number of frozen layers. Each of two processes pays for them again."
    )


def tied(_: Records, record: Record, clock: str) -> str:
    """State the fastest peer's time with tied weights."""
    jax = times(record, "JAX, tied", clock=clock)
    compared = f" JAX's tied epoch takes {jax:.2f} times as long as ours." if jax else ""
    return (
        "A tied step has the products of an untied one, on a transposed kernel, and adds the two gradients of each "
        f"kernel.{compared}"
    )


def streamed(_: Records, record: Record, __: str) -> str:
    """State the gain of streaming, which is memory instead of speed."""
    told = [f"{r['label']} {r['grown_bytes'] / 2**20:,.0f} MiB" for r in record["rows"] if "skipped" not in r]
    return f"In batches as large as ours `predict` does the same work. Memory taken while running: {', '.join(told)}."


def stages(_: Records, record: Record, __: str) -> str:
    """State the time of each stage on both sides."""
    told = []
    for row in (row for row in record["rows"] if "skipped" not in row):
        longest = sorted(row["stages"].items(), key=lambda stage: -stage[1])[:5]
        rest = statistics.median(row["seconds"]) - sum(row["stages"].values())
        told.append(f"{row['label']}: " + ", ".join(f"{s} {t:.0f} s" for s, t in longest) + f", start-up {rest:.0f} s")
    fewer = record["fewer"]
    why = (
        "imports, compilation and t-SNE cost the same however few the epochs are, and ours also tests transfers, draws"
    )
    cut = f"Epochs and seeds were divided by {fewer}; {why} figures and writes files. " if fewer > 1 else ""
    return f"{cut}{'; '.join(told)}."


def no_op(_: Records, record: Record, clock: str) -> str:
    """State the time that DVC itself takes to find nothing to do."""
    took = {row["label"]: statistics.median(row[clock]) for row in record["rows"] if "skipped" not in row}
    told = ", ".join(f"{label} {spent:.1f} s" for label, spent in took.items())
    return f"Importing DVC and asking it once what has changed, as `dvc repro` does. {CLOCKS[clock]}: {told}."


CLOCKS = {"seconds": "By the clock", "cpu": "Processor time, since other work ran"}
SLOW_START = "What is left are the imports of the command itself (DVC's, and the stages' parameters)."
TARGETS = (
    Target(
        "batch 32, against the book's Keras code", "book-32", KERAS.label, at_least=5, bound=against_products
    ),
    Target("batch 32, against torch.compile", "book-32", COMPILED.label, at_least=1.4, bound=against_products),
    Target("batch 32, against JAX: not slower", "book-32", JAX.label, at_least=1, bound=against_products),
    Target(
        "batch 32, within 1.3 times the products alone", "book-32", "floor", at_least=1 / 1.3, bound=against_products
    ),
    Target("batch 1024, against Keras fit", "book-1024", KERAS.label, at_least=2.5, bound=against_products),
    Target("batch 1024, ahead of the best peer", "book-1024", "peer", at_least=1, bound=against_products),
    Target("deep, batch 256, not slower than the best peer", "deep-256", "peer", at_least=1, bound=against_products),
    Target("deep, batch 1024, not slower than the best peer", "deep-1024", "peer", at_least=1, bound=against_products),
    Target("150 small fits, one process, against the Keras loop", "small-fits", "peer", at_least=20, bound=small_fits),
    Target(
        "150 small fits, two processes, against the Keras loop", "small-fits", "peer", "ours, two processes", 35,
        quiet=True, bound=small_fits,
    ),
    Target("tied epoch, not slower than an untied one", "tied", "ours, untied", at_least=1, bound=tied),
    Target("encode file to file, against predict", "stream", "Keras predict, batch 32", at_least=3, bound=streamed),
    Target("against predict in large batches", "stream", "Keras predict, batch 5,000", at_least=3, bound=streamed),
    Target("the book's stages, against its Keras code", "book", "peer", at_least=5, bound=stages),
    Target("the book's stages, whole", "book", None, at_most=300, whole=True, bound=stages),
    Target("nothing to do: `python -m flows repro`", "dag-no-op", None, at_most=3, bound=no_op),
    Target("`python -m flows --help`", "start-up", None, at_most=0.5, bound=lambda *_: SLOW_START),
)  # fmt: skip
