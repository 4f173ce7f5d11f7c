"""The directory where an agent keeps its state, which one process alone may use at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from foundation.errors import ResourceError
from foundation.private_files import is_locked, make_private_directory, make_private_file
from foundation.reasons import reason_of
from foundation.text import plain

_MARKS = ("lock", "spool.sqlite3", "trust")  # what is in a state directory alone
_CERTIFICATE = Path("trust", "agent.pem")  # as agent.trust has it, which is loaded later


class StateDirectory:
    """A state directory whose lock this process holds."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock = path, lock

    def is_enrolled(self) -> bool:
        """Tell whether an agent was enrolled here."""
        return (self.path / _CERTIFICATE).exists()

    def tell_boot(self, boot: str) -> None:
        """Write into the lock under which boot id its holder hands in results, for the doctor."""
        with contextlib.suppress(OSError):  # the doctor then knows less
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, boot.encode("ascii"), 0)


@contextlib.contextmanager
def sole_use_of(state_dir: Path) -> Iterator[StateDirectory]:
    """Make the state directory and hold its lock for a while.

    Raises ResourceError where it cannot be used, or another agent has it.
    """
    try:
        make_private_directory(state_dir, _MARKS)
        make_private_file(state_dir / "lock")
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise ResourceError(
            f"state_dir {state_dir} cannot be used: {error.strerror}. Check its permissions and "
            "the free space of its disk.",
            f"无法使用 state_dir {state_dir}：{reason_of(error).zh}。请检查权限和磁盘剩余空间。",
            file=str(state_dir),
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ResourceError(
            f"Another agent runs in {state_dir}; stop it, or give this one a state_dir of its own.",
            f"{state_dir} 已被另一个探针占用；请先停止它，或为本探针指定其他 state_dir。",
            file=str(state_dir),
        ) from error
    try:
        yield StateDirectory(state_dir, lock)
    finally:
        os.close(lock)


def is_held(state_dir: Path) -> bool:
    """Tell whether an agent runs in this directory."""
    return is_locked(state_dir / "lock")


def boot_in(state_dir: Path) -> str:
    """Return what `StateDirectory.tell_boot` wrote there; empty where nothing was."""
    try:
        return plain((state_dir / "lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""
