"""Every error in one shape, whoever raised it; one place knows the status of each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from controller.api.error_answers import (
    ApiError,
    bodies_as_they_are,
    errors_in_one_shape,
    refuse_expectations,
    status_of,
)
from controller.domain_errors import (
    BusyError,
    ConflictError,
    ForeignError,
    MalformedError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnknownError,
)
from controller.store.interface import StoreBusyError, StoreFullError, StoreTimeoutError
from foundation.errors import IsochroneError, ResourceError
from foundation.text import Text
from tests.controller.api.conftest import served

TEXT = Text("It is so.", "如此。")
RAISED: dict[str, Exception] = {
    "refused": UnknownError("unknown_thing", TEXT, name="it"),
    "busy": BusyError("busy", TEXT, retry_after_s=7),
    "stranger": ApiError(401, "unauthenticated", TEXT),
    "full": StoreFullError("Full.", "已满。"),
    "queued": StoreBusyError("Busy.", "繁忙。"),
    "slow": StoreTimeoutError("Slow.", "超时。"),
    "resource": ResourceError("Gone.", "不可用。"),
    "bug": ArithmeticError("secret of the inside"),
}


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async def fail(request: web.Request) -> web.Response:
        raise RAISED[request.match_info["what"]]

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(middlewares=[errors_in_one_shape, bodies_as_they_are])
    app.router.add_get("/fail/{what}", fail)
    app.router.add_post("/echo", echo, expect_handler=refuse_expectations)
    async with served(app, tmp_path) as client:
        yield client


@pytest.mark.parametrize(
    ("what", "status", "code", "retry_after"),
    [
        ("refused", 404, "unknown_thing", None),
        ("busy", 429, "busy", "7"),
        ("stranger", 401, "unauthenticated", None),
        ("full", 503, "store_full", "10"),
        ("queued", 429, "busy", "2"),
        ("slow", 503, "time_limit", None),
        ("resource", 503, "unavailable", "10"),
        ("bug", 500, "internal", None),
    ],
)
async def test_every_error_has_its_status_and_says_when_to_come_back(
    session: aiohttp.ClientSession, what: str, status: int, code: str, retry_after: str | None
) -> None:
    async with session.get(f"http://c/fail/{what}") as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (status, code)
        assert answer.headers.get("Retry-After") == retry_after
        assert set(error) == {"code", "message", "fields"}
        assert set(error["message"]) == {"en", "zh"}
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_a_refusal_says_what_it_is_about_and_a_failure_nothing_of_the_inside(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("http://c/fail/refused") as answer:
        assert (await answer.json())["error"]["fields"] == {"name": "it"}
    async with session.get("http://c/fail/bug") as answer:
        assert (await answer.json())["error"] == {
            "code": "internal",
            "message": {
                "en": "The controller failed to answer; its log says why.",
                "zh": "控制器未能应答，原因见其日志。",
            },
            "fields": {},
        }


async def test_what_the_server_itself_refuses_has_the_same_shape(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("http://c/nowhere") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
    async with session.get("http://c/echo") as answer:
        assert (await answer.json())["error"]["code"] == "method_not_allowed"
        assert answer.headers["Allow"] == "POST"


async def test_a_body_that_could_expand_is_refused_and_one_as_it_is_taken(
    session: aiohttp.ClientSession,
) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with session.post("http://c/echo", data=b"x", headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (415, "encoded_body")
    async with session.post("http://c/echo", data=b"x", headers={"Expect": "100-continue"}) as one:
        assert await one.read() == b"x"
    async with session.post("http://c/echo", data=b"x", headers={"Expect": "a miracle"}) as answer:
        assert answer.status == 417
        assert (await answer.json())["error"]["code"] == "expectation_failed"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (MalformedError, 400),
        (UnknownError, 404),
        (TooSlowError, 408),
        (ConflictError, 409),
        (TooLargeError, 413),
        (ForeignError, 422),
        (BusyError, 429),
    ],
)
def test_each_kind_of_refusal_has_its_status(kind: type[RefusedError], status: int) -> None:
    error = kind("code", TEXT)
    assert status_of(error) == status
    assert isinstance(error, IsochroneError)
