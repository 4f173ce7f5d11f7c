"""A picture of the screen as SVG: its size, its place, its widths."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from tui.app import IsochroneApp
from tui.errors import TuiError, UsageError
from tui.screenshot import (
    check_place,
    parse_size,
    take_screenshot,
    with_true_widths,
    write_screenshot,
)


def test_a_size_is_columns_and_rows() -> None:
    assert parse_size("160x45") == (160, 45)
    for wrong in ("160", "160x", "1x1", "160X45", "1600x45"):
        with pytest.raises(UsageError, match="160x45"):
            parse_size(wrong)


def test_a_text_is_as_wide_as_its_cells_in_any_script() -> None:
    fixed = with_true_widths(
        '<text x="1" textLength="24.4" y="2">盐城</text><text textLength="1">a&amp;b</text>'
    )
    assert 'textLength="48.8" y="2">盐城' in fixed
    assert 'textLength="36.6">a&amp;b' in fixed


async def test_a_screenshot_is_of_the_fleet_and_not_of_the_moment_before_it_is_read(
    make_app: Callable[..., IsochroneApp],
) -> None:
    svg = await take_screenshot(make_app(), (120, 40))
    ET.fromstring(svg)
    assert "circle" in svg.replace("&#160;", " ")


async def test_a_controller_that_cannot_be_read_gives_no_picture(
    make_app: Callable[..., IsochroneApp], server: TestServer
) -> None:
    app = make_app()
    await server.close()
    with pytest.raises(TuiError):
        await take_screenshot(app, (120, 40))


def test_a_file_that_is_there_is_replaced_only_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    file.write_text("of last year")
    with pytest.raises(TuiError, match="--overwrite"):
        check_place(file, overwrite=False)
    check_place(file, overwrite=True)
    write_screenshot("<svg/>", file)
    assert file.read_text() == "<svg/>"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_and_a_circle_of_links_is_told(tmp_path: Path) -> None:
    file, link, circle = (tmp_path / name for name in ("real.svg", "link.svg", "circle.svg"))
    link.symlink_to(file)
    write_screenshot("<svg/>", link)
    assert link.is_symlink()
    assert file.read_text() == "<svg/>"
    circle.symlink_to(circle)
    with pytest.raises(TuiError, match=r"circle\.svg"):
        write_screenshot("<svg/>", circle)


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_screenshot("<svg>达标</svg>", Path("-"))
    assert capfdbinary.readouterr().out == "<svg>达标</svg>".encode()
