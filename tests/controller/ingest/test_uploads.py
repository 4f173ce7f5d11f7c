"""Uploads that do not end hold up nobody but who sends them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controller.ingest.uploads import MAX_UPLOADS
from messages.exchange import CHUNK_CONTENT_TYPE, MAX_CHUNK_BYTES

HEAD = (
    "POST /api/v1/agents/{agent}/chunks HTTP/1.1\r\nHost: controller\r\n"
    f"Content-Type: {CHUNK_CONTENT_TYPE}\r\nContent-Length: {MAX_CHUNK_BYTES}\r\n\r\nx"
)


async def begin(controller: Any, agent: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin an upload whose body never comes whole."""
    reader, writer = await asyncio.open_unix_connection(controller.session.connector.path)
    writer.write(HEAD.format(agent=agent).encode())
    await writer.drain()
    return reader, writer


async def test_unfinished_uploads_of_one_agent_stop_no_other(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    begun = [await begin(controller, "suzhou") for _ in range(MAX_UPLOADS + 4)]
    # What is beyond its own slots is answered at once; then all the others are being read.
    refused: list[bytes] = []
    enough = asyncio.Event()

    async def answer(reader: asyncio.StreamReader) -> None:
        refused.append(await reader.readline())
        if len(refused) == 4:
            enough.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(answer(reader)) for reader, _ in begun]
        await enough.wait()
        for task in waiting:
            task.cancel()
    assert {line.split()[1] for line in refused} == {b"429"}
    assert controller.services.ingest.refused["busy_agent"] == 4
    stream = next(
        s for s in controller.services.rounds.scope.streams if s.path.source.site == "nanjing"
    )
    batch = batch_of([stream.stream_id], controller.services.clock.wall_ns() - 10_000_000_000)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    assert controller.services.ingest.chunks == 1
    for _, writer in begun:
        writer.close()


async def test_a_body_that_does_not_come_is_given_up_and_its_slot_is_free_again(
    controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.ingest.uploads.BODY_S", 0.2)
    for _ in range(MAX_UPLOADS + 1):
        reader, writer = await begin(controller, "suzhou")
        async with asyncio.timeout(60):
            assert (await reader.readline()).split()[1] == b"408"
        writer.close()
    assert controller.services.ingest.refused["slow_body"] == MAX_UPLOADS + 1


async def test_bodies_that_fill_the_memory_give_way_the_largest_first(
    controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.ingest.uploads.MAX_ARRIVING_BYTES", 3 << 20)
    uploads = controller.services.ingest.uploads
    sizes = {"suzhou": 2 << 20, "nanjing": 1 << 19}
    begun = {}
    for agent, size in sizes.items():
        begun[agent] = await begin(controller, agent)
        begun[agent][1].write(bytes(size))
    async with asyncio.timeout(60):
        while uploads.arriving_bytes < sum(sizes.values()):
            assert not controller.services.ingest.refused
            await asyncio.sleep(0.01)
        begun["nanjing"][1].write(bytes(1 << 19))
        reader, writer = begun["suzhou"]
        assert (await reader.readline()).split()[1] == b"429", "the largest, whoever sends more"
        writer.transport.abort()
        while uploads.arriving_bytes >= 2 << 20:
            await asyncio.sleep(0.01)
            assert controller.services.ingest.refused == {"busy": 1}
        begun["nanjing"][1].transport.abort()
        while uploads.arriving_bytes:
            await asyncio.sleep(0.01)
            assert controller.services.ingest.refused == {"busy": 1}
