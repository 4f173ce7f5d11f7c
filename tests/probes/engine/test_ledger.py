"""Pacing, ledger, direction of loss, windows and the time scale: no socket, no clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.engine.ledger import ON_TIME, Ledger
from probes.engine.pacing import NEVER_NS, Pacer

SECOND = 1_000_000_000


def pacer(count: int, *, poisson: bool = False, probes: int | None = None, seed: int = 1) -> Pacer:
    made = Pacer(np.random.default_rng(seed))
    made.add(0, np.full(count, 1e9), np.full(count, 0.1), np.full(count, poisson), probes)
    return made


def test_periodic_probes_keep_their_interval_and_jitter() -> None:
    streams = pacer(50)
    planned: dict[int, list[int]] = {row: [] for row in range(50)}
    for now_ns in range(0, 30 * SECOND, 10_000_000):
        due = streams.take(now_ns)
        for row, at in zip(due.stream, due.planned_ns, strict=True):
            planned[row].append(at)
    for times in planned.values():
        assert len(times) in (29, 30)
        gaps = np.diff(times) / 1e9
        assert (abs(gaps - 1) <= 0.1 + 1e-9).all()
    assert streams.skipped == 0


def test_streams_never_fall_into_step() -> None:
    streams = pacer(1_000)
    batches = [len(streams.take(now_ns).stream) for now_ns in range(0, 5 * SECOND, 10_000_000)]
    assert max(batches[1:]) < 40  # ten on the mean


def test_poisson_gaps_have_the_right_mean_and_spread() -> None:
    streams = pacer(1, poisson=True)
    times = []
    while len(times) < 4_000:
        times += streams.take(streams.next_due_ns()).planned_ns.tolist()
    gaps = np.diff(times) / 1e9
    assert gaps.mean() == pytest.approx(1, rel=0.1)
    assert gaps.std() == pytest.approx(1, rel=0.1)


def test_a_sender_that_fell_behind_sends_no_burst() -> None:
    streams = pacer(1)
    streams.take(SECOND)
    assert len(streams.take(60 * SECOND).stream) == 1
    assert streams.next_due_ns() > 59 * SECOND
    assert streams.skipped >= 57


def test_streams_end_after_their_probes() -> None:
    streams = pacer(3, probes=2)
    sent = sum(len(streams.take(now * SECOND // 4).stream) for now in range(40))
    assert sent == 6
    assert streams.finished()
    assert streams.next_due_ns() == NEVER_NS


def ledger_with(sequences: int) -> tuple[Ledger, np.ndarray]:
    """A ledger with one session that has sent `sequences` probes; returns their rows."""
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([SECOND / sequences]))
    rows = []
    for _ in range(sequences):
        row, number = ledger.claim(session)
        ledger.enter(row, number, session, sent_ns=0, check=number.astype(np.uint64))
        rows.append(row[0])
    return ledger, np.array(rows)


def answer(ledger: Ledger, sequence: list[int], bits: int = 16):
    number = np.array(sequence)
    low = number & ((1 << bits) - 1)
    matched = ledger.match(np.zeros(len(number), np.int64), low, bits, number.astype(np.uint64))
    ledger.rows["state"][matched.row] = ON_TIME
    return matched


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(1, 21)), st.sets(st.integers(1, 20)))
def test_every_answer_finds_its_probe_once_in_any_order(order: list[int], twice: set[int]) -> None:
    ledger, _ = ledger_with(20)
    matched = answer(ledger, order + sorted(twice))
    assert sorted(ledger.rows["sequence"][matched.row]) == list(range(1, 21))
    assert sorted(ledger.rows["sequence"][matched.repeated]) == sorted(twice)
    highest, reordered = 0, set()
    for number in order:
        if number < highest:
            reordered.add(number)
        highest = max(highest, number)
    late = ledger.rows["sequence"][matched.row[matched.reordered]]
    assert set(late) == reordered


def test_wrong_check_or_unknown_number_is_spurious() -> None:
    ledger, _ = ledger_with(4)
    wrong = ledger.match(np.zeros(1, np.int64), np.array([2]), 16, np.array([99], np.uint64))
    unknown = ledger.match(np.zeros(1, np.int64), np.array([77]), 16, np.array([77], np.uint64))
    assert (wrong.spurious, len(wrong.row), unknown.spurious, len(unknown.row)) == (1, 0, 1, 0)


@pytest.mark.parametrize("start", [(1 << 16) - 3, (1 << 32) - 3, (1 << 40) + 5])
def test_numbers_longer_than_the_field_are_told_by_their_low_bits(start: int) -> None:
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([1e8]))
    ledger.sessions["next"] = start
    for _ in range(6):
        row, number = ledger.claim(session)
        ledger.enter(row, number, session, sent_ns=0, check=number.astype(np.uint64))
    matched = answer(ledger, [start + 5, start], bits=16)
    assert ledger.rows["sequence"][matched.row].tolist() == [start + 5, start]


def test_rings_of_all_lengths_share_no_row_and_are_emptied_one_by_one() -> None:
    ledger = Ledger(SECOND)
    for gaps in ([1e8, 1e9, 1e8, 1e7], [1e8, 1e6]):
        count = len(gaps)
        ledger.add_sessions([0] * count, [0] * count, np.full(count, SECOND), np.array(gaps))
    rings = (ledger.sessions["mask"] + 1).tolist()
    for session, ring in enumerate(rings):
        for _ in range(ring):
            row, number = ledger.claim(np.array([session]))
            ledger.enter(
                row, number, np.array([session]), sent_ns=0, check=number.astype(np.uint64)
            )
    held = np.bincount(ledger.rows["session"][ledger.rows["sequence"] > 0], minlength=len(rings))
    assert held.tolist() == rings
    ledger.forget(np.array([2]))
    held = np.bincount(ledger.rows["session"][ledger.rows["sequence"] > 0], minlength=len(rings))
    assert held.tolist() == [*rings[:2], 0, *rings[3:]]
