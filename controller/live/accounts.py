"""Every probe that was due in a period, and what became of it: judged, or left out and why.

What a window asked of its sender (sent, and what never left) is counted as it is; of time without
a window, what the plan asks for in it. So the parts add up to what was due, whatever happened:

    due = judged + not sent + suspect + change + maintenance + unanswered + curtailed + missing
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from controller.live.account_document import AccountDocument, ExclusionsDocument
from topology.model import PlannedStream

if TYPE_CHECKING:
    from controller.fleet.exclusions import Exclusions
    from probes.window import WindowBatch

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Tally:
    """Adds up windows of n streams, numbered as in the plan, by what becomes of them.

    Those of an agent come oldest first: time that several windows cover (a sender was restarted
    within one) is covered once. Of streams that are not `measured` (bool[n]) nothing is due.
    `since_ns` int64[n]: since when each stream's plan asks for what it asks now. From then on time
    without a window was due, and windows that asked for less (their sender began or ended within
    them) lack what is missing; of before only what windows tell is known. None: all along, by
    senders that begin and end with the period, so that their windows lack nothing.
    """

    def __init__(
        self,
        streams: Sequence[PlannedStream],
        excluded: Exclusions,
        measured: Flags | None = None,
        since_ns: Integers | None = None,
    ) -> None:
        self._has_since = since_ns is not None
        self._since_ns = np.zeros(len(streams), np.int64) if since_ns is None else since_ns
        self._excluded = excluded
        self._measured = np.ones(len(streams), np.bool_) if measured is None else measured
        self._streams = streams
        ids = np.array([stream.stream_id for stream in streams], np.uint64)
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]
        names = ("clean", "suspect", "clean_lost", "suspect_lost", "maintenance", "unanswered")
        self._sums = {
            name: np.zeros(len(ids), np.int64)
            for name in (*names, "not_sent", "asked", "ns", "end")
        }

    def add(self, batch: WindowBatch) -> None:
        """Take in the windows of one chunk; those of other streams are none of ours."""
        if not len(self._ids):
            return
        at = np.minimum(np.searchsorted(self._ids, batch.stream_id), len(self._ids) - 1)
        mine = np.flatnonzero(self._ids[at] == batch.stream_id)
        row = self._order[at[mine]]
        start_ns, end_ns = batch.start_ns, batch.start_ns + batch.duration_ns
        resting = _of(self._excluded.maintenance.streams_during(start_ns, end_ns), row)
        silent = _of(self._excluded.of(batch), row) & ~resting
        counts = ~(resting | silent)
        suspect = batch.suspect[mine]
        sent, lost = batch.counters["sent"][mine], batch.lost()[mine]
        for name, which, values in (
            ("clean", counts & ~suspect, sent),
            ("suspect", counts & suspect, sent),
            ("clean_lost", counts & ~suspect, lost),
            ("suspect_lost", counts & suspect, lost),
            ("maintenance", resting, sent),
            ("unanswered", silent, sent),
        ):
            np.add.at(self._sums[name], row[which], values[which].astype(np.int64))
        not_sent = batch.not_sent()[mine]
        np.add.at(self._sums["not_sent"], row, not_sent)
        covered, until = self._sums["ns"], self._sums["end"]
        asked_now = start_ns >= self._since_ns[row]
        np.add.at(
            self._sums["asked"], row[asked_now], (sent.astype(np.int64) + not_sent)[asked_now]
        )
        fresh_ns = np.maximum(end_ns - np.maximum(until[row], start_ns), 0)
        covered[row] += np.where(asked_now, fresh_ns, 0)
        until[row] = np.maximum(until[row], end_ns)

    def account(
        self, from_ns: int, to_ns: int, window_ns: int, counted: Flags | None = None
    ) -> AccountDocument:
        """Return what became of all that was due in from_ns ≤ t < to_ns; of streams `counted`."""
        sums, rate = self._sums, _rates(self._streams)
        rows = self._measured if counted is None else self._measured & counted
        due_ns = np.clip(self._since_ns, from_ns, to_ns)
        first_ns = -(-due_ns // window_ns) * window_ns  # of whole windows, and the last of them
        last_ns = np.maximum(first_ns, to_ns // window_ns * window_ns)
        whole_ns = last_ns - first_ns
        absent_ns = np.maximum(whole_ns - sums["ns"], 0)
        refused_in_all_ns, slowed = self._curtailed(first_ns, last_ns, rate)
        refused_ns = np.minimum(refused_in_all_ns, absent_ns)
        curtailed = np.rint(rate * refused_ns + slowed)
        # Of a probe less or more nobody can say in which window it belongs.
        within = rate * (refused_in_all_ns - refused_ns) + slowed
        short = np.rint(rate * np.minimum(sums["ns"], whole_ns) - sums["asked"] - within)
        lacking = np.where(self._has_since & (short > 1), short, 0)
        has_clean = sums["clean"] > 0
        judged = np.where(has_clean, sums["clean"], sums["suspect"])
        lost = np.where(has_clean, sums["clean_lost"], sums["suspect_lost"])
        begun_ns = np.where(due_ns == from_ns, np.minimum(first_ns, to_ns), from_ns)
        edge = np.rint(rate * (begun_ns - from_ns + np.maximum(to_ns - last_ns, 0)))
        aggregates = {
            "not_sent": sums["not_sent"],
            "suspect": np.where(has_clean, sums["suspect"], 0),
            "change": edge,
            "maintenance": sums["maintenance"],
            "unanswered": sums["unanswered"],
            "curtailed": curtailed,
            "missing": np.rint(rate * (absent_ns - refused_ns)) + lacking,
        }
        totals = {name: int(column[rows].sum()) for name, column in aggregates.items()}
        found = int(judged[rows].sum())
        return AccountDocument(
            from_ns=from_ns,
            to_ns=to_ns,
            due=found + sum(totals.values()),
            judged=found,
            lost=int(lost[rows].sum()),
            excluded=ExclusionsDocument(**totals),
        )

    def _curtailed(self, first_ns: Integers, last_ns: Integers, rate: Reals) -> tuple[Reals, Reals]:
        """Return for how long owners refused each stream, and by how many probes they slowed it."""
        refused_ns, slowed = np.zeros(len(rate)), np.zeros(len(rate))
        if not len(rate):
            return refused_ns, slowed
        silences = self._excluded.silences
        for record in silences.touching(int(first_ns.min()), int(last_ns.max())):
            if record.side != "sending":
                continue
            rows = silences.rows_of(record)
            end_ns = last_ns[rows]
            if record.to_ns is not None:
                end_ns = np.minimum(end_ns, record.to_ns)
            while_ns = np.maximum(end_ns - np.maximum(first_ns[rows], record.from_ns), 0)
            if record.action == "refused":
                refused_ns[rows] += while_ns
            else:
                slowed[rows] += rate[rows] * while_ns * (1 - record.share)
        return refused_ns, slowed


def _rates(streams: Sequence[PlannedStream]) -> Reals:
    """Return the probes that each stream asks for in a nanosecond."""
    return np.array([1e-6 / stream.interval_ms for stream in streams], np.float64)


def _of(flags: Flags | None, row: Integers) -> Flags:
    return np.zeros(len(row), np.bool_) if flags is None else flags[row]
