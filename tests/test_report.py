"""Stage `report`: the page, on a made-up data folder."""

from __future__ import annotations

import shutil
from functools import partial

import pages
import pandas as pd
import pytest
import tiny
from made_up import make, settings
from pages import contents

from autoencoders.sentences import signed
from flows import register
from tasks import report
from tasks.frame import experiment, files
from tasks.reporting import page as page_parts
from tasks.reporting import registration, study

page = partial(pages.page, "report")


pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_page_opens_with_title_and_verdict(data):
    text = page(data, settings(report={"title": "A <b>title", "source": "A book"})).text
    assert text.startswith("A <b>title A book A <b>title An autoencoder of widths 16-8-4-8-16")
    said = (
        "The best use of the autoencoder, fine-tuning, is 2.2 points above the best method without it, training from "
    )
    assert "Verdict With 15 labels, use fine-tuning: cross-validation chose it in 3 of 3 runs" in text
    assert f"{said}scratch (95 % CI 1.8 to 2.6, 3 runs)" in text
    order = ["Verdict With 15", "Accuracy against the number", "Which differences are detectable?", "Was it fair?",
             "Provenance Data set"]  # fmt: skip
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def change(data, **numbers):
    """Change the headline's second clause in the findings, and in no other file."""
    path = data / "label_curve/findings.json"
    found = files.read_json(path)
    found["budgets"][1]["against_without"] |= numbers
    files.write_json(path, found)


@pytest.mark.parametrize(
    ("numbers", "sentence", "cell", "tip"),
    [
        ({"outcome": "pays", "mean": 0.03, "low": 0.01, "high": 0.05},
         "is 3.0 points above the best method without it, training from scratch (95 % CI 1.0 to 5.0, 3 runs)",
         "pays +3.0 (+1.0 to +5.0)", "+3.0 points (95 % CI 1.0 to 5.0)"),
        ({"outcome": "costs", "mean": -0.03, "low": -0.05, "high": -0.01},
         "is 3.0 points behind the best method without it, training from scratch (95 % CI 1.0 to 5.0, 3 runs)",
         "costs −3.0 (−5.0 to −1.0)", "−3.0 points (95 % CI −5.0 to −1.0)"),
        ({"outcome": "within", "mean": 0.003, "low": -0.001, "high": 0.007},
         "is within 1 point of the best method without it, training from scratch (+0.3, 95 % CI −0.1 to +0.7, 3 runs)",
         "within 1 point +0.3 (−0.1 to +0.7)", "+0.3 points (95 % CI −0.1 to 0.7)"),
        ({"outcome": "undecided", "mean": 0.02, "low": -0.01, "high": 0.05, "n_needed": 34, "tells_margin": True},
         "is undecided against the best method without it, training from scratch: +2.0 points (95 % CI −1.0 to +5.0, 3 "
         "runs; about 34 runs would tell 1 point)",
         "undecided +2.0 (−1.0 to +5.0) about 34 runs would tell 1 point", "+2.0 points (95 % CI −1.0 to 5.0)"),
    ],
)  # fmt: skip
def test_sentence_picture_and_table_are_the_findings_and_cannot_disagree(data, numbers, sentence, cell, tip):
    change(data, **numbers)
    found = page(data)
    text = found.text.replace(" )", ")")
    assert sentence in text and f"fine-tuned pays +2.2 (+1.8 to +2.6) {cell} from scratch" in text
    assert text.count(f"over the best without, 15 labels: {tip}") == 2, "in the wide and in the narrow picture"
    paper = (data / "report/paper/verdict.tex").read_text(encoding="utf-8").replace("$-$", "−")
    assert (
        cell.split(" (")[0].rpartition(" ")[0] + ", " + cell.split(" about")[0].rpartition(" (")[0].split()[-1] in paper
    )


def test_where_nothing_was_learnt_sentence_and_table_say_nothing_else(data):
    path = data / "label_curve/findings.json"
    found = files.read_json(path)
    found["budgets"][1]["learnt"] = False
    files.write_json(path, found)
    text = page(data).text
    assert "Verdict Nothing was learnt: with 15 labels, no method is shown to be above chance" in text
    assert "15 nothing was learnt: no method is shown to be above chance 30 fine-tuned" in text


def test_the_page_reaches_for_nothing_outside_itself(data):
    found = page(data)
    pages.check_closed(found, (data / "report/report.html").read_text(encoding="utf-8"))


def test_every_figure_says_in_words_what_it_shows(default):
    drawings = default.all("svg")
    assert len(drawings) == 8 and all(len(a["aria-label"]) > 40 and a["role"] == "img" for a in drawings)


