"""A study on Dask's workers: what is refused, in which order cells go, and what the death of a worker or all costs."""

from __future__ import annotations

import os
import re
import socket
from collections import Counter
from types import SimpleNamespace

import clones
import clusters
import jobs
import pytest
import tiny
from studies import MANY
from waiting import wait_until

from flows import environment
from tasks.frame import addresses, errors, progress
from tasks.frame.errors import DataError, Refused, UsageError
from tasks.study import cluster, dask_worker, keys, rows
from tasks.study.dask_worker import Job

TOYS = {**MANY, "arms": ["logistic regression", "fine-tuned", "random features", "from scratch"], "choices": ["random"],
        "beforehand": {"with_encoder": "fine-tuned", "without": "from scratch"}}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Return a study's parameters, data, store and cells."""
    params, data = tiny.params(label_curve=TOYS), tiny.prepare(tmp_path / "data")
    return params, data, keys.store(params, data), keys.every(params, rows.size(data / "prepare"))


@pytest.fixture
def job(study, monkeypatch):
    """Return the study's job as a worker of this process may take it."""
    params, data, store, _ = study
    (store.folder / "token").touch()
    monkeypatch.setattr(dask_worker, "_bench", {"threads of Dask": 1})
    return Job(params, data, store.folder, "token", dask_worker.facts(params, data))


# Addresses


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tls://10.0.0.1:8786", "tls://head.example:1", "tcp://[::1]:9"]
)
def test_loopback_and_tls_are_taken(address):
    assert addresses.checked(address) == address


def test_an_address_without_a_scheme_is_tcp():
    assert addresses.checked("localhost:8786") == "tcp://localhost:8786"


