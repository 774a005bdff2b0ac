"""Printed numbers held against ours, on numbers that can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from tasks.frame import files, printed
from tasks.frame.errors import ConfigError
from tasks.reporting import fidelity


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    for name in ("pretrain", "tying", "phase/1", "stack"):
        (data / name).mkdir(parents=True)
    files.write_table(data / "pretrain/history.csv", [{"epoch": k, "loss": 1.0, "val_loss": 0.5 / k} for k in (1, 2)])
    files.write_json(data / "pretrain/metrics.json", {"val_loss": 0.25, "n_parameters": 163814})
    runs = [("tied", 0, 0.30), ("tied", 1, 0.32), ("untied", 0, 0.4), ("untied", 1, 0.4)]
    rows = [{"arm": arm, "run": run, "epoch": 1, "val_loss": value} for arm, run, value in runs]
    files.write_table(data / "tying/history.csv", rows)
    files.write_json(data / "tying/metrics.json", {"tied_val_loss": 0.31})
    files.write_json(data / "phase/1/metrics.json", {"val_loss": 0.2774})
    files.write_json(data / "stack/metrics.json", {"val_loss_before": 0.2871})
    return data


def rows(data, *figures):
    return fidelity.table(tiny.params(book=tiny.printed(data.parent, *figures)), data)


def look_up(data, metric, printed=0.0, within=1.0):
    return rows(data, {"metric": metric, "printed": printed, "within": within})[0]


@pytest.mark.parametrize(
    ("metric", "ours"),
    [
        ("pretrain.val_loss@1", 0.5),
        ("pretrain.val_loss@2", 0.25),
        ("pretrain.n_parameters", 163814),
        ("phase.1.val_loss", 0.2774),
        ("stack.val_loss_before", 0.2871),
        ("tying.tied_val_loss", 0.31),
    ],
)
def test_a_metric_is_found_in_its_stages_files(data, metric, ours):
    row = look_up(data, metric)
    assert row["ours"] == ours and row["sd"] is None


def test_several_runs_give_their_mean_and_standard_deviation(data):
    row = look_up(data, "tying.tied.val_loss@1")
    assert row["ours"] == pytest.approx(0.31)
    assert row["sd"] == pytest.approx(0.02 / 2**0.5)


@pytest.mark.parametrize(
    ("printed", "within", "verdict"), [(0.253, 0.003, "agrees"), (0.2531, 0.003, "departs"), (0.247, 0.003, "agrees")]
)
def test_a_figure_agrees_up_to_its_tolerance(data, printed, within, verdict):
    row = look_up(data, "pretrain.val_loss", printed, within)
    assert row["verdict"] == verdict
    assert row["difference"] == pytest.approx(0.25 - printed)


def test_a_tolerance_of_nothing_asks_for_the_very_number(data):
    assert look_up(data, "pretrain.n_parameters", 163814, 0)["verdict"] == "agrees"
    assert look_up(data, "pretrain.n_parameters", 163815, 0)["verdict"] == "departs"


@pytest.mark.parametrize("metric", ["pretrain.val_loss@20", "tying.tied.val_loss@10", "phase.7.val_loss"])
def test_an_epoch_or_phase_that_was_not_trained_is_neither_agreement_nor_error(data, metric):
    row = look_up(data, metric)
    assert row["verdict"] == "not trained" and row["ours"] is None and row["difference"] is None
    assert fidelity.summary([row]) == {"n_printed": 1, "n_measured": 0, "n_agree": 0}


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ("pretrain.val_lost@1", "one of pretrain.loss@EPOCH, pretrain.n_parameters, pretrain.val_loss, "
                                "pretrain.val_loss@EPOCH, received 'pretrain.val_lost@1'"),
        ("tying.val_loss@1", "one of tying.tied.val_loss@EPOCH, tying.tied_val_loss, tying.untied.val_loss@EPOCH, "
                             "received 'tying.val_loss@1'"),
        ("pretend.val_loss", "a metric of phase, pretrain, stack, tying, received 'pretend.val_loss', "
                             "did you mean pretrain.val_loss?"),
        ("stack.val_loss_before@1", "one of stack.val_loss_before, received 'stack.val_loss_before@1'"),
    ],
)  # fmt: skip
def test_an_unknown_metric_is_named_with_those_there_are(data, metric, complaint):
    known = {"metric": "phase.1.val_loss", "printed": 0, "within": 1}
    with pytest.raises(ConfigError) as error:
        rows(data, known, {"metric": metric, "printed": 0, "within": 1})
    assert str(error.value).startswith(f"{data.parent}/printed.csv:3: metric: expected {complaint}")
    assert "\n" not in str(error.value)


def test_the_last_pages_own_numbers_are_no_metrics(data):
    (data / "book").mkdir()
    files.write_json(data / "book/metrics.json", {"n_agree": 1})
    with pytest.raises(ConfigError, match=r"received 'book\.n_agree'"):
        look_up(data, "book.n_agree")


HEAD = "system,metric,printed,within,note\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "system,metric,printed\na,b,1\n",
            ":2: expected the columns system, metric, printed, within, note, received system",
        ),
        (HEAD + "a,b,1,0.1\n", ":2: expected the columns"),
        (HEAD + "a,b,1,0.1,\na,b,1,0.1,,x\n", ":3: expected the columns"),
        (HEAD + "a,b,.28x,0.1,\n", ":2: printed: expected a number, received '.28x'"),
        (HEAD + "a,b,nan,0.1,\n", ":2: printed: expected a number, received 'nan'"),
        (HEAD + "a,b,1,-1,\n", ":2: within: expected a number >= 0, received '-1'"),
        (HEAD.encode() + b"\xff,b,1,1,\n", ": expected a table in UTF-8"),
        (None, "book.printed: expected a file, received"),
    ],
)
def test_a_file_of_printed_figures_that_cannot_be_used_is_named_with_its_line(tmp_path, text, complaint):
    path = tmp_path / "printed.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        printed.read(str(path))
    assert complaint in str(error.value) and "printed.csv" in str(error.value) and "\n" not in str(error.value)


def test_every_file_of_printed_figures_can_be_read_and_none_that_lies_elsewhere(monkeypatch):
    monkeypatch.chdir(tiny.ROOT)
    for path in sorted(Path("experiments/printed").glob("*.csv")):
        printed.check(str(path))
        assert len(printed.read(str(path))) > 3
    with pytest.raises(ConfigError, match=r"printed: expected a file below experiments/printed, received mine\.csv"):
        printed.check("mine.csv")
    assert printed.read(None) == []
