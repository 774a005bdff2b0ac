"""The engine on a tiny project: what runs, what is restored, what is left when something goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import clones
import pytest

from flows import engine, healing, planning
from tasks.frame.errors import ConfigError, RunError

ORDER = ["first", "phase@1", "phase@2", "last"]


def repro(**options) -> dict[str, str]:
    """Run the tiny project's stages; return what became of each."""
    planning.make_ready()
    return {name: engine.reproduce(name, **options) for name in planning.plan()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return where the first test that wants a finished project leaves one to the others."""
    return tmp_path_factory.mktemp("kept") / "project"


@pytest.fixture
def finished(tiny_project, kept):
    """Make a tiny project whose stages have all run."""
    if kept.exists():
        shutil.copytree(kept, tiny_project, dirs_exist_ok=True)
    else:
        assert repro() == dict.fromkeys(ORDER, "ran")
        (tiny_project / "calls").unlink()
        shutil.copytree(tiny_project, kept)
    return tiny_project


def calls(project) -> list[str]:
    """Return the stages that were called, in order, and forget them."""
    path = project / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.split()[0] for line in lines]


def set_parameter(project, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def remove_phase_2(project) -> None:
    lines = (project / "params.yaml").read_text().splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith("  '2':"))
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith("   "))
    (project / "params.yaml").write_text("".join(lines[:start] + lines[end:]))


def test_the_plan_runs_what_is_needed_first(tiny_project):
    graph = planning.plan()
    assert list(graph) == ORDER
    assert graph == {"first": [], "phase@1": ["first"], "phase@2": ["first"], "last": ["phase@1", "phase@2"]}


def test_the_plan_of_a_target_holds_only_what_it_needs(tiny_project):
    assert list(planning.plan(["phase@2"])) == ["first", "phase@2"]
    assert list(planning.plan(["phase"])) == ["first", "phase@1", "phase@2"]


def test_an_unknown_target_is_answered_with_the_stages_there_are(tiny_project):
    with pytest.raises(RunError, match=r"no stage frist; it has last, phase@1, phase@2, first") as error:
        planning.plan(["frist"])
    assert error.value.exit_code == 2


def test_stages_run_once_are_skipped_then_and_status_is_clean(tiny_project):
    assert not planning.is_up_to_date()
    assert repro() == dict.fromkeys(ORDER, "ran")
    assert calls(tiny_project) == ORDER
    assert planning.is_up_to_date()
    assert repro() == dict.fromkeys(ORDER, "skipped")
    assert calls(tiny_project) == []


@pytest.mark.slow
def test_plain_dvc_skips_what_the_engine_ran(finished):
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], capture_output=True, text=True, check=True)
    assert [f"'{name}' didn't change, skipping" in done.stdout for name in ORDER] == [True] * 4


@pytest.mark.slow
def test_parameters_put_back_are_restored_not_recomputed(finished):
    before = (finished / "data/last/value.txt").read_text()
    set_parameter(finished, "seed: 42", "seed: 43")
    assert repro() == dict.fromkeys(ORDER, "ran")
    set_parameter(finished, "seed: 43", "seed: 42")
    calls(finished)
    assert repro() == dict.fromkeys(ORDER, "restored")
    assert calls(finished) == []
    assert (finished / "data/last/value.txt").read_text() == before


@pytest.mark.slow
def test_a_change_to_phase_2_leaves_phase_1_alone(finished):
    set_parameter(finished, "learning_rate: 0.05", "learning_rate: 0.06")
    assert repro() == {"first": "skipped", "phase@1": "skipped", "phase@2": "ran", "last": "ran"}


@pytest.mark.slow
def test_force_runs_what_is_up_to_date(finished):
    assert repro(force=True) == dict.fromkeys(ORDER, "ran")


def test_a_stage_is_told_its_name_and_the_root_and_the_environment_is_put_back(tiny_project):
    engine.reproduce("first")
    name, pid, root = (tiny_project / "calls").read_text().split()
    assert (name, int(pid), root) == ("first", os.getpid(), str(tiny_project))
    assert "DVC_STAGE" not in os.environ


def test_an_isolated_stage_runs_in_a_process_of_its_own(tiny_project):
    assert engine.reproduce("first", isolated=True) == "ran"
    assert int((tiny_project / "calls").read_text().split()[1]) != os.getpid()
    assert engine.reproduce("first") == "skipped"


@pytest.mark.parametrize("isolated", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_failing_stage_says_its_own_line_and_leaves_dvc_clean(tiny_project, isolated):
    engine.reproduce("first")
    lock = (tiny_project / "dvc.lock").read_bytes()
    (tiny_project / "broken").touch()
    with pytest.raises(ValueError, match=r"^no rows$") as error:
        engine.reproduce("phase@1", isolated=isolated)
    if isolated:
        assert error.value.exit_code == 3
    assert (tiny_project / "dvc.lock").read_bytes() == lock
    assert json.loads((tiny_project / ".dvc/tmp/rwlock").read_text() or "{}") == {}
    (tiny_project / "broken").unlink()
    assert repro() == {"first": "skipped", "phase@1": "ran", "phase@2": "ran", "last": "ran"}


def test_other_commands_run_in_a_shell(tiny_project):
    text = (tiny_project / "dvc.yaml").read_text()
    (tiny_project / "dvc.yaml").write_text(
        text.replace("python -m tasks.first", "mkdir -p data/first && env > data/first/v")
    )
    assert engine.reproduce("first") == "ran"
    assert "DVC_STAGE=first" in (tiny_project / "data/first/v").read_text()


def test_a_shell_command_that_fails_is_named_with_its_exit_code(tiny_project):
    text = (tiny_project / "dvc.yaml").read_text()
    (tiny_project / "dvc.yaml").write_text(text.replace("python -m tasks.first", "exit 9"))
    with pytest.raises(RunError, match="exit 9") as error:
        engine.reproduce("first")
    assert error.value.exit_code == 9


@pytest.mark.slow
@pytest.mark.parametrize("torn", ["", '{"read"', "[]", '{"write": {"data": 3}}'])
def test_a_torn_table_of_locks_is_moved_aside_with_one_warning(finished, capfd, torn):
    capfd.readouterr()
    (finished / ".dvc/tmp/rwlock").write_text(torn)
    assert repro() == dict.fromkeys(ORDER, "skipped")
    assert capfd.readouterr().err.count("warning: rwlock was torn") == 1
    assert (finished / ".dvc/tmp/rwlock.torn").read_text() == torn


@pytest.mark.parametrize("share", [0.6, *(pytest.param(share, marks=pytest.mark.slow) for share in (0, 0.3, 0.9))])
def test_a_torn_dvc_lock_is_healed_without_computing_anything_again(finished, capfd, share):
    whole = (finished / "dvc.lock").read_text()
    (finished / "dvc.lock").write_text(whole[: int(share * len(whole))])
    assert set(repro().values()) <= {"restored", "skipped"}
    assert calls(finished) == []
    assert (finished / "dvc.lock").read_text() == whole or planning.is_up_to_date()
    if share == 0:
        assert capfd.readouterr().err.count("warning: dvc.lock was torn") == 1


def test_code_edited_during_a_run_is_refused_and_nothing_is_recorded(finished):
    planning.make_ready()
    lock = (finished / "dvc.lock").read_bytes()
    (finished / "tasks/phase.py").write_text("edited = True")
    for name in ORDER:
        with pytest.raises(RunError, match=r"tasks/phase\.py: edited since this run started") as error:
            engine.reproduce(name, force=True)
        assert error.value.exit_code == 6
    assert (finished / "dvc.lock").read_bytes() == lock
    assert calls(finished) == []


def test_what_an_editor_leaves_beside_the_code_is_no_edit(finished):
    planning.make_ready()
    for name in (".phase.py.swp", "phase.py~", "#phase.py#", ".DS_Store"):
        (finished / "tasks" / name).write_text("x")
    assert repro() == dict.fromkeys(ORDER, "skipped")


def test_code_edited_while_a_stage_runs_is_not_recorded(tiny_project):
    planning.make_ready()
    module = sys.modules["tasks.first"]
    run = module.run

    def run_and_edit(*arguments):
        run(*arguments)
        (tiny_project / "tasks/phase.py").write_text("edited = True")

    module.run = run_and_edit
    with pytest.raises(RunError, match="edited since"):
        engine.reproduce("first")
    assert not (tiny_project / "dvc.lock").exists()


def edits(module, change) -> None:
    """Let a stage's function edit something when it has done its work."""
    run = module.run
    module.run = lambda *arguments: (run(*arguments), change())


def test_parameters_edited_while_their_stage_runs_are_not_recorded_and_another_sections_are(tiny_project):
    planning.make_ready()
    edits(sys.modules["tasks.first"], lambda: set_parameter(tiny_project, "n_valid: 5000", "n_valid: 4000"))
    assert engine.reproduce("first") == "ran"
    edits(sys.modules["tasks.phase"], lambda: set_parameter(tiny_project, "units: 100, act", "units: 99, act"))
    lock = (tiny_project / "dvc.lock").read_bytes()
    with pytest.raises(ValueError, match=r"params\.yaml: phase\.1\.units: 100 when phase@1 began, now 99;"):
        engine.reproduce("phase@1")
    assert (tiny_project / "dvc.lock").read_bytes() == lock
    assert not (tiny_project / "data/phase/1").exists()


@pytest.mark.parametrize("what", ["params.yaml", "data/first"])
def test_an_edit_between_the_stages_look_at_what_it_read_and_dvcs_is_not_recorded(tiny_project, monkeypatch, what):
    planning.make_ready()
    engine.reproduce("first")
    run = engine.commands.run

    def run_and_edit(*arguments, **options):
        run(*arguments, **options)
        if what == "params.yaml":
            set_parameter(tiny_project, "units: 100, activation", "units: 99, activation")
        else:
            (tiny_project / "data/first/value.txt").write_text("edited")

    monkeypatch.setattr(engine.commands, "run", run_and_edit)
    with pytest.raises(RunError, match=f"{what}: edited while phase@1 ran; not recorded") as error:
        engine.reproduce("phase@1")
    assert error.value.exit_code == 6
    assert "phase@1" not in (tiny_project / "dvc.lock").read_text()


def test_a_damaged_file_of_the_cache_is_not_handed_out(finished, capfd):
    md5 = engine.objects.md5(finished / "data/last/value.txt")
    cached = engine.objects.place(finished / ".dvc/cache/files/md5", md5)
    right = cached.read_bytes()
    cached.chmod(0o644)
    cached.write_text("damaged")
    cached.chmod(0o444)
    shutil.rmtree(finished / "data/last")
    assert repro() == {"first": "skipped", "phase@1": "skipped", "phase@2": "skipped", "last": "ran"}
    assert (finished / "data/last/value.txt").read_bytes() == cached.read_bytes() == right
    assert (finished / ".dvc/tmp/damaged" / md5).read_text() == "damaged"
    assert capfd.readouterr().err.count("of data/last: damaged in DVC's cache; moved to .dvc/tmp/damaged/") == 1


@pytest.mark.slow
def test_outputs_of_a_removed_phase_are_deleted_and_come_back_with_it(finished, capfd):
    whole = (finished / "params.yaml").read_text()
    remove_phase_2(finished)
    assert repro() == {"first": "skipped", "phase@1": "skipped", "last": "ran"}
    assert not (finished / "data/phase/2").exists()
    assert "deleted data/phase/2" in capfd.readouterr().err
    (finished / "params.yaml").write_text(whole)
    assert repro() == {"first": "skipped", "phase@1": "skipped", "phase@2": "restored", "last": "restored"}


def test_a_folder_that_a_killed_stage_was_writing_is_deleted(finished):
    for left in ("data/.last.123", "data/phase/.2.123"):
        (finished / left).mkdir()
    (finished / "data/phase/notes").mkdir()  # somebody's own: it stays
    planning.make_ready()
    assert sorted(p.name for p in (finished / "data/phase").glob("[!.]*")) == ["1", "2", "notes"]
    assert not (finished / "data/phase/.2.123").exists()
    assert not (finished / "data/.last.123").exists()


def test_beside_a_metrics_file_that_git_keeps_nothing_is_deleted(finished):
    path = finished / "dvc.yaml"
    path.write_text(path.read_text() + "    metrics: [metrics.json: {cache: false}]\n")
    (finished / ".venv.311").mkdir()
    planning.make_ready()
    assert (finished / ".venv.311").exists()


def test_another_run_at_work_is_refused_with_its_pid(finished):
    other = _started("pass", "repro")
    try:
        info = {"pid": other.pid, "cmd": "dvc repro"}
        (finished / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(finished / "data/first"): info}}))
        with pytest.raises(RunError, match=f"PID {other.pid}") as error:
            planning.make_ready()
        assert error.value.exit_code == 5
        with pytest.raises(RunError, match=f"PID {other.pid}"):
            engine.reproduce("first", force=True)
    finally:
        other.communicate()
    assert repro() == dict.fromkeys(ORDER, "skipped")


