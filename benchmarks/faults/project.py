"""A scratch project to break: a clone with its own cache, MLflow store and Prefect home, and processes with a mark.

Every process that a run starts inherits FAULTS_TOKEN, by which it is found in /proc, also when it has left the session.
Only processes with the mark are ever ended here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.dag import Clone
from benchmarks.workers import ROOT

MARK = "FAULTS_TOKEN"
OURS = ("DVC_", "MLFLOW_", "PREFECT_", "PIPELINE_", "PYTHONPATH", "COV_", "GIT_", "MAKE", "MFLAGS", "TF_")
PLAIN_DVC = ("dvc", "repro")
NOISE = re.compile(r"make: |WARNING: All log messages|[IWE]\d{4} \d\d:|[\d:.]+ \| ")


@dataclass
class Run:
    """A command under way or ended: its process, its mark, and the files that hold what it says."""

    process: subprocess.Popen[bytes]
    token: str
    folder: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def out(self) -> str:
        return self._read("out")

    @property
    def err(self) -> str:
        return self._read("err")

    @property
    def said(self) -> str:
        """The first error, else warning, else line, without the folder's name; TensorFlow's and make's left out."""
        lines = [line for line in self.err.splitlines() if line.strip() and not NOISE.match(line)]
        wanted = [line for kind in ("error", "warning") for line in lines if line.lower().startswith(kind)]
        return (
            [*wanted, *lines, ""][0]
            .replace(f"{self.folder}/", "")
            .replace(f"{self.folder.parent}/", "")
            .replace(str(self.folder), ".")
            .strip()
        )

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None where it still runs after so long."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def end(self) -> None:
        """Kill what is left of it."""
        while pids := marked(self.token):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.process.wait()

    def _read(self, name: str) -> str:
        return (self.folder.parent / f"{self.token}.{name}").read_text(encoding="utf-8", errors="replace")


class Project:
    """The scratch project `work` in a folder, and `finished`, a copy of it after a run that nothing disturbed."""

    def __init__(self, folder: Path) -> None:
        self.work, self.finished = folder / "work", folder / "finished"
        (folder / "tmp").mkdir(parents=True)
        Clone(self.work, "smoke", 1)
        (self.work / ".venv").symlink_to(ROOT / ".venv")
        for name in ("requirements.lock", "flows/plots.py"):  # or `make` would set up anew
            os.utime(self.work / name, (0, 0))

    def finish(self, *targets: str) -> dict[str, float]:
        """Run it to its end, or these stages; return the seconds that each stage took."""
        self.targets = targets
        done = self.run("flows", "repro", *targets)
        if done.process.returncode:
            raise SystemExit(f"error: the undisturbed run failed: {done.said}")
        _copy(self.work, self.finished)
        self.expected = snapshot(self.work)
        return {name: float(s) for name, s in re.findall(r"^(\S+) +ran +([\d.]+) s$", done.out, re.MULTILINE)}

    def restore(self) -> None:
        """Make `work` the finished project again."""
        shutil.rmtree(self.work)
        _copy(self.finished, self.work)

    def start(self, *command: str, **variables: str) -> Run:
        """Start `python -m COMMAND`, `make ...` or `sh ...`, as the leader of a process group and session."""
        token = secrets.token_hex(8)
        env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        env |= {MARK: token, "TMPDIR": str(self.work.parent / "tmp"), "DVC_NO_ANALYTICS": "true", **variables}
        bin_folder = str(Path(sys.executable).parent)
        env["PATH"] = os.pathsep.join([bin_folder, env.get("PATH", "")])
        arguments = [*command] if command[0] in ("make", "sh") else [sys.executable, "-m", *command]
        if command[0] == "dvc":
            env.setdefault("DVC_SITE_CACHE_DIR", str(self.work / ".dvc" / "tmp" / "site"))
        with (self.work.parent / f"{token}.out").open("wb") as out, (self.work.parent / f"{token}.err").open("wb") as e:
            process = subprocess.Popen(
                arguments, cwd=self.work, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=e,
                start_new_session=True,
            )  # fmt: skip
        return Run(process, token, self.work)

    def run(self, *command: str, seconds: float = 900, **variables: str) -> Run:
        """Run `python -m COMMAND` to its end, or kill it after so many seconds."""
        run = self.start(*command, **variables)
        with ending(run):
            run.wait(seconds)
        return run

    def differences(self) -> list[str]:
        """Return what of the recorded results and files is not as an undisturbed run leaves it."""
        now = snapshot(self.work)
        return sorted(name for name in {*now, *self.expected} if now.get(name) != self.expected.get(name)) + self.lost()

    def lost(self) -> list[str]:
        """Return the recorded outputs that DVC's cache does not hold."""
        cache, lost = self.work / ".dvc" / "cache" / "files" / "md5", []
        for name, stage in self.recorded().items():
            for out in stage.get("outs", []):  # dvc.lock may be cut
                path = cache / out["md5"][:2] / out["md5"][2:]
                listed = out["md5"].endswith(".dir") and path.exists()
                files = [entry["md5"] for entry in json.loads(path.read_text())] if listed else [out["md5"]]
                lost += [f"cache of {name}" for md5 in files if not (cache / md5[:2] / md5[2:]).exists()][:1]
        return lost

    def unfinish(self, stages: Sequence[str], *, cells: bool) -> None:
        """Delete the outputs of stages and all that DVC knows of how they were made, so that they have to run again."""
        lock = self.work / "dvc.lock"
        content = _yaml(lock)
        for name in stages:
            content["stages"].pop(name, None)
            shutil.rmtree(self.work / "data" / name.replace("@", "/"), ignore_errors=True)
        with lock.open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(content, file)
        shutil.rmtree(self.work / ".dvc" / "cache" / "runs", ignore_errors=True)
        if cells:
            shutil.rmtree(self.work / ".cells", ignore_errors=True)

    def recorded(self) -> dict[str, Any]:
        """Return what dvc.lock says of every stage; nothing where it is torn."""
        try:
            return dict(_yaml(self.work / "dvc.lock")["stages"])
        except Exception:  # noqa: BLE001 - half a file is any error of the parser's
            return {}


@contextmanager
def ending(run: Run) -> Iterator[Run]:
    """Kill what is left of a run when the block ends."""
    try:
        yield run
    finally:
        run.end()


def marked(token: str) -> list[int]:
    """Return the processes, zombies left out, whose environment carries a mark."""
    wanted = f"{MARK}={token}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and state(folder) not in "ZX":
                found.append(int(folder.name))
    return found


def state(folder: Path) -> str:
    """Return the letter by which /proc says what a process does."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0]


def command_line(pid: int) -> str:
    """Return a process's command, its paths and long code cut short."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(word.rpartition("/")[2][:60] if word.startswith("/") else word[:60] for word in words if word)
    return "?"


def snapshot(folder: Path) -> dict[str, str]:
    """Return what dvc.lock says of every stage, and the hash of params.yaml and every file that a stage wrote."""
    kept = {
        f"dvc.lock {name}": json.dumps(entry, sort_keys=True)
        for name, entry in _yaml(folder / "dvc.lock")["stages"].items()
    }
    files = {path.relative_to(folder).as_posix(): path for path in (folder / "data").rglob("*") if path.is_file()}
    for name, path in {"params.yaml": folder / "params.yaml", **files}.items():
        if not name.startswith("data/raw/"):
            kept[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return kept


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


def _yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
