"""Chains of random kills and signals on one work tree, each then run to its end and compared with an undisturbed run.

What is killed, how and when is drawn by seed and number. Every kill and every chain's end is a line of a file, with
which a campaign that was stopped goes on.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.project import PLAIN_DVC, Project, Run, command_line, ending, marked

RUNNERS = {
    "make repro": ("flows", "repro"),
    "make repro, 2 workers": ("flows", "repro", "--workers", "2"),
    "make flow": ("flows", "flow"),
    "dvc repro": PLAIN_DVC,
}
SHARES = (35, 25, 25, 15)
WAYS = [("SIGKILL", "group")] * 3 + [("SIGKILL", "parent"), ("SIGKILL", "descendant")] * 2 + [
    (name, target) for name in ("SIGTERM", "SIGINT", "SIGHUP") for target in ("group", "group", "parent")
]  # fmt: skip
MOMENTS = ("run", "run", "stage", "write")
TO_VANISH = {"SIGKILL": 5.0}  # seconds; 15 after a signal
PATIENCE, HANGS = 15.0, 300.0
CHAIN = (5, 9)  # kills

Event = dict[str, Any]


@dataclass(frozen=True)
class Kill:
    """A kill to come.

    Args:
        number: From 0 on.
        signal: Its name.
        target: `group` as a terminal does it, the command that was started (`parent`), or one of its `descendant`s.
        moment: Anywhere in the `run`, in the first seconds of a `stage`, or while DVC does `write` its files.
        share: In [0, 1): where in the run, or how late in the stage's first seconds or in the write.
        nth: Stage or write, counted from the run's start.
    """

    number: int
    signal: str
    target: str
    moment: str
    share: float
    nth: int


def draw(seed: int, number: int) -> Kill:
    """Return a campaign's kill of a number."""
    rng = random.Random(f"{seed}/kill/{number}")
    name, target = rng.choice(WAYS)
    return Kill(number, name, target, rng.choice(MOMENTS), rng.random(), rng.randint(1, 4))


def draw_chain(seed: int, number: int) -> tuple[str, int]:
    """Return a chain's runner and how many kills it has."""
    rng = random.Random(f"{seed}/chain/{number}")
    return rng.choices([*RUNNERS], SHARES)[0], rng.randint(*CHAIN)


def campaign(folder: Path, log: Path, *, n: int, hours: float, seed: int, say: Callable[[str], None]) -> None:
    """Kill until `log` holds n kills, or for so many hours.

    Args:
        folder: An empty one, for the scratch project.
        log: Every event as a line; what it holds already is not done again.
        n: Kills.
        hours: Of this call, at most; the chain under way is run to its end.
        seed: Of all that is drawn.
        say: Prints a line.
    """
    end = time.monotonic() + 3600 * hours
    project = Project(folder)
    seconds = project.finish()
    say(f"An undisturbed run takes {sum(seconds.values()):.0f} s")
    log.parent.mkdir(exist_ok=True)
    while (n_done := sum(event["event"] == "kill" for event in read(log))) < n and time.monotonic() < end:
        number = 1 + max((event["chain"] for event in read(log)), default=-1)
        runner, length = draw_chain(seed, number)
        chain = Chain(project, seconds, runner, random.Random(f"{seed} work {number}"), log, number, say)
        chain.run([draw(seed, n_done + i) for i in range(min(length, n - n_done))], end)


def read(log: Path) -> list[Event]:
    """Return the events of a campaign so far; a line that was torn is none."""
    events = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        with suppress(ValueError):
            events.append(json.loads(line))
    return events


