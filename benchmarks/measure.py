"""Measurement of one case, all ways in turns (A B C A B C ...), and summaries of its record."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.cases import Case
from benchmarks.workers import Pool, Unavailable

Row = dict[str, Any]  # label, role, and either `skipped` (why) or the lists `seconds` and `cpu`, one entry a round
Say = Callable[[str], None]


def measure(case: Case, pool: Pool, rows_file: str, say: Say) -> dict[str, Any]:
    """Prepare every way, run them in turns and return the case's record."""
    rows: dict[str, Row] = {
        way.label: {"label": way.label, "role": way.role, "seconds": [], "cpu": []} for way in case.ways
    }
    say(f"{case.title}, {case.n_rows:,} rows")
    message = {way.label: case.message(way, rows_file, pool.threads) for way in case.ways}
    requests = [{way.label: {"prepare": message[way.label], "name": way.label} for way in case.ways}]
    requests += [{way.label: {"run": way.label} for way in case.ways}] * case.rounds
    for requested in requests:
        for way in case.ways:
            row = rows[way.label]
            if "skipped" in row:
                continue
            try:
                answer = pool.worker(way).ask(**requested[way.label])
            except Unavailable as error:
                row["skipped"] = str(error)
                say(f"  {way.label}: skipped, {error}")
                pool.forget(way)
                continue
            row["peak_bytes"] = max(answer["peak_bytes"], row.get("peak_bytes", 0))
            if "ready" in answer:
                row["ready"] = answer["ready"]
            else:
                row["seconds"].append(answer["seconds"])
                row["cpu"].append(answer["cpu"])
                row["value"] = answer["value"]
                row["grown_bytes"] = max(answer["grown_bytes"], row.get("grown_bytes", 0))
    pool.drop()
    record = {"key": case.key, "title": case.title, "kind": case.kind, "note": case.note, "n_rows": case.n_rows}
    record |= {"rounds": case.rounds, "batch_size": case.batch_size, "units": case.units, "rows": [*rows.values()]}
    for line in summary(record):
        say(line)
    return record


def ratios(row: Row, to: Row, clock: str = "seconds") -> list[float]:
    """Return, per round, how many times longer `row` took than `to`."""
    return [a / b for a, b in zip(row[clock], to[clock], strict=False)]


def times(record: dict[str, Any], label: str, to: str | None = None, clock: str = "seconds") -> float | None:
    """Return the median over rounds of how many times longer `label` took than `to` (default: the first way)."""
    rows = {row["label"]: row for row in record["rows"]}
    row, base = rows.get(label), rows.get(to or record["rows"][0]["label"])
    if row is None or base is None or "skipped" in row or "skipped" in base:
        return None
    return statistics.median(ratios(row, base, clock))


def best(record: dict[str, Any], role: str, clock: str = "seconds") -> str | None:
    """Return the label of the fastest way of a role."""
    rows = [row for row in record["rows"] if row["role"] == role and "skipped" not in row]
    return min(rows, key=lambda row: statistics.median(row[clock]))["label"] if rows else None


def summary(record: dict[str, Any]) -> list[str]:
    """Return a line per way for the screen."""
    lines = []
    for row in record["rows"]:
        if "skipped" not in row:
            ratio = times(record, row["label"])
            than = "" if ratio is None else f"  {ratio:6.2f} times {record['rows'][0]['label']}"
            lines.append(f"  {row['label']:<52} {statistics.median(row['seconds']):9.3f} s{than}")
    return lines
