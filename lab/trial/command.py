"""`isochrone truth`: the judge on trial, over simulated paths whose true figures are known."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from foundation.results import end_early_on_signals, results_follow
from foundation.text import language_of_environment


@click.command()
@click.option(
    "--cases",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Number of cases within the promised conditions.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 53) - 1),  # it comes back in JSON, for readers of any kind
    default=1,
    show_default=True,
    help="Seed for cases and probes; the same seed gives the same trial.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write the result to this file, or - for standard output.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing file.")
def truth(cases: int, seed: int, json_file: Path | None, overwrite: bool) -> None:
    """Check verdicts and intervals against known truth.

    Exit code 1 if more verdicts are wrong than the stated error rate allows, if intervals cover the
    truth too rarely, or if a verdict is undecided without need: its interval does not cross the
    limit, or a textbook method could decide.
    """
    import msgspec

    from controller.commands.result_files import check_place, is_written_through, write_result
    from lab.trial.summary import run_trial
    from lab.trial.table import document, lines

    if json_file is not None:
        check_place(json_file, "--json", overwrite=overwrite)
    end_early_on_signals()
    summary = run_trial(cases, seed)
    results_follow("truth")
    for line in lines(summary, seed, language_of_environment()):
        click.echo(line, err=json_file is not None and is_written_through(json_file))
    if json_file is not None:
        content = msgspec.json.format(msgspec.json.encode(document(summary, seed)), indent=2)
        write_result(json_file, content + b"\n")
    sys.exit(1 if summary.broken() else 0)
