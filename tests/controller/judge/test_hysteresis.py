"""Verdicts do not flap: a change is shown once it has stood for some rounds."""

import numpy as np
import pytest

from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.hysteresis import Settled, settle


def shown(*verdicts: int) -> list[int]:
    state = Settled.first(np.array(verdicts[:1], np.int8))
    out = [int(state.shown[0])]
    for verdict in verdicts[1:]:
        state = settle(state, np.array([verdict], np.int8))
        out.append(int(state.shown[0]))
    return out


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([PASS, FAIL, PASS, PASS], [PASS] * 4),
        ([PASS, FAIL, PASS, FAIL, PASS], [PASS] * 5),
        ([PASS, FAIL, FAIL, PASS], [PASS, PASS, FAIL, FAIL]),
        ([PASS, FAIL, UNDECIDED, FAIL, FAIL], [PASS, PASS, PASS, PASS, FAIL]),
        ([NO_DATA, PASS, NO_DATA, FAIL], [NO_DATA, PASS, NO_DATA, FAIL]),
    ],
)
def test_verdict_changes_when_two_rounds_agree(found, expected):
    assert shown(*found) == expected
