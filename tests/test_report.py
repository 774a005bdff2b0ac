"""Stage `report`: the page, on a made-up data folder."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import tiny

from tasks import figures, files

ARMS = ("free", "unfrozen after frozen", "lower layers frozen", "frozen", "from scratch", "random frozen")
PAIRS = [(arm, base) for base in ("from scratch", "random frozen") for arm in ARMS if arm != base]
PHASE = {"units": 8, "epochs": 2, "batch_size": 8, "activation": "selu", "output_activation": "sigmoid",
         "loss": "binary_crossentropy", "optimizer": "sgd", "learning_rate": 0.5}  # fmt: skip


def settings(n_phases=2, **sections):
    before = {1: "data/prepare"} | {k: f"data/encode/{k - 1}" for k in range(2, n_phases + 1)}
    phase = {str(k): {**PHASE, "input": before[k]} for k in range(1, n_phases + 1)}
    return tiny.params(phase=phase, **{"report": {"figures": []}, **sections})


@pytest.fixture
def data(tmp_path):
    return make(tmp_path / "data")


def make(data, *, n_phases=2, image_shape=(4, 4), low=0.01, high=0.03, finetuned=True):
    """Write what the stages write, with numbers made up; pretraining adds (low + high) / 2."""
    curve = [{"epoch": k, "loss": 0.4 / k, "val_loss": 0.5 / k, "val_mse": 0.1 / k} for k in (1, 2)]
    last = {"loss": 0.2, "val_loss": 0.25, "val_mse": 0.05}
    for name in ["pretrain", *(f"phase/{k}" for k in range(1, n_phases + 1))]:
        write(data / name, {**last, "n_parameters": 310}, curve)
    before = {"val_loss_before": 0.3, "val_mse_before": 0.06}
    if finetuned:
        write(data / "stack", last | before, curve)
    else:
        write(data / "stack", {"val_loss": 0.3, "val_mse": 0.06, **before}, [{"epoch": 0, "val_loss": 0.3}])
    seeds = [
        {"arm": arm, "seed": seed, "epoch": epoch, "loss": 0.3, "val_loss": 0.3 + seed / 100}
        for arm in ("tied", "untied") for seed in (0, 1) for epoch in (1, 2)
    ]  # fmt: skip
    difference = {"mean": -0.01, "sd": 0.001, "low": -0.02, "high": -0.005, "n": 2, "p": 0.5}
    arms = {f"{arm}_{name}": value for arm in ("tied", "untied")
            for name, value in (("val_loss", 0.3), ("val_loss_sd", 0.01), ("n_parameters", 310))}  # fmt: skip
    write(data / "tying", {f"difference_{name}": value for name, value in difference.items()} | arms, seeds)
    linear = ("mse", "mse_svd", "gap", "largest_angle_degrees", "median_angle_degrees")
    write(data / "pca", {f"{of}_{n}": 0.1 for of in ("points", "points_converged", "images") for n in linear})
    differences = {"difference_bypass": 1e-7, "difference_bypass_cached": 2e-7, "largest_weight": 0.3}
    write(data / "layerwise", differences)
    spaces = {f"knn_accuracy_{space}": 0.8 for space in ("inputs", "codings", "map")}
    dimensions = {"inputs_dimensions": 16, "codings_dimensions": 4, "map_dimensions": 2}
    write(data / "visualize", {**spaces, **dimensions, "trustworthiness_map": 0.99})
    finetune(data / "finetune", low, high)
    counts = {"n_train": 67, "n_valid": 45, "n_test": 30, "n_features": 16, "n_classes": 3}
    write(data / "prepare", {**counts, "leaked_rows_valid": 0, "leaked_rows_test": 1})
    split = {"rows": 30, "sha256": "a" * 64, "labels_sha256": "b" * 64, "class_counts": [10, 10, 10]}
    shape = list(image_shape) if image_shape else None
    names = ["a", "<b> & co", "c"]
    manifest = {"dataset": "made <up>", "image_shape": shape, "class_names": names, "leaked_rows": {}}
    files.write_json(
        data / "prepare/manifest.json", manifest | {"splits": dict.fromkeys(("train", "valid", "test"), split)}
    )
    for path in ("finetune/finetune", "tying/tying", "visualize/reconstructions", "visualize/map", "pca/pca"):
        figures.save(figures.new(1, 1), data / f"{path}.png")
    return data


def write(folder, metrics, history=None):
    folder.mkdir(parents=True)
    files.write_json(folder / "metrics.json", metrics)
    if history:
        files.write_table(folder / "history.csv", history)


def finetune(folder, low, high):
    write(folder, {"n_labels": 12})
    rows = [{"arm": arm, "seed": seed, "accuracy": 0.7 + k / 100, "n_steps": 4}
            for k, arm in enumerate(ARMS) for seed in (0, 1)]  # fmt: skip
    files.write_table(folder / "scores.csv", rows)
    found = {"n": 2, "mean": (low + high) / 2, "sd": 0.01, "low": low, "high": high, "p": 0.03, "p_holm": 0.04}
    comparisons = [{"arm": arm, "against": base, **found, "distinguishable": True} for arm, base in PAIRS]
    files.write_table(folder / "comparisons.csv", comparisons)
    files.write_json(folder / "proofs.json", [{"arm": arm, "seed": seed} for arm in ARMS for seed in (0, 1)])


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

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags are nested"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page(data, params=None):
    out = tiny.run("report", data, settings=params or settings())
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_page_opens_with_title_and_verdict(data):
    text = page(data, settings(report={"title": "A <b>title", "source": "A book", "figures": []})).text
    assert text.startswith("A <b>title A book A <b>title An autoencoder of widths 16-8-4-8-16")
    assert "Verdict With 12 labels, fine-tuning a pretrained encoder adds 2.0 points" in text
    assert text.index("Verdict") < text.index("Few labels: does pretraining pay?") < text.index("Provenance Data set")


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
    assert not found.all("script") and not re.search(r"https?:|url\(|@import", style)
    assert {a["href"][1:] for a in found.all("a")} <= {a["id"] for a in found.all("section") if "id" in a}


def test_every_figure_says_in_words_what_it_shows(data):
    images = page(data).all("img")
    assert len(images) == 6
    assert all(len(image["alt"]) > 40 and int(image["width"]) > 0 for image in images)


def test_headings_and_tables_are_marked_as_such(data):
    found = page(data)
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
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}


def test_the_files_name_no_place_on_this_machine(data):
    out = tiny.run("report", data, settings=settings())
    for path in out.iterdir():
        assert str(data.parent).encode() not in path.read_bytes() and str(tiny.ROOT).encode() not in path.read_bytes()


def test_tables_without_images_are_called_rows(tmp_path):
    text = page(make(tmp_path / "data", image_shape=None)).text
    assert "from 67 rows without labels" in text and "images" not in text.partition(" parameters parameter value")[0]


@pytest.mark.parametrize("n_phases", [1, 3])
def test_any_number_of_phases_is_shown(tmp_path, n_phases):
    data = make(tmp_path / "data", n_phases=n_phases)
    text = page(data, settings(n_phases)).text
    assert f"phase {n_phases} " in text and f"phase {n_phases + 1} " not in text
    assert list(files.read_json(data / "report/phases.json")["phase"]) == [str(k) for k in range(1, n_phases + 1)]
    assert pd.read_csv(data / "report/phases.csv").phase.nunique() == n_phases


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


def test_the_means_over_seeds_are_kept_for_plots(data):
    page(data)
    table = pd.read_csv(data / "report/tying.csv")
    assert table.columns.tolist() == ["epoch", "tied", "untied"]
    assert table.tied.tolist() == pytest.approx([0.305, 0.305])
