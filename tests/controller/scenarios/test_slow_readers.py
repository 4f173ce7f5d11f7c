"""Whoever reads slowly, or not at all, does not hold up the agents' deliveries."""

import asyncio
import pathlib
import socket
import sqlite3
import threading
from typing import Any

from controller.store.sqlite.engine import FILE_NAME

WINDOW_NS = 10_000_000_000
DELIVERIES = 30


async def deliver_some(controller: Any, batch_of: Any, chunk_of: Any, first: int = 0) -> None:
    """Deliver chunks one after the other; each is acknowledged once it is committed."""
    state = controller.services
    ids = [s.stream_id for s in state.rounds.scope.streams if s.path.source.site == "nanjing"]
    start_ns = state.clock.wall_ns() // WINDOW_NS * WINDOW_NS
    async with asyncio.timeout(120):
        for number in range(first, first + DELIVERIES):
            batch = batch_of(ids, start_ns - number * WINDOW_NS)
            body = chunk_of(batch, agent="nanjing", sequence=number)
            answer = await controller.deliver("nanjing", body)
            assert answer == {"sequence": number, "duplicate": False}


async def test_client_that_never_reads_its_answer(
    controller: Any, batch_of: Any, chunk_of: Any, tmp_path: pathlib.Path
) -> None:
    await deliver_some(controller, batch_of, chunk_of)
    path = controller.services.rounds.scope.catalogue.paths[0].id
    asked = f"GET /api/v1/windows?path={path}&limit=10000 HTTP/1.1\r\nHost: c\r\n\r\n".encode()
    readers = []
    for _ in range(20):
        reader = socket.socket(socket.AF_UNIX)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        reader.setblocking(False)
        reader.connect(str(tmp_path / "api.sock"))
        readers.append(reader)
        for _ in range(8):  # more than the buffers between the two hold
            reader.send(asked)
    try:
        await deliver_some(controller, batch_of, chunk_of, DELIVERIES)
    finally:
        for reader in readers:
            reader.close()


async def test_reader_in_the_middle_of_a_long_transaction(
    controller: Any, batch_of: Any, chunk_of: Any, tmp_path: pathlib.Path
) -> None:
    await deliver_some(controller, batch_of, chunk_of)
    slow = sqlite3.connect(tmp_path / "life" / FILE_NAME, isolation_level=None)
    slow.execute("BEGIN")
    rows = slow.execute("SELECT id, payload FROM chunks")
    assert rows.fetchone() is not None
    await deliver_some(controller, batch_of, chunk_of, DELIVERIES)
    assert len(rows.fetchall()) == DELIVERIES - 1, "it continues seeing what it began with"
    slow.close()


async def test_threads_that_all_wait_for_slow_reads(
    controller: Any, batch_of: Any, chunk_of: Any
) -> None:
    over = threading.Event()
    async with asyncio.TaskGroup() as reading:
        for number in range(64):
            reading.create_task(asyncio.to_thread(over.wait), name=f"slow-{number}")
        await asyncio.sleep(0)
        try:
            await deliver_some(controller, batch_of, chunk_of)
        finally:
            over.set()
