"""Files of the stages: read with care, written in the same bytes each time; models among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoencoders.models import Autoencoder
from tasks.frame import files, models

pytestmark = pytest.mark.usefixtures("fresh_repository")


def test_images_are_scaled_to_float32_and_codings_are_read_as_they_are():
    np.save("train.npy", np.array([[0, 51, 255]], "uint8"))
    files.write_json(Path("scale.json"), {"scale": 255})
    rows = files.read_rows(Path(), "train")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.array([[0, 0.2, 1]], "float32"))
    codings = np.array([[-3.0, 7.5]], "float32")
    np.save("valid.npy", codings)
    np.testing.assert_array_equal(files.read_rows(Path(), "valid"), codings)
    np.save("train_labels.npy", np.array([3, 1]))
    np.testing.assert_array_equal(files.read_labels(Path(), "train"), [3, 1])


@pytest.mark.parametrize("broken", [b"", b"junk", "cut", "pickled"])
def test_a_damaged_array_is_named_and_a_pickled_one_is_not_opened(broken):
    np.save("train.npy", np.ones((9, 9)) if broken == "cut" else np.array([{}], dtype=object))
    if broken == "cut":
        Path("train.npy").write_bytes(Path("train.npy").read_bytes()[:200])
    elif broken != "pickled":
        Path("train.npy").write_bytes(broken)
    with pytest.raises(ValueError, match=r"^train\.npy: expected an array as numpy.save writes it: "):
        files.read_rows(Path(), "train")


def test_json_has_one_form_and_no_nan():
    files.write_json(Path("a.json"), {"b": 0.1, "a": [1, "é"]})
    files.write_json(Path("b.json"), {"a": [1, "é"], "b": 0.1})
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert Path("a.json").read_text().endswith("}\n")
    assert files.read_json(Path("a.json")) == {"a": [1, "é"], "b": 0.1}
    with pytest.raises(ValueError, match=r"^c\.json: expected finite numbers: .*nan"):
        files.write_json(Path("c.json"), {"loss": float("nan")})
    assert not Path("c.json").exists()


def test_a_table_is_written_with_numbers_in_full():
    files.write_table(Path("a.csv"), [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-9}])
    assert Path("a.csv").read_bytes() == b"epoch,loss\n1,0.30000000000000004\n2,1e-09\n"


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_is_written_in_the_same_bytes_each_time_and_computes_the_same_when_read(tied):
    x = np.random.default_rng(0).uniform(size=(3, 6)).astype("float32")
    written = []
    for folder in (Path("a"), Path("b")):
        folder.mkdir()
        model = Autoencoder(6, [4, 2], seed=1, tied=tied)
        models.write(folder, model)
        written.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert written[0] == written[1]
    assert [path.name for path in sorted(Path("a").iterdir())] == ["model.json", "model.weights.h5"]
    np.testing.assert_array_equal(models.read(Path("a"))(x), model(x))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


DAMAGE = {
    "cut": _cut,
    "empty": lambda path: path.write_bytes(b""),
    "of another shape": lambda path: Autoencoder(6, [5, 2]).save_weights(path),
    "of a tied model": lambda path: Autoencoder(6, [4, 2], tied=True).save_weights(path),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_weights_that_do_not_belong_to_the_model_are_refused_in_one_line(damage):
    models.write(Path(), Autoencoder(6, [4, 2]))
    damage(Path("model.weights.h5"))
    with pytest.raises(
        ValueError, match=r"^model\.weights\.h5: expected the weights of the model in model\.json: [^\n]+$"
    ):
        models.read(Path())


def test_weights_of_an_untied_model_are_refused_by_a_tied_one():
    models.write(Path(), Autoencoder(6, [4, 2]))
    tied = json.loads(Path("model.json").read_text()) | {"tied": True}
    files.write_json(Path("model.json"), tied)
    with pytest.raises(ValueError, match="expected the weights of the model"):
        models.read(Path())


def test_a_missing_weights_file_is_named():
    files.write_json(Path("model.json"), Autoencoder(6, [4, 2]).get_config())
    with pytest.raises(FileNotFoundError, match=r"^model\.weights\.h5: no such file$"):
        models.read(Path())


def test_the_last_epochs_metrics_are_those_without_its_number():
    assert files.last([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]) == {"loss": 1.0}
