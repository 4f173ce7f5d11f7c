"""The overview panel: one row per target, and below it what the target says and what to fix."""

from __future__ import annotations

from api_server import FixtureApi

from tests.tui.test_app import MakeApp, said, wait_until
from tui.pages.overview.page import OverviewPage


async def test_what_the_controller_warns_of_stands_with_the_target_it_is_about(
    make_app: MakeApp, api: FixtureApi
) -> None:
    warning = "target `jiangsu-circle-3` selects no path: no planned path has the relations x"
    api.documents["health"]["warnings"] = [{"en": warning, "zh": "没有匹配的路径"}]
    app = make_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        app.query_one(OverviewPage).table.go_to("jiangsu-circle-3")
        await wait_until(pilot, lambda: "selects no path" in said(app, "#target-facts"))
        await pilot.press("l")
        await wait_until(pilot, lambda: "没有匹配的路径" in said(app, "#target-facts"))
