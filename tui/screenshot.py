"""A picture of the live screen as SVG, for the README and for reports of bugs."""

from __future__ import annotations

import html
import os
import pathlib
import re
import sys
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.errors import TuiError, UnreachableError, UsageError

if TYPE_CHECKING:
    from tui.app import IsochroneApp

WAIT_S = 30.0
CELL_UNITS = 12.2  # width of a terminal cell in Rich's SVG


def with_true_widths(svg: str) -> str:
    """Return `svg` with every text as wide as its cells.

    Rich 15 counts characters where it should count cells, which squeezes Chinese to half its width.
    """

    def fix(found: re.Match[str]) -> str:
        cells = cell_len(html.unescape(found[3]))
        return f'{found[1]}textLength="{cells * CELL_UNITS:g}"{found[2]}>{found[3]}</text>'

    return re.sub(r'(<text [^>]*?)textLength="[^"]*"([^>]*)>([^<]*)</text>', fix, svg)


def parse_size(text: str) -> tuple[int, int]:
    """Return (columns, rows) of ``160x45``; UsageError if it is no size."""
    found = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if found is None:
        raise UsageError(
            f"{text!r} is not a size; write COLUMNSxROWS, such as 160x45.",
            f"{text!r} 不是有效的尺寸；请写成 列x行，例如 160x45。",
        )
    return int(found[1]), int(found[2])


async def take_screenshot(app: IsochroneApp, size: tuple[int, int]) -> str:
    """Run `app` without a terminal until it shows data, and return its screen as SVG."""
    async with app.run_test(size=size) as pilot:
        for _ in range(int(WAIT_S / 0.1)):
            await pilot.pause(0.1)
            if app.is_settled:
                break
            if app.link.error is not None:
                raise app.link.error
        else:
            raise UnreachableError(
                "The controller gave no data for a screenshot.", "控制器没有给出可供截图的数据。"
            )
        await pilot.pause(0.2)
        svg = with_true_widths(app.export_screenshot(title=app.TITLE))
        app.exit()  # what is read from now on is not drawn any more
        return svg


def check_place(file: pathlib.Path, *, overwrite: bool) -> None:
    """TuiError where a file exists already that nobody asked to replace."""
    if not overwrite and file.is_file() and file.stat().st_size:
        raise TuiError(
            f"{file} exists already; name another file, or replace it with --overwrite.",
            f"{file} 已存在；请指定其他文件，或用 --overwrite 覆盖。",
        )


def write_screenshot(svg: str, file: pathlib.Path) -> None:
    """Write the SVG whole; `-`, devices and pipes are written through. TuiError if it cannot be."""
    try:
        if str(file) == "-":
            sys.stdout.buffer.write(svg.encode())
            sys.stdout.buffer.flush()
            return
        place = file.resolve()
        if place.exists() and not place.is_file():
            file.write_text(svg, encoding="utf-8")
            return
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        try:
            part.write_text(svg, encoding="utf-8")
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except RuntimeError as error:  # so `resolve` says before Python 3.13
        raise TuiError(
            f"The screenshot cannot be written: links lead in a circle: {file}.",
            f"无法写入截图：符号链接循环：{file}。",
        ) from error
    except OSError as error:
        raise TuiError(
            f"The screenshot cannot be written: {error.strerror}: {file}.",
            f"无法写入截图：{error.strerror}：{file}。",
        ) from error
