"""One run of the lab from start to table: start, measure, stop, compare with the truth."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec

from controller.commands.result_files import is_written_through, write_result
from foundation.results import are_hangups_handled, ignore_hangups, results_follow
from foundation.text import Text, counted, language_of_environment
from lab.fleet.api_client import ApiClient
from lab.fleet.children import child_environment, follow_parent, isochrone_command
from lab.fleet.comparison import PathProbes, Row, Summary, compare, seen_of, stream_of, summarise
from lab.fleet.fleet import Fleet, running
from lab.fleet.packet_log import read_log
from lab.fleet.run_directory import RunDirectory
from lab.fleet.scenario import Scenario
from lab.fleet.stored import Continuity, StoredWindows, continuity_of, read_stored
from lab.fleet.table import summary_lines, table_lines, target_lines
from lab.fleet.truth import EmulatorError, emulator_error, pair_probes
from lab.progress import tell
from topology.mesh import plan_streams
from topology.targets import demands

_LIVE_PERIOD_S = 60.0  # what verdicts are based on while the terminal UI is open
_JUDGED_WAIT_S = 20.0
_TOLD_WITHIN_S = 2.0  # what a controller has not told by then is not waited for


@dataclass(frozen=True, slots=True)
class Fault:
    """The controller is killed a third of the way through and comes back after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found."""

    rows: list[Row]
    summary: Summary
    error: EmulatorError
    continuity: Continuity
    probes_in_log: int


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the run in order, as Ctrl-C does.

    A second SIGHUP is the same terminal once more; one that is ignored (nohup) stays so.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            ignore_hangups()
        raise SystemExit(128 + number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if are_hangups_handled() else [])]
    before = {n: signal.signal(n, stop) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_headless(
    scenario: Scenario, seconds: float, keep: Path | None, fault: Fault | None
) -> Outcome:
    """Run a scenario for `seconds` of measuring and compare the verdicts with the truth."""
    with (
        ended_by_signals(),
        contextlib.closing(RunDirectory(keep)) as directory,
        running(Fleet(scenario, directory, seconds)) as fleet,
    ):
        asyncio.run(_come_up(fleet))
        tell(Text(f"Measuring for {seconds:.0f} s …", f"测量 {seconds:.0f} 秒……"))
        with may_end_early():
            _measure(fleet, seconds, fault)
        return _conclude(fleet)


def run_with_tui(
    scenario: Scenario, seconds: float | None, keep: Path | None, *, compared: bool
) -> Outcome | None:
    """Run a scenario under the terminal UI until it is left, or `seconds` are over.

    Who leaves it wants the prompt: verdicts are counted, and held against the truth only where
    they are to be `compared`, since the log of the truth takes a while to be complete.
    """
    with (
        ended_by_signals(),
        contextlib.closing(RunDirectory(keep)) as directory,
        running(Fleet(scenario, directory, _LIVE_PERIOD_S)) as fleet,
    ):
        asyncio.run(_come_up(fleet))
        began = time.monotonic()
        with may_end_early():
            show_tui(fleet.controller.url, seconds, fleet.check)
        if compared:
            return _conclude(fleet)
        sum_up(fleet.controller.url, time.monotonic() - began)
    return None


@contextlib.contextmanager
def may_end_early() -> Iterator[None]:
    """Let the first signal end the measuring alone: what was measured is shown."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        tell(Text("Ended early; this is what was measured.", "提前结束，以下为已测结果。"))
    ignore_hangups()


def sum_up(url: str, seconds: float) -> None:
    """Say in a few lines what was measured, as far as the controller tells at once."""
    language = language_of_environment()
    verdicts = asyncio.run(_verdicts_now(url))
    results_follow("lab")
    said = Text(
        f"{counted(len(verdicts), 'verdict')} after {seconds:.0f} s of measuring:",
        f"测量 {seconds:.0f} 秒，共 {len(verdicts)} 条判定：",
    )
    if not verdicts:
        said = Text("No verdict was told.", "尚无判定。")
    click.echo(said.pick(language))
    pairs = [(verdict["target"], verdict["verdict"]) for verdict in verdicts]
    for line in target_lines(pairs, language):
        click.echo(line)


async def _verdicts_now(url: str) -> list[dict[str, Any]]:
    async with ApiClient(url) as api:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TOLD_WITHIN_S):
                return await api.items("verdicts")
    return []


