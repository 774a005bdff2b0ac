"""Addresses of Dask: `--dask ADDRESS`, or PIPELINE_DASK. Beyond this machine only those with TLS are taken."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from tasks.frame.errors import UsageError

VARIABLE = "PIPELINE_DASK"
NEEDS_TLS = "expected tls:// beyond this machine: Dask has no password, and unpickles what it receives"


def given() -> str:
    """Return the scheduler's address, checked; empty for none."""
    address = os.environ.get(VARIABLE, "")
    return checked(address) if address else ""


def checked(address: str) -> str:
    """Return a scheduler's address with its scheme.

    Raises:
        UsageError: It is no address, or one of another machine without TLS.
    """
    found = address if "://" in address else f"tcp://{address}"
    scheme, _, rest = found.partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        is_one = scheme in ("tcp", "tls") and bool(parts.hostname and parts.port) and rest == parts.netloc
    except ValueError:  # a port that is none
        is_one = False
    if not is_one or "@" in rest:
        raise UsageError(f"{VARIABLE}: expected tcp://127.0.0.1:PORT or tls://HOST:PORT, received {address!r}")
    if not is_safe(found):
        raise UsageError(f"{VARIABLE}: {found}: {NEEDS_TLS}")
    return found


def is_safe(address: str) -> bool:
    """Return whether only this machine, or a holder of the certificate, can send anything to an address of Dask."""
    scheme, _, rest = address.rpartition("://")
    host = urlsplit(f"//{rest}").hostname or ""
    try:
        return scheme == "tls" or host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a host's name
        return False
