"""Results of a commit and of the work tree, compared: names may move, numbers may not."""

from __future__ import annotations

import pytest

from benchmarks.golden import _renamed, _same


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("label_curve/metrics.json", '{"free_accuracy_20": 0.5, "n": 1}', '{"n": 1, "fine_tuned_accuracy_20": 0.5}'),
        (
            "label_curve/cells.csv",
            "arm,run\nfree - tied,1\nfrozen,0\n",
            "arm,run\nfine-tuned - tied,1\nfrozen encoder,0\n",
        ),
        ("tying/history.csv", "arm,seed,epoch\nuntied,43,1\n", "arm,run,epoch\nuntied,1,1\n"),
        ("report/verdict.txt", "n = 6 draws, exact p", "n = 6 runs, exact p"),
    ],
)
def test_a_text_with_other_names_is_the_same_and_with_another_number_is_not(name, was, now):
    assert _same(name, was.encode(), now.encode())
    assert not _same(name, was.encode(), now.replace("1", "2", 1).replace("6", "7", 1).encode())


def test_a_number_with_many_decimals_is_no_hash_of_the_code():
    assert not _same("report/final.json", b'{"a": 0.123456789012345}', b'{"a": 0.123456789012346}')


def test_cells_have_the_new_names():
    assert _renamed(".cells", "finetune - free - draw 2") == "finetune - fine-tuned - run 2"
    assert _renamed(".cells", "label_curve - frozen - untied - 20 labels - run 0").split(" - ")[1] == "frozen encoder"
    assert _renamed(".cells", "tying - tied - seed 44") == "tying - tied - run 2"
