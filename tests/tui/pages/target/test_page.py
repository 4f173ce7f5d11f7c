"""The page of one target or group of targets."""

from __future__ import annotations

from tests.tui.test_app import MakeApp, said, wait_until
from tui.pages.overview.page import OverviewPage
from tui.pages.target.page import TargetPage


async def test_enter_on_a_target_shows_what_to_fix_and_who_could_be_inside(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        app.query_one(OverviewPage).table.go_to("jiangsu-circle-1")
        await pilot.press("enter")
        assert app.view == "target"
        await wait_until(pilot, lambda: app.query_one(TargetPage).is_read)
        page = said(app, "#target-lines")
        assert "3 more are needed for 2030 ≥95%" in page
        assert "fix  Nanjing Jiangbei → Nanjing Yizhuang" in page
        assert "Who could ever be inside, around Nanjing Jiangbei" in page
        assert "Paths by verdict" in page
        await pilot.press("l")
        assert "整改清单" in said(app, "#target-lines")
        await pilot.press("escape")
        assert app.view == "overview"


async def test_group_is_a_row_and_has_a_page_by_pairs(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert app.query_one(OverviewPage).table.rows[0].key == "group:jiangsu-circles"
        app.query_one(OverviewPage).table.go_to("group:jiangsu-circles")
        await pilot.press("enter")
        await wait_until(pilot, lambda: app.query_one(TargetPage).is_read)
        assert "decided pairs pass" in said(app, "#target-lines")
        await pilot.press("p")
        assert app.view == "paths"
