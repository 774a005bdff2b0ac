"""Mutants: what is changed and what is not, which are drawn, which tests are run; and, slower, two that are tried."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import clones
import pytest
from coverage import CoverageData

from benchmarks.mutants import __main__ as command
from benchmarks.mutants.draw import Mutant, draw
from benchmarks.mutants.operators import Change, changes, is_another_program, scopes
from benchmarks.mutants.reach import Reach, importing


def after(text: str) -> set[str]:
    """Return what a text becomes by every change."""
    return {found for change in changes(text) if is_another_program(text, found := change.apply(text))}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a is not b", {"a is b"}),
        ("(a) - (b)", {"(a) + (b)"}),
        ("é = ü // b", {"é = ü / b"}),
        ("a += b", {"a -= b"}),
        ("a and b", {"a or b"}),
        ("not a", {"a"}),
        ("x = -y", {"x = y"}),
        ("x = 3", {"x = 4"}),
        ("x = True", {"x = False"}),
        ("x = 'a'", {"x = 'XXaXX'"}),
        ("x = 'test.npy'", {"x = 'XXtest.npyXX'", "x = 'valid.npy'"}),
        ("while a:\n    break", {"while (not (a)):\n    break", "while a:\n    continue"}),
        ("def f(a=b):\n    return a", {"def f(a=None):\n    return a", "def f(a=b):\n    return None"}),
        ("def f(a=''):\n    g(a)", {"def f(a='XXXX'):\n    g(a)", "def f(a=''):\n    pass"}),
        ("x = f(a, b=c)", {"x = f(a)"}),
        ("x = f(b=c, d=(e))", {"x = f(d=(e))", "x = f(b=c)"}),
        ("x = a if b else c", {"x = a if (not (b)) else c"}),
    ],
)
def test_the_changes_of_a_text(text, wanted):
    assert after(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""', "a: list['b']", "def f(a: 'b') -> 'c': ...", "@cache(size=1)\ndef f(): ...",
        "print('a', 1)", "say(f'{a + 1}')", "x = f'{a + 1} b'", "assert a < b, 'c'",
        "if __name__ == '__main__':\n    f(1)", "import a", "x = zip(a, b, strict=True)",
        "class A(Protocol):\n    x = 1", "WAIT = 3.0  # seconds",
    ],
)  # fmt: skip
def test_what_no_test_should_notice_is_left_alone(text):
    assert after(text) == set()


def test_a_change_knows_the_outermost_function_it_stands_in():
    text = "x = 1\nclass A:\n    def f(self):\n        def g():\n            y(2)\n        y(3)\ndef h():\n    return 4"
    found = {change.scope for change in changes(text)}
    assert found == {"", "A.f", "h"}
    assert scopes(text) == {"A.f": range(4, 7), "h": range(8, 9)}


def test_draws_repeat_and_are_all_different_and_a_long_one_begins_as_a_short_one():
    files = ["autoencoders/metrics.py", "autoencoders/labels.py"]
    short, long, other = ([*draw(clones.ROOT, files, n, seed)] for n, seed in ((5, 1), (30, 1), (5, 2)))
    assert short == long[:5] != other
    assert len({command._key(mutant.row()) for mutant in long}) == 30
    assert {mutant.file for mutant in long} == {*files}
    assert len([*draw(clones.ROOT, files[:1], 10**6, 1)]) < 1000, "all there are"


def test_the_modules_own_tests_come_first_then_those_that_import_it(tmp_path):
    (tmp_path / "tests").mkdir()
    for name, text in {"test_a": "", "test_b": "from tasks import a", "test_c": "", "test_d": "import tasks"}.items():
        (tmp_path / f"tests/{name}.py").write_text(text)
    assert importing("tasks/a.py", tmp_path) == ["tests/test_a.py", "tests/test_b.py"]
    tests = {"tasks/a.py": {"f": ["tests/test_c.py::test", "tests/test_b.py::test", "tests/test_d.py"], "g": []}}
    reach = Reach(tests, {"tests/test_c.py::test": 1.0, "tests/test_d.py::one": 9.0, "tests/test_b.py::test": 20.0})
    in_f, in_g = (Mutant("tasks/a.py", Change("number", 1, 0, 1, "2", scope), "1") for scope in "fg")
    order = ["tests/test_a.py", "tests/test_b.py::test", "tests/test_c.py::test", "tests/test_d.py"]
    assert reach.chosen(in_f, tmp_path) == order and reach.expected(order) == 30
    assert reach.chosen(in_g, tmp_path) == ["tests/test_a.py", "tests/test_b.py"]
    long = Reach(tests, {**reach.seconds, "tests/test_c.py::test": 200.0})
    assert long.chosen(in_f, tmp_path) == ["tests/test_a.py", "tests/test_b.py::test", "tests/test_d.py"]
    assert reach.runs(in_f) and not reach.runs(in_g)


def test_what_a_run_under_coverage_found_is_kept(tmp_path):
    output = "FAILED tests/test_a.py::test[1] - Error\n1.50s call     tests/test_a.py::test[1]\n"
    output += "0.25s setup    tests/test_a.py::test[2]\n"
    CoverageData(str(tmp_path / "data")).write()
    found = Reach.of_run(tmp_path, tmp_path / "data", output)
    assert (found.failing, found.seconds) == (("tests/test_a.py::test[1]",), {"tests/test_a.py::test": 1.75})
    found.save(tmp_path / "kept/reach.json")
    assert Reach.load(tmp_path / "kept/reach.json").seconds == found.seconds


def test_a_log_goes_on_also_where_its_last_line_is_torn_and_the_page_shows_survivors_first(tmp_path):
    rows = [{"file": "a.py", "line": k, "operator": "number", "before": "1|", "after": "2", "by": by, "seconds": 1.5}
            for k, by in ((1, "tests/test_a.py::test"), (2, ""))]  # fmt: skip
    log = tmp_path / "folder/log.jsonl"
    assert command._read(log) == []
    for row in rows:
        command._append(log, row)
    log.write_text(log.read_text() + '{"file"')
    assert command._read(log) == rows
    head, _, _, _, first, second = command.page(rows, 7).splitlines()
    assert head == "# Mutants of seed 7: 1 of 2 survived"
    assert first == "| a.py:2 | number | `` 1\\| `` | `` 2 `` | **nobody** |" and "tests/test_a.py::test" in second
    assert command.line(rows[1]) == "a.py:2: number: 1| -> 2: survived (1.5 s)"


@pytest.mark.slow
def test_a_mutant_is_tried_in_a_copy_that_goes_away_on_ctrl_c_too(tmp_path):
    code = (
        "import sys; from pathlib import Path; from benchmarks.mutants import __main__ as command\n"
        "from benchmarks.mutants.reach import Reach\n"
        "command.KEPT = Path(sys.argv.pop(1)); command._reach = lambda *_: Reach({}, {}); sys.exit(command.main())"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "kept"), "--only", "autoencoders/metrics.py", "--n"]
    kept, temporary = tmp_path / "kept", tmp_path / "temporary"
    temporary.mkdir()
    given = {"cwd": clones.ROOT, "env": clones.environment() | {"TMPDIR": str(temporary)}}
    done = subprocess.run([*words, "2"], **given, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "0 of 2 survived", done
    (log,) = kept.glob("*.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(Path(row["by"].split("::")[0]).name == "test_metrics.py" for row in rows)
    assert (kept / "seed-1.md").exists() and [*temporary.glob("mutants-*")] == []
    with subprocess.Popen([*words, "9"], **given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 60
        while not [*temporary.glob("mutants-*/mutant-*/tests.txt")] and time.monotonic() < end:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
    assert running.returncode == 130 and [*temporary.glob("mutants-*")] == []
    assert clones.git(clones.ROOT, "status", "--porcelain", "autoencoders") == ""
