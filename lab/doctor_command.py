"""`isochrone doctor`: finds what is installed on this machine and examines it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from foundation.text import Text, language_of_environment

AGENT_CONFIG = Path("/etc/isochrone/agent.toml")
SITES = Path("/etc/isochrone/sites.toml")
DATA = Path("/var/lib/isochrone-controller")


@click.command()
@click.option(
    "--agent-config",
    type=click.Path(path_type=Path),
    default=AGENT_CONFIG,
    show_default=str(AGENT_CONFIG),
    help="Configuration file of the agent.",
)
@click.option(
    "--sites",
    type=click.Path(path_type=Path),
    default=SITES,
    show_default=str(SITES),
    help="Site file of the controller.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DATA,
    show_default=str(DATA),
    help="Data directory of the controller.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON array instead of lines.")
def doctor(agent_config: Path, sites: Path, data: Path, json_wanted: bool) -> None:
    """Check the agent and the controller of this machine, whichever there is."""
    from foundation.checkup import Finding, as_json, as_lines, exit_code

    found: list[Finding] = []
    if agent_config.exists():
        from agent.doctor.examine import examine as examine_agent

        found += asyncio.run(examine_agent(agent_config))
    if sites.exists():
        from controller.api.server.addresses import listens_of
        from controller.serving.preflight import examine as examine_controller

        found += examine_controller(sites, data, listens_of((), data))
    if not found:
        text = Text(
            f"There is neither {agent_config} nor {sites}; name them with --agent-config or "
            "--sites, or write one.",
            f"{agent_config} 与 {sites} 均不存在；请用 --agent-config 或 --sites 指定，"
            "或先编写其中之一。",
        )
        found.append(Finding(check="installed", status="fail", text=text))
    lines = as_json(found) if json_wanted else "\n".join(as_lines(found, language_of_environment()))
    click.echo(lines)
    sys.exit(exit_code(found))
