"""Terminals that draw signs of ambiguous width two columns wide keep their columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from tests.tui.scenarios.test_what_others_wrote import drawn, wait_until
from tui.app import IsochroneApp
from tui.glyphs import is_ambiguous, narrow

AMBIGUOUS = [
    sign
    for sign in map(chr, (*range(0xD800), *range(0xE000, 0x30000)))
    if unicodedata.east_asian_width(sign) == "A"
]


def test_every_ambiguous_sign_becomes_one_of_the_same_columns_everywhere() -> None:
    assert len(AMBIGUOUS) > 1_000
    for sign in AMBIGUOUS:
        assert not is_ambiguous(narrow(sign)), hex(ord(sign))
        assert cell_len(narrow(sign)) == cell_len(sign), hex(ord(sign))


def test_what_is_not_ambiguous_stays() -> None:
    assert narrow("达标 100% ✓ ⇄ abc") == "达标 100% ✓ ⇄ abc"
    assert narrow("● up → é") == "* up > e"


async def screens(app: IsochroneApp) -> list[str]:
    """Return what is drawn in each view."""
    found = []
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        for key in ("1", "2", "3", "enter", "4", "6", "question_mark"):
            await pilot.press(key)
            await wait_until(pilot, lambda: app.is_settled)
            found.append(drawn(app))
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_cell_of_any_view_is_ambiguous_and_no_column_shifts(
    make_app: Callable[..., IsochroneApp], language: str
) -> None:
    wide = await screens(make_app(language=language))
    slim = await screens(make_app(language=language, narrow=True))
    assert any(map(is_ambiguous, wide))
    for before, after in zip(wide, slim, strict=True):
        assert not is_ambiguous(after)
        assert [cell_len(line) for line in before.splitlines()] == [
            cell_len(line) for line in after.splitlines()
        ]
