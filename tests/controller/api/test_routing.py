"""How a request is read: its parameters by their declaration, its body whole and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import aiohttp
import msgspec
import pytest
from aiohttp import web

from controller.api import routing
from controller.api.error_answers import ApiError, errors_in_one_shape
from controller.api.http_answers import json_answer
from controller.api.routes import ROUTES
from controller.api.routing import CHECK, body_of, query_of, read_document, read_whole
from foundation.text import Text
from tests.controller.api.conftest import served


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, or a body."""

    path: str
    limit: Annotated[int, msgspec.Meta(ge=1)] = 5


async def read(request: web.Request) -> web.Response:
    if request.method == "GET":
        return json_answer(query_of(request, Asked))
    if request.path == "/json":
        return json_answer(await body_of(request, Asked))
    if "ended" in request.query:
        request[CHECK] = _ended
    return web.Response(body=await read_document(request, 10))


def _ended() -> None:
    raise ApiError(401, "revoked", Text("It has ended.", "已失效。"))


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application(middlewares=[errors_in_one_shape])
    for path in ("/", "/json"):
        app.router.add_route("*", path, read)
    async with served(app, tmp_path) as client:
        yield client


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


async def test_parameters_are_converted_and_what_is_absent_has_its_default(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("http://c/?path=a&limit=7") as answer:
        assert await answer.json() == {"path": "a", "limit": 7}
    async with session.get("http://c/?path=a") as answer:
        assert await answer.json() == {"path": "a", "limit": 5}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_parameter"),
        ("path=a&path=b", "repeated_parameter"),
        ("path=a&limit=0", "bad_query"),
        ("path=a&limit=many", "bad_query"),
        ("path=a&colour=red", "bad_query"),
    ],
)
async def test_a_parameter_that_is_wrong_is_refused(
    session: aiohttp.ClientSession, query: str, code: str
) -> None:
    async with session.get(f"http://c/?{query}") as answer:
        assert await error_of(answer) == (400, code)


async def test_a_body_is_json_by_its_content_type_and_its_declaration(
    session: aiohttp.ClientSession,
) -> None:
    async with session.post("http://c/json", json={"path": "a"}) as answer:
        assert await answer.json() == {"path": "a", "limit": 5}
    async with session.post("http://c/json", data=b"{}") as answer:
        assert await error_of(answer) == (415, "wrong_content_type")
    for wrong in ({"path": 5}, {}, {"path": "a", "colour": "red"}, []):
        async with session.post("http://c/json", json=wrong) as answer:
            assert await error_of(answer) == (400, "bad_body")


async def test_a_body_is_read_up_to_its_length_and_no_further(
    session: aiohttp.ClientSession,
) -> None:
    async with session.post("http://c/", data=b"x" * 10) as answer:
        assert await answer.read() == b"x" * 10
    async with session.post("http://c/", data=b"x" * 11) as answer:
        assert await error_of(answer) == (413, "oversized")


async def test_a_credential_that_ends_while_the_body_comes_counts_no_more(
    session: aiohttp.ClientSession,
) -> None:
    async with session.post("http://c/?ended=1", data=b"x") as answer:
        assert await error_of(answer) == (401, "revoked")


async def test_a_body_that_does_not_come_in_its_time_is_refused(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "DOCUMENT_S", 0.0)
    over = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        yield b"x"
        await over.wait()

    async with session.post("http://c/", data=never()) as answer:
        assert answer.status == 408
    over.set()


async def test_each_piece_of_a_body_is_told_as_it_comes(tmp_path: Path) -> None:
    told: list[int] = []

    async def whole(request: web.Request) -> web.Response:
        return web.Response(body=await read_whole(request, 1 << 20, told.append))

    app = web.Application()
    app.router.add_post("/", whole)
    async with served(app, tmp_path) as client, client.post("http://c/", data=b"x" * 9000) as one:
        assert await one.read() == b"x" * 9000
    assert sum(told) == 9000


def test_every_address_is_declared_once_and_says_who_may_use_it() -> None:
    keys = [(route.method, route.path) for route in ROUTES]
    assert len(keys) == len(set(keys))
    assert {route.role for route in ROUTES} == {"anyone", "viewer", "operator", "admin", "agent"}
    assert all(route.summary.endswith(".") for route in ROUTES)
