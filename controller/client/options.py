"""Options that commands share: which controller is asked, with what credentials, of which time."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from controller.client.link import ControllerAddress
from foundation.clock import SystemClock
from foundation.local_time import TIME_ZONE, choose_zone, past_range

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_URL = "https://127.0.0.1:8780"
URL_VARIABLE = "ISOCHRONE_URL"


def credential_options(command: Command) -> Command:
    """Add ``--token-file``, ``--ca`` and ``--time-zone`` to a command that asks a controller."""
    command = time_zone_option(command)
    command = click.option(
        "--ca",
        type=click.Path(path_type=pathlib.Path),
        envvar="ISOCHRONE_CA",
        show_envvar=True,
        help="The controller's authority (keys/authority.pem), for https://.",
    )(command)
    return click.option(
        "--token-file",
        type=click.Path(path_type=pathlib.Path),
        envvar="ISOCHRONE_TOKEN_FILE",
        show_envvar=True,
        help="File with an API token, for https://.",
    )(command)


def url_of_environment() -> str | None:
    """Return the controller that ISOCHRONE_URL names."""
    return os.environ.get(URL_VARIABLE) or None


def controller_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the controller it asks as `address`: ``--url`` and its credentials."""

    @functools.wraps(command)
    def with_address(
        *, url: str, token_file: pathlib.Path | None, ca: pathlib.Path | None, **given: Any
    ) -> Any:
        return command(address=ControllerAddress(url, token_file, ca), **given)

    return click.option(
        "--url",
        default=DEFAULT_URL,
        envvar=URL_VARIABLE,
        show_default=True,
        show_envvar=True,
        help="The running controller.",
    )(credential_options(with_address))


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
