"""When a reflector's replies truly left, for those who asked, and how late that was after T3."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.reflector.sessions import SessionTable

_FIRST_LAG_NS = 100_000  # believed until replies have left: three times what a busy machine shows
_PENDING = 8192  # replies of one socket whose TX timestamp may still be under way


class ReplyTimestamps:
    """Replies of one socket that have left, or are about to: their timestamps belong to
    sessions.
    """

    def __init__(self, sessions: SessionTable) -> None:
        self._sessions = sessions
        self._forgets = sessions.forgets
        self._key = np.zeros(_PENDING, np.uint32)
        self._slot = np.full(_PENDING, -1, np.int64)
        self._sequence = np.zeros(_PENDING, np.uint32)

    def expect(
        self, key: NDArray[np.uint32], slot: NDArray[np.int64], sequence: NDArray[np.uint32]
    ) -> None:
        """Remember which reply each transmit key belongs to. Shapes [k]."""
        self._refresh()
        place = key % _PENDING
        self._key[place], self._slot[place], self._sequence[place] = key, slot, sequence

    def left(self, key: NDArray[np.uint32], wall_ns: NDArray[np.int64]) -> None:
        """Note when replies left. Shapes [k], in order of departure."""
        self._refresh()
        place = key % _PENDING
        known = (self._slot[place] >= 0) & (self._key[place] == key)
        place, wall_ns = place[known], wall_ns[known]
        self._sessions.note_tx_times(self._slot[place], self._sequence[place], wall_ns)
        self._slot[place] = -1

    def expect_one(self, key: int, slot: int, sequence: int) -> None:
        """Remember which reply one transmit key belongs to."""
        self._refresh()
        place = key % _PENDING
        self._key[place], self._slot[place], self._sequence[place] = key, slot, sequence

    def one_left(self, key: int, wall_ns: int) -> None:
        """Note when one reply left."""
        self._refresh()
        place = key % _PENDING
        slot = int(self._slot[place])
        if slot >= 0 and self._key[place] == key:
            self._sessions.note_tx_time(slot, int(self._sequence[place]), wall_ns)
            self._slot[place] = -1

    def _refresh(self) -> None:
        """Drop everything when sessions were renumbered: a timestamp lost is no harm."""
        if self._forgets != self._sessions.forgets:
            self._forgets = self._sessions.forgets
            self._slot[:] = -1


class ReplyLag:
    """How much later than their T3 replies truly leave: the most of late.

    T3 has to be written before the system call that sends, and stays the time it was written at:
    never later than the departure, so that no delay computed from it is too short. How early it
    is is watched on the last reply of each batch, which leaves last, and told in the Error Estimate
    of replies whose sender will not hear of their departure by Follow-Up Telemetry.
    """

    def __init__(self) -> None:
        self._key: int | None = None
        self._read_ns = 0
        self._earlier_ns, self._latest_ns = _FIRST_LAG_NS, 0

    @property
    def worst_ns(self) -> int:
        """The longest lag of this second and the one before."""
        return max(self._earlier_ns, self._latest_ns)

    def sent(self, key: int, read_ns: int) -> None:
        """Note the transmit key of a batch's last reply and the wall clock when T3 was read."""
        self._key, self._read_ns = key, read_ns

    def left(self, key: NDArray[np.uint32], wall_ns: NDArray[np.int64]) -> None:
        """Learn from when replies left. Shapes [k]."""
        if self._key is None:
            return
        at = np.flatnonzero(key == self._key)
        if len(at):
            self._latest_ns = max(self._latest_ns, int(wall_ns[at[0]]) - self._read_ns)
            self._key = None

    def one_left(self, key: int, wall_ns: int) -> None:
        """Learn from when one reply left."""
        if key == self._key:
            self._latest_ns = max(self._latest_ns, wall_ns - self._read_ns)
            self._key = None

    def age(self) -> None:
        """Begin another second."""
        self._earlier_ns, self._latest_ns = self._latest_ns, 0
