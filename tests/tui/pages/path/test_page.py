"""The page of one path."""

from __future__ import annotations

from api_server import FixtureApi

from tests.tui.test_app import MakeApp, said, wait_until
from tui.pages.path.page import PathPage


async def test_enter_on_a_path_opens_its_page_with_windows_and_escape_returns(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("3", "enter")
        page = app.query_one(PathPage)
        await wait_until(pilot, lambda: app.view == "path" and page.is_read)
        assert "limit" in said(app, "#page-verdicts")
        assert "Flows" in said(app, "#flow-strip")
        await pilot.press("escape")
        assert app.view == "paths"


async def test_windows_that_take_long_are_waited_for_while_readings_go_on(
    make_app: MakeApp, api: FixtureApi
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        api.windows_may_go.clear()
        await pilot.press("3", "enter")
        await wait_until(pilot, lambda: "windows" in api.asked)
        readings = api.asked.count("health")
        app.action_refresh()
        await wait_until(pilot, lambda: api.asked.count("health") > readings)
        app.action_refresh()
        await wait_until(pilot, lambda: api.asked.count("health") > readings + 1)
        assert api.asked.count("windows") == 1
        api.windows_may_go.set()
        await wait_until(pilot, lambda: app.is_settled)
        app.action_refresh()
        await wait_until(pilot, lambda: api.asked.count("windows") == 2)
