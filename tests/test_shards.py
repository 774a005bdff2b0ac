"""Shards: every cell is dealt, the same way everywhere, in balance; shards that ran are read as one study."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import clones
import clusters
import pytest
import tiny
from few import project, study_of  # noqa: F401 - a fixture
from studies import MANY, contents

from tasks.frame.errors import UsageError
from tasks.study import effort, keys, runs, shards
from tasks.study.keys import EncoderCell
from tasks.study.rows import Size
from tasks.study.shards import Shard

SIZE = Size(67, 16, 3)


@pytest.mark.parametrize(("text", "shard"), [("1/1", (1, 1)), ("3/20", (3, 20)), ("20/20", (20, 20))])
def test_a_shard_is_written_as_one_of_how_many(text, shard):
    assert shards.parse(text) == shard and str(shards.parse(text)) == text


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/2/3", "1.5/3", "²/3"])
def test_what_is_no_shard_is_one_line(text):
    with pytest.raises(UsageError, match=r"^--shard: expected K/N with 1 <= K <= N, such as 3/20, received '"):
        shards.parse(text)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_every_cell_is_dealt_once_with_its_encoder_and_no_shard_is_much_dearer_than_another(n):
    params = tiny.params(label_curve=MANY | {"n_runs": 3})
    everything = keys.every(params, SIZE)
    dealt = shards.deal(params, SIZE, n)
    assert len(dealt) == n and dealt == shards.deal(params, SIZE, n)
    times = Counter(cell for own in dealt for cell in own)
    assert times.keys() == {*everything}
    assert {cell for cell, many in times.items() if many > 1} <= {*keys.encoders(params)}
    for own in dealt:
        assert {encoder for cell in own if (encoder := keys.encoder_of(params, cell))} <= {*own}
        assert own == sorted(own, key=everything.index)
    loads = [sum(effort.seconds(params, cell, SIZE) for cell in own) for own in dealt]
    encoders = max(effort.seconds(params, cell, SIZE) for cell in keys.encoders(params))
    dearest = max(effort.seconds(params, cell, SIZE) for cell in everything if not isinstance(cell, EncoderCell))
    assert max(loads) <= sum(loads) / n + encoders + dearest


def test_an_encoder_stays_with_its_classifiers_while_that_is_no_slower():
    params = tiny.params(label_curve=MANY | {"n_runs": 4})
    for n, extra in ((1, 0), (2, 0), (4, 0)):
        assert sum(map(len, shards.deal(params, SIZE, n))) == len(keys.every(params, SIZE)) + extra
    assert sum(map(len, shards.deal(params, SIZE, 40))) > len(keys.every(params, SIZE))


def test_a_shard_computes_its_part_and_says_what_is_left_for_which_one(tmp_path, monkeypatch):
    params, data = tiny.params(label_curve=MANY), tiny.prepare(tmp_path / "data")
    store, asked = keys.store(params, data), []

    def fill(params, data, store, wanted, failed):
        asked.append(failed)
        for cell in wanted:
            store.write(cell.name, {})

    monkeypatch.setattr(runs, "fill", fill)
    dealt = shards.deal(params, SIZE, 2)
    done, left = shards.compute(params, data, Shard(2, 2))
    assert done == f"shard 2/2: all {len(dealt[1])} cells are in {store.folder}"
    lost = len({*dealt[0]} - {*dealt[1]})
    assert left == f"Not there yet: {lost} of shard 1/2; `make repro` computes what is left, writes the tables."
    assert shards.compute(params, data, Shard(1, 2))[1].startswith("No cell of the study is left: `make repro`")
    assert asked == ["failed 2 of 2.json", "failed 1 of 2.json"]
    assert not (data / "label_curve").exists()


@pytest.mark.soak
def test_two_shards_at_once_and_a_start_that_reads_them_give_the_bytes_of_one_process(project, tmp_path):  # noqa: F811
    one = study_of(project, tmp_path / "one")
    told = clones.environment() | {"PIPELINE_CELLS": str(tmp_path / "shared")}
    lines = [["--shard", "1/2"], ["--shard", "2/2"]]
    assert all(f'make repro ARGS="{" ".join(line)}"' in clusters.PAGE.read_text() for line in lines)
    started = [
        subprocess.Popen([sys.executable, "-m", "flows", "repro", *line], cwd=project, env=told,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for line in lines
    ]  # fmt: skip
    said = [one.communicate(timeout=1500) for one in started]
    assert [one.returncode for one in started] == [0, 0], said
    assert contents(project / "data/label_curve") == one, "a shard writes no table"
    cells = {path: path.stat().st_ino for path in (tmp_path / "shared/label_curve").iterdir()}
    assert study_of(project, tmp_path / "shared") == one
    assert cells == {path: path.stat().st_ino for path in (tmp_path / "shared/label_curve").iterdir()}
    packed = clones.run(project, "flows", "cells", "pack", str(tmp_path / "shard-1.tar"),
                        PIPELINE_CELLS=str(tmp_path / "shared"))  # fmt: skip
    assert packed.returncode == 0, packed.stderr
    taken = clones.run(project, "flows", "cells", "unpack", str(tmp_path / "shard-1.tar"),
                       PIPELINE_CELLS=str(tmp_path / "taken"))  # fmt: skip
    assert re.search(r": \d+ cells are new here, 0 were here already\n$", taken.stdout), taken.stderr
    assert contents(tmp_path / "taken/label_curve") == contents(tmp_path / "shared/label_curve")


@pytest.mark.soak
def test_a_study_on_dask_with_a_killed_worker_and_as_a_flow_gives_the_bytes_of_one_process(project, tmp_path):  # noqa: F811
    one = study_of(project, tmp_path / "one")
    (tmp_path / "logs").mkdir()
    with clusters.running(project, tmp_path / "logs") as there:
        told = clones.environment() | {"PIPELINE_CELLS": str(tmp_path / "dask")}
        arguments = ["repro", "label_curve", "--force", "--dask", there.address]
        with subprocess.Popen([sys.executable, "-m", "flows", *arguments], cwd=project, env=told,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as study:  # fmt: skip
            n_seen = 0
            for line in study.stdout:
                n_seen += line.endswith(" cells left\n")
                if n_seen == 4:
                    there.workers()[0].kill()
            assert study.wait() == 0, study.stderr.read()
        assert contents(project / "data/label_curve") == one
        encoder = next((tmp_path / "dask/label_curve").glob("encoder*.json"))
        encoder.unlink()
        done = clones.run(project, "flows", "flow", "label_curve", "--force", "--dask", there.address,
                          PIPELINE_CELLS=str(tmp_path / "dask"))  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert encoder.name[:20] in done.stdout and " 0 cells left" in done.stdout
    assert contents(project / "data/label_curve") == one
