"""What is done to a scratch project before a run: changes of its parameters, inputs, results and file systems."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from autoencoders import idx
from benchmarks.faults.table import Change


def params(**values: Any) -> Change:
    """Set parameters: `params(finetune__n_labels=5)`."""

    def change(work: Path) -> None:
        yaml, path = YAML(), work / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for name, value in values.items():
            *sections, key = name.split("__")
            inner = content
            for section in sections:
                inner = inner[section]
            inner[key] = value
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)

    return change


def cut(name: str) -> Change:
    """Cut a file in half."""

    def change(work: Path) -> None:
        path = work / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


def write(name: str, text: str) -> Change:
    """Write a file."""

    def change(work: Path) -> None:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, encoding="utf-8")

    return change


def append(name: str) -> Change:
    """Add a line to a file of code."""

    def change(work: Path) -> None:
        with (work / name).open("a", encoding="utf-8") as file:
            file.write("# edited\n")

    return change


def remove(name: str) -> Change:
    """Delete a file or folder."""
    return lambda work: shutil.rmtree(work / name) if (work / name).is_dir() else (work / name).unlink()


def move(name: str, to: str) -> Change:
    """Rename a file or folder."""

    def change(work: Path) -> None:
        (work / name).rename(work / to)

    return change


def back(name: str) -> Change:
    """Put a file back as it was in the finished project."""

    def change(work: Path) -> None:
        shutil.copy2(work.parent / "finished" / name, work / name)

    return change


def flip(path: Path) -> None:
    """Change a bit in the middle of a file, which keeps its size, mode and time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def table(content: pd.DataFrame, *, suffix: str = ".csv", sha256: str = "") -> Change:
    """Let the data be a table of one's own."""

    def change(work: Path) -> None:
        path = work / "data" / "raw" / f"table{suffix}"
        if suffix == ".csv":
            content.to_csv(path, index=False)
        else:
            content.to_parquet(path)
        digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
        fetch = {"dataset": "file", "path": f"data/raw/table{suffix}", "sha256": digest, "label": "class"}
        named = {f"fetch__{key}": value for key, value in fetch.items()}
        params(**named, prepare__n_valid=20, prepare__n_test=40)(work)

    return change


def rows(**columns: Any) -> pd.DataFrame:
    """Return 200 rows of three classes, with these columns exchanged."""
    x = np.random.default_rng(0).random((200, 4)).round(3)
    names = np.array(["a", "b", "c"])[np.arange(200) % 3]
    return pd.DataFrame({**{f"x{k}": x[:, k] for k in range(4)}, "class": names} | columns)


def images(broken: Callable[[bytes], bytes], *, zipped: bool = True) -> Change:
    """Let the data be the files of MNIST, the first one of black images and broken."""

    def change(work: Path) -> None:
        folder = work / "data" / "raw" / "mnist"
        folder.mkdir(parents=True)
        for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            (folder / name).touch()
        plain = idx.encode(np.zeros((60_000, 28, 28), np.uint8))
        content = broken(gzip.compress(plain, 1)) if zipped else gzip.compress(broken(plain), 1)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
        params(fetch__dataset="mnist")(work)

    return change


def cached(work: Path) -> Path:
    """Return the cache's copy of phase@1's metrics."""
    content = YAML(typ="safe", pure=True).load((work / "dvc.lock").read_text(encoding="utf-8"))
    cache = work / ".dvc" / "cache" / "files" / "md5"
    folder = content["stages"]["phase@1"]["outs"][0]["md5"]
    entries = json.loads((cache / folder[:2] / folder[2:]).read_text(encoding="utf-8"))
    md5 = next(entry["md5"] for entry in entries if entry["relpath"] == "metrics.json")
    return cache / md5[:2] / md5[2:]


def forget_cached(work: Path) -> None:
    """Delete the cache's copy of phase@1's metrics, so that it has to be kept anew."""
    finished = work.parent / "finished"
    (work / cached(finished).relative_to(finished)).unlink()


def mount(name: str, *options: str) -> Change:
    """Mount a small file system over a folder, or the folder itself read-only."""

    def change(work: Path) -> None:
        (work / name).mkdir(parents=True, exist_ok=True)
        if options:
            subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(work / name)], check=True)
        else:
            subprocess.run(["mount", "--bind", str(work / name), str(work / name)], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(work / name)], check=True)

    return change


def unmount(name: str) -> Change:
    """Take it away again."""
    return lambda work: subprocess.run(["umount", str(work / name)], check=False) and None


def all_of(*changes: Change) -> Change:
    """Do one change after the other."""

    def change(work: Path) -> None:
        for one in changes:
            one(work)

    return change


def edit_rows(work: Path) -> None:
    """Exchange data/prepare/train.npy for one with another bit."""
    new = work / "data" / "prepare" / "new.npy"
    shutil.copy(work / "data" / "prepare" / "train.npy", new)
    content = bytearray(new.read_bytes())
    content[-1] ^= 1
    new.write_bytes(content)
    new.replace(work / "data" / "prepare" / "train.npy")


def damage_site(work: Path) -> None:
    """Overwrite what DVC remembers of files."""
    for path in (work / ".dvc" / "tmp" / "site").rglob("*.db"):
        path.write_bytes(b"no database" * 1000)


def symlink_data(work: Path) -> None:
    """Move data/ elsewhere, and let a link lead there."""
    (work / "data").rename(work.parent / "elsewhere")
    (work / "data").symlink_to(work.parent / "elsewhere")


def no_symlink(work: Path) -> None:
    """Move it back."""
    (work / "data").unlink()
    (work.parent / "elsewhere").rename(work / "data")


def foreign_lock(work: Path) -> None:
    """Let DVC's table of locks name a process that lives and is no run."""
    info = {"pid": 1, "cmd": "dvc repro"}
    write(".dvc/tmp/rwlock", json.dumps({"write": {str(work / "data/phase/1"): info}, "read": {}}))(work)


def can_mount(folder: Path) -> bool:
    """Return whether a file system can be mounted here."""
    with suppress(OSError, subprocess.CalledProcessError):
        mount("probe", "size=64k")(folder)
        unmount("probe")(folder)
        return True
    return False
