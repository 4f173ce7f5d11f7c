"""One round: judge everything, see how everything stands, log what changed, tell the listeners."""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from controller.api.event_stream import EventStream
from controller.live.current_states import (
    CurrentStates,
    StateInputs,
    agent_codes,
    agents_of,
    current_states,
)
from controller.live.memory import RecentWindows
from controller.live.recorder import Recorder
from controller.live.verdicts import LiveVerdicts
from controller.live.watch import Watch
from controller.store.event_log import EventRecord, SubjectState
from controller.store.interface import Store
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from topology.model import PlannedStream

JUDGING = "judging"  # as a loop that is watched
Changes = tuple[list[EventRecord], list[SubjectState]]


class Rounds:
    """What happens every few seconds, and what stands between two times of it.

    `agents`, `paths` and `streams` hold the states that were logged last, each with its beginning.
    """

    def __init__(
        self,
        state_inputs: StateInputs,
        live: LiveVerdicts,
        memory: RecentWindows,
        streams: Sequence[PlannedStream],
        store: Store,
        known: Sequence[SubjectState],
        clock: Clock,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.watchdog = watchdog or Watchdog(clock)
        self.looked_ns: int | None = None  # when the states were looked at last
        self.state_inputs = state_inputs
        self.stream = EventStream()
        self.before_announcing: Callable[[], Awaitable[None]] = _nothing
        self.recorder = Recorder(store.event_log, self.stream)
        self.live, self.memory, self._clock = live, memory, clock
        self._started_monotonic_ns = clock.monotonic_ns()
        now_ns = clock.wall_ns()
        paths = [path.id for path in state_inputs.catalogue.paths]
        stream_ids = [str(stream.stream_id) for stream in streams]
        self.agents = Watch("agent", state_inputs.fleet.names, known, now_ns)
        self.paths = Watch("path", paths, known, now_ns)
        self.streams = Watch("stream", stream_ids, known, now_ns)
        state_inputs.maintenance.remember(known)
        self.measured = _measured(state_inputs)

    def moved_to(
        self,
        state_inputs: StateInputs,
        live: LiveVerdicts,
        memory: RecentWindows,
        streams: Sequence[PlannedStream],
    ) -> Rounds:
        """Return what goes on from here with other streams; listeners and log are the same.

        What was watched and is no longer planned is told as ended.
        """
        moved = copy.copy(self)
        moved.state_inputs, moved.live, moved.memory = state_inputs, live, memory
        now_ns = self._clock.wall_ns()
        paths = [path.id for path in state_inputs.catalogue.paths]
        stream_ids = [str(stream.stream_id) for stream in streams]
        for watch, subjects in ((self.paths, paths), (self.streams, stream_ids)):
            self.recorder.record(*watch.ended(subjects, now_ns))
        moved.paths = self.paths.moved_to(paths, now_ns)
        moved.streams = self.streams.moved_to(stream_ids, now_ns)
        moved.measured = _measured(state_inputs)
        return moved

    async def make(self, judged: Callable[[], None] | None = None) -> None:
        """Make a round; `judged` is called once the verdicts are there, before they are told.

        Each part is on its own: one that raises leaves what it made last, and is told.
        """
        part = functools.partial(self.watchdog.part, JUDGING)
        events: list[EventRecord] = []
        states: list[SubjectState] = []
        with part("verdicts"):
            resting = self.state_inputs.maintenance.paths_at(self._clock.wall_ns())
            events, states = await self.live.judge_now(
                self.memory,
                self.state_inputs.fleet,
                resting[self.state_inputs.catalogue.demand_path],
                self.watchdog,
            )
        if judged is not None:
            judged()
        now_ns = self._clock.wall_ns()
        for name, look in self._looks(now_ns).items():
            with part(name):
                more_events, more_states = look()
                events += more_events
                states += more_states
        self.looked_ns = now_ns
        with part("events"):
            self.recorder.record(events, states)
        with part("matrix"):
            await self.before_announcing()
        self.stream.announce(self.live.latest.revision)
        self.watchdog.rounded(JUDGING)

    def states(self) -> CurrentStates:
        """Return how everything stands at this moment."""
        return current_states(self.state_inputs, self.live.latest, self._clock.wall_ns())

    def look_at_maintenance(self, now_ns: int) -> Changes:
        """Return the maintenances that were announced, began, ended or were cancelled."""
        return self.state_inputs.maintenance.look(now_ns)

    def _looks(self, now_ns: int) -> dict[str, Callable[[], Changes]]:
        """Return what is looked at by name; agents on their own, whatever is wrong with paths."""
        listened_ns = self._clock.monotonic_ns() - self._started_monotonic_ns

        def agents() -> Changes:
            codes = agent_codes(agents_of(self.state_inputs, now_ns))
            return self.agents.look(codes, now_ns, listened_ns)

        def paths_and_streams() -> Changes:
            found = current_states(self.state_inputs, self.live.latest, now_ns)
            paths = np.where(self.measured, found.paths, self.paths.shown)
            of_paths = self.paths.look(paths, now_ns, listened_ns)
            of_streams = self.streams.look(found.streams, now_ns, listened_ns)
            return of_paths[0] + of_streams[0], of_paths[1] + of_streams[1]

        return {
            "agents": agents,
            "paths": paths_and_streams,
            "maintenance": lambda: self.look_at_maintenance(now_ns),
        }


def _measured(state_inputs: StateInputs) -> NDArray[np.bool_]:
    """Return which paths are watched: what nobody measures has no data for ever."""
    measured = np.zeros(len(state_inputs.catalogue.paths), np.bool_)
    measured[state_inputs.catalogue.stream_path] = True
    return measured


async def _nothing() -> None:
    return
