"""docs/faults.md, written from docs/faults.json: the same file for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import beta

Results = dict[str, Any]
Event = dict[str, Any]

HEAD = """# Faults

Every row is a fault put into a small finished project (experiments/smoke.yaml), then our command, and its one line
for a person. A fault is *survived* where the exit code and the words are right, no traceback is shown, nothing wrong is
recorded, and once the fault is taken away the next plain run ends with an undisturbed run's results, to the byte.
Plain tools: `dvc repro` (for a changed output `dvc status`) on the same fault, judged by the results alone.
"""

KILLS = """## Random kills

`make faults ARGS="--kills {n} --hours 2"`. A chain is a few kills and signals on one work tree, at moments drawn by
seed (anywhere in the run, in a stage's first seconds, while DVC writes its files), and then one run to the end by our
command, compared with an undisturbed run: what dvc.lock says of every stage, and every file in data/ hashed anew.
SIGKILL goes to the process group, the command alone or a random descendant; SIGTERM, SIGINT and SIGHUP to the group, as
from a terminal, or to the command alone. Processes are found by a mark in their environment, in whatever session.
"""
LEGEND = """*Refused*: a run after a kill that did not go on. *Lost*: a signal after which the run went on to its end,
or was still there 15 s later. *Left*: kills after which a process was still there 5 s (SIGKILL) or 15 s (signal)
later. *Twice*: finished stages done again, a kill. In brackets the upper 95 % bound of the share (exact, binomial).
"""


def page(results: Results) -> str:
    """Return the whole page."""
    parts = [HEAD.strip(), _table(results["rows"], results["date"])]
    if results.get("kills"):
        total = sum(row["kills"] for row in results["kills"])
        parts += [KILLS.format(n=total).strip(), _kills(results["kills"], results["kills_date"]), LEGEND.strip()]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[dict[str, Any]], date: str) -> str:
    tried = [row for row in rows if row["survived"] is not None]
    n = sum(row["survived"] for row in tried)
    lines = [f"`make faults` on {date}: {n} of {len(tried)} survived.", ""]
    lines += ["| tried | shown | exit | survived | plain tools |", "|---|---|---|---|---|"]
    for row in rows:
        survived = {True: "yes", False: f"**no**: {_cell(row['problem'])}", None: ""}[row["survived"]]
        code = "" if row["code"] is None else row["code"]
        lines.append(f"| {_cell(row['tried'])} | {_cell(row['shown'])} | {code} | {survived} | {_cell(row['plain'])} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def summarise(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return a row of counts per runner, of the chains that were run to their end."""
    ends = {event["chain"]: event for event in events if event["event"] == "end"}
    rows = []
    for runner in dict.fromkeys(end["runner"] for end in ends.values()):
        mine = [event for event in events if event["runner"] == runner and event["chain"] in ends]
        kills = [event for event in mine if event["event"] == "kill"]
        sent = [event for event in kills if event["signal"] != "SIGKILL"]
        chains = [event for event in mine if event["event"] == "end"]
        wrong = {e["chain"] for e in mine if e["event"] in ("end", "finished") and e["wrong"]}
        rows.append({
            "runner": runner, "chains": len(chains), "kills": len(kills), "signals": len(sent),
            "wrong": len(wrong), "failed": sum(event["rc"] != 0 for event in chains),
            "refused": sum(event["event"] == "refused" for event in mine),
            "lost": sum(event["lost"] for event in sent),
            "left": sum(bool(event["left"]) for event in kills if event["signal"] == "SIGKILL"),
            "left_signal": sum(bool(event["left"]) for event in sent),
            "tracebacks": sum(event["traceback"] for event in sent), "twice": sum(end["twice"] for end in chains),
        })  # fmt: skip
    return rows


def bound(k: int, n: int) -> float:
    """Return the upper 95 % bound of a share of which k of n were seen (one-sided, Clopper and Pearson)."""
    return 1.0 if k >= n else float(beta.ppf(0.95, k + 1, n - k))


def _kills(rows: Sequence[dict[str, Any]], date: str) -> str:
    lines = [f"On {date}:", ""]
    head = ["runner", "chains", "kills", "of them signals", "chains with wrong bytes", "last run failed", "refused"]
    head += ["signals lost", "left after SIGKILL", "left after a signal", "tracebacks", "twice"]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    ours = [row for row in rows if row["runner"] != "dvc repro"]
    total = {key: sum(row[key] for row in ours) for key in (ours or rows)[0] if key != "runner"}
    for row in [*rows, {"runner": "all of ours", **total}] if ours else rows:
        n, signals = row["kills"], row["signals"]
        counts = [_share(row["wrong"], n), _share(row["failed"], n), _share(row["refused"], n)]
        counts += [_share(row["lost"], signals), _share(row["left"], n - signals)]
        counts += [_share(row["left_signal"], signals), row["tracebacks"], f"{row['twice'] / max(n, 1):.2f}"]
        cells = [row["runner"], row["chains"], n, signals, *counts]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _share(k: int, n: int) -> str:
    return f"{k} ({100 * bound(k, n):.1f} %)" if n else "0"
