"""A controller that has judged, and how everything is then: what documents are made of."""

import pathlib
from collections.abc import AsyncIterator, Callable

import pytest

from controller.api.services import Services
from controller.live.snapshot import Snapshot
from controller.serving.assembly import open_services
from controller.settings import Settings
from probes.window import WindowBatch
from tests.controller.conftest import SetClock, confirm_long_ago
from topology.site_file import load_network

WINDOWS = 3
SECOND = 1_000_000_000


@pytest.fixture
async def services(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: SetClock
) -> AsyncIterator[Services]:
    opened = open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
    confirm_long_ago(opened)
    yield opened
    opened.close()


@pytest.fixture
async def now(
    services: Services,
    batch_of: Callable[..., WindowBatch],
    chunk_of: Callable[..., bytes],
) -> Snapshot:
    """How everything is once three windows of all of nanjing's UDP streams were judged.

    Of a hundred probes each, round trips of 4 ms, 2 ms each way.
    """
    now_ns = services.clock.wall_ns()
    ids = [
        stream.stream_id
        for stream in services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    for i in range(WINDOWS):
        batch = batch_of(ids, now_ns - (WINDOWS - i) * 10 * SECOND, sent=100, rtt_ns=4e6)
        await services.ingest.accept("nanjing", chunk_of(batch, agent="nanjing", sequence=i), "")
    await services.rounds.make()
    return services.readings.snapshots.now()
