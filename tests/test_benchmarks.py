"""Benchmarks: ways take turns, ratios are those of one round, the page is what the numbers say."""

from __future__ import annotations

import json
import math
import resource
import sys

import numpy as np
import pytest

from benchmarks import cases, cold, dag, page, plot, processes, rows, small_fits, targets
from benchmarks.__main__ import kept_with
from benchmarks.guard import verdict
from benchmarks.measure import best, measure, times
from benchmarks.serve import by_epoch
from benchmarks.workers import ROOT, Pool, Unavailable, Worker, environment
from tasks.frame import config

PRODUCTS = cases.Way("products", "products", "numpy", "floor")
TINY = cases.Case("tiny", "tiny", "epoch", (PRODUCTS,), 40, 2, (8, 4), batch_size=16)
KEPT = ROOT / "docs" / "performance.json"


class FakePool:
    """Workers that answer at once and note when they were asked; the way `broken` cannot be had."""

    threads = 1

    def __init__(self):
        self.asked = []

    def worker(self, way):
        pool = self

        class Fake:
            def ask(self, **request):
                if way.label == "broken":
                    raise Unavailable("no such module")
                pool.asked.append((way.label, next(iter(request))))
                n = len(pool.asked)
                return {"ready": 0.1, "peak_bytes": n} if "prepare" in request else {
                    "seconds": n, "cpu": n, "value": 0.3, "grown_bytes": n, "peak_bytes": n,
                }  # fmt: skip

        return Fake()

    def forget(self, way):
        self.asked.append((way.label, "forgotten"))

    def drop(self):
        self.asked.append(("all", "drop"))


def record(*ways: tuple[str, str, list[float]], key: str = "book-32", kind: str = "epoch") -> dict:
    found = [{"label": a, "role": r, "seconds": s, "cpu": s, "value": 0.3, "ready": 1.0} for a, r, s in ways]
    return {
        "key": key, "title": key, "kind": kind, "note": "", "n_rows": 10, "rounds": 2, "batch_size": 32,
        "units": [100, 30], "rows": found,
    }  # fmt: skip


def results(*records: dict) -> dict:
    machine = {"processor": "P", "cores": 2, "memory_gib": 8, "system": "S", "python": "3"}
    return dict(
        quick=True, threads=1, source="images", records=list(records), versions={"keras": "3"}, machine=machine,
        date="2026-01-01",
    )  # fmt: skip


def test_ways_take_turns_and_one_that_is_missing_is_skipped_with_its_reason():
    ways = tuple(cases.Way(label, label, role="ours" if label == "a" else "peer") for label in ("a", "broken", "c"))
    pool, said = FakePool(), []
    found = measure(cases.Case("k", "t", "epoch", ways, 10, 2), pool, "", said.append)
    runs = [asked for asked in pool.asked if asked[1] == "run"]
    assert runs == [("a", "run"), ("c", "run"), ("a", "run"), ("c", "run")]
    assert [row.get("skipped") for row in found["rows"]] == [None, "no such module", None]
    assert "  broken: skipped, no such module" in said
    assert pool.asked[-1] == ("all", "drop")
    assert [row.get("peak_bytes") for row in found["rows"]] == [6, None, 7]


def test_a_ratio_is_the_median_over_rounds_of_ratios_within_a_round():
    a, b = ("ours", "ours", [1.0, 10.0, 1.0]), ("peer", "peer", [3.0, 30.0, 2.0])
    found = record(a, b)
    assert times(found, "peer") == 3.0
    assert times(found, "ours", "peer") == pytest.approx(1 / 3)
    assert times(found, "absent") is None
    assert best(record(a, b, ("fast", "peer", [0.5])), "peer") == "fast"


def test_a_worker_prepares_runs_and_says_what_it_cannot(tmp_path):
    rows_file = rows.write_rows(np.zeros((40, 12), np.uint8), 40, tmp_path)
    worker = Worker("products", 1)
    try:
        with pytest.raises(Unavailable, match="FileNotFoundError"):
            worker.ask(prepare={**TINY.message(PRODUCTS, "nowhere.npy", 1)}, name="x")
        assert worker.ask(prepare=TINY.message(PRODUCTS, rows_file, 1), name="x")["ready"] > 0
        answer = worker.ask(run="x")
        assert answer["seconds"] > 0
        assert answer["cpu"] >= 0
        assert worker.ask(describe=True)["versions"].keys() == {"numpy"}
    finally:
        worker.close()


