"""`python -m benchmarks.mutants [--seed S] [--n N] [--workers W] [--only PATH ...]`: what do the tests let pass?

Draws N mutants, small changes of autoencoders/, tasks/ and flows/, and runs the tests that reach each: those of its
module first, to the first failure. Every one is tried in a copy of the work tree in a temporary folder, deleted in the
end. Writes .mutants/seed-S.md and a log, from which a command that was cut off goes on as long as no file has changed.
The first call runs the quick tests once under coverage, to see which reach what. Returns 1 where more than a tenth
survive.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.mutants.draw import Mutant, draw
from benchmarks.mutants.reach import Reach
from benchmarks.mutants.trial import Bench, Stopped
from benchmarks.workers import ROOT
from tasks.frame import code

KEPT = ROOT / ".mutants"
Row = dict[str, Any]


def main() -> int:
    """Do what the command line says."""
    given = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    state = _state()
    files = [file for path in code.everything() if (file := path.relative_to(ROOT).as_posix()).endswith(".py")]
    files = [file for file in files if not given.only or file.startswith(tuple(given.only))]
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder))
        bench.fill()
        mutants = [*draw(bench.source, files, given.n, given.seed)]
        log = KEPT / f"{state}-{given.seed}.jsonl"
        done = {_key(row): row for row in _read(log)}
        todo = [mutant for mutant in mutants if _key(mutant.row()) not in done]
        for row in _tried(bench, todo, _reach(bench, state) if todo else None, given.workers):
            _append(log, row)
            done[_key(row)] = row
            say(f"{len(done):4} {line(row)}")
    rows = [done[key] for mutant in mutants if (key := _key(mutant.row())) in done]
    KEPT.joinpath(f"seed-{given.seed}.md").write_text(page(rows, given.seed), encoding="utf-8")
    survived = [row for row in rows if not row["by"]]
    say("", *(f"survived: {line(row)}" for row in survived), f"{len(survived)} of {len(rows)} survived")
    return 1 if 10 * len(survived) > len(rows) else 0


def _tried(bench: Bench, mutants: list[Mutant], reach: Reach | None, n: int) -> Any:
    """Yield rows as they are found; end all of it on Ctrl-C."""
    pool = ThreadPoolExecutor(n)
    futures = [pool.submit(bench.run, mutant, reach) for mutant in mutants if reach]
    try:
        for future in as_completed(futures):
            yield future.result()
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        bench.stop()
        pool.shutdown(cancel_futures=True)


def _reach(bench: Bench, state: str) -> Reach:
    """Return which tests reach what, from the last time that the files were these."""
    path = KEPT / f"reach-{state}.json"
    if not path.exists():
        say("running the quick tests once under coverage, in a few minutes ...")
        found = bench.reach()
        for old in KEPT.glob("reach-*.json"):
            old.unlink()
        found.save(path)
    found = Reach.load(path)
    if found.failing:
        say(f"left out, since they fail without any change: {', '.join(found.failing)}")
    return found


def _state() -> str:
    """Return the hash of all files that decide what a mutant's row is."""
    tests = sorted(path for path in (ROOT / "tests").rglob("*") if path.suffix in (".py", ".json", ".csv"))
    files = [
        *code.everything(),
        *tests,
        ROOT / "params.yaml",
        ROOT / "dvc.yaml",
        *(ROOT / "experiments").glob("*.yaml"),
    ]
    return code.digest(path.relative_to(ROOT).as_posix() for path in files)[:12]


def _key(row: Row) -> str:
    return json.dumps([row[name] for name in ("file", "start", "end", "after")])


def _read(log: Path) -> list[Row]:
    """Return the rows of a log, but for a last line that was cut off."""
    rows = []
    for text in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            rows.append(json.loads(text))
        except ValueError:
            break
    return rows


def _append(log: Path, row: Row) -> None:
    log.parent.mkdir(exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")


def line(row: Row) -> str:
    """Return a mutant's row in one line."""
    before, after = (" ".join(row[name].split())[:60] or "nothing" for name in ("before", "after"))
    fate = f"killed by {row['by']}" if row["by"] else "survived"
    return f"{row['file']}:{row['line']}: {row['operator']}: {before} -> {after}: {fate} ({row['seconds']:g} s)"


def page(rows: list[Row], seed: int) -> str:
    """Return the table, Markdown, survivors first."""
    survived = sum(not row["by"] for row in rows)
    head = f"# Mutants of seed {seed}: {survived} of {len(rows)} survived\n\n"
    names = "| file | operator | before | after | killed by |\n|---|---|---|---|---|\n"
    cells = (
        (
            f"{row['file']}:{row['line']}",
            row["operator"],
            _code(row["before"]),
            _code(row["after"]),
            row["by"] or "**nobody**",
        )
        for row in sorted(rows, key=lambda row: (bool(row["by"]), row["file"], row["line"]))
    )
    return head + names + "".join(f"| {' | '.join(cell)} |\n" for cell in cells)


def _code(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`` {text[:80]} ``" if text else "nothing"


def say(*lines: str) -> None:
    """Print at once."""
    print(*lines, sep="\n", flush=True)


def _leave(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, metavar="S", default=1)
    parser.add_argument("--n", type=int, metavar="N", default=100)
    parser.add_argument("--workers", type=int, metavar="W", default=1)
    parser.add_argument("--only", nargs="+", metavar="PATH", help="files or folders, from the repository's root")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
