"""Every answer finds its probe once; what fits none is told apart from what fits one again."""

from __future__ import annotations

import numpy as np
import pytest
from engine_parts import ledger_with
from hand_clock import SECOND
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.channels.discarded import DISCARDED, reason_of
from probes.engine.ledger import ON_TIME, Ledger
from probes.engine.matching import match, owners


def answer(ledger: Ledger, sequence: list[int], bits: int = 16):
    number = np.array(sequence)
    low = number & ((1 << bits) - 1)
    matched = match(ledger, np.zeros(len(number), np.int64), low, bits, number.astype(np.uint64))
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
    wrong = match(ledger, np.zeros(1, np.int64), np.array([2]), 16, np.array([99], np.uint64))
    unknown = match(ledger, np.zeros(1, np.int64), np.array([77]), 16, np.array([77], np.uint64))
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


def test_answers_to_no_probe_of_ours_are_only_spurious() -> None:
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0, 1], [0, 0], np.full(2, SECOND), np.full(2, 1e8))
    row, sequence = ledger.claim(session)
    ledger.enter(row, sequence, session, check=np.array([7, 9], np.uint64), sent_ns=0)
    found = owners(ledger, session, np.array([1, 1, 2]), 32, np.array([9, 8, 9], np.uint64))
    assert found.tolist() == [1, -1, -1]
    assert ledger.note_newest(np.array([0, 0, 1]), np.array([-1, -2, -3], np.int32)) == 2
    assert ledger.rows["cause"][row].tolist() == [-1, -3]


def test_an_altered_answer_tells_why_its_probe_is_lost() -> None:
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([1e8]))
    row, sequence = ledger.claim(session)
    ledger.enter(row, sequence, session, check=np.array([7], np.uint64), sent_ns=0)
    matched = match(ledger, session, sequence, 32, np.array([8], np.uint64))
    assert (matched.spurious, matched.altered) == (1, 1)
    assert DISCARDED[reason_of(int(ledger.rows["cause"][row[0]]))] == "altered"


def lenient(ledger: Ledger, number: int, check: int) -> list[int]:
    """Return the numbers of the probes that one answer of a lenient protocol is taken for."""
    session, low = np.zeros(1, np.int64), np.array([number])
    matched = match(ledger, session, low, 32, np.array([check], np.uint64), lenient=True)
    ledger.rows["state"][matched.row] = ON_TIME
    return ledger.rows["sequence"][matched.row].tolist()


def test_reflector_that_repeats_half_is_believed_by_that_half() -> None:
    """Checks here are the probes' numbers."""
    ledger, _ = ledger_with(6)
    assert lenient(ledger, 2, 99) == [2]  # by its number alone
    assert lenient(ledger, 77, 4) == [4]  # by its check alone
    assert lenient(ledger, 3, 5) == [5]  # the check is harder to guess
    assert lenient(ledger, 77, 99) == []


def test_reflector_that_once_repeated_both_is_held_to_it() -> None:
    ledger, _ = ledger_with(6)
    assert lenient(ledger, 1, 1) == [1]
    assert lenient(ledger, 2, 99) == lenient(ledger, 77, 3) == []
    assert lenient(ledger, 4, 4) == [4]
