"""A PostgreSQL server of its own, on a port of this machine: Debian's package, run by a user that is not root."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"  # made by Debian's package
NAME = "runs"  # of the role and of the database


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, installed first where this is root's Debian; else skip the test."""
    if not (found := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) and shutil.which("apt-get"):
        if os.getuid():
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", *words], check=True, env=quiet, stdout=subprocess.DEVNULL)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[-1].parent


@contextmanager
def running() -> Iterator[tuple[str, Path]]:
    """Run a server with an empty database; yield the address without a password, and the file with the password."""
    programs = binaries()
    with tempfile.TemporaryDirectory() as made, socket.socket() as probe:
        folder = Path(made)
        probe.bind(("127.0.0.1", 0))
        port, password = probe.getsockname()[1], secrets.token_urlsafe(16)
        probe.close()
        (folder / "password").write_text(password)
        (folder / "pgpass").write_text(f"127.0.0.1:{port}:*:{NAME}:{password}\n")
        (folder / "pgpass").chmod(0o600)
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if not os.getuid() else []
        if as_user:
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)

        def do(program: str, *arguments: str) -> None:
            subprocess.run([*as_user, str(programs / program), *arguments], check=True, cwd=folder,
                           stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})  # fmt: skip

        data = str(folder / "data")
        do("initdb", "-D", data, "-U", NAME, "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "-E", "UTF8")
        at = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        do("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", at, "start")
        try:
            subprocess.run([str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", NAME, NAME],
                           check=True, env={**os.environ, "PGPASSFILE": str(folder / "pgpass")})  # fmt: skip
            yield f"postgresql://{NAME}@127.0.0.1:{port}/{NAME}", folder / "pgpass"
        finally:
            do("pg_ctl", "-D", data, "-m", "immediate", "stop")
