"""The page template of `dvc plots`, which contains Vega's scripts, so that plots need no network.

    python -m flows.plots

DVC's own page loads the scripts from a content delivery network, and is blank offline. `make setup` writes the template
to the path that .dvc/config names.
"""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / ".venv" / "plots.html"
VEGA_LITE = "5.21"  # DVC writes its plots for version 5
HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>Plots</title>
<style>
body { font: 15px system-ui, sans-serif; margin: 24px; color: #1b2430; background: #fff; }
img { max-width: 600px; height: auto; }
</style>
<script>
"""
FOOT = """
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """Return DVC's page template with Vega, Vega-Lite and Vega-Embed inside."""
    import vl_convert

    return (
        HEAD
        + vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE).replace("</script", r"<\/script")
        + FOOT
    )


def write(path: Path = PAGE) -> None:
    """Write the template, whole or not at all."""
    new = path.with_name(f".{path.name}")
    new.write_text(page(), encoding="utf-8")
    new.replace(path)


if __name__ == "__main__":
    write()
