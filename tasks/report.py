"""Stage `report`: one page for people and a paper's parts, from the stages' files.

    python -m tasks.report

Writes data/report: report.html, one file that needs no network; verdict.json and verdict.txt, what the study says in
sentences; every figure as .png; paper, tables and figures for LaTeX; fidelity.csv, the printed figures beside ours;
final.json, the final metrics of all stages, of which git keeps a copy as
metrics.json, so that `dvc metrics diff` needs no cache; and for DVC's plots phases.csv, which holds however many phases
there are, and tying.csv, the means over seeds. Nothing carries a date, path or commit: the same results give the same
bytes.
"""

from __future__ import annotations

import base64
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tasks import (
    charts,
    claims,
    code,
    coding_map,
    drawings,
    experiment,
    fidelity,
    files,
    paper,
    progress,
    stage,
    study,
    wording,
)
from tasks.charts import Point
from tasks.sections import Params
from tasks.view import Place, is_there

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "openTSNE", "pandas", "scipy", "matplotlib")
EMBEDDED = ("few-labels", "tying", "reconstructions", "pca", "losses")
VECTORS = ("label-curve", "few-labels", "tying", "losses")  # drawn for a paper too
FIDELITY = ("system", "metric", "printed", "ours", "sd", "difference", "within", "verdict", "note")


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Look up the printed figures, draw, say what the study found, fill the page."""
    figures_table = fidelity.table(params, data)
    pd.DataFrame(figures_table, columns=FIDELITY).to_csv(out / "fidelity.csv", index=False, lineterminator="\n")
    counts = fidelity.summary(figures_table)
    files.write_json(out / "metrics.json", counts)
    files.write_json(out / "final.json", _final(params, data) | {f"report.{name}": n for name, n in counts.items()})
    curves, found = drawings.histories(params, data), study.read(params, data)
    every = drawings.of_study(found) | drawings.of_book(params, data)
    for name, draw in every.items():
        draw(out / f"{name}.png")
    long = [frame.assign(phase=name) for name, frame in curves.items() if name.startswith("phase ")]
    pd.concat(long)[["phase", "epoch", "loss", "val_loss"]].to_csv(out / "phases.csv", index=False, lineterminator="\n")
    seeds = files.read_table(data / "tying" / "history.csv")
    means = seeds.pivot_table(index="epoch", columns="arm", values="val_loss", aggfunc="mean")
    means.to_csv(out / "tying.csv", lineterminator="\n")
    vectors = {name: every[name] for name in VECTORS}
    paper.write(params, data, out / "paper", found, fidelity=figures_table, drawings=vectors)
    sentences = [found.verdict[name] for name in ("sentence", "planner", "choices") if found.verdict[name]]
    files.write_json(out / "verdict.json", found.verdict)
    (out / "verdict.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    progress.say(" ".join(sentences))
    (out / "report.html").write_text(_page(params, data, out, found, figures_table, counts), encoding="utf-8")


def _page(
    params: Params, data: Place, out: Path, found: study.Study, rows: list[dict[str, Any]], counts: dict[str, int]
) -> str:
    """Return the page, filled with what the stages found."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "number": wording.number, "signed": wording.signed, "tiny": wording.tiny, "evidence": _evidence,
    }  # fmt: skip
    prepare, manifest = (files.read_json(data / "prepare" / f"{name}.json") for name in ("metrics", "manifest"))
    metrics = {name: files.read_json(data / name / "metrics.json") for name in
               ("pca", "pretrain", "tying", "stack", "layerwise", "visualize", "finetune")}  # fmt: skip
    return environment.get_template("report.html.j2").render(
        params=params,
        study=study.page(found, params),
        charts=_charts(found),
        map=coding_map.read(data),
        prepare=prepare,
        manifest=manifest,
        things="images" if manifest["image_shape"] else "rows",
        shape=_shape(prepare["n_features"], params.network.units),
        shape_of_stack=_shape(prepare["n_features"], [phase.units for phase in params.phase.values()]),
        m=metrics,
        phases=_phases(params, data, prepare["n_features"]),
        few=_few_labels(params, data),
        tying_verdict=wording.tying(metrics["tying"]),
        fidelity={
            "rows": rows,
            "verdict": wording.fidelity(counts),
            **counts,
        },
        claims=claims.table(params.report.claims, _metrics(params, data)),
        images={name: _embedded(out / f"{name}.png") for name in EMBEDDED},
        provenance=_provenance(params, data),
    )


def _metrics(params: Params, data: Place) -> dict[str, float]:
    """Return the metrics of the stages that the page is about."""
    return {name: value for name, value in _final(params, data).items() if not name.startswith("prepare.")}


