"""Stage `encode@k`."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders.models import Autoencoder
from autoencoders.stacking import encode, encoder
from tasks.frame import files, models

MODEL = Autoencoder(5, [3], seed=0)
ROWS = np.random.default_rng(0).random((12, 5), dtype=np.float32)


def test_the_codings_are_the_encoders_outputs_for_both_splits(tmp_path, monkeypatch):
    data, at_a_time = tiny.untrained(tiny.prepare(tmp_path / "data")), []
    make = lambda model, **more: at_a_time.append(more["batch_size"]) or encoder(model, **more)  # noqa: E731
    monkeypatch.setattr("tasks.encode.encoder", make)
    tiny.run("encode", data, "1", tiny.params(encode={"batch_size": 20}))
    assert at_a_time == [20, 20]
    model = models.read(data / "phase" / "1")
    for split, n in (("train", 67), ("valid", 45)):
        codings = files.read_rows(data / "encode" / "1", split)
        assert (codings.shape, codings.dtype) == ((n, 8), np.float32)
        np.testing.assert_allclose(codings, model.encoder(files.read_rows(data / "prepare", split)), atol=1e-6)
    assert not list((data / "encode").rglob("*test*"))  # the test set stays closed


@pytest.mark.slow
@settings(max_examples=10)
@given(st.permutations(range(12)))
def test_permuted_rows_give_permuted_codings(order):
    np.testing.assert_allclose(encode(MODEL, ROWS[order]), encode(MODEL, ROWS)[order], atol=1e-6)


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(1, 15))
def test_codings_do_not_depend_on_how_many_rows_are_encoded_at_a_time(batch_size):
    np.testing.assert_allclose(encode(MODEL, ROWS, batch_size=batch_size), encode(MODEL, ROWS), atol=1e-6)


def test_uint8_is_scaled_on_the_way_to_the_same_bits():
    images = np.arange(12 * 5, dtype=np.uint8).reshape(12, 5)
    scaled = images.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(
        encoder(MODEL, batch_size=12, scale=255)(images), encode(MODEL, scaled, batch_size=12)
    )


def test_from_file_to_file_the_bytes_are_those_of_numpys_save(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    files.map_rows(tmp_path / "x.npy", tmp_path / "y.npy", lambda x: x[:, :3] * 2, width=3, at_a_time=5)
    np.save(tmp_path / "expected.npy", ROWS[:, :3] * 2)
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


STREAM = """
import os, resource, sys
import numpy as np
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS="1")
from autoencoders.stacking import encoder
from autoencoders.models import Autoencoder
from tasks.frame import files
from pathlib import Path

def peak():  # bytes, except on Linux: KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)

source, target = Path("x.npy"), Path("y.npy")
codings = encoder(Autoencoder(784, [64], seed=0), batch_size=5000, scale=255)
peaks = []
for n in (20_000, 400_000):
    np.lib.format.open_memmap(source, mode="w+", dtype=np.uint8, shape=(n, 784))  # sparse: zeros
    files.map_rows(source, target, codings, width=64, at_a_time=5000)
    peaks.append(peak())
print(peaks[1] - peaks[0])
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """313 MB in and 102 MB out; as float32 in memory they would be 1.4 GB."""
    path = os.environ | {"PYTHONPATH": str(tiny.ROOT)}
    done = subprocess.run([sys.executable, "-c", STREAM], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20e6
