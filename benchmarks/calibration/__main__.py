"""`python -m benchmarks.calibration [--quick]`: how often the 95 % intervals hold the truth.

Prints the page and writes docs/calibration.md and .json, in about five minutes of one processor. The seeds are fixed:
the same code writes the same page. `--quick` makes a fortieth of the draws, in 20 s, and writes nothing.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.calibration import page
from benchmarks.calibration.cases import CASES, check
from benchmarks.workers import ROOT

QUICK = 40  # divides the draws


def main() -> None:
    """Simulate every case, print and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description="Coverage of the intervals.")
    parser.add_argument("--quick", action="store_true", help="a fortieth of the draws; nothing is written")
    quick = parser.parse_args().quick
    results = [check(case, case.n // QUICK if quick else case.n) for case in CASES]
    print(page.page(results))
    if not quick:
        (ROOT / "docs/calibration.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (ROOT / "docs/calibration.md").write_text(page.page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
