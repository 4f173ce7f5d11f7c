"""`isochrone campaign`: measure for a bounded time and report it."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
import time
from typing import TYPE_CHECKING

import click

from controller.client.link import (
    ControllerAddress,
    credential_options,
    url_of_environment,
)
from controller.commands.campaign_plans import (
    cancel,
    create,
    keep_report,
    list_,
    report,
    say_results,
    show,
)
from controller.commands.result_files import check_folder
from foundation.errors import ConfigError, ResourceError
from foundation.results import are_hangups_handled, results_follow
from foundation.text import Text, language_of_environment

if TYPE_CHECKING:
    from controller.campaigns.campaign_file import Campaign
    from controller.reports.report import Report

PROGRESS_S = 10.0
PATIENCE_S = 30.0  # for the last windows to arrive and be judged
AWAY_S, AWAY_PAUSE_S = 600.0, 2.0  # a controller that is away when a campaign ends is waited for


@click.group()
def campaign() -> None:
    """Run a measurement campaign and report on it."""


for _command in (create, list_, show, cancel, report):
    campaign.add_command(_command)


@campaign.command("run")
@click.argument("file", type=click.Path(path_type=pathlib.Path))
@click.option("--url", help="Controller to use instead of the one in the file.")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    default=pathlib.Path(),
    help="Directory for the report; by default the current one.",
)
@credential_options
def run(
    file: pathlib.Path,
    url: str | None,
    out: pathlib.Path,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
) -> None:
    """Run the campaign in FILE and write a self-contained HTML report."""
    from controller.campaigns.campaign_file import load_campaign
    from controller.commands.campaign_wait import run_planned
    from controller.reports.page import render_report

    wanted = load_campaign(file)
    if wanted.controller is None and wanted.sites is None:
        url = url or url_of_environment()
    if url is None and wanted.controller is None and wanted.sites is None:
        raise ConfigError(
            f"{file.name} names neither `controller` nor `sites`: add one, or give --url.",
            f"{file.name} 既没有 `controller` 也没有 `sites`：请补充其一，或使用 --url。",
            file=str(file),
        )
    check_folder(out, "--out", make=True)  # before measuring for hours
    url = url or wanted.controller
    address = None if url is None else ControllerAddress(url, token_file, ca)
    path = out / f"{wanted.name}.html"
    if wanted.mesh:
        assert address is not None  # `mesh` and `sites` exclude each other
        campaign, page = asyncio.run(run_planned(wanted, file, address, _ended_by_signals))
        results_follow("campaign run")
        say_results(campaign)
    else:
        found = asyncio.run(_measure(wanted, address))
        page = render_report(found).encode()
        results_follow("campaign run")
        _print_summary(found)
    keep_report(path, page)


async def _measure(wanted: Campaign, address: ControllerAddress | None) -> Report:
    from controller.reports.local import measured_here
    from controller.reports.report import assemble

    ended = _ended_by_signals()
    if address is not None:
        return await _measured_by(wanted, address, ended)
    assert wanted.sites is not None
    site_file = pathlib.Path(wanted.sites)
    started_ns = time.time_ns()
    answers, ended_ns = await measured_here(
        site_file,
        window_s=wanted.window_s,
        duration_s=wanted.duration_s,
        targets=wanted.targets,
        wait=lambda duration_s: _pass_time(duration_s, ended),
        tell=_tell,
    )
    return assemble(wanted, answers, started_ns, ended_ns, None)


async def _measured_by(
    wanted: Campaign, address: ControllerAddress, ended: asyncio.Event
) -> Report:
    """Let a controller's fleet measure."""
    from controller.client.source import ApiSource

    async with ApiSource(address) as source:
        started_ns = (await source.health()).now_ns
    await _pass_time(wanted.duration_s, ended)
    return await _reported(wanted, address, started_ns)


async def _reported(wanted: Campaign, address: ControllerAddress, started_ns: int) -> Report:
    """Return the report; a controller that is away at the end is waited for."""
    from controller.client.errors import SilentControllerError

    patient_until_s = time.monotonic() + AWAY_S
    told = False
    while True:
        try:
            return await _concluded(wanted, address, started_ns)
        except SilentControllerError as silent:
            if time.monotonic() > patient_until_s:
                raise
            if not told:
                _tell(_waited_for(silent))
            told = True
            await asyncio.sleep(AWAY_PAUSE_S)


async def _concluded(wanted: Campaign, address: ControllerAddress, started_ns: int) -> Report:
    """Return the report once the last windows are judged."""
    from controller.client.source import ApiSource
    from controller.reports.report import assemble

    async with ApiSource(address) as source:
        ended_ns = (await source.health()).now_ns
        await source.wait_judged_after(ended_ns, PATIENCE_S)
        answers = await source.answers(wanted.targets)
        return assemble(wanted, answers, started_ns, ended_ns, address.url)


def _ended_by_signals() -> asyncio.Event:
    """Return what Ctrl-C, SIGTERM or SIGHUP (the terminal went away) sets.

    A second Ctrl-C or SIGTERM ends the program; a second SIGHUP is the same terminal once more.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end(number: int) -> None:
        loop.remove_signal_handler(number)
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    if are_hangups_handled():
        loop.add_signal_handler(signal.SIGHUP, ended.set)
    return ended


async def _pass_time(duration_s: float, ended: asyncio.Event) -> None:
    """Wait so long, or until `ended`; say how long it will still take."""
    left_s = duration_s
    while left_s > 0 and not ended.is_set():
        _tell(Text(f"Measuring, {left_s:.0f} s left …", f"测量中，剩余 {left_s:.0f} 秒……"))
        step_s = min(PROGRESS_S, left_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), step_s)
        left_s -= step_s
    if ended.is_set():
        _tell(Text("Ended early; reporting what was measured.", "提前结束，按已测数据生成报告。"))


def _waited_for(silent: ResourceError) -> Text:
    minutes = round(AWAY_S / 60)
    return Text(
        f"{silent.text.en} Waiting for it, {minutes} minutes at most …",
        f"{silent.text.zh}继续等待，最多 {minutes} 分钟……",
    )


def _print_summary(report: Report) -> None:
    from controller.reports.page import VERDICT_WORDS

    language = language_of_environment()
    for indicator in report.indicators:
        counts = {VERDICT_WORDS[verdict]: n for verdict, n in indicator.counts.items() if n}
        line = "  ".join(f"{word.pick(language)} {n}" for word, n in counts.items())
        verdict = VERDICT_WORDS[indicator.verdict].pick(language)
        click.echo(f"{indicator.title.pick(language)}: {line or verdict}")


def _tell(text: Text) -> None:
    click.echo(_say(text), err=True)


def _say(text: Text) -> str:
    return text.pick(language_of_environment())
