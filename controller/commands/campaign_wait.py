"""Waiting for a campaign that a controller measures, from its creation to its report."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
from collections.abc import Callable

import click

from controller.campaigns.campaign_file import Campaign
from controller.client.campaigns import CampaignClient
from controller.client.errors import SilentControllerError
from controller.client.link import ControllerAddress
from controller.documents.campaigns import CampaignDocument
from foundation.text import Text, counted, language_of_environment

LOOK_EVERY_S, TELL_EVERY_S = 1.0, 10.0
AWAY_S = 600.0  # a controller that is away is waited for, and so is a report


async def run_planned(
    wanted: Campaign,
    file: pathlib.Path,
    address: ControllerAddress,
    ended_by_signals: Callable[[], asyncio.Event],
) -> tuple[CampaignDocument, bytes]:
    """Create a campaign and wait for its report; Ctrl-C ends it early. It, and the report.

    Raises ConfigError where its file is refused, ResourceError where there will be no report.
    """
    client, ended = CampaignClient(address), ended_by_signals()
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
    heard_s, told_s = time.monotonic(), -TELL_EVERY_S
    cancelled = False
    over_s: float | None = None
    while campaign.reported_ns is None:
        now_s = time.monotonic()
        if campaign.ended_ns is not None and over_s is None:
            over_s = now_s
        if over_s is not None and (campaign.begun_ns is None or now_s - over_s > AWAY_S):
            break  # asking for the report says why there is none
        if now_s - told_s >= TELL_EVERY_S:
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
