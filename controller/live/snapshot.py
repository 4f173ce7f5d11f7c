"""How everything is at one moment: the one thing that documents, metrics, reports and exports read.

A snapshot is taken after every round of judging, after a change of the plan, and whenever somebody
asks. It never changes, so any thread may read it for as long as it likes; taking one copies nothing
that grows with the streams: what changes is replaced, never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from controller.live.current_states import CurrentStates, StateInputs, agents_of, current_states
from controller.live.live_verdicts import Round
from controller.live.sealed_baselines import Baseline
from controller.live.watch import Logged
from controller.store.event_log import AgentState, SubjectKind
from controller.store.records import CampaignRecord, CampaignState, DuplicateRecord
from controller.supervision.clock_trust import Steady, doubt_of
from foundation.text import Text
from messages.exchange import Plan
from topology.model import PlannedStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """How the controller itself runs: what it took in, who is connected, what does not continue.

    Counts are of this life of the controller, refusals by their reason. `loop_ages_s`: how long
    ago the last round of each loop in the background ended; `skipped`: how many of its parts
    raised; `failing`: those that raised last, and why.
    """

    version: str = ""
    chunks: int = 0
    results: Mapping[str, int] = field(default_factory=dict)  # stored, by kind
    duplicates: int = 0
    bytes: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    refused_callers: Mapping[str, int] = field(default_factory=dict)
    limited_requests: int = 0
    connections: Mapping[str, int] = field(default_factory=dict)
    connections_cut: Mapping[str, int] = field(default_factory=dict)
    listeners: int = 0
    listeners_cut_off: int = 0
    loop_ages_s: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    failing: Mapping[str, str] = field(default_factory=dict)
    stalled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(StateInputs):
    """The network, what is measured and demanded on it, and what came of it, at `at_ns`.

    `logged`: the states that were logged last, at `looked_ns` (None: not yet). `plans` by agent;
    `duplicates`: who was refused last, by the agent whose name it has; `campaigns` by name, oldest
    first; by their ids `campaign_streams` of those that run, and the `unreportable`, whose report
    could not be made. `baseline` is what improvements are compared with, `baseline_fault` why it
    cannot be.
    """

    started_ns: int
    judge_period_ns: int
    round: Round
    logged: Mapping[SubjectKind, Logged]
    looked_ns: int | None
    plans: Mapping[str, Plan]
    duplicates: Mapping[str, DuplicateRecord]
    campaigns: Mapping[str, CampaignRecord]
    campaign_streams: Mapping[int, tuple[PlannedStream, ...]] = field(default_factory=dict)
    unreportable: frozenset[int] = frozenset()
    baseline: Baseline | None
    baseline_fault: Text | None
    steady: Steady
    operation: Operation

    def states(self) -> CurrentStates:
        """Return the states of all agents, paths and streams. Takes its time."""
        return current_states(self, self.round)

    def agent_states(self) -> dict[str, AgentState]:
        """Return the states of all agents."""
        return agents_of(self)

    def campaign_counts(self) -> dict[str, int]:
        """Return how many campaigns are in each state, states without campaigns too."""
        found = [record.state for record in self.campaigns.values()]
        return {state: found.count(state) for state in get_args(CampaignState)}

    def clock_doubt(self) -> Text | None:
        """Return why the controller's clock is not to be trusted, None if it is."""
        return doubt_of(self.steady, self.fleet)


class Snapshots:
    """Hands out how everything is at this moment, and keeps what was published last."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self.now = take
        self.latest = take()

    async def publish(self) -> None:
        """Make how everything is now the latest; called after each round of judging."""
        self.latest = self.now()
