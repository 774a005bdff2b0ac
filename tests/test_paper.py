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
from tasks.reporting import catalogue, fidelity, latex, paper, study, wording

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


def test_the_verdicts_table_holds_what_the_page_says(data, out):
    found = study.read(made_up.settings(), data)
    for row, expected in zip(rows(out / "verdict.tex"), wording.clauses(found.verdict), strict=True):
        told = expected["without"]
        assert (
            row["over the best without"].replace("-", "−")
            == f"{told['outcome']}, {told['points']} ({told['interval']})"
        )
        assert (row["labels"], row["which is"]) == (str(expected["n_labels"]), told["against"])
        assert row["method to use"] == (expected["use"] or "--")


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
    assert TUNED in text and "inside $\\pm$ 1 point" in text
    assert f"anew for each of {c.n_runs} runs" in text and f"for {c.classifier.n_steps} gradient steps" in text
    assert "6, 15 and 30 labelled rows" in text and r"made \textless{}up\textgreater{}" in text
    assert r"glorot\_uniform" in text and not SPECIAL & set(MEANT.sub("", text))


def test_the_citation_names_title_and_authors_of_the_citation_file(out):
    text = (out / "citation.bib").read_text(encoding="utf-8")
    assert "@misc{" in text and "Géron, Aurélien" in text and text.count("{") == text.count("}")


@pytest.mark.slow
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
    tables = (paper.verdict, paper.label_curve, paper.differences)
    assert all(r"\textbf{Unequal arms:}" in table(found) for table in tables)


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


def caption(path):
    """Return a table's caption and label."""
    text = path.read_text(encoding="utf-8")
    return re.search(r"\\caption\{(.*)\}", text)[1].partition("} \\label{")[0], re.search(r"\\label\{(.*?)\}", text)[1]


