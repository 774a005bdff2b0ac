"""The grid of a sweep: what is read, and what is refused before anything runs."""

from __future__ import annotations

import shutil

import clones
import numpy as np
import pytest
from ruamel.yaml import YAML

from flows import experiments, grid
from tasks.frame import files
from tasks.frame.errors import ConfigError, UsageError

BASE = (clones.ROOT / "params.yaml").read_text(encoding="utf-8")


def made(text: str, **given):
    """Return the combinations of a grid."""
    return grid.combinations(BASE, grid.parse(text), **{"most": 64, "stages": ["pretrain"]} | given)


def lines(text: str, **given) -> list[str]:
    """Return the lines of a grid's error."""
    with pytest.raises(UsageError) as error:
        made(text, **given)
    return str(error.value).splitlines()


@pytest.fixture(autouse=True)
def alone(here):
    """Stand in a folder without data."""
    grid._was_prepared.cache_clear()


def test_every_combination_is_there_once_the_last_key_changing_first():
    found = made(" pretrain.epochs=[10,20]  network.shape.units=[[100, 30] , [64,16]] ")
    assert [str(one) for one in found] == [
        f"pretrain.epochs={epochs} network.shape.units={units}"
        for epochs in (10, 20)
        for units in ([100, 30], [64, 16])
    ]
    assert [(one.params.pretrain.epochs, one.params.network.shape.units) for one in found] == [
        (epochs, units) for epochs in (10, 20) for units in ([100, 30], [64, 16])
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("phase.1.epochs=[3]", 3),
        ("seed=[7]", 7),
        ("pretrain.noise=[{kind: gaussian, amount: 0.5}]", {"kind": "gaussian", "amount": 0.5}),
        ("report.title=['a = b: c']", "a = b: c"),
        ("label_curve.pretraining_settings.denoising gaussian.noise=[0.3]", 0.3),
        ("network.shape.units=[[64, 16]]", [64, 16]),
        ("phase.2.noise=[{kind: masking, amount: 0.25}]", {"kind": "masking", "amount": 0.25}),
    ],
)
def test_the_file_of_a_combination_is_params_yaml_with_its_values_and_its_comments(text, value):
    (one,) = made(text)
    written = experiments.changed(BASE, one.changes, grid.GRID)
    expected = YAML(typ="safe").load(BASE)
    *parents, last = next(iter(one.values)).split(".")
    section = expected
    for parent in parents:
        section = section[parent]
    section[last] = value
    assert YAML(typ="safe").load(written) == expected
    assert written.count("#") == BASE.count("#") or "phase" in text  # an entry of `phase` is written anew


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["expected KEY=[VALUE, ...], such as pretrain.epochs=[10,20], received nothing"]),
        ("pretrain", ["expected KEY=[VALUE, ...], such as pretrain.epochs=[10,20], received pretrain"]),
        ("pretrain.epochs=10", ["pretrain.epochs: expected a list of values, such as [10, 20], received 10"]),
        ("pretrain.epochs=", ["pretrain.epochs: expected a list of values, such as [10, 20], received nothing"]),
        ("pretrain.epochs=[1", ["pretrain.epochs: expected YAML, received '[1'"]),
        (
            "pretrain.epochs=[] seed=[1] seed=[2]",
            [
                "pretrain.epochs: expected one value or more, received an empty list",
                "seed: expected every parameter once, received seed, too",
            ],
        ),
        (
            "network.shape.units=[[3]] network.shape=[{units: [3]}]",
            ["network.shape: expected every parameter once, received network.shape.units, too"],
        ),
        (
            "pretran.epochs=[3,4] seed=[1,'x'] pretrain.epochs=[1,2.5]",
            [
                "pretran: unknown key, did you mean pretrain?",
                "pretrain.epochs: expected a whole number, received 2.5",
                "seed: expected a whole number, received 'x'",
            ],
        ),
        ("label_curve.headline=[100,101]", ["label_curve: expected a headline out of n_labels, received 101"]),
        ("pretrain.noise.amount=[1]", ["pretrain.noise.amount: expected a section pretrain.noise, it is nothing"]),
        (
            "network.training.learning_rate=[1,2,1.0]",
            ["expected every combination once, received network.training.learning_rate=1.0 twice"],
        ),
    ],
)
def test_every_error_is_one_line(text, said):
    assert sorted(lines(text)) == sorted(f"GRID: {line}" for line in said)


