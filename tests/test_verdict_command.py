"""`make verdict`: from a table to the answer in one start; its file is kept, and never used for other data."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import clones
import numpy as np
import pandas as pd
import pytest

from flows import experiment_file, experiments, records, verdict
from tasks.frame import config
from tasks.frame.errors import Busy, ConfigError, UsageError
from tasks.study.proposal import Choice

TABLE = "# A table, csv.csv"
FEW = ["label_curve.n_runs=2", "label_curve.pretrain_epochs=5", "label_curve.choices=[]",
       "label_curve.arms=[SVM, random features, frozen encoder, fine-tuned, from scratch]",
       "label_curve.tuning.n_configurations=1"]  # fmt: skip


def table(path: Path, n: int = 150, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = pd.DataFrame(rng.normal(size=(n, 5)) + 2 * y[:, None], columns=list("abcde"))
    x.assign(kind=np.where(y, "yes", "no")).to_csv(path, index=False)
    return path


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Go to a folder with params.yaml and experiments/."""
    (tmp_path / "experiments").mkdir()
    text = (clones.ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(experiments, "committed_text", lambda: text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/Breast Cancer (2).csv", "breast-cancer-2"), ("x.tar.gz", "x"), ("/data/ÄÖ", "own-data"),
     ("t10k-idx3", "t10k-idx3")],
)  # fmt: skip
def test_an_experiment_has_the_name_of_its_data(path, name):
    assert verdict._name(path) == name


def test_a_path_is_relative_to_the_project_if_it_lies_in_it(there):
    assert verdict._path("t.csv", there / "data") == "data/t.csv"
    assert verdict._path("../t.csv", there) == str(there.parent / "t.csv")


@pytest.mark.parametrize("text", ["fetch: 3", "fetch:", "- 1", "words"])
def test_an_experiments_file_without_sections_is_refused_in_one_line(there, text):
    table(there / "t.csv")
    (there / "experiments/t.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^experiments/t.yaml: expected sections such as fetch, .*, received .+"):
        verdict.verdict("t.csv", "kind", home=there, runs=False)


