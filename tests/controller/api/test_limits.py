"""One caller cannot take all of the controller; the server's own refusals have the one shape."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from controller.api.limits import AT_ONCE, Limits
from controller.settings import Settings
from foundation.token_buckets import MAX_CALLERS, Buckets
from tests.controller.api.conftest import served
from tests.controller.conftest import SetClock

SECOND = 1_000_000_000


def test_bucket_gives_its_burst_and_then_the_rate(clock: Any) -> None:
    buckets = Buckets(clock, rate=2.0, burst=3)
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait_s("b") == 0
    clock.now_ns += SECOND
    assert [buckets.wait_s("a") for _ in range(3)] == [0, 0, pytest.approx(0.5)]
    assert buckets.refused == 2


def test_callers_are_forgotten_rather_than_piled_up(clock: Any) -> None:
    buckets = Buckets(clock, rate=1.0, burst=2)
    for number in range(3 * MAX_CALLERS):
        buckets.wait_s(str(number))
    assert len(buckets._tokens) <= MAX_CALLERS


async def test_caller_who_asks_too_often_is_told_when_to_come_back(controller: Any) -> None:
    burst = Settings().request_burst
    statuses = set()
    for _ in range(burst // 50):
        asked = [controller.session.get("http://controller/api/v1/nowhere") for _ in range(50)]
        for answer in await asyncio.gather(*asked):
            statuses.add(answer.status)
            answer.release()
    assert statuses == {404}
    async with controller.session.get("http://controller/api/v1/sites") as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "1"
        assert (await answer.json())["error"]["code"] == "too_many_requests"
    assert await controller.get("/healthz") == {"status": "ok"}
    controller.services.clock.now_ns += SECOND
    assert await controller.get("/api/v1/sites")


async def test_slow_reads_of_one_caller_keep_nobody_waiting_but_that_caller(
    clock: SetClock, tmp_path: Path
) -> None:
    over, running = threading.Event(), []

    def read() -> None:
        running.append(threading.get_ident())
        over.wait()

    async def slow(_: web.Request) -> web.Response:
        await asyncio.to_thread(read)
        return web.Response()

    async def health(_: web.Request) -> web.Response:
        return web.Response(text=await asyncio.to_thread(lambda: "ready"))

    limits = Limits(Buckets(clock, rate=100.0, burst=400))
    app = web.Application(middlewares=[limits.middleware])
    app.router.add_get("/slow", slow)
    limits.exempt(app.router.add_get("/health", health))
    async with served(app, tmp_path) as session, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_status(session, "slow"), name=f"slow {i}") for i in range(64)]
        try:
            async with asyncio.timeout(60):
                while len(running) < AT_ONCE:
                    assert await _status(session, "health") == 200
            assert len(running) == AT_ONCE
        finally:
            over.set()
        await asyncio.gather(*asked)
    assert len(running) == 64, "the others had their turn"


async def _status(session: aiohttp.ClientSession, route: str) -> int:
    async with session.get(f"http://controller/{route}") as answer:
        return answer.status


async def test_ready_once_judged_and_not_when_the_judge_stands_still(
    controller: Any, clock: Any
) -> None:
    assert (await controller.get("/readyz", 503))["error"]["fields"] == {
        "reasons": ["not_judged_yet"],
        "skipped": [],
    }
    await controller.judge()
    assert await controller.get("/readyz") == {"status": "ready"}
    clock.now_ns += 100 * SECOND
    error = (await controller.get("/readyz", 503))["error"]
    assert (error["code"], error["fields"]["reasons"]) == ("not_ready", ["judging_late"])


async def test_wrong_method_says_which_are_served(controller: Any) -> None:
    async with controller.session.post("http://controller/api/v1/sites") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"
        assert (await answer.json())["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Expect": "a miracle"}, 417, "expectation_failed"),
        ({"Expect": "100-continue"}, 200, None),
    ],
)
async def test_expectations_are_met_or_refused_in_the_one_shape(
    controller: Any, headers: dict[str, str], status: int, code: str | None
) -> None:
    async with controller.session.get("http://controller/api/v1/sites", headers=headers) as answer:
        assert answer.status == status
        assert (await answer.json()).get("error", {}).get("code") == code


async def test_websocket_address_asked_without_one_is_refused_in_the_one_shape(
    controller: Any,
) -> None:
    error = (await controller.get("/api/v1/events", 400))["error"]
    assert error["code"] == "http_error"
