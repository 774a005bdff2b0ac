"""The six pages: every command is one that a test runs, every link leads somewhere, the reference is current.

`RUN_BY` names the test that runs a command. The test's own text, with the helpers that it uses, must hold the command's
words: its subcommand and every option.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise

import clones
import pytest

ROOT = clones.ROOT
sys.path.insert(0, str(ROOT / "docs"))  # where conf.py is, which Sphinx reads
conf = importlib.import_module("conf")
reference = importlib.import_module("reference")
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in conf.PAGES}
LANGUAGES = {"sh", "bash", "python", "yaml", "text"}  # sh: commands; bash: a script
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

TUTORIAL = "test_tutorial::test_the_first_steps_give_the_file_that_the_page_shows"
REST = "test_tutorial::test_the_other_steps_give_an_answer_a_plan_and_the_same_cells"
CALLS = "test_run::test_a_command_calls_what_it_is_for"
SHARDS = "test_shards::test_two_shards_at_once_and_a_start_that_reads_them_give_the_bytes_of_one_process"
DASK = "test_shards::test_a_study_on_dask_with_a_killed_worker_and_as_a_flow_gives_the_bytes_of_one_process"
VERDICT = "test_verdict_command::test_a_start_that_fails_leaves_a_begun_file_and_the_next_one_gives_the_answer"
FIRED = "test_serve::test_a_deployment_runs_every_stage_beside_a_dirty_work_tree_and_fired_again_skips_every_stage"
TOLD = "test_serve::test_failed_and_crashed_runs_are_told_and_a_killed_worker_ends_serve_with_nothing_left"
LISTED = "test_checkout::test_a_run_in_a_folder_is_listed_here_and_the_next_one_skips_what_it_did" \
    "_while_the_work_tree_is_dirty"  # fmt: skip
POSTGRES = "test_postgres::test_make_serve_keeps_mlflow_and_prefect_in_one_database_and_shows_no_password"
SKIPS = "test_contract::test_after_dvc_the_flow_skips_every_stage"
RUN_BY = {  # what a command begins with -> the test that runs it; the longest beginning counts
    "git clone": TUTORIAL,
    "cd pretraining": TUTORIAL,
    "source .venv/bin/activate": TUTORIAL,
    "make setup": TUTORIAL,
    "make verdict DATA=breast-cancer.csv LABEL=diagnosis ARGS=--no-run": TUTORIAL,
    "make verdict DATA=breast-cancer.csv": REST,
    "make verdict DATA=flowers.csv": VERDICT,
    "make verdict DATA=flowers.csv LABEL=species NAME=other": TUTORIAL,
    "make verdict DATA=flowers.csv LABEL=species ARGS=--no-run": TUTORIAL,
    "make plan": "test_plan::test_a_study_is_planned_without_a_test_row_and_a_second_plan_answers_at_once",
    "make plan NAME=breast-cancer": REST,
    "make register": "test_register::test_a_study_is_registered_run_and_shown_with_what_has_changed_since",
    "make verify": "test_contract::test_a_recorded_experiment_is_verified_and_the_work_tree_stays_as_it_is",
    'make verify ARGS="--cells 5"': REST,
    "make verify ARGS=--cache": "test_verify::test_a_sound_cache_is_said_to_be_so",
    "make repro": SKIPS,
    "make flow": SKIPS,
    "make repro ARGS=prepare": FIRED,
    'make repro ARGS="--shard': SHARDS,
    'make repro ARGS="--dask': DASK,
    "python -m flows cells": SHARDS,
    "python -m dask scheduler": DASK,
    "python -m dask worker": DASK,
    "export PIPELINE_CELLS": SHARDS,
    "export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "test_cluster::"
    "test_a_killed_worker_costs_its_cell_and_a_cell_that_kills_workers_takes_no_other_with_it",
    "export DASK_DISTRIBUTED__COMM__TLS__": "test_cluster::"
    "test_with_tls_all_of_it_works_and_without_a_certificate_nobody_is_heard",
    "export MLFLOW_TRACKING_URI": "test_postgres::"
    "test_two_checkouts_that_track_an_experiment_at_once_leave_every_run_metric_and_artifact_once",
    "make serve": TOLD,
    "make serve STORE": POSTGRES,
    "PIPELINE_WEBHOOK": TOLD,
    "prefect deployment run": FIRED,
    "make ui": CALLS,
    "make promote": CALLS,
    "dvc exp show": LISTED,
    "dvc exp apply": LISTED,
    "dvc exp remove": LISTED,
}


def blocks(text: str, *languages: str) -> list[str]:
    """Return the code blocks in these languages."""
    return [body for language, body in BLOCK.findall(text) if language in languages]


def commands() -> list[str]:
    """Return every command of the pages: the lines of sh, and what scripts and files call."""
    found = []
    for text in PAGES.values():
        found += [line for body in blocks(text, "sh") for line in body.splitlines()]
        for body in blocks(text, "bash", "yaml"):
            body = re.sub(r"^#.*$", "", body, flags=re.MULTILINE)
            found += re.findall(r"export [A-Z_]+=\S+|(?:make|python -m) [a-z]+(?: ARGS=\"[^\"]*\")?", body)
    return [*dict.fromkeys(found)]


def runner(command: str) -> str:
    """Return the test in RUN_BY that runs a command."""
    beginnings = [known for known in RUN_BY if command == known or command.startswith(known)]
    assert beginnings, f"RUN_BY: expected the test that runs `{command}`"
    return RUN_BY[max(beginnings, key=len)]


def words(command: str) -> set[str]:
    """Return what a test that runs a command must hold: variables, subcommands and options."""
    given, command = re.match(r"((?:[A-Z_]+=\S+ )*)(.*)", command, re.DOTALL).groups()
    if command.startswith("make "):
        arguments = re.sub(r"\$(\w+|\(\(.*?\)\))", "1", command).removeprefix("make ")
        make = ["make", "-n", *shlex.split(arguments)]
        dry = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
        command = dry.stdout.strip().splitlines()[-1]
    parts = shlex.split(given + command.removeprefix("export "))
    variables = {part.split("=")[0] for part in parts if re.match(r"[A-Z_]+=", part)}
    variables = {re.sub("(__TLS__).*", r"\1", name) for name in variables}  # test_cluster.py takes them from the page
    rest = [part for part in parts if not re.match(r"[A-Z_]+=", part)]
    empty = {a for a, b in pairwise([*rest, "x"]) if a.startswith("--") and not b}
    named = [part for part in rest if re.fullmatch(r"-{0,2}[a-z][a-z-]*", part) and part not in empty]
    if rest[:3] == ["python", "-m", "dask"]:
        return {"dask", rest[3]}  # tests/clusters.py takes the rest of the line from the page
    told = {part for part in named if part.startswith("--") or part in named[:4]}
    return variables | told - {"python", "-m", "flows"}


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"))


def held(test: str) -> set[str]:
    """Return the words in a test's text constants, and in those of the helpers that it uses."""
    module, name = test.split("::")
    todo, seen, found = [(module, name)], set(), set()
    while todo:
        module, name = todo.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        for node in defined(module, name):
            for one in ast.walk(node):
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found |= {*one.value.split()}
                if isinstance(one, ast.keyword) and one.arg:
                    found.add(one.arg)  # clones.run(..., PIPELINE_CELLS=...)
                if isinstance(one, ast.Name | ast.arg):
                    todo.append((module, one.id if isinstance(one, ast.Name) else one.arg))
                if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                    if (ROOT / "tests" / f"{one.value.id}.py").exists():
                        todo.append((one.value.id, one.attr))
                    todo += [(module, f"{kind}.{one.attr}") for kind in classes(module)]
    return found


