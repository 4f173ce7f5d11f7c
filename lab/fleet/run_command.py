"""`isochrone run`: what `make run` calls. The lab, or real networks, with the terminal UI."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import click

from foundation.options import FiniteRange

_LAB = "jiangsu"
_REAL_S = 90.0  # a 95th percentile at one probe per second is decided after 73


@click.command()
@click.option(
    "--sites",
    "sites_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Measure the real network of this site file instead of the lab.",
)
@click.option("--seconds", type=FiniteRange(2, 86_400), help="Measure for this long, then exit.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep logs and database in this new directory.",
)
def run(sites_file: Path | None, seconds: float | None, keep: Path | None) -> None:
    """Start everything on this machine and open the terminal UI.

    Without a terminal, measure for a limited time and print the verdicts.
    """
    from probes.sockets.descriptors import raise_descriptor_limit

    raise_descriptor_limit()
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if sites_file is not None:
        _run_real(sites_file, seconds, keep, terminal)
        return
    from lab.fleet.scenario import find_scenario, load_scenario
    from lab.fleet.session import report, run_headless, run_with_tui

    scenario = load_scenario(find_scenario(_LAB))
    if terminal:
        found = run_with_tui(scenario, seconds, keep, compared=keep is not None)
        sys.exit(0 if found is None else report(found, None, rows=False))
    outcome = run_headless(scenario, seconds or scenario.seconds, keep, None)
    sys.exit(report(outcome, None))


def _run_real(sites_file: Path, seconds: float | None, keep: Path | None, terminal: bool) -> None:
    from foundation.text import Text
    from lab.fleet.fleet import running
    from lab.fleet.real_network import RealFleet
    from lab.fleet.run_directory import RunDirectory
    from lab.fleet.session import ended_by_signals, may_end_early, show_tui, sum_up
    from lab.progress import tell

    with (
        ended_by_signals(),
        contextlib.closing(RunDirectory(keep)) as directory,
        running(RealFleet(sites_file, directory)) as fleet,
    ):
        for warning in fleet.network.warnings:
            tell(warning)
        here = ", ".join(fleet.here)
        url = fleet.controller.url
        tell(Text(f"Measuring from {here}: {url}", f"从 {here} 开始测量：{url}"))
        if terminal:
            began = time.monotonic()
            with may_end_early():
                show_tui(url, seconds, fleet.check)
            sum_up(url, time.monotonic() - began)
            return
        until = time.monotonic() + (seconds or _REAL_S)
        with may_end_early():
            while time.monotonic() < until:
                fleet.check()
                time.sleep(0.2)
        asyncio.run(_print_verdicts(url))


async def _print_verdicts(url: str) -> None:
    """Print the verdicts of a controller as a table."""
    from foundation.results import results_follow
    from foundation.text import language_of_environment
    from lab.fleet.api_client import ApiClient
    from lab.fleet.table import verdict_lines

    async with ApiClient(url) as api:
        verdicts = await api.items("verdicts")
    results_follow("run")
    click.echo("\n".join(verdict_lines(verdicts, language_of_environment())))
