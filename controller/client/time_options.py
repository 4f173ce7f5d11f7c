"""Times on the command line: the zone of what is read and written, and a stretch of the past."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from foundation.clock import SystemClock
from foundation.local_time import TIME_ZONE, choose_zone, past_range

Command = TypeVar("Command", bound=Callable[..., Any])


def time_zone_option(command: Command) -> Command:
    """Add ``--time-zone`` to a command that reads or says times."""
    return click.option(
        "--time-zone",
        metavar="ZONE",
        envvar=TIME_ZONE,
        show_envvar=True,
        expose_value=False,
        callback=choose_zone,
        help="Time zone for input and output, such as Asia/Shanghai.",
    )(command)


def past_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a stretch of the past as `period`, (from, to) in ns since 1970."""

    @functools.wraps(command)
    def with_period(*, start: str | None, end: str | None, last: str | None, **given: Any) -> Any:
        return command(period=past_range(start, end, last, SystemClock().wall_ns()), **given)

    for option in (
        click.option(
            "--last",
            metavar="24h",
            help="Length of the period that ends now (or at --to): 90m, 24h, 7d.",
        ),
        click.option(
            "--to", "end", metavar="TIME", help="End time, in the same form; now by default."
        ),
        click.option(
            "--from", "start", metavar="TIME", help="Start time, such as 2026-11-01T00:00+08:00."
        ),
    ):
        with_period = option(with_period)
    return with_period
