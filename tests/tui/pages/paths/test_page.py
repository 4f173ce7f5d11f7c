"""The path panel."""

from __future__ import annotations

from textual import events

from tests.tui.test_app import MakeApp, wait_until
from tui.pages.overview.page import OverviewPage
from tui.pages.paths.page import PathsPage


async def test_p_on_a_target_lists_its_paths(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        app.query_one(OverviewPage).table.go_to("jiangsu-circle-1")
        await pilot.press("p")
        panel = app.query_one(PathsPage)
        assert app.view == "paths"
        assert {row.verdict.target for row in panel.table.rows if row.verdict} == {
            "jiangsu-circle-1"
        }


async def test_typing_a_filter_narrows_the_table_and_escape_clears_it(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("3", "slash", *"fail")
        panel = app.query_one(PathsPage)
        panel.filter_input.value = "verdict:fail"
        await pilot.pause()
        assert panel.table.rows
        assert {row.verdict_name for row in panel.table.rows} == {"fail"}
        await pilot.press("escape")
        assert len(panel.table.rows) == len(app.fleet.paths) if app.fleet else False


async def test_letters_typed_into_the_filter_are_not_commands(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("3", "slash", "q", "l", "1")
        assert app.view == "paths"
        assert app.is_running
        assert app.query_one(PathsPage).filter_text == "ql1"


async def test_what_is_typed_right_behind_the_slash_reaches_the_filter(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("3")
        for key, character in (("slash", "/"), ("s", "s"), ("u", "u"), ("q", "q")):
            app.post_message(events.Key(key, character))
        await wait_until(pilot, lambda: app.query_one(PathsPage).filter_text == "suq")
