"""Texts of agents, campaigns and people never steer the terminal that shows them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from api_server import FixtureApi
from textual.pilot import Pilot

from tui.app import IsochroneApp

STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m[bold red]\u202e\nnext"


async def wait_until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120  # a hang, not slowness
    while not condition():
        assert time.monotonic() < give_up_s
        await pilot.pause(0.02)
    await pilot.pause()


def drawn(app: IsochroneApp) -> str:
    """Return what stands on the screen."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def poison(value: Any) -> Any:
    """Return a document with every title and sentence of it evil."""
    if isinstance(value, list):
        return [poison(item) for item in value]
    if isinstance(value, dict):
        return {
            key: f"{EVIL}{item}" if key in ("en", "zh") else poison(item)
            for key, item in value.items()
        }
    return value


async def test_every_view_shows_evil_texts_as_plain_writing(
    make_app: Callable[..., IsochroneApp], api: FixtureApi
) -> None:
    api.documents = poison(api.documents)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        seen = ""
        for key in "123456":
            await pilot.press(key)
            await pilot.pause()
            seen += drawn(app)
    assert "[bold red]" in seen  # it is shown, and obeyed by nobody
    assert not STEERS.search(seen)


async def test_a_refusal_is_shown_as_plain_writing(
    make_app: Callable[..., IsochroneApp], api: FixtureApi
) -> None:
    api.refusal = {"error": {"code": "x", "message": {"en": EVIL, "zh": EVIL}, "fields": {}}}
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.link.error is not None)
        assert app.link.error is not None
        assert "[bold red]" in app.link.error.en
        assert not STEERS.search(app.link.error.en + app.link.error.zh + drawn(app))
