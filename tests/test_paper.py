"""The paper's parts: every number is the files' number, and no character is a command by accident."""

from __future__ import annotations

import re
import shutil
import subprocess

import made_up
import pandas as pd
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from tasks import book
from tasks.frame import files
from tasks.reporting import catalogue, fidelity, latex, paper, study

ODD = r"A & B_1, 100 % of #2 ~ {x} ^ \y $z <q>"
MEANT = re.compile(r"\\[&%$#_{}]|\\text\w+\{\}|\$(-|\\pm|\\times|t)\$")
SPECIAL = set("\\&%$#_{}~^<>")


def settings(folder, **sections):
    figure = {"system": ODD, "metric": "pretrain.val_loss@1", "printed": 1234.5, "within": 0.003}
    late = {"system": "later", "metric": "pretrain.val_loss@9", "printed": 0.5, "within": 0.003}
    book = tiny.printed(folder, figure, late)
    return made_up.settings(report={"title": "T", "source": ODD, "claims": []}, book=book, **sections)


def write(data, out):
    params = settings(data)
    found, drawn = study.read(params, data), catalogue.of_book(params, data)
    paper.write_study(params, data, out, found, catalogue.of_study(found))
    folder = out.with_name(f"{out.name} of the book")
    paper.write_book(params, data, folder, fidelity.table(params, data), {name: drawn[name] for name in book.VECTORS})
    for path in folder.iterdir():
        path.rename(out / path.name)
    folder.rmdir()
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Results in which pretraining does nothing, so that some differences are detectable and some are not."""
    return made_up.make(tmp_path_factory.mktemp("paper") / "data", low=-0.01, high=0.01)


@pytest.fixture(scope="module")
def out(data):
    return write(data, data / "paper")


def rows(path):
    """Return a table's header and rows, cells as plain text and numbers."""
    text = path.read_text(encoding="utf-8").replace("$-$", "-").replace("$\\pm$", "±")
    body = (
        text.split(r"\endlastfoot")[-1]
        if "longtable}{" in text
        else text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    )
    lines = [line.removesuffix(r"\\").strip() for line in body.splitlines() if line.endswith(r"\\")]
    header = next(line for line in text.splitlines() if " & " in line).removesuffix(r"\\")
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in (header, *lines)]
    return [dict(zip(cells[0], line, strict=True)) for line in cells[1:]]


def value(text):
    return float(text.replace(",", ""))


def ends(text):
    return [value(end) for end in text.strip("[]").split(", ")]


def test_the_label_curves_table_holds_every_mean_and_interval(data, out):
    history = pd.read_csv(data / "label_curve/history.csv").set_index(["arm", "n_labels"])
    table = rows(out / "label-curve.tex")
    assert [row["arm"] for row in table] == list(pd.read_csv(data / "label_curve/ledger.csv").arm)
    for row in table:
        for n in made_up.BUDGETS:
            mean, half = map(value, row[f"{n} labels"].split(" ± "))
            expected = history.loc[(row["arm"], n)]
            assert mean == pytest.approx(100 * expected.accuracy, abs=0.051)
            assert half == pytest.approx(50 * (expected.accuracy_high - expected.accuracy_low), abs=0.051)


def test_the_table_of_differences_holds_every_comparison_and_marks_what_cannot_be_told(data, out):
    table = pd.read_csv(data / "label_curve/comparisons.csv")
    expected = table[table.against == "from scratch"].set_index(["arm", "n_labels"])
    found = rows(out / "differences.tex")
    assert {(row["arm"], int(row["labels"])) for row in found} == set(expected.index) and len(found) == len(expected)
    for row in found:
        line = expected.loc[(row["arm"], int(row["labels"]))]
        assert [value(row["difference"]), *ends(row[r"95 \% CI"])] == pytest.approx(
            [100 * line["mean"], 100 * line.low, 100 * line.high], abs=0.051
        )
        assert [value(row["p"]), value(row["p (Holm)"])] == pytest.approx([line.p, line.p_holm], abs=0.00051)
        assert (row[""] == "n.d.") == (line.low <= 0 <= line.high) and int(row["n"]) == line.n
    assert {row[""] for row in found} == {"", "n.d."}


def test_the_few_labels_table_holds_the_stages_numbers(data, out):
    scores = pd.read_csv(data / "finetune/scores.csv").groupby("arm").accuracy
    table = pd.read_csv(data / "finetune/comparisons.csv")
    expected = table[table.against == "from scratch"].set_index("arm")
    found = rows(out / "few-labels.tex")
    assert len(found) == len(made_up.ARMS)
    for row in found:
        assert value(row[r"accuracy, \%"]) == pytest.approx(100 * scores.mean()[row["arm"]], abs=0.051)
        if row["arm"] in expected.index:
            line = expected.loc[row["arm"]]
            assert [value(row["difference"]), *ends(row[r"95 \% CI"])] == pytest.approx(
                [100 * line["mean"], 100 * line.low, 100 * line.high], abs=0.051
            )


