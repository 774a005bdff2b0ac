"""The measured cases and the ways to do each; `FULL` takes about an hour on two quiet cores, `QUICK` minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["ours", "peer", "floor"]
OURS = "ours"
BOOK, DEEP = (100, 30), (1000, 500, 250, 30)
FLOORS = ("the products alone, NumPy", "the products alone, PyTorch")


@dataclass(frozen=True)
class Way:
    """One way to do a case's work.

    Attributes:
        label: In tables, unique in its case.
        module: Module in benchmarks/ways, which also names the worker process.
        variant: Variant of the module; a peer's variants have separate processes.
        role: Relation to our way; the others are compared with the first way of a case.
        settings: Settings that differ from the case's.
        alone: Whether it has a separate process, so that its memory can be measured.
    """

    label: str
    module: str
    variant: str = ""
    role: Role = "peer"
    settings: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False

    @property
    def process(self) -> str:
        """Return the name of the process that does this."""
        return self.module if self.role == OURS and not self.alone else f"{self.module} {self.variant}"


@dataclass(frozen=True)
class Case:
    """One piece of work, done by every way in turn, `rounds` times.

    Attributes:
        key: Short name, unique.
        title: In tables.
        kind: epoch, file (an epoch out of a file of bytes), training, encode, stream, map or pca.
        n_rows: Images.
        note: One sentence of explanation for the reader.
    """

    key: str
    title: str
    kind: str
    ways: tuple[Way, ...]
    n_rows: int
    rounds: int
    units: tuple[int, ...] = BOOK
    batch_size: int = 32
    learning_rate: float = 1.5
    tied: bool = False
    epochs: int = 1
    note: str = ""

    def message(self, way: Way, rows_file: str, threads: int) -> dict[str, Any]:
        """Return the message to the worker of `way`."""
        shared = dict(
            kind=self.kind, rounds=self.rounds, units=self.units, batch_size=self.batch_size, tied=self.tied,
            learning_rate=self.learning_rate, epochs=self.epochs, variant=way.variant, rows_file=rows_file,
            threads=threads,
        )  # fmt: skip
        return {**shared, **way.settings}


OUR_EPOCH = Way("ours", "ours", role=OURS)
KERAS = Way("Keras fit, as in the book", "book")
KERAS_FAST = Way("Keras fit, jit_compile, steps_per_execution=50", "book", "fast")
EAGER = Way("PyTorch, eager", "pytorch", "eager")
COMPILED = Way("PyTorch, torch.compile", "pytorch", "compiled")
JAX = Way("JAX, jit + lax.scan", "jax_scan")
PRODUCTS = tuple(
    Way(label, "products", variant, "floor") for label, variant in zip(FLOORS, ("numpy", "torch"), strict=True)
)
ALL = (OUR_EPOCH, KERAS, KERAS_FAST, EAGER, COMPILED, JAX, *PRODUCTS)
TIED = (
    Way("ours, tied", "ours", role=OURS, settings={"tied": True}),
    Way("ours, untied", "ours", role=OURS),
    Way("Keras fit, tied", "book"),
    Way("JAX, tied", "jax_scan"),
)
GREEDY = tuple(
    Way(label, "ours", variant, OURS)
    for label, variant in {
        "phase by phase": "separate",
        "end to end": "end to end",
        "one model, frozen layers computed anew in each step": "bypass",
        "one model, frozen layers' outputs cached": "bypass_cached",
    }.items()
)
ENCODE = (
    Way("ours", "ours", role=OURS),
    Way("Keras predict, batch 32", "book"),
    Way("Keras predict, batch 5,000", "book", settings={"batch_size": 5000}),
)
FILE = (
    Way("ours, block by block", "ours", role=OURS),
    Way("ours, in memory", "ours", "in memory", OURS, alone=True),
    Way("Keras fit, float32 in memory", "book"),
)
SCIKIT = (Way("ours", "ours", role=OURS), Way("scikit-learn", "scikit"))
SWEEP = (OUR_EPOCH, KERAS, JAX, *PRODUCTS)


def epochs(batch_size: int, n_rows: int, rounds: int) -> Case:
    """Return an epoch of the book's network."""
    title = f"epoch, 784-100-30-100-784, batch {batch_size}"
    return Case(f"book-{batch_size}", title, "epoch", ALL, n_rows, rounds, batch_size=batch_size)


