"""The emulated WAN: one thread that takes in every site's frames and lets each out when it is due.

A frame's deadline is the kernel's receive timestamp plus the delay drawn for its path, so the time
this process takes to wake up is not added to the delay. It sleeps until shortly before the next
deadline and then spins for a bounded time. What it really did is in the log (lab.packet_log).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.impairment import AddressBook, Impairment, PathTable, Treatment, take_hops
from lab.kernel import Waiter, take_precedence, wake_exactly
from lab.packet_log import (
    COPY,
    HEAD_BYTES,
    LOST,
    OVERFLOWED,
    RECORD,
    REFUSED,
    REORDERED,
    UNROUTED,
    PacketLog,
)
from lab.packet_socket import FrameReceiver, Frames, FrameSender

FRAME_BYTES = 2048  # the longest frame carried; sites have an MTU of 1500
_BATCH = 256
_POOL_FRAMES = 16_384
_STAMPS_EVERY_NS = 20_000_000
_HOUSEKEEPING_NS = 100_000_000


@dataclass(slots=True)
class EmulatorCounters:
    """What the emulator did since it began."""

    received: int = 0
    sent: int = 0
    lost: int = 0
    unrouted: int = 0
    overflowed: int = 0
    dropped_by_kernel: int = 0


class Emulator:
    """Carries frames between the sites of one hub namespace.

    `interface_of` int32[a] is the hub's interface index behind which each address lives.
    `housekeeping` is called about ten times a second; the run ends when it returns False.
    """

    def __init__(
        self,
        book: AddressBook,
        table: PathTable,
        interface_of: NDArray[np.int32],
        log: PacketLog,
        *,
        seed: int,
        spin_ns: int = 60_000,
    ) -> None:
        self._book, self._log = book, log
        self._impairment = Impairment(table, seed)
        self._no_path = np.isnan(table.delay_ns).ravel()
        self._interface_of = interface_of
        self._spin_ns = spin_ns
        self._pool = np.zeros((_POOL_FRAMES, FRAME_BYTES), np.uint8)
        self._receiver = FrameReceiver(_BATCH, FRAME_BYTES)
        self._sender = FrameSender(_BATCH, self._pool)
        self._free = np.arange(_POOL_FRAMES)  # the first `_free_count` are free slots
        self._free_count = _POOL_FRAMES
        self._length = np.zeros(_POOL_FRAMES, np.int64)
        self._out = np.zeros(_POOL_FRAMES, np.int32)
        self._row = np.zeros(_POOL_FRAMES, np.int64)
        self._due_ns = np.zeros(0, np.int64)  # ascending, monotonic clock
        self._due_slot = np.zeros(0, np.int64)
        self._row_of_number = np.zeros(1 << 16, np.int64)  # frame number mod 2^16 → log row
        self._stamps_at_ns = 0
        self.counters = EmulatorCounters()

    def run(self, housekeeping: Callable[[], bool]) -> None:
        """Carry frames until `housekeeping` returns False."""
        wake_exactly()
        take_precedence()
        waiter = Waiter(self._receiver.fileno())
        keep_at_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            if now_ns >= keep_at_ns:
                if not housekeeping():
                    return
                self.counters.dropped_by_kernel += self._receiver.dropped()
                keep_at_ns = now_ns + _HOUSEKEEPING_NS
            next_ns = int(self._due_ns[0]) if len(self._due_ns) else keep_at_ns
            if next_ns <= now_ns:
                self._send_due(now_ns)
                continue
            if waiter.wait(min(next_ns - self._spin_ns, keep_at_ns) - now_ns):
                self._take_in(self._receiver.receive())
            elif now_ns >= self._stamps_at_ns:
                self._collect_stamps()
                self._stamps_at_ns = now_ns + _STAMPS_EVERY_NS

    def close(self) -> None:
        """Collect the last stamps, write the log out and close the sockets."""
        self._collect_stamps()
        self._log.close()
        self._receiver.close()
        self._sender.close()

    def _take_in(self, frames: Frames) -> None:
        """Log the frames that came and put those that survive into the queue."""
        source, destination = self._book.ends_of(frames.frame)
        known = (source >= 0) & (destination >= 0)
        if not known.all():  # neighbour discovery and the like: not ours to carry
            self.counters.unrouted += int((~known).sum())
            if not known.any():
                return
            frames = _only(frames, known)
            source, destination = source[known], destination[known]
        path = self._impairment.path_of(source, destination)
        treatment = self._impairment.treat(path)
        rows = self._rows(frames, source, destination, path, treatment)
        take_hops(frames.frame, self._impairment.hops_of(path))
        self.counters.received += len(frames)
        index = np.arange(len(frames))
        if treatment.duplicated.any():
            copies = np.flatnonzero(treatment.duplicated & ~treatment.lost)
            index = np.concatenate([index, copies])
            rows = rows[index]
            rows["fate"][len(frames) :] |= COPY
        self._enqueue(frames, index, rows)

    def _rows(
        self,
        frames: Frames,
        source: NDArray[np.int64],
        destination: NDArray[np.int64],
        path: NDArray[np.int64],
        treatment: Treatment,
    ) -> NDArray[np.void]:
        """Return the log's rows of frames that came in."""
        rows = np.zeros(len(frames), RECORD)
        stamp_ns = frames.stamp_ns
        rows["received_ns"] = np.where(stamp_ns == 0, time.time_ns(), stamp_ns)
        rows["asked_ns"] = treatment.delay_ns
        rows["source"], rows["destination"] = source, destination
        rows["length"] = frames.length
        rows["head"] = frames.frame[:, :HEAD_BYTES]
        if treatment.reordered.any():
            rows["fate"] = treatment.reordered * REORDERED
        if treatment.lost.any():
            rows["fate"] |= (treatment.lost * LOST).astype(np.uint8)
            rows["fate"] |= (self._no_path[path] * UNROUTED).astype(np.uint8)
            self.counters.lost += int(treatment.lost.sum())
        return rows

    def _enqueue(self, frames: Frames, index: NDArray[np.int64], rows: NDArray[np.void]) -> None:
        """Log `rows` (frame index[i] each) and queue those that are not lost."""
        alive = np.flatnonzero((rows["fate"] & LOST) == 0)
        if len(alive) > self._free_count:
            rows["fate"][alive[self._free_count :]] |= OVERFLOWED
            self.counters.overflowed += len(alive) - self._free_count
            alive = alive[: self._free_count]
        waiting = np.zeros(len(rows), bool)
        waiting[alive] = True
        number = self._log.append(rows, waiting)
        if not len(alive):
            return
        self._free_count -= len(alive)
        slot = self._free[self._free_count : self._free_count + len(alive)].copy()
        frame = index[alive]
        width = int(frames.length[frame].max())
        self._pool[slot, :width] = frames.frame[frame, :width]
        self._length[slot] = frames.length[frame]
        self._out[slot] = self._interface_of[rows["destination"][alive]]
        self._row[slot] = number[alive]
        # Stamps are of the wall clock; deadlines must not move when that is set.
        skew_ns = time.time_ns() - time.monotonic_ns()
        due_ns = rows["received_ns"][alive] + rows["asked_ns"][alive] - skew_ns
        self._queue(due_ns, slot)

    def _queue(self, due_ns: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        due_ns = np.concatenate([self._due_ns, due_ns])
        order = np.argsort(due_ns, kind="stable")
        self._due_ns = due_ns[order]
        self._due_slot = np.concatenate([self._due_slot, slot])[order]

    def _send_due(self, now_ns: int) -> None:
        """Send every frame whose time has come, a batch at most."""
        count = min(int(np.searchsorted(self._due_ns, now_ns, side="right")), _BATCH)
        slot = self._due_slot[:count]
        before_ns = time.time_ns()
        number = self._sender.send(slot, self._length[slot], self._out[slot])
        self._due_ns, self._due_slot = self._due_ns[count:], self._due_slot[count:]
        row, left = self._row[slot], number >= 0
        self._row_of_number[number[left] & 0xFFFF] = row[left]
        self._log.departed(row[left], np.full(int(left.sum()), before_ns))
        if not left.all():
            self._log.departed(row[~left], np.zeros(int((~left).sum()), np.int64), REFUSED)
        self._free[self._free_count : self._free_count + count] = slot
        self._free_count += count
        self.counters.sent += int(left.sum())

    def _collect_stamps(self) -> None:
        """Read from the kernel when frames really left, until there is no more to read."""
        while True:
            number, left_ns = self._sender.departures()
            if not len(number):
                return
            self._log.stamped(self._row_of_number[number & 0xFFFF], left_ns)


def _only(frames: Frames, chosen: NDArray[np.bool_]) -> Frames:
    return Frames(
        frames.frame[chosen],
        frames.length[chosen],
        frames.stamp_ns[chosen],
        frames.interface[chosen],
    )
