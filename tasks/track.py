"""Stage `track`: the files of one experiment as one MLflow run; and, while a stage trains, its curves live.

    python -m tasks.track

The files are the truth, MLflow shows them. The run is found again by the experiment's key (`tasks.experiment`), so a
repeated run adds nothing. It carries every parameter, final metric and figure, the models, the data's DVC hash and the
git commit; below it stands one run per stage that has a history. Writes data/track/track.json: the key, and how
much there was to log.

Without MLFLOW_TRACKING_URI the runs are kept in mlflow.db at the repository's root, artifacts in mlartifacts. A server
that does not answer fails this stage and no other; `dvc repro track` completes it later.

While a stage trains, a second process logs its curves (`watch`, `mirror`; `tasks.live` is the pipe between the two).
"""

from __future__ import annotations

import fcntl
import io
import itertools
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import config, experiment, files, live, stage
from tasks.experiment import Identity, Point
from tasks.sections import Params

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MODELS = ("pretrain", "stack")  # the stages that keep one
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with MLflow's own, a dead server costs four minutes a call
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def run(params: Params, data: Path, out: Path, key: str) -> None:
    """Bring the experiment's run up to date with its files."""
    curves = experiment.histories(params, data)
    metrics = experiment.metrics(params, data)
    figures = experiment.figures(params, data)
    identity = Identity.of(params, data, experiment.code_hash())
    store = Store(_root())
    with _one_line(store.uri):
        store.connect()
        parent = store.parent(identity)
        store.log_metrics(parent, metrics)
        for name, points in curves.items():
            store.complete_child(parent, name, points, experiment.stage_parameters(params, name))
        store.log_dataset(parent, params.fetch.dataset, identity.data)
        for name, path in figures:
            store.client.log_artifact(parent.info.run_id, str(path), f"figures/{name}")
        for name in MODELS:
            if (data / name / "model.json").exists():
                store.log_model(parent, name, data)
        store.finish(parent)
    counts = {"n_children": len(curves), "n_figures": len(figures), "n_metrics": len(metrics)}
    counts["n_parameters"] = len(experiment.parameters(params))
    content = {"experiment": params.track.experiment, "key": identity.key, **counts}
    files.write_json(out / "track.json", content)


