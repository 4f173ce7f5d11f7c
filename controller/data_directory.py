"""The controller's data directory: what lies in it beside the store, and which process owns it."""

from __future__ import annotations

import fcntl
import pathlib
from collections.abc import Sequence
from typing import TextIO

from foundation.errors import ResourceError
from foundation.private_files import (
    NoRegularFileError,
    is_locked,
    make_private_directory,
    make_private_file,
)
from foundation.reasons import reason_of

KEYS_DIRECTORY = "keys"
LOCK_NAME = "lock"
SITES_NAME = "last-sites.toml"  # written by a controller that runs: controller.plans.last_sites
MARKS = (KEYS_DIRECTORY, LOCK_NAME, SITES_NAME)  # what is in a data directory alone


def own_directory(directory: pathlib.Path, marks: Sequence[str] = ()) -> TextIO:
    """Create the directory and lock it for this process; the returned file holds the lock.

    `marks` are further names of files that only we make. Raises ResourceError.
    """
    try:
        make_private_directory(directory, (*MARKS, *marks))
        make_private_file(directory / LOCK_NAME)
        lock_file = (directory / LOCK_NAME).open("a")
    except OSError as error:
        reason = reason_of(error)
        if isinstance(error, NoRegularFileError):
            raise ResourceError(
                f"{directory / 'lock'} is not a regular file; remove it, and start again.",
                f"{directory / 'lock'} 不是普通文件；请将其删除后重新启动。",
                file=str(directory / LOCK_NAME),
            ) from error
        raise ResourceError(
            f"The data directory {directory} cannot be written ({reason.en}); give the "
            "controller's user the right to write there, or use another --data directory.",
            f"无法写入数据目录 {directory}（{reason.zh}）；"
            "请为控制器用户授予写权限，或用 --data 指定其他目录。",
            file=str(directory),
        ) from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock_file.close()
        raise ResourceError(
            f"Another controller is using the data directory {directory}; stop it, or use another "
            "--data directory.",
            f"另一个控制器正在使用数据目录 {directory}；请先停止它，或用 --data 指定其他目录。",
            file=str(directory),
        ) from error
    return lock_file


def is_held(data: pathlib.Path) -> bool:
    """Tell whether a controller runs in this directory."""
    return is_locked(data / LOCK_NAME)
