"""Taking a secret out of this process's arguments, which every user of the machine can read."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

_STAT = Path("/proc/self/stat")
_ARG_START, _ARG_END = 48 - 3, 49 - 3  # proc_pid_stat(5), counted from the field after the name


def wipe_argument(secret: str) -> bool:
    """Overwrite `secret` wherever it is in the arguments (Linux); True if nothing is left.

    It was to be seen until now, and stays in the shell's history: this only shortens the time.
    """
    wanted = secret.encode()
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = _STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
        if not wanted or not 0 < start < end:
            return False
        while (place := ctypes.string_at(start, end - start).find(wanted)) >= 0:
            ctypes.memset(start + place, ord("x"), len(wanted))
        return True
    return False
