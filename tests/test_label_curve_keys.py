"""What an edit costs a study: the cells whose result it can change are other cells, and no others are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tiny
from studies import UNTUNED, settings

from autoencoders.arms import CURVE_ARMS, ON_CHOSEN_ROWS, ROLES
from tasks.frame import cells, code
from tasks.frame.errors import ConfigError
from tasks.study import keys, rows
from tasks.study.rows import Size

NOISY = tiny.params().label_curve.pretraining_settings | {
    "denoising gaussian": {"noise": 0.9},
    "denoising masking": {"noise": 0.9},
}
LEARNERS = tiny.params().label_curve.learners
ARMS = {*tiny.params().label_curve.arms}
TRAINED = {"fine-tuned", "from scratch", "random features", "frozen encoder"}
PRETRAINED = {"encoders", "fine-tuned", "frozen encoder", "linear probe", "choices"}
EVERYTHING = {"encoders", "choices", *ARMS}


def test_other_data_have_other_cells(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    before = keys.store(settings(), data).stems
    path = data / "prepare" / "test_labels.npy"
    np.save(path, np.load(path)[::-1])
    assert changed(before, keys.store(settings(), data).stems) == {"scores", "choices"}
    path = data / "prepare" / "train.npy"
    np.save(path, np.load(path)[::-1])
    assert changed(before, keys.store(settings(), data).stems) == {"encoders", "scores", "choices"}


def test_a_split_is_drawn_by_class_from_all_rows_so_that_encoders_too_are_known_by_labels_and_test_rows(tmp_path):
    data, split = tiny.prepare(tmp_path / "data"), settings(vary=["labels", "split"])
    for name in ("test_labels", "train_labels", "test"):
        before = keys.store(split, data).stems
        path = data / "prepare" / f"{name}.npy"
        np.save(path, np.load(path)[::-1])
        assert changed(before, keys.store(split, data).stems) == {"encoders", "scores", "choices"}, name


def changed(before, after):
    """Return the kinds of cells of which all have other files; none of the other kinds may have."""
    kinds = {"encoders": "encoder - ", "choices": "choice - "}
    kind = {name: next((k for k, start in kinds.items() if name.startswith(start)), "scores") for name in before}
    moved = {kind[name] for name in before if before[name] != after[name]}
    assert all((before[name] != after[name]) == (kind[name] in moved) for name in before)
    return moved


def test_what_does_not_vary_is_the_same_in_every_run():
    fixed = settings(vary=["weights"])
    every = [keys.seeds(params, run) for params in (settings(), fixed) for run in (0, 1)]
    for role in every[0]:
        assert every[1][role] != every[0][role] == every[2][role]
        assert (every[3][role] == every[2][role]) == (role != "weights")
    pretrainings = [keys.pretraining_streams(params, run) for params in (settings(), fixed) for run in (0, 1)]
    for name in pretrainings[0]:
        assert pretrainings[1][name] != pretrainings[0][name] == pretrainings[2][name]
        assert (pretrainings[3][name] == pretrainings[2][name]) == (name != "weights")
    assert every[0]["weights"] == pretrainings[0]["weights"]
    assert {*every[0], "pretraining order", "pretraining noise", "unlabelled", "split", "tuning"} == {*ROLES}
    assert len({*every[0].values(), *pretrainings[0].values()}) == len(ROLES) - 3


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"n_runs": 9, "n_labels": [3, 6, 15, 30], "arms": [*CURVE_ARMS], "targets": [0.5], "headline": 30}, set()),
        ({"margin": 0.05, "beforehand": {"with_encoder": "linear probe", "without": "SVM"}}, set()),
        ({"pretrainings": ["untied", "tied"], "choices": ["random"], "choice_labels": 20}, {"choices"}),
        ({"pretraining_settings": NOISY}, set()),
        ({"classifier": {"n_steps": 5}}, {*TRAINED, "choices"}),
        ({"classifier": {"weight_decay": 0.5}}, {*TRAINED, "choices"}),
        ({"learners": LEARNERS | {"svm": {"c": 2.0}}}, {"SVM"}),
        (
            {"learners": LEARNERS | {"logistic": {"c": 2.0}}},
            {"logistic regression", "PCA + logistic regression", "linear probe"},
        ),
        ({"tuning": {"spaces": {"svm": {"c": [1.0, 2.0]}}}}, {"SVM"}),
        ({"tuning": {"spaces": {"network": {"weight_decay": [0.1, 0.2]}}}}, TRAINED),
        ({"tuning": {"n_folds": 3}}, ARMS),
        ({"tuning": UNTUNED}, ARMS),
        ({"standardised": False}, EVERYTHING),
        ({"n_unlabelled": 20}, EVERYTHING),
        ({"pretrain_epochs": 3}, PRETRAINED),
        ({"network": {"shape": {"l2": 0.1}}}, PRETRAINED),
        ({"network": {"training": {"learning_rate": 0.5}}}, PRETRAINED),
        ({"vary": ["labels"]}, {*PRETRAINED, "from scratch", "random features"}),
        ({"vary": [*tiny.params().label_curve.vary, "split"]}, EVERYTHING),
    ],
)
def test_another_setting_costs_the_cells_that_use_it_and_no_other(tmp_path, changes, lost):
    data = tiny.prepare(tmp_path / "data")
    before, after = (keys.store(settings(**given), data).stems for given in ({}, changes))
    gone = {name for name in before if name in after and before[name] != after[name] and not name.endswith("run 0")}
    kinds = {
        "encoder": "encoders",
        "choice": "choices",
        "LP-FT": "frozen encoder",
        "top layer fine-tuned": "frozen encoder",
    }
    found = {kinds.get(name.split(" - ")[0], name.split(" - ")[0]) for name in gone}
    assert found == (lost - {"choices"} if "choice_labels" in changes else lost)


def test_a_remark_in_what_names_or_shows_loses_no_cell_and_an_edit_of_the_training_loop_does(tmp_path):
    given = keys.store(settings(), tiny.prepare(tmp_path / "data")).given
    end_to_end, greedy = (
        (f"autoencoders/pretrainings/{way}.py", keys.STANDARDISATION, keys.ROWS) for way in ("end_to_end", "greedy")
    )
    codes = {content["code"] for content in given.values()}
    made = (keys.WORKER, keys.RECIPES, keys.OF_RUN)
    assert cells.shared(settings(), *end_to_end, glue=made)["code"] in codes
    assert cells.shared(settings(), *keys.BENCH, glue=keys.GLUE)["code"] in codes
    assert cells.shared(settings(), *greedy, glue=made)["code"] not in codes
    for paths in (end_to_end, greedy, keys.BENCH, ["tasks/tying.py"], ["tasks/finetune.py"]):
        counts = code.closure(*paths) - code.TABLES
        assert {"autoencoders/training.py", "tasks/frame/files.py"} <= counts
        shows = {"arms", "vocabulary", "learners/svm"}
        assert not counts & {f"autoencoders/{name}.py" for name in shows}
        assert not counts & {f"tasks/frame/{name}.py" for name in ("sections", "experiment", "config", "progress")}
        assert not any("reporting" in file for file in counts)


def test_what_is_trained_on_chosen_rows_and_the_rows_to_pretrain_on_are_in_the_keys(tmp_path, monkeypatch):
    data = tiny.prepare(tmp_path / "data")
    before = keys.store(settings(), data).stems
    other = dataclasses.replace(CURVE_ARMS[ON_CHOSEN_ROWS], trains=(0, -1))
    monkeypatch.setitem(CURVE_ARMS, ON_CHOSEN_ROWS, other)
    after = keys.store(settings(), data).stems
    assert {name.split(" - ")[0] for name in before if before[name] != after[name]} == {"fine-tuned", "choice"}
    some = keys.store(settings(n_unlabelled=20), data).stems
    monkeypatch.setattr(rows, "_drawn", lambda n, k, seed: np.arange(k))
    drawn = keys.store(settings(n_unlabelled=20), data).stems
    assert changed(some, drawn) == {"encoders", "scores", "choices"}, "all see rows standardised by those"


def test_the_books_network_is_none_of_the_studys(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    before = keys.store(settings(), data).stems
    phase = {number: {**own.model_dump(), "epochs": 9} for number, own in tiny.params().phase.items()}
    assert keys.store(tiny.params(network={"shape": {"l2": 0.1}}, phase=phase), data).stems == before


def test_no_key_depends_on_the_machines_load_or_the_place_of_the_data(tmp_path, monkeypatch):
    here, there = (tiny.prepare(tmp_path / name / "data") for name in "ab")
    before = keys.store(settings(), here).stems
    monkeypatch.setenv("PIPELINE_WORKERS", "7")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/elsewhere")
    assert keys.store(settings(), there).stems == before


def test_the_kernel_machine_has_no_budget_beyond_its_limit():
    many = settings(n_labels=[20, 5000, 55_000], headline=20, tuning=UNTUNED)
    assert keys.budgets(many, "SVM", Size(60_000, 784, 10)) == [20, 5000]
    assert keys.budgets(many, "logistic regression", Size(60_000, 784, 10)) == [20, 5000, 55_000]


def test_a_tables_blocks_are_in_the_keys_of_encoders_with_a_loss_by_column_and_of_no_other(tmp_path):
    data = tiny.table(tmp_path / "data")
    lost = {}
    for name, given in (("by column", settings(**tiny.BY_COLUMN)), ("plain", settings())):
        before = keys.store(given, data)
        (data / "prepare/schema.json").write_text((data / "prepare/schema.json").read_text() + " ")
        after = keys.store(given, data)
        lost[name] = {cell for cell, stem in before.stems.items() if stem != after.stems[cell]}
        assert all(("schema" in key) == (name == "by column" and cell.startswith("encoder"))
                   for cell, key in after.given.items())  # fmt: skip
    assert lost["plain"] == set()
    of = {cell.split(" - ")[0] for cell in lost["by column"]}
    assert of == {"encoder", "choice", "linear probe", "frozen encoder", "fine-tuned"}


def test_a_loss_by_column_of_images_is_refused_before_any_cell_is_computed(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"^label_curve\.network\.training\.loss: expected a loss other"):
        keys.store(settings(**tiny.BY_COLUMN), data)
