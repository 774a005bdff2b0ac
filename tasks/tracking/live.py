"""The pipe between a training process and the process that shows its curves in MLflow.

The training neither waits for MLflow nor imports it, and nothing that happens there can break it. When the training
process dies, the pipe ends without a last word, and the other end knows.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from tasks.frame import experiment

Message = Mapping[str, Any]
PATIENCE = 5.0  # seconds that a stage waits at its end for the other process
LINGER = 3.0  # seconds that the other process stays when the stage was killed, to say so in MLflow


class Live:
    """The training's end: a watcher for `tasks.frame.progress`.

    Args:
        header: The first message, sent with the first epoch; a stage without one starts nothing.
    """

    def __init__(self, header: Message) -> None:
        self._header = header
        self._mirror: subprocess.Popen[bytes] | None = None
        self._is_open = True

    def epoch(self, label: str, epoch: int, row: Mapping[str, float]) -> None:
        if self._mirror is None:
            self._mirror = _start_mirror()
            self._send(self._mirror, self._header)
        values = {experiment.curve(label, name): value for name, value in row.items() if name != "epoch"}
        self._send(self._mirror, {"epoch": epoch, "values": values, "at": int(time.time() * 1000)})

    def close(self, failed: bool) -> None:
        if self._mirror is None:
            return
        mirror, self._mirror = self._mirror, None
        assert mirror.stdin
        assert mirror.stdout
        self._send(mirror, {"status": "FAILED" if failed else "FINISHED"})
        mirror.stdin.close()
        # A stage that is over before MLflow was even found has nothing to show live: `track` logs it.
        is_connected = bool(mirror.stdout.read(1))
        try:
            mirror.wait(PATIENCE if failed or is_connected else 0)
        except subprocess.TimeoutExpired:
            mirror.kill()
            mirror.wait()
        mirror.stdout.close()

    def _send(self, mirror: subprocess.Popen[bytes], message: Message) -> None:
        """Write one line, or give up: the other process has ended, or has left the pipe full."""
        assert mirror.stdin
        line = json.dumps(message).encode() + b"\n"
        try:
            self._is_open = self._is_open and mirror.stdin.write(line) == len(line)
        except OSError:
            self._is_open = False


def _start_mirror() -> subprocess.Popen[bytes]:
    """Start the process that logs; in a session of its own, so that Ctrl-C leaves it to see how the training ends.

    It is no stage, and does not end with one.
    """
    path = os.pathsep.join(filter(None, [str(experiment.REPOSITORY), os.environ.get("PYTHONPATH")]))
    mirror = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", "from tasks import track; track.mirror()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
        env={name: v for name, v in os.environ.items() if name != "DVC_STAGE"} | {"PYTHONPATH": path},
    )  # fmt: skip
    assert mirror.stdin
    assert mirror.stdout
    os.set_blocking(mirror.stdin.fileno(), False)
    os.set_blocking(mirror.stdout.fileno(), False)
    return mirror


def messages() -> Iterator[list[Message]]:
    """Yield what the training has sent since the last time, one message or more; end where it ends."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=[lines], daemon=True).start()  # or the pipe fills while MLflow is imported
    while True:
        batch = [lines.get()]
        while not lines.empty():
            batch.append(lines.get())
        if batch != [""]:
            yield [json.loads(line) for line in batch if line]
        if not batch[-1]:
            return


def say_connected() -> None:
    """Tell the training's end, if it is still there, that MLflow answers."""
    with suppress(BrokenPipeError):
        print(flush=True)


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put("")
    time.sleep(LINGER)  # with nobody left to stop this process, it stops itself
    os._exit(0)
