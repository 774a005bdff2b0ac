"""Stage `tying`."""

from __future__ import annotations

import pandas as pd
import pytest
import tiny
from scipy import stats

from tasks import files
from tasks.sections import Params


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    data = tiny.prepare(tmp_path_factory.mktemp("tying") / "data")
    return tiny.run("tying", data, settings=tiny.params(tying={"n_seeds": 3, "epochs": 2}))


def test_both_arms_have_the_same_seeds_and_epochs(out):
    runs = pd.read_csv(out / "history.csv").groupby(["arm", "seed"]).epoch.agg(["min", "max", "count"])
    assert runs.loc["tied"].equals(runs.loc["untied"])
    assert runs["count"].tolist() == [2] * 6


def test_the_interval_is_students_on_the_paired_differences(out):
    history, metrics = pd.read_csv(out / "history.csv"), files.read_json(out / "metrics.json")
    last = history[history.epoch == 2].pivot(index="seed", columns="arm", values="val_loss")
    expected = stats.ttest_rel(last["tied"], last["untied"]).confidence_interval()
    assert metrics["difference_low"] == pytest.approx(expected.low)
    assert metrics["difference_high"] == pytest.approx(expected.high)
    assert metrics["difference_p"] >= 2 / 2**3


@pytest.mark.slow
def test_a_later_seed_is_trained_as_if_it_were_the_only_one(tmp_path, out):
    """One compiled trainer serves all seeds: nothing of an earlier one may be left in it."""

    values = tiny.params(tying={"n_seeds": 2, "epochs": 2}).model_dump()
    settings = Params.model_validate({**values, "seed": values["seed"] + 1})
    alone = tiny.run("tying", tiny.prepare(tmp_path / "data"), settings=settings)
    both = [pd.read_csv(folder / "history.csv") for folder in (out, alone)]
    one, two = (h[h.seed == 43].reset_index(drop=True) for h in both)
    assert one.equals(two)
