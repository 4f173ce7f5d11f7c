"""The emulated WAN: one thread that takes in every site's frames and lets each out when it is due.

A frame's deadline is the kernel's receive timestamp plus the delay drawn for its path, so the time
this process takes to wake up is not added to the delay. It sleeps until shortly before the next
deadline and then spins for a bounded time. What it really did is in the log (lab.fleet.packet_log).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.fleet.impairment import Impairment, Path, Paths, take_hops
from lab.fleet.kernel import Waiter, take_precedence, wake_exactly
from lab.fleet.packet_log import COPY, LOST, OVERFLOWED, REFUSED, REORDERED, UNROUTED, PacketLog
from lab.fleet.packet_socket import Frame, FrameReceiver, FrameSender

FRAME_BYTES = 2048  # the longest frame carried; sites have an MTU of 1500
_BATCH = 256
_MOST_FRAMES = 16_384  # under way at one time
_TIMESTAMPS_EVERY_NS = 20_000_000
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


class _Waiting(NamedTuple):
    """A frame under way, in order of its deadline on the monotonic clock."""

    due_ns: int
    row: int  # of the log; no two are alike, so nothing behind it is ever compared
    octets: bytearray
    interface: int


class Emulator:
    """Carries frames between the sites of one hub namespace.

    `interface_of[a]` is the hub's interface index behind which address a lives. `housekeeping` of
    `run` is called about ten times per second; the run ends when it returns False.
    """

    def __init__(
        self,
        paths: Paths,
        interface_of: Sequence[int],
        log: PacketLog,
        *,
        seed: int,
        spin_ns: int = 60_000,
    ) -> None:
        self._paths, self._log = paths, log
        self._impairment = Impairment(seed)
        self._interface_of = list(interface_of)
        self._spin_ns = spin_ns
        self._receiver = FrameReceiver(_BATCH, FRAME_BYTES)
        self._sender = FrameSender(_BATCH, FRAME_BYTES)
        self._waiting: list[_Waiting] = []  # a heap
        self._row_of_number: dict[int, int] = {}  # frames whose timestamp has not come back
        self._timestamps_at_ns = 0
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
            next_ns = self._waiting[0].due_ns if self._waiting else keep_at_ns
            if next_ns <= now_ns:
                self._send_due(now_ns)
                continue
            if waiter.wait(min(next_ns - self._spin_ns, keep_at_ns) - now_ns):
                for frame in self._receiver.receive():
                    self._take_in(frame)
            elif now_ns >= self._timestamps_at_ns:
                self._collect_timestamps()
                self._timestamps_at_ns = now_ns + _TIMESTAMPS_EVERY_NS

    def close(self) -> None:
        """Collect the last timestamps, write the log out and close the sockets."""
        self._collect_timestamps()
        self._log.close()
        self._receiver.close()
        self._sender.close()

    def _take_in(self, frame: Frame) -> None:
        """Log a frame that came, and put it among those under way if it survives."""
        path = self._paths.of(frame.octets)
        if path is None:  # neighbour discovery and the like: not ours to carry
            self.counters.unrouted += 1
            return
        self.counters.received += 1
        treatment = self._impairment.treat(path)
        take_hops(frame.octets, path.hops)
        outcome = REORDERED if treatment.reordered else 0
        if treatment.lost:
            self.counters.lost += 1
            outcome |= LOST | (UNROUTED if path.delay_ns is None else 0)
        self._enqueue(frame, path, treatment.delay_ns, outcome)
        if treatment.duplicated and not treatment.lost:
            self._enqueue(frame, path, treatment.delay_ns, outcome | COPY)

    def _enqueue(self, frame: Frame, path: Path, delay_ns: int, outcome: int) -> None:
        survives = not outcome & LOST
        if survives and len(self._waiting) >= _MOST_FRAMES:
            survives, outcome = False, outcome | OVERFLOWED
            self.counters.overflowed += 1
        wall_ns = time.time_ns()
        received_ns = frame.timestamp_ns or wall_ns
        ends = (path.source, path.destination)
        row = self._log.append(frame.octets, ends, received_ns, delay_ns, outcome, waiting=survives)
        if survives:
            # Timestamps are of the wall clock; deadlines must not move when that is set.
            due_ns = received_ns + delay_ns - wall_ns + time.monotonic_ns()
            interface = self._interface_of[path.destination]
            heapq.heappush(self._waiting, _Waiting(due_ns, row, frame.octets, interface))

    def _send_due(self, now_ns: int) -> None:
        """Send every frame whose time has come, a batch at most."""
        due: list[_Waiting] = []
        while self._waiting and self._waiting[0].due_ns <= now_ns and len(due) < _BATCH:
            due.append(heapq.heappop(self._waiting))
        before_ns = time.time_ns()
        numbers = self._sender.send([(frame.octets, frame.interface) for frame in due])
        for frame, number in zip(due, numbers, strict=True):
            if number < 0:
                self._log.stayed(frame.row, REFUSED)
                continue
            self._log.departed(frame.row, before_ns)
            self._row_of_number[number] = frame.row
            self.counters.sent += 1

    def _collect_timestamps(self) -> None:
        """Read from the kernel when frames really left, until there is no more to read."""
        while tx_timestamps := self._sender.tx_timestamps():
            for number, left_ns in tx_timestamps:
                row = self._row_of_number.pop(number, None)
                if row is not None:
                    self._log.timestamped(row, left_ns)
        if len(self._row_of_number) > _MOST_FRAMES:  # timestamps that will never come
            self._row_of_number.clear()
