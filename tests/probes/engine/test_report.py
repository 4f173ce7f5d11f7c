"""What an engine reports about itself: counts that survive it, and reasons by name."""

from __future__ import annotations

import errno

import numpy as np

from foundation.text import Text
from probes.channels.discarded import CHECKSUM, TRUNCATED
from probes.engine.report import EngineHealth, Tally
from probes.window import TIMESTAMPING
from tests.probes.engine_run import spec

STREAM = spec("icmp")


def health_of(tally: Tally) -> EngineHealth:
    return tally.health(
        streams=3,
        calibration_ns=None,
        overflowed=4,
        skipped=5,
        late_moments=6,
        clock_steps=7,
        refused={STREAM: Text("no address", "无地址")},
    )


def test_health_is_what_was_counted_and_what_others_know() -> None:
    tally = Tally(received=8, spurious=1, unread=2, send_lag_max_ns=9.0)
    tally.sent += 10
    tally.timestamping = TIMESTAMPING.index("kernel")
    health = health_of(tally)
    assert (health.probes_sent, health.probes_received) == (10, 8)
    assert (health.spurious, health.unread, health.send_lag_max_ns) == (1, 2, 9.0)
    assert (health.streams, health.overflowed, health.skipped) == (3, 4, 5)
    assert (health.late_moments, health.clock_steps) == (6, 7)
    assert health.timestamping == "kernel"
    assert health.calibration_ns is None
    assert health.refused[STREAM].zh == "无地址"


def test_reasons_are_told_by_name_and_those_without_one_by_number() -> None:
    tally = Tally()
    tally.drops.update([errno.ENOBUFS, errno.ENOBUFS, 9_999])
    tally.icmp_errors[errno.EHOSTUNREACH] += 1
    health = health_of(tally)
    assert health.local_drops == {"ENOBUFS": 2, "9999": 1}
    assert health.icmp_errors == {"EHOSTUNREACH": 1}


def test_reasons_that_never_came_are_absent() -> None:
    tally = Tally()
    tally.discarded[CHECKSUM] += 0
    tally.discarded[TRUNCATED] += 2
    health = health_of(tally)
    assert health.discarded == {"truncated": 2}
    assert (health.local_drops, health.icmp_errors) == ({}, {})


def test_probes_sent_are_counted_where_others_keep_the_count_and_from_where_it_stands() -> None:
    """A file mapped into memory: what left is known even if the process was killed."""
    place = np.array([1_000], np.int64)
    first = Tally(place)
    first.sent += 5
    assert (first.sent, place[0]) == (5, 1_005)
    second = Tally(place)  # an engine after it
    second.sent += 2
    second.sent -= 1  # one of them never left
    assert (first.sent, second.sent, place[0]) == (6, 1, 1_006)