def test_headings_and_tables_are_marked_as_such(default):
    pages.check_marked(default)


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(data):
    first = tiny.run("report", data, settings=settings())
    kept = first.rename(data / "first")
    second = tiny.run("report", data, settings=settings())
    assert contents(kept) == contents(second)


@pytest.mark.slow
def test_the_files_name_no_place_on_this_machine(data):
    out = tiny.run("report", data, settings=settings())
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert str(data.parent).encode() not in path.read_bytes() and str(tiny.ROOT).encode() not in path.read_bytes()


def test_tables_without_images_are_called_rows(tmp_path):
    text = page(make(tmp_path / "data", image_shape=None)).text
    assert "from 67 rows without labels" in text and "images" not in text.partition(" parameters parameter value")[0]


def test_the_final_metrics_are_the_studys_and_of_no_earlier_report(data):
    (data / "report").mkdir()
    files.write_json(data / "report" / "metrics.json", {"left_by": 1})
    every = experiment.metrics(settings(), data)
    (data / "report").rename(data / "earlier")
    final = files.read_json(tiny.run("report", data, settings=settings()) / "final.json")
    assert final == {name: value for name, value in every.items() if name.startswith(("prepare.", "label_curve."))}
    assert len(final) > 5


def test_the_study_needs_none_of_the_books_stages(data):
    for path in data.iterdir():
        if path.name not in ("prepare", "label_curve"):
            shutil.rmtree(path)
    text = page(data).text
    assert "Accuracy against the number" in text
    assert "units" in text and "encode.batch_size" not in text