def _started(code: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", f"{code}; print(flush=True); input()", *arguments]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    return other


@pytest.mark.parametrize("arguments", [[], ["repro", "first"], ["serve"]])
def test_the_number_of_a_dead_run_given_to_a_process_that_is_another_program_blocks_nobody(tiny_project, arguments):
    table = tiny_project / ".dvc/tmp/rwlock"
    other = _started("pass", *arguments)
    try:
        table.parent.mkdir(parents=True)
        info = {"pid": other.pid, "cmd": "/bin/dvc repro"}
        table.write_text(json.dumps({"write": {str(tiny_project / "data/first"): info}}))
        planning.make_ready()
        assert not table.exists()
    finally:
        other.communicate()


@pytest.mark.slow
def test_a_run_of_dvcs_own_and_one_of_ours_are_known_as_what_they_are_while_a_stage_runs(tiny_project):
    text = (tiny_project / "dvc.yaml").read_text()
    (tiny_project / "dvc.yaml").write_text(text.replace("python -m tasks.first", "sleep 61"))
    (tiny_project / ".gitignore").write_text("/data/")
    ours = f"from pathlib import Path; from flows import environment; environment.ROOT = Path({str(tiny_project)!r})"
    ours = [sys.executable, "-c", f"{ours}; from flows.__main__ import app; app()", "repro", "first"]
    for command in ([f"{Path(sys.executable).parent}/dvc", "repro", "first"], ours):
        running = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(clones.ROOT)}, start_new_session=True)
        try:
            wait_until(
                lambda: "sleep 61" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
            )
            with pytest.raises(RunError, match=f"PID {running.pid}"):
                planning.make_ready()
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait()


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("damage", [b"", b"no database at all", "DROP TABLE Cache"])
def test_a_damaged_database_of_dvc_is_moved_aside_with_a_warning(finished, capfd, damage):
    planning.make_ready()
    (path,) = Path(os.environ["DVC_SITE_CACHE_DIR"]).glob("repo/*/links/cache.db")
    if isinstance(damage, str):
        with closing(sqlite3.connect(path)) as database:
            database.execute(damage)
    else:
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(damage)
    healing.heal_databases.cache_clear()
    assert repro() == dict.fromkeys(ORDER, "skipped")
    assert capfd.readouterr().err.count("links/cache.db cannot be used") == 1


