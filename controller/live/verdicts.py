"""The latest verdicts, made anew every few seconds from the windows in memory.

A round is made in a worker thread from a snapshot and then put in place whole: whoever reads sees
one round, never a mixture. A verdict is shown as changed only once it stood for two rounds
(judge/hysteresis), and every change is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.figures import figure_columns
from controller.fleet import Fleet
from controller.judge.closure import Closure
from controller.judge.comparing import Compared
from controller.judge.distrust import distrust
from controller.judge.evidence import VERDICTS, Evidence, Judgements, Rules
from controller.judge.hysteresis import Settled, settle
from controller.judge.verdicts import judge
from controller.live.comparisons import comparisons_of, put_comparisons
from controller.live.gather import evidence_of, floors_ns
from controller.live.improvements import Improved, ImprovementBook
from controller.live.memory import RecentWindows
from controller.live.rules import candidates_of, chosen, rules_of
from controller.store.event_log import EventRecord, SubjectState
from controller.store.merging import Part, blank
from probes.clock import Clock
from topology.model import Demand, PlannedStream
from topology.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of judging: n streams, m demands, each in the order of the controller's tuples.

    `part`, `evidence` and `figures` have a row a stream, `rules` and `judgements` a row a demand.
    `judgements.verdict` is what is shown; `found` int8[m] what this round alone says, which differs
    while a change waits to be confirmed. `since_ns` int64[m]: since when the shown one stands.
    `maintenance` bool[m]: whose verdict is the one of before a maintenance and does not count.
    `judged_ns` is None and `revision` 0 before the first round.
    """

    revision: int
    judged_ns: int | None
    part: Part
    evidence: Evidence
    rules: Rules
    judgements: Judgements
    found: NDArray[np.int8]
    figures: dict[str, NDArray[np.float64]]
    since_ns: NDArray[np.int64]
    maintenance: NDArray[np.bool_]
    compared: Compared | None = None  # by the places of `LiveVerdicts.comparisons`
    improved: Improved | None = None
    clocks: Closure | None = None  # what the mesh says of each of `LiveVerdicts.sites`


