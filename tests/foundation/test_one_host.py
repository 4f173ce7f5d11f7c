"""A redirect is told and followed nowhere."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from foundation.one_host import RedirectedError, follow_no_redirect


class Crossroads:
    """A server that sends whoever asks for /away to /secret, and notes who comes there."""

    def __init__(self) -> None:
        self.visits: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.visits.append(request.path)
        if request.path == "/away":
            status = int(request.query["status"])
            return web.Response(status=status, headers={"Location": "/secret" + "x" * 999})
        return web.Response(text="here")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_no_redirect_is_followed_and_where_to_is_told(status: int, method: str) -> None:
    roads, app = Crossroads(), web.Application()
    app.router.add_route("*", "/{path:.*}", roads.answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(follow_no_redirect,)) as session,
    ):
        with pytest.raises(RedirectedError) as told:
            await session.request(method, server.make_url(f"/away?status={status}"), data=b"x")
        async with session.get(server.make_url("/other")) as answer:
            assert await answer.text() == "here"
    assert roads.visits == ["/away", "/other"]
    assert "redirect to '/secretxxx" in told.value.text.en
    assert "不予跟随" in told.value.text.zh
    assert len(told.value.text.en) < 300


async def test_not_modified_is_no_redirect() -> None:
    async def unchanged(_: web.Request) -> web.Response:
        return web.Response(status=304)

    app = web.Application()
    app.router.add_get("/", unchanged)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(follow_no_redirect,)) as session,
        session.get(server.make_url("/")) as answer,
    ):
        assert answer.status == 304