def test_a_worker_that_cannot_start_says_why():
    worker = Worker("no_such_way", 1)
    with pytest.raises(Unavailable, match="No module named"):
        worker.ask(describe=True)
    worker.close()


def test_the_floor_makes_every_product_of_a_step_and_no_other(monkeypatch):
    from benchmarks.ways import products

    made = []
    monkeypatch.setattr(np, "matmul", lambda a, b, out: made.append((*a.shape, b.shape[1])))
    x = np.zeros((40, 12), np.float32)
    for product in products._numpy({"units": [8, 4], "batch_size": 32}, x):
        product()
    first = [(32, 12, 8), (32, 8, 4), (32, 4, 8), (32, 8, 12)]
    assert made[:4] == first
    assert len(made) == 2 * (4 + 4 + 3)  # forward, kernels' gradients, inputs' but the first; the last batch is smaller
    assert made[11] == (8, 12, 8)
    flops = sum(math.prod(shape) for shape in made[:11])
    assert flops == 3 * sum(math.prod(shape) for shape in first) - math.prod(first[0])


def test_a_training_goes_on_by_one_epoch_a_call_and_hands_over_its_error():
    epochs = []

    def train(report):
        for k in range(2):
            epochs.append(k)
            report(k / 10)
        raise ValueError("diverged")

    run = by_epoch(train, 3)
    assert epochs == []
    assert (run(), epochs) == (0.0, [0])
    assert (run(), epochs) == (0.1, [0, 1])
    with pytest.raises(ValueError, match="diverged"):
        run()


@pytest.mark.parametrize(("peer", "expected"), [([6.0, 6.0], "yes"), ([4.0, 5.5], "within noise"), ([4.0, 4.5], "no")])
def test_a_target_is_reached_missed_or_undecided(peer, expected):
    target = targets.Target("t", "book-32", "keras", at_least=5)
    found = record(("ours", "ours", [1.0, 1.0]), ("keras", "peer", peer))
    assert targets.judge(target, {"book-32": found}, "seconds").verdict == expected
    assert targets.judge(target, {}, "seconds").verdict == "not measured"


def test_a_target_against_the_best_peer_names_it_and_says_what_bounds_it():
    ways = ("ours", "ours", [2.0]), ("slow", "peer", [4.0]), ("fast", "peer", [1.6]), ("products", "floor", [1.0])
    target = targets.Target("t", "book-32", "peer", at_least=1, bound=targets.against_products)
    judged = targets.judge(target, {"book-32": record(*ways)}, "seconds")
    assert (judged.verdict, judged.measured) == ("no", "0.80 times (fast)")
    assert "50 % of our time to gain" in judged.bound
    assert "fast 1.60" in judged.bound


def test_two_processes_are_not_judged_where_other_work_takes_the_cores():
    (two,) = (target for target in targets.TARGETS if target.quiet)
    names = {"ours, one process": 20.0, "ours, two processes": 15.0, cold.FEW_FITS: 12.0}
    ways = [(label, "ours", [s]) for label, s in names.items()]
    found = {"small-fits": record(*ways, ("Keras", "peer", [600.0]), key="small-fits", kind="process")}
    assert targets.judge(two, found, "seconds").verdict == "yes"
    busy = targets.judge(two, found, "cpu")
    assert (busy.verdict, busy.measured) == ("not measured", "needs a quiet machine")
    assert "12 s of the 20 s" in busy.bound


def test_every_target_names_a_case_and_a_way_that_are_measured():
    full = {case.key: {way.label for way in case.ways} for case in cases.FULL}
    for target in targets.TARGETS:
        if target.case not in ("small-fits", "start-up", "book", "dag-no-op"):
            assert target.other in {*full[target.case], "peer", "floor"}, target.text
    targeted = {target.case for target in targets.TARGETS} & {*full}
    assert targeted <= {case.key for case in cases.QUICK}


