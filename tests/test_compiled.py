"""Compiled functions on disk: the same bits with and without them, and damaged files are no failure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tiny

from tasks.frame import cells, compiled

TRAINS = """
import sys
from pathlib import Path
from tasks.frame import compiled, determinism
determinism.set_threads(1)
if sys.argv[1:]:
    compiled.keep(Path(sys.argv[1]))
import numpy as np
from autoencoders.models import Autoencoder
from autoencoders.training import Trainer
from autoencoders.transfer import fingerprint
with determinism.fixed(1):
    model = Autoencoder(8, [4], seed=0)
    x = np.random.default_rng(0).random((64, 8), "float32")
    loop = Trainer(model, loss="mean_squared_error", optimizer="adam", learning_rate=0.1)
    loop.fit(x, epochs=2, batch_size=8, seed=0)
    print([fingerprint(layer) for layer in (*model.encoder.layers, *model.decoder.layers)])
"""


def trained(*folder):
    mine = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run([sys.executable, "-c", TRAINS, *map(str, folder)], cwd=tiny.ROOT, env=mine, check=True,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout


@pytest.mark.slow
def test_kept_functions_compute_the_same_bits_and_a_damaged_one_is_compiled_again(tmp_path):
    without, first = trained(), trained(tmp_path)
    (folder,) = (tmp_path / "compiled").iterdir()
    kept = sorted(folder.glob("*.pb"))
    assert kept and [path.with_name(f"{path.name}.sha256").exists() for path in kept] == [True] * len(kept)
    assert folder.stat().st_mode & 0o777 == 0o700
    loaded = trained(tmp_path)
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    assert without == first == loaded == trained(tmp_path)
    assert sorted(folder.glob("*.pb")) == kept and kept[0].stat().st_size > 100


def test_new_files_are_kept_with_their_hash_and_damaged_ones_and_dead_processes_folders_are_deleted(tmp_path):
    mine = tmp_path / str(os.getpid())
    mine.mkdir()
    for name in ("a.pb", "b.pb", "half.tmp"):
        (mine / name).write_text(name)
    compiled.seal(tmp_path, os.getpid() + 1)
    assert mine.exists(), "a copy of the process keeps nothing"
    compiled.seal(tmp_path, os.getpid())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pb", "a.pb.sha256", "b.pb", "b.pb.sha256"]
    (tmp_path / "b.pb").write_text("other")
    (tmp_path / "c.pb").write_text("without a hash")
    for process in (os.getpid(), 2**22 + 1):  # Linux has no process of the second number
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "new.pb.tmp").write_text("half")
    compiled.clean(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["a.pb", "a.pb.sha256", "b.pb.sha256", str(os.getpid())])
    assert (mine / "new.pb.tmp").exists(), "what a living process writes stays"


def test_a_folder_of_the_user_stays_and_the_folder_is_in_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.VARIABLE, "--a")
    before = cells.versions()
    monkeypatch.setattr(compiled.atexit, "register", lambda *_: None)
    compiled.keep(tmp_path)
    assert os.environ[compiled.VARIABLE].startswith(f"--a {compiled.FLAG}{tmp_path}/compiled/")
    assert os.environ[compiled.VARIABLE].endswith(f"/{os.getpid()}")
    assert before["TF_XLA_FLAGS"] == "--a" and cells.versions() == before
    named = os.environ[compiled.VARIABLE]
    compiled.keep(tmp_path / "other")
    assert os.environ[compiled.VARIABLE] == named and not (tmp_path / "other").exists()
    monkeypatch.setenv(compiled.VARIABLE, f"{compiled.FLAG}/a")
    assert "TF_XLA_FLAGS" not in cells.versions()