def test_an_empty_file_of_another_experiment_is_named_without_words_of_python(there):
    (there / "experiments/t.yaml").write_text("# begun", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^experiments/t.yaml: expected sections, received null$"):
        experiments.merged_values(experiments.committed_text(), "t")


def test_sizes_of_ones_own_that_do_not_fit_the_rows_are_refused():
    facts = verdict.Facts("t", "t.csv", "table", 5, [60, 60], 0, 0)
    sizes = {"prepare.n_valid": 20, "prepare.n_test": 50, "label_curve.n_labels": [10, 50]}
    verdict._refuse_sizes(sizes, facts)
    with pytest.raises(UsageError, match=r"^--set: expected .* 120 labelled rows at most, received 20 \+ 51 \+ 50"):
        verdict._refuse_sizes(sizes | {"prepare.n_test": 51}, facts)
    with pytest.raises(
        UsageError, match=r"^--set prepare\.n_test: expected 2 or more, a row of each class, received 0$"
    ):
        verdict._refuse_sizes(sizes | {"prepare.n_test": 0}, facts)
    verdict._refuse_sizes(sizes | {"prepare.n_test": 0}, facts._replace(n_test=40))


def test_a_parameter_that_says_something_else_than_the_command_is_refused():
    said = {"fetch.path": "t.csv", "fetch.label": "kind"}
    assert verdict._together(said, {"fetch.label": "kind", "fetch.ignore": ["id"]}) == said | {"fetch.ignore": ["id"]}
    with pytest.raises(UsageError, match=r"--set fetch\.label: expected kind, as DATA and LABEL say, received city"):
        verdict._together(said, {"fetch.label": "city"})


def test_a_label_for_data_without_columns_is_said_to_be_unused():
    facts = verdict.Facts("t", "t", "images", 784, [60, 60], 0, 0)
    said = "WARNING: LABEL=kind is not used: t is no table, and has its own classes\n"
    assert verdict._unused_label({"fetch.label": "kind"}, facts) == said
    assert verdict._unused_label({"fetch.path": "t"}, facts) == ""
    assert verdict._unused_label({"fetch.label": "kind"}, facts._replace(kind="table")) == ""


@pytest.mark.parametrize("data", ["", "https://example.org/t.csv"])
def test_no_data_or_an_address_is_refused_before_anything_is_read(there, data):
    with pytest.raises(UsageError, match=r"^DATA: expected a file or folder on this machine, received"):
        verdict.verdict(data, home=there, runs=False)
    assert not [*(there / "experiments").iterdir()]


@pytest.mark.parametrize("data", [".", "..", "/"])
def test_a_folder_that_holds_the_project_is_refused_before_it_is_read(there, data):
    with pytest.raises(UsageError, match=r"^DATA: expected a folder of images alone, received .* project lies in"):
        verdict.verdict(data, home=there, runs=False)
    assert not [*(there / "experiments").iterdir()]


@pytest.mark.parametrize("name", ["../t", "a b", "-t", "t.lock", "t/u", "é", "t\n", "a~1"])
def test_a_name_that_is_none_of_a_file_and_a_record_is_refused_before_anything_is_written(there, name):
    table(there / "t.csv")
    with pytest.raises(UsageError, match=r"^NAME: expected letters, digits, - and _, such as [a-z0-9-]+, received"):
        verdict.verdict("t.csv", "kind", name=name, home=there, runs=False)
    assert {path.name for path in there.iterdir()} == {"experiments", "params.yaml", "t.csv"}
    assert not [*(there / "experiments").iterdir()]


def test_two_starts_at_once_do_not_write_the_same_parameters(there):
    table(there / "t.csv")
    with verdict._alone(), pytest.raises(Busy, match=rf"another process is working .* \(PID {os.getpid()}\); wait for"):
        verdict.verdict("t.csv", "kind", home=there, runs=False)
    assert not [*(there / "experiments").iterdir()]
    with verdict._alone():  # it ended with the first
        pass


def test_make_hands_over_any_name_of_a_file_or_column():
    told = {"DATA": """it's "$x".csv""", "LABEL": "a `b` $(c)", "NAME": '"; echo "'}
    line = [clones.ROOT / "Makefile", "-n", "-o", "setup", "verdict", *(f"{key}={text}" for key, text in told.items())]
    said = subprocess.run(["make", "-f", *line], cwd=clones.ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(said.splitlines()[-1])
    assert {"DATA": words[4], "LABEL": words[6], "NAME": words[8]} == told


@pytest.mark.parametrize(
    ("target", "told", "words"),
    [
        ("plan", {"NAME": "a b"}, ["plan", "a b"]),
        ("plan", {"NAME": "$(shell false)"}, ["plan", "$(shell false)"]),
        ("verify", {}, ["verify"]),
        ("experiment", {}, ["experiment", "smoke"]),
        ("serve", {"STORE": "postgresql://me@host/runs"}, ["serve", "--store", "postgresql://me@host/runs"]),
        ("promote", {"MODEL": "stack", "ALIAS": "it's"}, ["promote", "stack", "--alias", "it's"]),
        ("sweep", {"GRID": "a=[1, 2]", "NAME": "x"}, ["sweep", "a=[1, 2]", "--name", "x"]),
    ],
)
def test_make_hands_over_what_stands_on_its_command_line_and_nothing_of_the_shells_own(target, told, words):
    line = ["make", "-n", "-o", "setup", target, *(f"{key}={text}" for key, text in told.items())]
    own = os.environ | {"NAME": "this-machine", "STORE": "shop", "MODEL": "T1", "ALIAS": "ll"}
    said = subprocess.run(line, cwd=clones.ROOT, env=own, capture_output=True, text=True, check=True).stdout
    assert shlex.split(said.splitlines()[-1])[3:] == words


def test_parameters_of_ones_own_are_yaml_by_their_key():
    assert verdict._parsed(["fetch.ignore=[id]", "label_curve.n_runs=3"]) == {
        "fetch.ignore": ["id"],
        "label_curve.n_runs": 3,
    }


@pytest.mark.parametrize("wrong", ["fetch.ignore", "ignore=1", "fetch.ignore=[", "=2"])
def test_a_parameter_that_is_no_key_and_value_is_one_line(wrong):
    with pytest.raises(UsageError, match=r"--set.*expected .*received"):
        verdict._parsed([wrong])


def given(path, **more):
    return {"fetch.dataset": "file", "fetch.path": str(path), "fetch.label": "kind", **more}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "fetch.path: no file gone.csv"),
        ({"fetch.missing_labels": [None]}, r"fetch.missing_labels\[0\]: expected text"),
    ],
)
def test_an_error_of_the_command_names_the_command_and_no_file_of_another_experiment(there, more, said):
    (there / config.WRITTEN).mkdir(parents=True)
    for path in (there / "experiments/other.yaml", there / config.WRITTEN / "other.yaml"):
        path.write_bytes((there / "params.yaml").read_bytes())
    assert config.origin() == "experiments/other.yaml"
    with pytest.raises(ConfigError, match=f"^make verdict: {said}"):
        verdict._digest(given("gone.csv", **more))


def test_an_error_of_an_experiments_file_names_the_file(there):
    table(there / "t.csv")
    fetch = {key.partition(".")[2]: value for key, value in given("t.csv").items()} | {"sha256": "abc"}
    with pytest.raises(ConfigError, match=r"^experiments/t.yaml: fetch.sha256: expected 64 digits"):
        verdict._refuse_changed(Path("experiments/t.yaml"), fetch)


