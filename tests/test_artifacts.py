"""The named results in dvc.yaml: each is a stage's output, and `dvc artifacts get` finds it."""

from __future__ import annotations

import clones
import pytest
from dvc.repo.artifacts import name_is_compatible
from ruamel.yaml import YAML

from tasks.frame import code

DECLARED = YAML(typ="safe").load((clones.ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]


def test_every_named_result_is_a_stages_output_with_a_type_and_a_description():
    outputs = {out for spec in code.stages().values() for out in spec["outs"]}
    for name, artifact in DECLARED.items():
        assert name_is_compatible(name) and {*artifact} == {"path", "type", "desc"}
        assert artifact["path"] in outputs and artifact["desc"]
    assert {artifact["type"] for artifact in DECLARED.values()} == {"model", "dataset", "report"}


@pytest.mark.slow
def test_a_tagged_result_is_taken_by_its_name(clone, tmp_path):
    project = tmp_path / "project"
    clones.git(tmp_path, "clone", "--quiet", str(clone), str(project))
    (project / "dvc.yaml").write_text("""
stages: {nap: {cmd: mkdir -p data/nap && echo 1 > data/nap/one, outs: [data/nap]}}
artifacts: {autoencoder: {path: data/nap, type: model, desc: A nap}}
""")
    assert clones.run(project, "dvc", "repro", "--quiet").returncode == 0
    clones.git(project, "add", "--all")
    clones.git(project, "commit", "--quiet", "--message", "nap")
    clones.git(project, "tag", "--annotate", "autoencoder@v1.0.0", "--message", "first")
    done = clones.run(project, "dvc", "artifacts", "get", ".", "autoencoder", "--out", "taken")
    assert done.returncode == 0 and (project / "taken/one").read_text() == "1\n", done.stderr
