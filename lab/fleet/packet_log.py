"""The emulator's log: what it did to every packet. This is the lab's truth.

Rows are written in segments of a fixed number, each to its own file once every packet of it
has left and the kernel has said when. Row layout (152 bytes): RECORD below.
"""

from __future__ import annotations

import struct
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Enough for Ethernet + IPv6 + UDP + the sender's sequence in an authenticated STAMP reply.
HEAD_BYTES = 120
LOST, COPY, REORDERED, REFUSED, UNROUTED, OVERFLOWED = 1, 2, 4, 8, 16, 32  # bits of `outcome`

# received_ns, left_ns: kernel timestamps, wall clock (0: never). asked_ns: the delay that was
# drawn. COPY marks the second packet of a duplication. source, destination: numbers of addresses.
RECORD = np.dtype(
    [
        ("received_ns", "<i8"),
        ("left_ns", "<i8"),
        ("asked_ns", "<i8"),
        ("source", "<i2"),
        ("destination", "<i2"),
        ("length", "<u2"),
        ("outcome", "u1"),
        ("timestamped", "u1"),  # 1: left_ns is the kernel's, 0: the clock just before sending
        ("head", "u1", HEAD_BYTES),
    ]
)
SEGMENT_ROWS = 16_384
DEFAULT_LIMIT_BYTES = 1 << 30
_ROW = struct.Struct(f"<qqqhhHBB{HEAD_BYTES}s")  # RECORD, packed a row at a time
_LEFT_AT, _OUTCOME_AT, _TIMESTAMPED_AT = 8, 30, 31  # offsets in it
_TIME = struct.Struct("<q")


class _Segment:
    def __init__(self) -> None:
        self.rows = bytearray(SEGMENT_ROWS * _ROW.size)
        self.used = 0
        self.waiting = 0  # rows whose departure is not known yet


class PacketLog:
    """Appends rows and fills in tx_timestamps later; keeps at most `limit_bytes` on disk."""

    def __init__(self, directory: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._directory = directory
        self._most_files = max(2, limit_bytes // (SEGMENT_ROWS * _ROW.size))
        self._first = 0  # number of the first row of the first open segment
        self._open: deque[_Segment] = deque([_Segment()])
        self._files: deque[Path] = deque()
        directory.mkdir(parents=True, exist_ok=True)

    def append(
        self,
        frame: bytearray,
        ends: tuple[int, int],
        received_ns: int,
        asked_ns: int,
        outcome: int,
        *,
        waiting: bool,
    ) -> int:
        """Add a row, whose packet departs later if `waiting`; return its number.

        `ends`: the numbers of its source and destination.
        """
        last = self._open[-1]
        _ROW.pack_into(
            last.rows,
            last.used * _ROW.size,
            received_ns,
            0,
            asked_ns,
            *ends,
            len(frame),
            outcome,
            0,
            frame[:HEAD_BYTES],
        )
        number = self._first + (len(self._open) - 1) * SEGMENT_ROWS + last.used
        last.used += 1
        last.waiting += waiting
        if last.used == SEGMENT_ROWS:
            self._open.append(_Segment())
            self._write_finished()
        return number

    def departed(self, number: int, left_ns: int) -> None:
        """Note that a row's packet left at `left_ns` by our own clock."""
        segment, at = self._find(number)
        _TIME.pack_into(segment.rows, at + _LEFT_AT, left_ns)
        segment.waiting -= 1

    def stayed(self, number: int, outcome: int) -> None:
        """Note that a row's packet did not leave after all, and why."""
        segment, at = self._find(number)
        segment.rows[at + _OUTCOME_AT] |= outcome
        segment.waiting -= 1

    def timestamped(self, number: int, left_ns: int) -> None:
        """Replace the time of departure by the kernel's, for a row still in memory."""
        if number >= self._first:
            segment, at = self._find(number)
            _TIME.pack_into(segment.rows, at + _LEFT_AT, left_ns)
            segment.rows[at + _TIMESTAMPED_AT] = 1

    def _find(self, number: int) -> tuple[_Segment, int]:
        which, row = divmod(number - self._first, SEGMENT_ROWS)
        return self._open[which], row * _ROW.size

    def _write_finished(self) -> None:
        # One full segment stays open, so that late timestamps still find their rows.
        while len(self._open) > 2 and self._open[0].waiting <= 0:
            self._write_first()

    def _write_first(self) -> None:
        segment = self._open.popleft()
        path = self._directory / f"packets-{self._first:012d}.log"
        path.write_bytes(memoryview(segment.rows)[: segment.used * _ROW.size])
        self._first += SEGMENT_ROWS
        self._files.append(path)
        while len(self._files) > self._most_files:
            self._files.popleft().unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is left."""
        while self._open:
            self._write_first()


def read_log(directory: Path) -> NDArray[np.void]:
    """Return all rows of a log, in order of arrival; shape [n] of RECORD."""
    parts = [np.fromfile(path, RECORD) for path in sorted(directory.glob("packets-*.log"))]
    return np.concatenate(parts) if parts else np.zeros(0, RECORD)