def test_a_size_beyond_prepared_data_is_refused_before_an_output_is_deleted(finished):
    prepared = finished / "data/prepare"
    prepared.mkdir()
    sizes = {"n_train": 67, "n_train_labelled": 60, "n_valid": 45, "n_features": 16}
    (prepared / "metrics.json").write_text(json.dumps(sizes))
    (prepared / "manifest.json").write_text(json.dumps({"splits": {"train": {"class_counts": [20, 20, 20]}}}))
    set_parameter(finished, "seed: 42", "seed: 43")
    with pytest.raises(ConfigError, match=r"params\.yaml: finetune\.n_labels: expected 3 to "):
        planning.begin()
    assert (finished / "data/first/value.txt").exists()


@pytest.mark.parametrize("content", [None, "", "vars: []", "stages: 3", "["])
def test_a_dvc_yaml_without_stages_is_an_error_that_names_it(tiny_project, content):
    path = tiny_project / "dvc.yaml"
    path.unlink() if content is None else path.write_text(content)
    for command in (planning.begin, planning.make_ready, planning.plan):
        with pytest.raises(RunError, match=r"dvc\.yaml") as error:
            command()
        assert error.value.exit_code == 2


def test_data_as_a_symbolic_link_is_refused_with_what_to_do(tiny_project, tmp_path):
    (tmp_path / "big").mkdir()
    (tiny_project / "data").symlink_to(tmp_path / "big")
    with pytest.raises(
        RunError, match=r"^data: expected a folder, received a symbolic link.*cache\.type symlink"
    ) as error:
        planning.make_ready()
    assert error.value.exit_code == 7


