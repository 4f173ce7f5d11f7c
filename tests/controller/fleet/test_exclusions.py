"""Windows that touch a maintenance or a silence do not count; all others do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import Maintenance, PathIndex
from controller.fleet.silences import MARGIN_NS, UNCONFIRMED, Silences, StreamIndex
from controller.store.event_log import MaintenanceRecord
from controller.store.records import SilenceRecord
from probes.window import WindowBatch
from topology.model import PlannedStream

SECOND = 1_000_000_000
Make = Callable[..., WindowBatch]
Excluding = Callable[..., Exclusions]


@pytest.fixture
def excluding(streams: list[PlannedStream]) -> Excluding:
    paths = list(dict.fromkeys(stream.path.id for stream in streams))
    known = {stream.path.id: stream.path for stream in streams}
    number = np.array([paths.index(stream.path.id) for stream in streams], np.int64)

    def make(*records: MaintenanceRecord | SilenceRecord) -> Exclusions:
        announced = tuple(one for one in records if isinstance(one, MaintenanceRecord))
        silent = {one.mark: one for one in records if isinstance(one, SilenceRecord)}
        index = PathIndex([known[one] for one in paths], number)
        return Exclusions(Maintenance(announced, index), Silences(silent, StreamIndex(streams)))

    return make


def silence(stream: PlannedStream, from_s: int, to_s: int | None, **more: Any) -> SilenceRecord:
    told: dict[str, Any] = {"rule": "agent.stopped", "side": "answering"} | more
    return SilenceRecord(
        mark=f"{from_s}",
        agent="suzhou",
        from_ns=from_s * SECOND,
        to_ns=None if to_s is None else to_s * SECOND,
        stream_ids=np.array([stream.stream_id], np.uint64),
        **told,
    )


def maintenance(from_s: int, to_s: int, **more: Any) -> MaintenanceRecord:
    return MaintenanceRecord(
        from_ns=from_s * SECOND,
        to_ns=to_s * SECOND,
        reason="x",
        created_ns=0,
        created_by="me",
        **more,
    )


def test_where_nothing_is_left_out_there_are_no_flags(excluding: Excluding, batch_of: Make) -> None:
    assert excluding().during(0, 1 << 62) is None
    assert excluding(maintenance(100, 200)).of(batch_of([1], 0)) is None


def test_both_a_maintenance_and_a_silence_leave_out_what_touches_them(
    excluding: Excluding, streams: list[PlannedStream]
) -> None:
    one, other = streams[0], streams[1]
    found = excluding(maintenance(100, 200, paths=(one.path.id,)), silence(other, 150, 160)).during(
        155 * SECOND, 156 * SECOND
    )
    assert found is not None
    assert np.flatnonzero(found).tolist() == [
        row
        for row, stream in enumerate(streams)
        if stream.path.id == one.path.id or stream.stream_id == other.stream_id
    ]


def test_a_silence_reaches_as_far_as_what_was_on_its_way(
    excluding: Excluding, streams: list[PlannedStream]
) -> None:
    exclusions = excluding(silence(streams[0], 100, 200))
    begins_ns, ends_ns = 100 * SECOND - MARGIN_NS, 200 * SECOND + MARGIN_NS
    assert exclusions.during(0, begins_ns) is None
    assert exclusions.during(0, begins_ns + 1) is not None
    assert exclusions.during(ends_ns - 1, 1 << 62) is not None
    assert exclusions.during(ends_ns, 1 << 62) is None


def test_what_its_own_owner_refuses_is_not_measured_and_needs_no_excuse(
    excluding: Excluding, streams: list[PlannedStream]
) -> None:
    assert excluding(silence(streams[0], 100, 200, side="sending")).during(0, 1 << 62) is None


def test_what_nobody_confirmed_counts_only_where_it_was_answered(
    excluding: Excluding, streams: list[PlannedStream], batch_of: Make
) -> None:
    exclusions = excluding(silence(streams[0], 100, None, rule=UNCONFIRMED))
    mine = [streams[0].stream_id]
    lost = exclusions.of(batch_of(mine, 110 * SECOND, sent=10, lost=10))
    assert lost is not None
    assert np.flatnonzero(lost).tolist() == [0]
    answered = exclusions.of(batch_of(mine, 110 * SECOND, sent=10, lost=9))
    assert answered is None or not answered.any()
