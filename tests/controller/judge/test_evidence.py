"""Rows that are chosen out of evidence and rules keep what belongs to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.judge.evidence import FAIL, PASS, UNDECIDED, decide, places_of
from controller.judge.judge import judge
from tests.controller.judge.conftest import make_evidence, make_rules

MS = 1e6
FINITE = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.5, 1.0, PASS),  # at most the limit is within it
        (0.5, 1.1, UNDECIDED),
        (1.2, 1.3, UNDECIDED),  # beyond the limit as it is known, but not beyond its own doubt
        (1.21, 1.3, FAIL),
        (np.nan, np.nan, UNDECIDED),
        (np.inf, np.inf, FAIL),
        (-np.inf, np.inf, UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, verdict):
    found = decide(np.array([low]), np.array([high]), np.array([1.0]), np.array([1.2]))
    assert found.tolist() == [verdict]


@given(FINITE, FINITE, FINITE)
def test_a_wider_interval_never_decides_what_a_narrower_one_leaves_open(low, width, limit):
    width = abs(width)
    ends = (np.array([low, low - 1]), np.array([low + width, low + width + 1]))
    narrow, wide = decide(*ends, np.full(2, limit), np.full(2, limit)).tolist()
    assert wide in (narrow, UNDECIDED)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(sorted))
def test_rows_are_judged_alone_as_among_all(rows):
    """`take` and `on` together: evidence, its windows and the rules on it."""
    rng = np.random.default_rng(1)
    trips = [rng.gamma(3, MS, n) for n in (40, 5, 0, 200)]
    whole = make_evidence(trips, [t / 2 for t in trips], lost=[0, 2, 3, 9], bound=1e4)
    asked = make_rules(4, limit=2 * MS, direction="one_way")
    at = np.array(rows)
    alone = judge(whole.take(at), asked.on(at, at))
    among = judge(whole, asked)
    for name in ("verdict", "low", "high", "measured", "sent", "lost", "other_reading"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(among, name)[at], name)


def test_rules_on_nothing_stay_on_nothing():
    assert places_of(np.array([7, -1, 3]), np.array([3, 7])).tolist() == [1, -1, 0]
    asked = make_rules(2, row=[-1, 5]).on(np.array([0, 1]), np.array([2, 5]))
    assert asked.row.tolist() == [-1, 1]
