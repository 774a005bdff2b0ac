"""`make docs`: the documents of this folder as a site, built without a network.

`python -m sphinx -b html -n -W docs site` builds it into site/; a link or a heading that does not exist is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

PAGES = ("tutorial", "own-data", "team", "cluster", "concepts", "reference")

project = "Does pretraining pay?"
html_title = project
extensions = ["myst_parser"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # docs/log.md has entries of the second level only
html_theme = "furo"
html_static_path = html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Append the table of contents to the first page: a git host would show it as code."""
    rest = sorted({path.stem for path in Path(app.srcdir).glob("*.md")} - {*PAGES, "index"})
    if name == "index":
        source[0] += _contents("Guide", PAGES) + _contents("More", ["results/README", "decisions/README", *rest])
    if name in ("results/README", "decisions/README"):
        pages = sorted(path.stem for path in Path(app.srcdir, name).parent.glob("*.md"))
        source[0] += _contents(name, [page for page in pages if page != "README"])


def _contents(caption: str, names: Iterable[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", *names, "```", ""])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("source-read", add_contents)
