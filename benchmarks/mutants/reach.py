"""Which tests reach a function: those that ran it in one run of the quick tests, as coverage.py saw it.

Functions are named, not lines, so that an edit above does not move them. What a fixture ran belongs to every test of
its file. For a function that no test was seen to run (TensorFlow runs a copy of what it compiles; a command runs in a
process of its own) the tests of its module are run, and of those that import it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from coverage import CoverageData

from benchmarks.mutants.chosen import base
from benchmarks.mutants.draw import Mutant
from benchmarks.mutants.operators import scopes
from tasks.frame import code

MOST = 120.0  # seconds of tests in files that do not import the module themselves
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
SECONDS = re.compile(r"^(\d+\.\d+)s (?:call|setup|teardown) +(\S+?::\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Reach:
    """Tests and test files by file and function, the seconds of each test, and those that fail without any change."""

    tests: dict[str, dict[str, list[str]]]
    seconds: dict[str, float]
    failing: tuple[str, ...] = ()

    @classmethod
    def of_run(cls, root: Path, data: Path, output: str) -> Reach:
        """Return what a run under coverage found: its data file, and what pytest printed with --durations=0 -vv."""
        kept = CoverageData(str(data))
        kept.read()
        tests: dict[str, dict[str, list[str]]] = {}
        for path in sorted(path for path in kept.measured_files() if path.endswith(".py")):  # not templates
            file = Path(path).relative_to(root).as_posix()
            contexts = kept.contexts_by_lineno(path)
            tests[file] = {
                name: sorted({_who(context) for line in lines for context in contexts.get(line, ()) if context})
                for name, lines in scopes((root / file).read_text(encoding="utf-8")).items()
            }
        seconds: dict[str, float] = defaultdict(float)
        for found in SECONDS.finditer(output):
            seconds[found[2]] += float(found[1])
        return cls(tests, dict(seconds), tuple(FAILED.findall(output)))

    @classmethod
    def load(cls, path: Path) -> Reach:
        """Return what was saved."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write it down."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def runs(self, mutant: Mutant) -> bool:
        """Return whether a test was seen to run the mutant's function; one at the top of a file is always run."""
        return not mutant.change.scope or bool(self.tests.get(mutant.file, {}).get(mutant.change.scope))

    def chosen(self, mutant: Mutant, root: Path) -> list[str]:
        """Return the tests and files to run: the module's own, those that import it, others; cheap ones first.

        Of the others, those that ran the function or, for what stands at the top, any of the file's, for MOST seconds.
        """
        functions = self.tests.get(mutant.file, {})
        anywhere = sorted({test for tests in functions.values() for test in tests})
        reaching = functions.get(mutant.change.scope, []) if mutant.change.scope else anywhere
        direct = importing(mutant.file, root)
        own = [file for file in direct if file == f"tests/test_{mutant.module}.py"]
        whole = {*own, *(direct if not own or not reaching else []), *(test for test in reaching if "::" not in test)}
        chosen = whole | {test for test in reaching if _file(test) not in whole}
        seconds = {file: self.expected([test for test in chosen if _file(test) == file]) for file in map(_file, chosen)}
        order = sorted(chosen, key=lambda t: (_file(t) not in own, _file(t) not in direct, seconds[_file(t)], t))
        spent = itertools.accumulate(0 if _file(test) in direct else self._cost(test) for test in order)
        there = [test for test, so_far in zip(order, spent, strict=True) if so_far <= MOST]
        return [test for test in there if (root / _file(test)).exists()]

    def _cost(self, test: str) -> float:
        return sum(seconds for name, seconds in self.seconds.items() if test in (name, _file(name)))

    def expected(self, tests: list[str]) -> float:
        """Return the seconds that tests took."""
        return sum(self._cost(test) for test in tests)


def importing(file: str, root: Path) -> list[str]:
    """Return the test files that import a file themselves."""
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return [
        path.relative_to(root).as_posix()
        for path in sorted((root / "tests").glob("test_*.py"))
        if module in code.imports(path) or path.stem == f"test_{Path(file).stem}"
    ]


def _who(context: str) -> str:
    test, _, when = context.partition("|")
    return base(test) if when == "run" else _file(test)


def _file(test: str) -> str:
    return test.split("::")[0]
