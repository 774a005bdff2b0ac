"""benchmarks/replicas.py: one training on two processes has one process's losses; the page says what was measured."""

from __future__ import annotations

import json

import pytest

from benchmarks import replicas
from benchmarks.replicas import HALF, ONE, PAIR, STEPS, SUM, THREADS


def record(pair, *, losses=(0.5, 0.4), units=(100, 30), batch=32):
    seconds = {ONE: 4.0, THREADS: 4.0, PAIR: pair, STEPS: 4.0, HALF: 2.0, SUM: 1.0}
    rows = {way: {"seconds": [s, s], "cpu": [s, s], "value": [0.5, 0.4]} for way, s in seconds.items()}
    rows[PAIR]["value"] = [*losses]
    n_weights = replicas.n_weights(units)
    return {"units": units, "batch_size": batch, "n_steps": 10, "rounds": 2, "n_weights": n_weights, "rows": rows,
            "moved": [2 * 10 * 4 * n_weights] * 2}  # fmt: skip


def page(*records):
    return replicas.page({"records": [*records], "rounds": 2, "machine": {"cores": 2}, "date": "2026-01-01"})


def test_the_page_says_from_which_size_it_pays_and_what_the_network_takes():
    small, large = record(8.0), record(2.0, units=(1000, 500, 250, 30), batch=2048)
    text = page(small, large)
    assert "faster than one thread in 1 of 2 cases, the smallest 784-1000-500-250-30 in batches of 2,048 (2.00" in text
    assert "By their parts two processes are faster in 2." in text and "The machine was quiet" in text
    assert "| 784-100-30 | 32 | 1.00 (1.00 to 1.00) | 0.50 (0.50 to 0.50) | 1.33 | 400.00 |" in text
    assert "12 to 50 % as long" in text and "counted 1.00 to 1.00 times" in text
    assert "in none of the 1 cases" in page(small)


def test_losses_that_differ_by_more_than_rounding_are_named():
    assert "by 0e+00 of them at most, over all epochs: rounding." in page(record(2.0))
    assert "by 1e-01 of them at most, over all epochs, **more than rounding makes**." in page(
        record(2.0, losses=(0.5, 0.44))
    )


def test_sizes_and_bytes_are_those_of_an_untied_autoencoder():
    assert replicas.n_weights((3,)) == 785 * 3 + 4 * 784
    assert replicas.sent({"n_weights": 100}) == 400.0, "of two processes each sends as many numbers as it has"
    assert [replicas.n_steps((100, 30), b) for b in (32, 10**6)] == [replicas.MOST, replicas.LEAST]


def test_each_process_knows_all_addresses_and_its_number():
    assert replicas.cluster(1) == [{}]
    first, second = (json.loads(own["TF_CONFIG"]) for own in replicas.cluster(2))
    assert first["cluster"] == second["cluster"] and len({*first["cluster"]["worker"]}) == 2
    assert [first["task"]["index"], second["task"]["index"]] == [0, 1]


@pytest.mark.soak
def test_two_processes_have_the_losses_of_one_and_send_the_gradients_bytes():
    (found,) = replicas.run([((20, 5), 32)], 2)["records"]
    assert replicas.difference(found) < replicas.ROUNDING
    one = found["rows"][ONE]["value"]
    assert one[1] < one[0], "it trains"
    assert found["rows"][HALF]["value"] != one
    assert min(found["moved"]) >= 2 * found["n_steps"] * replicas.sent(found)
