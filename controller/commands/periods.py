"""`isochrone controller baseline` and `maintenance`: periods to judge against, or not to count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from controller.client.link import ControllerAddress
from controller.client.options import controller_options, past_options
from foundation.clock import SystemClock
from foundation.errors import UsageError
from foundation.local_time import duration_ns_of, local_text, moment_ns
from foundation.number_types import LARGEST
from foundation.text import Text, counted, language_of_environment, plain

if TYPE_CHECKING:
    from controller.documents.baselines import BaselineDocument
    from controller.documents.maintenance import MaintenanceDocument

BASELINES, MAINTENANCE = "/api/v1/baselines", "/api/v1/maintenance"
TIMEOUT_S = 30.0
_PHASES = {
    "announced": Text("announced", "已公告"),
    "begun": Text("in force", "进行中"),
    "ended": Text("ended", "已结束"),
    "cancelled": Text("called off", "已取消"),
}


@click.group()
def maintenance() -> None:
    """Announce maintenance periods, whose measurements do not count."""


@maintenance.command("announce")
@click.argument("reason")
@click.option("--from", "start", help="Start time, such as 2026-11-01T00:00+08:00; now by default.")
@click.option("--to", "end", help="End time, in the same form.")
@click.option(
    "--for", "span", metavar="2h", help="Length of the period, instead of --to: 90m, 2h or 1d."
)
@click.option("--site", "sites", multiple=True, help="Paths from or to this site; may be repeated.")
@click.option(
    "--carrier", "carriers", multiple=True, help="Paths of this carrier; may be repeated."
)
@click.option("--path", "paths", multiple=True, help="This path; may be repeated.")
@controller_options
def announce(
    reason: str,
    start: str | None,
    end: str | None,
    span: str | None,
    sites: tuple[str, ...],
    carriers: tuple[str, ...],
    paths: tuple[str, ...],
    address: ControllerAddress,
) -> None:
    """Exclude sites, carriers or paths from the figures for a period because of REASON."""
    from_ns = None if start is None else moment_ns(start)
    if (end is None) == (span is None):
        raise UsageError(
            "Give its end: --to TIME, or --for 2h.",
            "请指定结束时间：--to 时间，或 --for 2h。",
        )
    if end is not None:
        to_ns = moment_ns(end)
    else:
        to_ns = (from_ns or SystemClock().wall_ns()) + duration_ns_of(str(span))
    asked: dict[str, Any] = {"reason": reason, "to_ns": to_ns}
    asked |= {"sites": sites, "carriers": carriers, "paths": paths}
    if from_ns is not None:
        asked["from_ns"] = from_ns
    _show_maintenance(asyncio.run(_maintenance(address, "POST", MAINTENANCE, asked)))


@maintenance.command("end")
@click.argument("number", type=click.IntRange(0, LARGEST))
@controller_options
def end_(number: int, address: ControllerAddress) -> None:
    """End maintenance NUMBER now, or cancel it before it begins."""
    _show_maintenance(asyncio.run(_maintenance(address, "DELETE", f"{MAINTENANCE}/{number}")))


@maintenance.command("list")
@controller_options
def list_maintenance(address: ControllerAddress) -> None:
    """Show the announced maintenance periods, oldest first."""
    found = asyncio.run(_maintenance(address, "GET", MAINTENANCE))
    _show_maintenance(found)
    if not found:
        none = Text("No maintenance was announced.", "没有公告过维护。")
        click.echo(none.pick(language_of_environment()), err=True)


async def _maintenance(
    address: ControllerAddress, method: str, route: str, body: dict[str, Any] | None = None
) -> list[MaintenanceDocument]:
    """Return the maintenances of the answer. Raises ResourceError with the controller's reason."""
    from controller.client.calls import Calls
    from controller.documents.maintenance import MaintenanceDocument, MaintenancePage

    async with Calls(address, TIMEOUT_S) as calls:
        if method == "GET":
            return await calls.items(route, MaintenancePage)
        return [await calls.document(method, route, MaintenanceDocument, json=body)]


def _show_maintenance(found: list[MaintenanceDocument]) -> None:
    language = language_of_environment()
    for item in found:
        ends_ns = item.to_ns if item.ended_ns is None else min(item.to_ns, item.ended_ns)
        named = " ".join((*item.sites, *item.carriers, *item.paths))
        phase = _PHASES[item.phase].pick(language)
        covered = Text(counted(item.covered_paths, "path"), f"{item.covered_paths} 条路径")
        period = f"{local_text(item.from_ns, 'minutes')} – {local_text(ends_ns, 'minutes')}"
        click.echo(
            f"{item.id}  {phase}  {period}  {named}  ({covered.pick(language)})  "
            f"{plain(item.reason)}"
        )


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
    sealed = asyncio.run(_baselines(address, request))[0]
    click.echo(_baseline_line(sealed))


@baseline.command("list")
@controller_options
def list_baselines(address: ControllerAddress) -> None:
    """Show the sealed baselines."""
    found = asyncio.run(_baselines(address, None))
    for sealed in found:
        click.echo(_baseline_line(sealed))
    if not found:
        none = Text("No baseline is sealed.", "尚未封存任何基线。")
        click.echo(none.pick(language_of_environment()), err=True)


async def _baselines(
    address: ControllerAddress, request: dict[str, Any] | None
) -> list[BaselineDocument]:
    from controller.client.calls import Calls
    from controller.documents.baselines import BaselineDocument, BaselinePage

    async with Calls(address, TIMEOUT_S) as calls:
        if request is None:
            return await calls.items(BASELINES, BaselinePage)
        return [await calls.document("POST", BASELINES, BaselineDocument, json=request)]


def _baseline_line(sealed: BaselineDocument) -> str:
    days = (sealed.to_ns - sealed.from_ns) / 86_400e9
    start = local_text(sealed.from_ns, "minutes")
    text = Text(
        f"{sealed.name}: {days:.2f} days from {start}, {counted(len(sealed.paths), 'path')}, "
        f"{counted(sealed.hours, 'hour')} of the week, sha256 {sealed.digest}",
        f"{sealed.name}：自 {start} 起 {days:.2f} 天，{len(sealed.paths)} 条路径，"
        f"覆盖周内 {sealed.hours} 个小时，sha256 {sealed.digest}",
    )
    return text.pick(language_of_environment()) + ("  *" if sealed.used else "")
