"""Parts of the study on machines that do without each other: a shard's cells, and cells in one file."""

from __future__ import annotations

from pathlib import Path

from flows import plan
from tasks.frame import config, declared, files, sizes, stage
from tasks.frame.errors import Edited
from tasks.frame.sections import Params

STUDY = "label_curve"


def compute(text: str) -> None:
    """Compute the cells of one shard, such as 3/20, into the store; data/label_curve is not written.

    Raises:
        UsageError: The text is no shard.
        StudyFailed: Some cells failed; the others are kept.
    """
    from tasks.study import shards

    shard, params = shards.parse(text), prepared()
    with plan.framed(STUDY, params):
        lines = shards.compute(params, stage.DATA, shard)
    print("\n".join(lines))


def pack(file: Path) -> None:
    """Write the finished cells into a tar file."""
    from tasks.study import packing

    n, n_all = packing.pack(prepared(), stage.DATA, file)
    print(
        f"{file}: {n:,} of the study's {n_all:,} cells; elsewhere `python -m flows cells unpack {file.name}` takes them"
    )


def unpack(file: Path) -> None:
    """Put the cells of a tar file into the store."""
    from tasks.study import packing

    new, known, others = packing.unpack(prepared(), stage.DATA, file)
    left = f"; left out {others:,} files: damaged, or of another study, other data, code or versions" if others else ""
    print(f"{file}: {new:,} cells are new here, {known:,} were here already{left}")


def prepared() -> Params:
    """Return the parameters; run the stages up to `prepare` if data/prepare is not what dvc.lock says.

    Shards that start at once in one clone find it so, and do not wait for DVC's lock.
    """
    values = config.read(Path(config.PARAMS))
    params = stage.check(values)
    try:
        recorded = config.read(declared.LOCK)["stages"]["prepare"]["outs"][0]["md5"]
        declared.refuse_stale(STUDY, values)
        is_there = recorded == files.data_hash(stage.DATA / "prepare")
    except (OSError, LookupError, TypeError, Edited):
        is_there = False
    if not is_there:
        return plan.prepared()
    sizes.check(params, stage.DATA / "prepare", trains=True)
    return params
