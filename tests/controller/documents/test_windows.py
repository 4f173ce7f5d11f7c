"""Windows as the API says them: counters, figures, and what their one-way delays are worth."""

import math
from collections.abc import Awaitable, Callable

import pytest

from controller.api.services import Services
from controller.documents.windows import WindowDocument, window_documents
from controller.judge.relative_delay import LEAST_WINDOWS
from controller.live.snapshot import Snapshot
from controller.store.records import StreamRecord
from probes.window import WindowBatch
from tests.controller.documents.conftest import SECOND, WINDOWS

THERE = "nanjing.telecom.v4>suzhou.telecom.v4"


def streams(now: Snapshot) -> list[StreamRecord]:
    return [one for one in now.scope.catalogue.recorded[THERE] if one.protocol == "udp"]


async def test_windows_come_oldest_first_and_page_after_page(
    now: Snapshot, services: Services
) -> None:
    archive, from_ns = services.readings.archive, now.at_ns - 60 * SECOND
    starts: list[int] = []
    at_ns: int | None = from_ns
    while at_ns is not None:
        page, at_ns = window_documents(archive, streams(now), at_ns, now.at_ns, 2)
        starts += [window.start_ns for window in page]
    assert starts == [now.at_ns - (WINDOWS - i) * 10 * SECOND for i in range(WINDOWS)]


async def test_nothing_is_asked_of_no_stream_and_of_no_time(
    now: Snapshot, services: Services
) -> None:
    archive = services.readings.archive
    assert window_documents(archive, [], 0, now.at_ns, 10) == ([], None)
    assert window_documents(archive, streams(now), 5, 5, 10) == ([], None)


HOUR_AGO = 3600 * SECOND
Measured = Callable[..., Awaitable[WindowDocument]]


@pytest.fixture
def window_of(
    now: Snapshot,
    services: Services,
    batch_of: Callable[..., WindowBatch],
    chunk_of: Callable[..., bytes],
) -> Measured:
    async def window(**measured: float | None) -> WindowDocument:
        """Return the last of some windows of one stream, stored an hour before all others."""
        ids, from_ns = [streams(now)[0].stream_id], now.at_ns - HOUR_AGO
        for i in range(LEAST_WINDOWS):
            batch = batch_of(ids, from_ns + i * 10 * SECOND, **measured)
            chunk = chunk_of(batch, agent="nanjing", sequence=100 + i)
            await services.ingest.accept("nanjing", chunk, "")
        to_ns = from_ns + LEAST_WINDOWS * 10 * SECOND
        found, _ = window_documents(services.readings.archive, streams(now), from_ns, to_ns, 100)
        assert len(found) == LEAST_WINDOWS
        return found[-1]

    return window


async def test_a_quantile_among_the_lost_is_null_and_the_loss_is_told(window_of: Measured) -> None:
    found = await window_of(sent=100, lost=10)
    assert (found.asked, found.sent, found.received, found.loss_ratio) == (100, 100, 90, 0.1)
    assert (found.rtt_p50_ns, found.rtt_p95_ns) == (pytest.approx(4e6, rel=0.01), None)
    assert [(flow.sent, flow.lost) for flow in found.flows] == [(100, 10)]


@pytest.mark.parametrize(
    ("measured", "one_way", "forward_ns", "above_least_ns"),
    [
        ({}, "absolute", 2e6, None),
        ({"clock_bound_ns": math.nan}, "relative", 2e6, 0.0),
        ({"forward_ns": None}, "none", None, None),
    ],
)
async def test_one_way_delays_say_whether_a_clock_vouches_for_them(
    window_of: Measured,
    measured: dict[str, float | None],
    one_way: str,
    forward_ns: float | None,
    above_least_ns: float | None,
) -> None:
    found = await window_of(**measured)
    assert (found.one_way, found.forward_p50_ns) == (one_way, forward_ns)
    assert found.relative_forward_p50_ns == above_least_ns
