"""Fix the last bits of a result, beside its seeds: by the number of threads, and Keras' names counted from 1.

Every stage depends on this file, and on no other of the frame that runs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def set_threads(threads: int) -> None:
    """Fix TensorFlow's threads, which it reads when it runs its first operation."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"


@contextmanager
def fixed(threads: int) -> Iterator[None]:
    """Hold the libraries that are loaded already to a number of threads; in the end let Keras' names count from 1."""
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if keras := sys.modules.get("keras"):
            keras.backend.clear_session()  # and memory is free for the next stage
