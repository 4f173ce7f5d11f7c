"""The table of probes in flight: every probe is a row that its answer finds without searching.

A session is one flow of one stream: it has its own sequence numbers (64 bits here, cut to what
the packet has room for) and its own ring of rows, long enough to remember a probe for as long as
its answer is waited for. Sequence number s of a session lies in row  base + (s mod ring)·stride:
the rings of sessions that begin together are interleaved, so that what they send at one time lies
together, and memory that no probe has reached yet is not asked of the system.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.sockets.records import distinct, put_records, stable_order

# On a busy machine either end may not run for so long, and answers wait before they are collected;
# a Follow-Up is worth that wait.
_STARVED_NS = 400_000_000

LOOK_BACK = 128  # probes of a session among which a timestamp alone is looked for

EMPTY, DROPPED, FLYING, ON_TIME, LATE, LOST = range(6)  # what may be answered: FLYING and above

_SESSION = np.dtype(
    [
        ("stream", "i4"),
        ("flow", "u2"),
        ("tos", "u1"),  # DSCP and ECN that its probes leave with
        ("base", "i8"),
        ("stride", "i8"),
        ("mask", "i8"),
        ("timeout_ns", "i8"),
        ("next", "i8"),  # sequence number of the next probe
        ("highest", "i8"),  # highest sequence number answered: RFC 4737's NextExp - 1
        ("unproven", "?"),  # answers were told by number or check alone
        ("stateful", "?"),  # the reflector counts by itself (RFC 8762 §4)
        ("last_answer", "u1"),  # what last came back, as codec.ANSWERS
        ("hold_ns", "i8"),  # how long an answer may wait for its Follow-Up; 0 = never
        ("silent", "u1"),  # answers in a row that brought no Follow-Up
    ],
    align=True,
)
# Two cache lines: what every probe needs, then what its answer said.
_ROW = np.dtype(
    [
        ("sequence", "i8"),  # 0 where no probe was ever sent
        ("sent_ns", "i8"),  # monotonic
        ("sent_wall_ns", "i8"),
        ("check", "u8"),  # what only a true answer can repeat
        ("forget_ns", "i8"),  # monotonic: when an answer is no longer waited for
        ("window", "i8"),
        ("session", "i4"),
        ("send_lag_ns", "f4"),
        ("key", "u4"),  # of the TX timestamp
        ("channel", "i2"),
        ("state", "u1"),
        ("sent_kind", "u1"),  # index into window.TIMESTAMPING
        ("rtt_ns", "f8"),
        ("reflector", "i8"),  # the reflector's own sequence number; -1 unknown
        # Kept only where a Follow-Up may still fix it.
        ("transmit_ns", "i8"),  # T3, of the reflector's clock
        ("forward_ns", "f8"),
        ("backward_ns", "f8"),
        ("bound_ns", "f8"),
        ("hops_forward", "f2"),
        ("tos_forward", "i2"),  # as the far end saw it; -1 unknown
        ("tos_backward", "i2"),
        ("ttl", "u1"),  # of the answer; 0 unknown
        ("held", "?"),
        ("cause", "i4"),  # why no answer came (probes.causes) or counts (negative); 0 unknown
        ("timestamping", "u1"),
        ("answer", "u1"),
        ("reordered", "?"),
    ],
    align=True,
)
assert _ROW.itemsize == 128, _ROW.itemsize


class Ledger:
    """Sessions and their rings: `sessions` and `rows`, structured arrays addressed by number."""

    def __init__(self, linger_ns: int, most: int | None = None) -> None:
        self.sessions: NDArray[Any] = np.zeros(0, _SESSION)
        self.rows: NDArray[Any] = np.zeros(0, _ROW)
        self._waiting: list[tuple[int, int, NDArray[np.int64]]] = []  # a heap of sent batches
        self._holding: list[tuple[int, int, NDArray[np.int64]]] = []  # and of held answers
        self._batches = itertools.count()
        self._most = most  # probes that any session will ever have, if that is known
        self._linger_ns = linger_ns  # how long after its time-out a late answer is still told

    def add_sessions(
        self,
        stream: NDArray[Any],
        flow: NDArray[Any],
        timeout_ns: NDArray[np.int64],
        gap_ns: NDArray[np.float64],
        tos: NDArray[np.uint8] | int = 0,
    ) -> NDArray[np.int64]:
        """Add n sessions whose probes are `gap_ns` apart on the mean; return their numbers.

        Rings have some rows more than the mean needs, since gaps vary with jitter.
        """
        ring = self.ring_of(timeout_ns, gap_ns)
        added = np.zeros(len(ring), _SESSION)
        added["mask"] = ring - 1
        end = len(self.rows)
        for length in distinct(ring).tolist():
            alike = np.flatnonzero(ring == length)
            added["base"][alike] = end + np.arange(len(alike))
            added["stride"][alike] = len(alike)
            end += len(alike) * length
        first = len(self.sessions)
        self.sessions = np.concatenate([self.sessions, added])
        rows, raw = np.zeros(end, _ROW), f"V{_ROW.itemsize}"
        rows.view(raw)[: len(self.rows)] = self.rows.view(raw)
        self.rows = rows
        numbers = np.arange(first, first + len(ring))
        self.begin(numbers, stream, flow, timeout_ns, gap_ns, tos)
        return numbers

    def ring_of(
        self, timeout_ns: NDArray[np.int64], gap_ns: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return how many rows the ring of each session has."""
        needed = 1.1 * (timeout_ns + self._linger_ns) / gap_ns + 8
        if self._most is not None:
            needed = np.minimum(needed, self._most + 8)
        return (1 << np.ceil(np.log2(needed)).astype(np.int64)).astype(np.int64)

    def begin(
        self,
        session: NDArray[np.int64],
        stream: NDArray[Any],
        flow: NDArray[Any],
        timeout_ns: NDArray[np.int64],
        gap_ns: NDArray[np.float64],
        tos: NDArray[np.uint8] | int = 0,
    ) -> None:
        """Let sessions begin, new or forgotten ones with rings of the right length."""
        began = np.zeros(len(session), _SESSION)
        for name in ("base", "stride", "mask"):
            began[name] = self.sessions[name][session]
        began["stream"], began["flow"], began["timeout_ns"] = stream, flow, timeout_ns
        began["tos"] = tos
        # The next reply brings the Follow-Up of this one, unless that is too long to wait.
        soon = 1.2 * gap_ns < timeout_ns + self._linger_ns
        began["hold_ns"] = np.where(soon, 2.5 * gap_ns + _STARVED_NS, 0).astype(np.int64)
        # A reflector that counts by itself starts at 0, one that copies repeats ours: since number
        # 0 is never used, the first answer tells the two apart.
        began["next"] = 1
        self.sessions[session] = began

    def forget(self, session: NDArray[np.int64]) -> None:
        """Empty the rings of sessions."""
        for number in session.tolist():
            base, stride, mask = self.sessions[["base", "stride", "mask"]][number].tolist()
            rows = self.rows[base : base + mask * stride + 1 : stride]
            rows["sequence"], rows["state"], rows["held"] = 0, EMPTY, False

    def claim(self, session: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (rows, sequence numbers) for the next probe of each session, all different."""
        sequence: NDArray[np.int64] = self.sessions["next"][session]
        self.sessions["next"][session] = sequence + 1
        return self.row_of(session, sequence), sequence

    def row_of(self, session: NDArray[Any], sequence: NDArray[Any]) -> NDArray[np.int64]:
        """Return where the probes with these numbers are, if they are still remembered."""
        row: NDArray[np.int64] = sequence & self.sessions["mask"][session]
        row *= self.sessions["stride"][session]
        row += self.sessions["base"][session]
        return row

    def whole_sequence(
        self, session: NDArray[np.int64], low: NDArray[np.int64], bits: int
    ) -> NDArray[np.int64]:
        """Return the newest numbers of which packets had room for the low bits."""
        newest = self.sessions["next"][session] - 1
        whole: NDArray[np.int64] = newest - ((newest - low) & ((1 << bits) - 1))
        return whole

    def enter(
        self,
        row: NDArray[np.int64],
        sequence: NDArray[np.int64],
        session: NDArray[np.int64],
        **columns: Any,
    ) -> None:
        """Write probes about to be sent into their rows; `columns` as in the rows' own fields."""
        probe = np.zeros(len(row), _ROW)
        probe["sequence"] = sequence
        probe["session"] = session
        probe["state"] = FLYING
        probe["rtt_ns"] = np.nan
        probe["reflector"] = probe["tos_forward"] = probe["tos_backward"] = -1
        for name, value in columns.items():
            probe[name] = value
        forget_ns = probe["sent_ns"] + self.sessions["timeout_ns"][session] + self._linger_ns
        probe["forget_ns"] = forget_ns
        put_records(self.rows, row, probe)
        self._wait_for(row, forget_ns)

    def note_newest(self, session: NDArray[np.int64], cause: NDArray[np.int32]) -> int:
        """Write the causes int32[n] of answers that were of no use and do not say which probe they
        answer: each stands for the newest of its session that waits and has had none such. Return
        of how many probes that is."""
        order = stable_order(session)
        each, first, count = np.unique(session[order], return_index=True, return_counts=True)
        back = self.sessions["next"][each][:, None] - 1 - np.arange(LOOK_BACK)
        row = self.row_of(each[:, None], back)
        free = (self.rows["sequence"][row] == back) & (self.rows["state"][row] == FLYING)
        free &= (self.rows["cause"][row] >= 0) & (back > 0)
        rank = np.cumsum(free, axis=1)
        of, place = np.nonzero(free & (rank <= count[:, None]))
        newest = row[of, place]
        self.rows["cause"][newest] = cause[order][first[of] + rank[of, place] - 1]
        return len(newest)

    def note_causes(
        self,
        session: NDArray[np.int64],
        low_sequence: NDArray[np.int64],
        sequence_bits: int,
        cause: NDArray[np.int32],
    ) -> NDArray[np.bool_]:
        """Write why they may stay unanswered beside probes in flight; tell which those are.

        Nobody signs an ICMP error, so a probe continues being waited for.
        """
        sequence = self.whole_sequence(session, low_sequence, sequence_bits)
        row = self.row_of(session, sequence)
        mine = (self.rows["sequence"][row] == sequence) & (self.rows["state"][row] == FLYING)
        self.rows["cause"][row[mine]] = cause[mine]
        known: NDArray[np.bool_] = mine
        return known

    def note_causes_of_sessions(
        self, session: NDArray[np.int64], cause: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """Write causes whose probes are not known beside the oldest in flight that have none."""
        told = np.zeros(len(session), np.bool_)
        for number in distinct(session).tolist():
            place = np.flatnonzero(session == number)
            base, stride, mask = self.sessions[["base", "stride", "mask"]][number].tolist()
            row = base + stride * np.arange(mask + 1)
            row = row[(self.rows["state"][row] == FLYING) & (self.rows["cause"][row] == 0)]
            row = row[np.argsort(self.rows["sequence"][row])][: len(place)]
            place = place[: len(row)]
            self.rows["cause"][row] = cause[place]
            told[place] = True
        return told

    def overdue(self, now_ns: int) -> NDArray[np.int64]:
        """Return the rows still in flight whose answers are no longer waited for.

        Only batches of which some probe's wait is over are looked at, never the whole table.
        """
        done, later = [], []
        while self._waiting and self._waiting[0][0] <= now_ns:
            row = heapq.heappop(self._waiting)[2]
            row = row[self.rows["state"][row] == FLYING]
            over = self.rows["forget_ns"][row] <= now_ns
            done.append(row[over])
            later.append(row[~over])
        for row in later:
            self._wait_for(row, self.rows["forget_ns"][row])
        return distinct(np.concatenate(done)) if done else np.zeros(0, np.int64)

    def in_flight(self) -> NDArray[np.int64]:
        """Return how many probes of each session wait for an answer."""
        session = self.rows["session"][self.rows["state"] == FLYING]
        return np.bincount(session, minlength=len(self.sessions))

    def hold(self, row: NDArray[np.int64], now_ns: int) -> None:
        """Keep answered probes back for the time that their Follow-Up may take."""
        if len(row):
            session = self.rows["session"][row]
            due_ns = now_ns + int(self.sessions["hold_ns"][session].max())
            heapq.heappush(self._holding, (due_ns, next(self._batches), row))

    def held_too_long(self, now_ns: int) -> NDArray[np.int64]:
        """Return held rows whose Follow-Up is no longer waited for."""
        done = []
        while self._holding and self._holding[0][0] <= now_ns:
            row = heapq.heappop(self._holding)[2]
            done.append(row[self.rows["held"][row]])
        return distinct(np.concatenate(done)) if done else np.zeros(0, np.int64)

    def all_held(self) -> NDArray[np.int64]:
        """Return every held row."""
        row = np.concatenate([np.zeros(0, np.int64), *(batch[2] for batch in self._holding)])
        return distinct(row[self.rows["held"][row]])

    def newest_held(self) -> NDArray[np.int64]:
        """Return the held rows that are the newest of their sessions."""
        newest = self.sessions["next"] - 1
        row = self.row_of(np.arange(len(newest)), newest)
        same = (self.rows["sequence"][row] == newest) & self.rows["held"][row]
        chosen: NDArray[np.int64] = row[same]
        return chosen

    def _wait_for(self, row: NDArray[np.int64], forget_ns: NDArray[np.int64]) -> None:
        """Have a batch of rows looked at when the first of its waits is over."""
        if len(row):
            heapq.heappush(self._waiting, (int(forget_ns.min()), next(self._batches), row))

    def neighbours(
        self, row: NDArray[np.int64], step: int | NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the rows `step` numbers on in the same sessions, and whether they hold them."""
        return self.near(self.rows["session"][row], self.rows["sequence"][row] + step)

    def near(
        self, session: NDArray[Any], sequence: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the rows for these numbers of sessions, and whether they hold them."""
        row = self.row_of(session, sequence)
        return row, (self.rows["sequence"][row] == sequence) & (sequence > 0)
