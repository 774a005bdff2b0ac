"""Stage `report`: the page, on a made-up data folder."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import tiny
from made_up import make, settings

from tasks import experiment, figures, files, report, wording

PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(8) + (7).to_bytes(4, "big") + (5).to_bytes(4, "big")  # its size in the header


@pytest.fixture
def data(tmp_path):
    return make(tmp_path / "data")


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Leave the drawing, which takes seconds, to tests/test_paper.py and one test here."""
    if "files" not in request.node.name:
        monkeypatch.setattr(report.paper, "write", lambda *_, **__: None)
        monkeypatch.setattr(figures, "save", lambda figure, path: path.write_bytes(PIXEL))


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    """The page of the default results."""
    return page(make(tmp_path_factory.mktemp("default") / "data"))


class Page(HTMLParser):
    """The page's tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags are nested"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def page(data, params=None):
    out = tiny.run("report", data, settings=params or settings())
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_page_opens_with_title_and_verdict(data):
    text = page(data, settings(report={"title": "A <b>title", "source": "A book", "figures": []})).text
    assert text.startswith("A <b>title A book A <b>title An autoencoder of widths 16-8-4-8-16")
    said = "adds 2.0 points of test accuracy over training from scratch (95 % CI 1.0 to 3.0, n = 3 draws, exact p = 0.020 after Holm)"
    assert f"Verdict With 15 labels, fine-tuning a pretrained encoder {said} and is worth 1.2 times the labels" in text
    assert "With 12 labels, fine-tuning a pretrained encoder adds 2.0 points" in text
    order = ["Verdict With 15", "Accuracy against the number", "Which differences can be told?", "Was it fair?",
             "12 labels, one autoencoder", "Provenance Data set"]  # fmt: skip
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.03, -0.01, "loses 2.0 points"), (-0.01, 0.03, "is not distinguishable from training from scratch")],
)
def test_the_verdict_follows_the_numbers(tmp_path, low, high, words):
    text = page(make(tmp_path / "data", low=low, high=high)).text
    assert f"fine-tuning a pretrained encoder {words}" in text
    assert "fine-tuning a pretrained encoder adds" not in text


def test_the_page_reaches_for_nothing_outside_itself(data):
    found = page(data)
    references = [a[name] for _, a in found.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert references
    assert {re.match(r"data:|#", reference) is not None for reference in references} == {True}
    style = (data / "report/report.html").read_text(encoding="utf-8")
    assert all(script == {} for script in found.all("script"))
    assert not re.search(r"https?:|url\((?!data:)|@import|fetch\(|import\(", style)
    assert {a["href"][1:] for a in found.all("a")} <= {a["id"] for _, a in found.tags if "id" in a}


def test_every_figure_says_in_words_what_it_shows(default):
    found, images = default, default.all("img")
    assert len(images) == 5
    drawings = found.all("svg")
    assert len(drawings) == 5 and all(len(a["aria-label"]) > 40 and a["role"] == "img" for a in drawings)
    assert all(len(image["alt"]) > 40 and int(image["width"]) > 0 for image in images)


def test_headings_and_tables_are_marked_as_such(default):
    found = default
    assert [tag for tag, _ in found.tags if tag == "h1"] == ["h1"]
    assert all("scope" in a for a in found.all("th"))
    regions = [a for a in found.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(found.all("table")), "every table scrolls in a box of its own"
    assert found.open == []


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(data):
    first = tiny.run("report", data, settings=settings())
    kept = first.rename(data / "first")
    second = tiny.run("report", data, settings=settings())
    assert contents(kept) == contents(second)


def test_the_files_name_no_place_on_this_machine(data):
    out = tiny.run("report", data, settings=settings())
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert str(data.parent).encode() not in path.read_bytes() and str(tiny.ROOT).encode() not in path.read_bytes()


def test_tables_without_images_are_called_rows(tmp_path):
    text = page(make(tmp_path / "data", image_shape=None)).text
    assert "from 67 rows without labels" in text and "images" not in text.partition(" parameters parameter value")[0]


@pytest.mark.parametrize("n_phases", [1, 3])
def test_any_number_of_phases_is_shown(tmp_path, n_phases):
    data = make(tmp_path / "data", n_phases=n_phases)
    text = page(data, settings(n_phases)).text
    assert f"phase {n_phases} " in text and f"phase {n_phases + 1} " not in text
    losses = [
        name for name in files.read_json(data / "report/final.json") if re.fullmatch(r"phase\.\d\.val_loss", name)
    ]
    assert losses == [f"phase.{k}.val_loss" for k in range(1, n_phases + 1)]
    assert pd.read_csv(data / "report/phases.csv").phase.nunique() == n_phases


def test_the_final_metrics_are_those_of_every_stage_each_once_and_of_no_earlier_report(data):
    (data / "report").mkdir()
    files.write_json(data / "report" / "metrics.json", {"left_by": 1})
    before = experiment.metrics(settings(), data)
    (data / "report").rename(data / "earlier")
    final = files.read_json(tiny.run("report", data, settings=settings()) / "final.json")
    counts = {"report.n_figures": 0, "report.n_measured": 0, "report.n_agree": 0}
    assert final == {n: value for n, value in before.items() if n != "report.left_by"} | counts
    assert {"prepare", "phase", "finetune", "label_curve", "report"} <= {name.split(".")[0] for name in final}


def test_a_stack_that_was_not_fine_tuned_is_said_to_be_so(tmp_path):
    text = page(make(tmp_path / "data", finetuned=False), settings(stack={"epochs": 0})).text
    assert "validation loss of 0.3000; it was not fine-tuned." in text


def test_without_printed_figures_the_page_has_no_such_section(data):
    found = page(data)
    assert "fidelity" not in {a.get("id") for a in found.all("section")} and "printed" not in found.text
    assert files.read_json(data / "report/metrics.json") == {"n_figures": 0, "n_measured": 0, "n_agree": 0}
    assert pd.read_csv(data / "report/fidelity.csv").empty


def test_printed_figures_stand_beside_ours(data):
    figure = {
        "system": "stacked",
        "metric": "pretrain.val_loss@1",
        "printed": 0.503,
        "within": 0.003,
        "note": "a <note>",
    }
    late = {"system": "later", "metric": "pretrain.val_loss@9", "printed": 0.5, "within": 0.003}
    text = page(data, settings(report={"figures": [figure, late]})).text
    assert "stacked 0.5030 0.5000 −0.0030 0.0030 agrees a <note>" in text
    assert "later 0.5000 – 0.0030 not trained" in text
    table = pd.read_csv(data / "report/fidelity.csv")
    assert table.ours[0] == 0.5 and np.isnan(table.ours[1]) and list(table.verdict) == ["agrees", "not trained"]


def test_unequal_numbers_of_steps_are_pointed_out(data):
    path = data / "finetune/scores.csv"
    path.write_text(path.read_text().replace("free,0,0.7,4", "free,0,0.7,8"))
    assert "The arms took unequal numbers of gradient steps" in page(data).text


def test_unequal_arms_of_the_study_carry_a_flag_at_the_top_and_in_the_ledger(data):
    assert "equal arms Every trained arm took the same" in page(data).text
    path = data / "label_curve/ledger.csv"
    path.write_text(path.read_text().replace(",equal", ",UNEQUAL"))
    (data / "report").rename(data / "first")
    text = page(data).text
    assert text.index("Unequal arms: not all arms were given the same") < text.index("Accuracy against the number")
    assert "unequal arms Not all trained arms took the same" in text and "Every trained arm took" not in text


def test_labels_beyond_the_budgets_are_said_at_the_top_and_with_every_table_of_the_study(data):
    said = "Protocol large_validation: 5,000 validation labels, beyond every budget, chose the learning rates of the"
    without = page(data).text
    assert said not in without and "Validation labels are never used." in without
    path = data / "label_curve/ledger.csv"
    ledger = pd.read_csv(path)
    ledger.loc[ledger.kind == "trained", "labels_beyond_budget"] = 5000
    ledger.to_csv(path, index=False)
    (data / "report").rename(data / "first")
    text = page(data).text
    assert text.index(said) < text.index("Accuracy against the number")
    n_tables = (data / "report/report.html").read_text().split('id="few-labels"')[0].count("</table>")
    assert text.count(said) >= n_tables + 3, "the verdict and the two charts, and every table of the study"
    assert "Validation labels are never used." not in text


def test_a_papers_claims_stand_beside_our_numbers(data):
    assert "The paper’s claims" not in page(data).text
    claim = {"question": "Does it help?", "paper": "by 9", "ours": "by {label_curve.difference_mean:.3f}",
             "holds": "label_curve.difference_mean > 1", "note": "Ours is small."}  # fmt: skip
    (data / "report").rename(data / "first")
    text = page(data, settings(report={"title": "T", "source": "A paper", "figures": [], "claims": [claim]})).text
    assert "Does it help? by 9 by 0.020 not seen Ours is small. The paper: A paper." in text
    (data / "report").rename(data / "second")
    other = claim | {"holds": "label_curve.pays_from > 1"}
    report = {"title": "T", "source": "A paper", "figures": [], "claims": [other]}
    assert "Does it help? by 9 – not measured Ours is small." in page(data, settings(report=report)).text


def test_failed_cells_of_the_study_are_counted_at_the_top_and_listed(data):
    path = data / "label_curve/cells.csv"
    lines = path.read_text().splitlines()
    lost = next(line for line in lines if line.startswith("free,untied,15,1,"))
    path.write_text("\n".join(line for line in lines if line != lost))
    text = page(data).text
    assert text.index("1 cell failed and is missing from these numbers") < text.index("Accuracy against the number")
    assert "Failed cells: free, 15 labels, run 1." in text and "none failed" not in text


def test_every_difference_stands_with_interval_and_p_values_or_as_not_distinguishable(tmp_path):
    data = make(tmp_path / "data", low=-0.01, high=0.01)
    table = pd.read_csv(data / "label_curve/comparisons.csv")
    text = page(data).text
    assert text.count(" not distinguishable") >= (~table.distinguishable).sum() > 0
    for row in table.itertuples():
        assert f"p {row.p:.3f}, Holm {row.p_holm:.3f}" in text
    sure = table[table.distinguishable].iloc[0]
    assert f"{wording.signed(100 * sure.low, 1)} to {wording.signed(100 * sure.high, 1)}" in text


def test_the_planner_and_the_ways_to_choose_rows_have_a_section_where_they_were_asked(data):
    text = page(data).text
    assert "More labels: how many, and which? Fine-tuning a pretrained encoder is at 72.0 % with 30 labels; " in text
    assert "85.0 % takes about 900 labels (95 % CI 700 to 1,200) , 870 more." in text
    assert (
        "Against a random draw of 15 rows, labelling rows in doubt gains 2.0 points (95 % CI 1.0 to 3.0, n = 3 runs"
        in text
    )
    assert "random 15 60.0 4 3 reference uncertainty 15 62.0 4 3 +2.0 +1.0 to +3.0 0.250" in text
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


def test_the_means_over_seeds_are_kept_for_plots(data):
    page(data)
    table = pd.read_csv(data / "report/tying.csv")
    assert table.columns.tolist() == ["epoch", "tied", "untied"]
    assert table.tied.tolist() == pytest.approx([0.305, 0.305])
