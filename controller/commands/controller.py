"""`isochrone controller`: the command line of the controller."""

from __future__ import annotations

import asyncio
import functools
import logging
import pathlib

import click

from controller.commands.authority import init, revoke, token
from controller.commands.baseline import baseline
from controller.commands.doctor import doctor
from controller.commands.maintenance import maintenance
from controller.commands.stamp_keys import stamp_keys
from controller.commands.store import backup, check, keep_option
from controller.store.levels import Retention
from foundation.logs import LogFormat, log_to_stderr
from foundation.options import FiniteRange

DEFAULT_LISTEN = "127.0.0.1:8780"  # as controller.serving.service has it, which is slow to import
SOCKET_NAME = "controller.sock"


@click.group()
def controller() -> None:
    """Run the controller: plans, verdicts, API."""


for _command in (backup, baseline, check, doctor, init, maintenance, stamp_keys, token, revoke):
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
