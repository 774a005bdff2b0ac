"""The cells of a study as they are filled: what is thrown away, in which order they come, and what a run costs."""

from __future__ import annotations

import pytest
import tiny

from tasks.frame import files
from tasks.frame.cells import Failure
from tasks.frame.errors import StudyFailed
from tasks.study import effort, keys, proofs, runs
from tasks.study.rows import Size

SIZE = Size(67, 16, 3)
FEW = {"arms": ["logistic regression", "fine-tuned", "random features", "from scratch"], "n_runs": 2,
       "n_labels": [6, 15], "choices": ["random"],
       "beforehand": {"with_encoder": "fine-tuned", "without": "from scratch"}}  # fmt: skip


def names_of(params, *of_runs):
    """Return the names of some runs' cells, in the order of computation."""
    return [cell.name for cell in keys.every(params, SIZE) if cell.run in of_runs]


@pytest.fixture
def study(tmp_path):
    """Return a study of two runs, its data, its store and the names of its cells."""
    params, data = tiny.params(label_curve=FEW), tiny.prepare(tmp_path / "data")
    store = keys.store(params, data)
    return params, data, store, names_of(params, 0, 1)


def test_encoders_without_weights_are_thrown_away_and_results_come_in_the_order_of_their_cells(study, monkeypatch):
    params, data, store, names = study
    for name in names:
        store.write(name, {"is": "old"})
    files.write_json(store.folder / "failed.json", [])
    monkeypatch.setattr(proofs, "has", lambda store, cell: cell.run == 0)
    checked, asked = [], []
    monkeypatch.setattr(proofs, "check", lambda *given: checked.append(given))

    def fill(function, items, store, named, **given):
        asked.append((list(items), named(1), given))
        assert [store.read(name) for name in names[:2]] == [{"is": "old"}, None]
        for name in names:
            store.write(name, {"name": name})
        return [[], []]

    monkeypatch.setattr(runs.parallel, "fill", fill)
    scores, choices, encoders = runs.compute(params, data)
    assert [row["name"] for row in scores] == [cell.name for cell in keys.score_cells(params, SIZE)]
    assert [row["name"] for row in choices] == [
        "choice - random - 12 labels - run 0",
        "choice - random - 12 labels - run 1",
    ]
    assert encoders == {name: {"name": name} for name in ("encoder - untied - run 0", "encoder - untied - run 1")}
    ((items, named, given),) = asked
    assert items == [0, 1] and named == names_of(params, 1) and all("run 1" in name for name in named)
    spent = sum(effort.seconds(params, cell, SIZE) for cell in keys.encoders(params)[1:])
    assert given == {"threads": params.threads, "work": pytest.approx(spent * effort.PER_SECOND)}
    assert len(checked) == 1 and not (store.folder / "failed.json").exists()


def test_failures_of_all_runs_are_listed_and_counted(study, monkeypatch):
    params, data, store, names = study
    monkeypatch.setattr(runs.parallel, "fill", lambda *_, **__: [[Failure("a", "x")], [], [Failure("b", "y")]])
    with pytest.raises(
        StudyFailed, match=rf"^2 of {len(names)} cells failed, first a: x; all of them are listed in .*failed"
    ):
        runs.compute(params, data)
    listed = [{"cell": "a", "reason": "x"}, {"cell": "b", "reason": "y"}]
    assert files.read_json(store.folder / "failed.json") == listed


def test_a_runs_cells_are_encoders_then_scores_then_choices(study):
    params, data, store, names = study
    of_one = names_of(params, 1)
    kinds = [name.split(" - ")[0] for name in of_one]
    assert kinds[0] == "encoder" and kinds[-1] == "choice" and len(names) == 2 * len(of_one) == 2 * (1 + 8 + 1)
    assert not {*of_one} & {*names_of(params, 0)}
    assert runs.kept_names(params, data) == []
    store.write(of_one[2], {})
    assert runs.kept_names(params, data) == [of_one[2]]


def test_an_encoder_that_another_process_is_just_writing_is_left_alone(study, monkeypatch):
    params, _, store, _ = study
    encoder = keys.encoders(params)[0]
    has = proofs.has

    def written_meanwhile(store, cell):  # the other process ends between the look and what follows from it
        found = has(store, cell)
        store.write(cell.name, {"is": "new"})
        return found

    read = store.read

    def read_then_written(name):
        found = read(name)
        store.write(name, {"is": "new"})
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(proofs, "has", written_meanwhile)
        meanwhile.setattr(store, "read", read_then_written)
        proofs.throw_away_damaged(store, [encoder])
    assert store.read(encoder.name) == {"is": "new"}
    proofs.throw_away_damaged(store, [encoder])
    assert store.read(encoder.name) is None, "it has no weights"


def test_only_wanted_cells_are_computed_and_their_failures_are_listed_by_themselves(study, monkeypatch):
    params, data, store, _ = study
    wanted, asked = [cell for cell in keys.every(params, SIZE) if cell.run == 1][:3], []

    def fill(function, items, store, named, **given):
        asked.append(([*items], named(1), named(0)))
        return [[Failure("a", "x")]]

    monkeypatch.setattr(runs.parallel, "fill", fill)
    with pytest.raises(StudyFailed, match=r"^1 of 3 cells failed"):
        runs.fill(params, data, store, wanted, "failed 1 of 2.json")
    assert asked == [([1], [cell.name for cell in wanted], [])]
    assert files.read_json(store.folder / "failed 1 of 2.json") == [{"cell": "a", "reason": "x"}]
