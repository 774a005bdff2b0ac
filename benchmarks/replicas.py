"""`python -m benchmarks.replicas [--quick] [--write]`: from which size does one training pay on two processes?

Networks of several sizes and batches are trained by one process with one thread, by one with two threads, and by two
with one thread each, which sum their gradients at every step (benchmarks/ways/replicas.py); all three have the same
losses. The ways take turns. Writes docs/replicas.json and docs/replicas.md. 10 minutes on two quiet cores; `--quick`
takes three minutes, and writes nothing; `--write` measures nothing and writes the page again.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import psutil

from benchmarks import environment
from benchmarks.measure import ratios
from benchmarks.page import QUIET
from benchmarks.workers import ROOT, Worker

DOCS = ROOT / "docs"
MODULE, WIDTH = "replicas", 784
NETWORKS = ((100, 30), (300, 100), (1000, 500, 250, 30), (2000, 1000, 500, 30))
BATCHES = (32, 256, 2048)
QUICK = (((100, 30), 32), ((1000, 500, 250, 30), 1024))
PER_EPOCH = 2e10  # multiply-adds of an epoch, half a second on a core
ROUNDS, LEAST, MOST = 7, 4, 200  # rounds; steps of an epoch
PROCESSES = 2
ONE, THREADS, PAIR = "one process, 1 thread", "one process, 2 threads", "two processes, 1 thread each"
STEPS, HALF, SUM = "one process, step by step", "half of each batch", "the sum alone"
WAYS = {  # its processes, its variant
    ONE: ("one", "trainer"),
    THREADS: ("threads", "trainer"),
    PAIR: ("pair", "steps"),
    STEPS: ("one", "steps"),
    HALF: ("one", "half"),
    SUM: ("pair", "sum"),
}
SAME_LOSS = (THREADS, PAIR, STEPS)
ROUNDING = 1e-4  # greatest relative difference of losses that rounding makes
GBIT = 1e9 / 8

HEAD = """# One training on several processes

Written by `python -m benchmarks.replicas` on {date}; the numbers are kept in replicas.json.

