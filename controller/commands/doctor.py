"""`isochrone controller doctor`: why this controller could not serve, before it has to."""

from __future__ import annotations

import pathlib
import sys

import click

from foundation.text import language_of_environment


@click.command()
@click.option("--sites", type=click.Path(path_type=pathlib.Path), required=True, help="Site file.")
@click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)
@click.option(
    "--listen",
    multiple=True,
    help="As for `controller run`, with the same default.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON array instead of lines.")
def doctor(
    sites: pathlib.Path, data: pathlib.Path, listen: tuple[str, ...], json_wanted: bool
) -> None:
    """Check site file, disk, database, ports and clock; exit code 1 if a check fails."""
    from controller.api.server.addresses import listens_of
    from controller.serving.preflight import examine
    from foundation.checkup import as_json, as_lines, exit_code

    found = examine(sites, data, listens_of(listen, data))
    lines = as_json(found) if json_wanted else "\n".join(as_lines(found, language_of_environment()))
    click.echo(lines)
    sys.exit(exit_code(found))
