"""How many full windows per second one core of a controller takes in over mutual TLS into SQLite.

The controller is the whole service (gate, ingest, store, judging, rollups), pinned to one core; the
agents' side has the other. The windows are a backlog: past the judged period, so they are stored
and rolled up but not judged.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import numpy as np

from bench.accounting import resident_mb, ticks_s
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
from messages.exchange import CHUNK_CONTENT_TYPE

AGENTS = 10
POSTS_AT_ONCE = 4  # of all agents together
SIZES = (5_000, 1_000, 200)  # windows per chunk
GOAL_PER_S, GOAL_ACK_MS, GOAL_BYTES = 200_000, 250.0, 60.0
_BOOT = "00c0ffee00c0ffee"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to."""

    windows_per_s: float
    ack_ms: np.ndarray
    core_ratio: float
    bytes_per_window: float
    resident_mb: float
    told: RunTotals


def measure(quick: bool) -> Report:
    runs = {
        size: _run(size, 5.0 if quick else 60.0 if size == SIZES[0] else 15.0) for size in SIZES
    }
    best = runs[SIZES[0]]
    p99_ms = float(np.quantile(best.ack_ms, 0.99))
    return Report(
        name="ingest_rate",
        title="Full windows into SQLite over mutual TLS, one core for the controller",
        columns=(
            "windows per chunk",
            "windows/s",
            "windows/CPU s",
            "ack p50 ms",
            "ack p99 ms",
            "bytes per window",
            "core used",
            "most memory MB",
            "intervals left to roll up",
        ),
        rows=[
            (
                f"{size:,}",
                f"{run.windows_per_s:,.0f}",
                f"{run.windows_per_s / run.core_ratio:,.0f}",
                f"{np.median(run.ack_ms):.0f}",
                f"{np.quantile(run.ack_ms, 0.99):.0f}",
                f"{run.bytes_per_window:.1f}",
                f"{run.core_ratio:.0%}",
                f"{run.resident_mb:.0f}",
                f"{run.told.pending:,}",
            )
            for size, run in runs.items()
        ],
        goals=[
            Goal(
                f"{GOAL_PER_S:,} windows/s in chunks of {SIZES[0]:,}",
                best.windows_per_s >= GOAL_PER_S,
                f"{best.windows_per_s:,.0f}",
            ),
            Goal(f"ack p99 ≤ {GOAL_ACK_MS:.0f} ms", p99_ms <= GOAL_ACK_MS, f"{p99_ms:.0f} ms"),
            Goal(
                f"≤ {GOAL_BYTES:.0f} bytes per window stored",
                best.bytes_per_window <= GOAL_BYTES,
                f"{best.bytes_per_window:.1f}",
            ),
        ],
        notes=(
            "Bytes: the chunks table's pages over its windows, rollups apart.",
            "The windows are past the judged period: stored and rolled up, not judged.",
        ),
    )


def _run(size: int, seconds: float) -> Run:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sites = site_file(directory, AGENTS, size // 2 - AGENTS + 1)
        owned = streams_by_agent(sites)
        certificates(directory, list(owned))
        rng = np.random.default_rng(1)
        templates = [
            Template(agent, _BOOT, full_windows(ids[:size], 0, rng)) for agent, ids in owned.items()
        ]
        cores = sorted(os.sched_getaffinity(0))
        with controller(directory, sites, cores[0]) as (program, url):
            os.sched_setaffinity(0, set(cores[1:]) or set(cores))
            try:
                cpu_s, began_s = ticks_s(program.pid), time.monotonic()
                ack_ms = asyncio.run(_load(directory, url, templates, seconds))
                took_s = time.monotonic() - began_s
                cpu_s = ticks_s(program.pid) - cpu_s
                most_mb = resident_mb(program.pid)[1]
            finally:
                os.sched_setaffinity(0, set(cores))
            told = msgspec.json.decode(program.end(15).said, type=RunTotals)
        if told.refused or told.windows != len(ack_ms) * size:
            raise RuntimeError(f"{told} after {len(ack_ms)} chunks")
        return Run(
            windows_per_s=told.windows / took_s,
            ack_ms=np.array(ack_ms),
            core_ratio=cpu_s / took_s,
            bytes_per_window=_chunk_bytes(directory / "data") / told.windows,
            resident_mb=most_mb,
            told=told,
        )


async def _load(
    directory: Path, url: str, templates: list[Template], seconds: float
) -> list[float]:
    """Deliver for so long; return how long each acknowledgement took, in ms."""
    first_ns = (time.time_ns() // WINDOW_NS - 6 * 3600) * WINDOW_NS  # 60 hours ago
    ends_s = time.monotonic() + seconds
    ack_ms: list[float] = []

    async def deliver(mine: list[Template], chunks: Iterator[int]) -> None:
        for i in chunks:
            template = mine[i % len(mine)]
            session = sessions[template.agent]
            start_ns = first_ns + i // len(mine) * WINDOW_NS
            body = template.chunk(i, start_ns)
            began_s = time.monotonic()
            if began_s > ends_s:
                return
            address = f"{url}/api/v1/agents/{template.agent}/chunks"
            async with session.post(address, data=body) as answer:
                if answer.status != 200:
                    raise RuntimeError(await answer.text())
                await answer.read()
            ack_ms.append((time.monotonic() - began_s) * 1e3)

    sessions = {
        template.agent: aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context(directory, template.agent)),
            headers={"Content-Type": CHUNK_CONTENT_TYPE},
        )
        for template in templates
    }
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(POSTS_AT_ONCE):
                mine = templates[number::POSTS_AT_ONCE]
                group.create_task(deliver(mine, iter(range(sys.maxsize))), name=f"load-{number}")
    finally:
        for session in sessions.values():
            await session.close()
    return ack_ms


def _chunk_bytes(data: Path) -> int:
    """Return the pages that the table of chunks and its indices occupy."""
    connection = sqlite3.connect(data / "isochrone.db")
    try:
        return int(
            connection.execute(
                "SELECT sum(pgsize) FROM dbstat('main', 1) WHERE name LIKE '%chunks%'"
            ).fetchone()[0]
        )
    finally:
        connection.close()


if __name__ == "__main__":
    script(measure)
