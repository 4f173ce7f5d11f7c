"""Processes the lab starts: none outlives its parent, each has a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.kernel import die_with_parent

LAST_LINES = 12


def isochrone_command(*words: str) -> list[str]:
    """Return the command line that runs `isochrone WORDS` with this interpreter."""
    return [sys.executable, "-m", "isochrone", *words]


def child_environment() -> dict[str, str]:
    """Return the environment of children: one thread each for linear algebra nobody does."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def follow_parent(number: int, niceness: int = 0) -> Callable[[], None]:
    """Return what a child does first: ask to get signal `number` when its parent dies.

    `niceness` is asked for and not insisted on (an ordinary user may not go below 0).
    """
    parent = os.getpid()

    def first() -> None:
        die_with_parent(number)
        if niceness:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, 0, niceness)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return first


def start(
    command: Sequence[str],
    log: Path,
    *,
    on_parent_death: int = signal.SIGKILL,
    niceness: int = 0,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child whose output goes to `log`; Ctrl-C of the terminal does not reach it."""
    with log.open("ab") as output:
        return subprocess.Popen(  # our own programs, no shell
            list(command),
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            env=child_environment(),
            start_new_session=True,
            # Safe: the processes that call this have one thread, and `first` only makes syscalls.
            preexec_fn=follow_parent(on_parent_death, niceness),
        )


def last_lines(log: Path) -> str:
    """Return the end of a log file, to show when its process has died."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LAST_LINES:])


def end(process: subprocess.Popen[Any], patience_s: float) -> None:
    """Ask a child to end, and make it end if it does not within `patience_s`."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
