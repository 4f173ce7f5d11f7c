"""`isochrone agent doctor`: why this agent could not measure, before it has to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from foundation.text import language_of_environment


@click.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Configuration file of the agent.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON array instead of lines.")
def doctor(config_path: Path, json_wanted: bool) -> None:
    """Check permissions, clock, ports, disk, controller and timestamps; exit code 1 if a check
    fails.
    """
    from agent.doctor import examine
    from foundation.checkup import as_json, as_lines, exit_code

    found = asyncio.run(examine(config_path))
    lines = as_json(found) if json_wanted else "\n".join(as_lines(found, language_of_environment()))
    click.echo(lines)
    sys.exit(exit_code(found))
