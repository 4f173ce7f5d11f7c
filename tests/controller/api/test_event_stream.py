"""Who listens to the event stream, and what waits for each of them."""

from __future__ import annotations

import asyncio
from typing import Any

from controller.store.event_log import EventRecord


async def test_reader_that_does_not_read_is_cut_off_before_it_holds_much(controller: Any) -> None:
    stream, path = controller.services.stream, controller.session.connector.path
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(
        b"GET /api/v1/events?kinds=agent HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b"101" in await reader.readline()
    (listener,) = stream.listeners
    event = EventRecord(
        id=1,
        at_ns=1,
        kind="agent",
        subject="x" * 1000,
        state="ok",
        previous=None,
        previous_since_ns=None,
    )
    told = 0
    while stream.listeners:
        stream.publish([event] * 100)
        told += 1
        assert told < 200, "20 MB wait for one who does not read"
        await asyncio.sleep(0)
    assert listener.is_cut
    assert stream.cut_off == 1
    writer.close()