class Store:
    """The MLflow store, and the few things that are done with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "mlflow.db"
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"

    def connect(self) -> None:
        """Make the client, and MLflow's database where there is none."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if self.uri == f"sqlite:///{self.database}" and not self.database.exists():
            with self._alone():
                self._create_database()
        self.client: MlflowClient = MlflowClient(tracking_uri=self.uri)

    def _create_database(self) -> None:
        """Create the tables under another name: a process killed half-way must not leave half a database."""
        from mlflow import MlflowClient

        if not self.database.exists():
            new = self.database.with_suffix(".db.new")
            new.unlink(missing_ok=True)
            MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
            new.rename(self.database)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other stage look for a run and create it at the same time."""
        with self.database.with_suffix(".db.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def parent(self, identity: Identity) -> Run:
        """Find the experiment's run by its key, or create it with its parameters and git tags."""
        params = identity.params
        with self._alone():
            home = self._experiment_id(params.track.experiment)
            run = self._find(home, f"tags.experiment_key = '{identity.key}'")
            if run is None:
                tags = {"experiment_key": identity.key, **experiment.git_tags(Path.cwd())}
                run = self.client.create_run(home, run_name=identity.title, tags=tags)
        return self._log_parameters(run, experiment.parameters(params))

    def child(self, parent: Run, name: str, parameters: Mapping[str, str]) -> Run:
        """Find the run of one stage below the experiment's, or create it."""
        tags = {"mlflow.parentRunId": parent.info.run_id, "stage": name}
        with self._alone():
            run = self._find(parent.info.experiment_id, " and ".join(f"tags.`{t}` = '{v}'" for t, v in tags.items()))
            if run is None:
                run = self.client.create_run(parent.info.experiment_id, run_name=name, tags=tags)
        return self._log_parameters(run, parameters)

    def complete_child(self, parent: Run, name: str, points: list[Point], parameters: Mapping[str, str]) -> None:
        """Add the points of a stage's curves that were not logged live; start afresh where others were."""
        run = self.child(parent, name, parameters)
        final = {(p.name, p.epoch): p.value for p in points}
        logged = self.logged(run)
        if any(final.get(place) != value for place, value in logged):
            self.client.delete_run(run.info.run_id)
            run, logged = self.child(parent, name, parameters), set()
        places = {place for place, _ in logged}
        now = int(time.time() * 1000)
        self.log_points(run, [(p, now) for p in points if (p.name, p.epoch) not in places])

    def logged(self, run: Run) -> set[tuple[tuple[str, int], float]]:
        """Return ((name, epoch), value) of every point of a run's curves."""
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        return {((m.key, m.step), m.value) for history in histories for m in history}

    def log_points(self, run: Run, points: Iterable[tuple[Point, int]]) -> None:
        """Log (point, milliseconds since 1970), in requests as large as MLflow takes."""
        from mlflow.entities import Metric

        metrics = [Metric(p.name, p.value, at, p.epoch) for p, at in points]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])

    def log_metrics(self, run: Run, metrics: Mapping[str, float]) -> None:
        """Log the final metrics that the run does not have yet, or has with another value."""
        now = int(time.time() * 1000)
        new = {name: value for name, value in metrics.items() if run.data.metrics.get(name) != value}
        self.log_points(run, [(Point(name, 0, value), now) for name, value in new.items()])

    def log_dataset(self, run: Run, name: str, digest: str) -> None:
        """Name the data that the run was made from, by the hash that DVC gives them."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import Dataset, DatasetInput

        if run.inputs and any(known.dataset.digest == digest for known in run.inputs.dataset_inputs):
            return
        data = MetaDataset(CodeDatasetSource({"dvc": "data/prepare"}), name=name, digest=digest)  # type: ignore[abstract]
        dataset = DatasetInput(Dataset.from_dictionary(data.to_dict()))  # type: ignore[arg-type]
        self.client.log_inputs(run.info.run_id, [dataset])

    def log_model(self, run: Run, name: str, data: Path) -> None:
        """Log the model of a stage once, with the package that it needs, its signature and five rows to try it on."""
        known = self.client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
        if any(model.name == name and model.status == "READY" for model in known):
            return
        import mlflow.tensorflow

        from tasks import models  # with TensorFlow, which the process that mirrors curves does not need

        rows = files.read_rows(data / "prepare", "valid")[:5]
        model = models.read(data / name)
        quiet = redirect_stdout(io.StringIO())  # MLflow tries the five rows, and Keras draws progress bars for them
        with quiet, self._fluent(), mlflow.start_run(run_id=run.info.run_id):
            mlflow.tensorflow.log_model(
                model,
                name=name,
                signature=mlflow.models.infer_signature(rows, model(rows).numpy()),
                input_example=rows,
                pip_requirements=[f"{package}=={version(package)}" for package in ("keras", "numpy", "tensorflow")],
                code_paths=[str(experiment.REPOSITORY / "autoencoders")],
            )

    @contextmanager
    def _fluent(self) -> Iterator[None]:
        """Point MLflow's module-level functions, which alone log models, to this store for a while."""
        import mlflow

        before = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None gives the default back

    def begin(self, parent: Run, run: Run, pid: int) -> None:
        """Mark both as running, and by whom."""
        for tag, value in {"host": socket.gethostname(), "pid": str(pid)}.items():
            self.client.set_tag(run.info.run_id, tag, value)
        for one in (parent, run):
            self.client.update_run(one.info.run_id, "RUNNING")

    def end(self, parent: Run, run: Run, status: str) -> None:
        """End one stage's run; the experiment's fails with it, or waits for the next stage."""
        self.client.set_terminated(run.info.run_id, status)
        if status != "FINISHED":
            self.client.set_terminated(parent.info.run_id, status)
        elif self.client.get_run(parent.info.run_id).info.status == "RUNNING":
            self.client.update_run(parent.info.run_id, "SCHEDULED")

    def finish(self, parent: Run) -> None:
        """End the experiment's run and its stages' well: at this point all stages have."""
        below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
        children = self.client.search_runs([parent.info.experiment_id], below)
        for run in (*children, self.client.get_run(parent.info.run_id)):
            if run.info.status != "FINISHED":
                self.client.set_terminated(run.info.run_id, "FINISHED")

    def end_orphans(self, experiment_id: str) -> None:
        """End as KILLED the runs that dead processes of this machine have left running, and their parents."""
        for run in self.client.search_runs(
            [experiment_id], f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
        ):
            if not live.is_alive(int(run.data.tags["pid"])):
                for run_id in (run.info.run_id, run.data.tags["mlflow.parentRunId"]):
                    self.client.set_terminated(run_id, "KILLED")

    def _experiment_id(self, name: str) -> str:
        known = self.client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        # A server says where its artifacts go; a database would have them under the present working directory.
        elsewhere = self.uri.startswith(("http", "databricks"))
        home = None if elsewhere else (self.root / "mlartifacts").as_uri()
        # The UI then opens on runs and curves, and not on traces of language models.
        return self.client.create_experiment(name, home, tags={"mlflow.experimentKind": "custom_model_development"})

    def _find(self, experiment_id: str, condition: str) -> Run | None:
        first = ["attributes.start_time ASC"]
        found = self.client.search_runs([experiment_id], condition, order_by=first, max_results=1)
        return found[0] if found else None

    def _log_parameters(self, run: Run, parameters: Mapping[str, str]) -> Run:
        from mlflow.entities import Param

        new = [Param(name, value) for name, value in parameters.items() if name not in run.data.params]
        for start in range(0, len(new), 100):
            self.client.log_batch(run.info.run_id, params=new[start : start + 100])
        return run


