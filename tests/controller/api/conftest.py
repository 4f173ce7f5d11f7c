"""Fixtures of this folder."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
METRICS = "http://controller/metrics"


@asynccontextmanager
async def served(app: web.Application, directory: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve an application of a test's own on a unix socket; yield a client of it."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, directory / "own.sock").start()
    try:
        connector = aiohttp.UnixConnector(path=str(directory / "own.sock"), limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    finally:
        await runner.cleanup()


def stream_ids(controller: Any, agent: str, protocol: str = "udp") -> list[int]:
    return [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == agent and stream.type_p.protocol == protocol
    ]


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds three windows of nanjing and has judged them."""
    now_ns = controller.services.clock.wall_ns()
    for i in range(3):
        start_ns = now_ns - (3 - i) * 10 * SECOND
        batch = batch_of(stream_ids(controller, "nanjing"), start_ns, sent=100, rtt_ns=4e6)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=i))
    await controller.judge()
    return controller


async def scrape(controller: Any) -> dict[str, Metric]:
    async with controller.session.get(METRICS) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return {
            family.name: family for family in text_string_to_metric_families(await answer.text())
        }


@pytest.fixture
async def measured_path(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds a window of one path and has judged it."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.id == PATH
    ]
    batch = batch_of(ids[:1], controller.services.clock.wall_ns() - 10 * SECOND, sent=100, lost=25)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.deliver("nanjing", b"rubbish", 400)
    await controller.judge()
    return controller
