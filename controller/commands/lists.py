"""`isochrone list`: what a controller knows, as tables for people or as the API's JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import click

from controller.client.link import ControllerAddress
from controller.client.options import controller_options
from controller.commands.list_tables import (
    KIND_WORDS,
    STATE_WORDS,
    Table,
    agent_cells,
    certificate_cells,
    path_cells,
    state_cells,
    verdict_cells,
)
from foundation.text import Language, Text, language_of_environment

TIMEOUT_S = 30.0
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON array, as in the API.")


@click.group("list")
def list_() -> None:
    """List agents, certificates, paths, verdicts or states of a controller."""


@list_.command("agents")
@_json
@controller_options
def agents(address: ControllerAddress, as_json: bool) -> None:
    """List the agents, their states and their plans."""
    from controller.documents.places import AgentPage

    _show(address, "agents", AgentPage, {}, as_json, agent_cells)


@list_.command("certificates")
@click.option("--agent", help="Only of this agent.")
@click.option(
    "--state", type=click.Choice(["good", "expired", "revoked"]), help="Only in this state."
)
@_json
@controller_options
def certificates(
    address: ControllerAddress, agent: str | None, state: str | None, as_json: bool
) -> None:
    """List the certificates issued to agents, oldest first."""
    from controller.documents.certificates import CertificatePage

    query = {"agent": agent, "state": state}
    _show(address, "certificates", CertificatePage, query, as_json, certificate_cells)


@list_.command("paths")
@_json
@controller_options
def paths(address: ControllerAddress, as_json: bool) -> None:
    """List the paths with their latest figures for each protocol."""
    from controller.documents.path_schema import PathPage

    _show(address, "paths", PathPage, {}, as_json, path_cells)


@list_.command("verdicts")
@click.option("--target", help="Only of this target.")
@click.option("--path", help="Only of this path.")
@click.option("--site", help="Only of paths from or to this site.")
@click.option(
    "--verdict",
    type=click.Choice(["pass", "fail", "undecided", "impossible", "no_data"]),
    help="Only these.",
)
@_json
@controller_options
def verdicts(
    address: ControllerAddress,
    target: str | None,
    path: str | None,
    site: str | None,
    verdict: str | None,
    as_json: bool,
) -> None:
    """List the latest verdicts with intervals and limits."""
    from controller.documents.path_schema import VerdictPage

    query = {"target": target, "path": path, "site": site, "verdict": verdict}
    _show(address, "verdicts", VerdictPage, query, as_json, verdict_cells)


@list_.command("states")
@click.option(
    "--kind", type=click.Choice(list(KIND_WORDS)), help="Only of agents, paths or streams."
)
@click.option("--state", type=click.Choice(list(STATE_WORDS)), help="Only in this state.")
@_json
@controller_options
def states(address: ControllerAddress, kind: str | None, state: str | None, as_json: bool) -> None:
    """List the states of agents, paths and streams, and since when they hold."""
    from controller.documents.events import StatePage

    _show(address, "states", StatePage, {"kind": kind, "state": state}, as_json, state_cells)


def _show(
    address: ControllerAddress,
    what: str,
    page: type[Any],
    query: dict[str, str | None],
    as_json: bool,
    cells: Callable[[Sequence[Any], Language], Table],
) -> None:
    import msgspec

    from controller.commands.list_tables import aligned

    asked = {name: value for name, value in query.items() if value is not None}
    items = asyncio.run(_fetched(address, f"/api/v1/{what}", page, asked))
    language = language_of_environment()
    if as_json:
        click.echo(msgspec.json.encode(items))
    elif items:
        click.echo("\n".join(aligned(cells(items, language))))
    else:
        click.echo(Text("There is none.", "没有符合条件的条目。").pick(language), err=True)


async def _fetched(
    address: ControllerAddress, route: str, page: type[Any], query: dict[str, str]
) -> list[Any]:
    from controller.client.calls import Calls

    async with Calls(address, TIMEOUT_S) as calls:
        return await calls.items(route, page, query)
