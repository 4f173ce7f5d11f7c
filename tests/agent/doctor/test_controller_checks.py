"""The doctor asks the controller itself, and says what an answer means."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.config import AgentConfig
from agent.doctor.controller_checks import check_certificate, check_controller, check_duplicates


@contextlib.asynccontextmanager
async def controller(tmp_path: Path, answer: Any, status: int = 200) -> AsyncIterator[AgentConfig]:
    """Serve one answer to everything, and return the configuration of an agent of it."""

    async def say(_: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "c.sock").start()
    url = f"unix:{tmp_path}/c.sock"
    try:
        yield AgentConfig(name="a1", controller=url, state_dir=str(tmp_path))
    finally:
        await runner.cleanup()


def nowhere(tmp_path: Path) -> AgentConfig:
    return AgentConfig(name="a1", controller=f"unix:{tmp_path}/none", state_dir=str(tmp_path))


@pytest.mark.parametrize(("status", "found"), [(200, "ok"), (404, "fail"), (503, "fail")])
async def test_only_a_healthy_controller_is_one(tmp_path: Path, status: int, found: str) -> None:
    async with controller(tmp_path, {}, status) as config:
        told = await check_controller(config, None)
    assert told.status == found
    assert ("HTTP" in told.text.en) == (found == "fail")


async def test_no_controller_is_told_and_nothing_is_said_of_names(tmp_path: Path) -> None:
    told = await check_controller(nowhere(tmp_path), None)
    assert told.status == "fail"
    assert "cannot be reached" in told.text.en
    assert await check_duplicates(nowhere(tmp_path), None, None) == []


def test_nothing_is_shown_on_a_socket_of_the_machine(tmp_path: Path) -> None:
    assert check_certificate(nowhere(tmp_path)) == (None, None)


@pytest.mark.parametrize(
    ("said", "running", "status", "words"),
    [
        ({"state": "ok", "health": {"boot": "aa"}}, "aa", "ok", "No other agent"),
        ({"state": "ok", "health": {"boot": "bb"}}, "aa", "fail", "with the same certificate"),
        ({"state": "ok", "health": {"boot": "bb"}}, None, "warn", "none runs here"),
        ({"state": "late", "health": {"boot": "bb"}}, None, "ok", "No other agent"),
        (
            {
                "state": "never_seen",
                "duplicate": {"boot": "cc", "refused_ns": 1_700_000_000 * 10**9},
            },
            *("aa", "warn", "was refused, last at 2023-11-1"),
        ),
    ],
)
async def test_another_agent_of_our_name_is_told_by_its_boot(
    tmp_path: Path, said: dict[str, Any], running: str | None, status: str, words: str
) -> None:
    async with controller(tmp_path, said) as config:
        (told,) = await check_duplicates(config, None, running)
    assert (told.check, told.status) == ("name", status)
    assert words in told.text.en


@pytest.mark.parametrize("said", [[], {"state": 7}, "x", {"health": {}}])
async def test_an_answer_that_says_nothing_of_agents_is_passed_over(
    tmp_path: Path, said: object
) -> None:
    async with controller(tmp_path, said) as config:
        assert await check_duplicates(config, None, "aa") == []
