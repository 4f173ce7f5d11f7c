"""Who listens to the event stream, and what waits for each of them.

A listener that does not read is cut off once `MAX_WAITING_BYTES` wait for it, rather than holding
memory for as long as it likes; it may come back and ask for what it missed (`after_id`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from controller.documents.events import EventDocument, EventsMessage, VerdictsEvent
from controller.events.bus import EventBus
from controller.events.event_types import Event, RoundJudged
from controller.store.event_log import EventKind, EventRecord

MAX_WAITING_BYTES = 4 << 20
MAX_LISTENERS = 256
MAX_OF_ONE = 16  # credential
ITEMS_A_MESSAGE = 500


class CutOffError(Exception):
    """The listener was too slow."""


class Listener:
    """What one listener has still to be sent. Of the rounds of judging only the latest waits."""

    def __init__(
        self, kinds: Sequence[EventKind], hang_up: Callable[[], None], caller: str = ""
    ) -> None:
        self.kinds, self.caller = frozenset(kinds), caller
        self._waiting: deque[tuple[int, str]] = deque()
        self._waiting_bytes = 0
        self._revision: int | None = None
        self._wake = asyncio.Event()
        self._hang_up = hang_up
        self.is_cut = False

    def offer(self, first_id: int, message: str) -> None:
        """Queue a message of events that begin with `first_id`, or give the listener up."""
        if self.is_cut:
            return
        if self._waiting_bytes + len(message) > MAX_WAITING_BYTES:
            self.cut()
            return
        self._waiting.append((first_id, message))
        self._waiting_bytes += len(message)
        self._wake.set()

    def announce(self, revision: int) -> None:
        """Queue that a round was judged."""
        self._revision = revision
        self._wake.set()

    def cut(self) -> None:
        """Give the listener up, once: forget what waits for it and end its connection."""
        if self.is_cut:
            return
        self.is_cut = True
        self._waiting.clear()
        self._waiting_bytes = 0
        self._wake.set()
        self._hang_up()

    async def wait_message(self, after_id: int = 0) -> str:
        """Return the next message, leaving out events up to `after_id`. Raises CutOffError."""
        while True:
            if self.is_cut:
                raise CutOffError
            while self._waiting:
                first_id, message = self._waiting.popleft()
                self._waiting_bytes -= len(message)
                if first_id > after_id:
                    return message
            if self._revision is not None:
                revision, self._revision = self._revision, None
                return msgspec.json.encode(VerdictsEvent(revision=revision)).decode()
            self._wake.clear()
            await self._wake.wait()


class EventStream:
    """All listeners. On the event loop alone."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.cut_off = 0

    def follow(self, bus: EventBus) -> None:
        """Tell listeners of what is in the log, and of rounds, from now on."""
        bus.read_log(self.publish)
        bus.subscribe(self._judged, RoundJudged)

    def _judged(self, rounds: Sequence[Event]) -> None:
        for event in rounds:
            if isinstance(event, RoundJudged):
                self.announce(event.revision)

    def of_caller(self, caller: str) -> int:
        """Return how many listeners there are of one credential."""
        return sum(listener.caller == caller for listener in self.listeners)

    def publish(self, events: Sequence[EventRecord]) -> None:
        """Report events that are stored, each listener of the kinds it asked for."""
        wanted = {kind for listener in self.listeners for kind in listener.kinds}
        for kind, first_id, message in messages_of([e for e in events if e.kind in wanted]):
            for listener in self.listeners:
                if kind in listener.kinds:
                    listener.offer(first_id, message)

    def announce(self, revision: int) -> None:
        """Tell everyone that verdicts were rebuilt."""
        for listener in self.listeners:
            listener.announce(revision)


def messages_of(events: Sequence[EventRecord]) -> list[tuple[EventKind, int, str]]:
    """Return stored events as messages of one kind each: (kind, the id it begins with, text)."""
    messages: list[tuple[EventKind, int, str]] = []
    for kind, run in itertools.groupby(events, key=lambda event: event.kind):
        mine = list(run)
        for at in range(0, len(mine), ITEMS_A_MESSAGE):
            part = mine[at : at + ITEMS_A_MESSAGE]
            items = [event_document(event) for event in part]
            text = msgspec.json.encode(EventsMessage(items=items)).decode()
            messages.append((kind, part[0].id, text))
    return messages


def event_document(event: EventRecord) -> EventDocument:
    """Return an event as the API says it."""
    return msgspec.convert(event, EventDocument, from_attributes=True)
