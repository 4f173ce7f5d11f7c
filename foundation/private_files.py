"""Files and directories for their owner alone, whatever the umask.

Who can open a database can hold its locks and so stop everybody who writes, and what was measured
and planned is nobody else's business: directories are 0700, files 0600, from their first moment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Collection
from pathlib import Path

from foundation.errors import RightsError
from foundation.text import Text

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NoRegularFileError(OSError):
    """What stands where a file of ours should be is a directory, a pipe, a device or a socket."""

    text = Text("it is not a regular file: move it away", "它不是普通文件，请将其移走")


def check_regular(path: Path) -> None:
    """Raise NoRegularFileError for what is there and is no file, before it is opened: opening a
    pipe waits for ever. OSError where nothing is there."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise NoRegularFileError(errno.EINVAL, NoRegularFileError.text.en, str(path))


def make_private_directory(path: Path, marks: Collection[str] = ()) -> None:
    """Make a directory for its owner alone. OSError; RightsError where others may change it.

    One that is there is tightened if it is ours to tighten: empty, or with one of `marks`, files
    that only we make. In any other the files are private and the directory is left as it is.
    Directories above it that have to be made are private, too.
    """
    if not path.is_dir():
        for missing in [each for each in reversed((path, *path.parents)) if not each.exists()]:
            missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    found = {each.name for each in path.iterdir()}
    if not found or found.intersection(marks):
        tighten(path)
    if path.stat().st_mode & _OTHERS_WRITE:
        raise RightsError(
            f"Other users may write in {path}, and so could stop or falsify what is stored there. "
            f"Use a separate directory, or remove their permission: chmod go-w {path}",
            f"其他用户可以写入 {path}，因而能够中断服务或篡改其中的数据。"
            f"请使用专用目录，或收回其权限：chmod go-w {path}",
            file=str(path),
        )


def tighten(path: Path) -> None:
    """Take from everybody else what they may do with our file or directory. OSError.

    Whoever is neither its owner nor root cannot, and leaves it.
    """
    found = path.stat()
    if found.st_mode & _OTHERS and os.geteuid() in (0, found.st_uid):
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def make_private_file(path: Path) -> None:
    """Make an empty file if there is none; one that is there is tightened. OSError, with
    NoRegularFileError.

    A file that exists is never opened: closing it would end this process's locks on it (fcntl).
    """
    if path.exists():
        check_regular(path)
        tighten(path)
    else:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
        except OSError as error:
            if error.errno == errno.ELOOP:  # links that lead in a circle
                raise NoRegularFileError(errno.ELOOP, os.strerror(errno.ELOOP), path) from error
            raise


def make_private_database(path: Path) -> None:
    """Make the file of a SQLite database as `make_private_file` does; its logs get its rights."""
    make_private_file(path)
    for log in (path.with_name(path.name + ending) for ending in ("-wal", "-shm")):
        if log.exists():
            check_regular(log)
            tighten(log)


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock (flock) of this file; False where there is none."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
