"""Every size beyond rows, columns, classes or memory has its own line, before anything is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from tasks.frame import config, errors, files, sizes, stage
from tasks.frame.errors import ConfigError, WrongSplit
from tasks.study import runs


def prepared(folder: Path, n_valid: int = 45, n_labelled: int = 60) -> Path:
    """Write what `prepare` says of 67 training rows of 16 columns in 3 classes."""
    metrics = {"n_train": 67, "n_train_labelled": n_labelled, "n_valid": n_valid, "n_features": 16}
    files.write_json(folder / "metrics.json", metrics)
    counts = [n_labelled - 24, 20, 4]
    files.write_json(folder / "manifest.json", {"splits": {"train": {"class_counts": counts}}})
    return folder


def complaint(tmp_path: Path, **sections) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        sizes.check(tiny.params(**sections), prepared(tmp_path))
    return str(raised.value).splitlines()


def test_sizes_that_fit_are_let_through(tmp_path):
    sizes.check(tiny.params(), prepared(tmp_path))
    largest = {"pca": {"n_components": 15}, "finetune": {"n_labels": 60}}
    sizes.check(tiny.params(**largest, visualize={"n_rows": 45, "n_neighbors": 22, "perplexity": 14}), tmp_path)
    sizes.check(tiny.params(finetune={"n_labels": 10**6}), tmp_path / "not there")


SECTION_ONE = [
    ("pca", {"n_components": 16}, "n_components: expected 1 to 15 (fewer than the 16 columns and the 67 training rows"),
    ("visualize", {"n_images": 41}, "n_images: expected 1 to 40 (the rows of visualize.n_rows), received 41"),
    ("visualize", {"n_neighbors": 20}, "n_neighbors: expected 1 to 19 (fewer than half the rows on the map)"),
    ("visualize", {"perplexity": 13.5}, "perplexity: expected 0 to 13 (at most a third of the rows on the map)"),
    ("finetune", {"n_labels": 2}, "n_labels: expected 3 to 60 (one row per class to all labelled training rows)"),
    ("finetune", {"n_labels": 61}, "n_labels: expected 3 to 60 (one row per class to all labelled training rows)"),
    ("label_curve", {"n_labels": [2, 15]}, "n_labels: expected 3 to 60 (one row per class to all labelled training"
     " rows), received [2, 15]; [15, 60] would do"),
    ("label_curve", {"n_labels": [15, 68]}, "n_labels: expected 3 to 60 (one row per class to all labelled training"
     " rows), received [15, 68]; [15, 60] would do"),
    ("label_curve", {"choice_labels": 61}, "choice_labels: expected 3 to 60 (labelled training rows), received 61"),
    ("label_curve", {"pretrainings": ["some rows"]},
     "pretraining_settings.some rows.n_rows: expected 1 to 67 (rows to pretrain on), received 5,000"),
    ("label_curve", {"n_unlabelled": 68}, "n_unlabelled: expected 1 to 67 (training rows), received 68"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "changes", "expected"), SECTION_ONE)
def test_a_size_beyond_the_data_is_one_line_with_its_key(tmp_path, section, changes, expected):
    lines = complaint(tmp_path, **{section: changes})
    assert lines[0].startswith(f"params.yaml: {section}.{expected}"), lines
    assert len(lines) == 1


def test_a_loss_by_column_needs_a_table(tmp_path):
    by_column = {"label_curve": tiny.BY_COLUMN, "finetune": {"n_labels": 99}}
    lines = complaint(tmp_path, **by_column)
    assert len(lines) == 2 and lines[1] == (
        "params.yaml: label_curve.network.training.loss: expected a loss other than by_column, such as"
        " mean_squared_error: by_column is for tables, and these data are none"
    )
    files.write_json(tmp_path / "schema.json", {})
    assert len(complaint(tmp_path, **by_column)) == 1


def test_all_wrong_sizes_are_told_at_once(tmp_path):
    lines = complaint(tmp_path, pca={"n_components": 99}, finetune={"n_labels": 99})
    assert [re.split(": ", line)[1] for line in lines] == ["pca.n_components", "finetune.n_labels"]


def test_too_few_rows_for_any_value_are_told_with_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match=r"visualize\.n_rows: expected 20 or more validation rows, these data have 9"):
        sizes.check(tiny.params(), prepared(tmp_path, n_valid=9))


def test_a_network_beyond_the_memory_is_refused_before_it_is_built(tmp_path):
    params = tiny.params(network={"shape": {"units": [10**9, 4]}})
    with pytest.raises(
        MemoryError, match=r"params\.yaml: network\.shape\.units: .* 16 - 1000000000 - 4 units: .* 16 by"
    ):
        sizes.check(params, prepared(tmp_path))
    sizes.check(params, tmp_path, trains=False)
    phases = {key: {**phase.model_dump(), "units": 2**30} for key, phase in tiny.params().phase.items()}
    with pytest.raises(MemoryError) as raised:
        sizes.check(tiny.params(phase=phases), tmp_path)
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == ["phase.1.units", "phase.2.units"]
    assert errors.exit_code(raised.value) == 7


def test_every_stage_after_prepare_and_prepare_itself_check_the_sizes(fresh_repository, as_stage):
    ran = []

    def prepare(params, data, out, key):
        ran.append(out.name)
        prepared(out)

    as_stage(prepare, "prepare")
    with pytest.raises(ConfigError, match=r"finetune\.n_labels: expected 3 to 60"):  # of the committed params.yaml
        stage.execute("prepare")
    assert len(ran) == 1 and not Path("data/prepare").exists()
    Path("data/prepare").mkdir()
    prepared(Path("data/prepare"))
    as_stage(lambda *_: ran.append("toy"))
    with pytest.raises(ConfigError, match=r"finetune\.n_labels: expected 3 to 60"):
        stage.execute("toy")
    assert "toy" not in ran


@pytest.mark.slow
def test_a_coding_as_wide_as_its_input_is_warned_of(tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(sizes, "say", said.append)
    data = tiny.prepare(tmp_path / "data")
    tiny.run("pretrain", data, settings=tiny.params(network={"shape": {"units": [20, 15]}}, pretrain={"epochs": 1}))
    assert said == []  # a wide hidden layer is no wide coding
    values = {key: {**phase.model_dump(), "units": 16} for key, phase in tiny.params().phase.items()}
    tiny.run("phase", data, "1", settings=tiny.params(phase=values))
    assert said[0].startswith(
        "warning: params.yaml: phase.1.units: a coding of 16 for an input of 16 need not compress"
    )


@pytest.mark.parametrize(("pretraining", "coding", "warned"), [
    ("untied", 16, True), ("untied", 15, False), ("denoising masking", 16, False),
])  # fmt: skip
def test_a_studys_coding_as_wide_as_its_input_is_warned_of_before_it_is_trained(
    tmp_path, monkeypatch, pretraining, coding, warned
):
    def compute(*_):
        raise InterruptedError

    said: list[str] = []
    monkeypatch.setattr(sizes, "say", said.append)
    monkeypatch.setattr(runs, "compute", compute)
    settings = {"pretrainings": [pretraining], "network": {"shape": {"units": [20, coding]}}}
    with pytest.raises(InterruptedError):
        tiny.run("label_curve", tiny.prepare(tmp_path / "data"), settings=tiny.params(label_curve=settings))
    assert [line.split(": ")[2] for line in said] == ["label_curve.network.shape.units"] * warned


def test_data_on_which_pca_leaves_nothing_out_are_refused(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    x = np.load(data / "prepare/train.npy")
    x[:, 3:] = x[:, :1]
    np.save(data / "prepare/train.npy", x)
    with pytest.raises(ConfigError, match=r"pca\.n_components: expected fewer than the dimensions of the 67 training"):
        tiny.run("pca", data)


@pytest.mark.parametrize("path", sorted((tiny.ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sizes_of_every_experiment_fit_its_data(path, tmp_path, monkeypatch):
    from flows import experiments

    monkeypatch.chdir(tiny.ROOT)
    params = config.check(experiments.merged_values(Path("params.yaml").read_text(encoding="utf-8"), path.stem), path)
    n, n_features, n_classes = {"digits": (1297, 64, 10), "file": (1500, 20, 3)}.get(
        params.fetch.dataset, (55_000, 784, 10)
    )
    metrics = {"n_train": n, "n_train_labelled": n, "n_valid": params.prepare.n_valid, "n_features": n_features}
    files.write_json(tmp_path / "metrics.json", metrics)
    counts = [n // n_classes] * n_classes
    files.write_json(tmp_path / "manifest.json", {"splits": {"train": {"class_counts": counts}}})
    sizes.check(params, tmp_path)


@pytest.mark.parametrize(("free", "fits"), [(5696, True), (5695, False)])
def test_a_network_may_need_all_of_the_free_memory(monkeypatch, free, fits):
    """16 - 8 - 4 and back: 2 x 160 weights, 12 biases before the coding and 24 after it, at 16 bytes each."""
    monkeypatch.setattr(sizes.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    lines = [*sizes._too_large(tiny.params(), 16)]
    assert [line.split(": ")[1] for line in lines] == (
        [] if fits else ["network.shape.units", "label_curve.network.shape.units"]
    )


@pytest.mark.parametrize(("width", "warned"), [(15, True), (16, True), (17, False)])
def test_a_coding_is_as_wide_as_its_input_from_its_width_on(monkeypatch, width, warned):
    said: list[str] = []
    monkeypatch.setattr(sizes, "say", said.append)
    sizes.warn_if_wide("a.units", 16, width)
    assert bool(said) is warned


@pytest.mark.parametrize(
    ("least", "value", "greatest", "said"),
    [(2, 2, 4, None), (2, 4, 4, None), (4, 4, 4, None), (2, 1.5, 4, "expected 2 to 4 (rows), received 1.5; 2 would do"),
     (2, 5, 4, "expected 2 to 4 (rows), received 5; 4 would do"),
     (2000, 3, 1999, "expected 2,000 or more rows, these data have 1,999"),
     (1000, 999, 2500.5, "expected 1,000 to 2,500.5 (rows), received 999; 1000 would do")],
)  # fmt: skip
def test_a_range_holds_its_ends_and_an_empty_one_says_what_there_is(least, value, greatest, said):
    assert sizes.Bound("a.b", value, least, greatest, "rows").complaint() == (said and f"a.b: {said}")


def test_a_class_without_rows_counts_for_nothing_and_tuning_bounds_no_budget(tmp_path):
    """Below 5 labels a class nothing is tuned, and a class may have fewer rows than there are folds."""
    files.write_json(prepared(tmp_path) / "manifest.json", {"splits": {"train": {"class_counts": [40, 0, 16, 4]}}})
    assert sizes._read(tmp_path) == sizes.Sizes(67, 60, 45, 16, [40, 16, 4])
    sizes.check(tiny.params(label_curve={"tuning": {"n_folds": 5}, "n_labels": [3, 15]}), tmp_path)
    sizes.check(tiny.params(label_curve={"choices": [], "choice_labels": 10**6, "n_unlabelled": 67}), tmp_path)


def test_the_studys_own_network_may_be_too_large_where_the_other_is_not(tmp_path):
    params = tiny.params(label_curve={"network": {"shape": {"units": [10**9, 4]}}})
    with pytest.raises(MemoryError, match=r"^params\.yaml: label_curve\.network\.shape\.units: .* 4 units"):
        sizes.check(params, prepared(tmp_path))


def test_a_headline_that_goes_with_its_budget_has_its_line_with_one_that_would_do(tmp_path):
    lines = complaint(tmp_path, label_curve={"n_labels": [10, 20, 500], "headline": 500})
    assert lines[1] == "params.yaml: label_curve.headline: expected one of these budgets, received 500; 20 would do"


@pytest.mark.parametrize(
    ("n_labelled", "n_classes", "has_test", "split"),
    [(90, 3, False, (5000, 0)), (600, 2, False, (500, 1000)), (600, 10, True, (5000, 0)), (70, 2, False, (30, 60)),
     (100_000, 100, False, (99_990, 5)), (150, 3, False, (149, 149))],
)  # fmt: skip
def test_after_a_wrong_split_every_wrong_size_is_told_with_a_value_and_all_of_them_fit(
    n_labelled, n_classes, has_test, split
):
    """The second start is let through: nobody learns of one wrong key at a time."""
    names = ("n_valid", "n_test")
    expected = {f"prepare.{name}": "other" for name in names if not (has_test and name == "n_test")}
    wrong = WrongSplit.of(expected, n_rows=n_labelled + 7, n_labelled=n_labelled, n_columns=16, n_classes=n_classes,
                          has_test=has_test)  # fmt: skip
    params = tiny.params(prepare=dict(zip(names, split, strict=True)), finetune={"n_labels": 10**6},
                         label_curve={"n_labels": [1, 10**6], "headline": 10**6})  # fmt: skip
    lines = str(sizes.of_wrong_split(params, wrong)).splitlines()
    assert {*expected, "finetune.n_labels", "label_curve.n_labels", "label_curve.headline"} <= {
        line.split(": ")[1] for line in lines
    }
    values = params.model_dump()
    for line in lines:
        section, key = line.split(": ")[1].split(".")
        values[section][key] = json.loads(re.search(r"(?:; )([^;]+) would do$", line)[1])
    fitting = config.check(values, Path("params.yaml"))
    n_left = n_labelled - fitting.prepare.n_valid - fitting.prepare.n_test
    found = sizes.Sizes(n_left + 7, n_left, fitting.prepare.n_valid, 16, [n_left] * n_classes)
    assert not list(sizes._complaints(fitting, found))


def test_a_study_need_not_fit_the_books_stages(tmp_path):
    wrong = tiny.params(pca={"n_components": 99}, label_curve={"n_labels": [15, 99], "headline": 15})
    with pytest.raises(ConfigError) as raised:
        sizes.check(wrong, prepared(tmp_path), book=False)
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == ["label_curve.n_labels"]
