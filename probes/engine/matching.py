"""Which answer belongs to which probe: by session, number and what only a true answer repeats.

The number in a packet may be the low bits of the probe's own (64 bits in the ledger); the newest
probe with those bits is meant. What fits no probe is spurious, what fits one that was answered
already is a duplicate, and what arrives behind a later-sent one of its session is reordered
(RFC 4737 §3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.channels.discarded import ALTERED, cause_of
from probes.engine.ledger import FLYING, LOOK_BACK, LOST, Ledger
from probes.sockets.records import stable_order, starts


@dataclass(frozen=True, slots=True)
class Matched:
    """Which of n answers are ours: `row` int64[m] for the first answers to a probe, `answer`
    int64[m] their places among the n, ascending; `session`, `sequence` int64[m]; `reordered`
    bool[m]; `repeated` int64[k], rows answered again, by the answers `repeated_answer` int64[k];
    `spurious` counts what fits no probe; `unproven` bool[m] marks what was told by half."""

    row: NDArray[np.int64]
    answer: NDArray[np.int64]
    session: NDArray[np.int64]
    sequence: NDArray[np.int64]
    reordered: NDArray[np.bool_]
    repeated: NDArray[np.int64]
    repeated_answer: NDArray[np.int64]
    spurious: int
    unproven: NDArray[np.bool_] | None = None
    altered: int = (
        0  # of the spurious ones, those that repeat a number and not what else it carried
    )
    too_late: int = 0  # answers to probes that were given up


def owners(
    ledger: Ledger,
    session: NDArray[np.int64],
    low_sequence: NDArray[np.int64],
    sequence_bits: int,
    check: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Return which of some sessions each of k answers is for, by what it repeats of its probe;
    -1 where none is or more than one might be."""
    candidates = np.broadcast_to(session, (len(low_sequence), len(session)))
    sequence = ledger.whole_sequence(candidates, low_sequence[:, None], sequence_bits)
    row = ledger.row_of(candidates, sequence)
    fits = (ledger.rows["sequence"][row] == sequence) & (ledger.rows["state"][row] == FLYING)
    fits &= ledger.rows["check"][row] == check[:, None]
    alone = fits.sum(axis=1) == 1
    return np.where(alone, session[fits.argmax(axis=1)], -1)


def match(
    ledger: Ledger,
    session: NDArray[np.int64],
    low_sequence: NDArray[np.int64],
    sequence_bits: int,
    check: NDArray[np.uint64],
    *,
    lenient: bool = False,
) -> Matched:
    """Find the rows of n answers, in order of arrival; `session` must be valid numbers.

    With `lenient`, number or check alone tells the probe in sessions of which no answer ever
    repeated both.
    """
    sequence = ledger.whole_sequence(session, low_sequence, sequence_bits)
    row = ledger.row_of(session, sequence)
    state = ledger.rows["state"][row]
    known = (ledger.rows["sequence"][row] == sequence) & (ledger.rows["check"][row] == check)
    known &= state >= FLYING
    unproven = None
    if lenient and not known.all():
        unproven, row = _matched_by_half(ledger, session, sequence, check, row, known)
        sequence, state = ledger.rows["sequence"][row], ledger.rows["state"][row]
        known = known | unproven
    place = np.flatnonzero(known)
    spurious, altered = len(session) - len(place), 0
    if spurious:
        wrong = row[(ledger.rows["sequence"][row] == sequence) & (state == FLYING) & ~known]
        ledger.rows["cause"][wrong] = cause_of(ALTERED)
        no_number = session[~known & (sequence <= 0)]  # of no probe, such as a mere echo
        altered = len(wrong) + ledger.note_newest(
            no_number, np.full(len(no_number), cause_of(ALTERED), np.int32)
        )
        session, sequence, row, state = (each[place] for each in (session, sequence, row, state))
    fresh = state == FLYING
    fresh &= ~_seen_before(row)
    repeated, repeated_answer, too_late = row[:0], place[:0], 0
    if not fresh.all():
        copy = ~fresh & (state != LOST)
        too_late = int(np.count_nonzero(state == LOST))
        repeated, repeated_answer = row[copy], place[copy]
        session, sequence, row, place = (each[fresh] for each in (session, sequence, row, place))
    reordered = _note_order(ledger, session, sequence)
    return Matched(
        row,
        place,
        session,
        sequence,
        reordered,
        repeated,
        repeated_answer,
        spurious,
        None if unproven is None else unproven[place],
        altered=altered,
        too_late=too_late,
    )


def _matched_by_half(
    ledger: Ledger,
    session: NDArray[np.int64],
    sequence: NDArray[np.int64],
    check: NDArray[np.uint64],
    row: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which answers number or check alone tells, and the rows of all n.

    Whoever guesses a number could forge such an answer, so a reflector that once repeated both
    is held to it.
    """
    ledger.sessions["unproven"][session[known]] = False
    told, rows = np.zeros(len(row), np.bool_), row.copy()
    fresh = ledger.sessions["highest"][session] == 0
    doubtful = ~known & (ledger.sessions["unproven"][session] | fresh)
    proven = np.zeros(len(ledger.sessions), np.bool_)
    proven[session[known]] = True
    of = np.flatnonzero(doubtful & ~proven[session])
    if not len(of):
        return told, rows
    by_number = (ledger.rows["sequence"][row[of]] == sequence[of]) & (sequence[of] > 0)
    by_number &= ledger.rows["state"][row[of]] >= FLYING
    back = ledger.sessions["next"][session[of]][:, None] - 1 - np.arange(LOOK_BACK)
    recent = ledger.row_of(session[of][:, None], back)
    by_check = (ledger.rows["sequence"][recent] == back) & (back > 0)
    by_check &= ledger.rows["check"][recent] == check[of][:, None]
    by_check &= ledger.rows["state"][recent] >= FLYING
    rows[of] = np.where(
        by_check.any(axis=1),
        recent[np.arange(len(of)), by_check.argmax(axis=1)],
        row[of],
    )
    told[of] = by_number | by_check.any(axis=1)
    ledger.sessions["unproven"][session[told]] = True
    return told, rows


def _note_order(
    ledger: Ledger, session: NDArray[np.int64], sequence: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which arrivals came after a later-sent one of their session (RFC 4737 §3.3)."""
    if not len(session):
        return np.zeros(0, np.bool_)
    late = np.zeros(len(session), np.bool_)
    seen = ledger.sessions["highest"][session]
    order = stable_order(session)
    of, number = session[order], sequence[order]
    first = starts(of)
    # As it nearly always is: each arrival has a higher number than the one before it.
    if ((number[1:] > number[:-1]) | first[1:]).all() and (sequence > seen).all():
        ledger.sessions["highest"][session] = sequence  # of several the last assignment stands
        return late
    segment = np.cumsum(first) - 1
    seen = seen[order]
    span = int(max(number.max(), seen.max())) + 1
    best = np.maximum.accumulate(np.maximum(number, seen) + segment * span) - segment * span
    before = np.where(first, seen, np.concatenate([[0], best[:-1]]))
    late[order] = number < before
    np.maximum.at(ledger.sessions["highest"], of, number)
    return late


def _seen_before(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which numbers stand a second time, or more often, in their order."""
    again = np.zeros(len(numbers), np.bool_)
    ordered = np.sort(numbers)
    if (ordered[1:] != ordered[:-1]).all():  # as it nearly always is
        return again
    order = np.argsort(numbers, kind="stable")
    again[order[1:]] = ~starts(numbers[order])[1:]
    return again
