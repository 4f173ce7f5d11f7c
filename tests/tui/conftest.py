"""A real server on loopback with a fixture fleet, and the app against it with a frozen clock."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import TestServer

sys.path.insert(0, str(Path(__file__).parent))
from api_server import FixtureApi
from fleet_facts import NOW_NS
from fleet_fixture import fleet_documents

from tui import documents as doc
from tui.app import IsochroneApp
from tui.fleet import Fleet


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


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """Give a reading of the fixture fleet, as the client makes it."""
    told = fleet_documents()
    return Fleet(
        health=msgspec.convert(told["health"], doc.Health),
        sites=msgspec.convert(told["sites"], tuple[doc.Site, ...]),
        agents=msgspec.convert(told["agents"], tuple[doc.Agent, ...]),
        targets=msgspec.convert(told["targets"], tuple[doc.Target, ...]),
        groups=msgspec.convert(told["groups"], tuple[doc.Group, ...]),
        paths=msgspec.convert(told["paths"], tuple[doc.Path, ...]),
        verdicts=msgspec.convert(told["verdicts"], tuple[doc.Verdict, ...]),
        read_ns=NOW_NS,
    )
