"""An agent speaks to its controller alone: it follows nobody elsewhere, and through a proxy only
where its owner names one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.channel.link import open_session, refusal_code, refusal_of, unreachable
from agent.config import config_of
from foundation.errors import ConfigError
from foundation.one_host import RedirectedError

REDIRECTS = (301, 302, 303, 307, 308)


class Elsewhere:
    """A host that nobody should ask, and one that sends everybody there."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.status = 302
        self.url = ""

    async def note(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        return web.json_response({})

    async def redirect(self, request: web.Request) -> web.Response:
        headers = {"Location": f"{self.url}latest/meta-data"}
        return web.Response(status=self.status, headers=headers)


@contextlib.asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app, scheme="http" if tls is None else "https")
    await server.start_server(ssl=tls)
    try:
        yield str(server.make_url("/"))
    finally:
        await server.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    elsewhere = Elsewhere()
    async with serving(elsewhere.note) as url:
        elsewhere.url = url
        yield elsewhere


@pytest.mark.parametrize("status", REDIRECTS)
async def test_redirect_is_told_and_not_followed(elsewhere: Elsewhere, status: int) -> None:
    elsewhere.status = status
    async with serving(elsewhere.redirect) as controller:
        session, base = open_session(controller)
        async with session:
            for method in ("GET", "POST"):
                with pytest.raises(RedirectedError) as told:
                    await session.request(method, f"{base}/api/v1/agents/a/chunks", data=b"x")
            with pytest.raises(RedirectedError):
                await session.ws_connect(f"{base}/api/v1/agents/a/control")
    assert elsewhere.asked == []
    text = unreachable(controller, told.value)
    assert f"redirect to '{elsewhere.url}latest/meta-data', which is not followed" in text.en
    assert "不予跟随" in text.zh


class Proxy:
    """An HTTP proxy that knows CONNECT alone."""

    def __init__(self, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self.refuses = refuses

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        self.asked.append(f"{method} {target}")
        if self.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        host, _, port = target.rpartition(":")
        upstream = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while octets := await reader.read(65_536):
            writer.write(octets)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(refuses: bool = False) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(refuses)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.asynccontextmanager
async def controller_of(authority: trustme.CA) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="the controller")

    async with serving(answer, server) as url:
        yield url, client


async def test_owners_proxy_carries_tls_to_the_controller_and_sees_nothing(
    authority: trustme.CA,
) -> None:
    async with controller_of(authority) as (url, context), proxied() as (proxy, where):
        session, base = open_session(url, context, where)
        async with session, session.get(f"{base}/healthz") as answer:
            assert await answer.text() == "the controller"
    assert proxy.asked == [f"CONNECT {base.removeprefix('https://')}"]


async def test_proxy_of_the_environment_is_never_used(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with controller_of(authority) as (url, context), proxied() as (proxy, where):
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, where)
        session, base = open_session(url, context)
        async with session, session.get(f"{base}/healthz") as answer:
            assert answer.status == 200
    assert proxy.asked == []


async def test_proxy_that_refuses_is_told_as_the_proxy(authority: trustme.CA) -> None:
    async with controller_of(authority) as (url, context), proxied(True) as (_, where):
        session, base = open_session(url, context, where)
        async with session:
            with pytest.raises(aiohttp.ClientHttpProxyError) as told:
                await session.get(f"{base}/healthz")
    text = unreachable(url, told.value)
    assert "the proxy refuses it: HTTP 403 Forbidden" in text.en
    assert "代理服务器拒绝" in text.zh


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy:1080", "http://proxy/a/path"])
def test_proxy_is_an_address_of_http(proxy: str, tmp_path: Path) -> None:
    document = {"name": "a", "controller": "https://c:1", "state_dir": "/s"}
    assert config_of(document | {"proxy": "http://proxy:3128"}, tmp_path).proxy is not None
    with pytest.raises(ConfigError, match=r"http://proxy\.example\.net:3128"):
        config_of(document | {"proxy": proxy}, tmp_path)


def test_answer_in_another_encoding_is_told_by_its_status() -> None:
    body = '{"error":{"code":"x","message":{"en":"é","zh":"é"}}}'.encode("latin-1")
    assert refusal_code(body) == ""
    assert refusal_of(502, body).en == "HTTP status 502."
