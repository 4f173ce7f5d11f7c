"""The latest verdicts, made anew every few seconds from the windows in memory.

A round is made in a worker thread from a snapshot and then put in place whole: whoever reads sees
one round, never a mixture. A verdict is shown as changed only once it stood for two rounds
(judge/hysteresis), and every change is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from controller.comparisons import comparisons_of, put_comparisons
from controller.documents import VerdictsEvent
from controller.figures import figure_columns
from controller.fleet import Fleet
from controller.gather import evidence_of, floors_ns
from controller.improvements import Improved, ImprovementBook
from controller.judge.comparing import Compared
from controller.judge.distrust import distrust
from controller.judge.evidence import VERDICTS, Evidence, Judgements, Rules
from controller.judge.hysteresis import Settled, settle
from controller.judge.verdicts import judge
from controller.memory import RecentWindows
from controller.merging import Part, blank
from controller.rules import candidates_of, chosen, rules_of
from controller.store import Store, VerdictChange, VerdictState
from probes.clock import Clock
from probes.errors import ResourceError
from topology.model import Demand, PlannedStream
from topology.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of judging: n streams, m demands, each in the order of the controller's tuples.

    `part`, `evidence` and `figures` have a row a stream, `rules` and `judgements` a row a demand.
    `judgements.verdict` is what is shown; `found` int8[m] what this round alone says, which differs
    while a change waits to be confirmed. `since_ns` int64[m]: since when the shown one stands.
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
    compared: Compared | None = None  # by the places of `LiveVerdicts.comparisons`
    improved: Improved | None = None
    lying_sites: tuple[str, ...] = ()  # whose clocks the mesh refutes: no verdict rests on them


class LiveVerdicts:
    """Judges all demands and tells whoever listens."""

    def __init__(
        self,
        network: Network,
        streams: Sequence[PlannedStream],
        demands: Sequence[Demand],
        states: Sequence[VerdictState],
        now_ns: int,
        improvements: ImprovementBook | None = None,
    ) -> None:
        self._streams, self._demands = streams, demands
        self._candidates = candidates_of(demands, streams)
        self._rules = rules_of(demands, self._candidates[:, 0])
        self._floors_ns = floors_ns(network, streams)
        self._sites, self._ends = _ends_of(streams)
        self.comparisons = comparisons_of(demands, streams)
        self.improvements = improvements or ImprovementBook(demands, streams)
        self.listeners: set[web.WebSocketResponse] = set()
        self._settled = _unknown(len(demands))
        self._since_ns = np.full(len(demands), now_ns, np.int64)
        self._restore(states)
        part = blank(len(streams))
        self.latest = self._round(0, None, part, np.zeros(len(streams)), {})

    def _restore(self, states: Sequence[VerdictState]) -> None:
        """Go on from the verdicts that stood when the controller stopped."""
        known = {(state.target, state.path): state for state in states}
        shown = self._settled.shown
        for i, demand in enumerate(self._demands):
            state = known.get((demand.target.name, demand.path.id))
            if state is not None and state.verdict in VERDICTS:
                shown[i] = VERDICTS.index(state.verdict)
                self._since_ns[i] = state.since_ns

    async def judge_now(
        self, memory: RecentWindows, fleet: Fleet, store: Store, clock: Clock
    ) -> None:
        """Make a round from what is in memory, remember what changed, and tell the listeners."""
        now_ns = clock.wall_ns()
        memory.forget(now_ns)
        snapshot = memory.snapshot()
        weeks = self.improvements.snapshot(now_ns)
        calibration_ns = self._calibration_ns(fleet)

        def work() -> tuple[dict[int, Part], dict[int, Part], Round]:
            slots, part = memory.merged(snapshot)
            hours = self.improvements.merged(weeks)
            revision = self.latest.revision + 1
            return slots, hours, self._round(revision, now_ns, part, calibration_ns, hours)

        slots, hours, latest = await asyncio.to_thread(work)
        memory.replace(snapshot, slots)
        self.improvements.replace(weeks, hours)
        changed = np.flatnonzero(latest.judgements.verdict != self._settled.shown).tolist()
        changes = [self._change_of(latest, i) for i in changed]
        self._settled = settle(self._settled, latest.found)
        self._since_ns = latest.since_ns
        self.latest = latest
        _remember(
            store,
            [self._state_of(latest, i) for i in changed],
            # That nothing was measured yet is no event; that measuring began is one.
            [c for c in changes if c.previous is not None or c.verdict != "no_data"],
        )
        await self._tell()

    def _round(
        self,
        revision: int,
        now_ns: int | None,
        part: Part,
        calibration_ns: NDArray[np.float64],
        hours: dict[int, Part],
    ) -> Round:
        gathered = evidence_of(part, calibration_ns, self._floors_ns)
        evidence, liar = distrust(gathered, *self._ends, len(self._sites))
        rules = replace(self._rules, row=chosen(self._candidates, evidence.sent))
        judgements = judge(evidence, rules)
        compared = put_comparisons(self.comparisons, evidence, part.windows.start_ns, judgements)
        improved = self.improvements.judge(hours, rules.row, judgements)
        found, since_ns = judgements.verdict, self._since_ns
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
            compared=compared,
            improved=improved,
            lying_sites=tuple(self._sites[i] for i in np.flatnonzero(liar)),
        )

    def _calibration_ns(self, fleet: Fleet) -> NDArray[np.float64]:
        """Return what each stream's sender measured of its own stamps; 0 where it did not."""
        measured: dict[str, float] = {}
        for name in fleet.names:
            health = fleet.health(name)
            measured[name] = 0 if health is None else health.calibration_ns or 0
        return np.array(
            [measured.get(stream.path.source.site, 0) for stream in self._streams], np.float64
        )

    def _state_of(self, latest: Round, i: int) -> VerdictState:
        demand = self._demands[i]
        return VerdictState(
            target=demand.target.name,
            path=demand.path.id,
            verdict=VERDICTS[latest.judgements.verdict[i]],
            since_ns=int(latest.since_ns[i]),
        )

    def _change_of(self, latest: Round, i: int) -> VerdictChange:
        demand, before = self._demands[i], int(self._settled.shown[i])
        known = before >= 0
        assert latest.judged_ns is not None
        return VerdictChange(
            at_ns=latest.judged_ns,
            target=demand.target.name,
            path=demand.path.id,
            verdict=VERDICTS[latest.judgements.verdict[i]],
            previous=VERDICTS[before] if known else None,
            previous_since_ns=int(self._since_ns[i]) if known else None,
        )

    async def greet(self, listener: web.WebSocketResponse) -> None:
        """Tell a new listener which round is the latest."""
        await listener.send_str(_event(self.latest.revision))

    async def _tell(self) -> None:
        event = _event(self.latest.revision)
        for listener in list(self.listeners):
            try:
                async with asyncio.timeout(1.0):  # whoever does not read is not waited for
                    await listener.send_str(event)
            except (ConnectionError, RuntimeError, TimeoutError):
                self.listeners.discard(listener)


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


def _event(revision: int) -> str:
    return msgspec.json.encode(VerdictsEvent(revision=revision)).decode()


def _unknown(demands: int) -> Settled:
    """Return the state before anything was judged: no verdict (-1), so the first is shown."""
    code = np.full(demands, -1, np.int8)
    return Settled(code, code.copy(), np.zeros(demands, np.int8))


def _remember(store: Store, states: list[VerdictState], changes: list[VerdictChange]) -> None:
    """Store what changed; a full disk is a state of the store, not of the judging."""
    if not states:
        return

    def look(future: Future[None]) -> None:
        future.exception()  # the store's state already says it

    try:
        store.put_verdict_states(states).add_done_callback(look)
        if changes:
            store.put_verdict_changes(changes).add_done_callback(look)
    except ResourceError:
        return
