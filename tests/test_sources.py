"""tasks/sources: a data set is a module and an entry in the table; what was forgotten of it is named."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tasks import fetch, prepare
from tasks.frame import config, datasets, files
from tasks.frame.sections import Fetch

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("dataset", datasets.DATASETS)
def test_every_data_set_of_the_table_is_a_module_that_obtains_and_reads(dataset):
    module = datasets.source(dataset)
    assert [*inspect.signature(module.obtain).parameters] == ["options", "raw", "out"]
    assert [*inspect.signature(module.read).parameters] == ["folder", "dataset"]


def test_every_module_that_obtains_data_is_in_the_table():
    sources = {path.stem for path in (ROOT / "tasks/sources").glob("*.py") if "\ndef obtain(" in path.read_text()}
    assert sources == {*datasets.DATASETS.values()}, "an entry in DATASETS of tasks/frame/datasets.py"


def test_every_data_set_has_a_line_in_the_page_on_raw_data():
    page = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
    assert [name for name in datasets.DATASETS if f"| `{name}` |" not in page] == [], "a row of docs/own-data.md"


def test_a_new_source_is_fetched_and_prepared(tmp_path, monkeypatch):
    def obtain(options, raw, out):
        np.save(out / "dots.npy", np.arange(40, dtype=np.uint8).reshape(20, 2))

    def read(folder, dataset):
        x = np.load(folder / "dots.npy")
        return datasets.Record(x, np.arange(20) % 2, [f"{dataset} a", f"{dataset} b"], None, 255, 4)

    monkeypatch.setitem(datasets.DATASETS, "dots", "dots")
    monkeypatch.setitem(sys.modules, "tasks.sources.dots", SimpleNamespace(obtain=obtain, read=read))
    options = Fetch.model_construct(dataset="dots", path=None, sha256=None, label="label")
    params = config.load(ROOT / "params.yaml")
    params = params.model_copy(
        update={"fetch": options, "prepare": params.prepare.model_copy(update={"n_valid": 6, "n_test": 0})}
    )
    for stage, name in ((fetch, "fetch"), (prepare, "prepare")):
        (tmp_path / name).mkdir()
        stage.run(params, tmp_path, tmp_path / name, "")
    assert [len(np.load(tmp_path / f"prepare/{split}.npy")) for split in prepare.SPLITS] == [10, 6, 4]
    assert files.read_json(tmp_path / "prepare/manifest.json")["class_names"] == ["dots a", "dots b"]