@pytest.mark.slow
def test_the_number_of_a_dead_run_given_to_another_process_blocks_nobody(finished):
    table = finished / ".dvc/tmp/rwlock"
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        table.write_text(json.dumps({"read": {str(finished / "data/first"): [{"pid": other.pid, "cmd": "x"}]}}))
        os.utime(table, (0, 0))  # written before that process was
        assert repro(force=True) == dict.fromkeys(ORDER, "ran")
    finally:
        other.communicate()


@pytest.mark.slow
def test_the_main_lock_held_by_another_process_is_refused_with_its_pid(finished):
    hold = "import sys, zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/lock'); print(flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        with pytest.raises(RunError, match=f"PID {other.pid}") as error:
            planning.plan()
        assert error.value.exit_code == 5
    finally:
        other.communicate()


def test_invalid_parameters_stop_everything_before_it_starts(tiny_project):
    set_parameter(tiny_project, "seed: 42", "sed: 42")
    with pytest.raises(ConfigError, match="did you mean seed"):
        planning.begin()
    assert not (tiny_project / "dvc.lock").exists()


@pytest.mark.slow
def test_an_interrupted_stage_leaves_no_lock_and_the_next_run_goes_on(tiny_project):
    planning.make_ready()
    module = sys.modules["tasks.phase"]
    run = module.run
    module.run = lambda *_: os.kill(os.getpid(), signal.SIGINT) or time.sleep(5)
    engine.reproduce("first")
    with pytest.raises(KeyboardInterrupt):
        engine.reproduce("phase@1")
    assert json.loads((tiny_project / ".dvc/tmp/rwlock").read_text() or "{}") == {}
    module.run = run
    assert repro() == {"first": "skipped", "phase@1": "ran", "phase@2": "ran", "last": "ran"}


