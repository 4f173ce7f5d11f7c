"""When each probe is due: all streams at once, on the monotonic scale.

Probe k of a periodic stream is due at  phase + k·interval + U(0, jitter·interval)
(docs/concepts/measurement.md §2.4): random phases keep streams apart for ever, jitter keeps each
from locking on to what is periodic in the network. A Poisson stream has exponential gaps of the
same mean (RFC 2330 §11.1). Where somebody waits for the figures, the first probes leave at once,
one stream after the other. A sender that fell behind by more than an interval leaves the missed
probes out: it never sends a burst to catch up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER_NS = np.iinfo(np.int64).max
_ENDLESS = NEVER_NS // 2  # more probes than any stream will ever have sent
_FIRST_GAP_NS = 1_000_000.0  # between the first probes of streams that begin at once


@dataclass(frozen=True, slots=True)
class Due:
    """Probes to send now: `stream` int64[n] (rows of the pacer), `planned_ns` int64[n].

    `skipped` int64[n] tells how many of each stream are left out after it, None where none are.
    """

    stream: NDArray[np.int64]
    planned_ns: NDArray[np.int64]
    skipped: NDArray[np.int64] | None = None


class Pacer:
    """The due times of all streams. Rows are added, stopped and used again, never moved."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._interval_ns = np.zeros(0, np.float64)
        self._jitter_ns = np.zeros(0, np.float64)
        self._poisson = np.zeros(0, np.bool_)
        self._slot_ns = np.zeros(0, np.float64)  # start of the present interval, without jitter
        self._remaining = np.zeros(0, np.int64)
        self._due_ns = np.zeros(0, np.int64)
        self._any_poisson = False
        self._late = np.zeros(0, np.int64)  # intervals that went by, the sender being late
        self.skipped = 0  # probes left out because the sender was late by whole intervals
        self.late_moments = 0  # how often any were
        self.shortest_interval_ns = float("inf")  # among streams that were not stopped
        self.rate_per_s = 0.0  # of all of them

    def add(
        self,
        now_ns: int,
        interval_ns: NDArray[np.float64],
        jitter_ratio: NDArray[np.float64],
        poisson: NDArray[np.bool_],
        probes: int | None = None,
        *,
        rows: NDArray[np.int64] | None = None,
        at_once: bool = False,
    ) -> NDArray[np.int64]:
        """Add n streams, due first at a random moment of their first interval; return their rows.

        Each stops by itself after `probes` probes, if given. `rows` int64[n] says where to put
        them: rows of streams that were stopped, or new ones; absent, they come after the last.
        With `at_once` the first stream is due now, the others 1 ms after one another, or closer
        where the interval has not room for that.
        """
        count = len(interval_ns)
        if rows is None:
            rows = np.arange(len(self._due_ns), len(self._due_ns) + count)
        self._grow(int(rows.max(initial=-1)) + 1)
        if at_once:
            gap_ns = np.minimum(interval_ns / max(count, 1), _FIRST_GAP_NS)
            phase = np.arange(float(count)) * gap_ns
        else:
            phase = self._generator.random(count) * interval_ns
        self._interval_ns[rows] = interval_ns
        self._jitter_ns[rows] = jitter_ratio * interval_ns
        self._poisson[rows] = poisson
        self._any_poisson = bool(self._poisson.any())
        self._slot_ns[rows] = now_ns + phase
        self._remaining[rows] = NEVER_NS if probes is None else probes
        self._late[rows] = 0
        self._set_due(rows, jittered=not at_once)
        self._weigh()
        return rows

    def _weigh(self) -> None:
        """Note the rates of the streams that run now."""
        running = self._interval_ns[self._remaining > 0]
        self.shortest_interval_ns = float(running.min(initial=np.inf))
        self.rate_per_s = float((1e9 / running).sum())

    def _grow(self, length: int) -> None:
        """Make room for so many rows; new ones are never due."""
        more = max(length - len(self._due_ns), 0)
        for name in ("_interval_ns", "_jitter_ns", "_poisson", "_slot_ns", "_remaining", "_late"):
            column = getattr(self, name)
            setattr(self, name, np.append(column, np.zeros(more, column.dtype)))
        self._due_ns = np.append(self._due_ns, np.full(more, NEVER_NS))

    def stop(self, rows: NDArray[np.int64]) -> None:
        """Let no probe of these streams be due again."""
        self._remaining[rows] = 0
        self._due_ns[rows] = NEVER_NS
        self._weigh()

    def take(self, now_ns: int, horizon_ns: int | None = None) -> Due:
        """Return every stream that is due by `horizon_ns`, once, and plan its next probe.

        The horizon is `now_ns` if it is not given; a later one shares a batch with what is due
        soon.
        """
        rows = np.flatnonzero(self._due_ns <= (now_ns if horizon_ns is None else horizon_ns))
        planned_ns = self._due_ns[rows]
        skipped = self._advance(rows, now_ns) if len(rows) else None
        return Due(rows, planned_ns, skipped)

    def next_due_ns(self) -> int:
        """Return when the next probe of any stream is due; NEVER_NS if none is."""
        return int(self._due_ns.min()) if len(self._due_ns) else int(NEVER_NS)

    def late_intervals(self, row: int) -> int:
        """Return how many intervals of a stream went by without a probe, the sender being late.

        A stream of so many probes sends as many later: its rate was less than requested.
        """
        return int(self._late[row])

    def finished(self) -> bool:
        """Tell whether no stream has a probe left to send."""
        return self.next_due_ns() == NEVER_NS

    def _advance(self, rows: NDArray[np.int64], now_ns: int) -> NDArray[np.int64] | None:
        """Move each stream to its next interval that is not wholly over; return how many it left
        out, None where none did."""
        skipped = None
        interval_ns = self._interval_ns[rows]
        slot_ns = self._slot_ns[rows] + interval_ns
        if self._any_poisson:
            poisson = self._poisson[rows]
            gaps_ns = self._generator.exponential(interval_ns[poisson])
            slot_ns[poisson] += np.maximum(gaps_ns, 1.0) - interval_ns[poisson]
        behind = (now_ns - slot_ns >= interval_ns) & (self._remaining[rows] > 1)
        if behind.any():  # by whole intervals
            late = behind & ~self._poisson[rows]
            missed = np.floor((now_ns - slot_ns[late]) / interval_ns[late])
            self._late[rows[late]] += missed.astype(np.int64)
            self.skipped += int(missed.sum())
            self.late_moments += bool(len(missed))
            # Of so many that are requested in all, those left out now are sent later.
            endless = self._remaining[rows[late]] > _ENDLESS
            skipped = np.zeros(len(rows), np.int64)
            skipped[late] = np.where(endless, missed, 0)
            slot_ns[late] += missed * interval_ns[late]
        self._slot_ns[rows] = slot_ns
        self._remaining[rows] -= 1
        self._set_due(rows)
        return skipped

    def _set_due(self, rows: NDArray[np.int64], *, jittered: bool = True) -> None:
        """Draw the jitter of the streams' next probes."""
        jitter_ns = self._generator.random(len(rows)) * self._jitter_ns[rows] * jittered
        if self._any_poisson:
            jitter_ns[self._poisson[rows]] = 0.0
        due_ns = (self._slot_ns[rows] + jitter_ns).astype(np.int64)
        self._due_ns[rows] = np.where(self._remaining[rows] > 0, due_ns, NEVER_NS)
