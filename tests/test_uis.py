"""What people see in MLflow and Prefect after a study, in a real browser; the pictures lie in the test's folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import clones
import made_up
import pytest
from mlflow import MlflowClient
from PIL import Image
from ruamel.yaml import YAML
from test_page import browser  # noqa: F401
from test_serve import Served, serving_of

STAGES = ("report", "track")
FITS = "(e) => e.scrollWidth <= e.clientWidth"
DRAWN = "document.querySelector(\"img[src*='label-curve']\")?.naturalWidth > 20"
BLOCKED = """() => new Promise((done) => {
  document.addEventListener("securitypolicyviolation",
    (event) => event.blockedURI.includes("api2") && done(event.blockedURI));
  fetch("https://api2.amplitude.com/").catch(() => setTimeout(() => done("nothing"), 2000)); })"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of this project whose study is made up, with the stages that show it."""
    folder = tmp_path_factory.mktemp("uis") / "project"
    clones.copy(folder)
    shutil.rmtree(folder / "data", ignore_errors=True)
    made_up.make(folder / "data")
    yaml = YAML(typ="safe", pure=True)
    dag = yaml.load((folder / "dvc.yaml").read_text())
    with (folder / "dvc.yaml").open("w") as file:
        yaml.dump({"stages": {name: dag["stages"][name] for name in STAGES}}, file)
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(json.loads(made_up.settings().model_dump_json()), file)
    return folder


@pytest.fixture(scope="module")
def served(project) -> Served:
    with serving_of(project) as (served, _):
        done = clones.run(project, "flows", "flow")
        assert done.returncode == 0, done.stderr
        yield served


@pytest.fixture
def page(browser):  # noqa: F811
    """A page, of which `asked` holds the requests to other machines."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    context.close()
    assert [url for url in page.asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []


@pytest.mark.soak
def test_mlflow_shows_the_verdict_few_metrics_curves_over_labels_figures_and_the_page(served, project, page, tmp_path):
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    (home,) = [e for e in client.search_experiments() if e.name == "autoencoders"]
    (run,) = client.search_runs([home.experiment_id], "tags.experiment_key != ''")
    base, mode = json.loads((project / ".prefect/serving.json").read_text())["mlflow"], "workflowType=machine_learning"
    runs = f"{base}/#/experiments/{home.experiment_id}/runs"
    said = json.loads((project / "data/report/verdict.json").read_text())["sentence"]
    assert run.info.run_name == "fashion-mnist " + run.data.tags["experiment_key"][:4]

    page.goto(f"{runs}?{mode}")
    name = page.get_by_role("link", name=run.info.run_name)
    name.wait_for()
    assert name.evaluate(FITS), "the name is cut off"
    page.screenshot(path=tmp_path / "runs.png")

    page.goto(f"{runs}/{run.info.run_id}?{mode}")
    page.get_by_text(said[:60]).first.wait_for()
    page.get_by_text(f"Metrics ({len(run.data.metrics)})").wait_for()
    assert len(run.data.metrics) <= 24
    page.wait_for_function(DRAWN)
    page.screenshot(path=tmp_path / "run.png")

    page.goto(f"{runs}/{run.info.run_id}/model-metrics?{mode}")
    for section in ("minus_best", "minus_scratch", "with_encoder"):
        page.get_by_text(section, exact=True).wait_for()
    page.locator("path.js-line").nth(2).wait_for()
    page.screenshot(path=tmp_path / "metrics.png")

    below = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and tags.stage = 'figures'"
    (figures,) = client.search_runs([home.experiment_id], below)
    page.goto(f"{runs}/{figures.info.run_id}/model-metrics?{mode}")
    page.wait_for_function(DRAWN)
    box = page.locator("img[src*='label-curve']").bounding_box()
    assert box["y"] + box["height"] < 1000, "the image is below the window"
    page.screenshot(path=tmp_path / "figures.png")

    page.goto(f"{runs}/{run.info.run_id}/artifacts/report.html")
    page.frame_locator("iframe").get_by_text(said[:30]).first.wait_for()
    page.screenshot(path=tmp_path / "report.png")


@pytest.mark.soak
def test_prefect_shows_the_graph_the_verdict_the_way_to_mlflow_and_asks_nobody_else(served, project, page, tmp_path):
    ended = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    run, *_ = served.ask("/flow_runs/filter", ended)
    assert run["name"] == "all stages"
    artifacts = {each["key"]: each["latest_id"] for each in served.ask("/artifacts/latest/filter", {})}
    base = served.url.removesuffix("/api")
    page.goto(f"{base}/v2/")
    page.locator("input").fill((project / ".prefect/password").read_text())
    page.keyboard.press("Enter")
    page.get_by_text("Flow Runs").first.wait_for()
    assert page.evaluate(BLOCKED).startswith("https://api2.amplitude.com")
    page.asked = [url for url in page.asked if "api2" not in url]
    assert not page.get_by_text("Upgrade").count()

    page.goto(f"{base}/v2/runs/flow-run/{run['id']}?tab=Parameters")
    page.get_by_text('"workers"').wait_for()
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(3000)  # the graph is drawn
    page.locator("canvas").first.screenshot(path=tmp_path / "graph.png")
    with Image.open(tmp_path / "graph.png") as graph:
        assert sum(n for n, (r, g, b) in graph.convert("RGB").getcolors(1 << 24) if g > r + 60 and g > b + 40) > 500
    page.screenshot(path=tmp_path / "run.png")

    page.goto(f"{base}/v2/artifacts/artifact/{artifacts['summary']}")
    said = json.loads((project / "data/report/verdict.json").read_text())["sentence"]
    page.get_by_text(said[:60]).first.wait_for()
    page.get_by_role("cell", name="encoder_minus_best", exact=True).wait_for()
    page.screenshot(path=tmp_path / "summary.png")
    link = page.get_by_role("link", name="The experiment in MLflow").get_attribute("href")
    page.goto(link)
    page.get_by_text(said[:60]).first.wait_for()
