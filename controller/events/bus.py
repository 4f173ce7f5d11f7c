"""The one way by which events come into the world, and by which subscribers hear of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from controller.events.event_types import Event
from controller.store.event_log import EventRecord

T = TypeVar("T")
Subscriber: TypeAlias = Callable[[Sequence[Event]], None]
LogReader: TypeAlias = Callable[[Sequence[EventRecord]], None]

logger = logging.getLogger("isochrone.controller")


class EventBus:
    """Who subscribes to which types of events. On the event loop alone."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, tuple[type[Event], ...]]] = []
        self._readers: list[LogReader] = []

    def subscribe(self, subscriber: Subscriber, *kinds: type[Event]) -> None:
        """Tell `subscriber` of events of these types as they happen, some at a time.

        It must not block; what it raises is logged, and keeps nothing from anybody else.
        """
        self._subscribers.append((subscriber, kinds))

    def read_log(self, reader: LogReader) -> None:
        """Tell `reader` of what is in the log once it is committed, with its numbers."""
        self._readers.append(reader)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell everyone who subscribed that this happened."""
        for subscriber, kinds in self._subscribers:
            mine = [event for event in events if isinstance(event, kinds)]
            if mine:
                _call(subscriber, mine)

    def committed(self, records: Sequence[EventRecord]) -> None:
        """Tell everyone who reads the log that it holds these now."""
        for reader in self._readers:
            _call(reader, records)


def _call(listener: Callable[[Sequence[T]], None], what: Sequence[T]) -> None:
    try:
        listener(what)
    except Exception:
        logger.exception("a subscriber to events failed")
