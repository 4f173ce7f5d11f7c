"""The latest verdicts, rebuilt every few seconds from the windows in memory.

A round is made in a worker thread from a snapshot and then put in place whole: whoever reads sees
one round, never a mixture. A verdict is shown as changed only once it stood for two rounds
(controller/judge/hysteresis.py), and every change is kept. Between two rounds evidence continues
ageing: whoever reads gets no data in the place of a verdict that has survived it, even where no
round is judged any more (controller/live/aging.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.events.event_types import NothingMeasuredYet, VerdictChanged
from controller.fleet.agents import FleetView
from controller.judge.evidence import VERDICTS
from controller.judge.hysteresis import Settled, settle
from controller.live.aging import LEAST_NS, AgeLimits, Newest, without_stale
from controller.live.baseline_comparator import BaselineComparator, Improved
from controller.live.failing_windows import TolerantJudge
from controller.live.judging import Judge, Judged
from controller.live.memory import RecentWindows
from controller.live.scope import Scope
from controller.live.watch import LISTEN_NS
from controller.store.aggregate import Aggregate
from controller.store.event_log import SubjectState
from controller.supervision.watchdog import Watchdog
from foundation.allocation import give_back
from foundation.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Round(Judged):
    """One round of judging: n streams, m demands, each in the order of the controller's tuples.

    What was `Judged`, but `judgements.verdict` is what is shown; `found` int8[m] what this round
    alone says, which differs while a change waits to be confirmed. `since_ns` int64[m]: since when
    the shown one stands.
    `newest` is where the evidence of each demand ends, `newest_of_streams` that of each stream;
    `newest_ns` int64[m] what is believed of the first. `limit_ns`, `expiry_ns` int64[m]: how old
    the evidence of each may be, and when it will be older; `stale` bool[m]: whose was at `aged_ns`,
    so that there is no verdict.
    `data_from_ns` to `data_to_ns` is when what is judged was measured, both 0 for nothing.
    `maintenance` bool[m]: whose verdict is the one of before a maintenance and does not count.
    `judged_ns` is None and `revision` 0 before the first round.
    `sites` are those that `clocks` speaks of; `comparison_of`: the place in `compared` of a demand
    that compares; `stream_limit_ns` int64[n]: how old the evidence of each stream may be.
    """

    revision: int
    judged_ns: int | None
    found: NDArray[np.int8]
    since_ns: NDArray[np.int64]
    newest: Newest
    newest_of_streams: Newest
    limit_ns: NDArray[np.int64]
    expiry_ns: NDArray[np.int64]
    stale: NDArray[np.bool_]
    aged_ns: int
    data_from_ns: int
    data_to_ns: int
    maintenance: NDArray[np.bool_]
    improved: Improved
    sites: tuple[str, ...]
    comparison_of: Mapping[int, int]
    stream_limit_ns: NDArray[np.int64]

    def aged(self, now_ns: int) -> Round:
        """Return the round as it may be read at `now_ns`: without verdicts that are too old."""
        stale = (self.expiry_ns < now_ns) & ~self.maintenance
        gone = stale & ~self.stale
        if not gone.any():
            return self
        judgements = without_stale(self.judgements, stale)
        changed = judgements.verdict != self.judgements.verdict
        return replace(
            self,
            judgements=judgements,
            found=np.where(changed, judgements.verdict, self.found),
            since_ns=np.where(changed, self.expiry_ns, self.since_ns),
            stale=stale,
            aged_ns=now_ns,
        )


class LiveVerdicts:
    """Judges all demands and tells whoever listens."""

    def __init__(
        self,
        scope: Scope,
        states: Sequence[SubjectState],
        now_ns: int,
        improvements: BaselineComparator,
        *,
        clock: Clock,
        least_age_ns: int = LEAST_NS,
    ) -> None:
        """Evidence may be `least_age_ns` old at least, unless its target says otherwise."""
        demands, streams = scope.demands, scope.streams
        self._demands, self._streams, self._clock = demands, streams, clock
        self._ages = AgeLimits(streams, demands, scope.window_ns, least_age_ns)
        self.raised: dict[str, Exception] = {}  # what was left out of the latest round, and why
        self._judge = Judge(scope.network, streams, demands, len(scope.permanent))
        self._tolerant = TolerantJudge(self._judge, streams)
        self.improvements = improvements
        self._settled = _unknown(len(demands))
        self._since_ns = np.full(len(demands), now_ns, np.int64)
        self._restore(states)
        self._told, self._listens_since_ns = self._settled.shown.copy(), clock.monotonic_ns()
        self._newest = Newest.of_none(len(demands))
        self._newest_of_streams = Newest.of_none(len(streams))
        self._latest = self._round(None, [], np.zeros(len(streams)), {}, revision=0)

    @property
    def latest(self) -> Round:
        """The round that was judged last, as it may be read now."""
        self._latest = self._latest.aged(self._clock.wall_ns())
        return self._latest

    def follow(self, other: LiveVerdicts) -> None:
        """Go on from what another shows of the same demands, whose streams were others."""
        self._settled, self._since_ns, self._told = other._settled, other._since_ns, other._told
        self._listens_since_ns = other._listens_since_ns
        self._newest = other._newest
        self._latest = replace(self._latest, revision=other.latest.revision)

    def _restore(self, states: Sequence[SubjectState]) -> None:
        """Go on from the verdicts that stood when the controller stopped."""
        known = {
            (state.target, state.subject): state for state in states if state.kind == "verdict"
        }
        shown = self._settled.shown
        for i, demand in enumerate(self._demands):
            state = known.get((demand.target.name, demand.path.id))
            if state is not None and state.state in VERDICTS:
                shown[i] = VERDICTS.index(state.state)
                self._since_ns[i] = state.since_ns

    async def judge_now(
        self,
        memory: RecentWindows,
        fleet: FleetView,
        resting: NDArray[np.bool_] | None = None,
        watchdog: Watchdog | None = None,
    ) -> list[VerdictChanged]:
        """Make a round from what is in memory; return what changed.

        `resting` bool[m]: demands in maintenance, whose verdict stands as it was before. Whose
        windows raise is judged as if there were none, and told to `watchdog`.
        """
        now_ns, raised_before = self._clock.wall_ns(), dict(self.raised)
        self.raised = {}
        slots, hours = await self._tidied(memory, now_ns)
        calibration_ns = self._calibration_ns(fleet)
        try:
            latest = await asyncio.to_thread(
                self._round, now_ns, slots, calibration_ns, hours, resting
            )
        finally:
            if watchdog is not None:
                for name in raised_before.keys() - self.raised.keys():
                    watchdog.recovered("judging", name)
                for name, error in self.raised.items():
                    watchdog.failed("judging", name, error)
        differs = latest.judgements.verdict != self._told
        if self._clock.monotonic_ns() - self._listens_since_ns < LISTEN_NS:
            differs &= ~latest.stale  # our own absence is no event of the network
        changed = np.flatnonzero(differs).tolist()
        changes = [self._change_of(latest, i) for i in changed]
        self._told = np.where(differs, latest.judgements.verdict, self._told)
        self._settled = settle(self._settled, latest.found)
        self._since_ns = latest.since_ns
        self._newest, self._newest_of_streams = latest.newest, latest.newest_of_streams
        self._latest = latest
        return changes

    async def _tidied(
        self, memory: RecentWindows, now_ns: int
    ) -> tuple[list[Aggregate], dict[int, Aggregate]]:
        """Merge what came since the last round; return the slots and the hours to judge.

        Its own step, so that what was merged is gone before anything is judged.
        """
        memory.forget(now_ns)
        snapshot, weeks = memory.snapshot(now_ns), self.improvements.snapshot(now_ns)
        slots = await asyncio.to_thread(self._merged, memory, snapshot)
        hours = await asyncio.to_thread(self.improvements.merged, weeks)
        memory.replace(snapshot, slots)
        self.improvements.replace(weeks, hours)
        del snapshot, weeks
        await asyncio.to_thread(give_back)
        return list(slots.values()), hours

    def _merged(
        self, memory: RecentWindows, snapshot: Mapping[int, tuple[Aggregate, ...]]
    ) -> dict[int, Aggregate]:
        """Merge slot by slot: one that raises is left out of this round."""
        merged: dict[int, Aggregate] = {}
        for slot, aggregates in sorted(snapshot.items()):
            try:
                merged |= memory.merged({slot: aggregates})
            except Exception as error:  # noqa: BLE001 - told, and the rest is judged
                self.raised[f"windows of slot {slot}"] = error
        return merged

    def _round(
        self,
        now_ns: int | None,
        slots: Sequence[Aggregate],
        calibration_ns: NDArray[np.float64],
        hours: dict[int, Aggregate],
        resting: NDArray[np.bool_] | None = None,
        revision: int | None = None,
    ) -> Round:
        fresh_ns = 0 if now_ns is None else now_ns - self._ages.of_streams
        judged, left_out = self._tolerant.judge(slots, calibration_ns, fresh_ns)
        self.raised |= left_out
        judgements = judged.judgements
        doubted = judged.evidence.clock_doubt > 0
        improved = self.improvements.judge(hours, judged.rules.row, judgements, doubted)
        found, since_ns = judgements.verdict, self._since_ns
        rests = np.zeros(len(found), np.bool_) if resting is None else resting
        limit_ns = self._ages.of_demands(judged.rules.row)
        newest = self._newest.seen(judged.newest_ns, now_ns or 0)
        expiry_ns = self._ages.expiry_ns(newest.believed_ns, limit_ns)
        stale = (expiry_ns < (now_ns or 0)) & ~rests
        if stale.any():
            judgements = without_stale(judgements, stale)
            found = judgements.verdict
        found = np.where(rests & (self._settled.shown >= 0), self._settled.shown, found)
        if now_ns is not None:
            shown = settle(self._settled, found).shown
            since_ns = np.where(shown == self._settled.shown, since_ns, now_ns)
            judgements = replace(judgements, verdict=shown)
        return Round(
            revision=self._latest.revision + 1 if revision is None else revision,
            judged_ns=now_ns,
            aggregate=judged.aggregate,
            evidence=judged.evidence,
            clocks=judged.clocks,
            rules=judged.rules,
            judgements=judgements,
            newest_ns=newest.believed_ns,
            newest=newest,
            newest_of_streams=self._newest_of_streams.seen(judged.aggregate.end_ns, now_ns or 0),
            found=found,
            figures=judged.figures,
            down=judged.down,
            since_ns=since_ns,
            limit_ns=limit_ns,
            expiry_ns=expiry_ns,
            stale=stale,
            aged_ns=now_ns or 0,
            data_from_ns=_beginning_ns(slots),
            data_to_ns=int(judged.aggregate.end_ns.max(initial=0)),
            maintenance=rests,
            compared=judged.compared,
            improved=improved,
            sites=self._judge.sites,
            comparison_of=self._judge.comparisons.place,
            stream_limit_ns=self._ages.of_streams,
        )

    def _calibration_ns(self, fleet: FleetView) -> NDArray[np.float64]:
        """Return the errors of both ends' timestamps together (RFC 7679 §3.7.3), each as that agent
        measured it of itself; 0 of an end that did not."""
        measured = np.zeros(len(self._judge.sites))
        for place, name in enumerate(self._judge.sites):
            health = fleet.health(name) if name in fleet else None
            measured[place] = 0 if health is None else health.calibration_ns or 0
        source, destination = self._judge.ends
        return np.asarray(measured[source] + measured[destination], np.float64)

    def _change_of(self, latest: Round, i: int) -> VerdictChanged:
        demand, before = self._demands[i], int(self._told[i])
        state, known = VERDICTS[latest.judgements.verdict[i]], before >= 0
        assert latest.judged_ns is not None
        kind = VerdictChanged if known or state != "no_data" else NothingMeasuredYet
        return kind(
            at_ns=latest.judged_ns,
            path=demand.path.id,
            target=demand.target.name,
            state=state,
            since_ns=int(latest.since_ns[i]),
            previous=VERDICTS[before] if known else None,
            previous_since_ns=int(self._since_ns[i]) if known else None,
        )


def _beginning_ns(slots: Sequence[Aggregate]) -> int:
    """Return when the first window of the first slot that has any began."""
    starts = (slot.windows.start_ns for slot in slots)
    return next((int(start_ns.min()) for start_ns in starts if len(start_ns)), 0)


def _unknown(demands: int) -> Settled:
    """Return the state before anything was judged: no verdict (-1), so the first is shown."""
    code = np.full(demands, -1, np.int8)
    return Settled(code, code.copy(), np.zeros(demands, np.int8))
