"""Skew goes, queueing stays: relative one-way delays against known truth and a linear programme."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from controller.judge.relative_delay import hull_line, least_lines_ns, stretches

MS = 1e6


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 80))
def test_the_line_is_that_of_the_linear_programme(seed, n):
    """Moon, Skelly and Towsley: the highest line under all points, measured at the mean time."""
    rng = np.random.default_rng(seed)
    time_s = np.sort(rng.uniform(0, 600, n)) + np.arange(n)
    least = rng.exponential(1e5, n) + 20e3 * time_s
    slope, start = hull_line(time_s, least)
    best = linprog(
        [-time_s.mean() / 600, -1],
        A_ub=np.column_stack([time_s / 600, np.ones(n)]),
        b_ub=least,
        bounds=[(None, None)] * 2,
    )
    assert start + slope * time_s.mean() == pytest.approx(-best.fun, rel=1e-6, abs=1)
    assert (start + slope * time_s <= least + 1).all()


@pytest.mark.parametrize("ppm", [-50, -7, 0, 7, 20])
def test_skew_is_found_to_a_part_in_a_million(ppm):
    """The trial of docs/concepts/measurement.md §4.4: 7 ppm over an hour, two windows in a hundred
    disturbed."""
    rng = np.random.default_rng(1)
    time_s = np.arange(360) * 10.0
    quiet = rng.exponential(2e3, 360) + np.where(rng.random(360) < 0.02, 3 * MS, 0)
    slope, _ = hull_line(time_s, 5 * MS + quiet + ppm * 1e3 * time_s)
    assert slope / 1e3 == pytest.approx(ppm, abs=0.05)


def test_queueing_above_the_least_is_told_without_any_clock():
    rng = np.random.default_rng(2)
    time_s = np.arange(120) * 10.0
    queue = np.where((time_s > 400) & (time_s < 700), 2 * MS, 0.0) + rng.exponential(5e3, 120)
    offset = -37 * MS + 20e3 * time_s  # 37 ms behind, 20 ppm apart
    forward, backward = 8 * MS + queue + offset, 9 * MS + rng.exponential(5e3, 120) - offset
    there, back = least_lines_ns(time_s, forward, backward)
    assert np.abs(forward - there - queue).max() < 0.05 * MS
    assert np.abs(backward - back).max() < 0.1 * MS


def test_a_step_of_a_clock_begins_a_new_stretch_and_a_change_of_route_does_not():
    time_s = np.arange(40) * 10.0
    forward, backward = np.full(40, 5 * MS), np.full(40, 6 * MS)
    stepped = np.where(time_s >= 200, 3 * MS, 0.0)
    assert len(np.unique(stretches(time_s, forward + stepped, backward - stepped))) == 2
    assert len(np.unique(stretches(time_s, forward + stepped, backward))) == 1
    there, back = least_lines_ns(time_s, forward + stepped, backward - stepped)
    assert np.abs(forward + stepped - there).max() < 1
    assert np.abs(backward - stepped - back).max() < 1


def test_a_stretch_lasts_no_longer_than_an_hour():
    time_s = np.arange(1_000) * 10.0
    flat = np.full(1_000, MS)
    assert np.bincount(stretches(time_s, flat, flat)).max() == 360


def test_two_windows_show_nothing_and_absent_ones_stay_absent():
    there, _ = least_lines_ns(np.array([0.0, 10.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert np.isnan(there).all()
    time_s, least = np.arange(5) * 10.0, np.array([MS, np.nan, MS, MS, MS])
    there, _ = least_lines_ns(time_s, least, least)
    assert np.isnan(there).tolist() == [False, True, False, False, False]
    assert not len(least_lines_ns(np.zeros(0), np.zeros(0), np.zeros(0))[0])