EQUAL = "All arms tried the same number of configurations; all untuned networks took the same steps."
TUNED = "Tuned from 5 labels a class on: 2 configurations for every method, chosen within the labels."
CAPTIONS = {
    "label-curve": r"Test accuracy in per cent, mean of 3 runs $\pm$ half the width of its 95\,\% interval over "
    f"runs and test rows. {EQUAL} {TUNED}",
    "differences": "Points of test accuracy above training from scratch, paired by run; exact sign-flip $p$, adjusted "
    "within its family by Westfall and Young's max-$t$ and by Holm's method. n.d.: not distinguishable, the interval "
    f"contains zero. {EQUAL} {TUNED}",
    "verdict": "The best use of the encoder over the same network from scratch and over the best method without it, in "
    r"points of test accuracy with 95\,\% intervals, 3 runs; best by cross-validation on a run's labels. "
    f"{EQUAL} {TUNED}",
    "few-labels": "Test accuracy with 12 labels, 2 runs, 4 gradient steps for every arm; differences from training "
    "from scratch in points, paired by run; exact $p$ after Holm.",
    "tying": r"Validation loss after 2 epochs, 2 runs each. Tied minus untied: $-$0.0100, 95\,\% interval [$-$0.0200, "
    "$-$0.0050], exact $p$ = 0.500.",
    "fidelity": f"Figures printed in {latex.escape(ODD)}, and ours; tolerances are ours.",
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_caption_says_what_its_table_holds_and_how_it_is_used(out, name):
    assert caption(out / f"{name}.tex") == (CAPTIONS[name], f"tab:{name}")
    first = (out / f"{name}.tex").read_text(encoding="utf-8").splitlines()[0]
    assert first == r"% \input this file; needs \usepackage{booktabs,graphicx,longtable}. Written by `make repro`."


def test_the_tables_first_rows_to_the_letter(out):
    assert [*rows(out / "label-curve.tex")[0].values()] == [
        "logistic regression",
        "45.2 ± 2.0",
        "55.0 ± 1.8",
        "65.0 ± 1.8",
    ]
    assert [*rows(out / "differences.tex")[0].items()] == [
        ("arm", "logistic regression"), ("labels", "6"), ("difference", "-5.3"), (r"95 \% CI", "[-5.7, -4.9]"),
        ("p", "0.250"), ("p (max-t)", "0.250"), ("p (Holm)", "0.750"), ("n", "3"), ("", ""),
    ]  # fmt: skip
    random, scratch, *_ = rows(out / "few-labels.tex")
    assert [*random.items()] == [
        ("arm", "random features"), (r"accuracy, \%", "75.0"), ("sd", "0.0"), ("difference", "0.0"),
        (r"95 \% CI", "[-1.0, +1.0]"), ("p (Holm)", "0.040"),
    ]  # fmt: skip
    assert [*scratch.values()] == ["from scratch", "74.0", "0.0", "--", "--", "--"]
    assert [*rows(out / "tying.tex")[1].items()] == [
        ("weights", "untied"), ("parameters", "310"), ("validation loss", "0.3000"), ("sd", "0.0100")
    ]  # fmt: skip
    first, later = ([*row.values()][1:] for row in rows(out / "fidelity.tex"))
    assert first == ["1,234.5000", "0.5000", "-1,234.0000", "0.0030", "departs"]
    assert later == ["0.5000", "--", "--", "0.0030", "not trained"]
    assert [*rows(out / "fidelity.tex")[0]] == ["system", "printed", "ours", "difference", "tolerance", "verdict"]


@pytest.mark.parametrize(
    ("printed", "text"),
    [(3.0, "3"), (1.0, "1"), (0.0, "0.0000"), (0.5, "0.5000"), (1.5, "1.5000"), (163814, "163,814")],
)
def test_a_printed_whole_number_has_no_decimals(printed, text):
    row = {"system": "s", "printed": printed, "ours": printed, "difference": 0.0, "within": 0.0, "verdict": "agrees"}
    assert f"& {text} & {text} & " in paper.printed(settings_of_source(), [row])


def settings_of_source():
    return made_up.settings(report={"title": "T", "source": "S", "claims": []})


def test_the_citation_is_bibtex_to_the_letter(out):
    text = (out / "citation.bib").read_text(encoding="utf-8")
    assert re.fullmatch(
        r"""@misc\{autoencoder-pretraining,
  author = \{\{The autoencoder-pretraining authors\}\},
  title = \{\{Autoencoder pretraining: .*\}\},
  note = \{Code SHA-256 [0-9a-f]{12}\},
\}

@book\{reference-1,
  author = \{Géron, Aurélien\},
  title = \{\{Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow\}\},
  edition = \{2nd\},
  year = \{2019\},
  publisher = \{O'Reilly\},
\}
""", text)  # fmt: skip


def test_failed_cells_and_unequal_steps_are_said_in_the_captions(data, tmp_path):
    params = settings(tmp_path)
    found = study.read(params, data)
    found.cells.loc[[0, 1], "accuracy"] = float("nan")
    assert paper._fairness(found) == f"{EQUAL} 2 cells failed and are left out. {TUNED}"
    found.ledger["budgets"] = "UNEQUAL"
    assert paper._fairness(found) == (
        r"\textbf{Unequal arms:} configurations, gradient steps or labels differ; see the ledger."
        f" 2 cells failed and are left out. {TUNED}"
    )
    folder = tmp_path / "data/finetune"
    shutil.copytree(data / "finetune", folder)
    path = folder / "scores.csv"
    path.write_text(path.read_text().replace(",4\n", ",8\n", 1))
    assert r"2 runs, \textbf{unequal numbers of gradient steps}; " in paper.few_labels(params, folder.parent)


@pytest.mark.parametrize(("n", "wraps"), [(latex.LONG, False), (latex.LONG + 1, True)])
def test_a_long_name_is_broken_into_lines_where_a_table_runs_over_pages(n, wraps):
    text = latex.table([{"a": "x" * n, "b": "1", "c": "2"}], name="n", caption="c", long=True)
    assert (r"\begin{longtable}{p{0.36\linewidth}rr}" in text) == wraps
    assert (r"\begin{longtable}{lrr}" in text) != wraps
    assert text.startswith("{\\footnotesize\\setlength{\\tabcolsep}{3pt}\n\\begin{longtable}") and text.endswith("}\n")


def test_a_short_table_floats_to_the_top_in_small_print_and_a_wide_one_is_fitted():
    row = {"a": "x" * (latex.WIDE - 4), "b": "1"}  # each column is a letter wider than its widest cell
    assert latex.table([row | {"a": row["a"] + "x"}], name="n", caption="c").splitlines()[:8] == [
        r"\begin{table}[t]", r"\centering", r"\caption{c}", r"\label{tab:n}",
        r"\footnotesize\setlength{\tabcolsep}{3pt}", r"\begin{tabular}{lr}", r"\toprule", r"a & b \\",
    ]  # fmt: skip
    wide = latex.table([row | {"a": row["a"] + "xx"}], name="n", caption="c")
    assert "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}{lr}" in wide and "\\end{tabular}}" in wide


def test_what_is_read_as_one_letter_counts_as_one():
    assert [latex._letters(text) for text in (r"$\pm$", r"a\_b", "1,000", r"\textless{}", "$-$5.3")] == [0, 3, 4, 0, 4]
