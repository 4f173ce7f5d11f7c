"""How everything stands now: the states of streams, paths and agents from one round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.fleet.agents import AgentState, Fleet
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silences import SilenceRegistry
from controller.judge.evidence import FAIL
from controller.judge.evidence import UNDECIDED as UNDECIDED_VERDICT
from controller.live.catalogue import Catalogue
from controller.live.states import (
    LATE_WINDOWS,
    NO_DATA_WINDOWS,
    STATES,
    StateFlags,
    codes,
    path_flags,
)
from controller.live.verdicts import Round


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
    """What states rest on besides a round; put together once for a plan.

    `planned_ns` int64[n]: since when each stream is planned, 0 for those of the permanent meshes.
    """

    catalogue: Catalogue
    planned_ns: NDArray[np.int64]
    fleet: Fleet
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry
    window_ns: int


def agents_of(state_inputs: StateInputs, now_ns: int) -> dict[str, AgentState]:
    """Return how every agent is: one that speaks but measures nothing of its plan has no data."""
    resting = state_inputs.maintenance.sites_at(now_ns)
    limit_ns = NO_DATA_WINDOWS * state_inputs.window_ns
    first_ns = np.full(len(state_inputs.catalogue.site_number), now_ns)
    np.minimum.at(first_ns, state_inputs.catalogue.stream_source, state_inputs.planned_ns)
    found: dict[str, AgentState] = {}
    for name in state_inputs.fleet.names:
        state = state_inputs.fleet.state(name)
        if name in resting:
            state = "maintenance"
        elif (
            state == "ok"
            # Others only reflect, or have just been asked for more than that.
            and first_ns[state_inputs.catalogue.site_number[name]] < now_ns - limit_ns
            and state_inputs.fleet.measures_nothing(name, now_ns, limit_ns)
        ):
            state = "no_data"
        found[name] = state
    return found


def current_states(state_inputs: StateInputs, latest: Round, now_ns: int) -> CurrentStates:
    """Return the states of everything at `now_ns`."""
    catalogue = state_inputs.catalogue
    agents = agents_of(state_inputs, now_ns)
    streams = _stream_flags(state_inputs, latest, agents, now_ns)
    fresh_ns = now_ns - LATE_WINDOWS * state_inputs.window_ns
    paths = path_flags(streams, catalogue.stream_path, len(catalogue.paths), fresh_ns)
    verdict = latest.judgements.verdict
    paths = replace(
        paths,
        failing=_marked(catalogue.demand_path[verdict == FAIL], len(catalogue.paths)),
        undecided=_marked(
            catalogue.demand_path[verdict == UNDECIDED_VERDICT], len(catalogue.paths)
        ),
        maintenance=state_inputs.maintenance.paths_at(now_ns),
    )
    return CurrentStates(
        streams=codes(streams, now_ns, state_inputs.window_ns),
        paths=codes(paths, now_ns, state_inputs.window_ns),
        agents=agents,
    )


def _stream_flags(
    state_inputs: StateInputs, latest: Round, agents: Mapping[str, AgentState], now_ns: int
) -> StateFlags:
    catalogue = state_inputs.catalogue
    streams = len(catalogue.stream_path)
    down = np.zeros(len(catalogue.site_number), np.bool_)
    for name, state in agents.items():
        down[catalogue.site_number[name]] = state == "agent_down"
    newest_ns = latest.newest_of_streams.believed_ns
    # After maintenance, quiet hours or its beginning, waiting for the first window is not silence.
    since_ns = now_ns - NO_DATA_WINDOWS * state_inputs.window_ns
    ended_ns = state_inputs.maintenance.ended_ns(now_ns, since_ns)[catalogue.stream_path]
    allowed, allowed_ns = state_inputs.fleet.allowed_again(since_ns)
    _, row, at = np.intersect1d(catalogue.stream_id, allowed, return_indices=True)
    ended_ns[row] = np.maximum(ended_ns[row], allowed_ns[at])
    ended_ns = np.maximum(ended_ns, state_inputs.silences.ended_ns(since_ns))
    newest_ns = np.maximum.reduce((newest_ns, ended_ns, state_inputs.planned_ns))
    curtailed = np.isin(catalogue.stream_id, state_inputs.fleet.refused_streams())
    unanswered = np.zeros(streams, np.bool_)
    for at_row, silence in state_inputs.silences.unanswered_at(now_ns).items():
        by_owner = silence.rule.startswith("policy.")
        (curtailed if by_owner else unanswered)[at_row] = True
    unanswered &= ~_answered(latest, state_inputs, now_ns)
    verdict, row = latest.judgements.verdict, latest.rules.row
    return StateFlags(
        newest_ns=newest_ns,
        agent_down=down[catalogue.stream_source],
        curtailed=curtailed,
        unanswered=unanswered,
        down=latest.down,
        failing=_marked(row[(row >= 0) & (verdict == FAIL)], streams),
        undecided=_marked(row[(row >= 0) & (verdict == UNDECIDED_VERDICT)], streams),
        maintenance=state_inputs.maintenance.paths_at(now_ns)[catalogue.stream_path],
    )


def _answered(latest: Round, state_inputs: StateInputs, now_ns: int) -> NDArray[np.bool_]:
    """Return which streams have windows of late that count, whatever their far end has told."""
    found: NDArray[np.bool_] = (
        latest.newest_of_streams.believed_ns > now_ns - LATE_WINDOWS * state_inputs.window_ns
    )
    return found & (latest.evidence.received > 0)


def _marked(places: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    found = np.zeros(length, np.bool_)
    found[places] = True
    return found
