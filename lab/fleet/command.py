"""`isochrone lab`: a fleet over an emulated WAN, its verdicts held against the truth."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from foundation.errors import UsageError
from foundation.options import FiniteRange

_LONGEST_S = 86_400.0


@click.command()
@click.argument("scenario", default="jiangsu")
@click.option("--headless", is_flag=True, help="Run without the terminal UI, and exit at the end.")
@click.option(
    "--seconds",
    type=FiniteRange(2, _LONGEST_S),
    help="Seconds to measure; by default as the scenario says.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write the rows of the table to this file, or - for standard output.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep logs, truth and database in this new directory.",
)
@click.option(
    "--fault",
    metavar="controller-kill:SECONDS",
    help="Kill the controller halfway and restart it after SECONDS.",
)
@click.option("--list", "list_them", is_flag=True, help="List the bundled scenarios.")
def lab(
    scenario: str,
    headless: bool,
    seconds: float | None,
    json_file: Path | None,
    overwrite: bool,
    keep: Path | None,
    fault: str | None,
    list_them: bool,
) -> None:
    """Run a fleet of agents on an emulated WAN with known delay and loss.

    SCENARIO is a bundled one (jiangsu, clocks, tiny) or a scenario file. Exit code 1 if a verdict
    contradicts the truth.
    """
    from controller.commands.result_files import check_place
    from lab.fleet.scenario import bundled_scenarios, find_scenario, load_scenario
    from lab.fleet.session import Fault, report, run_headless, run_with_tui
    from probes.sockets.descriptors import raise_descriptor_limit

    if list_them:
        click.echo("\n".join(bundled_scenarios()))
        return
    if json_file is not None:
        check_place(json_file, "--json", overwrite=overwrite)
    raise_descriptor_limit()
    outage = None if fault is None else Fault(_outage_s(fault))
    chosen = load_scenario(find_scenario(scenario))
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if headless or outage is not None or not terminal:
        outcome = run_headless(chosen, seconds or chosen.seconds, keep, outage)
    else:
        compared = keep is not None or json_file is not None
        found = run_with_tui(chosen, seconds, keep, compared=compared)
        sys.exit(0 if found is None else report(found, json_file, rows=False))
    sys.exit(report(outcome, json_file))


def _outage_s(text: str) -> float:
    found = re.fullmatch(r"controller-kill:(\d+(?:\.\d+)?)", text)
    if found is None or not float(found[1]) <= _LONGEST_S:
        raise UsageError(
            f"Unknown fault {text!r}; the one there is: controller-kill:SECONDS.",
            f"未知的故障 {text!r}；可用的是 controller-kill:秒数。",
            key="fault",
        )
    return float(found[1])
