"""Data files of a Debian package, either installed, or downloaded and unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 600  # seconds per command of apt


class NoPackage(Exception):
    """The package is not available; the message gives the reason in one line."""


def installed_folders(package: str) -> list[Path]:
    """Return the folders that hold files of an installed package."""
    if shutil.which("dpkg") is None:
        raise NoPackage("no dpkg on this machine")
    listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False, env=_environment())
    if listing.returncode:
        raise NoPackage(f"{package} is not installed")
    paths = [Path(line) for line in listing.stdout.splitlines() if line.startswith("/")]
    return sorted({path.parent for path in paths if path.is_file()})


@contextmanager
def downloaded(package: str, folder: Path) -> Iterator[list[Path]]:
    """Download and unpack a package in a temporary folder inside `folder`; yield the folders that hold its files."""
    missing = [name for name in ("apt-get", "dpkg") if shutil.which(name) is None]
    if missing:
        raise NoPackage(f"no {' and no '.join(missing)} on this machine")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".package-") as temporary:
        room = Path(temporary).resolve()
        archive = _download(package, room)
        _call(["dpkg", "-x", archive.name, "root"], room)
        yield sorted({path.parent for path in (room / "root").rglob("*") if path.is_file()})


def _download(package: str, room: Path) -> Path:
    """Download the package into `room`; if the machine's package lists lack it, with new lists."""
    try:
        _call(["apt-get", *_options(), "download", package], room)
    except NoPackage:
        # A new machine or container has empty or old package lists, which only root may update.
        own = [f"Dir::State::Lists={room}/lists", f"Dir::Cache={room}/cache"]
        for name in ("lists/partial", "cache/archives/partial"):
            (room / name).mkdir(parents=True)
        _call(["apt-get", *_options(*own), "update"], room)
        _call(["apt-get", *_options(*own), "download", package], room)
    archives = list(room.glob("*.deb"))
    if not archives:
        raise NoPackage("apt-get downloaded nothing")
    return archives[0]


def _options(*more: str) -> list[str]:
    # By default apt downloads as its own user, who cannot write into a private folder.
    options = ["APT::Sandbox::User=root", "Acquire::Retries=2", "Acquire::http::Timeout=30", *more]
    return ["-q", *(part for option in options for part in ("-o", option))]


def _call(command: list[str], room: Path) -> None:
    """Run a command in `room`; NoPackage has the last line of its error output."""
    try:
        subprocess.run(
            command, cwd=room, env=_environment(), check=True, capture_output=True, text=True, timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoPackage(f"{command[0]} gave no answer within {TIMEOUT} seconds") from None
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in error.stderr.splitlines() if line.startswith(("E:", "dpkg"))]
        raise NoPackage(lines[-1] if lines else f"{command[0]} ended with code {error.returncode}") from None


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
