"""A real server on loopback with a fixture fleet, and the app against it with a frozen clock."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

sys.path.insert(0, str(Path(__file__).parent))
from api_server import FixtureApi
from fleet_facts import NOW_NS

from tui.app import IsochroneApp


class FrozenClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def api() -> FixtureApi:
    return FixtureApi()


@pytest.fixture
async def server(api: FixtureApi) -> AsyncIterator[TestServer]:
    async with TestServer(api.application(), host="127.0.0.1") as running:
        yield running


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def make_app(server: TestServer, clock: FrozenClock) -> Callable[..., IsochroneApp]:
    def make(url: str | None = None, language: str = "en", *, narrow: bool = False) -> IsochroneApp:
        return IsochroneApp(
            url or str(server.make_url("")).rstrip("/"),
            language="zh" if language == "zh" else "en",
            refresh_s=60.0,
            clock=clock,
            zone=dt.UTC,
            narrow=narrow,
        )

    return make
