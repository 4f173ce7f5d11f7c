"""What the command line says of the store: how long it keeps, `backup` and `check`."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import click

from controller.store.levels import KEPT, Retention
from foundation.text import Text, counted, language_of_environment

_PLACE = click.Path(path_type=pathlib.Path)


class _Days(click.ParamType[Retention]):
    """Four numbers of days as a Retention."""

    name = "W,M,H,D"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Retention:
        if isinstance(value, Retention):
            return value
        try:
            window, minute, hour, day = (int(part) for part in str(value).split(","))
            return Retention(window_days=window, minute_days=minute, hour_days=hour, day_days=day)
        except ValueError:
            said = Text(
                f"{value!r}: give four whole numbers of days up to 36500, none smaller than "
                "the one before it.",
                f"{value!r}：请给出四个整数（天），后一个不得小于前一个，且不超过 36500。",
            )
            self.fail(said.pick(language_of_environment()), param, ctx)


keep_option = click.option(
    "--keep",
    type=_Days(),
    default=KEPT,
    show_default=f"{KEPT.window_days},{KEPT.minute_days},{KEPT.hour_days},{KEPT.day_days}",
    help="Days to keep windows, minutes, hours and days.",
)


@click.command("backup")
@click.option("--data", type=_PLACE, required=True, help="Data directory.")
@click.option("--to", type=_PLACE, required=True, help="File to write; it must not exist.")
def backup(data: pathlib.Path, to: pathlib.Path) -> None:
    """Copy the database while the controller runs."""
    from controller.store.engines import back_up_store, store_url

    size = back_up_store(store_url(data), to)
    keys = data / "keys"
    said = Text(
        f"{to}: {size / 1e6:,.1f} MB. Keys and tokens are not in it: back up {keys} separately.",
        f"{to}：{size / 1e6:,.1f} MB。其中不含密钥和令牌，请另行备份 {keys}。",
    )
    click.echo(said.pick(language_of_environment()))


@click.command("check")
@click.option("--data", type=_PLACE, required=True, help="Data directory, or a backup file.")
def check(data: pathlib.Path) -> None:
    """Read everything in the database and report damage (exit code 1)."""
    from controller.store.engines import check_store, store_url

    found = check_store(store_url(data))
    said = Text(
        f"{counted(found.chunks, 'chunk')} with {counted(found.windows, 'window')}, "
        f"{counted(found.rollups, 'rollup')}, {counted(found.tiles, 'tile')}; damaged: "
        f"{len(found.damaged)}.",
        f"{found.chunks:,} 个数据块、{found.windows:,} 个测量窗口、{found.rollups:,} 个汇总块、"
        f"{found.tiles:,} 个汇总列；损坏 {len(found.damaged)} 处。",
    )
    click.echo(said.pick(language_of_environment()))
    for line in found.damaged:
        click.echo(line, err=True)
    if found.damaged:
        sys.exit(1)
