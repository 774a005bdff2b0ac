"""The proofs of a study's cells, held against hashes of the encoders' files; this module imports no Keras."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoencoders.arms import ALL, CURVE_ARMS, ON_CHOSEN_ROWS, Baseline
from autoencoders.transfer import fingerprint_of
from tasks.frame import cells
from tasks.frame.errors import Forged
from tasks.frame.sections import Params
from tasks.study import keys
from tasks.study.keys import EncoderCell
from tasks.study.rows import Size


def has(store: cells.Store, cell: EncoderCell) -> bool:
    """Return whether the encoder's weights are stored, undamaged, and match the hashes in its cell."""
    kept, path = store.read(cell.name), store.path(cell.name, ".npz")
    if kept is None or not path.exists():
        return False
    return are_those(kept, path.read_bytes())


def are_those(kept: Mapping[str, Any], content: bytes) -> bool:
    """Return whether a file holds the weights whose hashes stand in an encoder's cell."""
    return bool(hashlib.sha256(content).hexdigest() == kept["sha256"] and _layers(_arrays(content)) == kept["layers"])


def throw_away_damaged(store: cells.Store, encoders: Sequence[EncoderCell]) -> None:
    """Delete the cells of encoders whose weights are damaged; not a missing one, which another process may write now.

    An encoder's weights are written before its cell.
    """
    for cell in encoders:
        if store.read(cell.name) is not None and not has(store, cell):
            store.path(cell.name).unlink(missing_ok=True)


def weights(store: cells.Store, cell: EncoderCell) -> list[np.ndarray]:
    """Return a pretrained encoder's weights in Keras' order: a kernel and a bias for each layer."""
    return _arrays(store.path(cell.name, ".npz").read_bytes())


def check(params: Params, store: cells.Store, size: Size) -> None:
    """Compare the proof of every pretrained score with hashes of the weights in its encoder's file.

    An encoder's own proof must name other hashes before its pretraining. Every stage of an arm must end with its frozen
    layers as the stage before left them, and with others above.

    Raises:
        Forged: One of these does not hold.
    """
    layers = {cell: _layers(weights(store, cell)) for cell in keys.encoders(params)}
    main = params.label_curve.pretrainings[0]
    held = [
        (cell.name, cell.arm, EncoderCell(cell.pretraining, cell.run))
        for cell in keys.score_cells(params, size)
        if cell.pretraining
    ]
    held += [(cell.name, ON_CHOSEN_ROWS, EncoderCell(main, cell.run)) for cell in keys.choice_cells(params)]
    for cell, hashes in layers.items():
        learnt = store.kept(cell.name)["learnt"]
        before, after = ([one for proof in learnt for one in proof[when]] for when in ("before", "after"))
        if after != hashes or any(a == b for a, b in zip(before, after, strict=True)):
            raise Forged(
                f"{store.path(cell.name)}: expected the hashes of its weights, and others before the pretraining;"
                f" delete {store.folder} and run again"
            )
    for name, arm, encoder in held:
        kept = store.kept(name)
        proof = (kept.get("proof") or {}).get("before")
        if proof is None or [*proof] != layers[encoder] or not _stages_held(arm, [*proof], kept):
            raise Forged(
                f"{store.path(name)}: expected a proof of the weights in {store.path(encoder.name, '.npz').name},"
                f" received other hashes; one of the two files was changed: delete {store.folder} and run again"
            )


def _stages_held(name: str, before: list[str], kept: Mapping[str, Any]) -> bool:
    """Return whether a trained arm's stages froze their lowest layers, changed the others, and led to its weights."""
    arm, stages = CURVE_ARMS[name], kept.get("stages", [])
    if isinstance(arm, Baseline):
        return True
    frozen = [0 if n == ALL else len(before) - n for n in arm.trains]
    if [stage["n_frozen"] for stage in stages] != frozen or stages[-1]["layers"] != kept["weights"][:-1]:
        return False
    starts = [before, *(stage["layers"] for stage in stages)]
    return all(
        [a == b for a, b in zip(start, stage["layers"], strict=True)] == [k < n for k in range(len(before))]
        for start, stage, n in zip(starts, stages, frozen, strict=False)
    )


def _arrays(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return [kept[name] for name in kept.files]


def _layers(arrays: list[np.ndarray]) -> list[str]:
    return [fingerprint_of(arrays[k : k + 2]) for k in range(0, len(arrays), 2)]
