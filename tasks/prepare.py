"""Stage `prepare`: split and scale the raw data into data/prepare, the arrays that every later stage reads.

Fashion-MNIST takes about a second: rows 1 to 55,000 for training, the last 5,000 for validation, the official 10,000
for testing. Data without an official test set are split at random, stratified by class; rows without a label are for
training. Beside a user's own test rows, validation rows are drawn in the same way. Scaling is fitted on training rows
only.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer

from autoencoders import columns, rows
from autoencoders.labels import labelled_rows
from autoencoders.pieces import place
from tasks.frame import datasets, files, schema, stage
from tasks.frame.datasets import Record
from tasks.frame.errors import DataError, WrongSplit
from tasks.frame.progress import say
from tasks.frame.sections import Params, Prepare
from tasks.frame.view import Place
from tasks.sources import labelling
from tasks.sources.features import Table

SPLITS = ("train", "valid", "test")
MOST_FITTED = 200_000  # training rows on which a table's columns are fitted
FIT_ROLE = 1_001  # separates their draw from other uses of the seed
MOST_NAMED = 20  # classes in the printed line of class counts


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Write {train,valid,test}.npy and _labels.npy, scale.json, manifest.json with the splits' hashes, metrics.json.

    Of a table also columns.skops, its fitted columns, and schema.json, which describes them.
    """
    dataset = files.read_json(data / "fetch" / "manifest.json")["dataset"]
    source = datasets.source(dataset).read(Path(data / "fetch"), dataset)
    picks = _picks(source, params)
    y = {split: source.y[pick] for split, pick in picks.items()}
    # Of a table, rows are compared before the fit: those that differ in a rare category or beyond the scale only are no
    # repeats, those that differ in columns that are left out only are.
    compared = source.x if source.table is None else source.table.fingerprints()[:, None]
    leaked = _count_leaked(compared, picks, params.prepare.max_leaked)
    given = _columns(source, source.table, picks, params.seed, out) if source.table is not None else source.x
    function = _scaling(source, picks["train"]) if source.table is None else _same
    x = {split: _written(out / f"{split}.npy", given, pick, function) for split, pick in picks.items()}
    for split in SPLITS:
        np.save(out / f"{split}_labels.npy", y[split])
    files.write_json(out / "scale.json", {"scale": source.greatest or 1})
    files.write_json(out / "manifest.json", _manifest(dataset, source, x, y, leaked))
    files.write_json(out / "metrics.json", _metrics(source, x, y, leaked))
    say(", ".join(f"{len(x[split]):,} rows {split}" for split in SPLITS))
    say(_classes(source, y["train"]))


class _Columns:
    """The rows of a table as float32 columns (n, d), which are made when they are taken."""

    def __init__(self, table: Table, fitted: ColumnTransformer) -> None:
        self._table, self._fitted = table, fitted
        self.shape = (len(table), columns.transform(fitted, table.at(np.arange(1))).shape[1])

    def __getitem__(self, pick: Any) -> np.ndarray:
        """Return the rows of a slice, or those with the numbers `pick`, int64 (m,)."""
        return columns.transform(self._fitted, self._table.at(np.arange(len(self._table))[pick]))


def _columns(source: Record, table: Table, picks: Mapping[str, np.ndarray], seed: int, out: Path) -> _Columns:
    """Return a table's rows as columns, fitted on its training rows, and write how; tell what was joined."""
    train = picks["train"]
    if len(train) > MOST_FITTED:
        say(f"columns are fitted on {MOST_FITTED:,} of {len(train):,} training rows, drawn by seed")
        train = np.random.default_rng([seed, FIT_ROLE]).choice(train, MOST_FITTED, replace=False)
    some = table.at(train)
    fitted = columns.fit(some)
    found = columns.describe(fitted, some, columns.transform(fitted, some))
    ignored = [{"name": name, "why": why} for name, why in (source.ignored or {}).items()]
    missing, unseen = _of_pieces(table, picks)
    for column in found["columns"]:
        column["missing"] = missing[column["name"]]
        if column["scaling"] == "quantiles":
            say(
                f"column {column['name']!r} has outliers: scaled and clipped to {column['low']:g} to {column['high']:g}"
            )
        if column["joined"]:
            kept = len(column["categories"]) - 1
            say(f"column {column['name']!r}: {column['joined']:,} rare categories are joined, {kept} others kept")
    schema.write(out, fitted, {**found, "ignored": ignored})
    for name, words in unseen.items():
        told = f"{words[0]!r:.40}" + f" and {len(words) - 1:,} more" * (len(words) > 1)
        say(f"column {name!r}: no training row has {told}, which validation or test rows have")
    return _Columns(table, fitted)


