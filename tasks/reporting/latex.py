"""Text and tables for LaTeX, with special characters escaped and rules of the package booktabs."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from autoencoders import sentences

SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
           ">": r"\textgreater{}", sentences.MINUS: "$-$", "±": r"$\pm$", "×": r"$\times$",
           **{character: f"\\{character}" for character in "&%$#_{}"}}  # fmt: skip
TABLE = str.maketrans(SPECIAL)


def escape(text: object) -> str:
    """Escape the characters that have a meaning in LaTeX."""
    return str(text).translate(TABLE)


def signed(value: float, places: int) -> str:
    """Return a number with its sign; the minus is a mathematical one."""
    return escape(sentences.signed(value, places))


def number(value: float, places: int) -> str:
    """Return a number with separated thousands."""
    return escape(sentences.number(value, places))


def ends(low: float, high: float, places: int) -> str:
    """Return an interval, such as [+0.3, +1.2]."""
    return f"[{signed(low, places)}, {signed(high, places)}]"


WIDE = 88  # letters per line of an article in small print
LONG = 36  # letters; a longer name in the first column is broken into lines
SMALL = "\\footnotesize\\setlength{\\tabcolsep}{3pt}"


def _letters(cell: object) -> int:
    """Estimate the width of a LaTeX cell in letters."""
    return len(re.sub(r"\\[a-z]+|[\\${},]", "", str(cell)))


def table(rows: list[dict[str, Any]], *, name: str, caption: str, long: bool = False) -> str:
    """Return a table that needs the package booktabs; a long one needs longtable, and a wide one graphicx.

    Args:
        rows: Cells by column name; the cells are LaTeX, the names plain text.
        name: The table's label is `tab:NAME`.
        caption: LaTeX.
        long: Whether the table may run over several pages.
    """
    content = pd.DataFrame(rows)
    content.columns = pd.Index([escape(column) for column in content.columns])
    style = content.style.hide(axis="index")
    placed: dict[str, Any] = {"environment": "longtable"} if long else {"position": "t", "position_float": "centering"}
    wraps = long and content.iloc[:, 0].str.len().max() > LONG
    columns = ("p{0.36\\linewidth}" if wraps else "l") + "r" * (content.shape[1] - 1)
    text = str(style.to_latex(hrules=True, column_format=columns, label=f"tab:{name}", caption=caption, **placed))
    if long:
        return f"{{{SMALL}\n{text}}}\n"
    widths = [max(map(_letters, [name, *column])) + 1 for name, column in content.items()]
    if sum(widths) <= WIDE:
        return text.replace("\\begin{tabular}", f"{SMALL}\n\\begin{{tabular}}")
    fitted = text.replace("\\begin{tabular}", "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}")
    return fitted.replace("\\end{tabular}", "\\end{tabular}}")
