"""`python benchmarks/guard.py`: check that an epoch of ours is still much faster than Keras' `fit`.

One process runs both in turns, for some seconds. Fails if Keras takes less than 1.5 times as long; on two cores it is
about 5 times.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")  # read when TensorFlow runs its first operation
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

AT_LEAST = 1.5
N_ROWS, BATCH, ROUNDS = 8_192, 32, 7


def ways() -> tuple[Callable[[], object], Callable[[], object]]:
    """Return an epoch of ours and one of Keras' `fit`, on the same rows and network."""
    import numpy as np

    from autoencoders.models import Autoencoder
    from autoencoders.training import Trainer
    from benchmarks.ways.book import model

    x = np.random.default_rng(0).random((N_ROWS, 784), dtype=np.float32)
    trainer = Trainer(
        Autoencoder(784, [100, 30], seed=0), loss="binary_crossentropy", optimizer="sgd", learning_rate=0.1
    )
    keras_model = model({"units": [100, 30], "tied": False}, 784)
    keras_model.compile(loss="binary_crossentropy", optimizer="sgd")
    return (
        lambda: trainer.fit(x, epochs=1, batch_size=BATCH, seed=0),
        lambda: keras_model.fit(x, x, epochs=1, batch_size=BATCH, verbose=0),
    )


def seconds(way: Callable[[], object]) -> float:
    """Return the seconds of one run."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def verdict(ratios: list[float]) -> tuple[str, int]:
    """Return the line to print and the exit code, judged by the median of the rounds."""
    middle = statistics.median(ratios)
    line = (
        f"speed guard: Keras fit takes {middle:.1f} times as long as ours an epoch (rounds {min(ratios):.1f} to "
        f"{max(ratios):.1f}); at least {AT_LEAST} expected"
    )
    return line, int(middle < AT_LEAST)


def main() -> int:
    """Warm both up, run them in turns and judge."""
    ours, keras_fit = ways()
    ours(), keras_fit()
    ratios = []
    for _ in range(ROUNDS):
        ours_took = seconds(ours)
        ratios.append(seconds(keras_fit) / ours_took)
    line, code = verdict(ratios)
    print(line)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
