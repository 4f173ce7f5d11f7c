"""`isochrone controller maintenance`: announce it, list it, end it."""

from __future__ import annotations

import asyncio
import datetime as dt
import pathlib
from typing import TYPE_CHECKING, Any

import click

from controller.commands.baseline import DEFAULT_URL, time_ns
from controller.commands.client_link import ControllerAddress, credential_options
from probes.numbers import LARGEST
from probes.text import Text, language_of_environment

if TYPE_CHECKING:
    from controller.api.documents import MaintenanceDocument

ROUTE = "/api/v1/maintenance"
TIMEOUT_S = 30.0
_PHASES = {
    "announced": Text("announced", "已公告"),
    "begun": Text("in force", "进行中"),
    "ended": Text("ended", "已结束"),
    "cancelled": Text("called off", "已取消"),
}


@click.group()
def maintenance() -> None:
    """Announce times in which what is measured does not count."""


@maintenance.command("announce")
@click.argument("reason")
@click.option("--from", "start", help="Begin, such as 2026-11-01T00:00+08:00; now if absent.")
@click.option("--to", "end", required=True, help="End, likewise.")
@click.option("--site", "sites", multiple=True, help="Paths from or to this site; repeatable.")
@click.option("--carrier", "carriers", multiple=True, help="Paths of this carrier; repeatable.")
@click.option("--path", "paths", multiple=True, help="This path; repeatable.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running controller.")
@credential_options
def announce(
    reason: str,
    start: str | None,
    end: str,
    sites: tuple[str, ...],
    carriers: tuple[str, ...],
    paths: tuple[str, ...],
    url: str,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
) -> None:
    """Leave what the options name out of the figures for a time, because of REASON."""
    asked: dict[str, Any] = {"reason": reason, "to_ns": time_ns(end)}
    asked |= {"sites": sites, "carriers": carriers, "paths": paths}
    if start is not None:
        asked["from_ns"] = time_ns(start)
    _show(asyncio.run(_ask(ControllerAddress(url, token_file, ca), "POST", ROUTE, asked)))


@maintenance.command("end")
@click.argument("number", type=click.IntRange(0, LARGEST))
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running controller.")
@credential_options
def end_(number: int, url: str, token_file: pathlib.Path | None, ca: pathlib.Path | None) -> None:
    """End maintenance NUMBER now, or call it off before it begins."""
    address = ControllerAddress(url, token_file, ca)
    _show(asyncio.run(_ask(address, "DELETE", f"{ROUTE}/{number}")))


@maintenance.command("list")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running controller.")
@credential_options
def list_(url: str, token_file: pathlib.Path | None, ca: pathlib.Path | None) -> None:
    """Show the announced maintenances, oldest first."""
    found = asyncio.run(_ask(ControllerAddress(url, token_file, ca), "GET", ROUTE))
    _show(found)
    if not found:
        none = Text("No maintenance was announced.", "没有公告过维护。")
        click.echo(none.pick(language_of_environment()), err=True)


async def _ask(
    address: ControllerAddress, method: str, route: str, body: dict[str, Any] | None = None
) -> list[MaintenanceDocument]:
    """Return the maintenances of the answer. Raises ResourceError with the controller's reason."""
    import aiohttp
    import msgspec

    from controller.api.documents import MaintenanceDocument, MaintenancePage
    from controller.commands.client_errors import no_answer, refusal

    found: list[MaintenanceDocument] = []
    after: str | None = ""
    try:
        async with address.open_session(TIMEOUT_S) as session:
            while after is not None:
                query = {"after": after} if after else {}
                async with session.request(method, route, json=body, params=query) as answer:
                    said = await answer.read()
                    if answer.status not in (200, 201):
                        raise refusal(address.url, answer.status, said)
                if method != "GET":
                    return [msgspec.json.decode(said, type=MaintenanceDocument)]
                page = msgspec.json.decode(said, type=MaintenancePage)
                found, after = found + page.items, page.next
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise no_answer(address.url, error) from error
    return found


def _show(found: list[MaintenanceDocument]) -> None:
    language = language_of_environment()
    for item in found:
        ends_ns = item.to_ns if item.ended_ns is None else min(item.to_ns, item.ended_ns)
        named = " ".join((*item.sites, *item.carriers, *item.paths))
        phase = _PHASES[item.phase].pick(language)
        counted = Text(f"{item.covered_paths} paths", f"{item.covered_paths} 条路径")
        click.echo(
            f"{item.id}  {phase}  {_time(item.from_ns)} – {_time(ends_ns)}  {named}  "
            f"({counted.pick(language)})  {item.reason}"
        )


def _time(time_ns_: int) -> str:
    return dt.datetime.fromtimestamp(time_ns_ / 1e9, dt.UTC).isoformat(timespec="minutes")
