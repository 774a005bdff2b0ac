"""`make readme ARGS=NAME`: write docs/results/NAME.md, what a paper found beside what its experiment found here.

Run it after `make experiment NAME=...`: the paper's part is text in the experiment's section `report`, ours comes from
the metrics that the stages wrote.
"""

from __future__ import annotations

import operator
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script in docs/ finds docs/ there, not the repository

from tasks import config, experiment  # noqa: E402
from tasks.sections import Claim, Params  # noqa: E402
from tasks.wording import number, signed  # noqa: E402

SIGNS = {"<": operator.lt, ">": operator.gt}
NUMBER = re.compile(r"\{([\w.]+):(\.\d[fp])\}")  # p: in points, hundredths, with their sign


def page(params: Params, metrics: dict[str, float], name: str) -> str:
    """Return the page: a row for every claim, and below the table why ours may differ."""
    lines = [
        f"# {params.report.title}",
        f"\n{params.report.source}.\n",
        f"`make experiment NAME={name}`, then `make readme ARGS={name}` wrote this page.\n",
        "| question | the paper found | we find | here too? |",
        "|---|---|---|---|",
    ]
    claims = params.report.claims
    for claim in claims:
        answer = "yes" if holds(claim.holds, metrics) else "not seen"
        lines.append(f"| {claim.question} | {claim.paper} | {filled(claim.ours, metrics)} | {answer} |")
    lines += [f"\n*{claim.question}* {claim.note}" for claim in claims]
    if any("label_curve." in claim.holds for claim in claims):
        c = params.label_curve
        lines.append(f"\nIntervals are over {c.n_seeds} runs, in which vary: {', '.join(c.vary)}; one test set.")
    return "\n".join(lines) + "\n"


def filled(text: str, metrics: dict[str, float]) -> str:
    """Return a sentence with each {stage.metric:.2f} or {stage.metric:.2p} filled in.

    Raises:
        ValueError: There is no such metric; it is named.
    """
    return NUMBER.sub(lambda found: _written(_value(found[1], metrics), found[2]), text)


def _written(value: float, form: str) -> str:
    places = int(form[1])
    return signed(100 * value, places) if form.endswith("p") else number(value, places)


def holds(statement: str, metrics: dict[str, float]) -> bool:
    """Return whether statements such as `a < b and b > 0.5`, of metrics and numbers, are all true."""
    return all(_is_true(part.split(), metrics) for part in statement.split(" and "))


def _is_true(parts: list[str], metrics: dict[str, float]) -> bool:
    if len(parts) != 3 or parts[1] not in SIGNS:
        received = " ".join(parts)
        raise ValueError(f"report.claims: expected `metric < number` or `metric > metric`, received {received!r}")
    a, b = (_value(part, metrics) for part in (parts[0], parts[2]))
    return bool(SIGNS[parts[1]](a, b))


def _value(text: str, metrics: dict[str, float]) -> float:
    try:
        return metrics[text] if text in metrics else float(text)
    except ValueError:
        raise ValueError(f"report.claims: no stage wrote the metric {text}") from None


def claims_of(name: str) -> list[Claim]:
    """Return an experiment's claims; none where it makes none."""
    section = config.read(ROOT / "experiments" / f"{name}.yaml").get("report", {})
    return [Claim(**claim) for claim in section.get("claims", [])]


def main(name: str) -> None:
    """Write the page of the experiment that params.yaml and data/, in the working directory, are of.

    Raises:
        SystemExit: They are of another one.
    """
    known = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml") if claims_of(path.stem))
    if name not in known:
        raise SystemExit(f"error: no claims of a paper in experiments/{name}.yaml; there are {', '.join(known)}")
    params = config.load(Path(config.PARAMS))
    if params.report.claims != claims_of(name):
        raise SystemExit(f"error: params.yaml is not that of {name}; run `make experiment NAME={name}` first")
    text = page(params, experiment.metrics(params, Path("data")), name)
    (ROOT / "docs" / "results" / f"{name}.md").write_text(text, encoding="utf-8")
