"""The sessions of a stateful Session-Reflector, thousands at a time and bounded in memory.

A session is (local socket, source address, source port, SSID) (RFC 8972 §3). It is known here by
a 64-bit hash of these under a secret drawn at start, so nobody can aim at another's session;
among 100,000 sessions the chance that any two share a number is 3·10⁻¹⁰.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.sockets.records import distinct, stable_order, starts

MAX_SESSIONS = 100_000
IDLE_NS = 900 * 1_000_000_000  # REFWAIT of RFC 5357 §4.2
_MOST_AHEAD = 100_000  # numbers that a session may have lost in a row
_TELL_WITHIN_NS = 250_000_000  # departures so long before the latest are no longer told
_FIRST_SLOTS = 256
_AF_INET6 = 10
_ALL_64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Sources:
    """Where n packets came from: `high`, `low` uint64[n] are the halves of the IPv6 address (IPv4
    as ::ffff:a.b.c.d), `port` uint16[n]."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    port: NDArray[np.uint16]

    def take(self, row: NDArray[Any]) -> Sources:
        """Return the sources of the packets numbered by `row`, ascending."""
        if len(row) == len(self.port):
            return self
        return Sources(self.high[row], self.low[row], self.port[row])


def read_sources(address: NDArray[np.uint8]) -> Sources:
    """Return the sources in the rows of `address` (uint8[n, 28], sockaddr of either family)."""
    v6 = address[:, 0] == _AF_INET6
    port = address[:, 2:4].view(">u2")[:, 0].astype(np.uint16)
    v4_low = np.uint64(0xFFFF_0000_0000) | address[:, 4:8].view(">u4")[:, 0].astype(np.uint64)
    if not v6.any():
        return Sources(np.zeros(len(address), np.uint64), v4_low, port)
    high = np.where(v6, address[:, 8:16].view(">u8")[:, 0], 0).astype(np.uint64)
    low = np.where(v6, address[:, 16:24].view(">u8")[:, 0], v4_low).astype(np.uint64)
    return Sources(high, low, port)