class LiveVerdicts:
    """Judges all demands and tells whoever listens."""

    def __init__(
        self,
        network: Network,
        streams: Sequence[PlannedStream],
        demands: Sequence[Demand],
        states: Sequence[SubjectState],
        now_ns: int,
        improvements: ImprovementBook | None = None,
        standing: int | None = None,
    ) -> None:
        """Demands are judged on the first `standing` of the streams alone (all where None)."""
        judged = streams[:standing]
        self._streams, self._demands = streams, demands
        self._candidates = candidates_of(demands, judged)
        self._rules = rules_of(demands, self._candidates[:, 0])
        self._floors_ns = floors_ns(network, streams)
        self.sites, self._ends = _ends_of(streams)
        self.comparisons = comparisons_of(demands, judged)
        self.improvements = improvements or ImprovementBook(demands, judged)
        self._settled = _unknown(len(demands))
        self._since_ns = np.full(len(demands), now_ns, np.int64)
        self._restore(states)
        part = blank(len(streams))
        self.latest = self._round(0, None, part, np.zeros(len(streams)), {})

    def follow(self, other: LiveVerdicts) -> None:
        """Go on from what another shows of the same demands, whose streams were others."""
        self._settled, self._since_ns = other._settled, other._since_ns
        self.latest = replace(self.latest, revision=other.latest.revision)

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
        fleet: Fleet,
        clock: Clock,
        resting: NDArray[np.bool_] | None = None,
    ) -> tuple[list[EventRecord], list[SubjectState]]:
        """Make a round from what is in memory; return what changed.

        `resting` bool[m]: demands in maintenance, whose verdict stands as it was before.
        """
        now_ns = clock.wall_ns()
        memory.forget(now_ns)
        snapshot = memory.snapshot()
        weeks = self.improvements.snapshot(now_ns)
        calibration_ns = self._calibration_ns(fleet)

        def work() -> tuple[dict[int, Part], dict[int, Part], Round]:
            slots, part = memory.merged(snapshot)
            hours = self.improvements.merged(weeks)
            revision = self.latest.revision + 1
            made = self._round(revision, now_ns, part, calibration_ns, hours, resting)
            return slots, hours, made

        slots, hours, latest = await asyncio.to_thread(work)
        memory.replace(snapshot, slots)
        self.improvements.replace(weeks, hours)
        changed = np.flatnonzero(latest.judgements.verdict != self._settled.shown).tolist()
        changes = [self._change_of(latest, i) for i in changed]
        self._settled = settle(self._settled, latest.found)
        self._since_ns = latest.since_ns
        self.latest = latest
        # That nothing was measured yet is no event; that measuring began is one.
        events = [c for c in changes if c.previous is not None or c.state != "no_data"]
        return events, [self._state_of(latest, i) for i in changed]

    def _round(
        self,
        revision: int,
        now_ns: int | None,
        part: Part,
        calibration_ns: NDArray[np.float64],
        hours: dict[int, Part],
        resting: NDArray[np.bool_] | None = None,
    ) -> Round:
        gathered = evidence_of(part, calibration_ns, self._floors_ns)
        evidence, clocks = distrust(gathered, *self._ends, len(self.sites))
        rules = replace(self._rules, row=chosen(self._candidates, evidence.sent))
        judgements = judge(evidence, rules)
        compared = put_comparisons(self.comparisons, evidence, part.windows.start_ns, judgements)
        improved = self.improvements.judge(hours, rules.row, judgements, evidence.clock_doubt > 0)
        found, since_ns = judgements.verdict, self._since_ns
        rests = np.zeros(len(found), np.bool_) if resting is None else resting
        found = np.where(rests & (self._settled.shown >= 0), self._settled.shown, found)
        if now_ns is not None:
            shown = settle(self._settled, found).shown
            since_ns = np.where(shown == self._settled.shown, since_ns, now_ns)
            judgements = replace(judgements, verdict=shown)
        return Round(
            revision=revision,
            judged_ns=now_ns,
            part=part,
            evidence=evidence,
            rules=rules,
            judgements=judgements,
            found=found,
            figures=figure_columns(evidence),
            since_ns=since_ns,
            maintenance=rests,
            compared=compared,
            improved=improved,
            clocks=clocks,
        )

    def _calibration_ns(self, fleet: Fleet) -> NDArray[np.float64]:
        """Return the errors of both ends' stamps together (RFC 7679 §3.7.3), each as that agent
        measured it of itself; 0 of an end that did not."""
        measured = np.zeros(len(self.sites))
        for place, name in enumerate(self.sites):
            health = fleet.health(name) if name in fleet else None
            measured[place] = 0 if health is None else health.calibration_ns or 0
        source, destination = self._ends
        return np.asarray(measured[source] + measured[destination], np.float64)

    def _state_of(self, latest: Round, i: int) -> SubjectState:
        demand = self._demands[i]
        return SubjectState(
            kind="verdict",
            subject=demand.path.id,
            target=demand.target.name,
            state=VERDICTS[latest.judgements.verdict[i]],
            since_ns=int(latest.since_ns[i]),
        )

    def _change_of(self, latest: Round, i: int) -> EventRecord:
        demand, before = self._demands[i], int(self._settled.shown[i])
        known = before >= 0
        assert latest.judged_ns is not None
        return EventRecord(
            at_ns=latest.judged_ns,
            kind="verdict",
            subject=demand.path.id,
            target=demand.target.name,
            state=VERDICTS[latest.judgements.verdict[i]],
            previous=VERDICTS[before] if known else None,
            previous_since_ns=int(self._since_ns[i]) if known else None,
        )


def _ends_of(
    streams: Sequence[PlannedStream],
) -> tuple[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the sites (each has one clock) and, of every stream, its two ends' places in them."""
    pairs = [(stream.path.source.site, stream.path.destination.site) for stream in streams]
    place = {
        site: i for i, site in enumerate(dict.fromkeys(site for pair in pairs for site in pair))
    }
    ends = np.array([[place[site] for site in pair] for pair in pairs], np.int64).reshape(-1, 2)
    return tuple(place), (ends[:, 0], ends[:, 1])


def _unknown(demands: int) -> Settled:
    """Return the state before anything was judged: no verdict (-1), so the first is shown."""
    code = np.full(demands, -1, np.int8)
    return Settled(code, code.copy(), np.zeros(demands, np.int8))
