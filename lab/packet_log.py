"""The emulator's log: what it did to every packet. This is the lab's truth.

Rows are written in segments of a fixed number, each to a file of its own once every packet of it
has left and the kernel has said when. Row layout (128 bytes): RECORD below.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEAD_BYTES = 96  # enough for Ethernet + IPv6 + UDP + the STAMP reply's sender sequence
LOST, COPY, REORDERED, REFUSED, UNROUTED, OVERFLOWED = 1, 2, 4, 8, 16, 32  # bits of `fate`

# received_ns, left_ns: kernel stamps, wall clock (0: never). asked_ns: the delay that was drawn.
# COPY marks the second packet of a duplication. source, destination: numbers of addresses.
RECORD = np.dtype(
    [
        ("received_ns", "<i8"),
        ("left_ns", "<i8"),
        ("asked_ns", "<i8"),
        ("source", "<i2"),
        ("destination", "<i2"),
        ("length", "<u2"),
        ("fate", "u1"),
        ("stamped", "u1"),  # 1: left_ns is the kernel's, 0: the clock just before sending
        ("head", "u1", HEAD_BYTES),
    ]
)
SEGMENT_ROWS = 16_384
DEFAULT_LIMIT_BYTES = 1 << 30


class _Segment:
    def __init__(self, first: int) -> None:
        self.first = first
        self.rows = np.zeros(SEGMENT_ROWS, RECORD)
        self.used = 0
        self.waiting = 0  # rows whose departure is not known yet


class PacketLog:
    """Appends rows and fills in departures later; keeps at most `limit_bytes` on disk."""

    def __init__(self, directory: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._directory = directory
        self._most_files = max(2, limit_bytes // (SEGMENT_ROWS * RECORD.itemsize))
        self._open: deque[_Segment] = deque([_Segment(0)])
        self._files: deque[Path] = deque()
        directory.mkdir(parents=True, exist_ok=True)

    def append(self, rows: NDArray[np.void], waiting: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Add rows, of which those `waiting` will depart later; return their numbers."""
        numbers = []
        while len(rows):
            last = self._open[-1]
            room = SEGMENT_ROWS - last.used
            part, rows = rows[:room], rows[room:]
            last.rows[last.used : last.used + len(part)] = part
            numbers.append(last.first + last.used + np.arange(len(part)))
            last.used += len(part)
            last.waiting += int(waiting[:room].sum())
            waiting = waiting[room:]
            if last.used == SEGMENT_ROWS:
                self._open.append(_Segment(last.first + SEGMENT_ROWS))
                self._write_finished()
        return np.concatenate(numbers) if numbers else np.zeros(0, np.int64)

    def departed(self, row: NDArray[np.int64], left_ns: NDArray[np.int64], fate: int = 0) -> None:
        """Note that rows left at `left_ns` (0: they did not, for the reason `fate`)."""
        for segment in self._open:
            inside = (row >= segment.first) & (row < segment.first + SEGMENT_ROWS)
            if inside.any():
                at = row[inside] - segment.first
                segment.rows["left_ns"][at] = left_ns[inside]
                segment.rows["fate"][at] |= fate
                segment.waiting -= len(at)
        if len(self._open) > 1:
            self._write_finished()

    def stamped(self, row: NDArray[np.int64], left_ns: NDArray[np.int64]) -> None:
        """Replace the time of departure by the kernel's, for rows still in memory."""
        for segment in self._open:
            inside = (row >= segment.first) & (row < segment.first + SEGMENT_ROWS)
            at = row[inside] - segment.first
            segment.rows["left_ns"][at] = left_ns[inside]
            segment.rows["stamped"][at] = 1

    def _write_finished(self) -> None:
        # One full segment stays open, so that late stamps still find their rows.
        while len(self._open) > 2 and self._open[0].waiting <= 0:
            self._write(self._open.popleft())

    def _write(self, segment: _Segment) -> None:
        path = self._directory / f"packets-{segment.first:012d}.log"
        segment.rows[: segment.used].tofile(path)
        self._files.append(path)
        while len(self._files) > self._most_files:
            self._files.popleft().unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is left."""
        while self._open:
            self._write(self._open.popleft())


def read_log(directory: Path) -> NDArray[np.void]:
    """Return all rows of a log, in order of arrival; shape [n] of RECORD."""
    parts = [np.fromfile(path, RECORD) for path in sorted(directory.glob("packets-*.log"))]
    return np.concatenate(parts) if parts else np.zeros(0, RECORD)
