"""Improvement on a sealed baseline period: paired per path and hour of the week."""

import numpy as np
import pytest

from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.improvement import (
    Cells,
    delay_improvement,
    hour_of_week,
    loss_improvement,
)


def test_week_begins_on_monday():
    monday = 1_790_553_600_000_000_000  # 2026-09-28 00:00:00 UTC, a Monday
    assert hour_of_week(np.array([monday, monday + 3_600_000_000_000 * 169])).tolist() == [0, 1]


def test_wrong_passes_of_loss_stay_below_five_percent_at_the_limit():
    rng = np.random.default_rng(4)
    units, hours = 500, 24
    unit, hour = np.repeat(np.arange(units), hours), np.tile(np.arange(hours), units)
    n = units * hours
    sides = [
        Cells(
            unit=unit,
            hour=hour,
            delay_ns=np.full(n, 1e6),
            bound_ns=np.zeros(n),
            sent=np.full(n, 1000),
            lost=lost,
            lost_most=lost,
        )
        for lost in (rng.binomial(1000, ratio, n) for ratio in (0.02, 0.01))
    ]
    found = loss_improvement(*sides, units, np.full(units, 0.5))
    assert np.mean(found.verdict == PASS) <= 0.03
    assert np.mean(found.verdict == FAIL) <= 0.03


def cells(delay_ns, sent=1000, lost=0, hours=None, unit=0, bound_ns=0.0, unplaced=0):
    delay = np.atleast_1d(np.asarray(delay_ns, float))
    n = len(delay)
    surely = np.broadcast_to(np.asarray(lost), n).astype(np.int64)
    return Cells(
        unit=np.full(n, unit),
        hour=np.arange(n) if hours is None else np.asarray(hours),
        delay_ns=delay,
        bound_ns=np.broadcast_to(np.asarray(bound_ns, np.float64), n),
        sent=np.full(n, sent),
        lost=surely,
        lost_most=surely + unplaced,
    )


@pytest.mark.parametrize(
    ("now_ms", "verdict"), [(1.0, PASS), (3.0, FAIL), (1.98, UNDECIDED), (None, NO_DATA)]
)
def test_eighty_percent_less_delay(now_ms, verdict):
    rng = np.random.default_rng(3)
    base = cells(10e6 * np.exp(rng.normal(0, 0.1, 48)))
    now = cells([]) if now_ms is None else cells(now_ms * 1e6 * np.exp(rng.normal(0, 0.1, 48)))
    assert delay_improvement(base, now, 1, np.array([0.2])).verdict.tolist() == [verdict]


def test_other_hours_are_left_out_and_said():
    # The baseline was measured at night, when it was quick: only the common hours count.
    base = cells([1e6] * 10 + [10e6] * 10)
    now = cells([1e6] * 10, hours=np.arange(10, 20))
    found = delay_improvement(base, now, 1, np.array([0.2]))
    assert found.ratio.point[0] == pytest.approx(0.1)
    assert (found.cells[0], found.excluded[0]) == (10, 10)


def test_loss_is_compared_at_the_same_mix_of_hours():
    # Nothing changed hour by hour; a plain sum would call the new mix of hours an improvement.
    base = cells([1e6] * 2, sent=10_000, lost=[10, 1000])
    now = Cells(
        unit=np.zeros(2, np.int64),
        hour=np.arange(2),
        delay_ns=np.full(2, 1e6),
        bound_ns=np.zeros(2),
        sent=np.array([90_000, 10_000]),
        lost=np.array([90, 1000]),
        lost_most=np.array([90, 1000]),
    )
    found = loss_improvement(base, now, 1, np.array([0.5]))
    assert found.ratio.point[0] == pytest.approx(1.0)
    assert found.verdict[0] != PASS


@pytest.mark.parametrize(("lost", "verdict"), [(20, PASS), (100, FAIL), (50, UNDECIDED)])
def test_half_the_loss(lost, verdict):
    base, now = cells([1e6] * 48, lost=100, sent=10_000), cells([1e6] * 48, lost=lost, sent=10_000)
    assert loss_improvement(base, now, 1, np.array([0.5])).verdict.tolist() == [verdict]


@pytest.mark.parametrize(
    ("bound_us", "verdict"), [(1.0, PASS), (100.0, UNDECIDED), (np.nan, NO_DATA)]
)
def test_what_clocks_leave_open_widens_an_improvement_one_way(bound_us, verdict):
    """From 10 ms to 1.9 ms one way: 81 % less, if the clocks are known well enough."""
    base = cells(np.full(24, 10e6), bound_ns=1e3)
    now = cells(np.full(24, 1.9e6), bound_ns=bound_us * 1e3)
    found = delay_improvement(base, now, 1, np.array([0.2]))
    assert found.verdict.tolist() == [verdict]
    assert (found.common[0], found.cells[0]) == (24, 0 if np.isnan(bound_us) else 24)
    if bound_us == 100.0:
        # (1.9 ± 0.1) / (10 ∓ 0.001), exactly
        assert found.ratio.low[0] == pytest.approx(1.8 / 10.001)
        assert found.ratio.high[0] == pytest.approx(2.0 / 9.999)


@pytest.mark.parametrize(
    ("now_ms", "bound_ms", "high"),
    [(0.5, 2.0, 0.25), (-1.0, 3.5, np.inf)],
)
def test_a_clock_that_may_be_more_wrong_than_the_delay_is_long_passes_nothing_for_it(
    now_ms, bound_ms, high
):
    hours = np.random.default_rng(3).normal(0, 1e3, (2, 24))
    base, now = cells(10e6 + hours[0]), cells(now_ms * 1e6 + hours[1], bound_ns=bound_ms * 1e6)
    found = delay_improvement(base, now, 1, np.array([0.2]))
    assert found.verdict.tolist() == [UNDECIDED]
    assert found.ratio.low.tolist() == [0.0]
    assert found.ratio.high[0] == pytest.approx(high, rel=0.01)


def test_losses_of_unknown_direction_count_for_neither_end_one_way():
    base = cells([1e6] * 48, lost=100, sent=10_000)
    plain = loss_improvement(base, cells([1e6] * 48, lost=20, sent=10_000), 1, np.array([0.5]))
    doubt = cells([1e6] * 48, lost=20, unplaced=80, sent=10_000)
    found = loss_improvement(base, doubt, 1, np.array([0.5]))
    assert (plain.verdict[0], found.verdict[0]) == (PASS, UNDECIDED)
    assert found.ratio.low[0] == pytest.approx(plain.ratio.low[0])
    assert found.ratio.high[0] > 0.9
    assert np.isnan(found.ratio.point[0])
