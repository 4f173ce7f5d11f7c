"""`isochrone controller`: run it, examine it, back its store up."""

from __future__ import annotations

import asyncio
import functools
import logging
import pathlib
import sys
from typing import Any

import click

from controller.commands.keys import init, stamp_keys
from controller.commands.periods import baseline, maintenance
from controller.commands.tokens import revoke, token
from controller.store.levels import KEPT, Retention
from foundation.logs import LogFormat, log_to_stderr
from foundation.options import FiniteRange
from foundation.text import Text, counted, language_of_environment

DEFAULT_LISTEN = "127.0.0.1:8780"  # as controller.serving.service has it, which is slow to import
SOCKET_NAME = "controller.sock"
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


@click.group()
def controller() -> None:
    """Run the controller: plans, verdicts, API."""


for _command in (baseline, init, maintenance, stamp_keys, token, revoke):
    controller.add_command(_command)


@controller.command("run")
@click.option("--sites", type=click.Path(path_type=pathlib.Path), required=True, help="Site file.")
@click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)
@click.option(
    "--listen",
    multiple=True,
    help="HOST:PORT (TLS) or unix:/PATH; may be repeated. Default: "
    f"unix:DATA/{SOCKET_NAME}, and {DEFAULT_LISTEN} after `controller init`.",
)
@click.option(
    "--judge-period",
    type=FiniteRange(1, 31 * 86_400),
    default=900.0,
    show_default=True,
    help="Seconds of measurement that each verdict is based on.",
)
@click.option(
    "--judge-every",
    type=FiniteRange(0.1, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between two rounds of verdicts.",
)
@click.option(
    "--window",
    type=FiniteRange(0.1, 3600),
    default=10.0,
    show_default=True,
    help="Length of a measurement window in seconds; agents report in windows.",
)
@keep_option
@click.option(
    "--clock-shift-file",
    type=click.Path(path_type=pathlib.Path),
    hidden=True,
    help="For laboratories: offset the clock by the nanoseconds in this file.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or one JSON object per line.",
)
def run(
    sites: pathlib.Path,
    data: pathlib.Path,
    listen: tuple[str, ...],
    judge_period: float,
    judge_every: float,
    window: float,
    keep: Retention,
    clock_shift_file: pathlib.Path | None,
    log_format: LogFormat,
) -> None:
    """Run the controller until stopped (SIGTERM or Ctrl-C); SIGHUP reloads the site file."""
    from controller.api.server.addresses import listens_of
    from controller.serving.assembly import open_services
    from controller.serving.service import serve_on
    from controller.serving.shifted_clock import ShiftedClock
    from controller.settings import Settings
    from foundation.allocation import limit_arenas
    from foundation.clock import SystemClock
    from probes.sockets.descriptors import raise_descriptor_limit

    log_to_stderr(log_format, logging.INFO)
    raise_descriptor_limit()
    limit_arenas(arenas=2)
    listens = listens_of(listen, data)
    settings = Settings(
        judge_period_ns=round(judge_period * 1e9),
        judge_every_s=judge_every,
        window_ms=round(window * 1000),
        retention=keep,
    )
    clock = SystemClock() if clock_shift_file is None else ShiftedClock(clock_shift_file)
    opened = functools.partial(open_services, directory=data, settings=settings, clock=clock)
    asyncio.run(serve_on(sites, opened, listens))


@controller.command("doctor")
@click.option("--sites", type=click.Path(path_type=pathlib.Path), required=True, help="Site file.")
@click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)
@click.option(
    "--listen",
    multiple=True,
    help="As for `controller run`, with the same default.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON array instead of lines.")
def doctor(
    sites: pathlib.Path, data: pathlib.Path, listen: tuple[str, ...], json_wanted: bool
) -> None:
    """Check site file, disk, database, ports and clock; exit code 1 if a check fails."""
    from controller.api.server.addresses import listens_of
    from controller.serving.preflight import examine
    from foundation.checkup import as_json, as_lines, exit_code

    found = examine(sites, data, listens_of(listen, data))
    lines = as_json(found) if json_wanted else "\n".join(as_lines(found, language_of_environment()))
    click.echo(lines)
    sys.exit(exit_code(found))


@controller.command("backup")
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


@controller.command("check")
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
