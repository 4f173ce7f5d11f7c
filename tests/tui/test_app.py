"""Keys and messages of the whole app, against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from api_server import FixtureApi
from textual.pilot import Pilot
from textual.widgets import Static

from tui.app import IsochroneApp
from tui.pages.overview.page import OverviewPage
from tui.pages.paths.page import PathsPage

MakeApp = Callable[..., IsochroneApp]


async def wait_until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120  # a hang, not slowness
    while not condition():
        assert time.monotonic() < give_up_s, f"never became true; link {pilot.app.link}"  # type: ignore[attr-defined]  # our app
        await pilot.pause(0.02)
    await pilot.pause()


def said(app: IsochroneApp, name: str) -> str:
    return str(app.query_one(name, Static).render())


async def test_number_keys_switch_views(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        for key, view in zip(
            "234561",
            ("matrix", "paths", "agents", "path", "target", "overview"),
            strict=True,
        ):
            await pilot.press(key)
            assert app.view == view


async def test_language_key_changes_everything_at_once_and_back(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert "Overview" in said(app, "#tabs")
        await pilot.press("l")
        assert "总览" in said(app, "#tabs")
        assert "达标" in said(app, "#target-facts")
        assert "退出" in said(app, "#keys")
        await pilot.press("l")
        assert "Overview" in said(app, "#tabs")


async def test_refresh_keeps_cursor_and_scroll(make_app: MakeApp, api: FixtureApi) -> None:
    app = make_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("3", "pagedown", "pagedown", "pagedown")
        table = app.query_one(PathsPage).table
        before = (table.current.key if table.current else "", table.scroll_y)
        first = app.fleet
        api.documents["health"]["revision"] += 1
        await api.announce(43)
        await wait_until(pilot, lambda: app.fleet is not first)
        assert (table.current.key if table.current else "", table.scroll_y) == before


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60), (40, 10)])
async def test_every_view_draws_at_every_size(make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app(language="zh")
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        for key in ("2", "3", "enter", "4", "d", "question_mark", "escape", "1"):
            await pilot.press(key)
        assert app.view == "overview"


async def test_a_fleet_without_anything_says_so(make_app: MakeApp, api: FixtureApi) -> None:
    for route in ("sites", "agents", "targets", "paths", "verdicts"):
        api.documents[route] = []
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert "No targets" in app.query_one(OverviewPage).table.empty_text
        for key in ("2", "right", "enter", "3", "enter", "4", "enter", "5"):
            await pilot.press(key)
        assert "no agents" in said(app, "#heading-left")


async def test_what_comes_while_the_views_are_taken_down_is_not_drawn(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        fleet, link = app.fleet, app.link
    assert fleet is not None
    app.take_fleet(fleet)
    app.take_link(link)


async def test_q_quits(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("q")
        await wait_until(pilot, lambda: not app.is_running)
