"""Parts of a paper from the stages' files: tables, a methods paragraph, vector figures, the citation.

No file holds a date, so that the same results give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from autoencoders import sentences
from autoencoders.arms import CURVE_ARMS, FROM_SCRATCH, slug
from autoencoders.arms import CURVE_PRETRAININGS as PRETRAININGS
from tasks.frame import code, experiment, files
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting import latex, wording
from tasks.reporting.catalogue import Figures
from tasks.reporting.latex import ends, escape, number, signed
from tasks.reporting.study import Study, records, streams

INPUT = "% \\input this file; needs \\usepackage{booktabs,graphicx,longtable}. Written by `make repro`.\n"


def write_study(params: Params, data: Place, out: Path, study: Study, figures: Figures) -> None:
    """Write the study's tables, a methods paragraph, the citation and vector figures into the new folder `out`."""
    tables = {"verdict": verdict(study), "label-curve": label_curve(study), "differences": differences(study)}
    _write(out, tables, figures)
    (out / "methods.tex").write_text(methods(params, data, study), encoding="utf-8")
    (out / "citation.bib").write_text(citation(), encoding="utf-8")


def write_book(params: Params, data: Place, out: Path, fidelity: list[dict[str, Any]], figures: Figures) -> None:
    """Write the book's tables and vector figures into the new folder `out`; `fidelity` holds the printed numbers."""
    tables = {"few-labels": few_labels(params, data), "tying": tying(params, data)}
    tables |= {"fidelity": printed(params, fidelity)} if fidelity else {}
    _write(out, tables, figures)


def _write(out: Path, tables: dict[str, str], figures: Figures) -> None:
    out.mkdir()
    for name, text in tables.items():
        (out / f"{name}.tex").write_text(INPUT + text, encoding="utf-8")
    for name, draw in figures.items():
        draw(out / f"{name}.pdf")


def verdict(study: Study) -> str:
    """Return the verdict's table, a row per budget, with the outcomes and intervals of the study's sentence."""
    rows = []
    for row in wording.clauses(study.verdict):
        told = [
            f"{row[name]['outcome']}, {row[name]['points']} ({row[name]['interval']})"
            for name in ("scratch", "without")
        ]
        cells = [row["use"] or "--", row["with_encoder"], told[0], told[1], row["without"]["against"]]
        rows.append(
            [number(row["n_labels"], 0), *map(escape, cells if row["learnt"] else ["nothing learnt", *["--"] * 4])]
        )
    names = (
        "labels",
        "method to use",
        "best with the encoder",
        "over from scratch",
        "over the best without",
        "which is",
    )
    caption = (
        "The best use of the encoder over the same network from scratch and over the best method without it, in points "
        f"of {study.measure} with 95\\,\\% intervals, {study.n_runs} runs; best by cross-validation on a run's labels. "
        f"{_fairness(study)}"
    )
    return latex.table([dict(zip(names, row, strict=True)) for row in rows], name="verdict", caption=caption)


def label_curve(study: Study) -> str:
    """Return the table of test scores by arm and budget, with half the width of their intervals."""
    rows, name = [], slug(study.metric)
    for arm in study.arms:
        cells = dict.fromkeys(study.budgets, "--")
        for row in records(study.history[study.history.arm == arm]):
            half = 100 * (row[f"{name}_high"] - row[f"{name}_low"]) / 2
            cells[row["n_labels"]] = f"{number(100 * row[name], 1)} $\\pm$ {number(half, 1)}"
        rows.append({"arm": escape(arm), **{f"{n:,} labels": text for n, text in cells.items()}})
    caption = (
        f"{sentences.capital(study.measure)} in per cent, mean of {study.n_runs} runs $\\pm$ half the width of its "
        f"95\\,\\% interval over {'runs and test rows' if study.on_rows else 'runs'}. {_fairness(study)}"
    )
    return latex.table(rows, name="label-curve", caption=caption)


def differences(study: Study) -> str:
    """Return the table of paired differences from training from scratch, with interval, p, and p after Holm."""
    rows = []
    for arm in study.arms:
        for row in study.rows(arm, FROM_SCRATCH):
            rows.append(
                {
                    "arm": escape(arm),
                    "labels": number(row["n_labels"], 0),
                    "difference": signed(100 * row["mean"], row["places"]),
                    "95 % CI": ends(100 * row["low"], 100 * row["high"], row["places"]),
                    "p": f"{row['p']:.3f}",
                    "p (max-t)": f"{row['p_max_t']:.3f}",
                    "p (Holm)": f"{row['p_holm']:.3f}",
                    "n": str(row["n"]),
                    "": "" if sentences.distinguishable(row) else "n.d.",
                }
            )
    caption = (
        f"Points of {study.measure} above training from scratch, paired by run; exact sign-flip $p$, adjusted within "
        "its family by Westfall and Young's max-$t$ and by Holm's method. "
        f"n.d.: not distinguishable, the interval contains zero. {_fairness(study)}"
    )
    return latex.table(rows, name="differences", caption=caption, long=True)


