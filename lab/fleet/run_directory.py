"""Where a run keeps its files: its own directory, gone afterwards unless it is to be kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from foundation.errors import ResourceError
from foundation.private_files import make_private_directory
from foundation.reasons import reason_of

_PREFIX = "isochrone-lab-"
_LOCK = "lock"


class RunDirectory:
    """A directory held by a lock, so that what a killed run left can be told and swept away.

    `keep` names a directory of the user's, which stays. Unix sockets live in it, so its path must
    be short.
    """

    def __init__(self, keep: Path | None = None) -> None:
        sweep()
        self.temporary = keep is None
        if keep is None:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        else:
            self.path = keep.absolute()
            self._make(self.path)
        self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @staticmethod
    def _make(path: Path) -> None:
        try:
            make_private_directory(path)
            occupied = any(path.iterdir())
        except OSError as error:
            raise ResourceError(
                f"The directory {path} cannot be made: {error.strerror}; choose another.",
                f"无法创建目录 {path}：{reason_of(error).zh}；请换一个目录。",
            ) from error
        if occupied:
            raise ResourceError(
                f"The directory {path} is not empty; choose a new one for this run.",
                f"目录 {path} 不为空；请为本次运行指定新目录。",
            )

    def close(self) -> None:
        """Let go of the directory, and remove it unless it is to be kept."""
        os.close(self._lock)
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Remove directories that runs of this user left when they were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
