"""Stage `book`: the book's page, on a made-up data folder."""

from __future__ import annotations

import platform
import re
import shutil
from functools import partial

import numpy as np
import pages
import pandas as pd
import pytest
import tiny
from made_up import make, settings
from pages import contents

from tasks import book
from tasks.frame import code, files

page = partial(pages.page, "book")


pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_page_opens_with_title_and_what_was_trained(data):
    text = page(data, settings(report={"title": "A <b>title", "source": "A book"})).text
    assert text.startswith("A <b>title A book A <b>title Autoencoders of widths 16-8-4-8-16, trained end to end")
    assert "With 12 labels, fine-tuning a pretrained encoder adds 2.0 points" in text
    order = ["12 labels, one autoencoder", "Tied or untied weights?", "Greedy layerwise training", "Reconstructions",
             "Map of the codings", "A linear autoencoder is PCA", "Loss curves", "Provenance Data set"]  # fmt: skip
    assert [text.rindex(words) for words in order] == sorted(text.rindex(words) for words in order)


def test_the_page_reaches_for_nothing_outside_itself(data):
    pages.check_closed(page(data), (data / "book/book.html").read_text(encoding="utf-8"))


def test_every_figure_says_in_words_what_it_shows(default):
    images, drawings = default.all("img"), default.all("svg")
    assert len(images) == 5 and all(len(image["alt"]) > 40 and int(image["width"]) > 0 for image in images)
    assert len(drawings) == 1 and len(drawings[0]["aria-label"]) > 40 and drawings[0]["role"] == "img"


def test_headings_and_tables_are_marked_as_such(default):
    pages.check_marked(default)


@pytest.mark.slow
def test_the_files_name_no_place_and_are_the_same_a_second_time(data):
    first = tiny.run("book", data, settings=settings())
    for path in (p for p in first.rglob("*") if p.is_file()):
        assert str(data.parent).encode() not in path.read_bytes() and str(tiny.ROOT).encode() not in path.read_bytes()
    kept = first.rename(data / "first")
    assert contents(kept) == contents(tiny.run("book", data, settings=settings()))


def test_the_book_needs_no_study(data):
    shutil.rmtree(data / "label_curve")
    assert "Tied or untied weights?" in page(data).text
    final = files.read_json(data / "book/final.json")
    assert {"prepare", "pca", "pretrain", "phase", "finetune", "book"} <= {name.split(".")[0] for name in final}
    assert not any(name.startswith("label_curve") for name in final)


@pytest.mark.slow
def test_claims_that_name_the_books_metrics_stand_on_its_page_and_others_on_the_studys(data):
    words = {"paper": "yes", "note": "A note."}
    claims = [
        {"question": "Of the book?", "ours": "{pretrain.val_loss:.2f}", "holds": "pretrain.val_loss < 1", **words},
        {"question": "Of the study?", "ours": "{label_curve.difference_mean:.2f}",
         "holds": "label_curve.difference_mean > 0", **words},
    ]  # fmt: skip
    given = settings(report={"title": "T", "source": "S", "claims": claims})
    ours, theirs = (found.text.partition("Provenance Data set")[0] for found in
                    (page(data, given), pages.page("report", data, given)))  # fmt: skip
    assert "Of the book? yes 0.25 yes A note." in ours and "Of the study?" not in ours
    assert "Of the study? yes 0.02 yes A note." in theirs and "Of the book?" not in theirs


@pytest.mark.parametrize("n_phases", [1, 3])
def test_any_number_of_phases_is_shown(tmp_path, n_phases):
    data = make(tmp_path / "data", n_phases=n_phases)
    text = page(data, settings(n_phases)).text
    assert f"phase {n_phases} " in text and f"phase {n_phases + 1} " not in text
    losses = [name for name in files.read_json(data / "book/final.json") if re.fullmatch(r"phase\.\d\.val_loss", name)]
    assert losses == [f"phase.{k}.val_loss" for k in range(1, n_phases + 1)]
    assert pd.read_csv(data / "book/phases.csv").phase.nunique() == n_phases


def test_a_stack_that_was_not_fine_tuned_is_said_to_be_so(tmp_path):
    text = page(make(tmp_path / "data", finetuned=False), settings(stack={"epochs": 0})).text
    assert "validation loss of 0.3000; it was not fine-tuned." in text


def test_without_printed_figures_the_page_has_no_such_section(data):
    found = page(data)
    assert "fidelity" not in {a.get("id") for a in found.all("section")} and "rinted numbers" not in found.text
    assert files.read_json(data / "book/metrics.json") == {"n_printed": 0, "n_measured": 0, "n_agree": 0}
    assert pd.read_csv(data / "book/fidelity.csv").empty


