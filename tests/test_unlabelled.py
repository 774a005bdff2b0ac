"""The page's part on the number of unlabelled rows: its lines, its curves, its sentence."""

from __future__ import annotations

from dataclasses import fields

import pandas as pd
import pytest

from tasks.reporting import unlabelled
from tasks.reporting.study import Study

ARMS = {"fine-tuned": 55_000, "fine-tuned - few rows": 500, "fine-tuned - shuffled columns": 55_000,
        "fine-tuned - some rows": 5000, "fine-tuned - tied": 55_000, "frozen encoder - few rows": 500,
        "from scratch": 0}  # fmt: skip
GAINS = dict(zip(ARMS, (0.03, 0.01, -0.02, 0.02, 0.03, 0.0), strict=False))


def study(arms=ARMS):
    """Return a study whose arms gain a made-up share over from scratch, and a tenth of it more with 500 labels."""
    rows = [
        {"arm": arm, "against": against, "n_labels": n, "n": 10, "mean": mean, "low": mean - 0.01, "high": mean + 0.005,
         "p": 0.002, "p_max_t": 0.004}
        for arm in arms if arm != "from scratch" for against, base in (("from scratch", 0.0), ("fine-tuned", 0.03))
        for n, mean in ((100, GAINS[arm] - base), (500, 1.1 * (GAINS[arm] - base))) if arm != against
    ]  # fmt: skip
    ledger = pd.DataFrame({"arm": [*arms], "unlabelled_rows": [*arms.values()]})
    given = dict.fromkeys(field.name for field in fields(Study))
    saved = pd.DataFrame({"arm": [arm for arm in arms if arm != "from scratch"]})
    return Study(**given | {"budgets": [100, 500], "ledger": ledger, "comparisons": pd.DataFrame(rows), "saved": saved})


def test_lines_are_the_numbers_of_rows_and_last_the_control():
    lines = unlabelled.table(study(), "untied")
    assert [(line["told"], line["n_rows"], line["control"]) for line in lines] == [
        ("500 rows", 500, False), ("5,000 rows", 5000, False), ("55,000 rows", 55_000, False),
        ("55,000 rows with shuffled columns", 55_000, True),
    ]  # fmt: skip
    assert [line["cells"][0]["mean"] for line in lines] == [0.01, 0.02, 0.03, -0.02]
    assert [line["behind"] and line["behind"][1]["mean"] for line in lines] == pytest.approx(
        [-0.022, -0.011, None, -0.055]
    )


def test_a_study_without_fewer_rows_has_none():
    some = {arm: n for arm, n in ARMS.items() if "rows" not in arm}
    assert unlabelled.table(study(some), "untied") == [] and unlabelled.sentence([], 500) == ""


def test_curves_have_a_line_for_every_budget_without_the_control():
    found = unlabelled.curves(unlabelled.table(study(), "untied"))
    assert [*found] == ["100 labels", "500 labels"]
    assert [point.n_labels for point in found["100 labels"]] == [500, 5000, 55_000]
    assert found["500 labels"][0] == pytest.approx((500, 1.1, 0.1, 1.6))


def test_the_sentence_says_what_fewer_rows_and_noise_cost_at_the_headline():
    lines = unlabelled.table(study(), "untied")
    lines[1]["behind"][1] |= {"low": -0.02, "high": 0.001}
    lines[3]["behind"][1] |= {"mean": 0.055, "low": 0.05, "high": 0.06}
    assert unlabelled.sentence(lines, 500) == (
        "With 500 labels and as many pretraining steps as on 55,000 rows, fine-tuning loses 2.2 points if pretrained "
        "on 500 rows (95 % CI 1.7 to 3.2, n = 10 runs, exact p = 0.004 by max-t); is not distinguishable if "
        "pretrained on 5,000 rows (95 % CI −2.0 to +0.1, n = 10 runs, exact p = 0.004 by max-t); gains 5.5 points if "
        "pretrained on 55,000 rows with shuffled columns (95 % CI 5.0 to 6.0, n = 10 runs, exact p = 0.004 by max-t)."
    )