def _final(params: Params, data: Place) -> dict[str, float]:
    """Return the metrics of all stages before this one, of which an earlier run may have left some."""
    return experiment.metrics(params, data)


def _charts(found: study.Study) -> dict[str, Any]:
    """Return the study's two charts, each for a wide and for a narrow page, and the accuracies at their right end."""
    colours, others = charts.palette(found.drawn(), found.compared())
    history = {arm: study.records(rows) for arm, rows in found.history.groupby("arm")}
    means = {arm: [Point(row["n_labels"], *(100 * row[f"accuracy{end}"] for end in ("", "_low", "_high")))
                   for row in history[arm]] for arm in found.drawn()}  # fmt: skip
    pairs = {arm: [Point(row["n_labels"], *(100 * row[end] for end in ("mean", "low", "high")))
                   for row in found.rows(arm, study.SCRATCH)] for arm in found.compared()}  # fmt: skip
    sizes = {"wide": charts.WIDE, "narrow": charts.NARROW}
    last = {arm: line[-1] for arm, line in means.items() if line[-1].n_labels == found.budgets[-1]}
    return {
        "curve": {name: charts.curve(means, size["curve"], colours) for name, size in sizes.items()},
        "differences": {
            name: charts.curve(pairs, size["differences"], others, zero=True) for name, size in sizes.items()
        },
        "last": [f"{arm} {wording.number(p.value, 1)} %" for arm, p in last.items()],
    }


def _evidence(sentence: str) -> Markup:
    """Return a sentence with its brackets, which hold the evidence, set apart."""
    return Markup(re.sub(r"\([^()]*\)", r'<span class="evidence">\g<0></span>', str(escape(sentence))))


def _few_labels(params: Params, data: Place) -> dict[str, Any]:
    """Return the verdict on pretraining, a row per arm (best first), and the proofs."""
    folder = data / "finetune"
    comparisons = study.records(files.read_table(folder / "comparisons.csv"))
    against = {(row["arm"], row["against"]): row | {"places": wording.places(row, 100, 1)} for row in comparisons}
    verdict, others = wording.few_labels(comparisons, params.finetune.n_labels)
    scores = files.read_table(folder / "scores.csv")
    arms = []
    for arm in scores.groupby("arm").accuracy.mean().sort_values(ascending=False).index:
        rows = scores[scores.arm == arm]
        arms.append(
            {
                "name": arm,
                "trains": wording.ARMS.get(arm, ("", ""))[1],
                "mean": rows.accuracy.mean(),
                "sd": rows.accuracy.std(ddof=1),
                "steps": sorted(set(rows.n_steps)),
                "differences": [against.get((arm, base)) for base in ("from scratch", "random frozen")],
            }
        )
    return {
        "verdict": verdict,
        "others": others,
        "main": against[wording.MAIN_ARM, wording.BASE],
        "arms": arms,
        "same_steps": scores.n_steps.nunique() == 1,
        "proofs": files.read_json(folder / "proofs.json"),
    }


def _phases(params: Params, data: Place, n_features: int) -> list[dict[str, Any]]:
    """Return a row per phase: its shape, its recipe, its last losses."""
    widths = [n_features, *(phase.units for phase in params.phase.values())]
    return [
        {
            "number": number,
            "shape": _shape(n_inputs, [phase.units]),
            "recipe": phase,
            "metrics": files.read_json(data / "phase" / number / "metrics.json"),
        }
        for (number, phase), n_inputs in zip(params.phase.items(), widths, strict=False)
    ]


def _embedded(path: Place) -> dict[str, Any]:
    """Return a PNG as a data URL, and its size, which the page needs to keep its place while it loads."""
    content = Path(path).read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))  # of the header, by the standard
    return {"url": f"data:image/png;base64,{base64.b64encode(content).decode()}", "width": width, "height": height}


def _provenance(params: Params, data: Place) -> dict[str, Any]:
    """Return what the results depend on beside the data: parameters, code, versions; and the results' hashes."""
    given = experiment.parameters(params).items()
    folders = experiment.stages(params, data).items()
    return {
        "parameters": {name: value for name, value in given if not name.startswith(("report.figures", "track."))},
        "code": code.digest(code.computing()),
        "results": {name: files.data_hash(folder) for name, folder in folders if is_there(folder)},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _shape(n_inputs: int, units: list[int]) -> str:
    """Return an autoencoder's widths: 784-100-30-100-784."""
    encoder = [n_inputs, *units]
    return "-".join(map(str, [*encoder, *encoder[-2::-1]]))


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
