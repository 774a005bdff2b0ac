"""Stage `tying`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import ClassVar

import pandas as pd
import pytest
import tiny
from scipy import stats

from tasks import tying
from tasks.frame import files
from tasks.frame.sections import Params

pytestmark = pytest.mark.slow

SETTINGS = {"n_runs": 3, "epochs": 2}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    data = tiny.prepare(tmp_path_factory.mktemp("tying") / "data")
    return tiny.run("tying", data, settings=tiny.params(tying=SETTINGS))


def test_both_arms_have_the_same_runs_and_epochs(out):
    runs = pd.read_csv(out / "history.csv").groupby(["arm", "run"]).epoch.agg(["min", "max", "count"])
    assert runs.loc["tied"].equals(runs.loc["untied"])
    assert runs["count"].tolist() == [2] * 6


def test_the_interval_is_students_on_the_paired_differences(out):
    history, metrics = pd.read_csv(out / "history.csv"), files.read_json(out / "metrics.json")
    last = history[history.epoch == 2].pivot(index="run", columns="arm", values="val_loss")
    expected = stats.ttest_rel(last["tied"], last["untied"]).confidence_interval()
    assert metrics["difference_low"] == pytest.approx(expected.low)
    assert metrics["difference_high"] == pytest.approx(expected.high)
    assert metrics["difference_p"] >= 2 / 2**3


def test_a_later_run_is_trained_as_if_it_were_the_only_one(tmp_path, out):
    """One compiled trainer serves all runs: nothing of an earlier one may be left in it."""

    values = tiny.params(tying={"n_runs": 2, "epochs": 2}).model_dump()
    settings = Params.model_validate({**values, "seed": values["seed"] + 1})
    alone = tiny.run("tying", tiny.prepare(tmp_path / "data"), settings=settings)
    both = [pd.read_csv(folder / "history.csv") for folder in (out, alone)]
    one, two = (h[h.run == k].drop(columns="run").reset_index(drop=True) for h, k in zip(both, (1, 0), strict=True))
    assert one.equals(two)


class Untrained:
    """Stands in for the pretraining: notes what it is given, and stops where it is told to."""

    calls: ClassVar[list[tuple[bool, int]]] = []
    stop_at: ClassVar[int] = 0

    @classmethod
    def pretrain(cls, x, validation, recipe, streams, **_):
        (network,), seed = recipe.networks, streams.order
        if len(cls.calls) + 1 == cls.stop_at:
            raise KeyboardInterrupt
        cls.calls.append((network.shape.tied, seed))
        losses = [(k, seed / (k + network.shape.tied), seed / 3 / k) for k in range(1, recipe.epochs + 1)]
        return None, [{"epoch": k, "loss": loss, "val_loss": val_loss} for k, loss, val_loss in losses], ()


@pytest.fixture
def untrained(monkeypatch):
    monkeypatch.setattr(tying, "end_to_end", Untrained)
    Untrained.calls, Untrained.stop_at = [], 0
    return Untrained


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_after_a_stop_only_what_is_missing_is_trained_and_the_bytes_are_the_same(tmp_path, untrained):
    params = tiny.params(tying=SETTINGS)
    undisturbed = contents(tiny.run("tying", tiny.prepare(tmp_path / "one" / "data"), settings=params))
    every, untrained.calls, untrained.stop_at = untrained.calls, [], 3
    data = tiny.prepare(tmp_path / "two" / "data")
    with pytest.raises(KeyboardInterrupt):
        tiny.run("tying", data, settings=params)
    assert untrained.calls == every[:2]
    shutil.rmtree(data / "tying")
    untrained.stop_at = 0
    assert contents(tiny.run("tying", data, settings=params)) == undisturbed
    assert untrained.calls == every


def test_what_is_kept_depends_on_parameters_and_data_but_not_on_how_many_runs(tmp_path):
    data = tiny.prepare(tmp_path / "data")

    def stems(**changes):
        return tying._store(tiny.params(**{"tying": SETTINGS, **changes}), data).stems

    before = stems()
    assert before.items() <= stems(tying={**SETTINGS, "n_runs": 5}).items()
    assert before == stems(network={"shape": {"l2": 0.0}})
    for changes in ({"tying": {**SETTINGS, "epochs": 3}}, {"network": {"shape": {"l2": 0.1}}}):
        assert not before.items() & stems(**changes).items()
    files.write_json(data / "prepare" / "scale.json", {"scale": 254})
    assert not before.items() & stems().items()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_after_two_trainings_it_goes_on_with_the_third(tmp_path, out, workers):
    data = tiny.prepare(tmp_path / "data")
    script = f"import sys; sys.path[:0] = {[str(tiny.ROOT / 'tests'), str(tiny.ROOT)]!r}; import tiny; "
    script += f"from pathlib import Path; p = tiny.params(tying={SETTINGS!r}); "
    script += f"tiny.run('tying', Path({str(data)!r}), settings=p)"
    study = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PIPELINE_WORKERS": workers})
    while study.poll() is None and len(list((tmp_path / ".cells").rglob("*run*.json"))) < 2:
        time.sleep(0.005)
    study.kill()
    assert study.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / ".cells").rglob("*run*.json")}
    shutil.rmtree(data / "tying")
    assert 2 <= len(kept) < 6
    assert contents(tiny.run("tying", data, settings=tiny.params(tying=SETTINGS))) == contents(out)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_metrics_are_the_last_epochs_and_the_work_counts_backward_passes_twice(tmp_path, untrained, monkeypatch):
    asked, fill = [], tying.parallel.fill
    monkeypatch.setattr(
        tying.parallel, "fill", lambda *words, **more: asked.append(more) or fill(*words, **{**more, "work": 0.0})
    )
    params = tiny.params(tying=SETTINGS)
    out = tiny.run("tying", tiny.prepare(tmp_path / "data"), settings=params)
    metrics = files.read_json(out / "metrics.json")
    last = [42 + k for k in range(3)]  # a run's seed, over 3 and the number of the epoch, is its loss
    sizes = {arm: metrics[f"{arm}_n_parameters"] for arm in ("tied", "untied")}
    assert sizes["untied"] > sizes["tied"] > 100
    assert asked == [{"threads": params.threads, "work": 3 * 2 * 67 * sizes["untied"]}]
    for arm in ("tied", "untied"):
        assert metrics[f"{arm}_val_loss"] == pytest.approx(sum(last) / 3 / 6)
        assert metrics[f"{arm}_val_loss_sd"] == pytest.approx(1 / 6)
    assert (metrics["difference_mean"], metrics["difference_n"]) == (0, 3)
    assert untrained.calls == [(tied, seed) for tied in (True, False) for seed in last]
