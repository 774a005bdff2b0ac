"""A paper's claims: filled in with metrics, judged by them, shown on the report page."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.frame.sections import Claim
from tasks.reporting import claims

METRICS = {"a.x": 1.0, "a.y": 2.0}


def claim(**changes):
    """Return a claim about a.x and a.y."""
    given = {"question": "Is x below y?", "paper": "yes", "ours": "{a.x:.1f}", "holds": "a.x < a.y", "note": "Why not?"}
    return Claim(**given | changes)


def test_a_statement_of_metrics_and_numbers_is_true_or_not():
    assert claims.holds("a.x < a.y and a.y > 1.5", METRICS)
    assert not claims.holds("a.x < a.y and a.y > 2.5", METRICS)
    assert claims.filled("from {a.x:.2f} to {a.y:.1p}", METRICS) == "from 1.00 to +200.0"


def test_a_row_holds_the_papers_words_and_ours():
    rows = claims.table([claim(), claim(holds="a.x > 1.5")], METRICS)
    assert [row["holds"] for row in rows] == [True, False]
    assert (rows[0]["ours"], rows[0]["paper"], rows[0]["note"]) == ("1.0", "yes", "Why not?")


def test_a_claim_stands_on_the_studys_page_where_it_names_the_studys_metrics_alone():
    study = claim(holds="label_curve.a > 0.5", ours="{prepare.b:.0f}")
    book, both = claim(), claim(holds="label_curve.a < 1", ours="{pretrain.b:.2f}")
    assert claims.of_stage([study, book, both], "report") == [study]
    assert claims.of_stage([study, book, both], "book") == [book, both]


@pytest.mark.parametrize("changes", [{"holds": "a.z < 1"}, {"ours": "{a.z:.1f}"}])
def test_a_metric_that_no_stage_wrote_leaves_its_claim_open_and_is_named(changes):
    rows = claims.table([claim(**changes), claim()], METRICS)
    assert (rows[0]["ours"], rows[0]["holds"], rows[0]["missing"]) == (None, None, "a.z")
    assert rows[1]["holds"] is True


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"holds": "a.x <= 1"}, "expected `metric < number`"),
        ({"holds": "a.x"}, "received 'a.x'"),
        ({"holds": "a.x < 1 or a.x > 2"}, "several with `and`"),
        ({"ours": "{a.x}"}, "expected metrics as {stage.metric:.2f}"),
        ({"ours": "{a.x:.2e}"}, "received '{a.x:.2e}'"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused_before_anything_runs(changes, words):
    with pytest.raises(ValidationError, match=words):
        claim(**changes)