def test_the_page_says_where_other_work_ran_and_judges_by_processor_time_then():
    busy = record(("ours", "ours", [2.0, 2.0]), (cases.KERAS.label, "peer", [4.0, 4.0]))
    assert "The machine was quiet" in page.page(results(busy))
    busy["rows"][0]["cpu"] = [0.5, 0.5]
    text = page.page(results(busy))
    assert "1 of 1 cases, in which our processes got 25 to 25 % of a core" in text
    assert "| 8.00 times, 8.00 to 8.00 | yes |" in text  # 4 s of processor time to 0.5


def test_the_page_names_ways_with_another_loss_and_ways_that_were_skipped():
    odd = record(("ours", "ours", [1.0]), ("peer", "peer", [1.0]))
    odd["rows"][1]["value"] = 0.5
    odd["rows"].append({"label": "gone", "role": "peer", "seconds": [], "cpu": [], "skipped": "not installed"})
    text = page.page(results(odd))
    assert "the loss of peer is 67 % from ours." in text
    assert "| gone | skipped: not installed |" in text
    widths = {line.count("|") for line in page._table(results(odd)).splitlines()}
    assert len(widths) == 1


def test_the_figure_is_the_same_bytes_twice(tmp_path):
    wide = {**record(("ours", "ours", [1.0]), key="wide"), "batch_size": 256}
    for name in ("a.png", "b.png"):
        plot.draw(results(wide), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_prepared_data_made_up_images_take_their_place(tmp_path):
    x, y, source = rows.images(tmp_path)
    assert (x.shape, x.dtype, len(np.unique(y)), source) == ((55_000, 784), np.uint8, 10, rows.MADE_UP)


def test_workers_are_held_to_their_threads_and_not_to_the_shells_kernels(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    variables = environment(1)
    assert "OPENBLAS_CORETYPE" not in variables
    assert variables["OPENBLAS_NUM_THREADS"] == variables["TF_NUM_INTRAOP_THREADS"] == "1"


def test_fewer_cells_still_hold_every_number_of_labels():
    assert len(small_fits.cells(15)) == 15
    assert [n for _, n in small_fits.cells(5)] == list(small_fits.N_LABELS)
    assert {arm for arm, _ in small_fits.cells(5)} == set(small_fits.ARMS)


def test_the_keras_loop_is_extrapolated_from_its_cells(monkeypatch):
    took = processes.Took(9.0, 5.0, 7)
    monkeypatch.setattr(cold, "together", lambda commands, threads: (took, ["[[2.0, 1.0], [4.0, 2.0]]"]))
    assert cold._extrapolated(ROOT, 1, 2, 100) == (3.0 + 100 * 3.0, 2.0 + 100 * 1.5, 7)


def test_processes_side_by_side_are_timed_and_their_memory_is_the_largest_ones():
    hold = "import sys, time; x = bytearray(int(sys.argv[1]) << 20); time.sleep(0.1); print(sys.argv[1])"
    took, said = processes.together([[sys.executable, "-S", "-c", hold, size] for size in ("400", "1")], 1)
    assert said == ["400\n", "1\n"]
    assert took.seconds >= 0.1
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts what a process was before it started
    assert 400 << 20 < took.peak_bytes < max(800 << 20, 1.1 * own)


def test_a_way_that_fails_is_skipped_with_the_last_line_that_it_said():
    command = [sys.executable, "-S", "-c", "raise SystemExit('one\\nno rows')"]
    row = processes.timed("way", "ours", lambda: processes.together([command], 1)[0], 3)
    assert row["skipped"].endswith("ended with 1: no rows")
    assert row["seconds"] == []


# Whole runs.


def test_the_books_run_differs_from_params_yaml_in_data_epochs_and_seeds_only(tmp_path):
    params = config.read(ROOT / "params.yaml")
    data = tmp_path / "x.npz"
    data.write_bytes(b"images")
    changes = dag.settings(params, data, 100, 4)
    assert changes["pretrain"] == {"epochs": -(-params["pretrain"]["epochs"] // 4)}
    assert changes["tying"]["n_runs"] >= 2
    assert changes["phase"].keys() == params["phase"].keys()
    whole = dag.settings(params, data, 100, 1)
    for name in ("pca", "pretrain", "tying", "phase", "stack", "finetune"):
        assert params[name] == (whole[name] if name == "phase" else params[name] | whole[name])


def test_the_seconds_of_each_stage_are_read_from_what_a_run_prints():
    from flows import run

    table = run.summary([run.Outcome("pretrain", "ran", 12.34), run.Outcome("encode@1", "skipped", 0.0)], 12.5)
    assert dag._seconds_by_stage(table) == {"pretrain": 12.3}


def book_record(fewer: int) -> dict:
    found = record(("ours", "ours", [60.0]), ("keras", "peer", [240.0]), key="book", kind="process") | {"fewer": fewer}
    for row, told in zip(found["rows"], ({"tying": 20.0, "pca": 30.0}, {"tying": 200.0}), strict=True):
        row["stages"] = told
    return found


def test_the_books_run_says_where_the_time_goes_and_its_seconds_count_only_if_it_was_whole():
    ratio, seconds = (target for target in targets.TARGETS if target.case == "book")
    few, whole = {"book": book_record(4)}, {"book": book_record(1)}
    judged = targets.judge(ratio, few, "seconds")
    assert (judged.verdict, judged.measured) == ("no", "4.00 times (keras)")
    assert "divided by 4" in judged.bound
    assert "ours: pca 30 s, tying 20 s, start-up 10 s; keras: tying 200 s, start-up 40 s." in judged.bound
    assert "divided" not in targets.judge(ratio, whole, "seconds").bound
    assert targets.judge(seconds, few, "seconds").verdict == "not measured"
    assert targets.judge(seconds, whole, "seconds").verdict == "yes"


def test_every_bound_of_whole_runs_names_both_runners():
    (target,) = (target for target in targets.TARGETS if target.case == "dag-no-op")
    found = {"dag-no-op": record(("ours", "ours", [4.0]), ("dvc repro", "peer", [3.0]), key="dag-no-op")}
    judged = targets.judge(target, found, "seconds")
    assert judged.verdict == "no"
    assert judged.bound.endswith("By the clock: ours 4.0 s, dvc repro 3.0 s.")


@pytest.mark.slow
def test_both_sides_of_the_books_run_do_every_stage(tmp_path):
    x, y, _ = rows.images()
    found = dag.book(x[:2200], y[:2200], tmp_path, 1, 10, print)
    ours, theirs = found["rows"]
    assert [row.get("skipped") for row in (ours, theirs)] == [None, None]
    names = {name.partition("@")[0] for name in ours["stages"]}
    assert names - theirs["stages"].keys() == {"fetch", "encode"}  # its `phase` encodes too
    assert theirs["stages"].keys() <= names


def test_the_guard_fails_below_its_threshold():
    assert verdict([5.0, 1.0, 6.0])[1] == 0
    line, code = verdict([1.4, 1.4, 9.0])
    assert code == 1
    assert "1.4 times as long" in line


@pytest.mark.slow
def test_ours_and_keras_fit_learn_alike(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (512, 784), dtype=np.uint8)
    x[:, ::2] = 0
    case = cases.Case("k", "t", "epoch", (cases.OUR_EPOCH, cases.KERAS), 512, 2, learning_rate=0.1)
    with Pool(1) as pool:
        found = measure(case, pool, rows.write_rows(x, 512, tmp_path), print)
    ours, keras = (row["value"] for row in found["rows"])
    assert ours == pytest.approx(keras, rel=0.03)


@pytest.mark.slow
def test_the_guard_passes():
    import subprocess

    done = subprocess.run(
        [sys.executable, "benchmarks/guard.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "times as long as ours" in done.stdout


def test_the_page_is_what_its_numbers_say():
    text = KEPT.with_suffix(".md").read_text(encoding="utf-8")
    assert page.page(json.loads(KEPT.read_text(encoding="utf-8"))) == text, "`python -m benchmarks --write`"


def test_cases_measured_later_take_their_places_among_the_kept_ones_and_are_named():
    kept = {"quick": True, "records": [{"key": "a", "n": 1}, {"key": "b", "n": 1}]}
    joined = kept_with({"quick": False, "records": [{"key": "c", "n": 2}, {"key": "a", "n": 2}]}, kept)
    assert joined["records"] == [{"key": "a", "n": 2}, {"key": "b", "n": 1}, {"key": "c", "n": 2}]
    assert (joined["quick"], joined["added"]) == (True, ["a", "c"])
