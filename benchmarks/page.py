"""docs/performance.md, written from docs/performance.json: the same file for the same measurement."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measure import ratios
from benchmarks.targets import TARGETS, judge

Results = dict[str, Any]
QUIET = 0.9  # of a core that a one-thread process gets where nothing else runs

HEAD = """# Speed

Written by `{command}` on {date}; the numbers are kept in performance.json.

Every way does the same work on the same {source}, in a process of its own, with {threads}. The ways take
turns (A B C A B C ...), after a first call of each, which builds and compiles. A ratio is taken within each round, and
its median over rounds is shown: read ratios, not seconds. An epoch is one out of a running training, its order of rows
drawn anew. *CPU* is the processor time of the same runs, which other work on the machine disturbs less. "The products
alone" are a step's matrix products and nothing else, by the BLAS that NumPy or PyTorch brings.

{load}
"""


def clock(results: Results) -> str:
    """Return what ratios are taken of: seconds, or processor time where other work ran on the machine."""
    return "seconds" if share(results) >= QUIET else "cpu"


def share(results: Results) -> float:
    """Return how much of a core our one-thread epochs got, the median over rounds."""
    rows = [record["rows"][0] for record in results["records"] if record["kind"] == "epoch"]
    found = [cpu / s for row in rows if "skipped" not in row for cpu, s in zip(row["cpu"], row["seconds"], strict=True)]
    return statistics.median(found) if found else 1.0


def page(results: Results) -> str:
    """Return the whole page."""
    parts = [_head(results), "## Asked for and reached", _targets(results), "## Every measurement", _notes(results)]
    parts += [_table(results), "## Cost of a row", "![Cost of a row by batch and by width](performance.png)"]
    return "\n\n".join([*parts, "## Versions and machine", _machine(results)]) + "\n"


def _head(results: Results) -> str:
    n = results["threads"]
    got = f"{100 * share(results):.0f} % of a core"
    load = (
        f"**Other work ran on the machine**: our one-thread epochs got {got}. Where a verdict below rests on an epoch, "
        "it rests on processor time; seconds of whole processes are upper bounds."
        if clock(results) == "cpu"
        else f"The machine was quiet: our one-thread epochs got {got}."
    )
    return HEAD.format(
        command="make bench-quick" if results["quick"] else "make bench", date=results["date"], load=load,
        source=results["source"], threads="one thread" if n == 1 else f"{n} threads",
    ).strip()  # fmt: skip


def _targets(results: Results) -> str:
    records = {record["key"]: record for record in results["records"]}
    judged = [judge(target, records, clock(results)) for target in TARGETS]
    lines = ["| what | asked | measured: median, range of rounds | reached |", "|---|---|---|---|"]
    for r in judged:
        t = r.target
        asked = f"{t.at_most:g} s or less" if t.other is None else f"{t.at_least:.3g} times or more"
        lines.append(f"| {t.text} | {asked} | {r.measured} | {r.verdict} |")
    missed = [f"- {r.target.text}: {r.bound}" for r in judged if r.bound]
    text = "Times: how much longer the other way takes than ours.\n\n" + "\n".join(lines)
    if missed:
        text += "\n\nWhat bounds the figures that are not reached:\n\n" + "\n".join(missed)
    return text + (
        "\n\nNot measured by this command: the full run of all stages against naive scripts, and encoding 4 million "
        "rows from and to memory-mapped files."
    )


def _notes(results: Results) -> str:
    lines = [f"- {r['title']}: {r['note']}" for r in results["records"] if r["note"]]
    off = [line for record in results["records"] if (line := _other_maths(record))]
    lines += off or ["- The losses of all ways that train the same network agree to 3 % after the same epochs."]
    return "\n".join(lines)


def _other_maths(record: dict[str, Any]) -> str:
    """Name the ways whose loss is not that of ours."""
    if record["kind"] != "epoch":
        return ""
    rows = [row for row in record["rows"] if "skipped" not in row and row["role"] != "floor"]
    off = [r["label"] for r in rows if abs(r["value"] / rows[0]["value"] - 1) > 0.03]
    return f"- {record['title']}: losses differ by more than 3 % from ours: {', '.join(off)}." if off else ""


def _table(results: Results) -> str:
    lines = ["| work | way | first call s | median s | range | times the first | the same, CPU |", "|---|" + "---|" * 6]
    for record in results["records"]:
        rows = f", {record['n_rows']:,} rows" if record["n_rows"] else ""
        title = f"{record['title']}{rows}, {record['rounds']} rounds"
        for row in record["rows"]:
            lines.append(f"| {title} | {row['label']} | {_cells(row, record)} |")
            title = ""
    return "\n".join(lines)


def _cells(row: dict[str, Any], record: dict[str, Any]) -> str:
    if "skipped" in row:
        return f"skipped: {row['skipped']} | | | | "
    seconds, first = row["seconds"], record["rows"][0]
    first_call = f"{row['ready']:.3g}" if "ready" in row else ""
    cells = [first_call, f"{statistics.median(seconds):.3g}", f"{min(seconds):.3g} to {max(seconds):.3g}"]
    if record["key"] == "start-up" or "skipped" in first:
        return " | ".join([*cells, "", ""])
    return " | ".join(
        [*cells, *(f"{statistics.median(ratios(row, first, clock)):.2f}" for clock in ("seconds", "cpu"))]
    )


def _machine(results: Results) -> str:
    m = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    where = f"{m['processor']}; {m['cores']} cores, {m['memory_gib']} GiB; {m['system']}; Python {m['python']}"
    return f"{where}.\n\n{versions}."
