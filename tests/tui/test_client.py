"""What the terminal UI's client makes of a server that is no controller."""

import itertools
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tui.client import Client
from tui.errors import AnswerError


@pytest.mark.parametrize(
    "cursors",
    [itertools.repeat(1), itertools.cycle((1, 2)), itertools.count()],
    ids=["one", "two", "ever new"],
)
async def test_a_list_without_an_end_is_told_and_not_read_on(
    monkeypatch: pytest.MonkeyPatch, cursors: Iterator[int]
) -> None:
    monkeypatch.setattr("tui.client.MOST_PAGES", 20)
    asked: list[str] = []

    async def page(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.json_response({"items": [], "next": f"c{next(cursors)}"})

    app = web.Application()
    app.router.add_get("/api/v1/sites", page)
    async with TestServer(app, host="127.0.0.1") as server:
        client = Client(str(server.make_url("/")).rstrip("/"))
        with pytest.raises(AnswerError, match="endless list"):
            async with client:
                await client.get_sites()
    assert len(asked) <= 21
