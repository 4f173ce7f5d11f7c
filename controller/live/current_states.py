"""How everything stands now: the states of streams, paths and agents from one round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.fleet.agents import FleetView
from controller.fleet.maintenance import Maintenance
from controller.fleet.silences import Silences
from controller.judge.evidence import FAIL
from controller.judge.evidence import UNDECIDED as UNDECIDED_VERDICT
from controller.live.live_verdicts import Round
from controller.live.scope import Scope
from controller.live.states import (
    LATE_WINDOWS,
    NO_DATA_WINDOWS,
    STATES,
    StateFlags,
    codes,
    path_flags,
)
from controller.store.event_log import AgentState


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentStates:
    """Codes of STATES: streams int8[n] and paths int8[p] as in the catalogue; agents by name."""

    streams: NDArray[np.int8]
    paths: NDArray[np.int8]
    agents: dict[str, AgentState]

    def agent_codes(self) -> NDArray[np.int8]:
        """Return the agents' states as codes, in their order."""
        return agent_codes(self.agents)


def agent_codes(agents: Mapping[str, AgentState]) -> NDArray[np.int8]:
    """Return states of agents as codes, in their order."""
    return np.array([STATES.index(state) for state in agents.values()], np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateInputs:
    """What states are based on besides a round, as it was at one moment."""

    at_ns: int
    scope: Scope
    fleet: FleetView
    maintenance: Maintenance
    silences: Silences


def agents_of(now: StateInputs) -> dict[str, AgentState]:
    """Return how every agent is: one that speaks but measures nothing of its plan has no data."""
    scope, catalogue = now.scope, now.scope.catalogue
    resting = now.maintenance.sites_at(now.at_ns)
    limit_ns = NO_DATA_WINDOWS * scope.window_ns
    first_ns = np.full(len(catalogue.site_number), now.at_ns)
    np.minimum.at(first_ns, catalogue.stream_source, scope.planned_ns)
    found: dict[str, AgentState] = {}
    for name in now.fleet.names:
        state = now.fleet.state(name)
        if name in resting:
            state = "maintenance"
        elif (
            state == "ok"
            # Others only reflect, or have just been asked for more than that.
            and first_ns[catalogue.site_number[name]] < now.at_ns - limit_ns
            and now.fleet.measures_nothing(name, now.at_ns, limit_ns)
        ):
            state = "no_data"
        found[name] = state
    return found


def current_states(now: StateInputs, latest: Round) -> CurrentStates:
    """Return the states of everything."""
    catalogue, window_ns = now.scope.catalogue, now.scope.window_ns
    agents = agents_of(now)
    streams = _stream_flags(now, latest, agents)
    fresh_ns = now.at_ns - LATE_WINDOWS * window_ns
    paths = path_flags(streams, catalogue.stream_path, len(catalogue.paths), fresh_ns)
    verdict = latest.judgements.verdict
    paths = replace(
        paths,
        failing=_marked(catalogue.demand_path[verdict == FAIL], len(catalogue.paths)),
        undecided=_marked(
            catalogue.demand_path[verdict == UNDECIDED_VERDICT], len(catalogue.paths)
        ),
        maintenance=now.maintenance.paths_at(now.at_ns),
    )
    return CurrentStates(
        streams=codes(streams, now.at_ns, window_ns),
        paths=codes(paths, now.at_ns, window_ns),
        agents=agents,
    )


def _stream_flags(now: StateInputs, latest: Round, agents: Mapping[str, AgentState]) -> StateFlags:
    scope, catalogue, now_ns = now.scope, now.scope.catalogue, now.at_ns
    streams = len(catalogue.stream_path)
    down = np.zeros(len(catalogue.site_number), np.bool_)
    for name, state in agents.items():
        down[catalogue.site_number[name]] = state == "agent_down"
    newest_ns = latest.newest_of_streams.believed_ns
    # After maintenance, quiet hours or its beginning, waiting for the first window is not silence.
    since_ns = now_ns - NO_DATA_WINDOWS * scope.window_ns
    ended_ns = now.maintenance.ended_ns(now_ns, since_ns)[catalogue.stream_path]
    allowed, allowed_ns = now.fleet.allowed_again(since_ns)
    _, row, at = np.intersect1d(catalogue.stream_id, allowed, return_indices=True)
    ended_ns[row] = np.maximum(ended_ns[row], allowed_ns[at])
    ended_ns = np.maximum(ended_ns, now.silences.ended_ns(since_ns))
    newest_ns = np.maximum.reduce((newest_ns, ended_ns, scope.planned_ns))
    curtailed = np.isin(catalogue.stream_id, now.fleet.refused_streams())
    unanswered = np.zeros(streams, np.bool_)
    for at_row, silence in now.silences.unanswered_at(now_ns).items():
        by_owner = silence.rule.startswith("policy.")
        (curtailed if by_owner else unanswered)[at_row] = True
    unanswered &= ~_answered(latest, now)
    verdict, row = latest.judgements.verdict, latest.rules.row
    return StateFlags(
        newest_ns=newest_ns,
        agent_down=down[catalogue.stream_source],
        curtailed=curtailed,
        unanswered=unanswered,
        down=latest.down,
        failing=_marked(row[(row >= 0) & (verdict == FAIL)], streams),
        undecided=_marked(row[(row >= 0) & (verdict == UNDECIDED_VERDICT)], streams),
        maintenance=now.maintenance.paths_at(now_ns)[catalogue.stream_path],
    )


def _answered(latest: Round, now: StateInputs) -> NDArray[np.bool_]:
    """Return which streams have windows of late that count, whatever their far end has told."""
    found: NDArray[np.bool_] = (
        latest.newest_of_streams.believed_ns > now.at_ns - LATE_WINDOWS * now.scope.window_ns
    )
    return found & (latest.evidence.counters["received"] > 0)


def _marked(places: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    found = np.zeros(length, np.bool_)
    found[places] = True
    return found