def deep(batch_size: int, n_rows: int, rounds: int) -> Case:
    """Return an epoch of the deep network."""
    title = f"epoch, 784-1000-500-250-30 and back, batch {batch_size}"
    return Case(
        f"deep-{batch_size}", title, "epoch", ALL, n_rows, rounds, DEEP, batch_size=batch_size, learning_rate=0.1
    )


def width(units: int, n_rows: int, rounds: int) -> Case:
    """Return an epoch at another width of the outer hidden layers, for the plot."""
    title = f"epoch, 784-{units}-30-{units}-784, batch 256"
    return Case(f"width-{units}", title, "epoch", SWEEP, n_rows, rounds, (units, 30), batch_size=256, learning_rate=0.5)


def few(n_rows: int, rounds: int) -> Case:
    """Return an epoch of fewer rows, for the plot."""
    title = "epoch, 784-100-30-100-784, batch 32"
    return Case(f"rows-{n_rows}", title, "epoch", SWEEP, n_rows, rounds)


def file(n_rows: int, rounds: int) -> Case:
    """Return an epoch out of a memory-mapped file larger than a block of 256 MiB."""
    note = "uint8 in a file. Ours scales it batch by batch; Keras' code divides the whole by 255 first, not measured."
    return Case(
        "file", "epoch from a file of images, batch 1024", "file", FILE, n_rows, rounds, batch_size=1024,
        learning_rate=0.5, note=note,
    )  # fmt: skip


def tied(n_rows: int, rounds: int) -> Case:
    """Return an epoch with tied and one with untied weights."""
    return Case("tied", "epoch, tied weights, batch 32", "epoch", TIED, n_rows, rounds)


def greedy(n_rows: int, rounds: int, n_epochs: int) -> Case:
    """Return whole trainings, greedy and end to end."""
    title = f"greedy phases 784-100-784 and 100-30-100, {n_epochs} epochs each, batch 256"
    note = "Whole trainings, their compilation included."
    return Case(
        "greedy", title, "training", GREEDY, n_rows, rounds, batch_size=256, epochs=n_epochs, note=note,
        learning_rate=0.5,
    )  # fmt: skip


def encode(n_rows: int, rounds: int) -> Case:
    """Return encoding."""
    return Case(
        "encode", "encode to 30 numbers", "encode", ENCODE, n_rows, rounds, note="From and to arrays in memory."
    )


def stream(n_rows: int, rounds: int) -> Case:
    """Return encoding from file to file."""
    note = "Bytes from a memory-mapped file, codings into a file."
    return Case("stream", "encode a file of images to 30 numbers", "stream", ENCODE, n_rows, rounds, note=note)


def others(n_mapped: int, n_rows: int, rounds: int) -> list[Case]:
    """Return t-SNE and PCA."""
    return [
        Case("t-sne", "t-SNE of 30 principal components", "map", SCIKIT, n_mapped, min(rounds, 3)),
        Case("pca", "PCA, 30 components", "pca", SCIKIT, n_rows, rounds),
    ]


FULL = (
    *(epochs(batch_size, 55_000, 5) for batch_size in (32, 256, 1024)),
    tied(55_000, 5), *(deep(batch_size, 11_000, 5) for batch_size in (256, 1024)),
    greedy(55_000, 2, 5), encode(55_000, 5), stream(4_000_000, 1), *others(5_000, 55_000, 2),
    *(width(units, 11_000, 3) for units in (300, 1000)), *(few(n_rows, 3) for n_rows in (2_048, 11_008)),
    file(400_000, 2),
)  # fmt: skip
# Rows in multiples of the batch: PyTorch compiles a second time for a smaller last batch.
QUICK = (
    *(epochs(batch_size, 16_384, 5) for batch_size in (32, 256, 1024)),
    tied(16_384, 5), *(deep(batch_size, 4_096, 3) for batch_size in (256, 1024)), greedy(8_192, 2, 4),
    encode(55_000, 3), stream(200_000, 2), *others(1_000, 20_000, 3),
    width(1000, 4_096, 3), *(few(n_rows, 3) for n_rows in (1_024, 4_096)), file(360_000, 1),
)  # fmt: skip
