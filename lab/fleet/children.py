"""Processes the lab starts: none survives its parent, each has a log file.

What lies in the current folder is data, never code, since much of this runs as root: Python
children start with -P, and no list of folders that they search depends on where they stand.
"""

from __future__ import annotations

import contextlib
import os
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from foundation.errors import ResourceError
from lab.fleet.kernel import die_with_parent

LAST_LINES = 12


# Of the variables that Python reads: those that change how it behaves, not what it runs.
_HARMLESS = {"PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"}
_LISTS_OF_FOLDERS = ("PATH", "LD_LIBRARY_PATH")
_HOME = Path(__file__).resolve().parents[2]  # where our own packages lie


def python_command(*words: str) -> list[str]:
    """Return the command line of this interpreter; the current folder is not on its path."""
    return [sys.executable, "-P", *words]


def isochrone_command(*words: str) -> list[str]:
    """Return the command line that runs `isochrone WORDS` with this interpreter."""
    return python_command("-m", "isochrone", *words)


def child_environment() -> dict[str, str]:
    """Return the environment of children: what they run does not depend on where they stand.

    They have one thread each, since there is no linear algebra for more.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") or name in _HARMLESS
    }
    for name in _LISTS_OF_FOLDERS:
        if folders := _absolute(kept.pop(name, "")):
            kept[name] = os.pathsep.join(folders)
    packages = _absolute(os.environ.get("PYTHONPATH", ""))
    if str(_HOME) not in [*packages, *site.getsitepackages(), site.getusersitepackages()]:
        packages.insert(0, str(_HOME))
    return kept | {
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _absolute(folders: str) -> list[str]:
    """Return the folders of a list that are the same from everywhere (an empty one is "here")."""
    return [folder for folder in folders.split(os.pathsep) if Path(folder).is_absolute()]


def follow_parent(number: int, niceness: int = 0) -> Callable[[], None]:
    """Return what a child does first: ask to get signal `number` when its parent dies.

    `niceness` is requested and not insisted on (an ordinary user may not go below 0).
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
    """Start a child whose output goes to `log`; Ctrl-C of the terminal does not reach it.

    It is in the root folder, so what `command` names is named by absolute paths.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # our own programs, no shell
            list(command),
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            env=child_environment(),
            cwd="/",
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


def died(en: str, zh: str, log: Path) -> ResourceError:
    """Return the error that says which child died, with the end of its log."""
    return ResourceError(
        f"The {en} process ended unexpectedly. The end of {log.name}:\n{last_lines(log)}",
        f"{zh}进程意外退出。{log.name} 末尾内容：\n{last_lines(log)}",
    )


def end(process: subprocess.Popen[Any], patience_s: float) -> None:
    """Ask a child to end, and make it end if it does not within `patience_s`."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
