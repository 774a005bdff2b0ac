"""`make readme ARGS=NAME`: write docs/results/NAME.md, what a paper found beside what its experiment found here.

Run it after `make experiment NAME=...`: the paper's part is text in the experiment's section `report`, ours comes from
the metrics that the stages wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script in docs/ finds docs/ there, not the repository

from tasks.frame import config, experiment  # noqa: E402
from tasks.frame.sections import Claim, Params  # noqa: E402
from tasks.reporting import claims, study, wording  # noqa: E402


def page(params: Params, metrics: dict[str, float], name: str) -> str:
    """Return the page: a row for every claim, and below the table why ours may differ."""
    lines = [
        f"# {params.report.title}",
        f"\n{params.report.source}.\n",
        f"`make experiment NAME={name}`, then `make readme ARGS={name}` wrote this page.\n",
        "| question | the paper found | ours | confirmed? |",
        "|---|---|---|---|",
    ]
    rows = claims.table(params.report.claims, metrics)
    if missing := [row["missing"] for row in rows if row["missing"]]:
        raise SystemExit(f"error: report.claims: no stage wrote the metric {', '.join(missing)}")
    for row in rows:
        answer = "yes" if row["holds"] else "not seen"
        lines.append(f"| {row['question']} | {row['paper']} | {row['ours']} | {answer} |")
    lines += [f"\n*{row['question']}* {row['note']}" for row in rows]
    if any("label_curve." in claim.holds for claim in params.report.claims):
        c = params.label_curve
        varies = "; ".join(study.streams(params)["varies"]).replace("{things}", "rows")
        rows = "runs, each with test rows of its own" if "split" in c.vary else "runs and test rows"
        lines.append(f"\nIntervals of differences are over {rows}. In the {c.n_runs} runs vary: {varies}.")
        lines.append(f"\n{wording.tuning(c.tuning.n_configurations)}")
    return "\n".join(lines) + "\n"


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
