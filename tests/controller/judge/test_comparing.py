"""One path beside another: only what both measured at the same time is compared."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.judge.comparing import ComparisonPairs, compare, more_windows
from controller.judge.evidence import FAIL, NO_DATA, PASS, STATISTICS, UNDECIDED

MS = 1e6
WINDOWS = 10
STATELESS = [HealthCheck.function_scoped_fixture]  # `evidence` is a function without state


def pairs(*, own=0, other=1, limit=1.0, statistic="mean", of_loss=False, parity=False, margin=0.01):
    return ComparisonPairs(
        own=np.array([own]),
        other=np.array([other]),
        statistic=np.array([STATISTICS.index(statistic)], np.int8),
        of_loss=np.array([of_loss]),
        limit=np.array([float(limit)]),
        parity=np.array([parity]),
        loss_margin=np.array([margin]),
    )


def starts(rows, offset=0):
    """Windows of all rows at the same times, of row 0 `offset` of them later."""
    each = [np.arange(WINDOWS) + (offset if row == 0 else 0) for row in range(rows)]
    return np.concatenate(each).astype(np.int64) * 10


def trips(rtt_ms, n=1_000, seed=1):
    return np.random.default_rng(seed).normal(rtt_ms * MS, 0.02 * rtt_ms * MS, n)


@pytest.mark.parametrize("statistic", ["mean", "p50", "p95"])
@pytest.mark.parametrize(("limit", "verdict"), [(0.6, PASS), (0.5, UNDECIDED), (0.4, FAIL)])
def test_a_path_of_half_the_delay_is_judged_on_its_ratio(evidence, statistic, limit, verdict):
    known = evidence([trips(5), trips(10, seed=2)])
    found = compare(known, starts(2), pairs(limit=limit, statistic=statistic))
    assert found.verdict.tolist() == [verdict]
    assert found.delay_ratio.point[0] == pytest.approx(0.5, rel=0.02)
    assert found.delay_difference_ns.point[0] == pytest.approx(-5 * MS, rel=0.05)
    assert found.windows.tolist() == [WINDOWS]


@settings(deadline=None, max_examples=20, suppress_health_check=STATELESS)
@given(st.integers(0, WINDOWS + 2))
def test_only_windows_of_the_same_times_are_compared(evidence, offset):
    known = evidence([trips(5), trips(10)], lost=WINDOWS)
    found = compare(known, starts(2, offset), pairs())
    common = max(0, WINDOWS - offset)
    assert found.windows.tolist() == [common]
    assert found.own_lost.tolist() == found.other_lost.tolist() == [common]
    assert (found.verdict[0] == NO_DATA) == (common == 0)


@settings(deadline=None, max_examples=20, suppress_health_check=STATELESS)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 50), st.integers(0, 50))
def test_exchanging_the_sides_exchanges_the_answer(evidence, own_ms, other_ms, lost, base_lost):
    known = evidence([trips(own_ms), trips(other_ms, seed=2)], lost=[lost, base_lost])
    there = compare(known, starts(2), pairs())
    back = compare(known, starts(2), pairs(own=1, other=0))
    assert there.delay_ratio.point[0] == pytest.approx(1 / back.delay_ratio.point[0])
    assert there.delay_difference_ns.low[0] == pytest.approx(-back.delay_difference_ns.high[0])
    assert there.loss_difference.low[0] == pytest.approx(-back.loss_difference.high[0])
    assert (there.own_lost[0], there.other_sent[0]) == (back.other_lost[0], back.own_sent[0])


def test_what_is_not_measured_on_one_side_is_no_data(evidence):
    known = evidence([trips(5)])
    for asked in (pairs(other=-1), pairs(own=-1, other=0)):
        assert compare(known, starts(1), asked).verdict.tolist() == [NO_DATA]


def test_a_path_that_is_down_beside_a_living_one_fails(evidence):
    known = evidence([[], trips(10)], lost=[1_000, 0])
    assert compare(known, starts(2), pairs()).verdict.tolist() == [FAIL]


def test_loss_is_compared_as_a_ratio_where_that_is_asked(evidence):
    known = evidence([trips(5, 9_000), trips(5, 9_000)], lost=[20, 400])
    assert compare(known, starts(2), pairs(of_loss=True, limit=0.5)).verdict.tolist() == [PASS]
    other = pairs(own=1, other=0, of_loss=True, limit=0.5)
    assert compare(known, starts(2), other).verdict.tolist() == [FAIL]


def test_parity_binds_delay_and_loss_and_being_reachable(evidence):
    lossy = evidence([trips(5, 9_000), trips(5, 9_000, seed=2)], lost=[900, 0])
    asked = pairs(parity=True, limit=1.1)
    assert compare(lossy, starts(2), asked).verdict.tolist() == [FAIL]
    alike = evidence([trips(5, 9_000), trips(5, 9_000, seed=2)])
    assert compare(alike, starts(2), asked).verdict.tolist() == [PASS]
    alone = pairs(parity=True, other=-1)
    assert compare(alike, starts(2), alone).verdict.tolist() == [PASS]
    assert compare(evidence([[]], lost=1_000), starts(1), alone).verdict.tolist() == [FAIL]


def test_what_is_undecided_says_about_how_many_windows_would_decide_it(evidence):
    asked = pairs(limit=0.5005)
    found = compare(evidence([trips(5), trips(10, seed=2)]), starts(2), asked)
    assert found.verdict.tolist() == [UNDECIDED]
    assert more_windows(asked, found)[0] >= 1
    decided = pairs(limit=0.9)
    passed = compare(evidence([trips(5), trips(10, seed=2)]), starts(2), decided)
    assert np.isnan(more_windows(decided, passed)[0])


def test_comparisons_on_some_rows_keep_who_is_compared_with_whom():
    asked = pairs(own=7, other=-1).on(np.array([0]), np.array([3, 7]))
    assert (asked.own.tolist(), asked.other.tolist()) == ([1], [-1])
