"""The command line: quick to help, one line and an exit code for what goes wrong, experiments written and refused."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import clones
import pytest
import typer
from typer.testing import CliRunner
from waiting import is_running, wait_until

from flows import environment, experiments, processes, run, services
from flows.__main__ import app
from flows.frame import command
from tasks.frame import addresses, config
from tasks.frame import processes as frame_processes
from tasks.frame.errors import ConfigError, RunError

HEAVY = ["dvc", "prefect", "tensorflow", "keras", "mlflow", "pandas", "pydantic", "tasks.frame.config"]


@pytest.fixture
def project(tiny_project, monkeypatch):
    """Make the tiny project one of committed parameters and experiments, in which the commands settle."""
    before = dict(os.environ)
    shutil.copytree(clones.ROOT / "experiments", tiny_project / "experiments", dirs_exist_ok=True)
    clones.commit(tiny_project)
    monkeypatch.setattr(environment, "ROOT", tiny_project)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield tiny_project
    os.environ.clear()
    os.environ.update(before)


def invoke(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def test_help_imports_nothing_heavy_and_takes_less_than_half_a_second():
    code = f"import sys, flows.__main__; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=clones.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = clones.run(clones.ROOT, "flows", "--help").stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert all(command in shown for command in ("repro", "flow", "experiment", "verify", "serve", "ui"))
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.slow
def test_what_has_nothing_to_do_imports_neither_tensorflow_nor_mlflow_nor_prefect(project):
    assert invoke("repro").exit_code == 0
    code = (
        "import sys; from flows import environment, run; run.repro();"
        "print('imported', *[n for n in ('tensorflow', 'mlflow', 'prefect') if n in sys.modules])"
    )
    path = {**os.environ, "PYTHONPATH": str(clones.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Nothing to do: all 4 stages are up to date.")
    assert done.stdout.splitlines()[-1] == "imported"


@pytest.mark.slow
def test_repro_prints_how_far_it_is_and_what_became_of_each_stage(project):
    done = invoke("repro", "phase")
    assert done.exit_code == 0
    assert "2/3 phase@1      started" in done.stdout
    table = done.stdout.split("\n\n")[1].splitlines()
    assert [line.split()[:2] for line in table[:3]] == [["first", "ran"], ["phase@1", "ran"], ["phase@2", "ran"]]
    assert "dvc metrics show" in done.stdout
    assert invoke("repro", "first").stdout.startswith("Nothing to do: the stage is up to date.")


@pytest.mark.slow
def test_force_runs_again_and_isolated_in_other_processes(project):
    invoke("repro")
    assert invoke("repro", "first", "--force", "--isolated").exit_code == 0
    called = [line.split()[:2] for line in (project / "calls").read_text().splitlines()]
    assert [name for name, _ in called] == ["first", "phase@1", "phase@2", "last", "first"]
    assert [pid == str(os.getpid()) for _, pid in called] == [True] * 4 + [False]


def test_the_number_of_workers_is_told_to_the_stages_and_is_no_parameter(project, monkeypatch):
    monkeypatch.delenv("PIPELINE_WORKERS", raising=False)
    told = []
    monkeypatch.setattr(run, "repro", lambda *_, **__: told.append(os.environ.get("PIPELINE_WORKERS")))
    assert [invoke("repro", *options).exit_code for options in ([], ["--workers", "3"], ["--workers", "0"])] == [
        0,
        0,
        2,
    ]
    assert told == [None, "3"]
    assert "PIPELINE_WORKERS" not in os.environ


@pytest.mark.parametrize(("options", "said"), [
    (["--shard", "1/2", "track"], "--shard: expected no stages, no --force and no --isolated beside it"),
    (["--shard", "3/2"], "--shard: expected K/N with 1 <= K <= N, such as 3/20, received '3/2'"),
    (["--dask", "10.0.0.1:8786"], f"PIPELINE_DASK: tcp://10.0.0.1:8786: {addresses.NEEDS_TLS}"),
])  # fmt: skip
def test_a_shard_or_a_cluster_that_is_none_gives_one_line_and_exit_code_2(project, options, said):
    done = invoke("repro", *options)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {said}\n")


@pytest.mark.parametrize("command", [["repro"], ["flow"], ["experiment", "smoke"], ["verify"]])
def test_a_number_of_workers_that_is_none_gives_one_line_and_exit_code_2(project, monkeypatch, command):
    monkeypatch.setenv("PIPELINE_WORKERS", "abc")
    done = invoke(*command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: PIPELINE_WORKERS: expected a whole number >= 1, received 'abc'\n"


@pytest.mark.parametrize("command", [["repro"], ["flow"], ["experiment", "smoke"], ["verify"]])
def test_a_number_of_workers_below_1_is_refused_by_the_name_that_was_typed(project, command):
    done = invoke(*command, "--workers=-3")
    assert done.exit_code == 2 and "--workers" in done.stderr and "PIPELINE_WORKERS" not in done.stderr
    with pytest.raises(RunError, match=r"^workers: expected a whole number >= 1, received -3"), environment.workers(-3):
        pass


def test_wrong_parameters_give_one_line_and_exit_code_2(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("seed: 42", "sed: 42"))
    done = invoke("repro")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: params.yaml: ")
    assert "did you mean seed?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_isolated_stages_error_is_its_own_line_with_its_exit_code(project):
    (project / "broken").touch()
    done = invoke("repro", "--isolated")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == "error: no rows"


def test_a_fault_of_the_project_keeps_its_traceback(project):
    (project / "broken").touch()  # the tiny stage raises a plain ValueError: not a line for a person
    assert isinstance(invoke("repro").exception, ValueError)


def test_a_folder_that_is_no_dvc_project_gives_one_line(project):
    shutil.rmtree(project / ".dvc")
    done = invoke("repro")
    assert done.exit_code == 7
    assert done.stderr.startswith("error: ")
    assert "no DVC project" in done.stderr


def test_ctrl_c_ends_with_130_and_one_line(project, capsys):
    with pytest.raises(typer.Exit) as error, command():
        signal.raise_signal(signal.SIGINT)
    assert error.value.exit_code == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_sigterm_ends_with_143(project):
    with pytest.raises(typer.Exit) as error, command():
        signal.raise_signal(signal.SIGTERM)
    assert error.value.exit_code == 143


@pytest.mark.slow
def test_a_terminated_run_leaves_no_process_and_clean_locks(project):
    (project / "dvc.yaml").write_text("stages: {long: {cmd: 'sleep 61', deps: [params.yaml], outs: [data/long]}}")
    code = "from flows.__main__ import app; app(['repro'])"
    variables = {**os.environ, "PYTHONPATH": str(clones.ROOT)}
    code = f"from pathlib import Path; from flows import environment; environment.ROOT = Path({str(project)!r}); {code}"
    running = subprocess.Popen([sys.executable, "-c", code], env=variables, text=True)
    table = project / ".dvc/tmp/rwlock"
    wait_until(lambda: table.exists() and "long" in table.read_text() and children(running.pid))
    started = children(running.pid)
    running.terminate()
    assert running.wait(20) == 143
    assert not any(json.loads(table.read_text() or "{}").values())
    wait_until(lambda: not any(is_running(pid) for pid in started))


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


# Programs


def test_a_program_that_is_killed_is_named_with_its_signal():
    with pytest.raises(RunError, match="killed by signal 9 ") as error:
        processes.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert error.value.exit_code == 137


def test_a_program_that_does_not_listen_is_killed_and_waited_for(monkeypatch):
    monkeypatch.setattr(frame_processes, "GRACE", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    program = processes.start([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    with program.stdout:
        program.stdout.readline()
    processes.stop(program)
    assert program.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_stopping_a_program_stops_what_it_started():
    code = "import subprocess; p = subprocess.Popen(['sleep', '62']); print(p.pid, flush=True); p.wait()"
    program = processes.start([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with program.stdout:
        grandchild = int(program.stdout.readline())
    processes.stop(program)
    wait_until(lambda: not is_running(grandchild))


# Experiments


@pytest.mark.parametrize("name", [path.stem for path in sorted((clones.ROOT / "experiments").glob("*.yaml"))])
def test_every_experiment_is_valid(project, name):
    experiments.write(name)
    values = config.read(project / "params.yaml")
    assert config.load().model_dump(exclude_defaults=True) == values, "it holds every knob"


@pytest.mark.slow
def test_every_knob_can_be_set_for_one_run_by_dvc(project):
    for key, value in (("phase.1.batch_size", 64), ("fetch.label", "kind"), ("label_curve.n_unlabelled", 7)):
        done = clones.run(project, "dvc", "exp", "run", "-S", f"{key}={value}")
        assert done.returncode == 0, done.stderr
        assert re.search(rf"{key.split('.')[-1]}: {value}\b", (project / "params.yaml").read_text())


def test_an_experiment_changes_what_it_names_and_keeps_the_rest_with_its_comments(project):
    before = (project / "params.yaml").read_text()
    (project / "experiments/mine.yaml").write_text(
        "pretrain: {epochs: 3}\nnetwork: {shape: {units: [7]}}\n"
        "phase:\n    '1': {input: data/prepare, units: 7, activation: selu, kernel_initializer: glorot_uniform,\n"
        "        output_activation: sigmoid, l2: 0.0, loss: binary_crossentropy, optimizer: sgd, learning_rate: 0.5,\n"
        "        batch_size: 32, noise: null, epochs: 1}\n"
    )
    experiments.write("mine")
    params = config.load()
    assert (params.pretrain.epochs, params.network.shape.units, list(params.phase)) == (3, [7], ["1"])
    assert params.stack == config.check(experiments._values(before), project).stack


def comments(text):
    """Return every comment with the key before it, and the key after it where it has a line of its own."""
    places = []
    lines = text.splitlines()
    for k, line in enumerate(lines):
        before, mark, comment = line.partition(" #" if line.strip()[:1] != "#" else "#")
        if mark:
            places.append((before.partition(":")[0] if before.strip() else lines[k + 1].partition(":")[0], comment))
    return places


@pytest.mark.parametrize("name", [path.stem for path in sorted((clones.ROOT / "experiments").glob("*.yaml"))])
def test_an_experiment_keeps_every_comment_at_its_key_and_differs_in_what_it_names_only(name, monkeypatch):
    monkeypatch.chdir(clones.ROOT)
    committed = Path("params.yaml").read_text(encoding="utf-8")
    text = experiments.merged(committed, name)
    assert comments(text) == comments(committed)
    named = experiments._compose(Path(f"experiments/{name}.yaml").read_text(encoding="utf-8")).value
    for key in set(experiments._values(committed)) - {key.value for key, _ in named}:
        assert section(text, key) == section(committed, key)


def section(text, key):
    """Return the lines of a section, and the blank one behind it."""
    lines = iter(text.splitlines())
    own = next(line for line in lines if line.startswith(f"{key}:"))
    return [own, *itertools.takewhile(lambda line: line[:1] in ("", " "), lines)]


def test_a_list_on_lines_of_its_own_takes_the_place_of_one_in_braces(project):
    (project / "experiments/mine.yaml").write_text(
        "label_curve:\n  network:\n    shape:\n      units:  # of 30\n      - 64\n      - 22\n"
        "  beforehand:\n    without: SVM\n"
    )
    experiments.write("mine")
    assert config.load().label_curve.network.shape.units == [64, 22]
    assert "shape: {units: [64, 22], activation: selu" in Path("params.yaml").read_text(encoding="utf-8")


def test_an_experiment_with_an_alias_is_refused(project):
    (project / "experiments/mine.yaml").write_text("pretrain: {epochs: &n 3}\ntying: {epochs: *n}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: expected values written out"):
        experiments.write("mine")


def test_an_experiment_with_a_merge_key_is_refused(project):
    (project / "experiments/mine.yaml").write_text("<<: {seed: 3}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: expected values written out .*, received a merge key \(<<\)"):
        experiments.write("mine")


def test_the_default_experiment_gives_back_the_committed_file_to_the_byte(project):
    before = (project / "params.yaml").read_bytes()
    experiments.write("smoke")
    assert (project / "params.yaml").read_bytes() != before
    experiments.write("book-2e")
    assert (project / "params.yaml").read_bytes() == before


def test_an_experiment_does_not_overwrite_changes_of_ones_own(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("seed: 42", "seed: 43"))
    done = invoke("experiment", "smoke")
    assert done.exit_code == 2
    assert "changes of your own" in done.stderr
    assert "seed: 43" in path.read_text()


def test_an_experiment_that_was_edited_is_written_again(project):
    path = project / "experiments/mine.yaml"
    path.write_text("pretrain: {epochs: 3}\n")
    experiments.write("mine")
    path.write_text("pretrain: {epochs: 4}\n")
    experiments.write("mine")
    assert config.load().pretrain.epochs == 4
    path.unlink()  # now params.yaml is the only copy
    done = invoke("experiment", "smoke")
    assert done.exit_code == 2 and "move them to experiments/smoke.yaml, commit them, or drop them" in done.stderr
    assert config.load().pretrain.epochs == 4


def test_a_comment_of_ones_own_is_no_change(project):
    path = project / "params.yaml"
    path.write_text("# mine\n" + path.read_text())
    experiments.write("smoke")
    assert config.load().fetch.dataset == "digits"


def test_an_unknown_experiment_is_answered_with_the_known_ones(project):
    done = invoke("experiment", "smok")
    assert done.exit_code == 2
    known = ", ".join(sorted(path.stem for path in Path("experiments").glob("*.yaml")))
    assert f"no experiment smok; there are {known}\n" in done.stderr
    assert "book-2e" in known


@pytest.mark.parametrize(
    ("text", "words"),
    [("pretrain: {epoch: 3}", "experiments/bad.yaml: pretrain.epoch"), ("- 3", "experiments/bad.yaml")],
)
def test_a_wrong_experiment_writes_nothing(project, text, words):
    before = (project / "params.yaml").read_bytes()
    (project / "experiments/bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        experiments.write("bad")
    assert (project / "params.yaml").read_bytes() == before


def test_an_experiment_without_a_commit_says_what_is_missing(project):
    shutil.rmtree(project / ".git")
    clones.git(project, "init", "--quiet")
    with pytest.raises(RunError, match="starts from the committed"):
        experiments.write("smoke")


@pytest.mark.slow
def test_an_experiment_is_recorded_where_git_knows_no_user(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project.parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.parent))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert invoke("experiment", "smoke").exit_code == 0
    assert "smoke" in clones.run(project, "dvc", "exp", "list", "--name-only").stdout.split()
    assert config.load().fetch.dataset == "digits"
    done = invoke("experiment", "smoke")  # again: it takes the earlier one's place
    assert (done.exit_code, "Nothing to do" in done.stdout) == (0, True)


# Services


def test_a_busy_port_gives_one_line(project):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = invoke("serve", "--port", str(other.getsockname()[1]))
    assert done.exit_code == 7
    assert "choose another with --port" in done.stderr


@pytest.mark.parametrize("found", [None, "", " \n"])
def test_prefects_password_is_made_once_and_only_its_owner_reads_it(project, monkeypatch, found):
    monkeypatch.chdir(project)
    if found is not None:
        (project / ".prefect").mkdir()
        (project / ".prefect/password").write_text(found)
    settings = services.settings(4200)
    password = settings["PREFECT_API_AUTH_STRING"]
    assert password == settings["PREFECT_SERVER_API_AUTH_STRING"]
    assert len(password) > 30
    assert stat.S_IMODE((project / ".prefect/password").stat().st_mode) == 0o600
    assert stat.S_IMODE((project / ".prefect").stat().st_mode) == 0o700
    assert services.settings(4200) == settings
    assert os.listdir(project / ".prefect") == ["password"]


def test_a_flow_goes_to_the_server_that_is_served_and_only_while_it_answers(project):
    (project / ".prefect").mkdir()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with services.announced(port):
            assert services.served_port() is None
            server.listen()
            assert services.served_port() == port
        assert services.served_port() is None


def test_what_a_killed_server_has_left_is_not_believed(project):
    (project / ".prefect").mkdir()
    with socket.socket() as somebodys:
        somebodys.bind(("127.0.0.1", 0))
        somebodys.listen()
        with services.announced(somebodys.getsockname()[1]):
            path = project / ".prefect/serving.json"
            os.utime(path, (0, 0))  # written before the process was that has its number now
            assert services.served_port() is None
            ended = subprocess.Popen(["true"])
            ended.wait()
            path.write_text(path.read_text().replace(str(os.getpid()), str(ended.pid)))
            assert services.served_port() is None


def test_a_project_that_is_served_is_not_served_twice(project):
    (project / ".prefect").mkdir()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with services.announced(server.getsockname()[1]):
            done = invoke("serve", "--port", "4201")
    assert done.exit_code == 5
    assert done.stderr.startswith("error: this project has a running server at http://127.0.0.1:")


@pytest.mark.slow
def test_a_server_and_what_it_has_started_end_when_what_started_it_is_killed(project):
    toy = "import subprocess; p = subprocess.Popen(['sleep', '63']); print(p.pid, flush=True); p.wait()"
    (project / "toy_server.py").write_text(toy)
    code = (
        "import os, time; from flows import services\n"
        "with services.running('toy_server', os.environ, 'toy') as server: print(server.pid, flush=True); time.sleep(9)"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(clones.ROOT), str(project)])}
    with subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, text=True) as program:
        server, log = int(program.stdout.readline()), project / ".prefect/toy.log"
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        program.kill()
    wait_until(lambda: not is_running(server) and not is_running(int(log.read_text())), 15)


def test_a_server_of_ones_own_is_left_alone(project, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with services.connected():
        assert "PREFECT_API_AUTH_STRING" not in os.environ
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:1/api"


def test_the_ui_of_a_server_is_the_server(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    done = invoke("ui")
    assert (done.exit_code, done.stdout) == (0, "MLflow: http://tracking.example\n")


def test_the_ui_without_runs_says_how_to_make_one(project, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = invoke("ui")
    assert done.exit_code == 2
    assert "make repro" in done.stderr


def test_the_ui_of_finished_data_without_a_store_fills_it_first(project, monkeypatch):
    asked, filled = [], []
    monkeypatch.setattr("flows.planning.is_up_to_date", lambda targets: asked.append(targets) or True)
    Path("data/track").mkdir(parents=True)
    Path("data/track/track.json").write_text('{"key": "a"}')  # of the study alone
    monkeypatch.setattr("tasks.track.fill", lambda: filled.append(True))
    with pytest.raises(RunError, match="dvc pull"):  # as this one leaves none
        services._fill()
    assert (asked, filled) == ([["track"]], [True])


def test_telemetry_is_off_and_what_the_user_set_stays(project, monkeypatch):
    for name in environment.DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    environment.settle()
    assert (os.environ["DO_NOT_TRACK"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("true", "true")
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    assert stat.S_IMODE((project / ".dvc/tmp/site").stat().st_mode) == 0o700
    assert os.environ["PATH"].startswith(os.path.dirname(sys.executable))


def test_the_summary_adds_up():
    text = run.summary([run.Outcome("a", "ran", 1.25), run.Outcome("bc", "skipped", 0.5)], 1.75)
    assert "bc  skipped        0.5 s" in text
    assert "            1.8 s" in text