def show_tui(url: str, seconds: float | None, check: Any) -> None:
    """Open the terminal UI as a child in this terminal; return when it ends or time is over."""
    until = None if seconds is None else time.monotonic() + seconds
    process = subprocess.Popen(  # our own program, no shell
        isochrone_command("tui", "--url", url),
        env=child_environment(),
        preexec_fn=follow_parent(signal.SIGTERM),
    )
    try:
        while process.poll() is None and (until is None or time.monotonic() < until):
            check()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.25)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


async def _come_up(fleet: Fleet) -> None:
    took_s = await fleet.wait_until_measuring()
    url = fleet.controller.url
    tell(
        Text(
            f"All agents measure after {took_s:.0f} s: {url}",
            f"{took_s:.0f} 秒后探针全部就绪：{url}",
        )
    )


def _measure(fleet: Fleet, seconds: float, fault: Fault | None) -> None:
    """Let time pass, watching the children; kill and restart the controller where asked."""
    began = time.monotonic()
    kill_at = began + seconds / 3 if fault is not None else None
    back_at = None
    while time.monotonic() < began + seconds:
        now = time.monotonic()
        if kill_at is not None and now >= kill_at and fault is not None:
            fleet.controller.kill()
            kill_at, back_at = None, now + fault.seconds
            tell(Text("The controller is killed (kill -9).", "控制器已被强制终止（kill -9）。"))
        if back_at is not None and now >= back_at:
            fleet.controller.start()
            back_at = None
            tell(Text("The controller is started again.", "控制器已重新启动。"))
        fleet.check()
        time.sleep(0.2)
    if back_at is not None:
        fleet.controller.start()


def _conclude(fleet: Fleet) -> Outcome:
    """Take the last verdicts, stop everything cleanly, and compare with the truth."""
    last = asyncio.run(_last_round(fleet.controller.url, time.time_ns()))
    tell(Text("Stopping the agents and comparing with the truth …", "正在停止探针并与真值比对……"))
    fleet.stop_agents()
    windows = asyncio.run(_stored(fleet.controller.url))
    fleet.controller.stop()
    streams = plan_streams(fleet.scenario.network)
    log = read_log(fleet.log_dir)
    ports = {port for s in streams if (port := s.type_p.reflector_port) is not None}
    probes = PathProbes(pair_probes(log, ports), fleet.scenario.addresses())
    rows = compare(
        demands(fleet.scenario.network, streams),
        last.verdicts,
        probes,
        windows.judged(last.data_from_ns, last.judged_ns),
        stream_of(streams),
    )
    continuity = continuity_of(windows, seen_of(streams, probes))
    return Outcome(rows, summarise(rows), emulator_error(log), continuity, len(probes))


@dataclass(frozen=True, slots=True)
class _Round:
    """The verdicts of one round, when it was made, and when what it is based on begins."""

    verdicts: list[dict[str, Any]]
    judged_ns: int
    data_from_ns: int


async def _last_round(url: str, after_ns: int) -> _Round:
    """Return what was judged in a round made after `after_ns`."""
    until = time.monotonic() + _JUDGED_WAIT_S
    async with ApiClient(url) as api:
        while True:
            verdicts = await api.items("verdicts")
            health = await api.get("health") or {}
            judged_ns = [verdict["judged_ns"] or 0 for verdict in verdicts]
            last_ns = max(judged_ns, default=0)
            is_new = bool(verdicts) and min(judged_ns) >= after_ns
            if (is_new and health.get("judged_ns") == last_ns) or time.monotonic() > until:
                return _Round(verdicts, last_ns, health.get("data_from_ns") or 0)
            await asyncio.sleep(0.25)


async def _stored(url: str) -> StoredWindows:
    async with ApiClient(url) as api:
        return await read_stored(api)


def report(outcome: Outcome, json_file: Path | None, *, rows: bool = True) -> int:
    """Print the table and write the JSON file; return the exit code: 1 if a verdict is wrong.

    Without `rows` what was found is summed up, as for who has seen it on the screen.
    """
    language = language_of_environment()
    lines = [
        *([*table_lines(outcome.rows, language), ""] if rows else []),
        *target_lines([(row.target, row.verdict) for row in outcome.rows], language),
        "",
        *summary_lines(outcome.summary, outcome.error, outcome.continuity, language),
    ]
    through = json_file is not None and is_written_through(json_file)
    results_follow("lab")
    click.echo("\n".join(lines), err=through)
    if json_file is not None:
        sys.stdout.flush()  # the table is out whatever becomes of the file
        write_result(json_file, msgspec.json.format(msgspec.json.encode(outcome.rows), indent=1))
    sys.stdout.flush()
    return 1 if outcome.summary.wrong else 0
