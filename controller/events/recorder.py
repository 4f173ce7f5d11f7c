"""Writes events to the log and, once they are committed, has the bus tell whoever reads it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from controller.events.bus import EventBus
from controller.events.event_types import Change, Event
from controller.store.event_log import EventLog
from foundation.errors import ResourceError

logger = logging.getLogger("isochrone.controller")


class Recorder:
    """Subscribes to every change. On the event loop alone."""

    def __init__(self, log: EventLog, bus: EventBus) -> None:
        self._log, self._bus = log, bus
        bus.subscribe(self.record, Change)

    def record(self, events: Sequence[Event]) -> None:
        """Queue changes; what cannot be stored is lost, and the store's state says so."""
        changes = [event for event in events if isinstance(event, Change)]
        records = [change.record() for change in changes if change.logged]
        states = [change.kept_state() for change in changes if change.remembered]
        try:
            stored = self._log.append(records, states)
        except ResourceError as error:
            logger.error("%d events are not kept: %s", len(records), error)
            return
        loop = asyncio.get_running_loop()

        def tell(done: Future[int]) -> None:
            error = done.exception()
            if error is not None:
                logger.error("%d events are not kept: %s", len(records), error)
                return
            first = done.result()
            numbered = [replace(record, id=first + i) for i, record in enumerate(records)]
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(self._bus.committed, numbered)

        stored.add_done_callback(tell)
