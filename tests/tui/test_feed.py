"""Keeps the fleet fresh."""

from __future__ import annotations

from api_server import FixtureApi

from tests.tui.test_app import MakeApp, said, wait_until
from tui.pages.overview.page import OverviewPage


async def test_an_event_of_the_controller_is_shown_without_waiting_for_the_next_poll(
    make_app: MakeApp, api: FixtureApi
) -> None:
    app = make_app()  # polls once a minute only
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled and bool(api.listeners))
        api.documents["targets"][0]["counts"]["fail"] = 77
        await api.announce(43)
        row = app.query_one(OverviewPage).table
        await wait_until(pilot, lambda: row.rows[1].target.counts.failed == 77)


async def test_a_controller_that_goes_away_leaves_old_data_marked_stale(
    make_app: MakeApp, api: FixtureApi
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        text = {"en": "Going down.", "zh": "正在停机。"}
        api.refusal = {"error": {"code": "stopping", "message": text, "fields": {}}}
        await pilot.press("r")
        await wait_until(pilot, lambda: app.link.state == "stale")
        assert "STALE" in said(app, "#heading-right")
        assert app.query_one(OverviewPage).table.rows
        api.refusal = None
        await pilot.press("r")
        await wait_until(pilot, lambda: app.link.state == "live")
        assert "STALE" not in said(app, "#heading-right")


async def test_an_unreachable_controller_is_said_in_the_table_in_both_languages(
    make_app: MakeApp,
) -> None:
    app = make_app("http://127.0.0.1:9")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.link.state == "stale")
        assert "does not answer" in app.query_one(OverviewPage).table.empty_text
        await pilot.press("l")
        assert "无应答" in app.query_one(OverviewPage).table.empty_text