def few_labels(params: Params, data: Place) -> str:
    """Return the table of stage `finetune`, every arm at its one budget."""
    folder, f = data / "finetune", params.finetune
    comparisons = files.read_table(folder / "comparisons.csv")
    against = {row["arm"]: row for row in records(comparisons[comparisons.against == FROM_SCRATCH])}
    table = files.read_table(folder / "scores.csv")
    scores = table.groupby("arm").accuracy.agg(["mean", "std"]).sort_values("mean", ascending=False)
    rows = []
    for arm, mean, sd in scores.itertuples():
        line = {"arm": escape(arm), "accuracy, %": number(100 * mean, 1), "sd": number(100 * sd, 1)}
        row = against.get(arm)
        digits = sentences.places(row, 100, 1) if row else 0
        line["difference"] = signed(100 * row["mean"], digits) if row else "--"
        line["95 % CI"] = ends(100 * row["low"], 100 * row["high"], digits) if row else "--"
        line["p (Holm)"] = f"{row['p_holm']:.3f}" if row else "--"
        rows.append(line)
    equal = f"{number(f.n_steps, 0)} gradient steps for every arm"
    steps = equal if table.n_steps.nunique() == 1 else "\\textbf{unequal numbers of gradient steps}"
    caption = (
        f"Test accuracy with {number(f.n_labels, 0)} labels, {f.n_runs} runs, {steps}; differences from training "
        "from scratch in points, paired by run; exact $p$ after Holm."
    )
    return latex.table(rows, name="few-labels", caption=caption)


def tying(params: Params, data: Place) -> str:
    """Return the table of tied and untied weights, with their difference in the caption."""
    m = files.read_json(data / "tying" / "metrics.json")
    rows = [
        {"weights": arm, "parameters": number(m[f"{arm}_n_parameters"], 0),
         "validation loss": number(m[f"{arm}_val_loss"], 4), "sd": number(m[f"{arm}_val_loss_sd"], 4)}
        for arm in ("tied", "untied")
    ]  # fmt: skip
    caption = (
        f"Validation loss after {params.tying.epochs} epochs, {m['difference_n']} runs each. Tied minus untied: "
        f"{signed(m['difference_mean'], 4)}, 95\\,\\% interval {ends(m['difference_low'], m['difference_high'], 4)}, "
        f"exact $p$ = {m['difference_p']:.3f}."
    )
    return latex.table(rows, name="tying", caption=caption)


def printed(params: Params, fidelity: list[dict[str, Any]]) -> str:
    """Return the table of printed numbers and ours."""
    rows = []
    for row in fidelity:
        digits = 0 if row["printed"] >= 1 and row["printed"] == int(row["printed"]) else 4
        there = row["ours"] is not None
        rows.append(
            {
                "system": escape(row["system"]),
                "printed": number(row["printed"], digits),
                "ours": number(row["ours"], digits) if there else "--",
                "difference": signed(row["difference"], digits) if there else "--",
                "tolerance": number(row["within"], digits),
                "verdict": escape(row["verdict"]),
            }
        )
    caption = f"Figures printed in {escape(params.report.source)}, and ours; tolerances are ours."
    return latex.table(rows, name="fidelity", caption=caption, long=True)


def methods(params: Params, data: Place, study: Study) -> str:
    """Return the paragraph on methods, filled in from the parameters."""
    environment = Environment(
        loader=FileSystemLoader(code.ROOT / code.TEMPLATES),
        finalize=escape,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("paper.methods.tex.j2").render(
        c=params.label_curve,
        net=params.label_curve.network,
        learners=_learners(params),
        images=files.read_json(data / "prepare" / "manifest.json")["image_shape"] is not None,
        m=files.read_json(data / "prepare" / "metrics.json"),
        dataset=files.read_json(data / "prepare" / "manifest.json")["dataset"],
        greedy=any(PRETRAININGS[name].networks == "phases" for name in params.label_curve.pretrainings),
        budgets=[f"{n:,}" for n in study.budgets],
        n_proofs=len(study.proofs),
        tuning=study.tuning,
        metric=study.metric,
        on_rows=study.on_rows,
        width=sentences.width(params.label_curve.margin),
        **{name: [it.replace("{things}", "rows") for it in items] for name, items in streams(params).items()},
    )


def _learners(params: Params) -> dict[str, dict[str, float]]:
    """Return the settings of the learners whose arms are in the study."""
    c = params.label_curve
    used = {getattr(CURVE_ARMS[arm], "learner", None) for arm in c.arms}
    return {name.replace("_", " "): own for name, own in c.learners.items() if name in used}


def citation() -> str:
    """Return CITATION.cff as BibTeX: the software and its references."""
    cff = YAML(typ="safe").load((experiment.REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    note = f"Code SHA-256 {code.digest(code.computing())[:12]}"
    entries = [_entry("misc", "autoencoder-pretraining", cff, {"note": note})]
    for k, reference in enumerate(cff.get("references", [])):
        more = {name: str(reference[name]) for name in ("edition", "year") if name in reference}
        more |= {"publisher": reference["publisher"]["name"]} if "publisher" in reference else {}
        entries.append(_entry(reference["type"], f"reference-{k + 1}", reference, more))
    return "\n".join(entries)


def _entry(kind: str, key: str, content: dict[str, Any], more: dict[str, str]) -> str:
    people = [p.get("name") or f"{p['family-names']}, {p['given-names']}" for p in content["authors"]]
    author = " and ".join(f"{{{escape(name)}}}" if "," not in name else escape(name) for name in people)
    fields = {"author": author, "title": f"{{{escape(content['title'])}}}", **{n: escape(v) for n, v in more.items()}}
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}\n"


def _fairness(study: Study) -> str:
    """Return the sentences that every table's caption needs: unequal arms, failed cells, tuning."""
    missing = len(study.missing())
    failed = f" {missing} cells failed and are left out." if missing else ""
    failed += f" {escape(study.tuning)}"
    if study.equal:
        return f"All arms tried the same number of configurations; all untuned networks took the same steps.{failed}"
    return f"\\textbf{{Unequal arms:}} configurations, gradient steps or labels differ; see the ledger.{failed}"
