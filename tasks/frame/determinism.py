"""Determinism to the last bit: a fixed number of threads, and Keras' layer names counted from 1 in each stage.

Every stage depends on this file, the only file of the code that runs stages which can change a result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def set_threads(threads: int) -> None:
    """Set the number of TensorFlow's threads; TensorFlow reads it at its first operation."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"


@contextmanager
def fixed(threads: int) -> Iterator[None]:
    """Limit the threads of the loaded libraries within the block; then reset Keras' count of names."""
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if keras := sys.modules.get("keras"):
            keras.backend.clear_session()  # also frees memory for the next stage
