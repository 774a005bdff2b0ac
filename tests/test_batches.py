"""The order of rows and its blocks: every row once an epoch, and memory for a few blocks of a file only."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.batches import batches, block_size, blocks, order
from autoencoders.training import Trainer

SEEDS = [st.integers(0, 2**31 - 1)] * 3


@given(st.integers(1, 50), *[st.integers(0, 2**31 - 1)] * 3)
def test_an_order_is_a_permutation_that_depends_on_seed_phase_and_epoch_only(n, seed, phase, epoch):
    rows = order(n, seed, phase, epoch)
    assert sorted(rows) == list(range(n))
    np.testing.assert_array_equal(rows, order(n, seed, phase, epoch))


def test_epochs_phases_and_seeds_have_orders_of_their_own():
    orders = [order(50, *place) for place in itertools.product((0, 1), (0, 1), (1, 2, 3))]
    assert len({rows.tobytes() for rows in orders}) == len(orders)
    assert order(8, 42, 1, 2).tolist() == [3, 2, 4, 1, 7, 0, 5, 6], "as in every run before"


@given(st.integers(1, 50), st.integers(1, 60), *SEEDS)
def test_blocks_hold_every_row_once_and_depend_on_seed_phase_and_epoch_only(n, size, seed, phase, epoch):
    found = [start + rows for start, rows in blocks(n, size, seed, phase, epoch)]
    assert sorted(np.concatenate(found)) == list(range(n))
    for block in found:
        assert len({row // size for row in block}) == 1
    again = [start + rows for start, rows in blocks(n, size, seed, phase, epoch)]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(again))


@given(st.integers(1, 50), *SEEDS)
def test_one_block_is_in_the_order_of_rows_in_memory(n, seed, phase, epoch):
    ((start, rows),) = blocks(n, n, seed, phase, epoch)
    assert start == 0
    np.testing.assert_array_equal(rows, order(n, seed, phase, epoch))


def test_blocks_come_in_another_order_in_every_epoch_phase_and_seed():
    places = itertools.product((0, 1), (0, 1), (1, 2, 3))
    orders = [tuple(start for start, _ in blocks(100, 5, *place)) for place in places]
    assert len(set(orders)) == len(orders)


@given(st.integers(1, 50), st.integers(1, 60))
def test_batches_hold_every_row_once_and_say_who_is_filling(n, batch_size):
    index, present = batches(order(n, 0, 0, 1), batch_size)
    np.testing.assert_array_equal(index[present == 1], order(n, 0, 0, 1))
    assert present.sum() == n
    assert index.shape == present.shape == (-(-n // batch_size), batch_size)


# From a file.


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return 131 rows of 16 bytes and labels as a file, mapped, and the labels."""
    path = tmp_path_factory.mktemp("map") / "x.npy"
    x, labels = tiny.rows(131, 0)
    np.save(path, x)
    return np.load(path, mmap_mode="r"), labels


def test_a_block_is_whole_batches_and_what_fits_or_lies_in_memory_is_one(file):
    x, _ = file
    assert block_size(x, 8, block_bytes=16 * 50) == 48
    assert block_size(x, 8, block_bytes=1) == 8
    assert block_size(x, 8, block_bytes=x.nbytes) == block_size(np.array(x), 8, block_bytes=1) == 131
    assert block_size(x, 8) == 131


def classifier() -> keras.Model:
    """Return 16-5-3."""
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, "softmax")])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


@pytest.mark.slow
def test_training_in_blocks_is_keras_on_the_same_batches(file):
    """Labels and weights of rows have to follow the rows, and the smaller batch comes where its block does."""
    (x, labels), weights = file, np.linspace(0.5, 1.5, 131, dtype=np.float32)
    ours, theirs = classifier(), classifier()
    recipe = dict(loss="sparse_categorical_crossentropy", metrics=[])
    loop = Trainer(ours, optimizer="adam", learning_rate=0.01, scale=255, **recipe)
    told = loop.fit(
        x, labels, epochs=2, batch_size=8, seed=3, phase=1, sample_weight=weights, block_bytes=16 * 50
    )  # 48, 48 and 35 rows
    theirs.compile(keras.optimizers.Adam(0.01), run_eagerly=True, **recipe)
    for row in told:
        sums = 0.0
        for start, within in blocks(131, 48, 3, 1, row["epoch"]):
            for k in range(0, len(within), 8):
                rows = start + within[k : k + 8]
                inputs = x[rows].astype(np.float32) / np.float32(255)
                theirs.reset_metrics()
                sums += len(rows) * float(theirs.train_on_batch(inputs, labels[rows], weights[rows]))
        assert row["loss"] == pytest.approx(sums / 131, rel=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_a_small_file_trains_to_the_bits_of_its_rows_in_memory_and_blocks_learn_alike(file):
    x, labels = file
    model = classifier()
    start, ends = model.get_weights(), []
    loop = Trainer(model, loss="sparse_categorical_crossentropy", optimizer="sgd", learning_rate=0.1, scale=255)
    for rows, block_bytes in ((np.array(x), 1), (x, x.nbytes), (x, 16 * 48)):
        model.set_weights(start)
        told = loop.fit(rows, labels, epochs=6, batch_size=16, seed=0, block_bytes=block_bytes)
        ends.append((told, np.concatenate([w.ravel() for w in model.get_weights()])))
    assert ends[0][0] == ends[1][0]
    np.testing.assert_array_equal(ends[0][1], ends[1][1])
    assert ends[2][0][-1]["loss"] == pytest.approx(ends[0][0][-1]["loss"], rel=0.05)
    assert ends[2][0] != ends[0][0]


MEMORY = """
import os, sys, threading, time
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS="1")
import numpy as np
from pathlib import Path
from autoencoders.models import Autoencoder
from autoencoders.training import Trainer

def own():  # pages of mapped files left out: the system takes them back when it needs them
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

def watch():
    while True:
        peak[0] = max(peak[0], own())
        time.sleep(0.005)

np.lib.format.open_memmap("x.npy", mode="w+", dtype=np.uint8, shape=(400_000, 784))  # sparse: zeros
x = np.load("x.npy", mmap_mode="r")
trainer = Trainer(Autoencoder(784, [4], seed=0), loss="mse", optimizer="sgd", learning_rate=0.1, scale=255)
fit = lambda x: trainer.fit(x, epochs=1, batch_size=1024, seed=0, validation=(x, x), block_bytes=2**24)
fit(x[:50_000])
peak = [before := own()]
threading.Thread(target=watch, daemon=True).start()
fit(x)
print(peak[0] - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Of 313 MB, in blocks of 16 MiB, less than 70 MB are ever in memory; as one copy and its shuffle they were 630."""
    path = os.environ | {"PYTHONPATH": str(tiny.ROOT)}
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 70e6, done.stdout
