"""What the method to use takes for what, at the headline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from autoencoders.clauses import Clauses
from tasks.frame.sections import Params
from tasks.study.comparisons import name_of


def table(params: Params, results: Sequence[dict[str, Any]], found: Clauses) -> Iterator[dict[str, Any]]:
    """Yield a row for each class and each class that it is taken for: how many test rows, a mean over runs.

    Args:
        params: The parameters.
        results: Those of the score cells.
        found: The verdict at the headline. The arm is the one that cross-validation chose in most runs; where it chose
            none, the highest of those compared.
    """
    arm = next(iter((found.use or found.highest).counts))
    cells = [result for result in results
             if name_of(params, result["cell"]) == arm and result["cell"]["n_labels"] == found.n_labels]  # fmt: skip
    counts: Counter[tuple[int, int]] = Counter()
    for result in cells:
        counts.update({(true, told): rows for true, told, rows in result["confusion"]})
    for (true, told), rows in sorted(counts.items()):
        yield {"arm": arm, "n_labels": found.n_labels, "true": true, "told": told, "rows": rows / len(cells)}
