"""`isochrone controller baseline`: seal a period, list what is sealed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from controller.client.link import ControllerAddress, controller_options
from controller.client.time_options import past_options
from foundation.local_time import local_text
from foundation.text import Text, counted, language_of_environment

if TYPE_CHECKING:
    from controller.documents.baselines import BaselineDocument

ROUTE = "/api/v1/baselines"
TIMEOUT_S = 30.0


@click.group()
def baseline() -> None:
    """Seal baseline periods, against which improvements are judged."""


@baseline.command("seal")
@click.argument("name")
@past_options
@controller_options
def seal(
    name: str,
    period: tuple[int, int],
    address: ControllerAddress,
) -> None:
    """Seal a past period as NAME. It can never be changed or sealed again."""
    request = {"name": name, "from_ns": period[0], "to_ns": period[1]}
    sealed = asyncio.run(_ask(address, request))[0]
    click.echo(_line(sealed))


@baseline.command("list")
@controller_options
def list_(address: ControllerAddress) -> None:
    """Show the sealed baselines."""
    found = asyncio.run(_ask(address, None))
    for sealed in found:
        click.echo(_line(sealed))
    if not found:
        none = Text("No baseline is sealed.", "尚未封存任何基线。")
        click.echo(none.pick(language_of_environment()), err=True)


async def _ask(
    address: ControllerAddress, request: dict[str, Any] | None
) -> list[BaselineDocument]:
    from controller.client.calls import Calls
    from controller.documents.baselines import BaselineDocument, BaselinePage

    async with Calls(address, TIMEOUT_S) as calls:
        if request is None:
            return await calls.items(ROUTE, BaselinePage)
        return [await calls.document("POST", ROUTE, BaselineDocument, json=request)]


def _line(sealed: BaselineDocument) -> str:
    days = (sealed.to_ns - sealed.from_ns) / 86_400e9
    start = local_text(sealed.from_ns, "minutes")
    text = Text(
        f"{sealed.name}: {days:.2f} days from {start}, {counted(len(sealed.paths), 'path')}, "
        f"{counted(sealed.hours, 'hour')} of the week, sha256 {sealed.digest}",
        f"{sealed.name}：自 {start} 起 {days:.2f} 天，{len(sealed.paths)} 条路径，"
        f"覆盖周内 {sealed.hours} 个小时，sha256 {sealed.digest}",
    )
    return text.pick(language_of_environment()) + ("  *" if sealed.used else "")
