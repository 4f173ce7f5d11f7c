"""How fast the store and the API answer: one path over a month and a year, all paths now.

The store holds the minutes of 200 streams for 30 days, their hours for a year, written hour after
hour as the controller writes them. The matrix is that of 300 sites in a full mesh, judged.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from aiohttp import web

from bench.report import Goal, Report, script, spread
from bench.store_fleet import site_file, streams_by_agent
from bench.store_windows import WINDOW_NS, full_windows
from controller.api.application import make_app
from controller.documents.matrix import LATELY_NS
from controller.serving.assembly import open_services
from controller.settings import Settings
from controller.store.levels import DAY, DAY_NS, HOUR, MINUTE, Level
from controller.store.points import POINT, pack_figures, pack_tiles, points_of
from controller.store.records import StreamRecord
from controller.store.rollup_blocks import block_of
from controller.store.sqlite.database import Database
from controller.store.sqlite.engine import store_on
from foundation.clock import SystemClock
from messages.chunk import encode_windows
from topology.site_file import load_network

STREAMS, DAYS = 200, 30
SITES = 300
MONTH_GOAL_MS, MATRIX_GOAL_MS = 30.0, 100.0
T0_NS = 20_000 * DAY_NS
_BOOT = "00c0ffee00c0ffee"


class Later(SystemClock):
    """A clock whose steady side can be set ahead."""

    later_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.later_ns


class Took(NamedTuple):
    """What an answer took: by the clock, and of this process's CPU (asker's and answerer's)."""

    wall_ms: float
    cpu_ms: float


class Watch:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def took(self) -> Took:
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        return Took(wall_s * 1e3, cpu_s * 1e3)


def measure(quick: bool) -> Report:
    rounds = 5 if quick else 25
    with tempfile.TemporaryDirectory() as name:
        history = _history(Path(name), rounds)
    with tempfile.TemporaryDirectory() as name:
        matrix = asyncio.run(_matrix(Path(name), 60 if quick else SITES, 3 if quick else 9))
    month = np.median(history["30 days of a path by minutes, from the store"], axis=0)
    first = np.median(matrix["matrix of all targets, asked for the first time"], axis=0)
    cold = np.median(matrix["matrix of one target, asked for the first time"], axis=0)
    watched = np.median(matrix["matrix of one target of a new round, watched"], axis=0)
    return Report(
        name="store_reads",
        title="Reading: one path over time, all paths now",
        columns=("question", "ms", "CPU ms"),
        rows=[
            (what, *(spread(list(column), 1) for column in zip(*took, strict=True)))
            for what, took in (history | matrix).items()
        ],
        goals=[
            Goal(
                f"30 days of one path at 1-minute steps ≤ {MONTH_GOAL_MS:.0f} ms",
                month[0] <= MONTH_GOAL_MS,
                _reached(*month),
            ),
            *(
                Goal(
                    f"{SITES}-site matrix from the API ≤ {MATRIX_GOAL_MS:.0f} ms, {what}",
                    took[0] <= MATRIX_GOAL_MS,
                    _reached(*took),
                )
                for what, took in (
                    ("of all targets, first asked", first),
                    ("of one target, first asked", cold),
                    ("of one target, watched", watched),
                )
            ),
        ],
        notes=(
            "Judged by the median of what the clock showed; CPU ms beside it tell what other "
            "programs added. With the asker's share, which reads in-process.",
            "The matrix of all targets is made with each round, that of one target once it is asked"
            " for and then with each round; both are of all pairs of sites here.",
            f"The month: 43,200 points of {len(POINT.names or ())} figures as arrays, among "
            f"{STREAMS} streams' in the same file, the file in the system's cache.",
        ),
    )


def _reached(wall_ms: float, cpu_ms: float) -> str:
    return f"{wall_ms:.1f} ms, {cpu_ms:.1f} ms of CPU"


