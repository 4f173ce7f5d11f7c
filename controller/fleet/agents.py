"""The agents as the controller sees them: when each was last heard, and its health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from controller.store.event_log import AgentState
from messages.sections.windows import WINDOWS

if TYPE_CHECKING:
    from controller.store.records import AgentTotals
    from foundation.clock import Clock
    from messages.exchange import Curtailed, CurtailedStream, Health

LATE_AFTER_NS = 20_000_000_000
DOWN_AFTER_NS = 60_000_000_000
ON_ITS_WAY_NS = 2_000_000_000  # a message, at most; more is a difference of clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What is known of one agent; the monotonic time survives steps of the wall clock."""

    heard_monotonic_ns: int | None = None
    present_monotonic_ns: int | None = None  # since when it speaks without having been down
    last_seen_ns: int | None = None
    health: Health | None = None
    ahead_ns: int = 0  # its clock before ours, as far as that is beyond what a message takes
    results: Mapping[str, int] = field(default_factory=dict)  # stored, by kind
    last_window_ns: int | None = None
    delivered_ns: int | None = None  # end of the newest window of this life of ours
    curtailed: Mapping[int, CurtailedStream] = field(default_factory=dict)
    allowed_ns: Mapping[int, int] = field(default_factory=dict)  # when a refusal ended, by stream

    @property
    def windows_stored(self) -> int:
        """How many windows of it are stored."""
        return self.results.get(WINDOWS.name, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """The agents as they were at one moment. One that was never heard is `never_seen`, not down.

    `refused`: messages that were none, by agent.
    """

    agents: Mapping[str, Agent]
    refused: Mapping[str, int]
    started_monotonic_ns: int
    monotonic_ns: int

    def __contains__(self, name: object) -> bool:
        return name in self.agents

    @property
    def names(self) -> list[str]:
        """The agents in the order of the site file."""
        return list(self.agents)

    def state(self, name: str) -> AgentState:
        """Return how an agent is, by how long it has been silent.

        A controller that has just started calls nobody down before it has listened long enough.
        """
        heard_ns = self.agents[name].heard_monotonic_ns
        if heard_ns is None:
            return "never_seen"
        if self.monotonic_ns - heard_ns < LATE_AFTER_NS:
            return "ok"
        listened_ns = self.monotonic_ns - max(heard_ns, self.started_monotonic_ns)
        return "late" if listened_ns < DOWN_AFTER_NS else "agent_down"

    def measures_nothing(self, name: str, now_ns: int, limit_ns: int) -> bool:
        """Return whether an agent has spoken for `limit_ns` without a window newer than that."""
        agent = self.agents[name]
        refused = agent.curtailed and agent.health is not None and not agent.health.streams
        if agent.present_monotonic_ns is None or refused:  # its owner wants it so
            return False
        present_ns = self.monotonic_ns - agent.present_monotonic_ns
        return present_ns > limit_ns and now_ns - (agent.last_window_ns or 0) > limit_ns

    def health(self, name: str) -> Health | None:
        """Return the health the agent sent last in this life of the controller."""
        return self.agents[name].health

    def clocks_ahead_ns(self) -> list[int]:
        """Return by how much the clocks of agents that speak now are ahead of ours."""
        return [
            agent.ahead_ns
            for name, agent in self.agents.items()
            if agent.health is not None and self.state(name) == "ok"
        ]

    def newest_windows_ns(self) -> list[int]:
        """Return where the newest window ends of each agent that delivers now."""
        return [
            agent.delivered_ns
            for name, agent in self.agents.items()
            if agent.delivered_ns is not None and self.state(name) == "ok"
        ]

    def curtailment(self, name: str, stream_id: int) -> CurtailedStream | None:
        """Return what the owner's policy takes from a stream of the agent, None for nothing."""
        agent = self.agents.get(name)
        return None if agent is None else agent.curtailed.get(stream_id)

    def refused_streams(self) -> NDArray[np.uint64]:
        """Return the ids of all streams that agents' owners refuse, uint64[k]."""
        refused = [number for agent in self.agents.values() for number in _refused(agent)]
        return np.array(refused, np.uint64)

    def allowed_again(self, since_ns: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the ids of the streams whose refusal ended after `since_ns`, and when it did."""
        allowed = {
            number: at_ns
            for agent in self.agents.values()
            for number, at_ns in agent.allowed_ns.items()
            if at_ns > since_ns
        }
        return np.array(list(allowed), np.uint64), np.array(list(allowed.values()), np.int64)


class Fleet:
    """Takes in what agents say and deliver."""

    def __init__(
        self, names: Iterable[str], totals: Mapping[str, AgentTotals], clock: Clock
    ) -> None:
        self._clock = clock
        self.refused: Counter[str] = Counter()  # messages that were none, by agent
        self._started_monotonic_ns = clock.monotonic_ns()
        now_ns, monotonic_ns = clock.wall_ns(), clock.monotonic_ns()
        self._agents = {name: _agent_of(totals.get(name), now_ns, monotonic_ns) for name in names}

    def __contains__(self, name: object) -> bool:
        return name in self._agents

    def now(self) -> FleetView:
        """Return the agents as they are at this moment."""
        return FleetView(
            agents=self._agents.copy(),
            refused=self.refused.copy(),
            started_monotonic_ns=self._started_monotonic_ns,
            monotonic_ns=self._clock.monotonic_ns(),
        )

    def heard(self, name: str, health: Health | None = None) -> None:
        """Note that an agent spoke just now."""
        agent = self._agents[name]
        now_ns, before_ns = self._clock.monotonic_ns(), agent.heard_monotonic_ns
        seen_ns, present_ns = self._clock.wall_ns(), agent.present_monotonic_ns
        if present_ns is None or now_ns - (before_ns or 0) >= DOWN_AFTER_NS:
            present_ns = now_ns
        ahead_ns = agent.ahead_ns
        if health is not None:
            ahead_ns = health.sent_ns - seen_ns
            ahead_ns = ahead_ns if abs(ahead_ns) > ON_ITS_WAY_NS else 0
        self._agents[name] = replace(
            agent,
            heard_monotonic_ns=now_ns,
            present_monotonic_ns=present_ns,
            last_seen_ns=seen_ns,
            health=agent.health if health is None else health,
            ahead_ns=ahead_ns,
        )

    def ahead_ns(self, name: str) -> int:
        """Return by how much an agent's clock is ahead of ours; 0 for what a message takes."""
        return self._agents[name].ahead_ns

    def curtailed(self, name: str, message: Curtailed) -> None:
        """Note what the policy of an agent's owner takes from its plan."""
        self.heard(name)
        before = self._agents[name]
        after = replace(before, curtailed={one.stream_id: one for one in message.streams})
        allowed = _refused(before) - _refused(after)
        now_ns = self._clock.wall_ns()
        allowed_ns = {**before.allowed_ns, **dict.fromkeys(allowed, now_ns)}
        self._agents[name] = replace(after, allowed_ns=allowed_ns)

    def stored(self, name: str, counts: Mapping[str, int], end_ns: int) -> None:
        """Note that results of an agent, whose span ends at `end_ns`, were stored."""
        before = self._agents[name]
        results = dict(Counter(before.results) + Counter(counts))
        agent = self._agents[name] = replace(before, results=results)
        if not counts.get(WINDOWS.name):
            return
        self._agents[name] = replace(
            agent,
            last_window_ns=max(agent.last_window_ns or end_ns, end_ns),
            delivered_ns=max(agent.delivered_ns or end_ns, end_ns),
        )


def _agent_of(held: AgentTotals | None, now_ns: int, monotonic_ns: int) -> Agent:
    """Return an agent of which the store holds so much."""
    if held is None or held.last_received_ns is None:
        return Agent()
    return Agent(
        results=held.results,
        last_window_ns=held.last_window_ns,
        last_seen_ns=held.last_received_ns,
        heard_monotonic_ns=monotonic_ns - max(0, now_ns - held.last_received_ns),
    )


def _refused(agent: Agent) -> set[int]:
    return {n for n, one in agent.curtailed.items() if one.action == "refused"}
