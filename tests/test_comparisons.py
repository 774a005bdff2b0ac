"""The study's comparisons: which there are, their families, and the rows that an interval is over."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from studies import MANY, settings

from autoencoders.families import max_t
from autoencoders.statistics import paired
from autoencoders.study import packed
from tasks.study import comparisons


@pytest.mark.parametrize(
    ("arm", "against", "main", "compared"),
    [("SVM", "from scratch", "fine-tuned", True), ("from scratch", "from scratch", "fine-tuned", False),
     ("fine-tuned", "random features", "fine-tuned - untied", True),
     ("fine-tuned - tied", "fine-tuned", "fine-tuned", True), ("SVM", "fine-tuned", "fine-tuned", False),
     ("fine-tuned - tied", "from scratch", "fine-tuned", True),
     ("fine-tuned - tied", "from scratch", "fine-tuned - untied", False),
     ("fine-tuned - tied", "fine-tuned - untied", "fine-tuned - untied", True),
     ("fine-tuned - untied", "fine-tuned - untied", "fine-tuned - untied", False),
     ("fine-tuned", "fine-tuned - untied", "fine-tuned - untied", False),
     ("LP-FT - tied", "fine-tuned", "fine-tuned", False)],
)  # fmt: skip
def test_all_are_compared_with_untrained_encoders_and_pretrainings_with_the_main_one(arm, against, main, compared):
    assert comparisons.is_compared(arm, against, main) is compared


def test_the_base_of_other_pretrainings_has_fixed_settings_as_they_have():
    assert comparisons.reference(settings(**MANY)) == "fine-tuned - untied"
    assert comparisons.reference(settings(**MANY, tuning={"n_configurations": 1})) == "fine-tuned"
    cell = {"arm": "fine-tuned", "pretraining": "untied", "n_labels": 6, "run": 0, "fixed": False}
    assert comparisons.name_of(settings(**MANY), cell) == "fine-tuned"
    assert comparisons.name_of(settings(**MANY), cell | {"fixed": True}) == "fine-tuned - untied"
    assert comparisons.name_of(settings(**MANY), cell | {"pretraining": "denoising masking"}).endswith("masking")


CURVES = {
    "from scratch": np.array([[0.1, 0.2], [0.1, 0.3], [0.2, 0.2]]),
    "random features": np.array([[0.0, 0.1], [0.1, 0.1], [0.1, 0.2]]),
    "fine-tuned": np.array([[0.2, 0.3], [0.3, 0.3], [0.3, 0.5]]),
    "SVM": np.array([[0.4], [0.2], [0.3]]),
    "fine-tuned - tied": np.array([[0.2, 0.4], [0.4, 0.3], [0.3, 0.6]]),
}


def test_families_are_the_main_question_and_all_others_with_one_base():
    found = comparisons.compared([6, 15], CURVES, None, "fine-tuned")
    rows = list(comparisons.table(found))
    sizes = {}
    for row in rows:
        sizes.setdefault((row["family"], row["n_family"]), []).append((row["arm"], row["n_labels"]))
    assert sizes == {
        ("others against from scratch", 5): [("random features", 6), ("random features", 15), ("SVM", 6),
                                             ("fine-tuned - tied", 6), ("fine-tuned - tied", 15)],
        ("main", 2): [("fine-tuned", 6), ("fine-tuned", 15)],
        ("others against random features", 7): [("from scratch", 6), ("from scratch", 15), ("fine-tuned", 6),
                                                ("fine-tuned", 15), ("SVM", 6), ("fine-tuned - tied", 6),
                                                ("fine-tuned - tied", 15)],
        ("others against fine-tuned", 2): [("fine-tuned - tied", 6), ("fine-tuned - tied", 15)],
    }  # fmt: skip
    main = [row for row in rows if row["family"] == "main"]
    pairs = [paired(CURVES["fine-tuned"][:, k], CURVES["from scratch"][:, k]) for k in (0, 1)]
    differences = CURVES["fine-tuned"] - CURVES["from scratch"]
    for row, pair, p in zip(main, pairs, max_t(differences), strict=True):
        assert {name: row[name] for name in asdict(pair)} == asdict(pair)
        assert (row["p_holm"], row["p_max_t"]) == (min(1.0, 2 * min(one.p for one in pairs)), p)
        assert row["against"] == "from scratch" and row["distinguishable"] == pair.distinguishable


def result(arm, n_labels, run, right, pretraining=""):
    cell = {"arm": arm, "pretraining": pretraining, "n_labels": n_labels, "run": run, "fixed": False}
    return {"cell": cell, "right": packed(np.array(right, bool))}


def test_the_right_rows_of_every_arm_are_those_of_its_cells_and_none_where_it_did_not_run():
    params = settings(**MANY | {"n_runs": 2})
    results = [
        result("SVM", 6, 0, [1, 0, 1]),
        result("SVM", 6, 1, [0, 0, 1]),
        result("fine-tuned", 15, 1, [1, 1, 1], "untied"),
        result("fine-tuned", 30, 0, [0, 1, 0], "tied"),
    ]
    found = comparisons.rights(params, results, 3)
    assert {arm: bits.shape for arm, bits in found.items()} == dict.fromkeys(
        ("SVM", "fine-tuned", "fine-tuned - tied"), (2, 3, 3)
    )
    assert found["SVM"].astype(int).tolist() == [[[1, 0, 1], [0] * 3, [0] * 3], [[0, 0, 1], [0] * 3, [0] * 3]]
    assert found["fine-tuned"][1, 1].all() and found["fine-tuned"].sum() == 3
    assert found["fine-tuned - tied"][0, 2].tolist() == [False, True, False]
    split = settings(**MANY | {"n_runs": 2}, vary=["labels", "split"])
    assert comparisons.rights(split, results, 3) is None, "every run has test rows of its own"


def test_with_the_right_rows_an_interval_is_over_runs_and_rows():
    rng = np.random.default_rng(0)
    right = {arm: rng.random((3, 1, 40)) < 0.5 + 0.4 * (rng.random(40) < 0.5) for arm in list(CURVES)[:3]}
    curves = {arm: bits.mean(axis=2) for arm, bits in right.items()}
    found = comparisons.compared([6], curves, right, "fine-tuned")
    one = next(member for member in found if (member.arm, member.against) == ("fine-tuned", "from scratch"))
    bits = (right["fine-tuned"][:, 0], right["from scratch"][:, 0])
    expected = paired(curves["fine-tuned"][:, 0], curves["from scratch"][:, 0], rights=bits)
    assert one.pair == expected and {"se", "df", "se_rows"} < {*next(comparisons.table([one]))}
