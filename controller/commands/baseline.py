"""`isochrone controller baseline`: seal a period, list what is sealed."""

from __future__ import annotations

import asyncio
import datetime as dt
import pathlib
from typing import TYPE_CHECKING, Any

import click

from controller.commands.client_link import ControllerAddress, credential_options
from probes.errors import UsageError
from probes.text import Text, language_of_environment

if TYPE_CHECKING:
    from controller.api.documents import BaselineDocument

DEFAULT_URL = "https://127.0.0.1:8780"


@click.group()
def baseline() -> None:
    """Seal baseline periods that improvements are judged against."""


@baseline.command("seal")
@click.argument("name")
@click.option("--from", "start", required=True, help="Begin, such as 2026-11-01T00:00+08:00.")
@click.option("--to", "end", required=True, help="End, likewise.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running controller.")
@credential_options
def seal(
    name: str,
    start: str,
    end: str,
    url: str,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
) -> None:
    """Freeze a past period under NAME; it can never be changed or sealed again."""
    request = {"name": name, "from_ns": time_ns(start), "to_ns": time_ns(end)}
    sealed = asyncio.run(_ask(ControllerAddress(url, token_file, ca), request))[0]
    click.echo(_line(sealed))


@baseline.command("list")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running controller.")
@credential_options
def list_(url: str, token_file: pathlib.Path | None, ca: pathlib.Path | None) -> None:
    """Show the sealed baselines."""
    found = asyncio.run(_ask(ControllerAddress(url, token_file, ca), None))
    for sealed in found:
        click.echo(_line(sealed))
    if not found:
        none = Text("No baseline is sealed.", "尚未封存任何基线。")
        click.echo(none.pick(language_of_environment()), err=True)


def time_ns(text: str) -> int:
    """Return an ISO 8601 time as nanoseconds since 1970; without a zone it is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text} is no time; write 2026-11-01, 2026-11-01T08:00 or 2026-11-01T08:00+08:00.",
            f"{text} 不是有效时间；请写成 2026-11-01、2026-11-01T08:00 或 2026-11-01T08:00+08:00。",
            time=text,
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return round(moment.timestamp() * 1_000_000) * 1000


async def _ask(
    address: ControllerAddress, request: dict[str, Any] | None
) -> list[BaselineDocument]:
    from controller.campaigns.source import ApiSource

    async with ApiSource(address) as source:
        if request is None:
            return await source.baselines()
        return [await source.seal(request)]


def _line(sealed: BaselineDocument) -> str:
    days = (sealed.to_ns - sealed.from_ns) / 86_400e9
    start = dt.datetime.fromtimestamp(sealed.from_ns / 1e9, dt.UTC).isoformat(timespec="minutes")
    text = Text(
        f"{sealed.name}: {days:.2f} days from {start}, {len(sealed.paths)} paths, "
        f"{sealed.hours} hours of the week, sha256 {sealed.digest}",
        f"{sealed.name}：自 {start} 起 {days:.2f} 天，{len(sealed.paths)} 条路径，"
        f"覆盖周内 {sealed.hours} 个小时，sha256 {sealed.digest}",
    )
    return text.pick(language_of_environment()) + ("  *" if sealed.used else "")
