"""Whether the store takes what is written, told as events and tried again while it does not."""

from __future__ import annotations

import contextlib

from controller.events.event_types import ControllerChanged
from controller.store.interface import Store
from foundation.clock import Clock
from foundation.errors import ResourceError

SUBJECT = "store"


class StoreWatch:
    """Looked at every few seconds."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._told = ("ok", clock.wall_ns())

    def changes(self) -> list[ControllerChanged]:
        """Return that the store is ok again; that it is full or failing is written here.

        Such an event cannot be kept as long as it is true. It is tried each time, which shows at
        once when there is room, and is in the log from then on.
        """
        state, now_ns = self._store.state().state, self._clock.wall_ns()
        before, since_ns = self._told
        if state != before:
            self._told = state, now_ns
        if state == "ok":
            return [] if before == "ok" else [_event(state, now_ns, before, since_ns)]
        with contextlib.suppress(ResourceError):
            self._store.event_log.append([_event(state, self._told[1], "ok", None).record()])
        return []


def _event(state: str, at_ns: int, before: str, since_ns: int | None) -> ControllerChanged:
    return ControllerChanged(
        at_ns=at_ns,
        part=SUBJECT,
        state=state,
        previous=before,
        previous_since_ns=since_ns,
    )
