"""Waiting for what a campaign measures: on this machine, by a controller, or added to its plan."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
import time
from typing import TYPE_CHECKING

import click

from controller.campaigns.campaign_file import Campaign
from controller.client.calls import SilentControllerError
from controller.client.campaign_client import CampaignClient
from controller.client.link import ControllerAddress
from controller.client.report_source import ApiSource
from controller.documents.campaign_schema import CampaignDocument
from foundation.errors import ResourceError
from foundation.results import are_hangups_handled
from foundation.text import Text, counted, language_of_environment

if TYPE_CHECKING:
    from controller.reports.report import Report

PROGRESS_S, LOOK_EVERY_S = 10.0, 1.0
PATIENCE_S = 30.0  # for the last windows to arrive and be judged
AWAY_S, AWAY_PAUSE_S = 600.0, 2.0  # a controller that is away is waited for, and so is a report


async def measured(wanted: Campaign, address: ControllerAddress | None) -> Report:
    """Measure here, or let a controller's fleet measure; return the report of what was found."""
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
    async with ApiSource(address) as source:
        started_ns = (await source.health()).now_ns
    await _pass_time(wanted.duration_s, ended)
    return await _reported(wanted, address, started_ns)


async def _reported(wanted: Campaign, address: ControllerAddress, started_ns: int) -> Report:
    """Return the report; a controller that is away at the end is waited for."""
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


async def run_planned(
    wanted: Campaign,
    file: pathlib.Path,
    address: ControllerAddress,
) -> tuple[CampaignDocument, bytes]:
    """Create a campaign and wait for its report; Ctrl-C ends it early. It, and the report.

    Raises ConfigError where its file is refused, ResourceError where there will be no report.
    """
    client, ended = CampaignClient(address), _ended_by_signals()
    for note in (await client.load(wanted, file)).notes:
        _tell(note)
    made = await client.create(wanted, file)
    _tell(
        Text(
            f"Campaign {made.name}: {counted(made.streams, 'stream')}.",
            f"专项测量 {made.name}：{made.streams:,} 条测量流。",
        )
    )
    campaign = await _wait_reported(client, made, ended)
    return campaign, await client.report(campaign.name)


async def _wait_reported(
    client: CampaignClient, campaign: CampaignDocument, ended: asyncio.Event
) -> CampaignDocument:
    """Return the campaign once it is reported, or never will be."""
    heard_s, told_s = time.monotonic(), -PROGRESS_S
    cancelled = False
    over_s: float | None = None
    while campaign.reported_ns is None:
        now_s = time.monotonic()
        if campaign.ended_ns is not None and over_s is None:
            over_s = now_s
        if over_s is not None and (campaign.begun_ns is None or now_s - over_s > AWAY_S):
            break  # asking for the report says why there is none
        if now_s - told_s >= PROGRESS_S:
            told_s = now_s
            _tell(_progress(campaign))
        with contextlib.suppress(TimeoutError):
            if cancelled:
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                await asyncio.wait_for(ended.wait(), LOOK_EVERY_S)
        try:
            if ended.is_set() and not cancelled:
                cancelled = True
                if campaign.ended_ns is None:
                    _tell(Text("Ended early; its report follows.", "提前结束，随后生成报告。"))
                    await client.cancel(campaign.name)
            campaign = await client.campaign(campaign.name)
            heard_s = time.monotonic()
        except SilentControllerError:
            if time.monotonic() - heard_s > AWAY_S:
                raise
    return campaign


def _progress(campaign: CampaignDocument) -> Text:
    left_s = (campaign.to_ns - time.time_ns()) / 1e9
    if campaign.state == "scheduled":
        wait_s = max(0.0, (campaign.from_ns - time.time_ns()) / 1e9)
        return Text(f"It begins in {wait_s:.0f} s …", f"将在 {wait_s:.0f} 秒后开始……")
    if campaign.state == "running":
        reporting = campaign.reporting or 0
        return Text(
            f"Measuring, {max(0.0, left_s):.0f} s left, {reporting:,} of "
            f"{counted(campaign.streams, 'stream')} report …",
            f"测量中，剩余 {max(0.0, left_s):.0f} 秒，{campaign.streams:,} 条测量流中 "
            f"{reporting:,} 条有数据……",
        )
    return Text("Waiting for the report …", "等待报告……")


def _tell(text: Text) -> None:
    click.echo(text.pick(language_of_environment()), err=True)
