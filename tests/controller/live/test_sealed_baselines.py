"""A period is sealed as it was, and opened as it was sealed or not at all."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.judge.improvement import hour_of_week
from controller.live.sealed_baselines import SealRequest, cells_of, opened, seal
from controller.store.aggregate import aggregate_of
from controller.store.merging import merge
from controller.store.records import BaselineRecord
from foundation.errors import ConfigError, RemoteProtocolError
from probes.window import WindowBatch
from tests.controller.conftest import batch_of
from topology.mesh import plan_streams
from topology.model import PlannedStream
from topology.site_file import load_network

HOUR_NS = 3_600_000_000_000
WEEK_NS = 168 * HOUR_NS
PERIOD = SealRequest(name="before", from_ns=0, to_ns=WEEK_NS)

# An hour of the week, probes lost of ten, a round trip in milliseconds.
WINDOWS = st.lists(
    st.tuples(st.integers(0, 167), st.integers(0, 10), st.integers(1, 50)), min_size=1, max_size=12
)


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlannedStream, ...]:
    path: pathlib.Path = tmp_path_factory.mktemp("sites") / "trial.toml"
    site = '[[site]]\nname = "{}"\ncity = "{}"\n'
    ends = site.format("a", "changsha") + 'interface = [{ carrier = "x", address = "192.0.2.1" }]\n'
    ends += (
        site.format("b", "hengyang") + 'interface = [{ carrier = "x", address = "192.0.2.2" }]\n'
    )
    mesh = '[[mesh]]\nname = "all"\nstream = [{ protocol = "icmp" }]\n'
    path.write_text(f'[network]\nname = "trial"\n{ends}{mesh}', encoding="utf-8")
    return plan_streams(load_network(path))


def sealed(
    streams: Sequence[PlannedStream], *batches: WindowBatch, request: SealRequest = PERIOD
) -> BaselineRecord:
    return seal(request, batches, streams, {"a": 3}, now_ns=2 * WEEK_NS)


@settings(deadline=None)
@given(WINDOWS, st.sampled_from(["mean", "p50", "p95", "max"]))
@pytest.mark.parametrize("direction", ["round_trip", "one_way"])
def test_sealed_hours_are_the_cells_that_the_same_hours_would_be_now(
    streams: tuple[PlannedStream, ...],
    direction: str,
    windows: list[tuple[int, int, int]],
    statistic: str,
) -> None:
    ids = [stream.stream_id for stream in streams]
    batches = [
        batch_of(ids, hour * HOUR_NS, rtt_ns=rtt_ms * 1e6, forward_ns=rtt_ms * 4e5, lost=lost)
        for hour, lost, rtt_ms in windows
    ]
    for batch in batches:  # some of the losses have a direction
        unplaced = batch.counters["lost_unknown"]
        batch.counters["lost_backward"] += unplaced // 3
        batch.counters["lost_forward"] += unplaced // 2
        unplaced -= batch.counters["lost_backward"] + batch.counters["lost_forward"]
    kept = opened(sealed(streams, *batches)).cells(statistic, direction)
    rows = np.arange(len(ids))
    for start_ns in {batch.start_ns for batch in batches}:
        mine = [aggregate_of(one, rows, rows) for one in batches if one.start_ns == start_ns]
        hour = int(hour_of_week(np.array(start_ns)))
        now = cells_of(merge(mine, len(ids)), statistic, hour, direction)
        at = kept.hour == hour
        for field in ("sent", "lost", "lost_most", "delay_ns", "bound_ns"):
            np.testing.assert_array_equal(getattr(kept, field)[at], getattr(now, field), field)


def test_only_streams_and_hours_in_which_something_was_sent_are_kept(
    streams: tuple[PlannedStream, ...],
) -> None:
    one, other = streams[0].stream_id, streams[1].stream_id
    found = opened(
        sealed(streams, batch_of([other], 5 * HOUR_NS), batch_of([one], 6 * HOUR_NS, sent=0))
    )
    assert found.stream_ids == (other,)
    assert found.hours == 1
    assert found.content.plan_versions == {"a": 3}


def test_windows_outside_the_period_are_not_sealed(streams: tuple[PlannedStream, ...]) -> None:
    ids = [streams[0].stream_id]
    request = SealRequest(name="hour", from_ns=HOUR_NS, to_ns=2 * HOUR_NS)
    found = opened(
        sealed(streams, *(batch_of(ids, hour * HOUR_NS) for hour in (0, 1, 2)), request=request)
    )
    assert found.cells("mean").sent.tolist() == [10]


@pytest.mark.parametrize(
    ("from_ns", "to_ns"), [(HOUR_NS, HOUR_NS), (2 * HOUR_NS, HOUR_NS), (0, 3 * WEEK_NS)]
)
def test_a_period_that_is_empty_or_not_past_cannot_be_sealed(
    streams: tuple[PlannedStream, ...], from_ns: int, to_ns: int
) -> None:
    request = SealRequest(name="odd", from_ns=from_ns, to_ns=to_ns)
    with pytest.raises(ConfigError):
        sealed(streams, batch_of([streams[0].stream_id], HOUR_NS), request=request)


def test_a_period_in_which_nothing_was_measured_cannot_be_sealed(
    streams: tuple[PlannedStream, ...],
) -> None:
    with pytest.raises(ConfigError, match="Nothing was measured"):
        sealed(streams)


def test_what_was_changed_after_it_was_sealed_is_not_opened(
    streams: tuple[PlannedStream, ...],
) -> None:
    record = sealed(streams, batch_of([streams[0].stream_id], HOUR_NS))
    other = sealed(streams, batch_of([streams[0].stream_id], HOUR_NS, lost=1))
    for content in (other.content, b"", record.content[:-1]):
        with pytest.raises(RemoteProtocolError, match="hash"):
            opened(dataclasses.replace(record, content=content))
