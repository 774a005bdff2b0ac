"""params.yaml: every wrong entry is one line that a person understands; nothing runs after it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAML

from autoencoders.arms import LEARNERS, Share
from flows import experiments
from tasks.frame import config, fields
from tasks.frame import sections as sections_module
from tasks.frame.errors import ConfigError
from tasks.frame.sections import Params
from tests.inputs import UNUSED

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
ABSENT = object()
HASH = "0123456789abcdef" * 4
CLAIM = {"question": "a", "paper": "b", "ours": "c", "holds": "a.x < 1", "note": "d"}


def changed(*place: str | int, value: Any) -> Any:
    """Return the content of params.yaml with one entry set, or taken out."""
    values = config.read(ROOT / "params.yaml")
    section = values
    for part in place[:-1]:
        section = section[part]
    if value is ABSENT:
        del section[place[-1]]
    else:
        section[place[-1]] = value
    return values


def complaint(values: Any) -> str:
    """Return what is said about the content of a parameter file."""
    with pytest.raises(ConfigError) as raised:
        config.check(values, Path("params.yaml"))
    return str(raised.value)


PHASES = config.read(ROOT / "params.yaml")["phase"]

IN_ORDER = "phase: expected phases '1', '2', ... in this order, the numbers in quotes, received"
WRONG_ENTRIES = [
    # Keys that are not known, at every level, with the key that was meant; and keys that lack.
    (("sed",), 42, "sed: unknown key, did you mean seed?"),
    (("Network",), {}, "Network: unknown key, did you mean network?"),
    (("zzz",), 1, "zzz: unknown key, expected seed, threads, network, fetch, prepare, pca, pretrain, tying, phase, "
        "encode, stack, layerwise, visualize, finetune, book, label_curve, report, track"),
    (("pretrain", "epoch"), 3, "pretrain.epoch: unknown key, did you mean epochs?"),
    (("encode", "zzz"), 3, "encode.zzz: unknown key, expected batch_size"),
    (("phase", "2", "unit"), 3, "phase.2.unit: unknown key, did you mean units?"),
    (("report", "claims"), [{**CLAIM, "papr": "x"}], "report.claims[0].papr: unknown key, did you mean paper?"),
    (("encode", 3), 3, "encode[3]: unknown key, expected batch_size"),
    (("encode", None), 3, "encode.None: unknown key, expected batch_size"),
    (("encode", "a\nb"), 3, "'encode.a\\nb': unknown key, expected batch_size"),
    (("seed",), ABSENT, "seed: missing key"),
    (("finetune",), ABSENT, "finetune: missing key"),
    (("network", "training", "loss"), ABSENT, "network.training.loss: missing key"),
    (("phase", "1", "units"), ABSENT, "phase.1.units: missing key"),
    (("report", "claims"), [{name: CLAIM[name] for name in CLAIM if name != "note"}],
        "report.claims[0].note: missing key"),
    # Types.
    (("seed",), "42", "seed: expected a whole number, received '42'"),
    (("seed",), None, "seed: expected a whole number, received nothing"),
    (("seed",), 42.0, "seed: expected a whole number, received 42.0"),
    (("seed",), True, "seed: expected a whole number, received true"),
    (("threads",), [1], "threads: expected a whole number, received [1]"),
    (("network", "training", "learning_rate"), "1,5",
        "network.training.learning_rate: expected a number, received '1,5'"),
    (("network", "training", "learning_rate"), False,
        "network.training.learning_rate: expected a number, received false"),
    (("pretrain", "tied"), "yes", "pretrain.tied: expected true or false, received 'yes'"),
    (("pretrain", "tied"), 1, "pretrain.tied: expected true or false, received 1"),
    (("pretrain", "epochs"), 2.5, "pretrain.epochs: expected a whole number, received 2.5"),
    (("track", "experiment"), 7, "track.experiment: expected text, received 7"),
    (("report", "title"), None, "report.title: expected text, received nothing"),
    (("network", "shape", "units"), 100, "network.shape.units: expected a list, received 100"),
    (("network", "shape", "units"), [100, "30"], "network.shape.units[1]: expected a whole number, received '30'"),
    (("pretrain",), None, "pretrain: expected the keys tied, noise, epochs, received nothing"),
    (("pretrain",), [1, 2], "pretrain: expected the keys tied, noise, epochs, received [1, 2]"),
    (("encode",), 5000, "encode: expected the keys batch_size, received 5000"),
    (("report", "claims"), {}, "report.claims: expected a list, received {}"),
    (("report", "claims"), ["x"],
        "report.claims[0]: expected the keys question, paper, ours, holds, note, received 'x'"),
    (("report", "claims"), [{**CLAIM, "note": 3}], "report.claims[0].note: expected text, received 3"),
    (("book", "printed"), 3, "book.printed: expected text, received 3"),
    (("label_curve", "learners"), 3, f"label_curve.learners: expected the keys {', '.join(LEARNERS)}, received 3"),
    (("label_curve", "learners"), {"logistic": {"c": 1.0}}, "label_curve.learners: missing learner: svm"),
    (("label_curve", "learners", "svmm"), {}, "label_curve.learners: unknown learner svmm, did you mean svm?"),
    (("label_curve", "learners", "svm"), {}, "label_curve.learners: missing setting of svm: c"),
    (("label_curve", "learners", "svm", "d"), 1.0, "label_curve.learners: unknown setting of svm d, expected c"),
    (("label_curve", "learners", "svm", "c"), "10", "label_curve.learners: svm.c: expected a number > 0, "
        "received '10'"),
    (("label_curve", "learners", "svm", "c"), 0, "label_curve.learners: svm.c: expected a number > 0, received 0"),
    (("label_curve", "learners", "svm", "c"), True, "label_curve.learners: svm.c: expected a number > 0, "
        "received true"),
    (("label_curve", "learners", "svm", "c"), float("inf"),
        "label_curve.learners: svm.c: expected a number > 0, received inf"),
    (("label_curve", "learners", "knn", "k"), 1.5, "label_curve.learners: knn.k: expected a whole number > 0, "
        "received 1.5"),
    (("label_curve", "learners", "self_training", "threshold"), 1, "label_curve.learners: self_training.threshold: "
        "expected a number > 0 and < 1, received 1"),
    (("network", "shape", "units"), ["x" * 200],
        f"network.shape.units[0]: expected a whole number, received '{'x' * 76}..."),
    # Ranges.
    (("seed",), -1, "seed: expected a number >= 0, received -1"),
    (("seed",), 2**31, "seed: expected a number < 2147483648, received 2147483648"),
    (("threads",), 0, "threads: expected a number >= 1, received 0"),
    (("network", "shape", "units"), [], "network.shape.units: expected 1 or more entries, received []"),
    (("network", "shape", "units"), [100, 0], "network.shape.units[1]: expected a number >= 1, received 0"),
    (("network", "training", "learning_rate"), 0, "network.training.learning_rate: expected a number > 0, received 0"),
    (("network", "training", "learning_rate"), -1,
        "network.training.learning_rate: expected a number > 0, received -1"),
    (("network", "training", "learning_rate"), float("nan"),
        "network.training.learning_rate: expected a finite number, received nan"),
    (("network", "training", "learning_rate"), float("inf"),
        "network.training.learning_rate: expected a finite number, received inf"),
    (("network", "shape", "l2"), -1e-4, "network.shape.l2: expected a number >= 0, received -0.0001"),
    (("prepare", "max_leaked"), 1.5, "prepare.max_leaked: expected a number <= 1, received 1.5"),
    (("pretrain", "epochs"), 0, "pretrain.epochs: expected a number >= 1, received 0"),
    (("tying", "n_runs"), 1, "tying.n_runs: expected a number >= 2, received 1"),
    (("visualize", "n_rows"), 5, "visualize.n_rows: expected a number >= 20, received 5"),
    (("track", "experiment"), "", "track.experiment: expected 1 or more characters, received ''"),
    # Names that Keras knows.
    (("network", "shape", "activation"), "sellu", "network.shape.activation: unknown name 'sellu', did you mean selu?"),
    (("network", "shape", "activation"), "SELU", "network.shape.activation: unknown name 'SELU', did you mean selu?"),
    (("network", "shape", "kernel_initializer"), "glorot",
        "network.shape.kernel_initializer: unknown name 'glorot', did you mean glorot_normal?"),
    (("network", "training", "optimizer"), "Adam",
        "network.training.optimizer: unknown name 'Adam', did you mean adam?"),
    (("network", "training", "loss"), "zzz",
        "network.training.loss: expected one of binary_crossentropy, binary_focal_crossentropy, huber, "
        "kl_divergence, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, "
        "mean_squared_logarithmic_error, poisson, received 'zzz'"),
    *(((*place, "loss"), "by_column", f"{'.'.join(place)}.loss: expected one of Keras' losses, received 'by_column', "
        "which only label_curve.network takes") for place in (("network", "training"), ("phase", "1"), ("stack",))),
    (("label_curve", "network", "training", "loss"), "by_column", "label_curve.network: shape.output_activation: "
        "expected linear for the loss by_column, received 'sigmoid'"),
    (("label_curve", "network", "training", "loss"), "by_colum",
        "label_curve.network.training.loss: unknown name 'by_colum', did you mean by_column?"),
    (("stack", "optimizer"), None, "stack.optimizer: expected one of adadelta, adafactor, adagrad, adam, adamax, "
        "adamw, ftrl, lion, muon, nadam, rmsprop, sgd, received nothing"),
    (("finetune", "encoder"), "stacked", "finetune.encoder: unknown name 'stacked', did you mean stack?"),
    (("finetune", "encoder"), ["x"], "finetune.encoder: expected one of pretrain, stack, received ['x']"),
    # The label-efficiency study.
    (("label_curve", "arms"), ["fine-tuned", "from scrach"], "label_curve.arms[1]: unknown name 'from scrach', did "
        "you mean from scratch?"),
    (("label_curve", "arms"), ["fine-tuned", "random features"], "label_curve: expected 'from scratch' among the arms: "
        "differences are taken from it"),
    (("label_curve", "pretrainings"), ["tied", "tied"], "label_curve: expected every name once, received "
        "['tied', 'tied']"),
    (("label_curve", "pretrainings"), [], "label_curve.pretrainings: expected 1 or more entries, received []"),
    (("label_curve", "n_labels"), [100, 20], "label_curve: expected n_labels in ascending order, received [100, 20]"),
    (("label_curve", "n_labels"), [100], "label_curve.n_labels: expected 2 or more entries, received [100]"),
    (("label_curve", "protocol"), "large_validation", "label_curve.protocol: unknown key, expected n_labels, headline, "
        "metric, margin, beforehand, n_runs, arms, pretrainings, n_unlabelled, pretrain_epochs, pretraining_settings, "
        "standardised, network, classifier, learners, tuning, choices, choice_labels, targets, vary"),
    (("label_curve", "vary"), ["labels", "tuning"], "label_curve.vary[1]: expected one of labels, weights, order, "
        "pretraining order, pretraining noise, choice, unlabelled, split, received 'tuning'"),
    (("label_curve", "beforehand", "without"), "fine-tuned", "label_curve.beforehand.without: expected one of from "
        "scratch, random features, logistic regression, SVM, kNN, Nystroem + logistic regression, extra trees, "
        "gradient boosting, self-training, label spreading, PCA + logistic regression, received 'fine-tuned'"),
    (("label_curve", "beforehand", "with_encoder"), "LP-FT", "label_curve: beforehand: expected arms of the study, "
        "received 'LP-FT'"),
    (("label_curve", "tuning", "spaces"), {"network": {}}, "label_curve.tuning.spaces: missing space: logistic"),
    (("label_curve", "tuning", "spaces", "svm"), {"d": [1, 2]}, "label_curve.tuning.spaces: svm: expected settings out "
        "of c, received {'d': [1, 2]}"),
    (("label_curve", "tuning", "spaces", "svm"), None, "label_curve.tuning.spaces: svm: expected settings out of c, "
        "received nothing"),
    (("label_curve", "tuning", "spaces", "network", "n_steps"), [1, 9], "label_curve.tuning.spaces: network.n_steps: "
        "expected 2 or more, a step for each stage, received [1, 9]"),
    (("label_curve", "tuning", "spaces", "knn", "k"), [1, 2], "label_curve: tuning.spaces.knn: expected 3 "
        "configurations or more, received 2"),
    (("label_curve", "tuning", "spaces", "label_spreading"), {}, "label_curve: tuning.spaces.label_spreading: expected "
        "3 configurations or more, received 1"),
    (("label_curve", "pretraining_settings", "denoising masking", "noise"), 1.0, "label_curve.pretraining_settings: "
        "denoising masking.noise: expected a number > 0 and < 1, received 1.0"),
    (("label_curve", "pretraining_settings", "denoising gaussian"), {}, "label_curve.pretraining_settings: missing "
        "setting of denoising gaussian: noise"),
    (("pretrain", "noise"), {"kind": "gaussian"}, "pretrain.noise.amount: missing key"),
    (("pretrain", "noise"), 0.5, "pretrain.noise: expected the keys kind, amount, received 0.5"),
    (("pretrain", "noise"), {"kind": "masking", "amout": 0.25}, "pretrain.noise.amout: unknown key, did you mean "
        "amount?"),
    (("pretrain", "noise"), {"kind": "masking", "amount": 1.0}, "pretrain.noise: expected an amount < 1 with kind: "
        "masking, received 1.0"),
    (("phase", "1", "noise"), {"kind": "gausian", "amount": 0.1}, "phase.1.noise.kind: unknown name 'gausian', did you "
        "mean gaussian?"),
    (("label_curve", "headline"), 99, "label_curve: expected a headline out of n_labels, received 99"),
    # Data.
    (("fetch", "dataset"), "fashion_mnist", "fetch.dataset: unknown name 'fashion_mnist', did you mean fashion-mnist?"),
    (("fetch", "dataset"), "file", "fetch: expected a path with dataset: file, received none"),
    (("fetch", "path"), "a.csv", "fetch: expected no path with dataset: fashion-mnist, received 'a.csv'"),
    (("fetch", "sha256"), HASH, f"fetch: expected no sha256 with dataset: fashion-mnist, received '{HASH}'"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "sha256": "abc"},
        "fetch.sha256: expected 64 digits out of 0-9 and a-f, received 'abc'"),
    (("fetch", "test"), "t.csv", "fetch: expected no test with dataset: fashion-mnist, received 't.csv'"),
    (("fetch", "ignore"), ["id"], "fetch: expected no ignore with dataset: fashion-mnist, received ['id']"),
    (("fetch", "kinds"), {"a": "date"}, "fetch: expected no kinds with dataset: fashion-mnist, received {'a': 'date'}"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "kinds": {"a": "dates"}},
        "fetch.kinds.a: unknown name 'dates', did you mean date?"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "kinds": {"label": "date"}},
        "fetch: kinds: expected columns of features, received 'label'"),
    (("fetch", "delimiter"), "::", "fetch.delimiter: expected at most 1 character, received '::'"),
    (("fetch", "decimal"), ";", "fetch.decimal: expected one of ., ,, received ';'"),
    (("fetch", "header"), "yes", "fetch.header: expected true or false, received 'yes'"),
    (("fetch", "label"), 1.5, "fetch.label: expected text, received 1.5"),
    (("fetch", "label"), True, "fetch.label: expected text, received true"),
    (("fetch", "missing_labels"), [1.5], "fetch.missing_labels[0]: expected text or a whole number, received 1.5"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "test": "t.csv", "split": "s"},
        "fetch: expected test or split, received both: 't.csv' and 's'"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "ignore": ["label"]},
        "fetch: expected distinct columns in label, split, group and ignore, received 'label'"),
    (("fetch",), {"dataset": "file", **UNUSED, "path": "a.csv", "group": "label"},
        "fetch: expected distinct columns in label, split, group and ignore, received 'label'"),
    # Phases.
    (("phase",), {}, f"{IN_ORDER} {{}}"),
    (("phase",), None, f"{IN_ORDER} nothing"),
    (("phase",), [PHASES["1"]], f"{IN_ORDER} {repr([PHASES['1']])[:77]}..."),
    (("phase",), {1: PHASES["1"]}, f"{IN_ORDER} the keys 1"),
    (("phase",), {"1": PHASES["1"], "3": PHASES["2"]}, f"{IN_ORDER} the keys '1', '3'"),
    (("phase",), {"2": PHASES["2"], "1": PHASES["1"]}, f"{IN_ORDER} the keys '2', '1'"),
    (("phase", "2"), None, "phase.2: expected the keys loss, optimizer, learning_rate, batch_size, input, units, "
        "activation, kernel_initializer, output_activation, l2, noise, epochs, received nothing"),
    (("phase", "1", "input"), "data/encode/1", "phase.1.input: expected data/prepare, received 'data/encode/1'"),
    (("phase", "2", "input"), "data/prepare", "phase.2.input: expected data/encode/1, received 'data/prepare'"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "expected"), WRONG_ENTRIES)
def test_a_wrong_entry_is_one_line_with_file_and_key_and_what_was_expected_and_received(place, value, expected):
    assert complaint(changed(*place, value=value)) == f"params.yaml: {expected}"


@pytest.mark.parametrize("values", [[1], "text", 3], ids=repr)
def test_a_file_that_holds_no_sections_says_which_it_expected(values):
    said = complaint(values)
    assert said.startswith("params.yaml: expected the keys seed, threads, network,")
    assert said.endswith(f"received {values!r}")


def test_an_empty_file_lacks_every_section():
    lines = complaint(None).splitlines()
    assert lines[0] == "params.yaml: seed: missing key"
    assert len(lines) == len(Params.model_fields)


def test_every_wrong_entry_has_its_own_line_and_a_misspelt_key_is_not_missing_too():
    values = changed("pretrain", value={"tide": True, "noise": None, "epochs": 0})
    values["encode"]["batch_size"] = "x"
    assert complaint(values).splitlines() == [
        "params.yaml: pretrain.epochs: expected a number >= 1, received 0",
        "params.yaml: pretrain.tide: unknown key, did you mean tied?",
        "params.yaml: encode.batch_size: expected a whole number, received 'x'",
    ]


def test_an_entry_that_contains_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    assert "network.shape.units[0]: expected a whole number, received [[...]]" in complaint(
        changed("network", "shape", "units", value=loop)
    )


def test_whole_numbers_do_where_numbers_are_expected():
    assert (
        config.check(changed("network", "training", "learning_rate", value=1), Path()).network.training.learning_rate
        == 1
    )


def test_a_file_of_ones_own_is_named_with_path_and_hash():
    fetch = {"dataset": "file", **UNUSED, "path": "a.csv", "sha256": HASH}
    assert config.check(changed("fetch", value=fetch), Path()).fetch.sha256 == HASH


def test_a_column_may_be_named_by_its_position():
    fetch = {"dataset": "file", **UNUSED, "path": "a.csv", "label": 17, "split": 2, "group": 3, "ignore": [1, "x"]}
    found = config.check(changed("fetch", value=fetch), Path()).fetch
    assert (found.label, found.split, found.group, found.ignore) == ("17", "2", "3", ["1", "x"])


@pytest.mark.parametrize("key", ["test", "split", "group"])
def test_the_split_of_a_users_own_test_rows_or_groups_does_not_vary(key):
    values = changed("fetch", value={"dataset": "file", **UNUSED, "path": "a.csv", key: "t"})
    config.check(values, Path())
    values["label_curve"]["vary"].append("split")
    assert (
        complaint(values)
        == f"params.yaml: label_curve.vary: expected no split with fetch.{key}, which says what to test on"
    )


def test_params_yaml_holds_every_knob():
    values = config.read(ROOT / "params.yaml")
    assert config.check(values, Path()).model_dump() == values
    sections = [value for value in vars(sections_module).values() if isinstance(value, type(Params))]
    hidden = {
        f"{section.__name__}.{name}"
        for section in sections
        for name, field in getattr(section, "model_fields", {}).items()
        if not field.is_required()
    }
    assert hidden == set()


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "experiments").glob("*.yaml"))])
def test_what_is_checked_of_an_experiment_is_what_its_yaml_says_key_for_key(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    values = YAML(typ="safe").load(experiments.merged(TEXT, name))
    assert config.check(values, Path()).model_dump() == values


def test_checked_parameters_cannot_be_changed():
    params = config.load(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.pretrain.epochs = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "experiment", sorted((ROOT / "experiments").glob("*.yaml")) or [ROOT / "params.yaml"], ids=lambda path: path.name
)
def test_every_experiment_file_is_readable(experiment):
    assert isinstance(config.read(experiment), dict)


SPELLINGS = [
    "1e-3", "1E3", "1.", ".5", "+1", "1_000", "0o17", "017", "0x1F", "yes", "no", "on", "true", "TRUE", "~", "",
    "1:30", ".inf", "-.inf", "2020-01-01", "'1'",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_value_is_read_as_dvc_reads_it(tmp_path, spelling):
    (tmp_path / "params.yaml").write_text(f"a: {spelling}\n")
    assert config.read(tmp_path / "params.yaml") == parse_yaml(f"a: {spelling}\n", "params.yaml")


def test_numbers_are_those_of_yaml_1_2(tmp_path):
    (tmp_path / "params.yaml").write_text("{rate: 1e-3, octal: 0o17, ten: 010, text: yes}\n")
    assert config.read(tmp_path / "params.yaml") == {"rate": 0.001, "octal": 15, "ten": 10, "text": "yes"}


UNREADABLE = [
    (b"seed: 1\nseed: 2\n", ":2: not readable as YAML: found duplicate key \"seed\" with value \"2\""),
    (b"network: {units: [1\n", ":2: not readable as YAML: expected ',' or ']'"),
    (b"network:\n\tunits: 1\n", ":2: not readable as YAML: found character '\\t'"),
    (b"a: 1\n---\nb: 2\n", ":2: not readable as YAML: but found another document"),
    (b"a: *b\n", ":1: not readable as YAML: found undefined alias 'b'"),
    (b"a: !!python/object:os.system {}\n", ":1: not readable as YAML: could not determine a constructor"),
    (b"? {a: 1}\n: 2\n", ":1: not readable as YAML: found unhashable key"),
    (b"a: \x01\n", ": not readable as YAML: unacceptable character #x0001"),
    (b"a: 2020-13-45\n", ": not readable as YAML: month must be in 1..12"),
    (b"[" * 3000, ": not readable as YAML: maximum recursion depth exceeded"),
    (b"seed: 1\ntitle: caf\xe9\n", ":2: expected text in UTF-8, received byte 0xe9"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), UNREADABLE)
def test_a_file_that_is_no_yaml_is_one_line_with_file_and_line(tmp_path, content, expected):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    said = str(raised.value)
    assert said.startswith(f"{path}{expected}")
    assert "\n" not in said


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file or directory$"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r": is a directory$"):
        config.load(tmp_path)


def test_a_stage_started_with_wrong_parameters_prints_the_line_and_exits_with_2(tmp_path):
    (tmp_path / "params.yaml").write_text(re.sub("^seed: .*", "seed: x", TEXT, flags=re.MULTILINE))
    stage = subprocess.run(
        [sys.executable, "-m", "tasks.fetch"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert stage.stderr == "error: params.yaml: seed: expected a whole number, received 'x'\n"
    assert stage.returncode == 2
    assert not (tmp_path / "data").exists()


STUDY_BOUNDS = [
    ("n_runs", 1, 2, "a number >= 2"), ("classifier.n_steps", 1, 2, "a number >= 2"),
    ("tuning.n_folds", 1, 2, "a number >= 2"), ("tuning.n_folds", 6, 5, "a number <= 5"),
    ("tuning.n_configurations", 0, 1, "a number >= 1"), ("classifier.weight_decay", 0, 0.1, "a number > 0"),
    ("choice_labels", 1, 2, "a number >= 2"), ("choice_labels", 2**31, 2**31 - 1, "a number < 2147483648"),
    ("pretrain_epochs", 0, 1, "a number >= 1"), ("pretrain_epochs", 2**31, 2**31 - 1, "a number < 2147483648"),
    ("n_unlabelled", 0, None, "a number >= 1"), ("margin", 1, 0.5, "a number < 1"), ("margin", 0, 0.5, "a number > 0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "right", "expected"), STUDY_BOUNDS)
def test_a_number_of_the_study_has_a_range_that_holds_its_ends(name, wrong, right, expected):
    said = complaint(changed("label_curve", *name.split("."), value=wrong))
    assert said == f"params.yaml: label_curve.{name}: expected {expected}, received {wrong}"
    config.check(changed("label_curve", *name.split("."), value=right), Path())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("targets", [0.0], ".targets[0]: expected a number > 0, received 0.0"),
        ("targets", [0.5, 1.0], ".targets[1]: expected a number < 1, received 1.0"),
        ("choices", ["k-means"], ": expected 'random' among the choices: differences are taken from it"),
        ("choices", ["random", "random"], ": expected every name once, received ['random', 'random']"),
        ("arms", ["fine-tuned", "fine-tuned"], ": expected every name once, received ['fine-tuned', 'fine-tuned']"),
        ("vary", ["order", "order"], ": expected every name once, received ['order', 'order']"),
        ("n_labels", [20, 20, 100], ": expected n_labels in ascending order, received [20, 20, 100]"),
        ("arms", ["from scratch", "random features"], ": expected 'fine-tuned' among the arms: differences are taken "
            "from it"),
    ],
)  # fmt: skip
def test_what_a_study_compares_is_there_and_once(name, value, expected):
    assert complaint(changed("label_curve", name, value=value)) == f"params.yaml: label_curve{expected}"


def test_a_study_may_choose_no_rows_and_hold_settings_outside_their_space():
    values = changed("label_curve", "choices", value=[])
    values["label_curve"]["learners"]["knn"]["k"] = 50
    config.check(values, Path())


def test_unlabelled_rows_vary_only_where_some_are_drawn():
    values = changed("label_curve", "vary", value=["labels", "unlabelled", "split"])
    assert complaint(values) == (
        "params.yaml: label_curve: vary: expected no 'unlabelled' without n_unlabelled: every run takes all rows"
    )
    values["label_curve"]["n_unlabelled"] = 100
    config.check(values, Path())
    values["label_curve"] |= {"n_unlabelled": None, "arms": [*values["label_curve"]["arms"], "self-training"]}
    config.check(values, Path())


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (int, [[1, 1], [1, 7]], [[0, 1], [1.0, 2], [True, 2], [2, 1], [1], 3]),
        (float, [[1, 2], [0.5, 0.5]], [[0.0, 1], [1, float("inf")], [float("nan"), 1], [1, float("nan")]]),
        (Share, [[0.1, 0.9]], [[0.5, 1], [0.5, 1.0], [0.0, 0.5]]),
    ],
)
def test_a_space_is_two_numbers_of_its_kind_in_order(kind, right, wrong):
    for ends in right:
        fields.check_range(ends, kind, "a.b")
    for ends in wrong:
        said = f"a.b: expected [least, greatest], numbers above 0, received {fields.shown(ends)}"
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            fields.check_range(ends, kind, "a.b")


def test_configurations_are_the_fixed_settings_and_others_of_the_space():
    study = config.load(ROOT / "params.yaml").label_curve
    first, *others = study.configurations("network", seed=1)
    assert first == {"learning_rate": 0.001, "weight_decay": 0.01, "n_steps": 1000} and len(others) == 2
    assert all(250 <= one["n_steps"] <= 2000 and isinstance(one["n_steps"], int) for one in others)
    assert study.configurations("extra_trees", seed=1)[1].keys() == {"n_trees", "min_samples_leaf", "max_features"}


@pytest.mark.parametrize(("length", "shown"), [(78, "'" + "x" * 78 + "'"), (79, "'" + "x" * 76 + "...")])
def test_a_long_value_is_cut_to_eighty_letters(length, shown):
    assert fields.shown("x" * length) == shown and len(shown) == 80
    assert [fields.shown(value) for value in (None, True, False, 1.5)] == ["nothing", "true", "false", "1.5"]


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "wanted"),
    [
        (int, [1, 7], [0, 1.0, True, "1"], "a whole number > 0"),
        (float, [1, 0.5, 7.5], [0, -1, float("nan"), float("inf"), False], "a number > 0"),
        (Share, [0.1, 0.9], [0.0, 1.0, 1, 1.5], "a number > 0 and < 1"),
    ],
)
def test_a_setting_is_a_number_of_its_kind(kind, right, wrong, wanted):
    for value in right:
        assert fields.check_settings({"a": {"b": value}}, {"a": {"b": kind}}, "thing") == {"a": {"b": value}}
    for value in wrong:
        with pytest.raises(ValueError, match=re.escape(f"a.b: expected {wanted}, received {fields.shown(value)}")):
            fields.check_settings({"a": {"b": value}}, {"a": {"b": kind}}, "thing")


@pytest.mark.parametrize(
    ("check", "right", "wrong", "expected"),
    [
        (fields._statement, ["a < 1", "a.b > c and d < 2"], ["a", "a <1", "a < 1 and", "a = 1", " a < 1"],
            "expected `metric < number` or `metric > metric`, several with `and`, received "),
        (fields._sentence, ["plain", "is {a.b:.2f}, {c:.1p}"], ["{a}", "a}", "{", "{a.b:2f}"],
            "expected metrics as {stage.metric:.2f} or {stage.metric:.2p}, received "),
        (fields._sha256, [HASH], [HASH[1:], HASH + "0", HASH.upper(), "g" + HASH[1:]],
            "expected 64 digits out of 0-9 and a-f, received "),
    ],
)  # fmt: skip
def test_a_text_that_a_program_reads_has_its_form(check, right, wrong, expected):
    for value in right:
        assert check(value) == value
    for value in wrong:
        with pytest.raises(ValueError, match="^" + re.escape(expected + fields.shown(value)) + "$"):
            check(value)


def test_the_nearest_name_is_one_or_none():
    assert [fields.nearest(name, ("relu", "relu6", "selu")) for name in ("RELU", "zzz", 3)] == ["relu", "", ""]
