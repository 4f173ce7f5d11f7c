"""Files and directories for their owner alone, whatever the umask.

Who can open a database can hold its locks and so stop everybody who writes, and what was measured
and planned is nobody else's business: directories are 0700, files 0600, from their first moment.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private_directory(path: Path) -> None:
    """Make a directory for its owner alone; one that is there and ours is tightened. OSError.

    Directories above it that have to be made are ours alone, too.
    """
    if not path.is_dir():
        for missing in [each for each in reversed((path, *path.parents)) if not each.exists()]:
            missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    tighten(path)


def tighten(path: Path) -> None:
    """Take from everybody else what they may do with our file or directory. OSError.

    Whoever is neither its owner nor root cannot, and leaves it.
    """
    found = path.stat()
    if found.st_mode & _OTHERS and os.geteuid() in (0, found.st_uid):
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def make_private_file(path: Path) -> None:
    """Make an empty file if there is none; one that is there is tightened. OSError.

    A file that exists is never opened: closing it would end this process's locks on it (fcntl).
    """
    if path.exists():
        tighten(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))


def open_private(path: Path, *, new: bool = False) -> IO[bytes]:
    """Open a file of ours for writing from its beginning; `new`: FileExistsError if it is there."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | (os.O_EXCL if new else os.O_TRUNC)
    return os.fdopen(os.open(path, flags, FILE_MODE), "wb")
