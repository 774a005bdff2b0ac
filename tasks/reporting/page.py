"""Common parts of the two HTML pages: the frame, the description of the data, and the results' provenance.

A page is one file that needs no network. It holds no date, path or commit: the same results give the same bytes.
"""

from __future__ import annotations

import base64
import platform
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from autoencoders import sentences
from tasks.frame import code, experiment, files
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there
from tasks.reporting import claims, wording

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "openTSNE", "pandas", "scipy", "matplotlib")


def write(path: Path, params: Params, data: Place, *, units: Sequence[int], tuning: str = "", **content: Any) -> None:
    """Fill the template that has the page's name.

    Args:
        path: The page.
        params: The parameters that the page may show.
        data: The folder of the stages' outputs.
        units: Widths of the page's encoder.
        tuning: The remark under every table of the study: whether its methods were tuned; empty for the book.
        content: The template's other variables.
    """
    prepare, manifest = (files.read_json(data / "prepare" / f"{name}.json") for name in ("metrics", "manifest"))
    text = (
        _environment()
        .get_template(f"{path.name}.j2")
        .render(
            title=params.report.title,
            source=params.fetch.path if params.fetch.dataset == "file" else params.report.source,
            params=params,
            prepare=prepare,
            manifest=manifest,
            things="images" if manifest["image_shape"] else "rows",
            shape=shape(prepare["n_features"], units),
            claims=claims.table(claims.of_stage(params.report.claims, path.stem), experiment.metrics(params, data)),
            tuning=tuning,
            provenance=_provenance(params, data) | {"paper": f"data/{path.stem}/paper"},
            **content,
        )
    )
    path.write_text(text, encoding="utf-8")


@cache  # so that templates are compiled once
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(code.ROOT / code.TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "number": _readable, "signed": sentences.signed, "tiny": wording.tiny, "evidence": _evidence,
    }  # fmt: skip
    return environment


def embedded(path: Place) -> dict[str, Any]:
    """Return a PNG as a data URL with its size, by which the browser reserves its place while the page loads."""
    content = Path(path).read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))  # in the header of a PNG
    return {"url": f"data:image/png;base64,{base64.b64encode(content).decode()}", "width": width, "height": height}


def shape(n_inputs: int, units: Sequence[int]) -> str:
    """Return an autoencoder's layer widths, such as 784-100-30-100-784."""
    encoder = [n_inputs, *units]
    return "-".join(map(str, [*encoder, *encoder[-2::-1]]))


def _readable(value: float, places: int = 4) -> str:
    """Format a number; a loss that would show as 0.000 has its first digits."""
    text = sentences.number(value, places)
    return (
        wording.tiny(value)
        if places > 2 and value and not float(text.replace(",", "").replace(sentences.MINUS, "-"))
        else text
    )


def _evidence(sentence: str) -> Markup:
    """Return a sentence as HTML in which the evidence, the text in brackets, has its own style."""
    return Markup(re.sub(r"\([^()]*\)", r'<span class="evidence">\g<0></span>', str(escape(sentence))))


def _provenance(params: Params, data: Place) -> dict[str, Any]:
    """Return the parameters, the code's hash and the versions that the results depend on, and the results' hashes."""
    given = experiment.parameters(params).items()
    folders = experiment.stages(params, data).items()
    results = {name: files.data_hash(folder) for name, folder in folders if is_there(folder)}
    return {
        "parameters": dict(given),
        "code": code.digest(code.computing()),
        "results": results,
        "witness": [*results.values()][-1],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
