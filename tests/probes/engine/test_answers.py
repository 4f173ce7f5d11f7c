"""Follow-Up Telemetry: a reply tells when the one before it truly left, and fixes its delays."""

from __future__ import annotations

import numpy as np
import pytest

from probes.channels.channel import Replies
from probes.channels.codec import ANSWER_CLOSED, ANSWER_OPEN
from probes.clocks.timescale import TimeScale
from probes.engine.accumulate import Finished
from probes.engine.answers import (
    finish_answered,
    hold_answers,
    port_answers,
    read_answers,
    take_follow_ups,
)
from probes.engine.ledger import Ledger
from probes.engine.matching import match
from probes.stamp.batch import ReflectorFields

SECOND = 1_000_000_000
WALL_NS = 1_700_000_000 * SECOND
FORWARD_NS, BACKWARD_NS = 300_000, 500_000
RESIDENCE_NS = 90_000  # true: what the reflector kept the packet for
T3_EARLY_NS = 40_000  # T3 is written so long before the packet leaves


class _Clock:
    def monotonic_ns(self) -> int:
        return SECOND

    def wall_ns(self) -> int:
        return WALL_NS + SECOND


class _Path:
    """One session to a reflector that numbers its replies and answers Follow-Up Telemetry."""

    def __init__(self, gap_ns: float = 1e8) -> None:
        self.ledger = Ledger(SECOND)
        self.scale = TimeScale(_Clock())
        self.ledger.add_sessions(
            np.zeros(1), np.zeros(1), np.array([3 * SECOND]), np.array([gap_ns])
        )
        self._left_ns: dict[int, int] = {}  # reflector number -> true departure

    def send(self) -> int:
        row, sequence = self.ledger.claim(np.zeros(1, np.int64))
        sent_ns = int(sequence[0]) * 100_000_000
        self.ledger.enter(
            row,
            sequence,
            np.zeros(1, np.int64),
            check=np.zeros(1, np.uint64),
            sent_kind=2,
            sent_ns=sent_ns,
            sent_wall_ns=WALL_NS + sent_ns,
        )
        return int(sequence[0])

    def answer(
        self, sequence: int, number: int, tells_of: int | None, *, early_ns: int = 0
    ) -> Finished:
        """Let reply `number` to probe `sequence` arrive; return what it finishes.

        `early_ns`: how much too early its arrival is timestamped.
        """
        received_ns = WALL_NS + sequence * 100_000_000 + FORWARD_NS
        left_ns = received_ns + RESIDENCE_NS
        self._left_ns[number] = left_ns
        reflector = ReflectorFields(
            valid=np.array([True]),
            odd=np.zeros(1, np.uint16),
            sequence=np.array([number], np.uint32),
            receive_wall_ns=np.array([received_ns]),
            transmit_wall_ns=np.array([left_ns - T3_EARLY_NS]),
            error_ns=np.array([1_000.0]),
            synchronised=np.array([True]),
            ssid=np.zeros(1, np.uint16),
            sender_sequence=np.array([sequence], np.uint32),
            sender_ttl=np.array([250], np.float32),
            sender_tos=np.array([-1], np.int16),
            follow_up_valid=np.array([tells_of is not None]),
            follow_up_sequence=np.array([tells_of or 0], np.uint32),
            follow_up_wall_ns=np.array([self._left_ns.get(tells_of or 0, 0)]),
        )
        replies = Replies(
            session=np.zeros(1, np.int64),
            low_sequence=np.array([sequence]),
            sequence_bits=32,
            check=np.zeros(1, np.uint64),
            timestamp_ns=np.array([left_ns + BACKWARD_NS - early_ns]),
            timestamp_kind=np.array([2], np.uint8),
            ttl=np.array([60], np.uint8),
            tos=np.zeros(1, np.int16),
            answer=np.ones(1, np.uint8),
            reflector=reflector,
            ring_was_full=False,
            asks_follow_up=True,
        )
        matched = match(
            self.ledger, replies.session, replies.low_sequence, replies.sequence_bits, replies.check
        )
        said, _ = read_answers(self.ledger, self.scale, matched, replies, 500.0)
        hold_answers(self.ledger, matched.row, said)
        ready, held = take_follow_ups(self.ledger, matched, replies)
        self.ledger.hold(held, SECOND)
        return finish_answered(self.ledger, ready)


def test_the_follow_up_makes_round_trip_and_way_back_exact() -> None:
    path = _Path()
    first, second = path.send(), path.send()
    assert len(path.answer(first, 0, None)) == 0  # held: its Follow-Up is on its way
    finished = path.answer(second, 1, 0)
    assert finished.sequence.tolist() == [first]
    assert finished.rtt_ns[0] == FORWARD_NS + BACKWARD_NS
    assert finished.forward_ns[0] == FORWARD_NS
    assert finished.backward_ns[0] == BACKWARD_NS
    assert finished.bound_ns[0] == pytest.approx(1_500.0)