def test_printed_figures_stand_beside_ours(data):
    figure = {
        "system": "stacked",
        "metric": "pretrain.val_loss@1",
        "printed": 0.503,
        "within": 0.003,
        "note": "a <note>",
    }
    late = {"system": "later", "metric": "pretrain.val_loss@9", "printed": 0.5, "within": 0.003}
    text = page(data, settings(book=tiny.printed(data, figure, late))).text
    assert "stacked 0.5030 0.5000 −0.0030 0.0030 agrees a <note>" in text
    assert "later 0.5000 – 0.0030 not trained" in text
    table = pd.read_csv(data / "book/fidelity.csv")
    assert table.ours[0] == 0.5 and np.isnan(table.ours[1]) and list(table.verdict) == ["agrees", "not trained"]


def test_unequal_numbers_of_steps_are_pointed_out(data):
    path = data / "finetune/scores.csv"
    path.write_text(path.read_text().replace("fine-tuned,0,0.7,4", "fine-tuned,0,0.7,8"))
    assert "The arms took unequal numbers of gradient steps" in page(data).text


def test_the_means_over_runs_are_kept_for_plots(data):
    page(data)
    table = pd.read_csv(data / "book/tying.csv")
    assert table.columns.tolist() == ["epoch", "tied", "untied"]
    assert table.tied.tolist() == pytest.approx([0.305, 0.305])


def test_the_page_is_given_the_stages_numbers_and_nothing_rounded(data, monkeypatch):
    given = {}
    monkeypatch.setattr(book.page, "write", lambda path, params, data, **content: given.update(content))
    out = tiny.run("book", data, settings=settings())
    assert given["shape_of_stack"] == "16-8-8-8-16"
    assert [(phase["number"], phase["shape"]) for phase in given["phases"]] == [("1", "16-8-16"), ("2", "8-8-8")]
    assert given["phases"][1]["metrics"]["val_loss"] == 0.25 and given["phases"][1]["recipe"] == settings().phase["2"]
    few = given["few"]
    assert few["verdict"].claim.startswith("With 12 labels, fine-tuning") and few["same_steps"] is True
    assert [arm for arm, _ in few["others"]] == ["LP-FT", "top layer fine-tuned", "frozen encoder", "random features"]
    assert (few["main"]["arm"], few["main"]["against"], few["main"]["places"]) == ("fine-tuned", "from scratch", 1)
    best = few["arms"][0]
    assert {name: best[name] for name in ("name", "trains", "mean", "sd", "steps")} == {
        "name": "random features", "trains": "head only", "mean": 0.75, "sd": pytest.approx(0), "steps": [4]
    }  # fmt: skip
    against = [[row and row["against"] for row in arm["differences"]] for arm in few["arms"][:3]]
    assert against == [["from scratch", None], [None, "random features"], ["from scratch", "random features"]]
    assert given["images"]["pca"] == {
        "url": "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAAAAAAcAAAAF", "width": 7, "height": 5
    }  # fmt: skip
    assert [*given["images"]] == ["few-labels", "tying", "reconstructions", "pca", "losses"]
    assert [*given["m"]] == ["pca", "pretrain", "tying", "stack", "layerwise", "visualize", "finetune"]
    assert given["fidelity"] == {
        "rows": [], "verdict": "None of the 0 printed numbers was trained in this run.",
        "n_printed": 0, "n_measured": 0, "n_agree": 0, "shifts": [],
    }  # fmt: skip
    assert (out / "phases.csv").read_text().splitlines()[:4] == [
        "phase,epoch,loss,val_loss", "phase 1,1,0.4,0.5", "phase 1,2,0.2,0.25", "phase 2,1,0.4,0.5"
    ]  # fmt: skip
    assert (out / "tying.csv").read_text().splitlines()[:2] == ["epoch,tied,untied", "1,0.305,0.305"]
    head = "system,metric,printed,ours,sd,difference,within,verdict,note\n"
    assert (out / "fidelity.csv").read_text() == head
    assert {path.stem for path in (out / "paper").glob("*.pdf")} == {"few-labels", "tying", "losses"}
    final = files.read_json(out / "final.json")
    assert [final[f"book.n_{name}"] for name in ("printed", "measured", "agree")] == [0, 0, 0]


def test_the_widths_of_an_autoencoder_are_mirrored():
    assert [book.page.shape(784, units) for units in ([100, 30], [2])] == ["784-100-30-100-784", "784-2-784"]


def test_evidence_has_its_own_style_and_is_escaped():
    said = str(book.page._evidence("a < b (n = 3) c (p)"))
    assert said == 'a &lt; b <span class="evidence">(n = 3)</span> c <span class="evidence">(p)</span>'


def test_provenance_names_parameters_code_results_and_versions(data):
    told = book.page._provenance(settings(), data)
    assert [*told] == ["parameters", "code", "results", "witness", "versions"]
    assert told["code"] == code.digest(code.computing()) and told["parameters"]["seed"] == "42"
    assert told["witness"] == [*told["results"].values()][-1]
    assert told["results"]["pca"] == files.data_hash(data / "pca")
    packages = ["tensorflow", "keras", "numpy", "scikit-learn", "openTSNE", "pandas", "scipy", "matplotlib"]
    assert [*told["versions"]] == ["python", *packages]
    assert told["versions"]["python"] == platform.python_version() and told["versions"]["numpy"] == np.__version__
