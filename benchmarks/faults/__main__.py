"""`python -m benchmarks.faults [--quick] [--only KEY ... [--keep]] [--kills N [--hours H] [--seed S]] [--write]`.

Without --kills, tries every fault of the table and writes docs/faults.json and docs/faults.md; --quick tries those
that need no training, --only those named, and neither writes; with --keep they take the place of their rows written
before. With --kills, kills runs at random until N kills are in .faults/kills-S.jsonl, or for H hours, and puts the
counts on the same page; started again, it goes on. --write only makes both anew from what there is. All happens in a
scratch clone in a temporary folder, deleted at the end.
"""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.faults import changes, kills, page, rows, table
from benchmarks.faults.project import Project
from benchmarks.workers import ROOT

RESULTS, LOGS = ROOT / "docs" / "faults.json", ROOT / ".faults"


def main() -> int:
    """Do what the command line says; return 1 where a fault was not survived."""
    given = _arguments()
    _settle_signals()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"rows": [], "date": "never"}
    log = LOGS / f"kills-{given.seed}.jsonl"
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name, "scratch")
        if given.kills and not given.write:
            kills.campaign(folder, log, n=given.kills, hours=given.hours, seed=given.seed, say=say)
        elif not given.write:
            tried = _table(folder, quick=given.quick, only=given.only)
            if (given.quick or given.only) and not given.keep:
                return _code(tried)
            results |= {"rows": kept_with(tried, results["rows"]) if given.keep else tried, "date": date}
    if events := [event for path in sorted(LOGS.glob("kills-*.jsonl")) for event in _numbered(path)]:
        results |= {"kills": page.summarise(events)} | ({} if given.write else {"kills_date": date})
        results.setdefault("kills_date", date)
    write(results)
    return _code(results["rows"])


def kept_with(tried: list[table.Row], kept: list[table.Row]) -> list[table.Row]:
    """Return the kept rows with those tried now in their places, in the table's order."""
    found = {row["key"]: row for row in [*kept, *tried]}
    return [found[fault.key] for fault in rows.ALL if fault.key in found]


def _code(tried: list[table.Row]) -> int:
    return 0 if all(row["survived"] is not False for row in tried) else 1


def _settle_signals() -> None:
    """End well when asked to; where a signal is ignored (nohup), ignore it here alone, not in what is started."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        ignored = signal.getsignal(number) == signal.SIG_IGN
        signal.signal(number, (lambda *_: None) if ignored else _leave)


def _leave(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _numbered(path: Path) -> list[kills.Event]:
    """Return a campaign's events, its chains told from those of others."""
    return [event | {"chain": f"{path.stem} {event['chain']}"} for event in kills.read(path)]


def _table(folder: Path, *, quick: bool, only: list[str] | None) -> list[table.Row]:
    chosen = [f for f in rows.ALL if (f.key in only if only else f.quick or not quick)]
    project = Project(folder)
    project.finish(*(["prepare"] if all(fault.quick for fault in chosen) else []))
    tried = table.try_all(chosen, project, say, can_mount=changes.can_mount(folder), peers=not quick)
    say(f"{sum(bool(row['survived']) for row in tried)} of {len(tried)} survived")
    return tried


def write(results: dict[str, Any]) -> None:
    """Write the results and the page made of them."""
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULTS.with_suffix(".md").write_text(page.page(results), encoding="utf-8")
    say(f"docs/{RESULTS.with_suffix('.md').name} written")


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="KEY", choices=[fault.key for fault in rows.ALL])
    parser.add_argument("--keep", action="store_true", help="put these rows among those written before")
    parser.add_argument("--kills", type=int, metavar="N", default=0)
    parser.add_argument("--hours", type=float, metavar="H", default=2.0)
    parser.add_argument("--seed", type=int, metavar="S", default=1)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
