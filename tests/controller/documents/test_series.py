"""Figures over time in columns: every column as long as its times, what is unknown null."""

import msgspec
import numpy as np

from controller.api.services import Services
from controller.documents.series import COLUMNS, read_series
from controller.live.snapshot import Snapshot
from tests.controller.documents.conftest import SECOND, WINDOWS

THERE = "nanjing.telecom.v4>suzhou.telecom.v4"


async def test_each_stream_has_its_own_points_and_none_is_made_up(
    now: Snapshot, services: Services
) -> None:
    recorded = now.scope.catalogue.recorded[THERE]
    found = read_series(
        services.readings.archive,
        THERE,
        recorded,
        COLUMNS,
        now.at_ns - 3600 * SECOND,
        now.at_ns,
        step_ns=None,
        max_points=None,
    )
    assert (found.level, found.step_ns) == ("window", None)
    by_protocol = {stream.protocol: stream for stream in found.streams}
    udp, icmp = by_protocol["udp"], by_protocol["icmp"]
    assert udp.columns["sent"] == [100] * WINDOWS
    assert udp.columns["loss_ratio"] == [0.0] * WINDOWS
    assert udp.suspect == [False] * WINDOWS
    assert np.diff(udp.start_ns).tolist() == [10 * SECOND] * (WINDOWS - 1)
    assert icmp.start_ns == []
    for stream in found.streams:
        assert set(stream.columns) == set(COLUMNS)
        assert {len(column) for column in stream.columns.values()} == {len(stream.start_ns)}


async def test_what_is_unknown_is_null_on_the_wire(now: Snapshot, services: Services) -> None:
    udp = [one for one in now.scope.catalogue.recorded[THERE] if one.protocol == "udp"]
    found = read_series(
        services.readings.archive,
        THERE,
        udp,
        ["variation_p50_ns"],
        0,
        now.at_ns,
        step_ns=None,
        max_points=None,
    )
    sent = msgspec.json.decode(msgspec.json.encode(found))
    assert sent["streams"][0]["columns"] == {"variation_p50_ns": [None] * WINDOWS}
