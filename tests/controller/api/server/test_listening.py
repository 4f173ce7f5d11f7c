"""What a connection has no time for, and what it leaves behind."""

import asyncio
import contextlib
import dataclasses
import errno
import os
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from controller.access.certificate_authority import create_authority
from controller.api.application import make_app
from controller.api.server.addresses import parse_listen
from controller.api.server.connections import Connections
from controller.api.server.listening import TlsListener, bind
from controller.serving.service import tls_context
from foundation.clock import SystemClock

PATIENCE_S = 60.0  # a hang, not slowness
LONG = 16 << 20  # octets of an answer, more than the kernel takes at once


def anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Door:
    """A listener with an application behind it."""

    def __init__(self, connections: Connections, port: int) -> None:
        self.connections, self.port = connections, port
        self.asked = asyncio.Event()

    async def connect(self, *, tls: bool = True) -> Any:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=anyone() if tls else None, limit=1024
        )


@contextlib.asynccontextmanager
async def opened(
    app: web.Application, tls: ssl.SSLContext, connections: Connections | None = None
) -> AsyncIterator[Door]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    listeners = await bind("127.0.0.1", 0)
    door = Door(connections or Connections(), listeners[0].getsockname()[1])
    listener = TlsListener(tls, door.connections)
    try:
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(listener.run(runner.server, listeners))
            try:
                yield door
            finally:
                accepting.cancel()
    finally:
        listeners[0].close()
        await runner.cleanup()


@pytest.fixture
def tls(controller: Any, tmp_path: pathlib.Path) -> ssl.SSLContext:
    authority = create_authority(tmp_path / "life", ["127.0.0.1"], SystemClock())
    services = dataclasses.replace(controller.services, authority=authority)
    context = tls_context([parse_listen("127.0.0.1:0")], services)
    assert context is not None
    return context


@pytest.fixture
async def door(tls: ssl.SSLContext) -> AsyncIterator[Door]:
    app, asked = web.Application(), asyncio.Event()

    async def long(_request: web.Request) -> web.Response:
        asked.set()
        return web.Response(body=bytes(LONG))

    app.router.add_get("/", long)
    async with opened(app, tls) as served:
        served.asked = asked
        yield served


async def ended(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            await reader.read()


async def until(come: Callable[[], bool]) -> None:
    """Wait for what the kernel or the listener does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if come():
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n" * 20])
async def test_who_asks_for_nothing_is_cut(
    door: Door, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("controller.api.server.listening.FIRST_REQUEST_S", 0.3)
    with contextlib.suppress(OSError):  # cut in its handshake: the machine stood still
        reader, writer = await door.connect()
        writer.write(sent)
        await ended(reader)
        writer.transport.abort()
    assert door.connections.cut == {"silent": 1}
    assert door.connections.count("stranger") == 0


async def test_who_does_not_shake_hands_is_cut(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.api.server.listening.HANDSHAKE_S", 0.2)
    reader, writer = await door.connect(tls=False)
    await ended(reader)
    writer.close()
    assert not door.connections.cut


async def test_who_never_reads_an_answer_is_cut_by_the_kernel(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.api.server.listening.STALLED_S", 0.5)
    _, writer = await door.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(door.asked.wait(), PATIENCE_S)
    await until(lambda: door.connections.count("stranger") == 0)
    writer.transport.abort()


async def test_without_descriptors_it_waits_and_says_so_once(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("controller.api.server.listening.PAUSE_S", 0.001)
    real, tries = loop.sock_accept, 0

    async def accept(listener: socket.socket) -> Any:
        nonlocal tries
        tries += 1
        if tries < 50:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await real(listener)

    monkeypatch.setattr(loop, "sock_accept", accept)
    for _ in range(2):  # the first is accepted by the call that waits already
        _, writer = await asyncio.wait_for(door.connect(), PATIENCE_S)
        writer.transport.abort()
    assert tries >= 50
    assert [m for m in caplog.messages if "no connection can be accepted" in m] == [
        "no connection can be accepted, tried again and again: [Errno 24] Too many open files"
    ]


async def test_a_stop_in_the_middle_of_handshakes_leaves_nothing_open(
    tls: ssl.SSLContext,
) -> None:
    async with opened(web.Application(), tls) as door:
        crowd = [await door.connect(tls=False) for _ in range(8)]
        await until(lambda: door.connections.count("stranger") == len(crowd))
    for reader, writer in crowd:
        await ended(reader)
        writer.close()
    assert door.connections.count("stranger") == 0


async def test_a_token_has_its_share_of_connections(
    controller: Any, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.api.server.connections.MAX_OF_ONE", 2)
    state = controller.services
    tokens = [state.access.create_api_token("viewer", name, None) for name in ("a", "b")]
    async with opened(make_app(state), tls, state.connections) as door:
        statuses = []
        async with contextlib.AsyncExitStack() as held:
            for token in (tokens[0],) * 3 + (tokens[1],):
                session = await held.enter_async_context(aiohttp.ClientSession())
                answer = await session.get(
                    f"https://127.0.0.1:{door.port}/api/v1/health",
                    ssl=anyone(),
                    headers={"Authorization": f"Bearer {token}"},
                )
                statuses.append(answer.status)
                await answer.read()
            assert statuses == [200, 200, 429, 200]
            assert door.connections.count("person") == 3
