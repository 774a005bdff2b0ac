"""tasks/prepare.py: the splits, their scaling, their manifest, and that the test rows reach nothing else."""

import hashlib
from functools import partial

import numpy as np
import pandas as pd
import pytest

from autoencoders import columns, idx, pieces, rows
from autoencoders.labels import UNLABELLED
from tasks import prepare
from tasks.frame import config, files, schema
from tasks.frame.errors import ConfigError
from tasks.frame.sections import Prepare
from tasks.sources import features, stored
from tests.inputs import write_table

SPLITS = ("train", "valid", "test")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 28, 28)).astype(np.uint8)
LABELS = np.arange(50, dtype=np.uint8) % 10
X = RNG.normal(size=(60, 3))
Y = np.arange(60) % 3


def fashion(data):
    """Write 40 training and 10 test images as fetch leaves them."""
    folder = data / "fetch"
    folder.mkdir()
    for name, array in (("train-images-idx3", IMAGES[:40]), ("train-labels-idx1", LABELS[:40]),
                        ("t10k-images-idx3", IMAGES[40:]), ("t10k-labels-idx1", LABELS[40:])):  # fmt: skip
        (folder / f"{name}-ubyte").write_bytes(idx.encode(array))
    files.write_json(folder / "manifest.json", {"dataset": "fashion-mnist"})


def own(data, x=X, y=Y, dataset="file", n_test=0):
    """Write arrays as fetch leaves a user's file, or digits."""
    folder = data / "fetch"
    folder.mkdir(exist_ok=True)
    if dataset == "digits":
        np.savez(folder / "digits.npz", x=x, y=y)
    else:
        np.save(folder / "rows.npy", x)
        np.save(folder / "labels.npy", y)
        about = {"names": [f"kind {k}" for k in np.unique(y[y >= 0])], "n_test": n_test}
        files.write_json(folder / "about.json", about)
    files.write_json(folder / "manifest.json", {"dataset": dataset})


def run(data, name="out", *, seed=42, **options):
    """Run the stage and return its folder."""
    out = data / name
    out.mkdir()
    section = Prepare(**{"n_test": 0, "max_leaked": 0.05} | options)
    prepare.run(config.load().model_copy(update={"seed": seed, "prepare": section}), data, out, "")
    return out


def arrays(out):
    return {split: np.load(out / f"{split}.npy") for split in SPLITS}


def labels(out):
    return {split: np.load(out / f"{split}_labels.npy") for split in SPLITS}


def test_the_official_split_keeps_rows_in_order_and_bytes_as_they_are(tmp_path):
    fashion(tmp_path)
    out = run(tmp_path, n_valid=5)
    flat = IMAGES.reshape(50, 784)
    for split, pick in (("train", slice(0, 35)), ("valid", slice(35, 40)), ("test", slice(40, 50))):
        pixels, classes = arrays(out)[split], labels(out)[split]
        np.testing.assert_array_equal(pixels, flat[pick])
        np.testing.assert_array_equal(classes, LABELS[pick])
        assert (pixels.dtype, classes.dtype) == (np.uint8, np.int64)
    assert files.read_json(out / "scale.json") == {"scale": 255}
    np.testing.assert_array_equal(files.read_rows(out, "test"), flat[40:].astype(np.float32) / np.float32(255))


def test_the_manifest_and_metrics_say_what_was_written(tmp_path):
    fashion(tmp_path)
    out = run(tmp_path, n_valid=5)
    manifest = files.read_json(out / "manifest.json")
    assert (manifest["dataset"], manifest["image_shape"], manifest["class_names"][9]) == (
        "fashion-mnist",
        [28, 28],
        "Ankle boot",
    )
    for split in SPLITS:
        entry = manifest["splits"][split]
        assert entry["sha256"] == hashlib.sha256(arrays(out)[split].tobytes()).hexdigest()
        assert entry["labels_sha256"] == hashlib.sha256(labels(out)[split].tobytes()).hexdigest()
        assert entry["class_counts"] == np.bincount(labels(out)[split], minlength=10).tolist()
        assert entry["rows"] == len(arrays(out)[split])
    assert files.read_json(out / "metrics.json") == {
        "n_train": 35, "n_train_labelled": 35, "n_valid": 5, "n_test": 10, "n_features": 784, "n_classes": 10,
        "leaked_rows_test": 0, "leaked_rows_valid": 0,
    }  # fmt: skip