def _of_pieces(table: Table, picks: Mapping[str, np.ndarray]) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return the number of missing values in training rows, and the words that only other rows have, by column."""
    side = np.full(len(table), -1)
    side[picks["train"]], side[np.concatenate([picks["valid"], picks["test"]])] = 0, 1
    missing, words, start = Counter[str](), (defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)), 0
    for piece in table.pieces():
        here, start = side[start : start + len(piece)], start + len(piece)
        missing.update(piece[here == 0].isna().sum().to_dict())
        for k, found in enumerate(words):
            for name, some in columns.categories(piece[here == k]).items():
                found[name] |= some
    train, others = words
    unseen = {name: sorted(there - train[name]) for name, there in others.items() if there - train[name]}
    return {name: int(n) for name, n in missing.items()}, unseen


def _same(rows: np.ndarray) -> np.ndarray:
    return rows


def _picks(source: Record, params: Params) -> dict[str, np.ndarray]:
    """Return the numbers of the rows of each split."""
    if not source.n_test:
        return _drawn(source, params)
    return _beside_test(source, params) if source.draws_valid else _official(source, params.prepare)


def _scaling(source: Record, train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map of rows as they were read to rows as they are written."""
    if source.greatest is not None:
        return _same
    return rows.Scaling.of(source.x, train, by_column=source.shape is None)


