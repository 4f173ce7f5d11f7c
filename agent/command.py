"""`isochrone agent`: the daemon's command line."""

from __future__ import annotations

from pathlib import Path

import click

from agent.doctor_command import doctor
from agent.identity.enrol_command import enrol
from agent.identity.renew_command import renew
from agent.policy.command import policy
from foundation.logs import LogFormat, log_to_stderr


@click.group()
def agent() -> None:
    """Run a measuring agent on this machine."""


agent.add_command(policy)
agent.add_command(doctor)
agent.add_command(enrol)
agent.add_command(renew)


@agent.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="TOML file; see docs/reference/agent-config.md.",
)
@click.option("--verbose", is_flag=True, help="Log every change of plan and connection.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or one JSON object per line.",
)
def run(config_path: Path, verbose: bool, log_format: LogFormat) -> None:
    """Measure what the controller plans, until stopped (SIGTERM or Ctrl-C).

    SIGHUP reloads the configuration.
    """
    from agent.config import load_config

    config = load_config(config_path)
    import asyncio
    import logging

    from agent.daemon import run_agent
    from foundation.allocation import limit_arenas
    from probes.sockets.descriptors import raise_descriptor_limit

    raise_descriptor_limit()
    limit_arenas(arenas=1)  # its threads seldom allocate at once
    log_to_stderr(log_format, logging.INFO if verbose else logging.WARNING)
    asyncio.run(run_agent(config, config_path))