def test_the_tables_of_ties_and_printed_figures_hold_the_files_numbers(data, out):
    m = files.read_json(data / "tying/metrics.json")
    for row in rows(out / "tying.tex"):
        assert value(row["validation loss"]) == pytest.approx(m[f"{row['weights']}_val_loss"], abs=0.00005)
        assert value(row["parameters"]) == m[f"{row['weights']}_n_parameters"]
    assert "$-$0.0100, 95\\,\\% interval [$-$0.0200, $-$0.0050]" in (out / "tying.tex").read_text(encoding="utf-8")
    first, late = rows(out / "fidelity.tex")
    assert (value(first["printed"]), value(first["ours"])) == (1234.5, 0.5)
    assert (late["ours"], late["verdict"]) == ("--", "not trained")


def test_the_methods_are_those_of_the_parameters(out):
    text = (out / "methods.tex").read_text(encoding="utf-8")
    c = tiny.params().label_curve
    assert f"anew for each of {c.n_runs} runs" in text and f"for {c.n_steps} gradient steps" in text
    assert "6, 15 and 30 labelled rows" in text and r"made \textless{}up\textgreater{}" in text
    assert r"glorot\_uniform" in text and not SPECIAL & set(MEANT.sub("", text))


def test_the_citation_names_title_and_authors_of_the_citation_file(out):
    text = (out / "citation.bib").read_text(encoding="utf-8")
    assert "@misc{" in text and "Géron, Aurélien" in text and text.count("{") == text.count("}")


def test_the_same_results_give_the_same_bytes_and_vectors_without_a_date(data, out):
    again = write(data, data / "again")
    contents = {path.name: path.read_bytes() for path in out.iterdir()}
    assert contents == {path.name: path.read_bytes() for path in again.iterdir()}
    vectors = {name: content for name, content in contents.items() if name.endswith(".pdf")}
    assert set(vectors) == {"label-curve.pdf", "few-labels.pdf", "tying.pdf", "losses.pdf"}
    for content in vectors.values():
        assert content.startswith(b"%PDF") and b"CreationDate" not in content and b"/Subtype /Image" not in content


def test_unequal_arms_are_said_to_be_so_in_every_table_of_the_study(data, tmp_path):
    params = settings(tmp_path)
    found = study.read(params, data)
    found.ledger["budgets"] = "UNEQUAL"
    tables = (paper.label_curve, paper.differences)
    assert all(r"\textbf{Unequal arms:}" in table(found) and "large" not in table(found) for table in tables)
    found.ledger["labels_beyond_budget"] = 5000
    assert all(r"Protocol large\_validation: 5,000 validation labels" in table(found) for table in tables)


@pytest.mark.parametrize(
    ("name", "n", "fits"),
    [
        ("top layer fine-tuned", 5, True),
        ("top layer fine-tuned", 6, False),
        ("top layer fine-tuned - denoising masking", 4, False),
    ],
)
def test_a_table_is_as_wide_as_its_names_and_numbers(name, n, fits):
    """As LaTeX has it: six budgets, or four with the longest name, are wider than an article's line in small print."""
    row = {"arm": name} | {f"{k},000 labels": r"53.4 $\pm$ 5.2" for k in range(n)}
    assert ("resizebox" not in latex.table([row], name="n", caption="c")) == fits


@given(st.text())
def test_no_character_of_a_text_is_a_command(text):
    assert not SPECIAL & set(MEANT.sub("", latex.escape(text)))


def test_a_table_of_many_columns_is_made_to_fit_the_line():
    row = {f"column {k}": str(k) for k in range(latex.WIDE // 9 + 1)}
    assert r"\resizebox{\linewidth}{!}{" in latex.table([row], name="wide", caption="A caption.")
    del row["column 0"]
    assert "resizebox" not in latex.table([row], name="narrow", caption="A caption.")


def test_special_characters_stand_for_themselves(out):
    text = (out / "fidelity.tex").read_text(encoding="utf-8")
    assert latex.escape(ODD) == (
        r"A \& B\_1, 100 \% of \#2 \textasciitilde{} \{x\} \textasciicircum{} \textbackslash{}y \$z "
        r"\textless{}q\textgreater{}"
    )
    assert text.count(latex.escape(ODD)) == 3, "in both captions of a long table, and in its row"


PAPER = r"""
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs,graphicx,longtable}
\begin{document}
\input{methods}
\nocite{*}\bibliographystyle{plain}\bibliography{citation}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex and bibtex")
def test_latex_accepts_every_part_and_no_table_is_wider_than_the_line(data, tmp_path):
    out = write(data, tmp_path / "paper")
    parts = [rf"\input{{{path.stem}}}" for path in sorted(out.glob("*.tex")) if path.stem != "methods"]
    parts += [rf"\noindent\includegraphics[width=\linewidth]{{{path.stem}}}" for path in sorted(out.glob("*.pdf"))]
    (out / "main.tex").write_text(PAPER + "\n\n".join([*parts, r"\end{document}"]))
    for command in (["pdflatex", "-halt-on-error"], ["bibtex"], *2 * [["pdflatex", "-halt-on-error"]]):
        done = subprocess.run([*command, "main"], cwd=out, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Warning--" not in done.stdout
    assert "Overfull" not in done.stdout and "undefined" not in done.stdout, done.stdout
