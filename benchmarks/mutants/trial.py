"""One mutant tried: its own copy of the tree, the quick tests that reach it, then the slow ones of its module."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.golden import OF_OTHERS
from benchmarks.mutants.draw import Mutant
from benchmarks.mutants.reach import FAILED, Reach, importing
from benchmarks.workers import ROOT

LIMIT = 300.0  # seconds for the slow tests of a module, and the least for quick ones
PYTEST = ("-x", "-q", "--tb=no", "-rfE", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist")


class Stopped(Exception):
    """The command was asked to end."""


@dataclass
class Bench:
    """A folder with a copy of the work tree as it stands, of which every mutant gets a copy, and what runs now."""

    folder: Path
    running: set[int] = field(default_factory=set)
    stopping: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    slow_ones: dict[str, bool] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The copy that stays as it is."""
        return self.folder / "source"

    def fill(self) -> None:
        """Copy the work tree, what is not committed too, as a repository of one commit."""
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
                (self.source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.source / name)
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@localhost")
        for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "As it stands")):
            subprocess.run(["git", "-C", str(self.source), *somebody, *words], check=True)
        (self.source / ".venv").symlink_to(Path(sys.prefix).resolve())
        for package in ("autoencoders", "tasks", "flows"):
            compileall.compile_dir(self.source / package, quiet=2)

    def reach(self) -> Reach:
        """Run the quick tests once under coverage; return which reach what. Those that fail are left out later.

        Raises:
            SystemExit: They could not be run.
        """
        data = self.folder / "coverage"
        words = ("-q", "-n", "2", "--dist", "loadfile", "--cov", "--cov-context=test", "--cov-report=", "--durations=0")
        code, output = self._pytest(
            self.source, [*words, "-vv", "-p", "no:cacheprovider"], 1800, COVERAGE_FILE=str(data)
        )
        if code not in (0, 1):
            raise SystemExit(f"error: the tests cannot be run: {output[-2000:]}")
        return Reach.of_run(self.source, data, output)

    def run(self, mutant: Mutant, reach: Reach) -> dict[str, Any]:
        """Return the mutant's row of the table: killed or not, by which test, after how many seconds."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant-", dir=self.folder, ignore_cleanup_errors=True) as name:
            tree = Path(name, "tree")
            shutil.copytree(self.source, tree, symlinks=True)
            path = tree / mutant.file
            path.write_text(mutant.change.apply(path.read_text(encoding="utf-8")), encoding="utf-8")
            for kept in path.parent.glob(f"__pycache__/{path.stem}.*"):
                kept.unlink()
            tests = reach.chosen(mutant, self.source)
            limit = max(LIMIT, 5 * reach.expected(tests))
            by = self._tried(tree, tests, reach.failing, limit) or self._tried_slowly(tree, mutant, reach)
        return mutant.row() | {"by": by, "tests": len(tests), "seconds": round(time.monotonic() - began, 1)}

    def _tried(self, tree: Path, tests: list[str], failing: Sequence[str], limit: float) -> str:
        """Run tests and test files; return the one that failed, "timeout", or "" where all passed."""
        named = tree.with_name("tests.txt")
        named.write_text("\n".join(tests), encoding="utf-8")
        files = [*dict.fromkeys(test.split("::")[0] for test in tests)]
        left_out = [f"--deselect={test}" for test in failing]
        words = [*PYTEST, "-p", "benchmarks.mutants.chosen", *left_out, *files]
        return self._verdict(*self._pytest(tree, words, limit, MUTANT_TESTS=str(named))) if files else ""

    def _tried_slowly(self, tree: Path, mutant: Mutant, reach: Reach) -> str:
        """Run the slow tests of the module's own file; of a function that no quick test runs, of all that import it."""
        files = importing(mutant.file, self.source)
        own = [file for file in files if file == f"tests/test_{mutant.module}.py"]
        for file in files if not own and not reach.runs(mutant) else own:
            if self._passes(file) and (by := self._verdict(*self._slow(tree, file))):
                return by
        return ""

    def _passes(self, file: str) -> bool:
        """Return whether a file has slow tests, which pass in time without a change; tried once."""
        with self.lock:
            if file not in self.slow_ones:
                has = "pytest.mark.slow" in (self.source / file).read_text(encoding="utf-8")
                self.slow_ones[file] = has and self._slow(self.source, file)[0] == 0
            return self.slow_ones[file]

    def _slow(self, tree: Path, file: str) -> tuple[int | None, str]:
        return self._pytest(tree, [*PYTEST, "-m", "slow and not soak", file], LIMIT)

    @staticmethod
    def _verdict(code: int | None, output: str) -> str:
        if code in (0, 5):  # all passed; no test was chosen
            return ""
        if code is None:
            return "timeout"
        found = FAILED.search(output)
        return found[1] if found else f"pytest ended with {code}"

    def _pytest(self, tree: Path, words: list[str], limit: float, **variables: str) -> tuple[int | None, str]:
        """Run pytest in a copy; return its exit code, None where it took too long, and what it printed."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith((*OF_OTHERS, "COV_", "TF_"))}
        mine |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{mine.get('PATH', '')}", **variables}
        if self.stopping:
            raise Stopped
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *words], cwd=tree, env=mine, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.running.add(process.pid)
        try:
            output, _ = process.communicate(timeout=limit)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            output, code = "", None
        finally:
            self._end(process.pid)
            process.wait()
            self.running.discard(process.pid)
        if self.stopping:
            raise Stopped
        return code, output

    def stop(self) -> None:
        """End what runs; what would start now does not."""
        self.stopping = True
        for pid in [*self.running]:
            self._end(pid)

    @staticmethod
    def _end(group: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
