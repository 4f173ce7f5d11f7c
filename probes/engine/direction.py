"""Which way a lost probe was lost, by the sequence numbers of a stateful reflector.

Between two answered probes the sender counts ds steps and the reflector dr: of the ds - 1 probes
between them dr - 1 reached the reflector and were lost on their way back, the others were lost on
their way there (docs/concepts/measurement.md §1.4). Which of the gap's probes had which outcome
cannot be known and does not matter to any count; the earlier are called lost forward.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.engine.ledger import DROPPED, LATE, ON_TIME, Ledger

FORWARD, BACKWARD, UNKNOWN = 0, 1, 2


def directions_of_loss(ledger: Ledger, row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return FORWARD, BACKWARD or UNKNOWN for each lost probe, int64[n].

    UNKNOWN where the reflector keeps no count of its own, where no answered probe is remembered
    on one of the sides, or where its count does not fit (it was restarted, or packets were
    duplicated on their way).
    """
    before, lost_before = _nearest_answered(ledger, row, -1)
    after, lost_after = _nearest_answered(ledger, row, 1)
    session = ledger.rows["session"][row]
    found = (before >= 0) & (after >= 0) & ledger.sessions["stateful"][session]
    reached = ledger.rows["reflector"][after] - ledger.rows["reflector"][before] - 1
    lost = lost_before + lost_after + 1
    sound = found & (reached >= 0) & (reached <= lost)
    answer = np.where(lost_before < lost - reached, FORWARD, BACKWARD)
    return np.where(sound, answer, UNKNOWN)


def _nearest_answered(
    ledger: Ledger, row: NDArray[np.int64], direction: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk from each row to the nearest answered one; return (its row or -1, losses between).

    Probes that never left this host are stepped over and not counted.
    """
    answered = np.full(len(row), -1, np.int64)
    between = np.zeros(len(row), np.int64)
    walking = np.arange(len(row))
    longest = int(ledger.sessions["mask"][ledger.rows["session"][row]].max(initial=0))
    for step in range(1, longest + 1):
        other, held = ledger.neighbours(row[walking], step * direction)
        walking, other = walking[held], other[held]
        state = ledger.rows["state"][other]
        is_answered = (state == ON_TIME) | (state == LATE)
        is_answered &= ledger.rows["reflector"][other] >= 0
        answered[walking[is_answered]] = other[is_answered]
        between[walking] += ~is_answered & (state != DROPPED)
        walking = walking[~is_answered]
        if not len(walking):
            break
    return answered, between
