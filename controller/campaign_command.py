"""`isochrone campaign`: run a bounded campaign and write its report."""

from __future__ import annotations

import asyncio
import pathlib
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from controller.client_link import ControllerAddress, credential_options
from probes.errors import ConfigError, ResourceError
from probes.reasons import reason_of
from probes.text import Text, language_of_environment

if TYPE_CHECKING:
    from controller.campaign import Campaign
    from controller.report import Report

PROGRESS_S = 10.0
PATIENCE_S = 30.0  # for the last windows to arrive and be judged


@click.group()
def campaign() -> None:
    """Run a bounded campaign and report it."""


@campaign.command("run")
@click.argument("file", type=click.Path(path_type=pathlib.Path))
@click.option("--url", help="Controller to use, instead of the one the file names.")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    default=pathlib.Path(),
    help="Directory for the report; the current one by default.",
)
@credential_options
def run(
    file: pathlib.Path,
    url: str | None,
    out: pathlib.Path,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
) -> None:
    """Measure for the time that FILE names and write a self-contained HTML report."""
    from controller.campaign import load_campaign
    from controller.report_page import render_report

    wanted = load_campaign(file)
    if url is None and wanted.controller is None and wanted.sites is None:
        raise ConfigError(
            f"{file.name} names neither `controller` nor `sites`: add one, or give --url.",
            f"{file.name} 既没有 `controller` 也没有 `sites`：请补充其一，或使用 --url。",
            file=str(file),
        )
    _make_folder(out)  # before measuring for hours
    url = url or wanted.controller
    address = None if url is None else ControllerAddress(url, token_file, ca)
    report = asyncio.run(_measure(wanted, address))
    path = out / f"{wanted.name}.html"
    try:
        path.write_text(render_report(report), encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error
    _print_summary(report)
    click.echo(_say(Text(f"Report: {path}", f"报告：{path}")))


async def _measure(wanted: Campaign, address: ControllerAddress | None) -> Report:
    from controller.campaign_local import measured_here
    from controller.campaign_source import ApiSource
    from controller.report import assemble

    if address is None:
        assert wanted.sites is not None
        started_ns = time.time_ns()
        site_file = pathlib.Path(wanted.sites)
        async with (
            measured_here(
                site_file, window_s=wanted.window_s, duration_s=wanted.duration_s, wait=_pass_time
            ) as here,
            ApiSource(ControllerAddress(here)) as source,
        ):
            ended_ns = time.time_ns()
            await source.wait_judged_after(ended_ns, PATIENCE_S)
            return assemble(wanted, await source.answers(), started_ns, ended_ns, None)
    async with ApiSource(address) as source:
        started_ns = (await source.health()).now_ns
        await _pass_time(wanted.duration_s)
        ended_ns = (await source.health()).now_ns
        await source.wait_judged_after(ended_ns, PATIENCE_S)
        return assemble(wanted, await source.answers(), started_ns, ended_ns, address.url)


async def _pass_time(duration_s: float) -> None:
    left_s = duration_s
    while left_s > 0:
        click.echo(
            _say(Text(f"Measuring, {left_s:.0f} s left …", f"测量中，剩余 {left_s:.0f} 秒……")),
            err=True,
        )
        step_s = min(PROGRESS_S, left_s)
        await asyncio.sleep(step_s)
        left_s -= step_s


def _print_summary(report: Report) -> None:
    language = language_of_environment()
    for indicator in report.indicators:
        counts = Counter(indicator.counts)
        line = "  ".join(f"{verdict} {number}" for verdict, number in counts.items() if number)
        click.echo(f"{indicator.title.pick(language)}: {line or indicator.standing}")


def _make_folder(out: pathlib.Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(out, error) from error


def _cannot_write(path: pathlib.Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"Cannot write {path}: {error.strerror}; choose another place with --out.",
        f"无法写入 {path}：{reason_of(error).zh}；请用 --out 指定其他位置。",
        file=str(path),
    )


def _say(text: Text) -> str:
    return text.pick(language_of_environment())
