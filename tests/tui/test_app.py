"""Keys and messages of the whole app, against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from api_server import FixtureApi
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from tui.app import IsochroneApp
from tui.pages.matrix.page import MatrixPage
from tui.pages.overview.page import OverviewPage
from tui.pages.path.page import PathPage
from tui.pages.paths.page import PathsPage
from tui.pages.target.page import TargetPage

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


async def test_m_on_a_target_opens_its_matrix(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        app.query_one(OverviewPage).table.go_to("jiangsu-circle-3")
        await pilot.press("m")
        assert app.view == "matrix"
        assert app.query_one(MatrixPage).target == "jiangsu-circle-3"


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


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60), (40, 10)])
async def test_every_view_draws_at_every_size(make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app(language="zh")
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        for key in ("2", "3", "enter", "4", "d", "question_mark", "escape", "1"):
            await pilot.press(key)
        assert app.view == "overview"


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


async def test_a_running_campaign_is_said_on_top(make_app: MakeApp, api: FixtureApi) -> None:
    api.documents["health"] |= {"campaigns": {"scheduled": 1, "running": 2}}
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert "2 campaigns running" in said(app, "#heading-left")


async def test_what_comes_while_the_views_are_taken_down_is_not_drawn(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        fleet, link = app.fleet, app.link
    assert fleet is not None
    app._take_fleet(fleet)
    app._take_link(link)
    app._draw_frame()


async def test_q_quits(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("q")
        await wait_until(pilot, lambda: not app.is_running)