An autoencoder of {width} columns is trained for epochs of random rows. *Speed-up* is how many times faster than one
process with one thread: medians of {rounds} rounds, in which the ways take turns; in brackets least and greatest. With
two threads it is the same program; two processes take half of each batch each and sum their gradients at every step
(all-reduce by TensorFlow's MultiWorkerMirroredStrategy, over loopback). *Gradients* and *sum* are the parts of their
step, measured alone: half a batch in one process, and the all-reduce of as many numbers; *by its parts* is the speed-up
that they would give, by processor time, which other work on the machine disturbs less. *MiB* is what a process sends at
each step, *at 1 Gbit/s* the time that this alone takes on such a network.

{load}

**The losses** of the ways differ from those of one process by {difference:.0e} of them at most, over all epochs{but}.

**When it pays.** {pays}

**What the network adds.** {network}
"""


class Processes:
    """One or several processes of benchmarks/ways/replicas.py, which are asked at once."""

    def __init__(self, n: int, threads: int) -> None:
        self.workers = [Worker(MODULE, threads, variables) for variables in cluster(n)]
        self._asking = ThreadPoolExecutor(n)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answers as one: the longest time, the processor time of all, the first's value."""
        answers = [*self._asking.map(lambda worker: worker.ask(**request), self.workers)]
        if "seconds" not in answers[0]:
            return answers[0]
        seconds, cpu = (max(a["seconds"] for a in answers), sum(a["cpu"] for a in answers))
        return {"seconds": seconds, "cpu": cpu, "value": answers[0]["value"]}

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self._asking.shutdown()


def cluster(n: int) -> list[dict[str, str]]:
    """Return the variables of n processes that train together; none for one."""
    if n == 1:
        return [{}]
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": k}} for k in range(n)]
    return [{"TF_CONFIG": json.dumps(task)} for task in tasks]


@contextmanager
def pools() -> Iterator[dict[str, Processes]]:
    """Start the processes of all ways, and end them."""
    with ExitStack() as held:
        found = {"one": Processes(1, 1), "threads": Processes(1, PROCESSES), "pair": Processes(PROCESSES, 1)}
        for processes in found.values():
            held.callback(processes.close)
        yield found


def main() -> None:
    """Measure every case, print and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="two cases, three rounds; writes nothing")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page anew from its numbers")
    given = parser.parse_args()
    if not given.write:
        cases = QUICK if given.quick else [(units, batch) for units in NETWORKS for batch in BATCHES]
        found = run([*cases], 3 if given.quick else ROUNDS)
        print(page(found))
        if given.quick:
            return
        (DOCS / "replicas.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (DOCS / "replicas.md").write_text(page(json.loads((DOCS / "replicas.json").read_text("utf-8"))), encoding="utf-8")


def run(cases: list[tuple[tuple[int, ...], int]], rounds: int) -> dict[str, Any]:
    """Measure cases, networks and batches; return their records with the machine."""
    with pools() as found:
        records = [measure(units, batch, rounds, found) for units, batch in cases]
    return {"records": records, "rounds": rounds, "machine": environment.machine(),
            "date": time.strftime("%Y-%m-%d", time.gmtime())}  # fmt: skip


def measure(units: tuple[int, ...], batch: int, rounds: int, found: dict[str, Processes]) -> dict[str, Any]:
    """Train one network in every way, in turns; return seconds, processor time and losses of each epoch."""
    case = {"units": units, "batch_size": batch, "n_steps": n_steps(units, batch), "rounds": rounds}
    rows: dict[str, dict[str, list[float]]] = {way: {"seconds": [], "cpu": [], "value": []} for way in WAYS}
    moved = []
    for way, (processes, variant) in WAYS.items():
        found[processes].ask(prepare=case | {"variant": variant}, name=way)
    for _ in range(rounds):
        for way, (processes, _) in WAYS.items():
            before = psutil.net_io_counters().bytes_sent
            answer = found[processes].ask(run=way)
            if way == SUM:
                moved.append(psutil.net_io_counters().bytes_sent - before)
            for key, values in rows[way].items():
                values.append(answer[key])
    for processes in found.values():
        processes.ask(drop=True)
    record = {**case, "n_weights": n_weights(units), "rows": rows, "moved": moved}
    print(row_of(record), flush=True)
    return record


def n_weights(units: tuple[int, ...]) -> int:
    """Return the number of weights of an autoencoder, biases included, with untied decoder."""
    widths = [WIDTH, *units, *reversed(units[:-1]), WIDTH]
    return sum((a + 1) * b for a, b in pairwise(widths))


def n_steps(units: tuple[int, ...], batch: int) -> int:
    """Return the steps of an epoch of about half a second; a step takes three multiply-adds per weight and row."""
    return max(LEAST, min(MOST, round(PER_EPOCH / (3 * n_weights(units) * batch))))


def sent(record: dict[str, Any]) -> float:
    """Return the bytes that a process sends at each step if all-reduce goes around a ring: (n-1)/n twice."""
    return 4 * record["n_weights"] * 2 * (PROCESSES - 1) / PROCESSES


def speed_ups(record: dict[str, Any], way: str) -> list[float]:
    """Return, for each round, how many times faster than one process with one thread a way was."""
    return ratios(record["rows"][ONE], record["rows"][way])


def by_parts(record: dict[str, Any]) -> float:
    """Return the speed-up of two processes that their parts give: by processor time, but for the least sum."""
    one, half = (statistics.median(record["rows"][way]["cpu"]) for way in (ONE, HALF))
    return one / (half + min(record["rows"][SUM]["seconds"]))


def step(record: dict[str, Any], way: str) -> float:
    """Return the median seconds of a step."""
    return statistics.median(record["rows"][way]["seconds"]) / record["n_steps"]


def difference(record: dict[str, Any]) -> float:
    """Return the greatest relative difference between the losses of one process and those of the other ways."""
    one = record["rows"][ONE]["value"]
    return max(abs(a - b) / abs(a) for way in SAME_LOSS for a, b in zip(one, record["rows"][way]["value"], strict=True))


def name(record: dict[str, Any]) -> str:
    """Return the network in words."""
    return "-".join(map(str, (WIDTH, *record["units"])))


def row_of(record: dict[str, Any]) -> str:
    """Return a case's row of the table."""
    told = []
    for way in (THREADS, PAIR):
        found = speed_ups(record, way)
        told.append(f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
    told.append(f"{by_parts(record):.2f}")
    times = [f"{1000 * step(record, way):,.2f}" for way in (ONE, STEPS, PAIR, HALF, SUM)]
    network = f"{1000 * sent(record) / GBIT:,.1f}"
    return " | ".join([f"| {name(record)}", f"{record['batch_size']:,}", *told, *times,
                       f"{sent(record) / 2**20:,.2f}", f"{network} |"])  # fmt: skip


def page(found: dict[str, Any]) -> str:
    """Return the page docs/replicas.md."""
    records = found["records"]
    share = statistics.median(
        cpu / s for r in records for cpu, s in zip(r["rows"][ONE]["cpu"], r["rows"][ONE]["seconds"], strict=True)
    )
    quiet = "The machine was quiet: one process got a core."
    busy = f"**Other work ran on the machine**: one process got {100 * share:.0f} % of a core (median)."
    worst = max(map(difference, records))
    head = HEAD.format(
        date=found["date"], width=WIDTH, rounds=found["rounds"], load=quiet if share >= QUIET else busy,
        difference=worst, but=": rounding" if worst < ROUNDING else ", **more than rounding makes**",
        pays=pays(records), network=network(records),
    )  # fmt: skip
    columns = ["network", "batch", "speed-up, 2 threads", "speed-up, 2 processes", "by its parts",
               "one process, ms a step", "the same step by step, ms", "two processes, ms a step", "gradients, ms",
               "sum, ms", "MiB", "at 1 Gbit/s, ms"]  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *map(row_of, records)]
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    return f"{head}\n" + "\n".join(lines) + f"\n\n{machine}.\n"


def pays(records: list[dict[str, Any]]) -> str:
    """Say which cases two processes, and two threads, do faster than one thread, and which of both is faster."""

    def median(record: dict[str, Any], way: str) -> float:
        return statistics.median(speed_ups(record, way))

    faster = [r for r in records if median(r, PAIR) > 1]
    best = [r for r in faster if median(r, PAIR) > median(r, THREADS)]
    parts = f"By their parts two processes are faster in {sum(by_parts(r) > 1 for r in records)}."
    if not faster:
        return f"Two processes were faster than one thread in none of the {len(records)} cases. {parts}"
    told = "; ".join(f"{name(r)}, {r['batch_size']:,}" for r in best)
    least = min(faster, key=lambda r: r["n_weights"] * r["batch_size"])
    return (
        f"Two processes were faster than one thread in {len(faster)} of {len(records)} cases, the smallest"
        f" {name(least)} in batches of {least['batch_size']:,} ({median(least, PAIR):.2f} times); two threads of one"
        f" process in {sum(median(r, THREADS) > 1 for r in records)}. Two processes were faster than two threads in"
        f" {len(best)}: {told or 'none'}. The most that two"
        f" processes reached is {max(median(r, PAIR) for r in records):.2f} times, two threads"
        f" {max(median(r, THREADS) for r in records):.2f}. {parts}"
    )


def network(records: list[dict[str, Any]]) -> str:
    """Say what all-reduce costs over loopback and on a network, and the batch from which a network would pay."""
    shares = [step(r, SUM) / step(r, PAIR) for r in records]
    measured = [min(r["moved"]) / PROCESSES / r["n_steps"] / sent(r) for r in records]
    needed = []
    for r in records:
        if r["batch_size"] == max(other["batch_size"] for other in records if other["units"] == r["units"]):
            one, half = (statistics.median(r["rows"][way]["cpu"]) for way in (ONE, HALF))
            saved = (one - half) / r["n_steps"] / r["batch_size"]  # processor seconds a row
            rows = math.inf if saved <= 0 else sent(r) / GBIT / saved
            needed.append(f"{name(r)} {'never' if rows == math.inf else f'{math.ceil(rows):,}'}")
    return (
        f"Over loopback the sum alone takes {100 * min(shares):.0f} to {100 * max(shares):.0f} % as long as the step it"
        f" is part of. The kernel counted {min(measured):.2f} to {max(measured):.2f} times the bytes of the table. On a"
        " network of 1 Gbit/s the bytes alone take as long as the second process saves in batches of:"
        f" {', '.join(needed)}; with less, two machines are slower than one."
    )


if __name__ == "__main__":
    main()