@pytest.mark.parametrize(
    "address", ["10.0.0.1:8786", "tcp://head.example:8786", "tcp://0.0.0.0:1", "tcp://127.0.0.1.nip.io:1"]
)
def test_another_machine_without_tls_is_refused(address):
    with pytest.raises(UsageError, match="expected tls:// beyond this machine: Dask has no password") as error:
        addresses.checked(address)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "address", ["x", "tcp://127.0.0.1", "ws://127.0.0.1:1", "tcp://127.0.0.1:a", "tcp://a@127.0.0.1:1", "tls://:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match=r"PIPELINE_DASK: expected tcp://127\.0\.0\.1:PORT or tls://HOST:PORT"):
        addresses.checked(address)


def test_an_open_address_is_refused_before_anything_is_sent(study):
    params, data, store, cells = study
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        somebody.settimeout(0.2)
        with (
            pytest.raises(UsageError, match="expected tls://"),
            environment.cluster(f"tcp://0.0.0.0:{somebody.getsockname()[1]}"),  # it leads to this socket
        ):
            cluster.fill(params, data, store, cells, addresses.given(), print)
        with pytest.raises(TimeoutError):
            somebody.accept()
    assert addresses.VARIABLE not in os.environ


def test_the_command_that_messages_name_is_that_of_the_page():
    assert dask_worker.START.format("tcp://127.0.0.1:8786") == clusters.command("python -m dask worker")


# What a worker refuses


def test_a_worker_that_has_all_that_counts_takes_the_job(job):
    dask_worker.refuse(job)


@pytest.mark.parametrize(
    ("name", "said"), [("numpy", "numpy: expected 0, received "), ("code", "code: expected 0, received ")]
)
def test_a_worker_of_another_version_or_code_refuses_in_one_line(job, name, said):
    with pytest.raises(Refused, match=f"^worker: {said}") as error:
        dask_worker.refuse(job._replace(facts=job.facts | {name: "0"}))
    assert "\n" not in str(error.value)


def test_a_worker_with_a_setting_of_its_own_refuses(job, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--fast")
    with pytest.raises(Refused, match="XLA_FLAGS: expected none, received --fast"):
        dask_worker.refuse(job)


def test_a_worker_with_other_data_or_without_them_or_the_store_refuses(job, tmp_path):
    path = tmp_path / "data/prepare/train_labels.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(Refused, match=rf"{tmp_path}/data/prepare: expected \w+\.dir, received \w+\.dir"):
        dask_worker.refuse(job)
    with pytest.raises(DataError, match="elsewhere/prepare: expected the prepared data at this path, found none"):
        dask_worker.refuse(job._replace(data=tmp_path / "elsewhere"))
    with pytest.raises(Refused, match="expected the folder that all machines share"):
        dask_worker.refuse(job._replace(token="another"))


def test_a_worker_of_several_threads_or_without_the_preload_refuses(job, monkeypatch):
    for bench in ({}, {"threads of Dask": 4}):
        monkeypatch.setattr(dask_worker, "_bench", bench)
        with pytest.raises(
            UsageError, match="expected a worker of one thread and this preload; start it by `python -m dask"
        ):
            dask_worker.refuse(job)


@pytest.mark.parametrize("other", ["scheduler", "worker tcp://127.0.0.1:5"])
def test_another_version_anywhere_is_one_line_before_a_cell_is_sent(other):
    ours, theirs = ({"packages": {"python": "3.11", "dask": version}} for version in ("2", "1"))
    found = {"client": ours, "scheduler": ours, "workers": {"tcp://127.0.0.1:4": ours}}
    found |= {"scheduler": theirs} if other == "scheduler" else {"workers": {other.split()[1]: theirs}}
    client = SimpleNamespace(get_versions=lambda packages: found)
    with pytest.raises(Refused, match=f"^{other}: dask: expected 2 as here, received 1; install requirements.lock$"):
        cluster._refuse_other_versions(client)
    cluster._refuse_other_versions(
        SimpleNamespace(get_versions=lambda packages: found | {"scheduler": ours, "workers": {}})
    )


def test_a_scheduler_that_is_not_there_is_one_line(study, monkeypatch):
    params, data, store, cells = study
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with pytest.raises(Refused, match=r"^tcp://127\.0\.0\.1:9: expected a scheduler of Dask, found none"):
        cluster.fill(params, data, store, cells, "tcp://127.0.0.1:9", print)
    assert not [*store.folder.iterdir()]


def test_a_study_that_is_stored_needs_no_scheduler(study):
    params, data, store, cells = study
    for cell in cells:
        store.write(cell.name, {})
    assert cluster.fill(params, data, store, cells, "tcp://127.0.0.1:9", print) == []


# With a scheduler and workers


@pytest.fixture
def toys(study, monkeypatch, tmp_path):
    """Let workers store made-up cells; return the study, and the function that starts a cluster for it."""
    monkeypatch.setattr(dask_worker, "compute", jobs.keep)
    told = {"PYTHONPATH": str(clones.ROOT / "tests"), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}

    def running(n_workers=2, **options):
        options = {"variables": told} | options
        return clusters.running(clones.ROOT, tmp_path, n_workers=n_workers, **options)

    return (*study, running)


def computed(store) -> Counter:
    """Return how often each cell was begun."""
    return Counter((store.folder / "log").read_text().splitlines())


@pytest.mark.soak
def test_every_cell_is_computed_once_after_its_encoder_and_told_of(toys):
    params, data, store, cells, running = toys
    told = []
    with running() as there:
        assert cluster.fill(params, data, store, cells, there.address, lambda *said: told.append(said)) == []
    assert computed(store) == Counter(cell.name for cell in cells) == Counter(cell.name for cell, _ in told)
    assert [result for _, result in told] == [store.kept(cell.name) for cell, _ in told]
    assert {len(store.kept(c.name)["encoder"]) for c in cells if keys.encoder_of(params, c)} == {1}
    assert len({store.kept(cell.name)["pid"] for cell in cells}) == 2
    assert not [*store.folder.glob(".job*")]


@pytest.mark.soak
def test_a_killed_worker_costs_its_cell_and_a_cell_that_kills_workers_takes_no_other_with_it(toys):
    params, data, store, cells, running = toys
    poison = next(cell.name for cell in cells if not keys.encoder_of(params, cell) and cell.name.startswith("from"))
    ill = next(cell.name for cell in cells if cell.name.startswith("encoder"))
    (store.folder / f"kills {poison}").touch()
    (store.folder / f"fails {ill}").touch()
    killed = []

    def kill(cell, result):
        if len(killed) == 0 and len(computed(store)) > 8:
            killed.append(there.workers()[0])
            killed[0].kill()

    with running() as there:
        failures = cluster.fill(params, data, store, cells, there.address, kill)
    reasons = {failure.cell: failure.reason for failure in failures}
    assert reasons.pop(poison) == "KilledWorker: 2 workers ended while they computed it"
    assert reasons.pop(ill) == "it diverged"
    of_ill = {c.name for c in cells if (encoder := keys.encoder_of(params, c)) and encoder.name == ill}
    assert reasons.keys() == of_ill
    assert computed(store)[poison] in (3, 4) and killed  # twice two, if none of them was the killed one
    others = {name: n for name, n in computed(store).items() if n > 1 and name != poison}
    assert all(store.read(name) for name in others), "computed again, not lost"


@pytest.mark.soak
def test_the_end_of_the_scheduler_is_one_line_and_the_next_start_goes_on(toys, capsys):
    params, data, store, cells, running = toys
    with running() as there:

        def end(cell, result):
            if len(computed(store)) > 5:
                os.kill(there.started[0].pid, 9)

        with pytest.raises(Refused, match="the scheduler is gone; finished cells are kept: start one, then run again"):
            cluster.fill(params, data, store, cells, there.address, end)
    kept = [cell for cell in cells if store.read(cell.name)]
    assert 5 <= len(kept) < len(cells)
    (store.folder / "log").unlink()
    with running() as there:
        assert cluster.fill(params, data, store, cells, there.address, lambda *_: None) == []
    assert not {cell.name for cell in kept} & computed(store).keys()
    assert all(store.read(cell.name) for cell in cells)


@pytest.mark.soak
def test_a_worker_that_joins_late_and_is_another_one_ends_the_study_in_one_line(toys, capsys):
    params, data, store, cells, running = toys
    with running(n_workers=0) as there, progress.stage("toy"):
        there.variables = there.variables | {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
        there.start_worker()
        with pytest.raises(
            Refused, match=r"worker tcp://127\.0\.0\.1:\d+: XLA_FLAGS: expected none, received"
        ) as error:
            cluster.fill(params, data, store, cells, there.address, lambda *_: None)
    assert errors.exit_code(error.value) == 7 and not [cell for cell in cells if store.read(cell.name)]
    assert "no worker at tcp://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.soak
def test_with_tls_all_of_it_works_and_without_a_certificate_nobody_is_heard(toys, tmp_path, monkeypatch):
    from distributed.security import Security

    params, data, store, cells, running = toys
    made = Security.temporary()
    for name in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        (tmp_path / name).write_text(getattr(made, name))
    names = re.findall(r"(DASK_DISTRIBUTED__COMM__TLS__\w+)=/shared/tls/(\w+)", clusters.PAGE.read_text())
    assert len(names) == 7
    paths = {"ca": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}
    tls = {name: str(tmp_path / paths[file]) for name, file in names}
    told = tls | {"PYTHONPATH": str(clones.ROOT / "tests")}
    with running(variables=told, scheme="tls") as there:
        with pytest.raises(Refused, match="expected a scheduler of Dask, found none"):
            cluster.fill(params, data, store, cells, there.address, lambda *_: None)
        import dask

        settings = {name.removeprefix("DASK_").lower().replace("__", "."): path for name, path in tls.items()}
        with dask.config.set(settings):
            assert cluster.fill(params, data, store, cells, there.address, lambda *_: None) == []
    assert computed(store) == Counter(cell.name for cell in cells)


@pytest.mark.soak
def test_a_worker_that_would_listen_to_others_without_tls_ends_with_one_line(tmp_path):
    with clusters.running(clones.ROOT, tmp_path, n_workers=0) as there:
        worker = there.start_worker(host="0.0.0.0")
        wait_until(lambda: worker.poll() is not None, 240)
        assert f"error: {there.address}: {addresses.NEEDS_TLS}" in there.log()
