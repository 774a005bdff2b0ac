"""tasks/sources/contents.py: files are read once and pinned by one hash, and a file of another kind is named."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from tasks.frame.config import PARAMS
from tasks.frame.errors import ConfigError, DataError
from tasks.sources import contents


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder(root: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_one_file_is_pinned_by_its_own_hash(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    assert contents.digest({"path": contents.read(tmp_path / "a.csv", "path", tmp_path)}) == sha256(b"x")


def test_a_folder_is_pinned_by_the_names_and_contents_of_its_files_but_hidden_ones(tmp_path):
    files = {"b/2.png": b"2", "b/10.png": b"10", "a/1.png": b"1"}
    hidden = {".git/x": b"x", "a/.x": b"x", "Thumbs.db": b"x", "__MACOSX/a": b"x"}
    found = contents.read(folder(tmp_path / "d", **files, **hidden), "path", tmp_path)
    lines = "".join(f"{name} {sha256(files[name])}\n" for name in ("a/1.png", "b/10.png", "b/2.png"))
    assert ({n: found.read(n) for n in found.files}, found.folders) == (files, ["a", "b"])
    assert found.digest == sha256(lines.encode())
    (tmp_path / "d/a/1.png").rename(tmp_path / "d/a/3.png")
    assert contents.read(tmp_path / "d", "path", tmp_path).digest != found.digest


def test_a_folder_that_may_not_be_read_is_named_and_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    (folder(tmp_path / "d", **{"a/1.png": b"1"}) / "b").mkdir()
    scandir = os.scandir

    def refusing(place):
        if Path(place).name == "b":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="d/b"):
        contents.read(tmp_path / "d", "path", tmp_path)


def test_several_files_are_pinned_by_a_line_for_each(tmp_path):
    folder(tmp_path, p=b"1", u=b"2")
    given = {key: contents.read(tmp_path / key[0], key, tmp_path) for key in ("path", "unlabelled")}
    expected = sha256(f"path {sha256(b'1')}\nunlabelled {sha256(b'2')}\n".encode())
    assert contents.digest(given) == expected
    contents.check_pinned(given, expected)
    with pytest.raises(ConfigError, match=rf"expected the SHA-256 of .*/p, .*/u, {expected}, received {'0' * 64};"):
        contents.check_pinned(given, "0" * 64)


def test_the_hash_is_to_be_set_in_the_file_of_the_experiment_that_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(folder(tmp_path, **{PARAMS: b"a: 1", "x": b"x", ".dvc/tmp/experiments/mine.yaml": b"a: 1"}))
    given = {"path": contents.read(Path("x"), "path", tmp_path)}
    with pytest.raises(ConfigError, match=r"^experiments/mine\.yaml: fetch\.sha256: .* in experiments/mine\.yaml, so"):
        contents.check_pinned(given, None)
    Path(PARAMS).write_text("a: 2")
    with pytest.raises(ConfigError, match=r"^params\.yaml: fetch\.sha256: .* in params\.yaml, so"):
        contents.check_pinned(given, None)
    Path(PARAMS).unlink()
    with pytest.raises(ConfigError, match=r"^params\.yaml: fetch\.test: no file y"):
        contents.read(Path("y"), "test", tmp_path)


def test_a_link_to_nothing_is_named(tmp_path):
    folder(tmp_path, **{"a/1.png": b"1"})
    (tmp_path / "a/2.png").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"a/2\.png: a link to a file that does not exist"):
        contents.read(tmp_path, "path", tmp_path)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: c[:-8] + bytes(8), lambda c: c[:3]])
def test_a_gzip_file_is_unpacked_whole_or_refused(tmp_path, change):
    packed = gzip.compress(b"abc" * 9)
    (tmp_path / "a.gz").write_bytes(packed)
    given = contents.read(tmp_path / "a.gz", "path", tmp_path)
    assert given.content == given.unpacked().read_bytes() == b"abc" * 9
    (tmp_path / "a.gz").write_bytes(change(packed))
    for unpack in (lambda: contents.gunzip(change(packed)), given.unpacked):
        with pytest.raises(DataError, match="damaged gzip file"):
            unpack()


def test_a_file_that_changes_after_it_was_hashed_is_refused(tmp_path):
    found = contents.read(folder(tmp_path / "d", **{"a/1.png": b"1", "a/2.png": b"2"}), "path", tmp_path)
    found.check_unchanged()
    (tmp_path / "d/a/2.png").write_bytes(b"3")
    assert found.read("a/1.png") == b"1"
    for reading in (lambda: found.read("a/2.png"), found.check_unchanged):
        with pytest.raises(DataError, match=rf"^a/2\.png: .* {sha256(b'2')}, .* received {sha256(b'3')}"):
            reading()


def test_text_is_not_taken_for_another_kind_of_file():
    contents.refuse_no_text(b"a,label\n1,2\n")
    for header in (b"\xef\xbb\xbfPKW", b"PAR1", b"<5 um", b"[m]", b"SQLite", b"{a}"):
        contents.refuse_no_text(header + b",label\n1,2\n")
    with pytest.raises(DataError, match="expected text with columns, received HTML"):
        contents.refuse_no_text(b"\xef\xbb\xbf\n  <html>")


@pytest.mark.parametrize(("name", "kind"), [("a.XLSX", "an Excel"), ("a.tar", "an archive"), ("a.mat", "an HDF5")])
def test_a_kind_of_file_is_known_by_the_end_of_its_name(name, kind):
    assert (contents.unreadable(Path(name)) or "").startswith(kind)
    assert contents.unreadable(Path("xlsx")) is None


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name in ("pipe.csv", "loop.csv"):
        with pytest.raises(ConfigError, match=rf"fetch\.path: no file .*{name}"):
            contents.read(tmp_path / name, "path", tmp_path)
    for name in ("~/d.csv", "$HOME/d.csv"):
        with pytest.raises(ConfigError, match=r"no file .*d\.csv \(~ and \$NAME are not replaced: write the path out"):
            contents.read(Path(name), "path", tmp_path)


def test_a_link_to_a_folder_is_named_and_one_to_a_file_is_followed(tmp_path):
    folder(tmp_path / "d", **{"a/1.png": b"1"})
    folder(tmp_path, x=b"2")
    (tmp_path / "d/a/2.png").symlink_to(tmp_path / "x")
    (tmp_path / "whole").symlink_to("d")
    assert [*contents.read(tmp_path / "whole", "path", tmp_path).files] == ["a/1.png", "a/2.png"]
    (tmp_path / "d/a/up").symlink_to("..")
    with pytest.raises(DataError, match="d/a/up: a link to a folder: put the folder itself there"):
        contents.read(tmp_path / "d", "path", tmp_path)
