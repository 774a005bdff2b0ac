"""One run in MLflow for several processes that create it at once, on a store in memory with slow answers."""

from __future__ import annotations

import itertools
import random
import threading
import time
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from tasks.tracking import claims
from tasks.tracking.claims import CLAIM

TAGS = {"experiment_key": "k"}


class Memory:
    """MLflow's runs, each request in one piece and at some time between its start and its end."""

    def __init__(self, delay=0.002):
        self.delay, self.lock, self.runs, self.deleted, self.number = delay, threading.Lock(), {}, [], itertools.count()

    def _wait(self):
        time.sleep(random.uniform(0, self.delay))

    def _request(self, do):
        self._wait()
        with self.lock:
            answer = do()
        self._wait()
        return answer

    def create_run(self, home, run_name, tags):
        start = random.randrange(3)  # clocks differ between machines

        def do():
            info = SimpleNamespace(run_id=f"{next(self.number):04}", start_time=start, experiment_id=home)
            self.runs[info.run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(tags)))
            return self.runs[info.run_id]

        return self._request(do)

    def search_runs(self, homes, condition):
        wanted = dict(part.split(" = ") for part in condition.split(" and "))
        wanted = {key.removeprefix("tags.").strip("`"): value.strip("'") for key, value in wanted.items()}

        def do():
            found = [run for run in self.runs.values() if wanted.items() <= run.data.tags.items()]
            return [SimpleNamespace(info=r.info, data=SimpleNamespace(tags=dict(r.data.tags))) for r in found]

        return self._request(do)

    def get_run(self, run_id):
        if run_id not in self.runs:
            raise MlflowException("no such run")
        return self.runs[run_id]

    def delete_tag(self, run_id, tag):
        def do():
            if run_id not in self.runs:
                raise MlflowException("the run is deleted")
            del self.runs[run_id].data.tags[tag]

        self._request(do)

    def delete_run(self, run_id):
        self._request(lambda: self.deleted.append(self.runs.pop(run_id, None)))


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Look again after a hundredth of the time."""
    sleep = time.sleep
    monkeypatch.setattr(claims, "time", SimpleNamespace(sleep=lambda s: sleep(s / 100), monotonic=time.monotonic))


def at_once(n, do):
    """Let n threads do something at the same moment; return what each returns."""
    barrier, found = threading.Barrier(n), [None] * n

    def run(k):
        barrier.wait()
        found[k] = do()

    threads = [threading.Thread(target=run, args=[k]) for k in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_twenty_that_create_a_run_at_once_get_one_and_the_same_20_times_of_20():
    for _ in range(20):
        store = Memory()
        found = at_once(20, lambda store=store: claims.only(store, "e", "name", TAGS, {"more": "yes"}).info.run_id)
        assert len({*found}) == 1
        assert [(run.info.run_id, run.data.tags) for run in store.runs.values()] == [
            (found[0], TAGS | {"more": "yes"})
        ], "the others' are deleted, and no claim is left"


def test_without_the_second_look_there_are_two(monkeypatch):
    store = Memory()

    def careless():
        return (store.search_runs(["e"], "tags.`experiment_key` = 'k'") or [store.create_run("e", "n", TAGS)])[0]

    at_once(20, careless)
    assert len(store.runs) > 1, "this test's store can show the fault"


def test_a_run_that_is_there_is_found_with_one_look():
    store = Memory(0)
    there = store.create_run("e", "name", TAGS)
    assert claims.only(store, "e", "name", TAGS).info.run_id == there.info.run_id
    assert len(store.runs) == 1 and not store.deleted


def test_the_claim_of_a_process_that_died_is_deleted_after_a_while(monkeypatch):
    store = Memory(0)
    dead = store.create_run("e", "name", TAGS | {CLAIM: "another's"}).info.run_id
    monkeypatch.setattr(claims, "PATIENCE", 0.05)
    found = claims.only(store, "e", "name", TAGS)
    assert found.info.run_id != dead and [*store.runs] == [found.info.run_id]


def test_a_request_that_was_sent_twice_leaves_one_run(monkeypatch):
    store, create = Memory(0), Memory.create_run

    def twice(self, *words, **more):
        create(self, *words, **more)
        return create(self, *words, **more)

    monkeypatch.setattr(Memory, "create_run", twice)
    found = claims.only(store, "e", "name", TAGS)
    assert [*store.runs] == [found.info.run_id]


def test_a_process_that_is_interrupted_leaves_no_claim(monkeypatch):
    store = Memory(0)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "delete_tag", interrupt)
    with pytest.raises(KeyboardInterrupt):
        claims.only(store, "e", "name", TAGS)
    assert store.runs == {}


def test_a_store_that_keeps_no_decision_is_told_of():
    store = Memory(0)

    def refuse(*_):
        raise MlflowException("not allowed")

    store.delete_tag = refuse
    with pytest.raises(MlflowException, match="not allowed"):
        claims.only(store, "e", "name", TAGS)


def test_a_store_that_does_not_show_what_it_creates_is_told_of():
    store = Memory(0)
    store.search_runs = lambda *_: []
    with pytest.raises(MlflowException, match=r"^name: the store has not shown any of 20 created runs$"):
        claims.only(store, "e", "name", TAGS)


def test_one_process_at_a_time_does_a_part_of_a_run_and_once():
    store, parent = Memory(), SimpleNamespace(info=SimpleNamespace(run_id="p", experiment_id="e"))
    logged = []

    def log():
        with claims.turn(store, parent, "stack", lambda: bool(logged)) as is_missing:
            if is_missing:
                assert not logged
                time.sleep(0.01)
                logged.append("a model")

    at_once(8, log)
    assert logged == ["a model"] and store.runs == {}
