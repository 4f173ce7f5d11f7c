"""Every probe has one outcome, decided by what came back of it and by what its socket dropped."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from engine_parts import LINGER_NS, MS, NOTHING, SECOND, Parts, replies

from probes.channels.channel import ProbeIcmpErrors
from probes.channels.discarded import (
    ALTERED,
    CHECKSUM,
    OTHER_ADDRESS,
    TOO_LATE,
    Discarded,
    cause_of,
)
from probes.engine.accumulate import OUTCOMES
from probes.engine.ledger import FLYING
from probes.engine.pacing import Due
from probes.window import TIMESTAMPING


def sent(parts: Parts, probes: int = 1) -> int:
    """Send so many probes of stream 0, a second's hundredth apart; return when the last left."""
    for number in range(probes):
        parts.clock.now_ns += 10 * MS * (number > 0)
        parts.sender.send_due(Due(np.zeros(1, np.int64), np.array([parts.clock.now_ns]), None))
    return parts.clock.wall_ns()


def outcomes(parts: Parts) -> dict[str, int]:
    told = [OUTCOMES[int(outcome)] for outcome in parts.column("outcome")]
    return {name: told.count(name) for name in set(told)}


def flying(parts: Parts) -> np.ndarray:
    return np.flatnonzero(parts.ledger.rows["state"] == FLYING)


def sweep_when_all_is_over(parts: Parts) -> None:
    parts.clock.now_ns += SECOND + LINGER_NS
    parts.account.sweep(parts.clock.now_ns, nothing_follows=True)


def test_an_answer_in_time_gives_a_round_trip() -> None:
    parts = Parts(1)
    left_ns = sent(parts)
    parts.clock.now_ns += 20 * MS
    parts.channel.replies.append(replies([0], [1], left_ns + 7 * MS))
    parts.account.collect(parts.channel)
    assert outcomes(parts) == {"received": 1}
    assert parts.column("rtt_ns") == [7 * MS]
    assert (parts.column("stream_id"), parts.column("sequence")) == ([100], [1])
    assert (parts.tally.received, parts.tally.spurious) == (1, 0)
    assert parts.total("received") == 1


def test_the_kernels_word_for_the_departure_replaces_our_own() -> None:
    parts = Parts(1)
    left_ns = sent(parts)
    parts.channel.tell_tx_timestamps([left_ns + 2 * MS])
    parts.clock.now_ns += 20 * MS
    parts.channel.replies.append(replies([0], [1], left_ns + 7 * MS))
    parts.account.collect(parts.channel)
    assert parts.column("rtt_ns") == [5 * MS]
    assert parts.column("sent_ns") == [left_ns + 2 * MS]
    assert TIMESTAMPING[parts.tally.timestamping] == "kernel"


def test_a_packet_that_the_machine_held_back_is_waited_for_from_when_it_left() -> None:
    parts = Parts(1)
    left_ns = sent(parts)
    parts.channel.tell_tx_timestamps([left_ns + 500 * MS])
    parts.clock.now_ns += 600 * MS
    parts.account.collect(parts.channel)
    parts.clock.now_ns += SECOND + LINGER_NS - 600 * MS
    parts.account.sweep(parts.clock.now_ns, nothing_follows=True)
    assert outcomes(parts) == {}
    parts.clock.now_ns += 500 * MS
    parts.account.sweep(parts.clock.now_ns, nothing_follows=True)
    assert outcomes(parts) == {"lost_unknown": 1}


def test_an_answer_after_the_waiting_time_is_late_and_one_after_all_waiting_is_of_no_use() -> None:
    parts = Parts(1)
    left_ns = sent(parts, 2)
    parts.clock.now_ns += SECOND + 500 * MS
    parts.channel.replies.append(replies([0], [1], left_ns + SECOND + 400 * MS))
    parts.account.collect(parts.channel)
    sweep_when_all_is_over(parts)
    assert outcomes(parts) == {"late": 1, "lost_unknown": 1}
    parts.channel.replies.append(replies([0], [2], parts.clock.wall_ns()))
    parts.account.collect(parts.channel)
    assert parts.tally.discarded[TOO_LATE] == 1
    assert (parts.total("late"), parts.total("lost_unknown")) == (1, 1)


def test_a_second_answer_is_a_duplicate_and_no_second_outcome() -> None:
    parts = Parts(1)
    left_ns = sent(parts)
    parts.clock.now_ns += 20 * MS
    for _ in range(3):
        parts.channel.replies.append(replies([0], [1], left_ns + 7 * MS))
        parts.account.collect(parts.channel)
    assert outcomes(parts) == {"received": 1}
    assert (parts.total("received"), parts.total("duplicate")) == (1, 2)


