"""A stage reaches the parameters and files that dvc.yaml declares for it, and no others."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tiny

from tasks.frame import config, files, stage, view
from tasks.frame.declared import Declared
from tasks.frame.fields import Undeclared

DAG = """
stages:
  toy: {cmd: python -m tasks.toy, deps: [data/prepare/train.npy, data/phase],
        params: [seed, network.shape.units, finetune]}
  phase:
    foreach: ${phase}
    do: {cmd: python -m tasks.phase, deps: ['${item.input}', 'data/${finetune.encoder}'], params: ['phase.${key}']}
"""


@pytest.fixture
def run(fresh_repository, as_stage):
    """Return what runs a function as a stage of a small dvc.yaml."""
    Path("dvc.yaml").write_text(DAG)
    for name in ("prepare/train.npy", "prepare/test.npy", "phase/1/a.txt", "pretrain/a.txt", "stack/a.txt"):
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        with Path("data", name).open("wb") as file:
            np.save(file, np.arange(3))

    def run(read, name="toy", key=""):
        as_stage(lambda params, data, out, key: read(params, data), name)
        stage.execute(name, key)

    return run


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (lambda params: params.pretrain.epochs, "pretrain"),
        (lambda params: params.network.shape.l2, "a Shape's l2"),
        (lambda params: params.threads, "threads"),
        (lambda params: params.phase, "phase"),
    ],
)
def test_a_parameter_that_is_not_declared_is_refused(run, read, named):
    with pytest.raises(Undeclared, match=f"dvc.yaml: a stage reads {named}: expected it among the stage's params"):
        run(lambda params, data: read(params))


@pytest.mark.parametrize("name", ["prepare/test.npy", "prepare", "pretrain/a.txt", ".", "phase2/a.txt"])
@pytest.mark.parametrize("opened", [np.load, files.md5, Path, files.data_hash])
def test_a_file_that_is_not_declared_is_refused(run, name, opened):
    with pytest.raises(Undeclared, match=r"dvc\.yaml: stage toy opens data.*: expected it among the stage's deps"):
        run(lambda params, data: opened(data / name))


def test_what_is_declared_can_be_read(run):
    seen = []

    def read(params, data):
        seen.append((params.seed, params.network.shape.units, params.finetune.n_labels))
        seen.append((*np.load(data / "prepare" / "train.npy"), *np.load(data / Path("phase/1/a.txt"))))

    run(read)
    given = config.load()
    assert seen == [(given.seed, given.network.shape.units, given.finetune.n_labels), (0, 1, 2, 0, 1, 2)]


def test_names_in_braces_stand_for_the_instance_and_for_parameters(run):
    run(lambda params, data: (np.load(data / "pretrain/a.txt"), params.phase["1"].units), "phase", "1")
    for wrong in (lambda params, data: np.load(data / "stack/a.txt"), lambda params, data: params.phase["2"]):
        with pytest.raises(LookupError):
            run(wrong, "phase", "1")


def test_what_a_stage_sees_travels_to_its_workers_and_is_dumped_as_it_is():
    reads = Declared(["data/prepare"], ["seed", "network.shape.units", "phase.1"])
    params, folder = pickle.loads(
        pickle.dumps((view.params(tiny.params(), reads), view.folder(Path("data"), "toy", reads)))
    )
    assert [*params.model_dump()] == ["seed", "network", "phase"]
    assert params.model_dump()["network"] == {"shape": {"units": [8, 4]}}
    assert [*params.phase] == ["1"]
    for wrong in (lambda: params.track, lambda: params.network.shape.l2, lambda: Path(folder / "stack")):
        with pytest.raises(Undeclared):
            wrong()
    assert view.unchecked(folder / "stack") == Path("data/stack") == view.unchecked(Path("data/stack"))


def test_the_whole_file_is_the_whole_file():
    params = tiny.params()
    assert view.params(params, Declared([], list(params.model_dump()))) == params


def test_a_section_has_no_attributes_but_its_keys():
    with pytest.raises(AttributeError, match="Params has no key pretrian"):
        _ = tiny.params().pretrian  # type: ignore[attr-defined]
    assert not hasattr(tiny.params(), "pretrian")
