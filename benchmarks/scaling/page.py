"""The page docs/scaling.md, written from docs/scaling.json alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.page import QUIET
from benchmarks.scaling.measure import ONE, SHARDS, rates
from benchmarks.scaling.paper import EXPERIMENT, HOURS_A_LIFE, N_MACHINES

HEAD = """# A study on more machines

Written by `python -m benchmarks.scaling` on {date}; the numbers are kept in scaling.json. [Many machines](cluster.md)
says how to start each way.

{load}

## Measured: the smoke experiment's study

{n} cells on scikit-learn's digits, without the tables; {rounds} rounds, in which the ways take turns; medians. Each
time processes start anew, but Dask's scheduler and workers, which are there and warm. Compiled functions are kept from
before. *Speed-up* is the median of the rounds' ratios. *Memory* is the most that the largest process held.

{ways}

**Beside the cells.** A process that finds every cell computed takes {start:.1f} s of processor time, TensorFlow's
import included. On Dask a cell that has nothing to compute takes {alone:.1f} ms, {driver:.1f} ms of it the driver's
processor time. A worker reads {prepared:,.0f} KiB of data; a cell's file has {result:.1f} KiB, an encoder's weights
{encoder:.0f} KiB.

**Compilations.** A process that finds none kept compiles {without:.0f} functions ({kept:.1f} MiB); one that finds them
compiles {again:.0f}, and takes {saved:.1f} s of processor time less. Processes that start at the same time without kept
ones compile each for itself.

**Cost per cell**, processor seconds, beside those of the table (tasks/study/costs.csv) by which shards are dealt. The
table leaves out what is paid once in a process, as compilation is, which counts for much with cells so small:

{cells}

**Planning.** For {EXPERIMENT}'s {planned:,} cells of twenty runs, every shard and the driver take {key:.1f} s for the
keys; a deal to {machines} shards takes {deal:.1f} s; listing what is left, at most once a second, takes {count:.0f} ms.

"""

PAPER = """## On paper: {n_sets} data sets, {n_seeds} seeds, eight configurations, {n_machines} machines

{EXPERIMENT} on each data set: {n_cells:,} cells, {n_encoders:,} of them encoders, {hours:.1f} core-hours by the table
of costs. The simulation (benchmarks/scaling/simulation.py) takes the numbers above, machines of one core, a shared
folder behind 1 Gbit/s from which every machine first reads all data ({read:.0f} s), and one driver for all cells. No
schedule takes less than {least:.1f} minutes. *Use* is the share of the machines' time that is spent in cells. One row
takes machines away, each after {life:.0f} hours on average. The cost is that of all machines until the last has
finished, at {price} per core-hour (`--price`).

{ways}

**Moved:** {moved}.

**What breaks first.** The number of machines at which a part alone takes as long as the cells do on so many:

{limits}

At {n_machines} machines {over}.

The data, whose sizes are assumed:

{sets}

