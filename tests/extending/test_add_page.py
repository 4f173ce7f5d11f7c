"""A page of the terminal UI is its own class and one entry in `tui.pages.PAGES`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))
from aiohttp.test_utils import TestServer
from api_server import FixtureApi

from tui.app import IsochroneApp
from tui.client import Client
from tui.pages import PAGES
from tui.pages.page import Page


async def wait_until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120  # a hang, not slowness
    while not true():
        assert time.monotonic() < give_up_s
        await pilot.pause()


def said(app: IsochroneApp, name: str) -> str:
    return str(app.base.query_one(name, Static).render())


class RoutesPage(Page):
    """A page that reads something of its own and leads to another page."""

    title = "Routes"
    keys = (("o", "Open"),)
    help_keys = (("o", "Open the first path"),)
    BINDINGS = [("o", "open_first", "Open")]  # noqa: RUF012 - Textual's own name
    can_focus = True
    ring = ""

    def compose(self) -> ComposeResult:
        yield Static(id="route-lines", markup=False)

    @property
    def is_read(self) -> bool:
        return bool(self.ring)

    def wanted(self) -> Hashable:
        return "jiangsu-circle-1"

    async def fetch(self, client: Client, _now_ns: int) -> None:
        self.ring = (await client.get_ring("jiangsu-circle-1")).target
        self.draw()

    def take_focus(self) -> None:
        self.screen.set_focus(self)

    def draw(self) -> None:
        paths = len(self.fleet.paths) if self.fleet else 0
        self.query_one("#route-lines", Static).update(f"{paths} paths, ring of {self.ring}")

    def action_open_first(self) -> None:
        assert self.fleet is not None
        self.host.open_page("path", self.fleet.paths[0].id)


async def test_a_page_is_added_by_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["tui.pages"], "RoutesPage", RoutesPage, raising=False)
    monkeypatch.setitem(PAGES, "routes", "tui.pages:RoutesPage")
    async with TestServer(FixtureApi().application(), host="127.0.0.1") as server:
        app = IsochroneApp(str(server.make_url("")).rstrip("/"), refresh_s=60.0)
        async with app.run_test(size=(120, 40)) as pilot:
            await wait_until(pilot, lambda: app.fleet is not None)
            await pilot.press(str(len(PAGES)))  # the number key that is the page's
            await wait_until(pilot, lambda: app.is_settled)
            assert app.view == "routes"
            assert "7 Routes" in said(app, "#tabs")
            assert "o Open" in said(app, "#keys")
            assert said(app, "#route-lines").endswith("paths, ring of jiangsu-circle-1")

            await pilot.press("question_mark")
            shown = app.screen.query_one("#help-box Static", Static)
            assert "Open the first path" in str(shown.render())
            await pilot.press("escape")

            await pilot.press("o")
            await wait_until(pilot, lambda: app.view == "path")
            await pilot.press("escape")
            await wait_until(pilot, lambda: app.view == "routes")
