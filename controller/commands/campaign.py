"""`isochrone campaign`: measure for a bounded time and report it; what a controller keeps of it."""

from __future__ import annotations

import asyncio
import pathlib
from typing import TYPE_CHECKING

import click

from controller.client.link import ControllerAddress
from controller.client.options import controller_options, credential_options, url_of_environment
from controller.commands.result_files import (
    check_folder,
    is_written_through,
    keep_earlier,
    write_result,
)
from foundation.errors import ConfigError
from foundation.local_time import local_text
from foundation.results import results_follow
from foundation.text import Text, counted, language_of_environment

if TYPE_CHECKING:
    from controller.campaigns.request import CampaignLoad
    from controller.client.campaign_client import CampaignClient
    from controller.documents.campaign_schema import CampaignDocument
    from controller.reports.report import Report

_STATES = {
    "scheduled": Text("scheduled", "待开始"),
    "running": Text("running", "进行中"),
    "ended": Text("ended", "已结束"),
    "cancelled": Text("cancelled", "已取消"),
}


@click.group()
def campaign() -> None:
    """Run a measurement campaign and report on it."""


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
    from controller.commands.campaign_run import measured, run_planned
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
        campaign, page = asyncio.run(run_planned(wanted, file, address))
        results_follow("campaign run")
        say_results(campaign)
    else:
        found = asyncio.run(measured(wanted, address))
        page = render_report(found).encode()
        results_follow("campaign run")
        _print_summary(found)
    keep_report(path, page)


def _print_summary(report: Report) -> None:
    from controller.reports.words import VERDICT_WORDS

    language = language_of_environment()
    for indicator in report.indicators:
        counts = {VERDICT_WORDS[verdict]: n for verdict, n in indicator.counts.items() if n}
        line = "  ".join(f"{word.pick(language)} {n}" for word, n in counts.items())
        verdict = VERDICT_WORDS[indicator.verdict].pick(language)
        click.echo(f"{indicator.title.pick(language)}: {line or verdict}")


@campaign.command("create")
@click.argument("file", type=click.Path(path_type=pathlib.Path))
@click.option("--url", help="Controller to use instead of the one in the file.")
@click.option("--dry-run", is_flag=True, help="Show what it would send, without creating it.")
@credential_options
def create(
    file: pathlib.Path,
    url: str | None,
    dry_run: bool,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
) -> None:
    """Schedule the campaign in FILE on a controller."""
    from controller.campaigns.campaign_file import load_campaign

    wanted = load_campaign(file)
    url = url or wanted.controller or url_of_environment()
    if url is None or not wanted.mesh:
        raise ConfigError(
            f"{file.name} needs `mesh`, and `controller` (or --url), whose plan it adds to.",
            f"{file.name} 需要 `mesh`，以及 `controller`（或 --url）：测量流将加入该控制器的计划。",
            file=str(file),
        )
    client = _client(ControllerAddress(url, token_file, ca))
    say_load(asyncio.run(client.load(wanted, file)))
    if not dry_run:
        _show(asyncio.run(client.create(wanted, file)))


@campaign.command("list")
@controller_options
def list_(address: ControllerAddress) -> None:
    """Show the campaigns of a controller, oldest first."""
    found = asyncio.run(_client(address).campaigns())
    for campaign in found:
        click.echo(_line(campaign))
    if not found:
        click.echo(_say(Text("There is no campaign.", "没有专项测量。")), err=True)


@campaign.command("show")
@click.argument("name")
@controller_options
def show(name: str, address: ControllerAddress) -> None:
    """Show the state and the results of campaign NAME."""
    _show(asyncio.run(_client(address).campaign(name)))


@campaign.command("cancel")
@click.argument("name")
@controller_options
def cancel(name: str, address: ControllerAddress) -> None:
    """Cancel campaign NAME, or end it now and report what it has measured."""
    _show(asyncio.run(_client(address).cancel(name)))


@campaign.command("report")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path, allow_dash=True),
    default=pathlib.Path(),
    help="Directory for the report, or - for standard output; by default the current directory.",
)
@controller_options
def report(
    name: str,
    out: pathlib.Path,
    address: ControllerAddress,
) -> None:
    """Save the report of campaign NAME."""
    client = _client(address)
    if is_written_through(out):
        write_result(out, asyncio.run(client.report(name)))
        return
    check_folder(out, "--out", make=True)
    keep_report(out / f"{name}.html", asyncio.run(client.report(name)))