{machine}.
"""


def page(found: dict[str, Any], price: float) -> str:
    """Return the page.

    Args:
        found: As `__main__.run` returns it.
        price: Of a core-hour.
    """
    return _measured(found["measured"], found["date"]) + _paper(found["paper"], price, found["machine"])


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def median(rows: Sequence[dict[str, float]], name: str) -> float:
    """Return the median of one number over rounds."""
    return statistics.median(row[name] for row in rows)


def _measured(found: dict[str, Any], date: str) -> str:
    own, compiled, plans = found["bytes"], found["compiled"], found["planning"]
    shares = [
        statistics.median(row["cpu"] / row["seconds"] / n for row in found["ways"][way])
        for way, n in ((ONE, 1), (SHARDS, 2))
    ]
    share = min(shares)
    quiet = "The machine was quiet: its processes got a core each."
    busy = (
        f"**Other work ran on the machine**: its processes got {100 * share:.0f} % of a core; trust no speed-up here."
    )
    return HEAD.format(
        date=date, load=quiet if share >= QUIET else busy, rounds=len(found["start"]), ways=_ways(found["ways"]),
        n=sum(kind["n"] for kind in found["cells"].values()), EXPERIMENT=EXPERIMENT,
        start=median(found["start"], "cpu"), alone=1000 * median(found["driver"], "seconds"),
        driver=1000 * median(found["driver"], "cpu"), prepared=own["prepare"] / 1024, result=own["result"] / 1024,
        encoder=own["encoder"] / 1024, without=median(compiled, "compiled without"),
        again=median(compiled, "compiled with"), kept=median(compiled, "bytes") / 2**20, saved=rates(found)["first"],
        cells=_cells(found["cells"]), planned=plans["n"], key=plans["key"] * plans["n"],
        deal=plans["deal"] * plans["n"] * N_MACHINES, machines=N_MACHINES, count=1000 * plans["count"] * plans["n"],
    )  # fmt: skip


def _ways(ways: dict[str, list[dict[str, float]]]) -> str:
    lines = []
    for name, rows in ways.items():
        ups = [one["seconds"] / row["seconds"] for one, row in zip(ways[ONE], rows, strict=True)]
        lines.append([name, f"{median(rows, 'seconds'):.1f}", f"{median(rows, 'cpu'):.1f}",
                      f"{statistics.median(ups):.2f} ({min(ups):.2f} to {max(ups):.2f})",
                      f"{max(row['peak_bytes'] for row in rows) / 2**20:,.0f}"])  # fmt: skip
    return table(["way", "seconds", "processor seconds", "speed-up", "memory, MiB"], lines)


def _cells(kinds: dict[str, dict[str, float]]) -> str:
    lines = [
        [name, f"{kind['n']}", f"{kind['seconds'] / kind['n']:.2f}", f"{kind['table'] / kind['n']:.2f}"]
        for name, kind in kinds.items()
    ]
    return table(["cell", "number", "measured, s", "by the table, s"], lines)


def _paper(found: dict[str, Any], price: float, machine: dict[str, Any]) -> str:
    n, limits = found["n_machines"], sorted(found["limits"].items(), key=lambda limit: limit[1])
    names = [name.partition(",")[0].partition(":")[0] for name, at in limits if at < n]
    gib = {name: f"{size / 2**30:,.1f} GiB {name}" for name, size in found["moved"].items()}
    columns = ["data set", "training rows", "columns", "classes", "MiB", "cells", "core-hours"]
    sets = [[row["name"], f"{row['n_rows']:,}", f"{row['n_columns']}", f"{row['n_classes']}",
             f"{row['n_bytes'] / 2**20:,.1f}", f"{row['n_cells']:,}", f"{row['seconds'] / 3600:.1f}"]
            for row in found["sets"]]  # fmt: skip
    return PAPER.format(
        n_sets=len(sets), n_seeds=found["n_seeds"], n_machines=n, EXPERIMENT=EXPERIMENT, n_cells=found["n_cells"],
        n_encoders=found["n_encoders"], hours=found["total"] / 3600, read=found["read"], life=HOURS_A_LIFE,
        least=max(found["total"] / n, found["chain"]) / 60, price=f"{price:g}", moved="; ".join(gib.values()),
        ways=_simulated(found["ways"], n, price), sets=table(columns, sets),
        limits=table(["part", "machines"], [[name, f"{at:,.0f}"] for name, at in limits]),
        over=f"these are past it: {'; '.join(dict.fromkeys(names))}" if names else "none is past it",
        machine=", ".join(f"{key} {value}" for key, value in machine.items()),
    )  # fmt: skip


def _simulated(ways: dict[str, dict[str, float]], n: int, price: float) -> str:
    lines = [[name, f"{way['seconds'] / 60:.1f}", f"{100 * way['use']:.0f} %",
              f"{n * way['seconds'] / 3600 * price:,.2f}", f"{way['again']:,}", f"{way['n_died']}"]
             for name, way in ways.items()]  # fmt: skip
    return table(["way", "minutes", "use", "cost", "cells computed again", "machines gone"], lines)
