"""Stage `phase@k`."""

from __future__ import annotations

import pandas as pd
import pytest
import tiny

from tasks.frame import models


@pytest.mark.slow
def test_each_phase_learns_to_reproduce_what_it_reads(tmp_path):
    settings = tiny.params()
    phases = {key: {**phase.model_dump(), "epochs": 12} for key, phase in settings.phase.items()}
    data = tiny.prepare(tmp_path / "data")
    tiny.run_phases(data, tiny.params(phase=phases))
    for key, width in (("1", 16), ("2", 8)):
        history = pd.read_csv(data / "phase" / key / "history.csv")
        assert history.val_loss.iloc[-1] < history.val_loss.iloc[0]
        assert len(history) == 12
        model = models.read(data / "phase" / key)
        assert (model.get_config()["n_inputs"], model.get_config()["output_activation"]) == (
            width,
            phases[key]["output_activation"],
        )


@pytest.mark.slow
def test_the_number_of_phases_comes_from_the_parameters_alone(tmp_path):
    first, later = tiny.params().phase["1"].model_dump(), tiny.params().phase["2"].model_dump()
    for n_phases in (1, 4):
        phases = {"1": first}
        for k in range(2, n_phases + 1):
            phases[str(k)] = {**later, "input": f"data/encode/{k - 1}", "units": 9 - k}
        data, settings = tiny.prepare(tmp_path / str(n_phases) / "data"), tiny.params(phase=phases)
        tiny.run_phases(data, settings)
        stack = tiny.run("stack", data, settings=settings)
        assert models.read(stack).get_config()["units"] == [phase["units"] for phase in phases.values()]
