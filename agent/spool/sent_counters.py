"""How many probes were sent and results made, counted where it happens and kept across kill -9.

A few numbers in a file that is mapped into memory: the engine's thread adds to them as it sends,
and the kernel keeps what a killed process wrote. The spool counts elsewhere, in its own
transactions, what it was given; what is missing there after a restart was cut off by the kill. What
the controller was offered and took is in the same page (`agent.spool.delivery_counters`): a full
disk cannot keep it from being written down. A power cut may take the last seconds of the counters
with it (it is synced with every chunk): then `behind` says that the count is a lower bound.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.spool.counts import PLACES, Count, counted_at
from agent.spool.delivery_counters import NUMBERS, DeliveryCounters
from foundation.errors import ResourceError
from foundation.private_files import make_private_file
from foundation.reasons import reason_of
from messages.sections.kind import SectionKind

_FORMAT = 3
_FORMAT_AT, _MACHINE_AT, _CLEAN_AT, _ALIVE_AT = range(4)
_MADE_AT = 8  # a count; its first number is that of probes sent
_DELIVERIES_AT = 16
_BYTES = 4096  # one page, allocated at once: a full disk cannot take it away
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SentCounters:
    """The counters of one state directory; `boot_id` names this start of the machine.

    ResourceError: the file can neither be opened nor made.
    """

    def __init__(self, path: Path, boot_id: Path = _BOOT_ID) -> None:
        try:
            self._map = _mapped(path)
        except OSError as error:
            raise ResourceError(
                f"The count of probes {path} cannot be saved: {error.strerror}. Free space on its "
                "disk and check the directory's permissions.",
                f"无法保存发包计数 {path}：{reason_of(error).zh}。请清理磁盘空间并检查目录权限。",
                file=str(path),
            ) from error
        self._numbers: NDArray[np.int64] = np.frombuffer(self._map, np.int64)
        self.is_new = int(self._numbers[_FORMAT_AT]) != _FORMAT
        if self.is_new:
            self._numbers[:] = 0  # whatever was there, it was no counters file
        self.was_clean = bool(self._numbers[_CLEAN_AT])  # the run before ended in order
        self.was_alive_ns = int(self._numbers[_ALIVE_AT])  # 0: never
        machine = _machine_start(boot_id)
        cut = not self._numbers[_CLEAN_AT] and int(self._numbers[_MACHINE_AT]) != machine
        self.behind = cut and not self.is_new
        self._numbers[[_FORMAT_AT, _MACHINE_AT, _CLEAN_AT]] = _FORMAT, machine, 0
        self._map.flush()
        self.deliveries = DeliveryCounters(self._numbers[_DELIVERIES_AT : _DELIVERIES_AT + NUMBERS])

    @property
    def sent(self) -> int:
        """Probes sent since the directory was first used."""
        return int(self._numbers[_MADE_AT])

    @property
    def made(self) -> Count:
        """Probes sent and results made since then."""
        return counted_at(self._numbers[_MADE_AT : _MADE_AT + PLACES])

    @property
    def sent_place(self) -> NDArray[np.int64]:
        """Where the engine counts, int64[1]."""
        return self._numbers[_MADE_AT : _MADE_AT + 1]

    def add(self, kind: SectionKind[Any], results: int) -> None:
        """Count results where they are made; those of a kind always on the same thread."""
        self._numbers[_MADE_AT + kind.number] += results

    def alive(self, now_ns: int) -> None:
        """Note that the agent lives at this time of its wall clock."""
        self._numbers[_ALIVE_AT] = now_ns

    def begin_at(self, known: Count) -> None:
        """Let nothing be less than what the spool knows of (a new book, or one that lost some)."""
        made = self._numbers[_MADE_AT : _MADE_AT + PLACES]
        np.maximum(made, known.placed(), out=made)

    def sync(self) -> None:
        """Let a power cut not take away what is counted so far."""
        self._map.flush()

    def close(self) -> None:
        """Close the book after a run that ended cleanly."""
        self._numbers[_CLEAN_AT] = 1
        self._map.flush()


def read_sent_counters(path: Path) -> Count:
    """Return what was made by a book, without opening it for writing."""
    numbers = np.frombuffer(path.read_bytes(), np.int64)
    return counted_at(numbers[_MADE_AT : _MADE_AT + PLACES])


def _mapped(path: Path) -> mmap.mmap:
    make_private_file(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, _BYTES)
        return mmap.mmap(descriptor, _BYTES)
    finally:
        os.close(descriptor)


def _machine_start(boot_id: Path) -> int:
    """Return a number that differs after each start of the machine, 0 where none is known."""
    try:
        text = boot_id.read_text(encoding="ascii").replace("-", "")
    except OSError:
        return 0
    return int(text[:15], 16)