def _history(directory: Path, rounds: int) -> dict[str, list[Took]]:
    ids = np.arange(1, STREAMS + 1, dtype=np.uint64)
    database = Database(directory)
    _fill(database, ids)
    store = store_on(database)
    record = StreamRecord(stream_id=77, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")
    end_ns = T0_NS + 365 * DAY_NS

    def ask(days: int, level: Level, points: int) -> Callable[[], None]:
        def once() -> None:
            answer = store.series.read(
                [record], end_ns - days * DAY_NS, end_ns, step_ns=level.step_ns
            )
            assert (answer.level, len(answer.points)) == (level.name, points), len(answer.points)

        return once

    took = {
        "30 days of a path by minutes, from the store": _timed(ask(30, MINUTE, 43_200), rounds),
        "a year of a path by hours, from the store": _timed(ask(365, HOUR, 8_760), rounds),
        "a year of a path by days, from the store": _timed(ask(365, DAY, 365), rounds),
    }
    store.close()
    return took


def _fill(database: Database, ids: np.ndarray) -> None:
    """Write tiles in the order of time; the last of each level is still in blocks."""
    rng = np.random.default_rng(3)
    blocks = [block_of([full_windows(ids, i * WINDOW_NS, rng) for i in range(6)])] * 3
    points = np.stack([points_of(blocks[i % 3].aggregate) for i in range(60)], axis=1)
    for name in ("rtt_mean_ns", "rtt_p50_ns", "forward_mean_ns", "backward_mean_ns"):
        points[name] *= rng.uniform(0.99, 1.01, points.shape).astype(np.float32)
    end_ns = T0_NS + 365 * DAY_NS
    for level, first_ns in ((DAY, T0_NS), (HOUR, T0_NS), (MINUTE, end_ns - DAYS * DAY_NS)):
        tiles = pack_tiles(points[:, : level.slots])
        last_ns = end_ns // level.span_ns * level.span_ns - level.span_ns
        starts = range(first_ns // level.span_ns * level.span_ns, last_ns, level.span_ns)
        rows = [
            (level.code, stream_id, start_ns, tile)
            for start_ns in starts
            for stream_id, tile in zip(ids.tolist(), tiles, strict=True)
        ]
        _write(
            database,
            "INSERT INTO tiles (level, stream_id, start_ns, payload) VALUES (?,?,?,?)",
            rows,
        )
        oldest = (level.code, "nanjing", starts[0], None, b"")  # tells where the level begins
        figures = pack_figures(ids, points_of(blocks[0].aggregate))
        newest = [oldest] + [
            (level.code, "nanjing", start_ns, figures, b"")
            for start_ns in range(max(last_ns, first_ns), end_ns, level.step_ns)
        ]
        _write(
            database,
            "INSERT INTO rollups (level, agent, start_ns, figures, payload) VALUES (?,?,?,?,?)",
            newest,
        )


def _write(database: Database, sql: str, rows: list[tuple[Any, ...]]) -> None:
    database.submit(lambda connection: connection.executemany(sql, rows).rowcount).result()


def _timed(once: Callable[[], None], rounds: int) -> list[Took]:
    once()
    took = []
    for _ in range(rounds):
        watch = Watch()
        once()
        took.append(watch.took())
    return took


async def _matrix(directory: Path, sites: int, rounds: int) -> dict[str, list[Took]]:
    path = site_file(directory, sites, 0, presets="jiangsu", protocols=("icmp",))
    clock = Later()
    state = open_services(load_network(path), directory / "data", Settings(), clock)
    gc.freeze()  # as controller.serving.service does
    target = Counter(demand.target.name for demand in state.rounds.scope.demands).most_common(1)[0][
        0
    ]
    of_one = f"/api/v1/matrix?target={target}"
    runner = web.AppRunner(make_app(state), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, directory / "api.sock").start()
    start_ns = (time.time_ns() // WINDOW_NS - 2) * WINDOW_NS
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    token = state.access.create_api_token("viewer", "bench", None)
    afar = f"http://127.0.0.1:{runner.addresses[-1][1]}"
    rng = np.random.default_rng(5)
    first, cold, watched, again, packed, page = [], [], [], [], [], []
    connector = aiohttp.UnixConnector(path=str(directory / "api.sock"))
    async with (
        aiohttp.ClientSession("http://controller", connector=connector) as session,
        aiohttp.ClientSession(afar, headers={"Authorization": f"Bearer {token}"}) as remote,
    ):
        for agent, ids in streams_by_agent(path).items():
            batch = full_windows(ids, start_ns, rng)
            body = encode_windows(batch, agent=agent, boot=_BOOT, sequence=0, plan_version=1)
            await state.ingest.accept(agent, body)
        for _ in range(rounds):
            clock.later_ns += LATELY_NS + 1  # in between nobody asked
            await state.rounds.make()
            first.append(await _get(session, "/api/v1/matrix"))
            cold.append(await _get(session, of_one))
            await state.rounds.make()
            watched.append(await _get(session, of_one))
            again.append(await _get(session, "/api/v1/matrix"))
            packed.append(await _get(remote, "/api/v1/matrix"))
            page.append(await _get(session, "/api/v1/verdicts?limit=1000"))
    await runner.cleanup()
    state.close()
    return {
        "matrix of all targets, asked for the first time": first,
        "matrix of one target, asked for the first time": cold,
        "matrix of one target of a new round, watched": watched,
        "matrix of all targets, asked again": again,
        "matrix of all targets, asked again, compressed for a network": packed,
        "first 1,000 verdicts": page,
    }


async def _get(session: aiohttp.ClientSession, path: str) -> Took:
    watch = Watch()
    async with session.get(path) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
    return watch.took()


if __name__ == "__main__":
    script(measure)
