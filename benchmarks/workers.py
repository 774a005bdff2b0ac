"""The parent's side of benchmarks/serve.py: processes that wait for requests, so that ways can run in turns."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.cases import Way

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / ".peers"
IN_PEERS = ("pytorch", "jax_scan", "products")  # the floor too, for PyTorch's BLAS
PATIENCE = 900.0  # seconds for one answer; torch.compile is the slowest


class Unavailable(RuntimeError):
    """A way cannot be measured; the message gives the reason in one line."""


def environment(threads: int) -> dict[str, str]:
    """Return environment variables that limit every library's threads and silence its log."""
    names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")
    values = {f"{name}_NUM_THREADS": str(threads) for name in names}
    values |= {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    values |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TORCHINDUCTOR_CACHE_DIR": str(PEERS / "inductor")}
    # A shell may hold OpenBLAS to older kernels of half the speed; that would be no floor.
    return {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")} | values


def _jax_threads(threads: int) -> dict[str, str]:
    return {"NPROC": str(threads), "PJRT_NPROC": str(threads)} | (
        {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    )


class Worker:
    """One process of benchmarks/ways, with further variables in its environment."""

    def __init__(self, module: str, threads: int, variables: Mapping[str, str] | None = None) -> None:
        python = PEERS / "bin" / "python" if module in IN_PEERS and (PEERS / "bin").exists() else Path(sys.executable)
        env = environment(threads) | (_jax_threads(threads) if module == "jax_scan" else {})
        env |= variables or {}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [python, "-m", f"benchmarks.ways.{module}"], cwd=ROOT, env=env, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
        )  # fmt: skip
        self._rest = b""

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer; raise Unavailable on a refusal or without an answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(request) + "\n").encode())
            answer = json.loads(self._line())
        except (BrokenPipeError, EOFError):
            raise Unavailable(f"its process ended: {self._last_words()}") from None
        if "cannot" in answer:
            raise Unavailable(answer["cannot"])
        return answer

    def _line(self) -> bytes:
        """Read one line, for at most `PATIENCE` seconds."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(PATIENCE):
                    self.close()
                    raise Unavailable(f"no answer in {PATIENCE:.0f} s")
                if not (part := self._process.stdout.read(65536)):
                    raise EOFError
                self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._said.close()


class Pool:
    """The processes of a run, started when first needed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._workers: dict[str, Worker] = {}

    def worker(self, way: Way) -> Worker:
        """Return the process of `way`, started if needed."""
        if way.process not in self._workers:
            self._workers[way.process] = Worker(way.module, self.threads)
        return self._workers[way.process]

    def forget(self, way: Way) -> None:
        """End the process of `way`; the next case starts a new one."""
        if worker := self._workers.pop(way.process, None):
            worker.close()

    def drop(self) -> None:
        """Make every process free its prepared work."""
        for worker in self._workers.values():
            worker.ask(drop=True)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that the processes use."""
        found: dict[str, str] = {}
        for worker in self._workers.values():
            found |= worker.ask(describe=True)["versions"]
        return found

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()
