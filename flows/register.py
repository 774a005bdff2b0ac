"""`make register`: freeze a study's question and settings in registered.yaml, before any test score of it exists."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from ruamel.yaml import YAML

from flows import experiments, plan, traces
from tasks.frame import stage
from tasks.frame.errors import UsageError
from tasks.reporting import registration
from tasks.reporting.registration import NAME


def register(name: str = "", hypothesis: str = "") -> None:
    """Add a study's registration, or say that it is there.

    Args:
        name: An experiment of experiments/; empty for the one in params.yaml.
        hypothesis: A sentence of one's own; empty for the verdict's.

    Raises:
        UsageError: A test score of these data at the headline budget exists; or a registration of other content does.
    """
    params = plan.prepared(name)
    name = name or experiments.current()
    known, now = registration.read(), registration.of(params, stage.DATA / "prepare")
    now |= {"hypothesis": hypothesis} if hypothesis else {}
    if name in known:
        _refuse_other(name, known[name], now, hypothesis)
        print(f"{name} is registered since {known[name]['written']}, unchanged. {_committed(name)}")
        return
    if (other := registration.find(known, now)) and registration.headline(known[other]) == registration.headline(now):
        budget = f"{registration.headline(now):,} labels"
        raise UsageError(
            f"{NAME}: expected no registration of these data with {budget}, there is {other}; {_anew(other)}"
        )
    if trace := next(traces.find(params), ""):
        budget = f"{params.label_curve.headline:,} labels"
        raise UsageError(
            f"a registration comes before the first test score with {budget}, and {trace}; register another budget or"
            " other data"
        )
    _add({name: {"written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), **now}})
    print(
        f"Registered {name} in {NAME}. {_committed(name)} No test score of these data with"
        f" {params.label_curve.headline:,} labels is in .cells, dvc.lock, DVC's cache, git's history, the recorded"
        " experiments or docs/results; one that was deleted, or made in another clone, cannot be known."
    )


def warn(name: str) -> None:
    """Print a warning if an experiment's registration is not committed."""
    if name in registration.read() and _is_changed():
        print(f"warning: {_committed(name)}", file=sys.stderr, flush=True)


def _refuse_other(name: str, there: Any, now: Any, hypothesis: str) -> None:
    """Raise UsageError if a registration has other content."""
    rows = registration.changed(there, now)
    if hypothesis and there["hypothesis"] != hypothesis:
        rows = [{"name": "hypothesis", "registered": there["hypothesis"], "now": hypothesis}, *rows]
    if rows:
        first = f"{rows[0]['name']} is registered as {rows[0]['registered']}, now {rows[0]['now']}"
        more = f" ({len(rows) - 1} more)" if rows[1:] else ""
        raise UsageError(f"{NAME}: {name}: {first}{more}; {_anew(name)}")


def _anew(name: str) -> str:
    return f"to register anew, delete {name} from {NAME} and commit that: git's history then shows both"


def _add(entries: dict[str, Any]) -> None:
    """Append registrations to the file, whole or not at all; its comments stay."""
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output, yaml.width = None, False, 110  # type: ignore[assignment]
    yaml.dump(entries, text)
    lines = [
        registration.FILE.read_text(encoding="utf-8").rstrip(),
        *(line.rstrip() for line in text.getvalue().splitlines()),
    ]
    new = registration.FILE.with_name(f".{NAME}.{os.getpid()}")
    new.write_text("\n".join(lines) + "\n", encoding="utf-8")
    new.replace(registration.FILE)


def _committed(name: str) -> str:
    """Return a sentence on the commit that registered a study."""
    if _is_changed():
        how = f"`git add {NAME} && git commit -m 'Register {name}'` before the study runs: its date is the evidence"
        return f"{NAME} is not committed: {how}."
    found = _git("log", "-1", "--format=%h of %cI", f"-S\n{name}:\n", "--", NAME)
    return f"Commit {found}." if found else "Git does not know the commit."


def _is_changed() -> bool:
    return bool(_git("status", "--porcelain", "--", NAME))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
