"""The windows that are not yet handed out, and when they may be.

Windows are aligned to the wall clock and run on the monotonic scale. A change of the wall clock
renews the anchor: the window of that moment ends there, unless the clock still shows its interval,
and the next begins in the interval that the clock shows now
(docs/decisions/clocks.md). So windows are
numbered in the order in which they were measured, whatever the clock says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from probes.engine.accumulate import Finished, Window
from probes.sockets.records import distinct
from probes.window import WindowBatch

STARVED_SHARE = 0.1  # of a window that its engine stood still
_HOLD_NS = 200_000_000  # how long a complete window still waits for duplicates


class OpenWindows:
    """Probes in flight and finished ones, by the window they were sent in."""

    def __init__(
        self, duration_ns: int, offset_ns: int, on_windows: Callable[[WindowBatch], None]
    ) -> None:
        self._duration_ns = duration_ns
        self._offset_ns = offset_ns  # wall - monotonic, as it is now
        self._ahead = 0  # a window's number less that of its interval on the wall clock
        self._on_windows = on_windows
        self._open: dict[int, Window] = {}
        self._in_flight: Counter[int] = Counter()

    @property
    def in_flight(self) -> int:
        """How many probes still have no outcome."""
        return self._in_flight.total()

    def number_at(self, monotonic_ns: int) -> int:
        """Return the number of the window that a moment lies in, as the wall clock is now."""
        return self._ahead + (monotonic_ns + self._offset_ns) // self._duration_ns

    def anchor(self, monotonic_ns: int, offset_ns: int) -> None:
        """Let the wall clock be `offset_ns` ahead of the monotonic one from `monotonic_ns` on."""
        present = self.number_at(monotonic_ns)
        self._offset_ns = offset_ns
        going_on = self.number_at(monotonic_ns) == present
        if not going_on:
            self._ahead += present + 1 - self.number_at(monotonic_ns)
        window = self._open.get(present)
        if window is not None:
            window.end_ns = self._end_of(present) if going_on else monotonic_ns

    def are_over(self, number: int) -> bool:
        """Tell whether window `number` and all before it have been handed out."""
        return all(still_open > number for still_open in self._open)

    def sent(self, number: int, count: int) -> None:
        """Expect the outcomes of `count` more probes in a window."""
        self._in_flight[number] += count
        self._window(number)

    def finish(self, finished: Finished) -> None:
        """File finished probes."""
        for number, part in _by_window(finished.window):
            chosen = finished if part is None else finished.take(part)
            self._window(number).add(chosen)
            self._in_flight[number] -= len(chosen)

    def repeated(self, window: NDArray[np.int64], stream: NDArray[np.int32]) -> None:
        """Count duplicate answers of probes, unless their window is already handed out."""
        for number, part in _by_window(window):
            if number in self._open:
                chosen = stream if part is None else stream[part]
                self._open[number].add_duplicates(chosen)

    def skipped(self, number: int, stream: NDArray[np.int32], count: NDArray[np.int64]) -> None:
        """Count probes that were due and left out, since their streams fell behind."""
        self._window(number).add_skipped(stream, count)

    def mark_suspect(self, monotonic_ns: int) -> None:
        """Mark what is being measured now, and what was in flight, as doubtful."""
        self._window(self.number_at(monotonic_ns))
        for window in self._open.values():
            window.suspect = True

    def stalled(self, monotonic_ns: int, stall_ns: int) -> None:
        """Note that nothing was done for `stall_ns` up to now: too much of it makes doubtful.

        One stall is none: the kernel's timestamps do not wait for us. A machine that stands still
        for a tenth of a window is starved, and then what it did not see is not known either.
        """
        self._window(self.number_at(monotonic_ns))
        for window in self._open.values():
            window.stalled_ns += stall_ns
            if window.stalled_ns > STARVED_SHARE * self._duration_ns:
                window.suspect = True

    def close_ready(self, monotonic_ns: int, stream_ids: NDArray[np.uint64]) -> None:
        """Hand out, in order, the windows that are over and have no probe in flight."""
        for number in sorted(self._open):
            too_soon = monotonic_ns < self._open[number].end_ns + _HOLD_NS
            if too_soon or self._in_flight[number] > 0:
                return
            self._hand_out(number, stream_ids)

    def close_all(self, stream_ids: NDArray[np.uint64]) -> None:
        """Hand out everything; probes still in flight are left out of every count."""
        for number in sorted(self._open):
            self._hand_out(number, stream_ids)

    def _hand_out(self, number: int, stream_ids: NDArray[np.uint64]) -> None:
        window = self._open.pop(number)
        del self._in_flight[number]
        batch = window.close(self._duration_ns, stream_ids)
        if batch.rows:
            self._on_windows(batch)

    def _window(self, number: int) -> Window:
        if number not in self._open:
            start_ns = (number - self._ahead) * self._duration_ns
            self._open[number] = Window(start_ns, self._end_of(number))
        return self._open[number]

    def _end_of(self, number: int) -> int:
        """Return when a window ends, on the monotonic scale."""
        return (number + 1 - self._ahead) * self._duration_ns - self._offset_ns


def _by_window(
    window: NDArray[np.int64],
) -> list[tuple[int, NDArray[np.int64] | None]]:
    """Return (window number, its places) pairs; None for "all", which is the usual case."""
    if not len(window):
        return []
    first = int(window[0])
    if (window == first).all():
        return [(first, None)]
    return [(int(number), np.flatnonzero(window == number)) for number in distinct(window)]
