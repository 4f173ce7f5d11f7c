"""What the screens look like: SVG snapshots at two sizes and in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension, normalize_svg
from test_app import wait_until

from tui.app import IsochroneApp
from tui.pages.overview.page import OverviewPage
from tui.pages.target.page import TargetPage
from tui.screenshot import with_true_widths

FAILING = "nanjing-jiangbei.cm.v4>nanjing-yizhuang.ct.v4"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])
@pytest.mark.parametrize(
    "view", ["overview", "matrix", "paths", "agents", "path", "target", "help"]
)
async def test_screen_looks_as_it_did(
    make_app: Callable[..., IsochroneApp],
    snapshot: Any,
    view: str,
    size: tuple[int, int],
    language: str,
) -> None:
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        if view == "path":
            app.open_page("path", FAILING)
        elif view == "target":
            app.query_one(OverviewPage).table.go_to("jiangsu-circle-1")
            await pilot.press("enter")
            await wait_until(pilot, lambda: app.query_one(TargetPage).is_read)
        elif view == "help":
            await pilot.press("question_mark")
        else:
            app.action_view(view)
        await pilot.pause()
        await wait_until(pilot, lambda: view == "help" or app.is_settled)
        await pilot.wait_for_scheduled_animations()
        await pilot.pause(0.1)
        svg = with_true_widths(app.export_screenshot(title="Isochrone"))
    assert normalize_svg(svg) == snapshot.use_extension(SVGImageExtension)
