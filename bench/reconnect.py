"""200 agents come back at once after an outage, each with ten minutes of backlog.

Each is a real uplink (agent.uplink) with its own certificate and connections; its spool is a list
in memory. Every ten seconds each measures another window of every stream, which must not wait for
the backlog. The controller is the whole service on one core.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec
import numpy as np

from agent.channel.claim import Claim
from agent.channel.uplink import Uplink
from agent.conditions import Conditions
from agent.spool.counts import count_of
from agent.spool.file import SpooledChunk
from agent.spool.spooler import Spooler
from agent.wake_up import WakeUp
from bench.report import Goal, Report, script
from bench.store_fleet import (
    RunTotals,
    certificates,
    context,
    controller,
    site_file,
    streams_by_agent,
)
from bench.store_windows import WINDOW_NS, Template, full_windows

AGENTS, BACKLOG = 200, 60  # chunks of ten seconds
GOAL_LATE_S = 30.0
LIMIT_S = 300.0
_BOOT = "00c0ffee00c0ffee"


class ListedSpool:
    """What the uplink asks of a spool, in a list; notes how old live windows were when taken."""

    def __init__(self, template: Template, now_ns: int) -> None:
        self._template = template
        first_ns = now_ns // WINDOW_NS * WINDOW_NS - BACKLOG * WINDOW_NS
        self._starts = {i: first_ns + i * WINDOW_NS for i in range(BACKLOG)}
        self.made = BACKLOG
        self.late_s: list[float] = []
        self.drained_s: float | None = None
        self.drained, self.empty = asyncio.Event(), asyncio.Event()
        self.refused = 0
        self.stored = WakeUp()

    def measured(self) -> None:
        """Another ten seconds are over."""
        self.empty.clear()
        self._starts[self.made] = time.time_ns() - WINDOW_NS
        self.made += 1
        self.stored.set()

    @property
    def offers(self) -> ListedSpool:
        return self

    async def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def offer(self, oldest: int, newest: int) -> list[SpooledChunk]:
        waiting = list(self._starts)
        chosen = waiting[:oldest] + waiting[max(oldest, len(waiting) - newest) :]
        return [
            SpooledChunk(
                sequence=sequence,
                boot=_BOOT,
                start_ns=self._starts[sequence],
                count=count_of(windows=self._template.rows),
                payload=self._template.chunk(sequence, self._starts[sequence]),
            )
            for sequence in chosen
        ]

    def acknowledge(self, sequences: list[int], _twice: frozenset[int]) -> None:
        for sequence in sequences:
            start_ns = self._starts.pop(sequence)
            if sequence >= BACKLOG:
                self.late_s.append((time.time_ns() - start_ns - WINDOW_NS) / 1e9)
        if self.drained_s is None and min(self._starts, default=BACKLOG) >= BACKLOG:
            self.drained_s = time.monotonic()
            self.drained.set()
        if not self._starts:
            self.empty.set()

    def withdraw(self, sequences: list[int]) -> None:
        """Nothing is in doubt here."""

    def refuse(self, sequence: int, _reason: str) -> None:
        self._starts.pop(sequence)
        self.refused += 1


def measure(quick: bool) -> Report:
    agents = 30 if quick else AGENTS
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sites = site_file(directory, agents, 0, protocols=("icmp",))
        owned = streams_by_agent(sites)
        certificates(directory, list(owned))
        rng = np.random.default_rng(4)
        cores = sorted(os.sched_getaffinity(0))
        with controller(directory, sites, cores[0]) as (program, url):
            os.sched_setaffinity(0, set(cores[1:]) or set(cores))
            try:
                templates = [
                    Template(agent, _BOOT, full_windows(ids, 0, rng))
                    for agent, ids in owned.items()
                ]
                spools, took_s = asyncio.run(_reconnect(directory, url, templates))
            finally:
                os.sched_setaffinity(0, set(cores))
            told = msgspec.json.decode(program.end(15).said, type=RunTotals)
        chunks, distinct, windows = _stored(directory / "data")
    made = sum(spool.made for spool in spools)
    rows = templates[0].rows
    late_s = np.concatenate([spool.late_s for spool in spools])
    whole = chunks == distinct == made and windows == made * rows
    return Report(
        name="reconnect",
        title=f"{agents} agents with ten minutes of backlog come back at once",
        columns=("what", "figure"),
        rows=[
            ("streams", f"{agents * rows:,}"),
            ("backlog", f"{agents * BACKLOG:,} chunks, {agents * BACKLOG * rows:,} windows"),
            ("drained after", f"{took_s:.1f} s"),
            ("chunks per second", f"{made / took_s:,.0f}"),
            ("live windows old at acknowledgement, median", f"{np.median(late_s):.1f} s"),
            ("the same, worst", f"{late_s.max():.1f} s"),
            ("sent away for now (429)", f"{sum(told.refused.values()):,}"),
            ("repeated deliveries, recognised", f"{told.duplicates:,}"),
        ],
        goals=[
            Goal(
                "all drained, nothing lost or doubled",
                whole and not any(spool.refused for spool in spools),
                f"{made:,} chunks made, {chunks:,} stored, {distinct:,} distinct",
            ),
            Goal(
                f"live data never older than {GOAL_LATE_S:.0f} s",
                float(late_s.max()) <= GOAL_LATE_S,
                f"{late_s.max():.1f} s",
            ),
        ],
    )


async def _reconnect(
    directory: Path, url: str, templates: list[Template]
) -> tuple[list[ListedSpool], float]:
    """Start every uplink at once; return the spools and how long the backlog took."""
    spools = [ListedSpool(template, time.time_ns()) for template in templates]
    contexts = [context(directory, template.agent) for template in templates]
    sessions = [
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=each)) for each in contexts
    ]
    began_s = time.monotonic()

    async def live(spool: ListedSpool, phase_s: float) -> None:
        await asyncio.sleep(phase_s)
        while True:
            spool.measured()
            await asyncio.sleep(WINDOW_NS / 1e9)

    try:
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            works = []
            for i, (spool, session) in enumerate(zip(spools, sessions, strict=True)):
                address = f"{url}/api/v1/agents/{templates[i].agent}/chunks"
                claim = Claim()
                claim.confirm("")  # no control channel is open, so none is asked for
                uplink = Uplink(
                    session,
                    address,
                    cast(Spooler, spool),
                    Conditions(),
                    claim,
                    stored=spool.stored,
                )
                works.append(group.create_task(uplink.run(), name=f"uplink-{i}"))
                phase_s = 10.0 * i / len(spools)
                works.append(group.create_task(live(spool, phase_s), name=f"live-{i}"))
            for spool in spools:
                await spool.drained.wait()
            for work in works[1::2]:
                work.cancel()  # no more windows; those that are there still go
            for spool in spools:
                await spool.empty.wait()
            for work in works:
                work.cancel()
    finally:
        for session in sessions:
            await session.close()
    return spools, max(spool.drained_s or 0.0 for spool in spools) - began_s


def _stored(data: Path) -> tuple[int, int, int]:
    connection = sqlite3.connect(data / "isochrone.db")
    try:
        sql = (
            "SELECT count(*), count(DISTINCT agent || ' ' || boot || ' ' || sequence), "
            "sum(counts ->> 'windows')"
        )
        row = connection.execute(f"{sql} FROM chunks").fetchone()
        return int(row[0]), int(row[1]), int(row[2])
    finally:
        connection.close()


if __name__ == "__main__":
    script(measure)