@dataclass
class Chain:
    """Kills on one work tree by one runner, and how it ends."""

    project: Project
    seconds: dict[str, float]
    runner: str
    rng: random.Random
    log: Path
    number: int
    say: Callable[[str], None]

    def run(self, kills: list[Kill], end: float) -> None:
        """Do the kills, then a run to the end by our command, and compare."""
        began, self.twice = time.monotonic(), 0
        self.project.restore()
        self._more_work()
        for kill in kills:
            if time.monotonic() < end:
                self._until_killed(kill)
        last = self.project.run("flows", "repro", seconds=2 * HANGS)
        self._count_done(last)
        code = last.process.returncode
        wrong = self.project.differences() if code == 0 else []
        self._note("end", rc=code, wrong=wrong, twice=self.twice + self._repeated(), said=last.said if code else "",
                   seconds=round(time.monotonic() - began))  # fmt: skip

    def _until_killed(self, kill: Kill) -> None:
        """Start runs until one lives to see its kill."""
        for _ in range(4):
            with ending(self._start(kill)) as run:
                if self._reaches(run, kill):
                    self._strike(run, kill)
                    return
                code = run.process.returncode
            self._count_done(run)
            if code:
                self._note("refused", rc=code, said=run.said)
                self.project.run("flows", "repro", "fetch")  # DVC's own torn files are healed
            else:
                if wrong := self.project.differences():
                    self._note("finished", wrong=wrong)
                self._more_work()

    def _start(self, kill: Kill) -> Run:
        """Start the runner; under make where the whole group is hit, as in a terminal."""
        module, command, *options = RUNNERS[self.runner]
        if kill.target == "group" and module == "flows":
            return self.project.start("make", command, f"ARGS={' '.join(options)}")
        return self.project.start(module, command, *options)

    def _reaches(self, run: Run, kill: Kill) -> bool:
        """Wait for the kill's moment; return whether the run is still alive."""
        if kill.moment == "run":
            run.wait(1 + kill.share * self._length())
        elif kill.moment == "stage":
            _wait_for(run, lambda: run.out.count(" started\n"), kill.nth, pause=0.02)
            run.wait(2 * kill.share)
        else:
            files = [self.project.work / name for name in ("dvc.lock", ".dvc/tmp/rwlock")]
            _wait_for(run, lambda: [_written(file) for file in files], 3 * kill.nth, pause=0.0005)
            time.sleep(0.01 * kill.share)
        return run.process.poll() is None

    def _length(self) -> float:
        """Return about how many seconds a run takes from here."""
        pending = self.seconds.keys() - self.project.recorded().keys()
        start_up = 6 * (len(pending) if self.runner == "dvc repro" else 1) + 8 * (self.runner == "make flow")
        return start_up + sum(self.seconds[name] for name in pending)

    def _strike(self, run: Run, kill: Kill) -> None:
        """Kill, wait, and note what came of it."""
        at = time.monotonic() - run.began
        target = _send(run, kill)
        struck = time.monotonic()
        code = run.wait(HANGS if target == "descendant" else PATIENCE)
        if late := code is None:  # then when it ended after all is noted
            code = run.wait(HANGS / 5)
        ended = time.monotonic()
        since = ended if target == "descendant" else struck
        while (left := marked(run.token)) and time.monotonic() < since + TO_VANISH.get(kill.signal, PATIENCE):
            time.sleep(0.1)
        self._count_done(run)
        is_signal = kill.signal != "SIGKILL"
        self._note(
            "kill", **asdict(kill) | {"target": target}, at=round(at, 1), rc=code, ended=round(ended - struck, 1),
            lost=is_signal and (late or code in (None, 0)), left=sorted(map(command_line, left)),
            traceback=is_signal and "Traceback" in run.err, said=run.said,
        )  # fmt: skip

    def _more_work(self) -> None:
        """Let some stages have to run again; the project is finished."""
        self.twice = getattr(self, "twice", 0) + self._repeated()
        self.done: Counter[str] = Counter()
        stages = self.rng.sample([*self.seconds], self.rng.randint(3, 7))
        self.project.unfinish(stages, cells=self.rng.random() < 0.5)

    def _repeated(self) -> int:
        return sum(n - 1 for n in getattr(self, "done", Counter()).values())

    def _count_done(self, run: Run) -> None:
        self.done.update(re.findall(r"(\S+) +done after", run.out))

    def _note(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "chain": self.number, "runner": self.runner, **facts})
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.say(line)


def _send(run: Run, kill: Kill) -> str:
    """Send a kill's signal; return whom it reached: with no descendant there, the parent."""
    number, pid = getattr(signal, kill.signal), run.process.pid
    with suppress(ProcessLookupError):
        if kill.target == "group":
            os.killpg(pid, number)
            return "group"
        others = sorted(set(marked(run.token)) - {pid})
        if kill.target == "descendant" and others:
            os.kill(random.Random(kill.share).choice(others), number)
            return "descendant"
        os.kill(pid, number)
    return "parent"


def _wait_for(run: Run, look: Callable[[], Any], n: int, *, pause: float) -> None:
    """Wait until what `look` sees has changed n times, or the run has ended."""
    seen = look()
    while n > 0 and run.process.poll() is None:
        time.sleep(pause)
        if (now := look()) != seen:
            n, seen = n - 1, now


def _written(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size
    return None
