"""Tables in LaTeX: one that is too wide is fitted to the line, and its braces close."""

from __future__ import annotations

from tasks.reporting import latex


def test_a_wide_table_is_fitted_to_the_line_between_one_pair_of_braces():
    rows = [{f"column number {k}": "a value of some length" for k in range(8)}]
    text = latex.table(rows, name="wide", caption="Wide.")
    start, end = "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}", "\\end{tabular}}"
    assert text.count(start) == text.count(end) == text.count("tabular}}") == 1
    assert text.index(start) < text.index(end) and text.rstrip().endswith("\\end{table}")
    narrow = latex.table([{"a": "1"}], name="narrow", caption="Narrow.")
    assert "resizebox" not in narrow and "tabular}}" not in narrow
