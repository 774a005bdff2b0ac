"""`python -m benchmarks.scaling [--quick] [--simulate | --write] [--price X]`: a study on more machines.

Measures a small study on this machine by one process, two, shards and Dask, then simulates one of ten data sets on
200 machines (paper.py). Writes docs/scaling.json and docs/scaling.md. 20 minutes on two quiet cores; `--quick`
measures one round in place of three and writes nothing; `--simulate` takes the kept measurements; `--write` only writes
the page.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from benchmarks import environment
from benchmarks.scaling import measure, page, paper
from benchmarks.workers import ROOT

DOCS = ROOT / "docs"
ROUNDS, PRICE = 3, 0.05


def main() -> None:
    """Measure, simulate, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="one round; writes nothing")
    parser.add_argument("--simulate", action="store_true", help="simulate anew, from the kept measurements")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page anew from its numbers")
    parser.add_argument("--price", type=float, default=PRICE, help=f"of a core-hour, in any currency (default {PRICE})")
    given = parser.parse_args()
    kept = {} if given.quick or not (given.simulate or given.write) else json.loads(_text())
    found = kept if given.write else run(1 if given.quick else ROUNDS, kept)
    text = page.page(found, given.price)
    if given.quick:
        print(text)
        return
    (DOCS / "scaling.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (DOCS / "scaling.md").write_text(text, encoding="utf-8")


def run(rounds: int, kept: dict[str, Any]) -> dict[str, Any]:
    """Measure, unless there are kept measurements, and simulate."""
    own = {"machine": environment.machine(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
    found = kept or own | {"measured": measure.measured(rounds, lambda line: print(line, flush=True))}
    return found | {"paper": paper.study(measure.rates(found["measured"]))}


def _text() -> str:
    return (DOCS / "scaling.json").read_text("utf-8")


if __name__ == "__main__":
    main()