def keep_report(path: pathlib.Path, page: bytes) -> None:
    """Write a report beside an earlier one of the same name, and say where."""
    earlier = keep_earlier(path)
    write_result(path, page)
    if earlier is not None:
        click.echo(_say(Text(f"Earlier report: {earlier}", f"先前的报告：{earlier}")))
    click.echo(_say(Text(f"Report: {path}", f"报告：{path}")))


def say_load(load: CampaignLoad) -> None:
    """Say what a campaign would send."""
    rate = f"{load.packets_per_s:,.1f} probes/s, {_bits(load.bits_per_s)}"
    rate_zh = f"{load.packets_per_s:,.1f} 个探测包/秒，{_bits(load.bits_per_s)}"
    lines = [
        Text(
            f"{counted(load.streams, 'stream')}: {load.streams_added:,} new, "
            f"{load.streams_faster:,} run "
            f"already and run faster; {rate} more in all.",
            f"{load.streams:,} 条测量流：新增 {load.streams_added:,} 条，已有而提速 "
            f"{load.streams_faster:,} 条；合计增加 {rate_zh}。",
        )
    ]
    for busiest, word in (
        (load.busiest_agent, Text("Busiest agent", "最繁忙的探针")),
        (load.busiest_destination, Text("Busiest destination", "最繁忙的目的地")),
    ):
        if busiest is not None:
            bits = _bits(busiest.bits_per_s)
            lines.append(
                Text(
                    f"{word.en}: {busiest.name}, {busiest.packets_per_s:,.1f} probes/s, {bits} "
                    "with all that is planned.",
                    f"{word.zh}：{busiest.name}，连同全部计划共 {busiest.packets_per_s:,.1f} 个"
                    f"探测包/秒，{bits}。",
                )
            )
    for line in (*lines, *load.notes):
        click.echo(_say(line))


def say_results(campaign: CampaignDocument) -> None:
    """Say what a campaign found, target by target, and what was not as asked."""
    from controller.reports.words import VERDICT_WORDS

    for note in campaign.notes:
        click.echo(_say(note))
    for result in campaign.results:
        counts = {VERDICT_WORDS[verdict]: count for verdict, count in result.counts.items()}
        line = "  ".join(f"{_say(word)} {count}" for word, count in counts.items())
        click.echo(f"{_say(result.title)}: {line or _say(VERDICT_WORDS[result.verdict])}")


def _show(campaign: CampaignDocument) -> None:
    click.echo(_line(campaign))
    say_results(campaign)


def _line(campaign: CampaignDocument) -> str:
    ends_ns = campaign.to_ns
    if campaign.ended_ns is not None:
        ends_ns = min(ends_ns, max(campaign.ended_ns, campaign.from_ns))
    streams = Text(counted(campaign.streams, "stream"), f"{campaign.streams:,} 条测量流")
    if campaign.reporting is not None:
        streams = Text(
            f"{streams.en}, {campaign.reporting:,} report",
            f"{streams.zh}，{campaign.reporting:,} 条有数据",
        )
    if campaign.refused or campaign.throttled:
        refused, throttled = campaign.refused or 0, campaign.throttled or 0
        streams = Text(
            f"{streams.en}, {refused:,} refused and {throttled:,} slowed by owners",
            f"{streams.zh}，{refused:,} 条被所有者拒绝，{throttled:,} 条被限速",
        )
    state, period = (
        _say(_STATES[campaign.state]),
        f"{local_text(campaign.from_ns)} – {local_text(ends_ns)}",
    )
    title = _say(campaign.title)
    return f"{campaign.name}  {state}  {period}  ({_say(streams)})  {title}"


def _client(address: ControllerAddress) -> CampaignClient:
    from controller.client.campaign_client import CampaignClient

    return CampaignClient(address)


def _bits(bits_per_s: float) -> str:
    if bits_per_s >= 1e6:
        return f"{bits_per_s / 1e6:,.2f} Mbit/s"
    return f"{bits_per_s / 1e3:,.1f} kbit/s"


def _say(text: Text) -> str:
    return text.pick(language_of_environment())
