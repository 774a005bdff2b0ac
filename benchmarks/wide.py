"""Speed of XLA's matrix products for a wide network: an epoch of 784-1000-500-250-30 and back, with and without XLA.

    python benchmarks/wide.py [THREADS [BATCH]]        XLA_FLAGS=... tries XLA's options

One process, the same rows and first weights: the epoch compiled by XLA, and as TensorFlow's own graph, whose products
are oneDNN's. The result is in docs/log.md.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
UNITS, N_ROWS, ROUNDS = (1000, 500, 250, 30), 6_144, 7


def main(threads: int, batch_size: int) -> None:
    """Print the medians of both, and of the ratios."""
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import numpy as np
    import tensorflow as tf

    from autoencoders.models import Autoencoder
    from autoencoders.training import Trainer

    x = np.random.default_rng(0).random((N_ROWS, 784), dtype=np.float32)
    recipe = dict(loss="binary_crossentropy", optimizer="sgd", learning_rate=0.1)
    trainers = {name: Trainer(Autoencoder(784, UNITS, seed=0), **recipe) for name in ("XLA", "no XLA")}
    trainers["no XLA"]._steps = tf.function(trainers["no XLA"]._run_steps)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in trainers}
    for _ in range(ROUNDS + 1):
        for name, trainer in trainers.items():
            start = time.perf_counter(), time.process_time()
            trainer.fit(x, epochs=1, batch_size=batch_size, seed=0)
            took[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    print(f"{threads} threads, batch {batch_size}, XLA_FLAGS={os.environ.get('XLA_FLAGS', '')}")
    for k, clock in enumerate(("seconds", "processor time")):
        columns = [[one[k] for one in took[name][1:]] for name in trainers]  # the first compiles
        xla, other = (statistics.median(column) for column in columns)
        ratio = statistics.median(b / a for a, b in zip(*columns, strict=True))
        print(f"  {clock}: XLA {xla:.3f}, no XLA {other:.3f}, {ratio:.2f} times")


if __name__ == "__main__":
    main(*(int(value) for value in (*sys.argv[1:], *(2, 256)[len(sys.argv) - 1 :])))
