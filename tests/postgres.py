"""A PostgreSQL server of its own, on a port of this machine: Debian's package, run by a user that is not root."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import wait_until

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
        as_user = ["setpriv", "--pdeathsig=INT"]  # it ends with the test, even if that is killed
        if not os.getuid():  # PostgreSQL refuses to run as root
            as_user += [f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)
        data, told = str(folder / "data"), {**os.environ, "LC_ALL": "C.UTF-8", "PGPASSFILE": str(folder / "pgpass")}
        make = [str(programs / "initdb"), "-D", data, "-U", NAME, "-A", "scram-sha-256", "-E", "UTF8",
                "--pwfile", str(folder / "password")]  # fmt: skip
        subprocess.run([*as_user, *make], check=True, cwd=folder, stdout=subprocess.DEVNULL, env=told)
        start = [str(programs / "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}",
                 "-c", "unix_socket_directories=", "-c", "fsync=off"]  # fmt: skip
        at = ["-h", "127.0.0.1", "-p", str(port), "-U", NAME]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([*as_user, *start], cwd=folder, stdout=log, stderr=log, env=told)
        try:
            ready = [str(programs / "pg_isready"), "--quiet", *at]
            wait_until(lambda: subprocess.run(ready, check=False, env=told).returncode == 0, 60)
            subprocess.run([str(programs / "createdb"), *at, NAME], check=True, env=told)
            yield f"postgresql://{NAME}@127.0.0.1:{port}/{NAME}", folder / "pgpass"
        finally:
            server.send_signal(signal.SIGINT)  # its fast shutdown
            server.wait(60)