@pytest.mark.parametrize("write", [fashion, own])
def test_the_same_data_and_seed_give_the_same_bytes(tmp_path, write):
    write(tmp_path)
    first, second = (run(tmp_path, name, n_valid=9, n_test=10 if write is fashion else 9) for name in ("a", "b"))
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}


def test_a_table_is_split_by_class_and_scaled_by_its_training_rows(tmp_path):
    own(tmp_path)
    out = run(tmp_path, n_valid=9, n_test=12)
    x, y = arrays(out), labels(out)
    assert [len(x[split]) for split in SPLITS] == [39, 9, 12]
    assert [np.bincount(y[split]).tolist() for split in SPLITS] == [[13] * 3, [3] * 3, [4] * 3]
    assert x["train"].min(axis=0).tolist() == [0, 0, 0]
    assert x["train"].max(axis=0).tolist() == [1, 1, 1]
    assert all(x[split].dtype == np.float32 and 0 <= x[split].min() <= x[split].max() <= 1 for split in SPLITS)
    assert files.read_json(out / "scale.json") == {"scale": 1}
    manifest = files.read_json(out / "manifest.json")
    assert (manifest["image_shape"], manifest["class_names"]) == (None, ["kind 0", "kind 1", "kind 2"])


def test_rows_without_a_label_are_for_training_and_counted(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    own(tmp_path, y=np.where(np.arange(len(Y)) % 4, Y, UNLABELLED))
    out = run(tmp_path, n_valid=9, n_test=9)
    y, metrics = labels(out), files.read_json(out / "metrics.json")
    n_without = int((y["train"] == UNLABELLED).sum())
    assert n_without == -(-len(Y) // 4) and min(y["valid"].min(), y["test"].min()) >= 0
    assert metrics["n_train"] - metrics["n_train_labelled"] == n_without
    manifest = files.read_json(out / "manifest.json")
    assert sum(manifest["splits"]["train"]["class_counts"]) == metrics["n_train_labelled"]
    counts = manifest["splits"]["train"]["class_counts"]
    assert said[1] == f"kind 0 {counts[0]}, kind 1 {counts[1]}, kind 2 {counts[2]}; without a label {n_without}"
    with pytest.raises(ConfigError, match=r"n_valid: expected 3 to \d+ \(of \d+ labelled rows in 3 classes"):
        run(tmp_path, "other", n_valid=len(Y), n_test=9)


def test_another_seed_draws_other_rows(tmp_path):
    own(tmp_path)
    first, second = (arrays(run(tmp_path, str(seed), seed=seed, n_valid=9, n_test=9))["test"] for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_poisoned_test_rows_change_nothing_but_the_test_rows(tmp_path):
    own(tmp_path)
    before = run(tmp_path, "before", n_valid=9, n_test=12)
    poisoned = X.copy()
    poisoned[rows.stratified_split(Y, n_valid=9, n_test=12, seed=42)[2]] = 1e6
    own(tmp_path, poisoned)
    after = run(tmp_path, "after", n_valid=9, n_test=12)
    for name in ("train.npy", "valid.npy", "train_labels.npy", "valid_labels.npy", "test_labels.npy"):
        assert (before / name).read_bytes() == (after / name).read_bytes()
    assert (arrays(after)["test"] == 1).all()


def test_digits_stay_bytes_up_to_16(tmp_path):
    own(tmp_path, RNG.integers(0, 17, (60, 64)).astype(np.uint8), np.arange(60) % 10, dataset="digits")
    out = run(tmp_path, n_valid=10, n_test=10)
    assert arrays(out)["train"].dtype == np.uint8
    assert files.read_json(out / "scale.json") == {"scale": 16}
    assert files.read_json(out / "manifest.json")["image_shape"] == [8, 8]


@pytest.mark.parametrize(
    ("shape", "dtype", "kept", "scale"),
    [
        ((4, 5), np.uint8, [4, 5], 255),
        ((4, 5, 1), np.uint8, [4, 5], 255),
        ((2, 5, 1), np.uint8, [2, 5], 255),
        ((4, 5, 3), np.float64, [4, 5, 3], 1),
        ((4, 1), np.float64, None, 1),
    ],
)
def test_the_shape_of_images_is_kept_in_the_manifest(tmp_path, shape, dtype, kept, scale):
    own(tmp_path, RNG.integers(0, 256, (60, *shape)).astype(dtype))
    out = run(tmp_path, n_valid=9, n_test=9)
    assert files.read_json(out / "manifest.json")["image_shape"] == kept
    assert files.read_json(out / "scale.json") == {"scale": scale}
    assert arrays(out)["train"].shape == (42, np.prod(shape))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n_valid": 40}, "prepare.n_valid: expected 1 to 39, received 40"),
        ({"n_valid": 5, "n_test": 7}, "prepare.n_test: expected 0, since these data bring 10 test rows, received 7"),
    ],
)
def test_an_official_split_that_cannot_be_made_gives_the_range(tmp_path, options, complaint):
    fashion(tmp_path)
    with pytest.raises(ConfigError, match=complaint):
        run(tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n_valid": 9}, r"prepare.n_test: expected 3 to 48 \(of 60 rows.*received 0"),
        ({"n_valid": 9, "n_test": 49}, "expected 3 to 48 .*received 49"),
        ({"n_valid": 5000, "n_test": 9}, "prepare.n_valid: expected 3 to 54 .*received 5000"),
        ({"n_valid": 2, "n_test": 9}, "prepare.n_valid: expected 3 to 54 .*received 2"),
    ],
)
def test_a_drawn_split_that_cannot_be_made_gives_the_range(tmp_path, options, complaint):
    own(tmp_path)
    with pytest.raises(ConfigError, match=complaint):
        run(tmp_path, **options)


def test_too_few_rows_for_the_classes_are_refused(tmp_path):
    own(tmp_path, X[:8], Y[:8])
    with pytest.raises(ValueError, match="expected 9 rows or more to split 3 classes, received 8"):
        run(tmp_path, n_valid=3, n_test=3)


@pytest.mark.parametrize(
    ("n", "there"), [(1, r"1 labelled rows \("), (2, r"2 labelled rows \(1 train, 0 valid, 1 test")]
)
def test_a_class_that_is_not_in_every_split_is_named(tmp_path, n, there):
    own(tmp_path, y=np.array([0] * (60 - n) + [1] * n))
    with pytest.raises(ValueError, match=rf"class 'kind 1' has {there}.*and needs one in each: add rows of it"):
        run(tmp_path, n_valid=20, n_test=15)


def test_test_rows_that_also_occur_in_training_are_counted_and_too_many_refused(tmp_path):
    fashion(tmp_path)
    images = IMAGES[40:].copy()
    images[3], images[7] = IMAGES[0], IMAGES[39]  # a training row, a validation row
    (tmp_path / "fetch" / "t10k-images-idx3-ubyte").write_bytes(idx.encode(images))
    with pytest.raises(ValueError, match=r"2 of 10 test rows .*expected at most 5\.0%.*prepare.max_leaked"):
        run(tmp_path, n_valid=5)
    out = run(tmp_path, "allowed", n_valid=5, max_leaked=0.2)
    assert files.read_json(out / "metrics.json")["leaked_rows_test"] == 2
    assert files.read_json(out / "manifest.json")["leaked_rows"] == {"test": 2, "valid": 0}


def test_validation_rows_that_also_occur_in_training_are_counted(tmp_path):
    own(tmp_path, np.column_stack([np.arange(60) // 20, Y]).astype(float), Y)
    out = run(tmp_path, n_valid=9, n_test=9, max_leaked=1.0)
    assert files.read_json(out / "metrics.json")["leaked_rows_valid"] == 9


@pytest.mark.parametrize(
    ("n", "told"), [(20, ", 19 3"), (21, ", 19 3, and 1 classes more"), (22, ", and 2 classes more")]
)
def test_of_many_classes_the_first_twenty_are_told_with_their_rows(n, told):
    y = np.repeat(np.arange(n), 3)
    source = prepare.Record(np.zeros((len(y), 1)), y, [str(k) for k in range(n)], None, None, 0)
    assert prepare._classes(source, y).endswith(told)


def own_test(data, n_test=12, y=Y):
    own(data, y=y, n_test=n_test)


def test_beside_a_users_test_rows_validation_rows_are_drawn_by_seed_and_class_from_the_others(tmp_path):
    own_test(tmp_path, y=np.where(np.arange(60) < 9, UNLABELLED, Y))
    out = run(tmp_path, n_valid=9)
    y = labels(out)
    assert y["test"].tolist() == Y[48:].tolist()
    assert (np.bincount(y["valid"]).tolist(), (y["train"] == UNLABELLED).sum()) == ([3, 3, 3], 9)
    low, high = (function(np.delete(X, drawn_rows(), 0)[:-12], axis=0) for function in (np.min, np.max))
    np.testing.assert_array_equal(arrays(out)["test"], np.clip((X[48:] - low) / (high - low), 0, 1).astype(np.float32))
    other = run(tmp_path, "other", seed=1, n_valid=9, n_test=12)
    np.testing.assert_array_equal(labels(other)["test"], y["test"])
    assert not np.array_equal(arrays(out)["valid"], arrays(other)["valid"])


def drawn_rows():
    """Return the numbers of the validation rows of `run`'s seed."""
    y = np.where(np.arange(60) < 9, UNLABELLED, Y)[:48]
    return rows.stratified_split(y, n_valid=9, n_test=0, seed=42)[1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n_valid": 9, "n_test": 5}, "prepare.n_test: expected 0, since these data bring 12 test rows, received 5"),
        (
            {"n_valid": 46},
            r"prepare.n_valid: expected 3 to 45 \(of the labelled rows that are no test rows\), received",
        ),
        ({"n_valid": 2}, "prepare.n_valid: expected 3 to 45"),
    ],
)
def test_a_split_beside_a_users_test_rows_that_cannot_be_made_gives_the_range(tmp_path, options, complaint):
    own_test(tmp_path)
    with pytest.raises(ConfigError, match=complaint):
        run(tmp_path, **options)


@pytest.mark.parametrize("n_test", [0, 12])
def test_groups_of_a_users_rows_are_not_divided_and_what_is_left_out_is_told(tmp_path, monkeypatch, n_test):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    groups, y = np.arange(60) // 4, np.where((np.arange(60) % 4 == 1) & (np.arange(60) < 48), UNLABELLED, Y)
    x = RNG.integers(0, 256, (60, 3, 3)).astype(np.uint8)
    x[:, 0, 0] = groups
    own(tmp_path, x=x, y=y, n_test=n_test)
    np.save(tmp_path / "fetch" / "groups.npy", groups)
    out = run(tmp_path, n_valid=9, n_test=0 if n_test else 9)
    found = [{*part[:, 0].tolist()} for part in arrays(out).values()]
    assert not (found[0] & found[1] or (found[0] | found[1]) & found[2])
    lengths = [len(part) for part in labels(out).values()]
    assert lengths[1] >= 9 and (lengths[2] == 12 if n_test else lengths[2] >= 9)
    left = 60 - sum(lengths)
    assert (
        left and said[0] == f"{left} rows without a label belong to groups of validation or test rows, and are left out"
    )


@pytest.mark.parametrize("kind", ["a table", "images", "images of floats", "an official split"])
def test_rows_prepared_in_small_pieces_are_the_same_to_the_byte(tmp_path, monkeypatch, kind):
    if kind == "an official split":
        fashion(tmp_path)
    else:
        x = RNG.integers(0, 256, (60, 3, 3)).astype(np.uint8)
        own(tmp_path, x={"a table": X, "images": x, "images of floats": x / 3.0}[kind])
    sizes = {"n_valid": 9, "n_test": 0 if kind == "an official split" else 12}
    run(tmp_path, "whole", **sizes)
    monkeypatch.setattr(prepare, "place", partial(pieces.place, piece_bytes=24 * 7))
    monkeypatch.setattr(rows, "pieces", partial(pieces.pieces, piece_bytes=24 * 7))
    run(tmp_path, "pieces", **sizes)
    whole, parts = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "pieces")
    )
    assert whole == parts and len(whole) == 9


def test_the_manifest_names_classes_that_look_like_a_missing_label(tmp_path):
    own(tmp_path)
    assert "classes_like_missing_labels" not in files.read_json(
        run(tmp_path, "a", n_valid=9, n_test=9) / "manifest.json"
    )
    files.write_json(tmp_path / "fetch" / "about.json", {"names": ["-1", "NA", "x"], "n_test": 0})
    manifest = files.read_json(run(tmp_path, "b", n_valid=9, n_test=9) / "manifest.json")
    assert manifest["classes_like_missing_labels"] == ["-1", "NA"]


CITIES = ["Rome", "Oslo", "Bonn"]


def table(**columns):
    """Return 60 rows of a table with a column of each kind."""
    days = pd.Series(pd.to_datetime(RNG.integers(0, 10**9, 60), unit="s")).astype("datetime64[us]")
    return pd.DataFrame(
        {"n": np.where(np.arange(60) % 7, X[:, 0], np.nan), "out": np.where(np.arange(60) == 30, 1e9, X[:, 1]),
         "t": pd.array([True, False] * 30, "boolean"), "city": np.array(CITIES)[np.arange(60) // 7 % 3], "day": days,
         **columns},
    )  # fmt: skip


def own_table(data, given, n_test=0):
    """Write a table as fetch leaves it."""
    (data / "fetch").mkdir(exist_ok=True)
    write_table(data / "fetch" / features.FILE, given, {"id": "an identifier"})
    np.save(data / "fetch" / "labels.npy", Y)
    files.write_json(data / "fetch" / "about.json", {"names": ["a", "b", "c"], "n_test": n_test})
    files.write_json(data / "fetch" / "manifest.json", {"dataset": "file"})


def test_a_table_of_many_row_groups_gives_the_same_bytes(tmp_path, monkeypatch):
    given = table()
    own_table(tmp_path, given)
    whole = run(tmp_path, "whole", n_valid=9, n_test=12)
    monkeypatch.setattr(stored, "CELLS", 35)
    own_table(tmp_path, given)
    pieces = run(tmp_path, "pieces", n_valid=9, n_test=12)
    assert {p.name: p.read_bytes() for p in whole.iterdir()} == {p.name: p.read_bytes() for p in pieces.iterdir()}


def test_the_columns_of_many_training_rows_are_fitted_on_some_of_them_and_that_is_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    monkeypatch.setattr(prepare, "MOST_FITTED", 20)
    given = table(late=pd.Series(["u"] * 58 + ["v", None], dtype="str"))
    own_table(tmp_path, given)
    runs = [run(tmp_path, name, n_valid=9, n_test=12) for name in "ab"]
    assert said[0] == "columns are fitted on 20 of 39 training rows, drawn by seed"
    assert len({(out / "schema.json").read_bytes() for out in runs}) == 1
    train = rows.stratified_split(Y, n_valid=9, n_test=12, seed=42)[0]
    for column in schema.read(runs[0])[1]["columns"]:
        assert column["missing"] == given[column["name"]].iloc[train].isna().sum()


def test_a_tables_columns_are_fitted_on_training_rows_and_described(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    given = table()
    own_table(tmp_path, given)
    out = run(tmp_path, n_valid=9, n_test=12)
    picks = dict(zip(SPLITS, rows.stratified_split(Y, n_valid=9, n_test=12, seed=42)[:3], strict=True))
    fitted, described = schema.read(out)
    again = columns.fit(given.iloc[picks["train"]])
    for split in SPLITS:
        x = arrays(out)[split]
        np.testing.assert_array_equal(x, columns.transform(fitted, given.iloc[picks[split]]))
        np.testing.assert_array_equal(x, columns.transform(again, given.iloc[picks[split]]))
        assert x.dtype == np.float32
    assert files.read_json(out / "metrics.json")["n_features"] == arrays(out)["train"].shape[1]
    assert [c["name"] for c in described["columns"]] == [*given] and described["ignored"] == [
        {"name": "id", "why": "an identifier"}
    ]
    assert files.read_json(out / "scale.json") == {"scale": 1}
    assert (30 in picks["train"]) == any(
        line.startswith("column 'out' has outliers: scaled and clipped") for line in said
    )


def test_poisoned_test_rows_of_a_table_change_nothing_but_the_test_rows(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    given, test = table(), rows.stratified_split(Y, n_valid=9, n_test=12, seed=42)[2]
    own_table(tmp_path, given)
    before = run(tmp_path, "before", n_valid=9, n_test=12)
    poisoned = given.copy()
    poisoned.loc[test, ["n", "city", "day"]] = [1e6, "Paris", pd.Timestamp("1900-01-01")]
    own_table(tmp_path, poisoned)
    after = run(tmp_path, "after", n_valid=9, n_test=12)
    for name in ("train.npy", "valid.npy", "columns.skops", "schema.json"):
        assert (before / name).read_bytes() == (after / name).read_bytes()
    assert "column 'city': no training row has 'Paris', which validation or test rows have" in said


def test_rare_categories_are_joined_and_told(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(prepare, "say", said.append)
    monkeypatch.setattr(columns, "MOST_CATEGORIES", 10)
    own_table(tmp_path, table(code=[f"c{k % 30}" for k in range(60)]))
    run(tmp_path, n_valid=3, n_test=3)
    assert any(
        line.startswith("column 'code': ") and "rare categories are joined, 9 others kept" in line for line in said
    )


def test_rows_of_a_table_that_differ_in_what_is_joined_or_clipped_only_are_no_repeats(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "MOST_CATEGORIES", 5)
    given = pd.DataFrame({"code": [f"c{k}" for k in range(60)]})
    own_table(tmp_path, given)
    assert files.read_json(run(tmp_path, n_valid=9, n_test=9) / "metrics.json")["leaked_rows_test"] == 0
    own_table(tmp_path, given.assign(code=["a", "b", "c"] * 20))
    with pytest.raises(ValueError, match="9 of 9 test rows occur, value for value"):
        run(tmp_path, "other", n_valid=9, n_test=9)


def test_the_same_table_gives_the_same_bytes_and_arrays_have_no_schema(tmp_path):
    own_table(tmp_path, table())
    first, second = (run(tmp_path, name, n_valid=9, n_test=9) for name in ("a", "b"))
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}
    assert (first / "schema.json").exists()
    (tmp_path / "fetch" / features.FILE).unlink()
    own(tmp_path)
    assert {"schema.json", "columns.skops"} & {
        p.name for p in run(tmp_path, "c", n_valid=9, n_test=9).iterdir()
    } == set()
