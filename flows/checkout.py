"""A commit of this repository in a folder of its own, in which a scheduled run or a sweep leaves the work tree alone.

The folder is a clone in .dvc/tmp/scheduled, which git and DVC ignore. It shares git's objects, DVC's cache, the cells
and the files in data/raw with the repository, and has its own params.yaml, dvc.lock, data/ and locks. The log of each
run stays in .prefect/scheduled.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from flows import experiments, interrupts, processes, repository
from flows.environment import DEFAULTS, private_folder
from tasks.frame.errors import Busy, Refused, RunError, UsageError

PLACE = Path(".dvc/tmp/scheduled")
LOGS = Path(".prefect/scheduled")
LOCK = "requirements.lock"
KEPT = ("dvc.lock", "metrics")  # what an earlier run of the same commit knows
OWN = (
    "DVC_",
    "GIT_DIR",
    "GIT_INDEX",
    "GIT_WORK_TREE",
    "PREFECT__",
    "PYTHONPATH",
)  # variables that may point to the work tree or to another flow run


@dataclass(frozen=True)
class Checkout:
    """A commit in a folder.

    Args:
        name: The run's name, which its experiment gets.
        commit: The commit's hash.
        folder: The folder.
        log: The file for the output of all programs.
        has_remote: Whether DVC has a default remote.
    """

    name: str
    commit: str
    folder: Path
    log: Path
    has_remote: bool

    def do(self, *command: str, **variables: str) -> None:
        """Run `python -m COMMAND` in the folder; RunError with its own line `error: ...`, or how it ended."""
        become = f"from flows import processes; processes.become({os.getpid()})"
        with self.log.open("a", encoding="utf-8") as log:
            begin = self.log.stat().st_size
            process = processes.start([sys.executable, "-c", become, *command], stdout=log, stderr=subprocess.STDOUT,
                                      environment=self._environment() | variables, folder=self.folder,
                                      ends_with_us=False)  # fmt: skip
            try:
                code = process.wait()
            finally:
                with interrupts.held():
                    processes.stop(process)
        if code:
            said = re.findall(r"^(?:error|ERROR): (.+)$", self.log.read_bytes()[begin:].decode(errors="replace"), re.M)
            how, exit_code = processes.ending(code)
            why = said[-1] if said else f"`{' '.join(command)}` {how}"
            raise RunError(f"{why}; log: {self.log}", exit_code=exit_code)

    def pull(self, *stages: str) -> str:
        """Bring data/ to the state of dvc.lock as far as the remote, if there is one, or the cache has it.

        Args:
            stages: The stages whose outputs, and upstream outputs, are wanted; none for all.
        """
        with_deps = ["--with-deps", *stages] if stages else []
        self.do("dvc", "pull" if self.has_remote else "checkout", "--quiet", "--allow-missing", *with_deps)
        return "pulled from the remote" if self.has_remote else "no remote: from the cache"

    def pipeline(self, *arguments: str, parent: str) -> str:
        """Run the pipeline as a flow, which Prefect shows below the task run `parent`."""
        self.do("flows", "flow", *arguments, PIPELINE_TASK_RUN=parent)
        return f"the pipeline is done; log: {self.log}"

    def note(self) -> str:
        """Write this run's name on its experiment in MLflow, if the commit can and has a stage that logs."""
        logs = any((self.folder / "data" / part).exists() for part in ("track", "track_book"))
        if not (logs and (self.folder / "tasks/tracking/noted.py").exists()):
            return "this commit does not note its runs in MLflow"
        self.do("tasks.tracking.noted", self.name)
        return f"MLflow: tag scheduled.{self.name}"

    def push(self) -> str:
        """Send the results to the remote, if there is one."""
        if not self.has_remote:
            return "no remote: nothing is sent"
        self.do("dvc", "push", "--quiet")
        return "pushed to the remote"

    def record(self) -> str:
        """Record the folder as a DVC experiment of the repository, which `dvc exp show` lists."""
        self.do("dvc", "exp", "save", "--quiet", "--force", "--name", self.name)
        return self.hand_over()

    def hand_over(self) -> str:
        """Copy the experiment that was recorded in the folder to the repository."""
        refs = _git("for-each-ref", "--format=%(refname)", "refs/exps", folder=self.folder).split()
        (ref,) = [ref for ref in refs if ref.endswith(f"/{self.name}")]
        quietly = ["-c", "gc.auto=0", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
        _git(*quietly, str(self.folder), f"+{ref}:{ref}")
        return f"recorded as DVC experiment {self.name}"

    def _environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        site = {"DVC_SITE_CACHE_DIR": str(self.folder / ".dvc/tmp/site"), "PIPELINE_STORE": str(Path.cwd())}
        return DEFAULTS | mine | experiments.identity() | site


@contextmanager
def checked_out(name: str, commit: str) -> Iterator[Checkout]:
    """Check a commit out into a folder; delete the folder at the end, and those of killed runs at the start.

    Args:
        name: The run's name, `WHAT-TIME`, or `sweep-HASH` of a combination.
        commit: A commit, branch or tag.

    Raises:
        UsageError: There is no such commit.
        Refused: The commit's requirements.lock is not what is installed.
    """
    commit = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", why=f"no commit {commit} here").strip()
    refuse_other_versions(commit)
    private_folder(PLACE)
    clear()
    folder, log = (PLACE / name).absolute(), (private_folder(LOGS) / f"{name}.log").absolute()
    with _locked(PLACE / f"{name}.lock"):
        try:
            _clone(commit, folder)
            _know_earlier(name, commit, folder)
            yield Checkout(name, commit, folder, log, repository.share(folder))
        finally:
            with interrupts.held():
                _remove(folder)


def head() -> str:
    """Return the hash of the commit that is checked out; UsageError if there is none."""
    return _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", why="no commit here").strip()


def changes(*paths: str) -> list[str]:
    """Return the files below some paths whose content is not committed."""
    found = _git("status", "--porcelain", "--untracked-files=all", "-z", "--", *paths)
    return [entry[3:] for entry in found.split("\0") if entry[2:3] == " "]


def clear() -> None:
    """Delete the folders of runs that were killed."""
    for path in PLACE.glob("*.lock"):
        with suppress(Busy), _locked(path):
            _remove(path.with_suffix(""))


def refuse_other_versions(commit: str) -> None:
    """Raise Refused if a package that a commit's requirements.lock names is installed in another version, or not."""
    for line in _git("show", f"{commit}:{LOCK}", why=f"commit {commit[:10]} has no {LOCK}").splitlines():
        if not (line[:1].isalnum() and "==" in line):
            continue
        wanted = Requirement(line.rstrip("\\ "))
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        found = _installed(wanted.name)
        if not found or not wanted.specifier.contains(found, prereleases=True):
            what = f"expected {wanted.name}{wanted.specifier}, installed is {found or 'none'}"
            raise Refused(f"commit {commit[:10]}: {LOCK}: {what}; `make setup` in a checkout of it, and run it there")


def _installed(name: str) -> str:
    """Return a package's installed version, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _clone(commit: str, folder: Path) -> None:
    _git("clone", "--quiet", "--shared", "--no-checkout", str(Path.cwd()), str(folder))
    _git("checkout", "--quiet", "--detach", commit, folder=folder)
    Path(".cells").mkdir(exist_ok=True)
    (folder / ".cells").symlink_to(Path(".cells").absolute())
    with (folder / ".git/info/exclude").open("a", encoding="utf-8") as exclude:
        exclude.write("/.cells\n")  # .gitignore excludes the folder, and this is a link
    for path in Path("data/raw").absolute().glob("*"):
        with suppress(FileExistsError):
            (folder / "data/raw" / path.name).symlink_to(path)


def _know_earlier(name: str, commit: str, folder: Path) -> None:
    """Take dvc.lock and metrics/ from the last run of the same kind at this commit, so that its stages are skipped."""
    what, hyphen, own = name.rpartition("-")
    below = f"refs/exps/{commit[:2]}/{commit[2:]}/{what}{hyphen}{'?' * len(own)}"  # book-TIME, not book-3e-TIME
    found = _git("for-each-ref", "--sort=-creatordate", "--format=%(objectname)", below).split()
    if found:
        there = _git("ls-tree", "--name-only", found[0], *KEPT).split()
        _git("restore", f"--source={found[0]}", "--worktree", "--", *there, folder=folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, which ends with this process, and delete the file; Busy if another process holds it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{path.stem} is running") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Delete a folder, with the files that DVC has made read-only."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _git(*arguments: str, folder: Path = Path(), why: str = "") -> str:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command: Sequence[str] = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=mine, check=False)
    except FileNotFoundError:
        raise Refused("git: not found; a run in a folder of its own needs it: install git") from None
    if done.returncode:
        raise UsageError(why or f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
