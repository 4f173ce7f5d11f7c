"""`isochrone tui`: open the terminal UI of a controller."""

from __future__ import annotations

import asyncio
import datetime as dt
import gettext
import math
import pathlib
import sys
import zoneinfo
from typing import Any

import click

from tui.access import Access
from tui.client import Client
from tui.errors import Language, TuiError
from tui.pages import PAGES
from tui.screenshot import check_place, parse_size, take_screenshot, write_screenshot
from tui.terminal_width import narrow_wanted
from tui.words import language_of_environment

DEFAULT_URL = "https://127.0.0.1:8780"


class _Seconds(click.FloatRange):
    """Seconds between two bounds; click takes NaN for a number that is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        return super().convert(math.inf, param, ctx) if math.isnan(seconds) else seconds


@click.command()
@click.option(
    "--url",
    default=DEFAULT_URL,
    envvar="ISOCHRONE_URL",
    show_default=True,
    show_envvar=True,
    help="Controller: https://HOST:PORT or unix:/PATH.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    envvar="ISOCHRONE_TOKEN_FILE",
    show_envvar=True,
    help="File with an API token, for https://.",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    envvar="ISOCHRONE_CA",
    show_envvar=True,
    help="The controller's authority (keys/authority.pem), for https://.",
)
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), help="Language; by default that of the environment."
)
@click.option(
    "--refresh",
    type=_Seconds(0.5, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between updates when there are no events.",
)
@click.option(
    "--time-zone",
    "zone",
    metavar="ZONE",
    envvar="ISOCHRONE_TIME_ZONE",
    show_envvar=True,
    callback=lambda _context, _option, name: _zone(name),
    help="Time zone for input and output, such as Asia/Shanghai.",
)
@click.option(
    "--narrow/--no-narrow",
    default=None,
    envvar="ISOCHRONE_NARROW",
    show_envvar=True,
    help=(
        "Use only characters that are one column wide in every terminal; by default the "
        "terminal is asked."
    ),
)
@click.option(
    "--view", type=click.Choice(list(PAGES)), default="overview", help="View to open first."
)
@click.option("--path", "path_id", help="Open the page of this path.")
@click.option(
    "--screenshot",
    type=click.Path(dir_okay=False, path_type=pathlib.Path, allow_dash=True),
    help="Save the screen as SVG to this file (- for standard output) and exit.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing file.")
@click.option("--size", default="160x45", show_default=True, help="Screenshot size, COLUMNSxROWS.")
def tui(
    url: str,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
    lang: Language | None,
    refresh: float,
    zone: dt.tzinfo | None,
    narrow: bool | None,
    view: str,
    path_id: str | None,
    screenshot: pathlib.Path | None,
    overwrite: bool,
    size: str,
) -> None:
    """Open the terminal UI of a controller."""
    language = lang or language_of_environment()
    try:
        shown_size = parse_size(size)
        if screenshot is not None:
            check_place(screenshot, overwrite=overwrite)
        access = Access(token_file=token_file, ca_file=ca)
        asyncio.run(_greet(url, access))
        from tui.app import IsochroneApp

        if narrow is None:
            narrow = screenshot is None and narrow_wanted()
        app = IsochroneApp(
            url, access=access, language=language, refresh_s=refresh, zone=zone, narrow=narrow
        )
        app.first_view, app.first_path = view, path_id
        if screenshot is not None:
            write_screenshot(asyncio.run(take_screenshot(app, shown_size)), screenshot)
            return
        _check_terminal()
        app.run()
    except TuiError as error:
        click.echo(f"isochrone: {error.message(language)}", err=True)
        sys.exit(error.exit_code)
    if app.return_code:
        sys.exit(app.return_code)


def _zone(name: str | None) -> dt.tzinfo | None:
    """Return the zone of a name, None for the machine's own."""
    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        said = gettext.gettext("{value!r} is not a time zone; give one such as Asia/Shanghai.")
        raise click.BadParameter(said.format(value=name), param_hint="--time-zone") from error


def _check_terminal() -> None:
    """Refuse to draw where nobody sees it: the screen is drawn on standard error."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise TuiError(
            "The terminal UI needs a terminal for input and standard error; for a picture use "
            "--screenshot FILE.",
            "终端界面要求标准输入和标准错误均为终端；如需图片请用 --screenshot 文件。",
        )


async def _greet(url: str, access: Access) -> None:
    """Ask the controller how it is: a wrong address is told before the screen opens."""
    async with Client(url, access) as client:
        await client.get_health()