@contextmanager
def _one_line(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into one line for a person."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise ConnectionError(
            f"expected an MLflow store at {_without_password(uri)}, received: {_reason(error)}; "
            "all results are in data/, `dvc repro track` logs them later"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of a message; of those about a connection, which nest several, the innermost."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    return line.rsplit(": ", 1)[-1].rstrip("\")'") if "Caused by" in line else line[:200]


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _root() -> Path:
    """Return the repository; `dvc exp run --temp` works in a copy that is thrown away, and names the real one."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def watch(name: str) -> live.Live:
    """Return what shows stage `name` in MLflow while it trains; nothing is started before the first epoch."""
    # What identifies the experiment is read now: params.yaml and the code may be edited while the stage trains.
    params = config.load()
    return live.Live({"stage": name, "params": params.model_dump(), "code": experiment.code_hash(), "pid": os.getpid()})


def mirror() -> None:
    """Log what the training process tells, in a process of its own; where that fails, say so in one line."""
    store = Store(_root())
    try:
        follow(live.messages(), store, connected=live.say_connected)
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs the live view and nothing else
        reason = f"MLflow at {_without_password(store.uri)} does not show this stage live: {_reason(error)}"
        print(f"warning: {reason}; stage track logs it later", file=sys.stderr, flush=True)
    os._exit(0)  # the thread that reads may be waiting for a line, which an orderly end does not survive


def follow(batches: Iterator[list[live.Message]], store: Store, connected: Callable[[], None]) -> None:
    """Log one stage's epochs as they come; end its run as the last message says, as KILLED where none does."""
    header, *rest = next(batches)
    name, params = header["stage"], Params.model_validate(header["params"])
    store.connect()
    parent = store.parent(Identity.of(params, stage.DATA, header["code"]))
    store.end_orphans(parent.info.experiment_id)
    run = store.child(parent, name, experiment.stage_parameters(params, name))
    store.begin(parent, run, header["pid"])
    connected()
    known, status = {place for place, _ in store.logged(run)}, "KILLED"
    for batch in itertools.chain([rest], batches):
        status = next((message["status"] for message in batch if "status" in message), status)
        points = [(Point(n, m["epoch"], v), m["at"]) for m in batch if "epoch" in m for n, v in m["values"].items()]
        store.log_points(run, [(p, at) for p, at in points if (p.name, p.epoch) not in known])
    store.end(parent, run, status)


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
