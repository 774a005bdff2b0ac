"""The fault table: a fault is put into the finished scratch project, a command is run, what is left is judged."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.project import Project, Run, ending, snapshot

Change = Callable[[Path], None]  # of the project's folder
During = Callable[[Run, Project], str]  # returns what was not as it must be, or nothing
Row = dict[str, Any]
PATIENCE = 600.0  # seconds for a run


def nothing(_: Path) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Fault:
    """A row.

    Args:
        key: Names it.
        tried: For people.
        inject: Done to the finished project.
        target: The stage to bring up to date; all with none.
        redo: Stages that are made unfinished before, so that they have to run.
        command: Instead of `flows repro TARGET`.
        during: Done while the command runs.
        codes: The right exit codes; none stands for any but 0.
        says: A pattern of what has to be said.
        undo: Done by hand afterwards; without, only params.yaml is put back.
        check: `same`: one more run ends with the undisturbed run's results to the byte; `untouched`: nothing was begun;
            `unrecorded`: the target has no entry in dvc.lock, then `same`; `sound`: no file is there with other bytes.
        plain: What plain tools are asked to do on the same fault.
        quick: In the quick part.
        mounts: It needs a file system to be mounted.
        env: Variables of the command.
    """

    key: str
    tried: str
    inject: Change = nothing
    target: str = ""
    redo: Sequence[str] = ()
    command: tuple[str, ...] = ()
    during: During | None = None
    codes: tuple[int, ...] = (0,)
    says: str = ""
    undo: Change = nothing
    check: str = "same"
    plain: tuple[str, ...] = ()
    quick: bool = False
    mounts: bool = False
    env: Callable[[], Mapping[str, str]] = field(default=dict)


def row(fault: Fault, project: Project, *, peers: bool = True) -> Row:
    """Try a fault by our command, and by plain tools where they mean something."""
    target = [fault.target] if fault.target else []
    problem, run = _try(fault, project, fault.command or ("flows", "repro", *target), "flows")
    facts = {"key": fault.key, "tried": fault.tried, "shown": _shown(run), "code": run.process.returncode}
    facts |= {"survived": not problem, "problem": problem, "plain": ""}
    if fault.plain and peers:
        worse, plain = _try(fault, project, fault.plain, "dvc", judged=False)
        facts["plain"] = f"exit {plain.process.returncode}; {worse or 'survived'}"
    return facts


def _try(
    fault: Fault, project: Project, command: Sequence[str], program: str, *, judged: bool = True
) -> tuple[str, Run]:
    """Return what went wrong, or nothing, and the run.

    Args:
        program: Of the next run, which has to end well: `flows`, or `dvc`.
        judged: What it says and its exit code count, too.
    """
    project.restore()
    if fault.redo:
        project.unfinish(fault.redo, cells=True)
    try:
        fault.inject(project.work)
        before = _files(project)
        with ending(project.start(*command, **fault.env())) as run:
            problem = fault.during(run, project) if fault.during else ""
            if run.wait(PATIENCE) is None:
                problem = "did not end"
        problem = (problem or _answer(fault, run)) if judged else ""
        problem = problem or _left(fault, project, before)
    finally:
        fault.undo(project.work)
        shutil.copy(project.finished / "params.yaml", project.work)
    if not problem and fault.check in ("same", "unrecorded"):
        problem = _same(project, program, fault.target)
    return problem, run


def _answer(fault: Fault, run: Run) -> str:
    """Return what is wrong with the exit code and the words."""
    code, text = run.process.returncode, run.out + run.err
    if "Traceback" in text:
        return "a traceback"
    if code not in fault.codes if fault.codes else code == 0:
        return f"exit {code}, expected {' or '.join(map(str, fault.codes)) or 'any but 0'}"
    if fault.says and not re.search(fault.says, text):
        return f"nothing said of {fault.says}"
    n = sum(line.startswith("error") for line in run.err.splitlines())
    return f"{n} lines of error, expected one" if n > 1 or (code in range(1, 100) and n == 0) else ""


def _left(fault: Fault, project: Project, before: dict[str, str]) -> str:
    """Return what is wrong with what the run has left."""
    now = _files(project)
    if fault.check == "untouched" and now != before:
        return "something was begun, expected a refusal before"
    if fault.check == "unrecorded" and fault.target in project.recorded():
        return "a wrong result was recorded"
    if fault.check == "sound":
        wrong = [n for n in now if n.startswith("data/") and n in project.expected and now[n] != project.expected[n]]
        return f"wrong bytes in {wrong[0]}" if wrong else ""
    return ""


def _same(project: Project, program: str, target: str) -> str:
    if f"cache of {target}" in project.lost():
        return f"recorded, but not kept: {target}"
    done = project.run(program, "repro", *project.targets, seconds=PATIENCE)
    if done.process.returncode:
        return f"the next run refuses: {done.said}"
    wrong = project.differences()
    return f"then other results: {', '.join(wrong[:3])}" if wrong else ""


def _files(project: Project) -> dict[str, str]:
    """Return the snapshot of dvc.lock and data/, or of nothing where dvc.lock is torn."""
    try:
        return {name: value for name, value in snapshot(project.work).items() if name != "params.yaml"}
    except Exception:  # noqa: BLE001 - a torn file is a fault of the table
        return {}


def _shown(run: Run) -> str:
    said = run.said or ("the run ends well" if run.process.returncode == 0 else "")
    return said if len(said) < 240 else said[:237] + "..."


def try_all(
    faults: Sequence[Fault], project: Project, say: Callable[[str], None], *, can_mount: bool, peers: bool
) -> list[Row]:
    """Try every fault, with plain tools beside it or not; where nothing can be mounted, say so."""
    rows: list[Row] = []
    for fault in faults:
        if fault.mounts and not can_mount:
            rows.append({"key": fault.key, "tried": fault.tried, "shown": "not tried: needs root, who may mount",
                         "code": None, "survived": None, "problem": "", "plain": ""})  # fmt: skip
            continue
        began = time.monotonic()
        rows.append(row(fault, project, peers=peers))
        last = rows[-1]
        verdict = "survived" if last["survived"] else f"NOT survived, {last['problem']}"
        say(f"{fault.key:<24} {verdict} ({time.monotonic() - began:.0f} s; exit {last['code']}): {last['shown']}")
        if last["plain"]:
            say(f"{'':<24} plain: {last['plain']}")
    return rows
