"""The commands of a stage: `python -m tasks.NAME` runs in this process or a new one, other commands in a shell."""

from __future__ import annotations

import re
import shlex
import sys

from flows import processes
from tasks.frame import code, stage

# Importing `tasks` makes the shell end with this process, like every process that is started here.
SHELL = f"""import os, sys; sys.path.insert(0, {str(code.ROOT)!r}); import tasks
os.execv("/bin/sh", ["/bin/sh", "-c", sys.argv[1]])"""
STAGE_COMMAND = re.compile(r"python -m tasks\.(\w+)(?: (\S+))?")


def run(command: str | list[str], *, isolated: bool = False) -> None:
    """Run the commands of a stage in dvc.yaml.

    Raises:
        RunError: An isolated stage or a shell command failed.
        Exception: The stage's own.
    """
    for line in command.splitlines() if isinstance(command, str) else command:
        ours = STAGE_COMMAND.fullmatch(line.strip())
        if ours and not isolated:
            stage.execute(ours[1], ours[2] or "")
        elif ours:
            processes.run([sys.executable, *shlex.split(line)[1:]])
        else:
            processes.run([sys.executable, "-c", SHELL, line], name=f"/bin/sh -c {line}")
