"""Some space that is kept for the start of a controller whose disk is full.

SQLite needs a little to open a database (its log and the index of that). A file in the data
directory holds it; it is given up when a start finds the disk full, and taken again when there is
plenty.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

from foundation.private_files import FILE_MODE, tighten

NAME = "reserve"
BYTES = 256 << 10
PLENTY = 8  # times as much must be free before it is taken


def take(directory: pathlib.Path) -> None:
    """Hold the space if there is plenty."""
    path = directory / NAME
    with contextlib.suppress(OSError):
        if path.exists():
            tighten(path)
            return
        if shutil.disk_usage(directory).free < PLENTY * BYTES:
            return
        number = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(number, 0, BYTES)
        finally:
            os.close(number)


def give_up(directory: pathlib.Path) -> bool:
    """Let go of the space; whether there was any."""
    try:
        (directory / NAME).unlink()
    except OSError:
        return False
    return True