class SecretHash:
    """A hash of rows of 64-bit words under its own secret."""

    def __init__(self) -> None:
        self._seed = np.uint64(secrets.randbits(64))
        self._factor = np.uint64(secrets.randbits(64) | 1)

    def mix(self, *words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return one hash for each row of `words` (each uint64[n])."""
        state = np.full(len(words[0]), self._seed)
        for word in words:
            state = (state ^ word) * self._factor
            state ^= state >> np.uint64(29)
            state *= np.uint64(0xBF58476D1CE4E5B9)
            state ^= state >> np.uint64(32)
        return state


class SessionTable:
    """What the reflector remembers of each session, in columns.

    `slots` numbers sessions; the columns are indexed by slot. After `forgets` has changed, slot
    numbers kept elsewhere are void.
    """

    def __init__(self, limit: int = MAX_SESSIONS, idle_ns: int = IDLE_NS) -> None:
        self.limit = limit
        self.idle_ns = idle_ns
        self.forgets = 0
        self._mixer = SecretHash()
        self._hash = np.zeros(0, np.uint64)  # ascending
        self._slot = np.zeros(0, np.int64)  # parallel to _hash
        self.count = 0
        self.rows = np.zeros(_FIRST_SLOTS, _SESSION)

    def slots(
        self, sources: Sources, ssid: NDArray[np.uint16], local: int, now_ns: int
    ) -> NDArray[np.int64]:
        """Return the slot of each packet's session, making those that are new. Shape [n].

        `local` numbers the socket; `now_ns` is on the monotonic scale. A full table forgets its
        idle sessions, then those longest unheard of; sessions of this call are never forgotten.
        """
        wanted = self._hashes(sources, ssid, local)
        at, known = self._find(wanted)
        if not known.all():
            self._admit(distinct(wanted[~known]), wanted[known], now_ns)
            at, _ = self._find(wanted)
        slot = self._slot[at]
        self.rows["seen_ns"][slot] = now_ns
        return slot

    def find(self, sources: Sources, ssid: NDArray[np.uint16], local: int) -> NDArray[np.int64]:
        """Return the slot of each packet's session, -1 where there is none. Shape [n]."""
        at, known = self._find(self._hashes(sources, ssid, local))
        slot = np.full(len(known), -1)
        slot[known] = self._slot[at[known]]
        return slot

    def expect(self, slot: NDArray[np.int64], sequence: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which authenticated requests may be the next of their sessions, bool[n]."""
        highest = self.rows["replay_highest"][slot]
        ahead = sequence - highest
        expected: NDArray[np.bool_] = (slot >= 0) & (highest >= 0)
        expected &= (ahead > -64) & (ahead <= _MOST_AHEAD)
        return expected

    def _hashes(self, sources: Sources, ssid: NDArray[np.uint16], local: int) -> NDArray[np.uint64]:
        rest = sources.port.astype(np.uint64) << np.uint64(32)
        rest |= ssid.astype(np.uint64) << np.uint64(16) | np.uint64(local)
        return self._mixer.mix(sources.high, sources.low, rest)

    def _find(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        at = np.searchsorted(self._hash, wanted)
        if not len(self._hash):
            return at, np.zeros(len(wanted), np.bool_)
        at = np.minimum(at, len(self._hash) - 1)
        return at, self._hash[at] == wanted

    def _admit(self, new: NDArray[np.uint64], live: NDArray[np.uint64], now_ns: int) -> None:
        """Add sessions; `live` are others of the same batch, which must survive."""
        if self.count + len(new) > self.limit:
            at, _ = self._find(live)
            self.rows["seen_ns"][self._slot[at]] = now_ns
            self._forget(now_ns, room=len(new))
        end = self.count + len(new)
        if end > len(self.rows):
            grown = np.zeros(max(end, 2 * len(self.rows)), _SESSION)
            grown[: self.count] = self.rows[: self.count]
            self.rows = grown
        fresh = np.arange(self.count, end)
        self.rows[fresh] = _NEW_SESSION
        self.rows["seen_ns"][fresh] = now_ns
        place = np.searchsorted(self._hash, new)
        self._hash = np.insert(self._hash, place, new)
        self._slot = np.insert(self._slot, place, fresh)
        self.count = end

    def _forget(self, now_ns: int, room: int) -> None:
        """Drop idle sessions, and if need be the eighth longest unheard of; renumber the rest."""
        seen_ns = self.rows["seen_ns"][: self.count]
        keep = seen_ns > now_ns - self.idle_ns
        most = self.limit - max(room, self.limit // 8)
        if int(keep.sum()) + room > self.limit:
            order = np.argsort(seen_ns, kind="stable")
            keep[order[: self.count - most]] = False
        number = np.cumsum(keep) - 1
        survivors = keep[self._slot]
        self._hash = self._hash[survivors]
        self._slot = number[self._slot[survivors]]
        kept = self.rows[: self.count][keep]
        self.rows[: len(kept)] = kept
        self.count = len(kept)
        self.forgets += 1

    def take_sequence(self, slot: NDArray[Any]) -> NDArray[np.uint32]:
        """Return the next reflector sequence number for each packet, in order of arrival.

        Shape [n]; slots may repeat. Numbers start at 0 and wrap at 2^32 as on the wire.
        """
        turn, _, _ = turns(slot)
        sequence: NDArray[np.uint32] = (self.rows["sequence"][slot] + turn).astype(np.uint32)
        # Of several packets of a session the last assignment stands.
        self.rows["sequence"][slot] = sequence + np.uint32(1)
        return sequence

    def next_sequence(self, slot: int, now_ns: int) -> int:
        """Return the next reflector sequence number of one session, which is heard of now."""
        session = self.rows[slot]
        sequence = int(session["sequence"])
        session["sequence"] = (sequence + 1) & 0xFFFF_FFFF
        session["seen_ns"] = now_ns
        return sequence

    def note_tx_time(self, slot: int, sequence: int, wall_ns: int) -> None:
        """Remember when one reply left, as `note_tx_times`."""
        session = self.rows[slot]
        departed = int(session["departed"])
        session["tx_sequence"][departed % _TX_TIMES] = sequence
        session["tx_wall_ns"][departed % _TX_TIMES] = wall_ns
        session["departed"] = departed + 1

    def take_tx_time(self, slot: int) -> tuple[int, int]:
        """Return (sequence, wall_ns) of one departure to tell, as `take_tx_times`."""
        session = self.rows[slot]
        departed, told = int(session["departed"]), int(session["told"])
        latest = max(departed - 1, 0)
        number = min(max(told, departed - _TX_TIMES), latest)
        left_ns = session["tx_wall_ns"]
        while left_ns[number % _TX_TIMES] < left_ns[latest % _TX_TIMES] - _TELL_WITHIN_NS:
            number += 1
        session["told"] = min(number + 1, departed)
        place = number % _TX_TIMES
        return (
            int(session["tx_sequence"][place]),
            int(session["tx_wall_ns"][place]),
        )

    def note_tx_times(
        self, slot: NDArray[np.int64], sequence: NDArray[np.uint32], wall_ns: NDArray[np.int64]
    ) -> None:
        """Remember when replies left, the latest sixteen of each session. Shapes [n], in order."""
        turn, each, size = turns(slot)
        place = (self.rows["departed"][slot] + turn) % _TX_TIMES
        self.rows["tx_sequence"][slot, place] = sequence
        self.rows["tx_wall_ns"][slot, place] = wall_ns
        self.rows["departed"][each] += size

    def take_tx_times(
        self, slot: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return (sequence, wall_ns) of a departure for each packet to tell; wall_ns 0 if none.

        Every departure is told once, in order, also those of replies that left in one batch; a
        session that has told all tells the latest again. Since each reply tells one, replies that
        left together would delay all later tellings for ever: those of long ago are left out.
        """
        turn, _, _ = turns(slot)
        departed: NDArray[np.int64] = self.rows["departed"][slot]
        oldest = np.maximum(self.rows["told"][slot], departed - _TX_TIMES)
        behind = np.flatnonzero(departed - oldest > 1)
        if len(behind):
            oldest[behind] = self._recent(slot[behind], oldest[behind], departed[behind] - 1)
        number = np.clip(oldest + turn, 0, np.maximum(departed - 1, 0))
        place = number % _TX_TIMES
        # Of several packets of a session the last assignment stands.
        self.rows["told"][slot] = np.minimum(number + 1, departed)
        sequence: NDArray[np.uint32] = self.rows["tx_sequence"][slot, place]
        wall_ns: NDArray[np.int64] = self.rows["tx_wall_ns"][slot, place]
        return sequence, wall_ns

    def _recent(
        self,
        slot: NDArray[np.int64],
        oldest: NDArray[np.int64],
        latest: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the number of the first departure to tell that is not long before the latest."""
        told_of = self.rows["tx_wall_ns"]
        latest_ns = told_of[slot, latest % _TX_TIMES]
        stale = told_of[slot, oldest % _TX_TIMES] < latest_ns - _TELL_WITHIN_NS
        if not stale.any():  # as it nearly always is
            return oldest
        left_ns = told_of[slot]
        old = left_ns < latest_ns[:, None] - _TELL_WITHIN_NS
        # What each place holds: the latest number that belongs there.
        number = latest[:, None] - (latest[:, None] - np.arange(_TX_TIMES)) % _TX_TIMES
        after: NDArray[np.int64] = np.where(old, number + 1, 0).max(axis=1)
        return np.maximum(oldest, after)


def turns(
    slot: NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return how often each slot stood before in `slot`, the distinct slots, and how often each."""
    order = stable_order(slot)
    ordered = slot[order]
    first = np.flatnonzero(starts(ordered))
    if len(first) == len(slot):  # every session once, as it usually is
        return np.zeros(len(slot), np.int64), slot, np.ones(len(slot), np.int64)
    size = np.diff(first, append=len(ordered))
    turn = np.empty(len(slot), np.int64)
    turn[order] = np.arange(len(ordered)) - np.repeat(first, size)
    return turn, ordered[first], size


_TX_TIMES = 16  # so many replies may leave together, after this machine was starved
_SESSION = np.dtype(
    [
        ("seen_ns", "i8"),  # monotonic
        ("sequence", "u4"),  # of the next reply
        ("departed", "i8"),  # replies whose departure is known
        ("told", "i8"),  # of them, how many a later reply has told of
        ("tx_sequence", "u4", (_TX_TIMES,)),  # the latest of them, number n at n mod 16
        ("tx_wall_ns", "i8", (_TX_TIMES,)),
        ("replay_highest", "i8"),  # highest authenticated sequence number; -1 = none yet
        ("replay_bits", "u8"),  # bit k: replay_highest - k was seen
        ("replay_wall_ns", "i8"),  # newest authenticated T1
        # What `probes.reflector.seniority` knows of it.
        ("learnt_sequence", "u4"),
        ("per_s", "f4"),  # replies
        ("empty_ns", "f8"),  # when its share would have been empty
        ("periods", "u1"),
        ("seniority", "u1"),  # JUNIOR or SENIOR; 0 has none
        ("pressed", "?"),  # not all of the last period was answered
    ],
    align=True,
)
_NEW_SESSION = np.zeros((), _SESSION)
_NEW_SESSION["replay_highest"] = -1


def is_fresh(session: np.void, sequence: int, sent_wall_ns: int) -> bool:
    """Note an authenticated request of a session; False if it may have been recorded and replayed.

    Accepted: a sequence number above all seen; one of the 64 below the highest, once; any number
    whose T1 is later than every T1 seen, for nobody but the key's holder can sign a new time (a
    sender that started again, or whose numbers wrapped). A sender's clock that steps back costs
    nothing while its numbers grow.
    """
    highest, bits = int(session["replay_highest"]), int(session["replay_bits"])
    newest_ns = int(session["replay_wall_ns"])
    behind = highest - sequence
    if behind < 0:
        bits = (bits << -behind | 1) & _ALL_64 if behind > -64 else 1
        highest = sequence
    elif behind < 64 and not bits >> behind & 1:
        bits |= 1 << behind
    elif sent_wall_ns > newest_ns:
        highest, bits = sequence, 1
    else:
        return False
    session["replay_highest"], session["replay_bits"] = highest, bits
    session["replay_wall_ns"] = max(newest_ns, sent_wall_ns)
    return True