def test_too_many_combinations_are_counted_and_not_made():
    (line,) = lines("seed=[1,2,3] threads=[1,2]", most=5)
    assert line == "GRID: expected at most 5 combinations, received 6; --at-most 6 allows them"
    many = " ".join(f"{key}={[*range(1, 1001)]}" for key in ("seed", "pretrain.epochs", "tying.epochs", "stack.epochs"))
    assert "received 1,000,000,000,000" in lines(many)[0]
    assert len(made("seed=[1,2,3] threads=[1,2]", most=6)) == 6


def test_an_error_of_params_yaml_itself_is_not_the_grids():
    with pytest.raises(ConfigError, match=r"^params\.yaml: seed: expected a whole number"):
        grid.combinations(BASE.replace("seed: 42", "seed: x"), {"seed": [1]}, most=2, stages=[])


@pytest.fixture
def prepared(data, alone, here):
    """Put made-up data of the size of Fashion-MNIST beside dvc.yaml and a dvc.lock with their parameters."""
    shutil.copy(clones.ROOT / "dvc.yaml", here)
    size = {"n_train": 55000, "n_train_labelled": 55000, "n_valid": 5000, "n_features": 784}
    files.write_json(here / "data/prepare/metrics.json", size)
    manifest = files.read_json(here / "data/prepare/manifest.json")
    manifest["splits"]["train"]["class_counts"] = [5500] * 10
    files.write_json(here / "data/prepare/manifest.json", manifest)
    np.save(here / "data/prepare/train.npy", np.zeros((100, 784), "float32"))
    values, yaml = YAML(typ="safe").load(BASE), YAML()
    made_with = {"fetch": ["fetch"], "prepare": ["seed", "threads", "prepare"], "phase@1": ["phase"]}
    entries = {
        name: {"params": {"params.yaml": {key: values[key] for key in keys}}, "outs": [{"path": f"data/{name}"}]}
        for name, keys in made_with.items()
    }
    entries["prepare"]["deps"] = [{"path": "data/fetch"}]
    yaml.dump({"stages": entries}, here / "dvc.lock")


def test_sizes_are_checked_against_the_prepared_data_if_they_are_those_of_the_combination(prepared):
    (line,) = lines("visualize.n_images=[4,100000]")
    assert line.startswith("GRID: visualize.n_images: expected 1 to 5,000 (") and line.endswith("5000 would do")
    assert len(made("visualize.n_images=[4,100000]", stages=["fetch", "prepare", "label_curve"])) == 2
    assert len(made("visualize.n_images=[4,100000] prepare.n_valid=[4000]")) == 2, "of other data, its run checks it"


def test_minutes_are_estimated_for_studies_of_prepared_data(prepared):
    params = made("seed=[42]")[0].params
    assert grid.minutes(params, ["label_curve"]) > 0 == grid.minutes(params, ["pretrain"])
    assert grid.minutes(made("seed=[1]")[0].params, ["label_curve"]) == 0
    assert [grid.told(n) for n in (0.0, 0.2, 1234.5)] == [
        "", ", about 1 minute for their studies", ", about 1,235 minutes for their studies"
    ]  # fmt: skip
    (line,) = lines("label_curve.n_runs=[2,3,4]", most=2, stages=["label_curve"])
    assert "received 3, about " in line and " minutes for their studies; --at-most" in line


def test_a_key_that_params_yaml_lacks_such_as_a_column_is_written():
    base = "a:\n  b: {}  # kept\n  c:\n    d: 1\n    # of f\n    f: [2]\nz: 1  # kept\n"
    text = experiments.changed(base, '{"a": {"b": {"x": 1}, "c": {"g": {"h": 3}}}, "z": 2}', grid.GRID)
    assert YAML(typ="safe").load(text) == {"a": {"b": {"x": 1}, "c": {"d": 1, "f": [2], "g": {"h": 3}}}, "z": 2}
    assert text.count("# kept") == 2
