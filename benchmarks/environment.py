"""The peers' separate environment, benchmarks/.peers, and a description of the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Say
from benchmarks.workers import PEERS

PEER_PACKAGES = {
    "JAX": ("jax==0.10.2", "jaxlib==0.10.2", "numpy"),
    "PyTorch": ("torch==2.13.0", "numpy", "setuptools"),
}


def make_peers(say: Say) -> None:
    """Install missing peers; a peer that cannot be installed is reported, and skipped later."""
    uv = Path(sys.executable).parent / "uv"
    command = str(uv) if uv.exists() else shutil.which("uv") or "uv"
    if not (PEERS / "bin" / "python").exists() and not _done([command, "venv", "--quiet", PEERS], say, "peers"):
        return
    for name, packages in PEER_PACKAGES.items():
        stamp = PEERS / f"{name}.installed"
        if stamp.exists() and stamp.read_text() == " ".join(packages):
            continue
        say(f"Installing {name} beside ours, once (PyTorch with CUDA takes 6 GB; UV_TORCH_BACKEND=cpu far less) ...")
        if _done([command, "pip", "install", "--quiet", "--python", PEERS / "bin" / "python", *packages], say, name):
            stamp.write_text(" ".join(packages))


def _done(command: list[str | Path], say: Say, name: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        say(f"{name}: skipped, cannot be installed: {error}")
        return False
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        say(f"{name}: skipped, cannot be installed: {said[-1].strip()}")
    return done.returncode == 0


def machine() -> dict[str, str | int]:
    """Return the machine's processor, cores, memory, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name, with its vector instructions on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    flags = facts.get("flags", "").split()
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    family, model = facts.get("cpu family", "?"), facts.get("model", "?")
    name = f"{facts.get('model name', 'unknown')} (family {family}, model {model})"
    return f"{name}, {vectors}" if vectors else name
