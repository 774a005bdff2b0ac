"""What is said of a pilot: runs, minutes, and what a test set can never show."""

from __future__ import annotations

import pytest
import tiny

from autoencoders.power import Parts, Plan, plan
from tasks.study import answer
from tasks.study.pilot import SCRATCH, WITHOUT

PARAMS = tiny.params()
COUNTS = {"n_valid": 5000, "n_test": 10_000}
SMALL = Plan(n_needed=14, low=6, high=96, least=0.016, never=0.004, rows_needed=1600)


def said(seconds=100.0, counts=COUNTS, **plans):
    return [*answer.lines(PARAMS, plans, seconds=seconds, **counts)]


def test_the_answer_is_of_runs_minutes_the_planned_runs_and_the_test_rows():
    first, *lines, last = said(scratch=SMALL)
    assert "3 runs with 15 labels, scored on 5,000 validation rows and no test row" in first
    assert lines == [
        "The best use of the autoencoder against the same network from scratch:",
        "  About 14 runs find 1 point, 23 minutes of a processor. This is rough: the scatter of 3 runs gives 6 to 96"
        " runs (80 % interval).",
        "  The planned 3 runs find 1.6 points or more.",
        "  With 10,000 test rows, no number of runs ever finds less than 0.4 points.",
    ]
    assert last.startswith("A run of the study takes about 2 minutes of a processor here; set label_curve.n_runs")


def test_where_no_number_of_runs_will_do_the_test_rows_that_would_are_told():
    never = Plan(n_needed=None, low=None, high=None, least=0.03, never=0.021, rows_needed=1360)
    lines = said(scratch=SMALL, without=never, counts={"n_valid": 200, "n_test": 300})
    assert lines[5:9] == [
        "The best use of the autoencoder against the best method without it:",
        "  No number of runs finds 1 point: 300 test rows are too few, it takes 1,360 or more.",
        "  The planned 3 runs find 3.0 points or more.",
        "  With 300 test rows, no number of runs ever finds less than 2.1 points.",
    ]


def test_an_interval_without_an_end_and_rows_without_a_part_are_told_as_such():
    open_ended = Plan(n_needed=14, low=6, high=None, least=0.0004, never=0.0, rows_needed=1)
    lines = said(seconds=2.0, scratch=open_ended)
    assert "28 seconds of a processor" in lines[2] and "6 to 10,000 or more runs" in lines[2]
    assert lines[3] == "  The planned 3 runs find 0.04 points or more." and len(lines) == 5


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (30, "30 seconds"), (50, "1 minute"), (80, "1 minute"), (90_000, "1,500 minutes")],
)
def test_times_are_told_in_seconds_and_minutes(seconds, words):
    assert answer._minutes(seconds) == words


def test_the_opponents_are_the_verdicts():
    assert [*answer.OPPONENTS] == [SCRATCH, WITHOUT]


def test_a_plan_is_for_one_margin_the_studys_runs_and_the_test_rows():
    found = Parts(run=0.3, row=0.5, rest=0.1, n_runs=3, n_rows=200)
    assert answer.plans(PARAMS, {WITHOUT: found}, 700) == {WITHOUT: plan(found, effect=0.01, n_rows=700, n_runs=3)}
