"""The estimate of a study's time: read from the table, between its points, and never from the clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autoencoders.arms import ARMS, BASELINES, LEARNERS
from tasks.study import costs

TABLE = """work,n_columns,n_labels,seconds
svm,10,100,1
svm,10,400,4
svm,1000,100,100
svm,1000,400,400
logistic,10,100,2
logistic,10,400,1
fine-tuned,10,0,0.5
fine-tuned,1000,0,5
pretraining,10,0,3
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    (tmp_path / "costs.csv").write_text(TABLE)
    monkeypatch.setattr(costs, "TABLE", tmp_path / "costs.csv")
    costs.table.cache_clear()
    yield
    costs.table.cache_clear()


@pytest.mark.parametrize(
    ("n_labels", "n_columns", "expected"),
    [(100, 10, 1), (400, 10, 4), (200, 10, 2), (100, 100, 10), (200, 100, 20), (1600, 1000, 1600), (20, 10, 1),
     (100, 5, 1), (100, 2000, 200)],
)  # fmt: skip
def test_seconds_are_log_linear_between_the_points_and_beyond_the_last(made_up, n_labels, n_columns, expected):
    assert costs.seconds("SVM", n_labels, n_columns) == pytest.approx(expected)
    assert costs.seconds("SVM", n_labels, n_columns, 17) == pytest.approx(17 * expected)


def test_a_falling_line_does_not_go_on(made_up):
    assert costs.seconds("logistic regression", 6400, 10) == pytest.approx(1)


def test_a_network_takes_time_by_its_steps_and_none_by_its_labels(made_up):
    assert costs.seconds("fine-tuned", 50, 10, 3, 2000) == costs.seconds("fine-tuned", 5000, 10, 3, 2000) == 3.0


def test_a_classifier_over_the_limit_is_left_out_and_a_network_never(made_up):
    assert not costs.left_out("SVM", 400, 10, 15) and costs.left_out("SVM", 400, 10, 16)
    assert not costs.left_out("fine-tuned", 400, 1000, 10**6)


def test_the_factor_of_a_machine_is_a_ratio_of_sums_and_one_without_cells():
    assert costs.machine_factor([2.0, 10.0], [1.0, 3.0]) == 3.0
    assert costs.machine_factor([], []) == 1.0


def test_the_table_in_git_has_every_learner_arm_and_the_pretraining():
    table = costs.table()
    assert {*table} == {*LEARNERS, *(arm.name for arm in ARMS), costs.PRETRAINING}
    assert all(value > 0 for of_work in table.values() for points in of_work.values() for value in points.values())
    shapes = {name: {columns: {*points} for columns, points in of_work.items()} for name, of_work in table.items()}
    assert len({str(shapes[name]) for name in LEARNERS}) == 1, "every learner was measured at the same points"
    assert all(costs.seconds(arm.name, 1000, 100, 1, 1000) > 0 for arm in (*ARMS, *BASELINES))


def test_seventeen_fits_of_self_training_stay_under_the_limit_with_784_columns():
    kept = [n for n in (50, 100, 500, 2000) if not costs.left_out("self-training", n, 784, 17)]
    assert kept == [50, 100, 500, 2000]


def test_the_estimate_imports_no_keras():
    code = "import sys, tasks.study.costs as costs; costs.table(); print('keras' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
