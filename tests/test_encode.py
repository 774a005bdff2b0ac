"""Stage `encode@k`."""

from __future__ import annotations

import numpy as np
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders.layerwise import encode
from autoencoders.models import Autoencoder
from tasks import files, models

MODEL = Autoencoder(5, [3], seed=0)
ROWS = np.random.default_rng(0).random((12, 5), dtype=np.float32)


def test_the_codings_are_the_encoders_outputs_for_both_splits(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    tiny.run_phases(data)
    model = models.read(data / "phase" / "1")
    for split, n in (("train", 67), ("valid", 45)):
        codings = files.read_rows(data / "encode" / "1", split)
        assert (codings.shape, codings.dtype) == ((n, 8), np.float32)
        np.testing.assert_allclose(codings, model.encoder(files.read_rows(data / "prepare", split)), atol=1e-6)
    assert not list((data / "encode").rglob("*test*"))  # the test set stays closed


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)))
def test_permuted_rows_give_permuted_codings(order):
    np.testing.assert_allclose(encode(MODEL, ROWS[order]), encode(MODEL, ROWS)[order], atol=1e-6)
