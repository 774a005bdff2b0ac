"""The page docs/performance.md, written from docs/performance.json alone."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measure import ratios
from benchmarks.targets import TARGETS, judge

Results = dict[str, Any]
QUIET = 0.9  # of a core that a one-thread process gets where nothing else runs

HEAD = """# Speed

Written by {command} on {date}; the numbers are kept in performance.json.

Every way does the same work on the same {source}, in a process of its own, with {threads}. The ways take
turns (A B C A B C ...), after a first call of each, which builds and compiles. A ratio is taken within each round, and
its median over rounds is shown: read ratios, not seconds. An epoch is one out of a running training, its order of rows
drawn anew. *CPU* is the processor time of the same runs, which other work on the machine disturbs less. *Memory* is the
most that the way's process held, its libraries and what else it had prepared included, pages of mapped files not (for
whole processes they are); of several processes, that of the largest. "The products alone" are a step's matrix products
and nothing else, by the BLAS that NumPy or PyTorch brings.

{load}
"""


def clock(record: dict[str, Any]) -> str:
    """Return the clock for a record's ratios: seconds, or processor time if other work ran on the machine."""
    return "seconds" if share(record) >= QUIET else "cpu"


def share(record: dict[str, Any]) -> float:
    """Return the share of a core that a record's first way got, as the median over rounds."""
    first = record["rows"][0]
    if "skipped" in first or record["key"] == "start-up":
        return 1.0
    return statistics.median(cpu / s for cpu, s in zip(first["cpu"], first["seconds"], strict=True))


def page(results: Results) -> str:
    """Return the whole page."""
    parts = [_head(results), "## Asked for and reached", _targets(results), "## Every measurement", _notes(results)]
    parts += [_table(results), "## Cost of a row", "![Cost of a row by batch, by rows and by width](performance.png)"]
    return "\n\n".join([*parts, "## Versions and machine", _machine(results)]) + "\n"


def _head(results: Results) -> str:
    n = results["threads"]
    shares = [share(record) for record in results["records"]]
    busy = [s for s in shares if s < QUIET]
    load = (
        f"**Other work ran on the machine** during {len(busy)} of {len(shares)} cases, in which our processes got "
        f"{100 * min(busy):.0f} to {100 * max(busy):.0f} % of a core: verdicts on those rest on processor time."
        if busy
        else "The machine was quiet: our processes got a core each."
    )
    command = "`make bench-quick`" if results["quick"] else "`make bench`"
    if added := results.get("added"):
        command += f' and `make bench ARGS="--only {" ".join(added)} --keep"`'
    return HEAD.format(
        command=command, date=results["date"], load=load,
        source=results["source"], threads="one thread" if n == 1 else f"{n} threads",
    ).strip()  # fmt: skip


def _targets(results: Results) -> str:
    records = {record["key"]: record for record in results["records"]}
    judged = [
        judge(target, records, clock(records[target.case]) if target.case in records else "seconds")
        for target in TARGETS
    ]
    lines = ["| what | asked | measured: median, range of rounds | reached |", "|---|---|---|---|"]
    for r in judged:
        t = r.target
        asked = f"{t.at_most:g} s or less" if t.other is None else f"{t.at_least:.3g} times or more"
        lines.append(f"| {t.text} | {asked} | {r.measured} | {r.verdict} |")
    bounds: dict[str, list[str]] = {}
    for r in judged:
        if r.bound and r.verdict != "yes":
            bounds.setdefault(r.bound, []).append(r.target.text)
    missed = [f"- {'; '.join(texts)}: {bound}" for bound, texts in bounds.items()]
    text = "Times: how much longer the other way takes than ours.\n\n" + "\n".join(lines)
    if missed:
        text += "\n\nWhat bounds the figures that are not reached:\n\n" + "\n".join(missed)
    return text


def _notes(results: Results) -> str:
    lines = [f"- {r['title']}: {r['note']}" for r in results["records"] if r["note"]]
    lines += [f"- {r['title']}: {_rates(r)}" for r in results["records"] if r["kind"] in ("encode", "stream", "file")]
    return "\n".join(lines + _losses(results["records"]))


def _rates(record: dict[str, Any]) -> str:
    """Return the sentence of every way's rows per second and memory, additional or in total."""
    told = []
    for row in (row for row in record["rows"] if "skipped" not in row):
        rate = record["n_rows"] / statistics.median(row["seconds"])
        whole = record["kind"] == "file"  # the rows in memory were there before
        memory = f"{row['peak_bytes' if whole else 'grown_bytes'] / 2**20:,.0f} MiB {'held' if whole else 'more'}"
        told.append(f"{row['label']} {rate:,.0f} rows per second, {memory}")
    return "; ".join(told) + "."


def _losses(records: list[dict[str, Any]]) -> list[str]:
    """Compare the losses with ours, and name the ways that must compute something else."""
    found = []
    for record in (record for record in records if record["kind"] == "epoch"):
        rows = [row for row in record["rows"] if "skipped" not in row and row["role"] != "floor"]
        found += [(abs(row["value"] / rows[0]["value"] - 1), record["title"], row["label"]) for row in rows]
    if not found:
        return []
    far = [
        f"- {title}: the loss of {label} is {100 * off:.0f} % from ours." for off, title, label in found if off > 0.1
    ]
    largest = 100 * max(off for off, _, _ in found)
    same = "From other first weights, and after the same few epochs, the losses of the other ways are within"
    return far or [f"- {same} {largest:.1f} % of ours: all compute the same."]


def _table(results: Results) -> str:
    head = "| work | way | first call s | median s | range | times the first | the same, CPU | memory MiB |"
    lines = [head, "|---|" + "---|" * 7]
    for record in results["records"]:
        rows = f", {record['n_rows']:,} rows" if record["n_rows"] else ""
        title = f"{record['title']}{rows}, {record['rounds']} round{'s' if record['rounds'] > 1 else ''}"
        for row in record["rows"]:
            lines.append(f"| {title} | {row['label']} | {_cells(row, record)} |")
            title = ""
    return "\n".join(lines)


def _cells(row: dict[str, Any], record: dict[str, Any]) -> str:
    if "skipped" in row:
        return f"skipped: {row['skipped']} | | | | | "
    seconds, first = row["seconds"], record["rows"][0]
    first_call = f"{row['ready']:.3g}" if "ready" in row else ""
    cells = [first_call, f"{statistics.median(seconds):.3g}", f"{min(seconds):.3g} to {max(seconds):.3g}"]
    memory = f"{row['peak_bytes'] / 2**20:,.0f}" if row.get("peak_bytes") else ""
    if record["key"] == "start-up" or "skipped" in first:
        return " | ".join([*cells, "", "", memory])
    compared = (f"{statistics.median(ratios(row, first, clock)):.2f}" for clock in ("seconds", "cpu"))
    return " | ".join([*cells, *compared, memory])


def _machine(results: Results) -> str:
    m = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    where = f"{m['processor']}; {m['cores']} cores, {m['memory_gib']} GiB; {m['system']}; Python {m['python']}"
    return f"{where}.\n\n{versions}."
