"""Memory of a controller with 20,000 streams, judged and rolled up as it goes.

An hour of simulated time: a clock that the benchmark moves, every window of every stream delivered
through ingest, a round of judging, rollups and forgetting each simulated minute (a controller
judges every five seconds, and then has fewer windows to merge at a time). Windows leave the memory
after the 15 minutes that are judged, so from then on it must stay as it is. Memory is what the
system counts: after every simulated minute, and the most it ever was in each.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.accounting import Program, forget_most, resident_mb
from bench.report import Goal, Report, script
from bench.store_fleet import site_file, streams_by_agent
from bench.store_windows import WINDOW_NS, Template, full_windows
from controller.api.services import Services
from controller.serving.assembly import open_services
from controller.settings import Settings
from foundation.allocation import give_back, limit_arenas
from foundation.clock import SystemClock
from lab.fleet.children import python_command
from topology.site_file import load_network

AGENTS, TEMPLATES = 100, 2  # the templates are in the memory that is measured
MINUTES, SETTLED_MINUTES = 60, 18
GOAL_MB, FLAT_MB_AN_HOUR = 400.0, 10.0
AT_ONCE = 20  # agents that deliver together, whose chunks are committed together
_BOOT = "00c0ffee00c0ffee"


class Moved(SystemClock):
    """A wall clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = time.time_ns() // 60_000_000_000 * 60_000_000_000

    def wall_ns(self) -> int:
        return self.now_ns


class RunTotals(msgspec.Struct):
    """Resident megabytes after each simulated minute, the most within it, and what was stored."""

    streams: int
    windows: int
    resident_mb: list[float]
    most_mb: list[float]


def measure(quick: bool) -> Report:
    minutes = 4 if quick else MINUTES
    settled = 2 if quick else SETTLED_MINUTES
    with tempfile.TemporaryDirectory() as name:
        program = Program(
            *python_command("-m", "bench.controller_memory", "run", name, str(minutes))
        )
        ended = program.end(limit_s=1800)
    if ended.code:
        raise RuntimeError(ended.complained.decode()[-2000:])
    told = msgspec.json.decode(ended.said, type=RunTotals)
    later, most = told.resident_mb[settled:], max(told.most_mb)
    marks = sorted({0, settled - 1, settled, minutes // 2 - 1, minutes * 3 // 4 - 1, minutes - 1})
    return Report(
        name="controller_memory",
        title=f"Memory of a controller with {told.streams:,} streams, "
        f"{minutes} minutes of simulated time",
        columns=("simulated minute", "MB after it", "most MB within it"),
        rows=[
            (str(mark + 1), f"{told.resident_mb[mark]:,.0f}", f"{told.most_mb[mark]:,.0f}")
            for mark in marks
        ],
        goals=[
            Goal(
                f"≤ {GOAL_MB:.0f} MB at every moment, judging too",
                most <= GOAL_MB,
                f"{most:.0f} MB at most, {max(later):.0f} MB at most after a round",
            ),
            *([] if quick else [_flat(later)]),  # four minutes are not settled
        ],
        notes=(
            f"{told.windows:,} windows were delivered, judged and rolled up in "
            f"{ended.wall_s / 60:.1f} minutes, {ended.cpu_s:.0f} s of CPU.",
        ),
    )


def _flat(later: list[float]) -> Goal:
    slope = float(np.polyfit(np.arange(len(later)) / 60, later, 1)[0])
    return Goal(
        f"flat after {SETTLED_MINUTES} minutes (less than {FLAT_MB_AN_HOUR:.0f} MB an hour)",
        slope < FLAT_MB_AN_HOUR,
        f"{slope:+.1f} MB an hour",
    )


async def _live(directory: Path, minutes: int) -> RunTotals:
    sites = site_file(directory, AGENTS, 0, presets="jiangsu")
    clock = Moved()
    state = open_services(load_network(sites), directory / "data", Settings(), clock)
    owned = streams_by_agent(sites)
    rng = np.random.default_rng(2)
    templates = {agent: _templates(agent, ids, rng) for agent, ids in owned.items()}
    resident: list[float] = []
    most: list[float] = []
    for minute in range(minutes):
        forget_most()
        for interval in range(6):
            await _interval(state, templates, minute * 6 + interval, clock)
        await state.rounds.make()
        while await asyncio.to_thread(state.store.rollups.roll_up, clock.now_ns, 32):
            pass
        await asyncio.to_thread(state.store.rollups.expire, clock.now_ns)
        give_back()  # as controller.supervision.housekeeping does
        now_mb, most_mb = resident_mb(_own_pid())
        resident.append(now_mb)
        most.append(most_mb)
        print(f"minute {minute + 1}: {now_mb:.0f}, {most_mb:.0f} MB", file=sys.stderr, flush=True)
    windows = state.ingest.results["windows"]
    assert windows == minutes * 6 * len(state.rounds.scope.streams), state.ingest.refused
    state.close()
    return RunTotals(
        streams=len(state.rounds.scope.streams),
        windows=windows,
        resident_mb=resident,
        most_mb=most,
    )


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


def _templates(agent: str, ids: np.ndarray, rng: np.random.Generator) -> list[Template]:
    base_ns = rng.uniform(500_000, 15_000_000, len(ids))
    return [Template(agent, _BOOT, full_windows(ids, 0, rng, base_ns)) for _ in range(TEMPLATES)]


async def _interval(
    state: Services, templates: dict[str, list[Template]], number: int, clock: Moved
) -> None:
    """Have ten seconds go by, and every agent deliver them."""
    start_ns = clock.now_ns
    clock.now_ns += WINDOW_NS
    some = iter(templates.items())
    while now := list(itertools.islice(some, AT_ONCE)):
        async with asyncio.TaskGroup() as tasks:
            for agent, made in now:
                chunk = made[number % TEMPLATES].chunk(number, start_ns)
                tasks.create_task(state.ingest.accept(agent, chunk), name=agent)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        limit_arenas(arenas=2)
        told = asyncio.run(_live(Path(sys.argv[2]), int(sys.argv[3])))
        sys.stdout.buffer.write(msgspec.json.encode(told))
    else:
        script(measure)