def test_what_the_study_says_stands_in_a_file_of_sentences(data):
    out = tiny.run("report", data, settings=settings())
    said = files.read_json(out / "verdict.json")
    lines = (out / "verdict.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [said["sentence"], said["planner"], said["choices"]]


def test_unequal_arms_of_the_study_carry_a_flag_at_the_top_and_in_the_ledger(data):
    assert "equal arms All arms tried the same number" in page(data).text
    path = data / "label_curve/ledger.csv"
    path.write_text(path.read_text().replace(",equal", ",UNEQUAL"))
    (data / "report").rename(data / "first")
    text = page(data).text
    assert text.index("Unequal arms: the arms did not all have the same") < text.index("Accuracy against the number")
    assert "unequal arms Not all arms tried the same" in text and "All arms tried" not in text


def test_the_tuning_is_said_with_the_sentence_and_every_table_of_the_study(data):
    said = "Tuned from 5 labels a class on: 2 configurations for every method, chosen within the labels."
    text = page(data).text
    n_tables = (data / "report/report.html").read_text().split('id="provenance"')[0].count("</table>")
    own = "Not tuned: the fixed settings of the networks."  # of rows chosen for labelling
    assert text.count(own) == 1
    assert text.count(said) >= n_tables + 3, "the verdict, its figure, two figures of arms, and every other table"


@pytest.mark.slow
def test_a_papers_claims_stand_beside_our_numbers(data):
    assert "The paper’s claims" not in page(data).text
    claim = {"question": "Does it help?", "paper": "by 9", "ours": "by {label_curve.difference_mean:.3f}",
             "holds": "label_curve.difference_mean > 1", "note": "Ours is small."}  # fmt: skip
    (data / "report").rename(data / "first")
    text = page(data, settings(report={"title": "T", "source": "A paper", "claims": [claim]})).text
    assert "Does it help? by 9 by 0.020 not seen Ours is small. The paper: A paper." in text
    (data / "report").rename(data / "second")
    other = claim | {"holds": "label_curve.pays_from > 1"}
    report = {"title": "T", "source": "A paper", "claims": [other]}
    assert "Does it help? by 9 – not measured Ours is small." in page(data, settings(report=report)).text


def test_failed_cells_of_the_study_are_counted_at_the_top_and_listed(data):
    path = data / "label_curve/cells.csv"
    lines = path.read_text().splitlines()
    lost = next(line for line in lines if line.startswith("fine-tuned,untied,15,1,"))
    path.write_text("\n".join(line for line in lines if line != lost))
    text = page(data).text
    assert text.index("1 cell failed and is missing from these numbers") < text.index("Accuracy against the number")
    assert "Failed cells: fine-tuned, 15 labels, run 1." in text and "none failed" not in text


def test_every_difference_stands_with_interval_and_p_values_or_as_not_distinguishable(tmp_path):
    data = make(tmp_path / "data", low=-0.01, high=0.01)
    table = pd.read_csv(data / "label_curve/comparisons.csv")
    text = page(data).text
    assert text.count(" not distinguishable") >= (~table.distinguishable).sum() > 0
    for row in table.itertuples():
        assert f"p {row.p:.3f} max-t {row.p_max_t:.3f}, Holm {row.p_holm:.3f}" in text
    sure = table[table.distinguishable].iloc[0]
    assert f"{signed(100 * sure.low, 1)} to {signed(100 * sure.high, 1)}" in text


def test_the_planner_and_the_ways_to_choose_rows_have_a_section_where_they_were_asked(data):
    text = page(data).text
    assert "More labels: how many, and which? Fine-tuning a pretrained encoder is at 72.0 % with 30 labels; " in text
    assert "85.0 % takes about 80 labels (95 % CI 70 or more) , 50 more. Beyond 90 labels, three times" in text
    assert "held-out budgets inside fine-tuned 30 72.0 75.0 70.0 to 80.0 75.0 70.0 to 80.0 1 of 1 95 %" in text
    assert (
        "Against a random draw of 15 rows, labelling rows in doubt gains 2.0 points (95 % CI 1.0 to 3.0, n = 3 runs"
        in text
    )
    assert "random 15 60.0 4 3 reference – uncertainty 15 62.0 4 3 +2.0 +1.0 to +3.0 0.250 –" in text
    assert "15 1.00 2.00 0.50 0.30 to 0.90 0.030" in text
    for name in ("choices", "spreads"):
        (data / f"label_curve/{name}.csv").unlink()
    planner = files.read_json(data / "label_curve/planner.json") | {"arms": {}}
    files.write_json(data / "label_curve/planner.json", planner)
    (data / "report").rename(data / "first")
    assert "More labels" not in page(data).text


def test_the_results_hashes_are_those_of_dvc_lock(data):
    text = page(data).text
    digest = files.data_hash(data / "label_curve")
    assert f"git log -S {digest} --oneline -- dvc.lock" in text and f"label_curve {digest}" in text


def test_the_figures_show_the_studys_numbers_in_per_cent_and_points(data):
    found = study.read(settings(), data)
    figures = report._figures(found)
    assert figures["last"][:2] == ["fine-tuned 72.3 %", "from scratch 70.1 %"] and len(figures["last"]) == 5
    for size, (width, height) in {"wide": (900, 330), "narrow": (356, 270)}.items():
        chart = figures["differences"][size]
        assert (chart["size"].width, chart["size"].height) == (width, height) and chart["zero"] is not None
        assert [line["arm"] for line in chart["lines"]] == ["fine-tuned", "fine-tuned - tied"]
        assert figures["curve"][size]["zero"] is None and figures["curve"][size]["size"].width == width
    n, value, low, high = figures["curve"]["wide"]["lines"][0]["points"][0][2]
    row = found.history[(found.history.arm == "fine-tuned") & (found.history.n_labels == 6)].iloc[0]
    assert (n, value, low, high) == (6, *(100 * row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")))
    n, value, low, high = figures["differences"]["wide"]["lines"][0]["points"][0][2]
    row = found.rows("fine-tuned", "from scratch")[0]
    assert (n, value, low, high) == (6, *(100 * row[name] for name in ("mean", "low", "high")))
    assert figures["curve"]["wide"]["lines"][0]["colour"] == figures["differences"]["wide"]["lines"][0]["colour"] == 0


def test_a_registered_study_says_so_and_lists_every_frozen_value_beside_what_it_is_now(data, tmp_path, monkeypatch):
    assert "This study was not registered before it ran." in page(data).text
    assert files.read_json(data / "report/verdict.json")["registration"].startswith("This study was not registered")
    (data / "report").rename(data / "first")
    path = tmp_path / "registered.yaml"
    path.write_text("")
    monkeypatch.setattr(registration, "FILE", path)
    entry = {"written": "2026-11-30 18:00 UTC", **registration.of(settings(), data / "prepare")}
    entry["label_curve"]["n_runs"] = 9
    register._add({"mine": entry})
    found = page(data)
    assert found.text.count("Registered as mine, written 2026-11-30 18:00 UTC; 1 of its") == 2
    assert "label_curve.n_runs 9 3 data.dataset fashion-mnist unchanged" in found.text
    assert "git log --format='%h %cI' -S'mine:' -- registered.yaml" in found.text
    assert "Hypothesis: With 15 labels, the best use of the autoencoder is above" in found.text
    pages.check_marked(found)


def test_a_small_loss_has_digits_and_a_difference_that_rounds_to_zero_is_zero():
    assert [page_parts._readable(value) for value in (0.28461, 0.0004, 1.234e-5, 0.0)] == [
        "0.2846", "0.0004", "1.2\xa0×\xa010⁻⁵", "0.0000",
    ]  # fmt: skip
    assert (page_parts._readable(0.0004, 3), page_parts._readable(0.004, 1)) == ("4.0\xa0×\xa010⁻⁴", "0.0")
