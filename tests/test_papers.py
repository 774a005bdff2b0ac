"""What papers found beside what their experiments found: every claim can be filled in and judged."""

from __future__ import annotations

import importlib.util

import pytest
import tiny
from ruamel.yaml import YAML

from autoencoders.arms import COMPARED
from autoencoders.sentences import FILLED_IN
from flows import experiments
from tasks.frame import config

PAPERS = ("erhan-2010", "hinton-2006", "paine-2014", "vincent-2010")


@pytest.fixture(scope="module")
def papers():
    spec = importlib.util.spec_from_file_location("papers", tiny.ROOT / "docs/papers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def merged(name, monkeypatch):
    """Return an experiment's whole parameters."""
    monkeypatch.chdir(tiny.ROOT)
    text = experiments.merged((tiny.ROOT / "params.yaml").read_text(encoding="utf-8"), name)
    return config.check(YAML(typ="safe").load(text), tiny.ROOT / "params.yaml")


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_experiment_can_run_and_its_page_has_a_row_for_every_claim(papers, name, monkeypatch):
    params = merged(name, monkeypatch)
    named = {found for claim in params.report.claims for found in FILLED_IN.findall(claim.ours)}
    assert named
    words = " ".join(claim.holds for claim in params.report.claims).split()
    metrics = dict.fromkeys([*(m for m, _ in named), *(w for w in words if "." in w and w[0].isalpha())], 0.5)
    page = papers.page(params, metrics, name)
    assert page.count("| yes |") + page.count("| not seen |") == len(params.report.claims) > 0
    text = (tiny.ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"make experiment NAME={name}" in text and "# Cost: " in text


@pytest.mark.slow
def test_the_metrics_that_claims_name_are_written(monkeypatch, tmp_path):
    """Run tiny copies of the stages whose metrics are named."""
    from tasks.frame import experiment

    data = tiny.prepare(tmp_path / "data")
    changes = {"n_runs": 4, "choices": [], "arms": [*COMPARED], "n_labels": [6, 15, 30]}
    changes |= {"pretrainings": ["greedy", "denoising masking", "denoising gaussian"]}
    settings = tiny.params(label_curve=changes)
    tiny.run("pretrain", data, settings=settings)
    tiny.run("label_curve", data, settings=settings)
    written = set(experiment.metrics(settings, data)) | {"label_curve.difference_headline_mean"}
    for name in PAPERS:
        for claim in merged(name, monkeypatch).report.claims:
            words = [m for m, _ in FILLED_IN.findall(claim.ours)] + claim.holds.split()
            wanted = {word for word in words if word.startswith(("pretrain.", "label_curve."))}
            budgets = {"1100": "6", "55000": "30"}
            for number, tiny_number in budgets.items():
                wanted = {word.replace(f"_{number}_", f"_{tiny_number}_") for word in wanted}
            assert wanted <= written, name