def test_a_stage_that_wants_another_working_directory_is_refused_before_anything_runs(tiny_project):
    path = tiny_project / "dvc.yaml"
    path.write_text(path.read_text().replace("cmd: python -m tasks.last", "cmd: python -m tasks.last\n    wdir: tasks"))
    with pytest.raises(RunError, match=r"last: expected the project's root .* received .*/tasks; only") as error:
        planning.make_ready()
    assert error.value.exit_code == 2
    path.write_text(path.read_text().replace("wdir: tasks", "wdir: ."))
    planning.make_ready()


def test_a_missing_private_name_of_dvc_is_named(tiny_project, monkeypatch):
    monkeypatch.delattr(engine.dvc_run, "cmd_run")
    with pytest.raises(RunError, match=r"dvc 3\.\d+.*cmd_run.*make setup") as error:
        engine.reproduce("first")
    assert error.value.exit_code == 7


@pytest.mark.slow
def test_dvcs_own_way_of_running_is_put_back(tiny_project):
    original = engine.dvc_run.cmd_run
    engine.reproduce("first")
    (tiny_project / "broken").touch()
    with pytest.raises(ValueError, match="no rows"):
        engine.reproduce("phase@1")
    assert engine.dvc_run.cmd_run is original


@pytest.mark.parametrize(("missing", "words"), [(".dvc", "no DVC project"), (".git", "not kept by git")])
def test_a_folder_without_dvc_or_git_is_named(tiny_project, missing, words):
    (tiny_project / missing).rename(tiny_project / "away")
    with pytest.raises(RunError, match=words) as error:
        planning.make_ready()
    assert error.value.exit_code == 7
