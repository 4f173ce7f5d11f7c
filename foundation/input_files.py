"""Files that somebody names: no pipe without a writer, no device without an end, no links in a
circle."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from foundation.text import Text

MOST_BYTES = 64 << 20  # a site file of ten thousand sites has some three
_NOBODY_WRITES = Text("it is a pipe that nobody writes to", "它是无人写入的管道")


class _NobodyWritesError(OSError):
    """A pipe that would be waited for without end."""

    text = _NOBODY_WRITES


def read_input(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return what a file holds, `most` octets at most. Raises OSError.

    What comes through a pipe (`<(…)`, /dev/stdin) is waited for as long as somebody may write.
    """
    content = bytearray()
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(number, "rb", buffering=0) as file:
        os.set_blocking(number, True)  # opened, and the end of a pipe without a writer is here
        while len(content) <= most and (piece := file.read(1 << 20)):
            content += piece
        if not content and stat.S_ISFIFO(os.fstat(number).st_mode):
            raise _NobodyWritesError(errno.EPIPE, os.strerror(errno.EPIPE), str(path))
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return bytes(content)


def named_file(path: Path) -> Path:
    """Return the file that a name or link stands for. OSError where links lead in a circle."""
    try:
        return path.resolve()
    except RuntimeError as error:  # so says Python before 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
