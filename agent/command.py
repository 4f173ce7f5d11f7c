"""`isochrone agent`: the daemon's command line."""

from __future__ import annotations

from pathlib import Path

import click

from agent.policy_command import policy


@click.group()
def agent() -> None:
    """Run a measuring agent on this machine."""


agent.add_command(policy)


@agent.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="TOML file; see docs/reference/agent-config.md.",
)
@click.option("--verbose", is_flag=True, help="Tell every change of plan and connection.")
def run(config_path: Path, verbose: bool) -> None:
    """Measure what the controller plans until told to stop (SIGTERM or Ctrl-C)."""
    from agent.config import load_config

    config = load_config(config_path)
    import asyncio
    import importlib.metadata
    import logging

    from agent.daemon import run_agent

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    asyncio.run(run_agent(config, importlib.metadata.version("isochrone")))