def classes(module: str) -> list[str]:
    return [node.name for node in parsed(module).body if isinstance(node, ast.ClassDef)]


def defined(module: str, name: str) -> list[ast.stmt]:
    """Return a module's statements that define a name: functions, methods, classes, constants."""
    owner, _, method = name.rpartition(".")
    body = parsed(module).body
    if owner:
        body = [one for node in body if isinstance(node, ast.ClassDef) and node.name == owner for one in node.body]
    found = []
    for node in body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if getattr(node, "name", None) == (method or name) or name in names:
            found.append(node)
    return found


def test_every_command_of_the_pages_is_run_by_the_test_that_is_named():
    assert len(commands()) > 30
    for command in commands():
        test = runner(command)
        if test in (TUTORIAL, REST):
            continue  # these tests run the page's own lines
        module, name = test.split("::")
        assert defined(module, name), f"{test} is gone: `{command}`"
        missing = {word for word in words(command) if not any(word in text for text in held(test))}
        assert not missing, f"{test} does not run `{command}`: {', '.join(sorted(missing))}"


def test_a_command_that_no_test_runs_is_found():
    with pytest.raises(AssertionError, match="expected the test that runs `make bench`"):
        runner("make bench")
    assert words('make repro ARGS="--shard 1/2"') == {"repro", "--shard"}
    assert words("make verdict DATA=a.csv LABEL=y NAME=other") == {"verdict", "--label", "--name"}
    assert words("dvc exp show --all-commits") == {"dvc", "exp", "show", "--all-commits"}
    assert "--shard" in held(SHARDS) and "--shard" not in held(SKIPS)


