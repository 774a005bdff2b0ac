"""One run for several processes that look for it and create it at once, on any machine: MLflow has no unique key.

Each process creates its run with a claim, looks again, and may keep the run only if it then sees no other. Of two
processes the one that looks later sees both runs, so at most one of them keeps its own. The younger run gives way and
is deleted before anything is logged to it; the oldest waits until it is alone. A process that died with its claim
would stop the others, so they delete a claim that they have seen for a while.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CLAIM = "claim"  # the tag of a run that its process may still give up
TRIES = 20  # runs that one process creates at most
SLOWEST = 2.0  # seconds between two looks
PATIENCE = 120.0  # seconds after which a claim counts as left by a process that died
LONG = 600.0  # the same, for a claim under which models or figures are logged


def only(
    client: MlflowClient, home: str, name: str, tags: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Run:
    """Return the only run of an experiment that has these tags; create it if there is none.

    Args:
        client: The store's client.
        home: The experiment's ID.
        name: The name of a new run.
        tags: The tags that identify the run.
        more: Further tags of a new run.
    """
    from mlflow.exceptions import MlflowException

    while True:
        with _claimed(client, home, name, {**tags}, more or {}, lambda: False, PATIENCE) as (there, mine):
            if not mine:
                return there[0]
            try:
                client.delete_tag(mine, CLAIM)
            except MlflowException:
                if any(run.info.run_id == mine for run in _oldest_first(client, home, tags)):
                    raise
                # Another process took it for abandoned.
            else:
                return client.get_run(mine)


@contextmanager
def turn(client: MlflowClient, parent: Run, name: str, is_done: Callable[[], bool]) -> Iterator[bool]:
    """Let one process at a time do a part of a run; yield whether it is still to be done.

    Args:
        client: The store's client.
        parent: The run.
        name: The part.
        is_done: Looks whether the part is done.
    """
    tags = {"mlflow.parentRunId": parent.info.run_id, "part": name}
    home = parent.info.experiment_id
    with _claimed(client, home, f"{name} is being logged", tags, {}, is_done, LONG) as (_, mine):
        yield bool(mine)


@contextmanager
def _claimed(client: MlflowClient, home: str, name: str, tags: Mapping[str, str], more: Mapping[str, str],
             is_done: Callable[[], bool], patience: float) -> Iterator[tuple[list[Run], str]]:  # fmt: skip
    """Wait until a run with these tags has no claim, or `is_done`, or this process has the only claim.

    Yields:
        The runs without a claim, and the ID of this process's claim or "". A claim that is left is deleted at the end.
    """
    from mlflow.exceptions import MlflowException

    token, mine, wait, n_created, seen = uuid.uuid4().hex, "", 0.1, 0, dict[str, float]()
    try:
        while True:
            there = _oldest_first(client, home, tags)
            done = [run for run in there if CLAIM not in run.data.tags]
            claims = {run.info.run_id: run.data.tags[CLAIM] for run in there if CLAIM in run.data.tags}
            own = [run_id for run_id, whose in claims.items() if whose == token]
            mine = own[0] if own else ""
            if done or is_done():
                break
            if mine and [*claims] == [mine]:
                yield [], mine
                return
            if not claims:
                if (n_created := n_created + 1) > TRIES:
                    raise MlflowException(f"{name}: the store has not shown any of {TRIES} created runs")
                mine = client.create_run(home, run_name=name, tags={CLAIM: token, **tags, **more}).info.run_id
                continue
            gives_way = own[next(iter(claims)) == mine :]  # a request that was sent again has made a second
            for run_id in gives_way:
                _give_up(client, run_id)
            for run_id in claims.keys() - own:
                if time.monotonic() - seen.setdefault(run_id, time.monotonic()) > patience:
                    _give_up(client, run_id)
            time.sleep(random.uniform(wait / 2, wait))
            wait = min(2 * wait, SLOWEST)
        yield done, ""
    finally:
        if mine:
            _give_up(client, mine)


def _oldest_first(client: MlflowClient, home: str, tags: Mapping[str, str]) -> list[Run]:
    condition = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
    return sorted(client.search_runs([home], condition), key=lambda run: (run.info.start_time, run.info.run_id))


def _give_up(client: MlflowClient, run_id: str) -> None:
    """Delete a run if it still is a claim."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # another process has deleted it; if the store fails, the next look does, too
        if CLAIM in client.get_run(run_id).data.tags:
            client.delete_run(run_id)
