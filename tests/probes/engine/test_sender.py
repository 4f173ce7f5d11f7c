"""What is due leaves through its channel, a batch at a time, and is entered into the ledger."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from engine_parts import MS, Parts

from probes.engine.ledger import DROPPED, FLYING
from probes.engine.pacing import Due


def due(parts: Parts, *streams: int, late_ns: int = 0, skipped: list[int] | None = None) -> Due:
    planned_ns = np.full(len(streams), parts.clock.now_ns - late_ns)
    left_out = None if skipped is None else np.array(skipped)
    return Due(np.array(streams, np.int64), planned_ns, left_out)


def test_probes_of_a_stream_take_its_flows_in_turn() -> None:
    parts = Parts(3, 1)
    for _ in range(6):
        parts.sender.send_due(due(parts, 0, 1))
    sent = {
        number: [(batch.session.tolist(), batch.sequence.tolist()) for batch in channel.batches]
        for number, channel in parts.roster.channels.items()
    }
    # Through channel 0 the first flow of both streams, each flow with its own numbers from 1.
    assert sent[1] == [([1], [1]), ([1], [2])]
    assert sent[2] == [([2], [1]), ([2], [2])]
    first = [(s, n) for batch in sent[0] for s, n in zip(*batch, strict=True)]
    assert [n for s, n in first if s == 0] == [1, 2]
    assert [n for s, n in first if s == 3] == [1, 2, 3, 4, 5, 6]
    assert parts.roster.sent.tolist() == [6, 6]
    assert parts.tally.sent == 12


def test_no_batch_is_larger_than_its_channel_has_room_for() -> None:
    parts = Parts(*[1] * 10, capacity=4)
    parts.sender.send_due(due(parts, *range(10)))
    assert [len(batch.session) for batch in parts.channel.batches] == [4, 4, 2]
    assert np.concatenate([b.session for b in parts.channel.batches]).tolist() == [*range(10)]


def test_the_ledger_has_what_left_and_when() -> None:
    parts = Parts(1)
    parts.sender.error_estimate = 0x8587
    parts.sender.send_due(due(parts, 0, late_ns=3 * MS))
    (batch,) = parts.channel.batches
    assert (batch.wall_ns, batch.error_estimate) == (parts.clock.wall_ns(), 0x8587)
    (row,) = parts.ledger.rows[parts.ledger.rows["state"] == FLYING]
    assert (row["sequence"], row["channel"]) == (1, 0)
    assert (row["sent_ns"], row["sent_wall_ns"]) == (parts.clock.now_ns, parts.clock.wall_ns())
    assert row["send_lag_ns"] == 3 * MS
    assert parts.tally.send_lag_max_ns == 3 * MS
    assert parts.open.in_flight == 1


def test_a_probe_that_leaves_a_little_early_is_not_late() -> None:
    parts = Parts(1)
    parts.sender.send_due(due(parts, 0, late_ns=-MS))
    assert parts.ledger.rows["send_lag_ns"].max() == 0


def test_nothing_due_sends_nothing() -> None:
    parts = Parts(1)
    parts.sender.send_due(due(parts))
    assert parts.channel.batches == []
    assert parts.tally.sent == 0


def test_probes_that_cannot_leave_are_counted_with_their_cause_and_not_as_sent() -> None:
    parts = Parts(1, 1)
    parts.channel.refuse = errno.ENETUNREACH
    parts.sender.send_due(due(parts, 0, 1))
    assert (parts.tally.sent, parts.tally.drops) == (0, {errno.ENETUNREACH: 2})
    assert (parts.ledger.rows["state"] == DROPPED).sum() == 2
    assert parts.open.in_flight == 0
    assert parts.total("not_sent_no_route") == 2


@pytest.mark.parametrize("flows", [1, 2])
def test_skipped_probes_are_counted_in_the_window_of_their_stream(flows: int) -> None:
    parts = Parts(flows, 1)
    parts.roster.sent[1] = 1
    parts.sender.send_due(due(parts, 0, 1, skipped=[0, 5]))
    parts.account.finish_all()
    parts.account.give_up(np.flatnonzero(parts.ledger.rows["state"] == FLYING))
    assert parts.total("not_sent_skipped") == 5
