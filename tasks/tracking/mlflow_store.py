"""The MLflow store: find runs by their tags, and log to them without duplicates.

MLflow is imported at the first use of a store, so that this module imports fast.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.frame import experiment
from tasks.frame.experiment import Identity, Point
from tasks.tracking import claims, database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Logged = set[tuple[tuple[str, int], float]]  # ((name, step), value)
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by MLflow's default, each call to a dead server takes four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


class Store:
    """The MLflow store and the operations that the stages need."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "mlflow.db"
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"

    def connect(self) -> None:
        """Create the client, and MLflow's database if it does not exist."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if self.uri == f"sqlite:///{self.database}" and not self.database.exists():
            with self._alone():
                self._create_database()
        if self.uri == f"sqlite:///{self.database}":
            with self._alone():
                database.relocate(self.database)
        self.client: MlflowClient = MlflowClient(tracking_uri=self.uri)

    def _create_database(self) -> None:
        """Create the database under another name and rename it, so that a killed process leaves no unfinished one."""
        from mlflow import MlflowClient

        if not self.database.exists():
            new = self.database.with_suffix(".db.new")
            new.unlink(missing_ok=True)
            MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
            new.rename(self.database)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the store, so that two stages do not look for the same run and both create it."""
        with self.database.with_suffix(".db.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def parent(self, identity: Identity) -> Run:
        """Find the experiment's run by its key, or create it with its parameters and git tags."""
        params = identity.params
        with self._alone():
            home = self.experiment_id(params.track.experiment)
            key, git = {"experiment_key": identity.key}, experiment.git_tags(Path.cwd())
            run = claims.only(self.client, home, identity.title, key, git)
        return self._log_parameters(run, experiment.parameters(params))

    def child(
        self, parent: Run, name: str, parameters: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> Run:
        """Find the experiment's child run with these tags (by default, the stage's name), or create it."""
        tags = {"mlflow.parentRunId": parent.info.run_id, **(tags or {"stage": name})}
        with self._alone():
            run = claims.only(self.client, parent.info.experiment_id, name, tags)
        return self._log_parameters(run, parameters)

    def complete_child(
        self,
        parent: Run,
        name: str,
        points: list[Point],
        parameters: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log the points that a child run's curves lack; replace the run if its values differ."""
        run = self.child(parent, name, parameters, tags)
        final = {(p.name, p.epoch): p.value for p in points}
        logged = self.logged(run)
        if any(final.get(place) != value for place, value in logged):
            self.client.delete_run(run.info.run_id)
            run, logged = self.child(parent, name, parameters, tags), set()
        self.log_missing(run, points, logged)

    def log_missing(self, run: Run, points: Iterable[Point], logged: Logged | None = None) -> None:
        """Log the points that a run's curves lack; `logged` are those that it is known to have."""
        places = {place for place, _ in (self.logged(run) if logged is None else logged)}
        self.log_points(run, [p for p in points if (p.name, p.epoch) not in places])

    def logged(self, run: Run) -> Logged:
        """Return every point of a run's curves as ((name, epoch), value)."""
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        return {((m.key, m.step), m.value) for history in histories for m in history}

    def log_points(self, run: Run, points: Iterable[Point]) -> None:
        """Log points of curves, in requests of MLflow's largest size.

        Their time is that of the run's start: MLflow keeps two points with equal times and values once, so that two
        processes may log the same points.
        """
        from mlflow.entities import Metric

        metrics = [Metric(p.name, p.value, run.info.start_time, p.epoch) for p in points]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])

    def log_metrics(self, run: Run, metrics: Mapping[str, float]) -> None:
        """Log the final metrics that the run lacks or has with another value."""
        new = {name: value for name, value in metrics.items() if run.data.metrics.get(name) != value}
        self.log_points(run, [Point(name, 0, value) for name, value in new.items()])

    def log_dataset(self, run: Run, name: str, digest: str) -> None:
        """Log the name of the run's data set and its DVC hash."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import Dataset, DatasetInput

        if run.inputs and any(known.dataset.digest == digest for known in run.inputs.dataset_inputs):
            return
        data = MetaDataset(CodeDatasetSource({"dvc": "data/prepare"}), name=name, digest=digest)  # type: ignore[abstract]
        dataset = DatasetInput(Dataset.from_dictionary(data.to_dict()))  # type: ignore[arg-type]
        self.client.log_inputs(run.info.run_id, [dataset])

    def finish(self, parent: Run, names: Collection[str], parts: Sequence[str]) -> None:
        """End the experiment's run and its child runs, and tag it with the stages that have finished logging.

        Args:
            parent: The experiment's run.
            names: Names of the child runs.
            parts: Names of the stages that have finished logging.
        """
        below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
        children = self.client.search_runs([parent.info.experiment_id], below)
        for run in (*(child for child in children if child.info.run_name in names), parent):
            if run.info.status != "FINISHED":
                self.client.set_terminated(run.info.run_id, "FINISHED")
        self.tag(parent, {f"logged.{part}": "yes" for part in parts})

    def tag(self, run: Run, tags: Mapping[str, str]) -> None:
        """Set tags of a run, in a request that MLflow repeats if another process sets them at the same time."""
        from mlflow.entities import RunTag

        self.client.log_batch(run.info.run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def experiment_id(self, name: str) -> str:
        """Return the ID of an experiment; create it if the store does not have it."""
        from mlflow.exceptions import MlflowException

        if known := self.client.get_experiment_by_name(name):
            return str(known.experiment_id)
        # A server chooses the place of its artifacts; for a database, MLflow would take the working directory.
        elsewhere = self.uri.startswith(("http", "databricks"))
        home = None if elsewhere else (self.root / database.ARTIFACTS).as_uri()
        # With this tag the UI opens on runs and curves instead of traces of language models.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        try:
            return self.client.create_experiment(name, home, tags=tags)
        except MlflowException:  # another process may have created it just now
            if (known := self.client.get_experiment_by_name(name)) is None:
                raise
            return str(known.experiment_id)

    def _log_parameters(self, run: Run, parameters: Mapping[str, str]) -> Run:
        """Log the parameters that a run lacks; another process may log the same ones."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        new = [Param(name, value) for name, value in parameters.items() if name not in run.data.params]
        try:
            for start in range(0, len(new), 100):
                self.client.log_batch(run.info.run_id, params=new[start : start + 100])
        except MlflowException:  # MLflow inserts a batch as a whole, and fails if one of them is there by now
            now = self.client.get_run(run.info.run_id)
            if len(now.data.params) == len(run.data.params):
                raise
            return self._log_parameters(now, parameters)
        return run


@contextmanager
def one_line(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into a ConnectionError of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise ConnectionError(
            f"expected an MLflow store at {without_password(uri)}, received: {why(error)}; "
            "all results are in data/, `dvc repro track` logs them later"
        ) from error


def why(error: BaseException) -> str:
    """Return an error's first line; connection errors nest several messages, of which the innermost is returned."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    return line.rsplit(": ", 1)[-1].rstrip("\")'") if "Caused by" in line else line[:200]


def without_password(uri: str) -> str:
    """Return a store's address without user and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
