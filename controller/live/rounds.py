"""One round: judge everything, see how everything stands, log what changed, tell who follows."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from controller.events.bus import EventBus
from controller.events.event_types import Change, Event, RoundJudged
from controller.fleet.agents import Fleet
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silence_registry import SilenceRegistry
from controller.live.current_states import (
    StateInputs,
    agent_codes,
    agents_of,
    current_states,
)
from controller.live.live_verdicts import LiveVerdicts
from controller.live.memory import RecentWindows
from controller.live.scope import Scope
from controller.live.watch import Logged, Watch
from controller.store.event_log import SubjectKind, SubjectState
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock

JUDGING = "judging"  # as a loop that is watched


class Rounds:
    """What happens every few seconds, and what is between two times of it.

    `followers` are told after every round, one after another, by name.
    """

    def __init__(
        self,
        scope: Scope,
        live: LiveVerdicts,
        memory: RecentWindows,
        *,
        fleet: Fleet,
        maintenance: MaintenanceSchedule,
        silences: SilenceRegistry,
        bus: EventBus,
        known: Sequence[SubjectState],
        clock: Clock,
        watchdog: Watchdog,
    ) -> None:
        self.scope, self.live, self.memory = scope, live, memory
        self.followers: dict[str, Callable[[], Awaitable[None]]] = {}
        self.looked_ns: int | None = None  # when the states were looked at last
        self._fleet, self._maintenance, self._silences = fleet, maintenance, silences
        self._bus, self._clock, self._watchdog = bus, clock, watchdog
        self._started_monotonic_ns = clock.monotonic_ns()
        now_ns = clock.wall_ns()
        self._agents = Watch("agent", fleet.now().names, known, now_ns)
        self._paths = Watch("path", _path_names(scope), known, now_ns)
        self._streams = Watch("stream", _stream_names(scope), known, now_ns)
        self._measured = _measured(scope)
        maintenance.remember(known)

    def state_inputs(self) -> StateInputs:
        """Return what states are based on at this moment."""
        return StateInputs(
            at_ns=self._clock.wall_ns(),
            scope=self.scope,
            fleet=self._fleet.now(),
            maintenance=self._maintenance.now.over(self.scope.path_index),
            silences=self._silences.now.over(self.scope.stream_index),
        )

    def logged(self) -> Mapping[SubjectKind, Logged]:
        """Return the states that were logged last, by kind."""
        return {
            "agent": self._agents.now(),
            "path": self._paths.now(),
            "stream": self._streams.now(),
        }

    async def make(self) -> None:
        """Make a round.

        Each part is on its own: one that raises leaves what it made last, and is told.
        """
        await self._tell(await self._judge(self.live, self.memory, self.scope))

    async def move_to(self, scope: Scope, live: LiveVerdicts, memory: RecentWindows) -> None:
        """Judge another scope, and continue with it from the moment its first round is judged.

        What was watched and is no longer planned is told as ended.
        """
        try:
            changes = await self._judge(live, memory, scope)
        finally:  # where judging failed too: what is taken in must be what is judged next
            self._put_in_place(scope, live, memory)
        await self._tell(changes)

    def _put_in_place(self, scope: Scope, live: LiveVerdicts, memory: RecentWindows) -> None:
        self.scope, self.live, self.memory = scope, live, memory
        self._silences.use(scope.stream_index)
        self._maintenance.use_paths(scope.path_index)
        self._measured = _measured(scope)
        now_ns, paths, streams = self._clock.wall_ns(), _path_names(scope), _stream_names(scope)
        self._bus.publish(self._paths.ended(paths, now_ns) + self._streams.ended(streams, now_ns))
        self._paths = self._paths.moved_to(paths, now_ns)
        self._streams = self._streams.moved_to(streams, now_ns)

    async def _judge(self, live: LiveVerdicts, memory: RecentWindows, scope: Scope) -> list[Event]:
        with self._watchdog.part(JUDGING, "verdicts"):
            maintenance = self._maintenance.now.over(scope.path_index)
            resting = maintenance.paths_at(self._clock.wall_ns())
            changes = await live.judge_now(
                memory, self._fleet.now(), resting[scope.catalogue.demand_path], self._watchdog
            )
            return list(changes)
        return []

    async def _tell(self, events: list[Event]) -> None:
        """Look at all states, log what changed, and tell who follows."""
        part = functools.partial(self._watchdog.part, JUDGING)
        now = self.state_inputs()
        for name, look in self._looks(now).items():
            with part(name):
                events += look()
        self.looked_ns = now.at_ns
        with part("events"):
            self._bus.publish(events)
        for name, follow in self.followers.items():
            with part(name):
                await follow()
        revision = self.live.latest.revision
        self._bus.publish([RoundJudged(at_ns=now.at_ns, revision=revision)])
        self._watchdog.rounded(JUDGING)

    def _looks(self, now: StateInputs) -> dict[str, Callable[[], Sequence[Event]]]:
        """Return what is looked at by name; agents on their own, whatever is wrong with paths."""
        listened_ns = self._clock.monotonic_ns() - self._started_monotonic_ns

        def agents() -> list[Change]:
            return self._agents.look(agent_codes(agents_of(now)), now.at_ns, listened_ns)

        def paths_and_streams() -> list[Change]:
            found = current_states(now, self.live.latest)
            paths = np.where(self._measured, found.paths, self._paths.shown)
            of_paths = self._paths.look(paths, now.at_ns, listened_ns)
            return of_paths + self._streams.look(found.streams, now.at_ns, listened_ns)

        return {
            "agents": agents,
            "paths": paths_and_streams,
            "maintenance": lambda: self._maintenance.look(now.at_ns),
        }


def _path_names(scope: Scope) -> list[str]:
    return [path.id for path in scope.catalogue.paths]


def _stream_names(scope: Scope) -> list[str]:
    return [str(stream.stream_id) for stream in scope.streams]


def _measured(scope: Scope) -> NDArray[np.bool_]:
    """Return which paths are watched: what nobody measures has no data for ever."""
    measured = np.zeros(len(scope.catalogue.paths), np.bool_)
    measured[scope.catalogue.stream_path] = True
    return measured
