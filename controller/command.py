"""`isochrone controller`: the command line of the controller."""

from __future__ import annotations

import asyncio
import logging
import pathlib

import click

from controller.baseline_command import baseline

DEFAULT_LISTEN = "127.0.0.1:8780"


@click.group()
def controller() -> None:
    """Run the controller: plans, verdicts, API."""


controller.add_command(baseline)


@controller.command("run")
@click.option("--sites", type=click.Path(path_type=pathlib.Path), required=True, help="Site file.")
@click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)
@click.option(
    "--listen",
    multiple=True,
    default=(DEFAULT_LISTEN,),
    show_default=DEFAULT_LISTEN,
    help="HOST:PORT or unix:/PATH; may be given more than once.",
)
@click.option(
    "--insecure-listen",
    is_flag=True,
    help="Allow --listen on addresses that other machines can reach, without authentication.",
)
@click.option(
    "--judge-period",
    type=click.FloatRange(min=1),
    default=900.0,
    show_default=True,
    help="Seconds of measurement that a verdict rests on.",
)
@click.option(
    "--judge-every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds between two rounds of judging.",
)
@click.option(
    "--window",
    type=click.FloatRange(min=0.1, max=3600),
    default=10.0,
    show_default=True,
    help="Seconds of a window, the unit that agents report.",
)
def run(
    sites: pathlib.Path,
    data: pathlib.Path,
    listen: tuple[str, ...],
    insecure_listen: bool,
    judge_period: float,
    judge_every: float,
    window: float,
) -> None:
    """Serve plans, ingest and the API until stopped (SIGTERM, Ctrl-C)."""
    from controller.service import parse_listen, refuse_outside, serve
    from controller.state import Settings, open_state
    from probes.clock import SystemClock
    from topology.site_file import load_network

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    listens = [parse_listen(text) for text in listen]
    refuse_outside(listens, insecure_listen)
    settings = Settings(
        judge_period_ns=round(judge_period * 1e9),
        judge_every_s=judge_every,
        window_ms=round(window * 1000),
    )
    state = open_state(load_network(sites), data, settings, SystemClock())
    try:
        asyncio.run(serve(state, listens))
    finally:
        state.close()