def test_a_wrong_value_of_the_command_names_the_command_which_alone_has_it():
    chosen = {"label_curve.n_runs": Choice("label_curve.n_runs", 0)}
    with pytest.raises(ConfigError, match=r"^make verdict: label_curve.n_runs: expected a number >= 2, received 0"):
        verdict._minutes(chosen, verdict.Facts("t", "t.csv", "table", 5, [60, 60], 0, 0))


def test_data_that_changed_after_their_study_get_no_answer_of_the_old_ones(there):
    path, file = table(there / "t.csv"), Path("experiments/t.yaml")
    fetch = {key.partition(".")[2]: value for key, value in given(path).items()}
    fetch["sha256"] = verdict._digest(given(path))
    verdict._refuse_changed(file, fetch)
    table(path, n=149)
    now = verdict._digest(given(path))
    with pytest.raises(UsageError, match=rf"{fetch['sha256']}, .*t.csv has changed and gives {now}: .*another NAME"):
        verdict._refuse_changed(file, fetch)
    verdict._refuse_changed(file, fetch | {"sha256": None})


def test_a_file_of_other_data_is_never_used_and_a_name_that_is_taken_gets_the_datas_hash(there):
    first, second = table(there / "t.csv"), table(there / "other.csv", seed=1)
    assert verdict._file("t", given(first), is_named=False) == (Path("experiments/t.yaml"), {})
    chosen = [Choice(key, value) for key, value in given(first).items()]
    experiment_file.write(Path("experiments/t.yaml"), "", chosen)
    assert verdict._file("t", given(first), is_named=False)[1]["fetch"]["path"] == str(first)
    file, content = verdict._file("t", given(second), is_named=False)
    assert re.fullmatch(r"t-[0-9a-f]{6}\.yaml", file.name) and content == {}
    with pytest.raises(UsageError, match=r"is there, for .*: expected another NAME"):
        verdict._file("t", given(second), is_named=True)


@pytest.mark.parametrize(
    ("more", "said"),
    [({"fetch.label": "b"}, "fetch.label: kind, the command b"),
     ({"label_curve.n_runs": 3}, "n_runs: None, the command 3"),
     ({}, "")],
)  # fmt: skip
def test_a_command_that_says_something_else_than_its_file_is_refused(more, said):
    there = {"fetch": {"dataset": "file", "path": "t.csv", "label": "kind"}}
    if said:
        with pytest.raises(UsageError, match=said):
            verdict._refuse_other(Path("experiments/t.yaml"), there, given("t.csv", **more))
    else:
        verdict._refuse_other(Path("experiments/t.yaml"), there, given("t.csv"))


@pytest.mark.parametrize(
    ("recorded", "now", "name"),
    [(None, "a" * 64, "t"), ("a" * 64, "a" * 64, "t"), ("b" * 64, "a" * 64, "t-aaaaaa"), ("b" * 64, None, "t")],
)
def test_a_record_of_other_data_is_not_replaced(monkeypatch, recorded, now, name):
    monkeypatch.setattr(records, "parameters", lambda name: recorded and {"fetch": {"sha256": recorded}})
    monkeypatch.setattr(config, "load", lambda: SimpleNamespace(fetch=SimpleNamespace(sha256=now)))
    assert records.free_name("t") == name


@pytest.mark.slow
def test_a_start_that_fails_leaves_a_begun_file_and_the_next_one_gives_the_answer(tmp_path):
    project, path = tmp_path / "project", table(tmp_path / TABLE)
    clones.copy(project)
    done = clones.run(project, "flows", "verdict", str(path), "--label", "sort")
    assert done.returncode == 3
    found = "no column 'sort' for the labels, found: a, b, c, d, e, kind; set fetch.label, or LABEL=..."
    assert done.stderr.strip() == f"error: {path}: {found}"
    file = project / "experiments/a-table-csv.yaml"
    assert [*config.read(file)] == ["fetch"]
    file.write_text(file.read_text() + '  ignore: ["e"]\n')  # what the user adds is kept
    command = ["flows", "verdict", str(path), "--label", "kind", *(part for change in FEW for part in ("-S", change))]
    done = clones.run(project, *command)
    assert done.returncode == 0, done.stderr
    assert "4 columns, 2 classes of 75 to 75 labelled rows" in done.stdout
    answer = done.stdout.strip().splitlines()[-3]
    assert re.match(r"With \d+ labels, ", answer) and "The page is data/report/report.html" in done.stdout
    stages = {path.name for path in (project / "data").iterdir()}
    assert stages == {"raw", "fetch", "prepare", "label_curve", "report", "track"}
    assert [path.name for path in (project / "metrics").iterdir()] == ["report.json"]  # and no numbers of the book
    values = config.read(file)
    assert values["fetch"]["label"] == "kind" and values["fetch"]["ignore"] == ["e"]
    assert values["label_curve"]["n_runs"] == 2 and values["label_curve"]["network"]["shape"]["units"] == [32, 3]
    again = clones.run(project, *command)
    assert again.returncode == 0 and "Nothing to do" in again.stdout
    assert again.stdout.strip().splitlines()[-3] == answer
