"""Rings of rows that probes are kept in: each finds its own, and is forgotten alone."""

from __future__ import annotations

import numpy as np
from hand_clock import SECOND

from probes.engine.ledger import Ledger


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


def test_answers_without_a_number_each_stand_for_a_probe_of_their_own() -> None:
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.full(1, SECOND), np.full(1, 1e8))
    rows = []
    for check in range(3):  # what comes is read after the next one left
        row, sequence = ledger.claim(session)
        ledger.enter(row, sequence, session, check=np.full(1, check, np.uint64), sent_ns=0)
        rows += row.tolist()
    for answers in (2, 1, 1):
        ledger.note_newest(np.zeros(answers, np.int64), np.full(answers, -1, np.int32))
    assert ledger.rows["cause"][rows].tolist() == [-1] * 3