def _written(path: Path, x: Any, pick: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Write some rows, mapped by a function; return them, mapped from the file."""
    place(x, pick, files.new_array(path, (len(pick), *x.shape[1:]), function(x[:1]).dtype), function)
    return files.read_array(path, "r")


def _official(source: Record, options: Prepare) -> dict[str, np.ndarray]:
    """Return the official split, in the given order: validation rows are the last before the test set."""
    n_before = len(source.x) - source.n_test
    _check(source, options, {"n_valid": (1, n_before - 1, "")})
    n_train = n_before - options.n_valid
    return dict(zip(SPLITS, np.split(np.arange(len(source.x)), [n_train, n_before]), strict=True))


def _beside_test(source: Record, params: Params) -> dict[str, np.ndarray]:
    """Return the official test rows, and a seeded draw of validation rows from the others, stratified by class."""
    n, n_valid = len(source.x) - source.n_test, params.prepare.n_valid
    least, greatest = len(source.names), len(labelled_rows(source.y[:n])) - len(source.names)
    _check(source, params.prepare, {"n_valid": (least, greatest, " (of the labelled rows that are no test rows)")})
    rest = source._replace(y=source.y[:n], groups=None if source.groups is None else source.groups[:n])
    train, valid, _ = _split(rest, n_valid=n_valid, n_test=0, seed=params.seed)
    splits = {"train": train, "valid": valid, "test": np.arange(n, len(source.x))}
    _every_class_everywhere(source, splits)
    return splits


def _drawn(source: Record, params: Params) -> dict[str, np.ndarray]:
    """Return a seeded random split, stratified by class."""
    n, n_classes, options = len(labelled_rows(source.y)), len(source.names), params.prepare
    kind = "rows" if n == len(source.x) else "labelled rows"
    if n < 3 * n_classes:
        raise DataError(f"expected {3 * n_classes} {kind} or more to split {n_classes} classes, received {n}")
    what = f" (of {n} {kind} in {n_classes} classes, without an official test set)"
    n_valid = min(max(options.n_valid, n_classes), n - 2 * n_classes)
    most = {"n_valid": n - 2 * n_classes, "n_test": n - n_classes - n_valid}
    _check(source, options, {key: (n_classes, greatest, what) for key, greatest in most.items()})
    picks = _split(source, n_valid=options.n_valid, n_test=options.n_test, seed=params.seed)
    splits = dict(zip(SPLITS, picks, strict=True))
    _every_class_everywhere(source, splits)
    return splits


def _split(source: Record, *, n_valid: int, n_test: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw the rows of training, validation and test by seed, stratified by class; groups stay together."""
    if source.groups is None:
        return rows.stratified_split(source.y, n_valid=n_valid, n_test=n_test, seed=seed)
    picks = rows.grouped_split(source.y, source.groups, n_valid=n_valid, n_test=n_test, seed=seed)
    if left := len(source.y) - sum(map(len, picks)):
        say(f"{left:,} rows without a label belong to groups of validation or test rows, and are left out")
    return picks


def _every_class_everywhere(source: Record, splits: Mapping[str, np.ndarray]) -> None:
    """Raise DataError if a class is missing in a split; it names the first such class."""
    counts = np.stack([_counts(source, source.y[pick]) for pick in splits.values()])
    if (wrong := np.flatnonzero(counts.min(axis=0) == 0)).size:
        rows_there = ", ".join(f"{n} {split}" for split, n in zip(splits, counts[:, wrong[0]], strict=True))
        more = f" (and {len(wrong) - 1} classes more)" if len(wrong) > 1 else ""
        raise DataError(
            f"class {source.names[wrong[0]]!r}{more} has {counts[:, wrong[0]].sum()} labelled rows ({rows_there}), and"
            " needs one in each" + ", where all rows of a group come into one" * (source.groups is not None) + ": add"
            " rows of it, leave it out, or change prepare.n_valid and prepare.n_test"
        )


def _check(source: Record, options: Prepare, ranges: Mapping[str, tuple[int, int, str]]) -> None:
    """Raise WrongSplit if sizes are out of their ranges; data with a test set want no other test rows."""
    n = len(source.y) - source.n_test
    expected = {
        key: f"{least} to {greatest}{what}"
        for key, (least, greatest, what) in ranges.items()
        if not least <= getattr(options, key) <= greatest
    }
    if source.n_test and options.n_test not in (0, source.n_test):
        expected["n_test"] = f"0, since these data bring {source.n_test} test rows"
    if expected:
        raise WrongSplit.of(
            {f"prepare.{key}": f"{what}, received {getattr(options, key)}" for key, what in expected.items()},
            n_rows=n, n_labelled=len(labelled_rows(source.y[:n])), n_columns=source.x.shape[1],
            n_classes=len(source.names), has_test=source.n_test > 0,
        )  # fmt: skip


def _count_leaked(x: np.ndarray, picks: Mapping[str, np.ndarray], max_leaked: float) -> dict[str, int]:
    """Count the test and validation rows that also occur in earlier splits; DataError if the test set has too many."""
    digests = rows.digests(x)
    train, valid, test = (digests[picks[split]] for split in SPLITS)
    leaked = {"test": rows.count_leaked(test, train, valid), "valid": rows.count_leaked(valid, train)}
    if leaked["test"] > max_leaked * len(test):
        raise DataError(
            f"{leaked['test']} of {len(test)} test rows occur, value for value, in the training or validation set;"
            f" expected at most {max_leaked:.1%}. Remove the repeated rows, or raise prepare.max_leaked"
        )
    return leaked


def _manifest(
    dataset: str, source: Record, x: Mapping[str, np.ndarray], y: Mapping[str, np.ndarray], leaked: Mapping[str, int]
) -> dict[str, Any]:
    like_missing = labelling.suspect(source.names)
    return {
        "dataset": dataset,
        "image_shape": source.shape,
        "class_names": source.names,
        **({"classes_like_missing_labels": like_missing} if like_missing else {}),
        "leaked_rows": dict(leaked),
        "splits": {
            split: {
                "rows": len(x[split]),
                "class_counts": _counts(source, y[split]).tolist(),
                "sha256": _sha256(x[split]),
                "labels_sha256": _sha256(y[split]),
            }
            for split in SPLITS
        },
    }


def _classes(source: Record, y: np.ndarray) -> str:
    """Return a line of training rows per class and without a label; it reveals missing values read as a class."""
    told = [f"{name} {n:,}" for name, n in zip(source.names, _counts(source, y), strict=True)]
    left = [f"and {len(told) - MOST_NAMED} classes more"] if len(told) > MOST_NAMED else []
    without = len(y) - len(labelled_rows(y))
    return ", ".join([*told[:MOST_NAMED], *left]) + (f"; without a label {without:,}" if without else "")


def _counts(source: Record, y: np.ndarray) -> np.ndarray:
    """Return the number of rows per class, (k,)."""
    return np.bincount(y[labelled_rows(y)], minlength=len(source.names))


def _metrics(
    source: Record, x: Mapping[str, np.ndarray], y: Mapping[str, np.ndarray], leaked: Mapping[str, int]
) -> dict[str, int]:
    sizes = {f"n_{split}": len(x[split]) for split in SPLITS}
    sizes["n_train_labelled"] = len(labelled_rows(y["train"]))
    leaks = {f"leaked_rows_{split}": count for split, count in leaked.items()}
    return {**sizes, "n_features": x["train"].shape[1], "n_classes": len(source.names), **leaks}


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.data).hexdigest()


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
