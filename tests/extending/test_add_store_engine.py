"""A store engine is added from here alone, by the scheme of its URL; a controller runs on it."""

from __future__ import annotations

import pathlib
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from controller.api.application import make_app
from controller.serving.assembly import open_services
from controller.settings import Settings
from controller.store.engines import (
    back_up_store,
    check_store,
    examine_store,
    open_store,
    register_engine,
)
from tests.controller.conftest import (
    SITES,
    WINDOW_NS,
    Controller,
    SetClock,
    batch_of,
    chunk_of,
    confirm_long_ago,
)
from tests.memory_store import MemoryEngine
from topology.site_file import load_network

URL = "toy://anywhere"
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


@pytest.fixture
def engine() -> MemoryEngine:
    added = MemoryEngine()
    register_engine("toy", added)
    return added


async def test_a_controller_takes_in_judges_and_serves_on_an_added_engine(
    engine: MemoryEngine, tmp_path: pathlib.Path
) -> None:
    sites, clock = tmp_path / "trial.toml", SetClock()
    sites.write_text(SITES, encoding="utf-8")
    settings = Settings(store_url=URL)
    state = open_services(load_network(sites), tmp_path / "life", settings, clock)
    confirm_long_ago(state)
    runner = web.AppRunner(make_app(state))
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "api.sock").start()
    connector = aiohttp.UnixConnector(path=str(tmp_path / "api.sock"))
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            controller = Controller(state, session)
            ids = [one.stream_id for one in state.rounds.scope.streams if one.path.id == PATH]
            for number in range(60):
                batch = batch_of(ids, clock.now_ns - (60 - number) * WINDOW_NS, sent=100)
                body = chunk_of(batch, agent="nanjing", sequence=number)
                await controller.deliver("nanjing", body)
            await controller.judge()
            series = await controller.get(f"/api/v1/series?path={PATH}&protocol=udp")
            verdicts = (await controller.get(f"/api/v1/verdicts?path={PATH}"))["items"]
            health = await controller.get("/api/v1/health")
    finally:
        await runner.cleanup()
        state.close()
    assert series["streams"][0]["columns"]["rtt_p50_ns"] == [4e6] * 60
    assert Counter(one["verdict"] for one in verdicts)["pass"] > 0
    assert health["store"]["engine"] == "memory"
    assert not list((tmp_path / "life").glob("*.db"))  # nothing was kept beside it


def test_an_added_engine_is_looked_at_and_copied_as_the_first_one_is(
    engine: MemoryEngine, tmp_path: pathlib.Path
) -> None:
    assert examine_store(URL) is None
    open_store(URL)
    found = examine_store(URL)
    assert found is not None
    assert found.sound
    assert check_store(URL).damaged == ()
    assert back_up_store(URL, tmp_path / "copy") == 0
