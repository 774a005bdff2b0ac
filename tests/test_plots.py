"""DVC's page of plots needs no network."""

from __future__ import annotations

import configparser
import os
import re

import pytest

from flows import plots
from tasks.frame.code import ROOT


@pytest.mark.slow
def test_the_page_carries_its_scripts_and_has_a_place_for_the_plots(tmp_path):
    plots.write(tmp_path / "plots.html")
    text = (tmp_path / "plots.html").read_text(encoding="utf-8")
    assert text.count("{plot_divs}") == 1 and text.index("vegaEmbed") < text.index("{plot_divs}")
    assert text.count("</script") == 1, "nothing inside the scripts ends them"
    head = text.partition("<script>")[0] + text.rpartition("</script>")[2]
    assert not re.search(r"https?:|src=|\{scripts\}", head)
    assert len(list(tmp_path.iterdir())) == 1


def test_dvc_is_told_where_the_page_is():
    config = configparser.ConfigParser()
    config.read_string("\n".join(line.strip() for line in (ROOT / ".dvc/config").read_text().splitlines()))
    told = os.path.normpath(ROOT / ".dvc" / config["plots"]["html_template"])  # .venv may be a link
    assert told == str(plots.PAGE)