def test_without_a_follow_up_the_answer_keeps_t3_and_is_released_in_time() -> None:
    path = _Path()
    first = path.send()
    path.answer(first, 0, None)
    hold_ns = int(path.ledger.sessions["hold_ns"][0])
    assert hold_ns > 2 * 100_000_000  # two gaps
    assert len(path.ledger.held_too_long(SECOND + hold_ns - 50_000_000)) == 0
    late = path.ledger.held_too_long(SECOND + hold_ns)
    finished = finish_answered(path.ledger, late)
    assert finished.rtt_ns[0] == FORWARD_NS + BACKWARD_NS + T3_EARLY_NS
    assert len(path.ledger.held_too_long(10 * SECOND)) == 0


@pytest.mark.parametrize(("early_ns", "rtt_ns"), [(1_000_000, 0), (5 * SECOND, 900_000_000)])
def test_no_round_trip_is_negative_whatever_timestamped_the_arrival(
    early_ns: int, rtt_ns: int
) -> None:
    """Within what two readings may differ it is none; else the moment of reading is known."""
    path = _Path(gap_ns=10e9)
    finished = path.answer(path.send(), 0, None, early_ns=early_ns)
    assert finished.rtt_ns[0] == pytest.approx(rtt_ns, abs=RESIDENCE_NS)
    assert finished.rtt_ns[0] >= 0


def test_a_follow_up_told_twice_corrects_once() -> None:
    path = _Path()
    sent = [path.send() for _ in range(3)]
    path.answer(sent[0], 0, None)
    finished = path.answer(sent[1], 1, 0)
    assert finished.rtt_ns[0] == FORWARD_NS + BACKWARD_NS
    assert len(path.answer(sent[2], 2, 0)) == 0


def test_a_reflector_that_never_tells_is_not_waited_for() -> None:
    path = _Path()
    finished = [len(path.answer(path.send(), number, None)) for number in range(6)]
    assert finished == [0, 0, 0, 1, 1, 1]


def test_an_answer_whose_follow_up_would_come_too_late_is_not_held() -> None:
    path = _Path(gap_ns=10e9)
    assert len(path.answer(path.send(), 0, None)) == 1


def test_a_departure_that_contradicts_the_other_timestamps_corrects_nothing() -> None:
    path = _Path()
    first, second = path.send(), path.send()
    path.answer(first, 0, None)
    path._left_ns[0] += SECOND  # the reflector's clock stepped between T3 and its Follow-Up
    finished = path.answer(second, 1, 0)
    assert finished.rtt_ns[0] == FORWARD_NS + BACKWARD_NS + T3_EARLY_NS


def test_the_newest_answers_are_released_when_nothing_will_follow() -> None:
    path = _Path()
    first = path.send()
    path.answer(first, 0, None)
    assert finish_answered(path.ledger, path.ledger.newest_held()).sequence.tolist() == [first]
    assert len(path.ledger.newest_held()) == 0


def test_variation_is_that_of_corrected_round_trips() -> None:
    path = _Path()
    sent = [path.send() for _ in range(3)]
    path.answer(sent[0], 0, None)
    assert np.isnan(path.answer(sent[1], 1, 0).variation_ns[0])
    assert path.answer(sent[2], 2, 1).variation_ns[0] == 0.0


OPEN, CLOSED = ANSWER_OPEN, ANSWER_CLOSED


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        ([OPEN, CLOSED, OPEN, CLOSED, OPEN], [OPEN] * 5),  # every second met a half-open one
        ([CLOSED] * 5, [CLOSED] * 5),
        ([OPEN, CLOSED, CLOSED, CLOSED], [OPEN, OPEN, CLOSED, CLOSED]),  # it was closed meanwhile
        ([CLOSED, OPEN, CLOSED, OPEN], [CLOSED, OPEN, OPEN, OPEN]),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_rst_after_syn_ack_means_open_and_rst_after_rst_closed(
    came: list[int], meant: list[int], at_once: int
) -> None:
    ledger = Ledger(1)
    one = np.ones(2, np.int64)
    ledger.add_sessions(np.arange(2), one, one, one.astype(float))
    mixed = np.array([[0, first] for first in came] + [[1, CLOSED] for _ in came])
    mixed = mixed.reshape(2, -1, 2).transpose(1, 0, 2).reshape(-1, 2)  # the two sessions in turn
    read = [
        port_answers(ledger, part[:, 0], part[:, 1].astype(np.uint8))
        for part in np.split(mixed, range(at_once, len(mixed), at_once))
    ]
    answer = np.concatenate(read)
    assert answer[mixed[:, 0] == 0].tolist() == meant
    assert answer[mixed[:, 0] == 1].tolist() == [CLOSED] * len(came)
