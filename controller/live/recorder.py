"""Writes events to the log and, once they are committed, tells them to the event stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from controller.api.event_stream import EventStream
from controller.store.event_log import EventLog, EventRecord, SubjectState
from foundation.errors import ResourceError

logger = logging.getLogger("isochrone.controller")


class Recorder:
    """The one way by which events come into the world. On the event loop alone."""

    def __init__(self, log: EventLog, stream: EventStream) -> None:
        self._log = log
        self._stream = stream

    def record(self, events: Sequence[EventRecord], states: Sequence[SubjectState]) -> None:
        """Queue events and states; what cannot be stored is lost, and the store's state says so."""
        if not events and not states:
            return
        try:
            stored = self._log.append(events, states)
        except ResourceError as error:
            logger.error("%d events are not kept: %s", len(events), error)
            return
        loop = asyncio.get_running_loop()

        def tell(done: Future[int]) -> None:
            error = done.exception()
            if error is not None:
                logger.error("%d events are not kept: %s", len(events), error)
                return
            first = done.result()
            numbered = [replace(event, id=first + i) for i, event in enumerate(events)]
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(self._stream.publish, numbered)

        stored.add_done_callback(tell)