def test_no_entry_of_the_table_is_left_over():
    used = {max((known for known in RUN_BY if one.startswith(known)), key=len) for one in commands()}
    assert {*RUN_BY} - used == set()


def test_the_tutorial_has_no_other_commands_than_those_of_the_steps_that_are_run():
    import test_tutorial

    steps = [line for k in (1, 3, 4, 5) for line in test_tutorial.step(k).splitlines()]
    assert steps == [line for body in blocks(PAGES["tutorial"], "sh") for line in body.splitlines()]


def test_every_code_block_says_what_it_is():
    for name, text in PAGES.items():
        assert {language for language, _ in BLOCK.findall(text)} <= LANGUAGES, f"docs/{name}.md"


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as git hosts and MyST make them."""
    plain = BLOCK.sub("", text)
    heads = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", [*conf.PAGES, "index"])
def test_every_link_leads_to_a_file_and_a_heading(name):
    page = ROOT / "docs" / f"{name}.md"
    linked = re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8")))
    assert linked
    for link in linked:
        file, _, anchor = link.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name}: {link}"


def test_the_first_page_names_the_six():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert [name for name in conf.PAGES if f"]({name}.md)" not in text] == []


# The reference


def test_the_reference_is_current():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run `make readme`"


def test_a_parameter_without_a_meaning_is_named():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    bare = re.sub(r"(  max_leaked: 0.05).*", r"\1", text)
    found = reference.Parameters(bare, reference.Params.model_json_schema())
    with pytest.raises(SystemExit, match="max_leaked: expected a comment"):
        [*found.sections()]


def test_the_reference_says_types_ranges_and_names():
    text = reference.page()
    for row in (
        "| `prepare.max_leaked` | `0.05` | a number ≥ 0 and ≤ 1 |",
        "| `label_curve.metric` | `null` | `accuracy`, `balanced accuracy` or `null` |",
        "| `network.shape.units` | `[100, 30]` | a list, 1 or more, each a whole number ≥ 1 |",
        "| `label_curve.network.training.loss` | `binary_crossentropy` | a [loss](#names) or `by_column` |",
        "| `phase.N.input` | `data/prepare`, `data/encode/1` | text |",
        "| `--shard K/N` |",
    ):
        assert row in text


def test_every_variable_of_the_code_is_in_the_reference_or_internal():
    places = [*ROOT.glob("tasks/**/*.py"), *ROOT.glob("flows/**/*.py"), *ROOT.glob("autoencoders/**/*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in [*places, ROOT / "Makefile", ROOT / "prefect.yaml"])
    named = {*re.findall(r"PIPELINE_[A-Z_]*[A-Z]", text)}
    known = {name for name in reference.VARIABLES if name.startswith("PIPELINE_")}
    assert named == known | reference.INTERNAL