def test_an_answer_that_repeats_nothing_of_ours_leaves_its_probe_waiting() -> None:
    parts = Parts(1)
    left_ns = sent(parts)
    parts.channel.replies.append(replies([0], [1], left_ns, check=np.array([9], np.uint64)))
    parts.channel.replies.append(replies([0], [77], left_ns))
    parts.account.collect(parts.channel)
    parts.account.collect(parts.channel)
    assert len(flying(parts)) == 1
    assert (parts.tally.received, parts.tally.spurious, parts.tally.discarded[ALTERED]) == (0, 1, 1)
    sweep_when_all_is_over(parts)
    assert parts.column("cause") == [int(cause_of(ALTERED))]


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(errno.EHOSTUNREACH, "lost_forward"), (errno.ECONNREFUSED, "lost_unknown")],
)
def test_what_icmp_says_is_the_cause_and_some_of_it_the_direction(
    number: int, outcome: str
) -> None:
    """A router that knows no way has the probe; a closed port may have been asked by another."""
    parts = Parts(1)
    sent(parts)
    parts.channel.errors.append(
        ProbeIcmpErrors(
            session=np.zeros(1, np.int64),
            low_sequence=np.ones(1, np.int64),
            sequence_bits=16,
            numbered=np.ones(1, np.bool_),
            error=np.array([number], np.int32),
            word=np.zeros(1, np.uint32),
            offender=np.zeros((1, 28), np.uint8),
        )
    )
    parts.account.collect(parts.channel)
    assert parts.tally.icmp_errors == {number: 1}
    assert len(flying(parts)) == 1  # nobody signs an ICMP error: the answer may come yet
    sweep_when_all_is_over(parts)
    assert outcomes(parts) == {outcome: 1}
    assert parts.column("cause") == [number]


def discarded(session: int, sequence: int, reason: int, check: int = 0) -> Discarded:
    return Discarded(
        np.array([session]),
        np.array([sequence]),
        32,
        np.array([check], np.uint64),
        np.array([reason], np.uint8),
    )


def test_an_answer_from_elsewhere_is_told_by_what_it_repeats() -> None:
    parts = Parts(1)
    sent(parts)
    parts.channel.discarded = [discarded(-1, 1, OTHER_ADDRESS, check=1), discarded(-1, 5, 2)]
    parts.account.collect(parts.channel)
    assert parts.tally.discarded == {OTHER_ADDRESS: 1}
    assert parts.tally.spurious == 1  # the other is nobody's
    sweep_when_all_is_over(parts)
    assert parts.column("cause") == [int(cause_of(OTHER_ADDRESS))]


def test_an_answer_without_a_number_stands_for_the_newest_probe() -> None:
    parts = Parts(1)
    sent(parts, 2)
    parts.channel.discarded = [discarded(0, -1, CHECKSUM)]
    parts.account.collect(parts.channel)
    sweep_when_all_is_over(parts)
    told = dict(zip(parts.column("sequence"), parts.column("cause"), strict=True))
    assert told == {1: 0, 2: int(cause_of(CHECKSUM))}


def test_answers_that_the_socket_dropped_are_no_loss_and_damaged_ones_are() -> None:
    parts = Parts(1)
    sent(parts, 5)
    parts.channel.unread, parts.channel.damaged = 2, 1
    sweep_when_all_is_over(parts)
    assert outcomes(parts) == {"unread": 2, "lost_unknown": 3}
    assert (parts.tally.unread, parts.tally.discarded[CHECKSUM]) == (2, 1)
    assert parts.column("cause").count(int(cause_of(CHECKSUM))) == 1
    assert parts.total("discarded") == 1


def test_probes_of_a_channel_that_is_gone_are_lost_all_the_same() -> None:
    parts = Parts(1)
    sent(parts)
    channel = parts.roster.channels.pop(0)
    channel.unread = 1
    sweep_when_all_is_over(parts)
    assert outcomes(parts) == {"lost_unknown": 1}


def test_probes_whose_room_is_needed_while_answers_may_come_are_no_losses() -> None:
    parts = Parts(1)
    sent(parts, 3)
    row = flying(parts)
    parts.account.make_room(row[:1])
    assert outcomes(parts) == {"unread": 1}
    assert parts.tally.unread == 1
    parts.clock.now_ns += SECOND + LINGER_NS
    parts.account.make_room(row[1:])
    assert outcomes(parts) == {"unread": 1, "lost_unknown": 2}
    parts.account.make_room(row)  # each has its outcome: there is nothing to decide
    assert parts.total("sent") == 3


def test_sweeping_gives_up_nothing_before_its_time() -> None:
    parts = Parts(1)
    sent(parts)
    parts.clock.now_ns += SECOND + LINGER_NS - 1
    parts.account.sweep(parts.clock.now_ns, nothing_follows=True)
    assert outcomes(parts) == {}
    parts.account.give_up(NOTHING)
    assert outcomes(parts) == {}
