"""What an undecided verdict asks for decides it, about as often as it says."""

import numpy as np
import pytest

from controller.judge.evidence import LIMITING_FACTORS, VERDICTS
from controller.judge.judge import judge
from controller.judge.undecided import samples_for_loss, samples_for_ratio, still_needed


def test_probes_needed_are_those_of_the_published_sample_sizes():
    # One-sided at 5 % is alpha 0.1 here: 17,868 and 299 by the normal approximation (F.2).
    ratio, limit = np.array([0.0077, 0.0376]), np.array([0.01, 0.01])
    assert samples_for_ratio(ratio, limit, 0.1).tolist() == pytest.approx([17_868, 299], abs=1)


def test_no_loss_at_all_needs_the_exact_count():
    # 0 lost of n shows less than 1 %, 0.1 %, 0.01 % at 95 % one-sided (F.2).
    limit = np.array([0.01, 0.001, 0.0001])
    assert samples_for_ratio(np.zeros(3), limit, 0.1).tolist() == [299, 2_995, 29_956]


@pytest.mark.parametrize(
    ("ratio", "median"),
    [(0.0, 500), (0.005, 3_100), (0.0077, 19_400), (0.013, 15_200), (0.02, 1_400), (0.0376, 300)],
)
def test_the_repeatable_test_needs_what_was_measured_of_it(ratio, median):
    """The median number of probes until it decides at 1 % (docs/concepts/measurement.md §6.3)."""
    needed = samples_for_loss(np.array([ratio]), np.array([0.01]), 0.05, "repeated")[0]
    assert 0.7 * median <= needed <= 1.35 * median


def test_a_value_at_the_limit_needs_no_finite_number():
    at = np.array([0.01])
    assert np.isnan(samples_for_loss(at, at, 0.05, "repeated")[0])
    assert np.isnan(still_needed(np.array([np.nan]), np.array([10]))[0])


def test_never_fewer_than_one_more():
    assert still_needed(np.array([5.0]), np.array([10]))[0] == 1


def test_delays_that_resemble_their_neighbours_need_more_of_them(evidence, rules):
    """The same delays, once in runs of alike ones and once shuffled: only the order differs."""
    rng = np.random.default_rng(3)
    runs = np.repeat(rng.normal(4.3e6, 0.4e6, 30), 20) + rng.normal(0, 0.05e6, 600)
    asked = rules(direction="round_trip", statistic="p90", limit=5e6)
    found = judge(evidence([runs], windows=30), asked)
    mixed = judge(evidence([rng.permutation(runs)], windows=30), asked)
    assert (
        LIMITING_FACTORS[found.limiting_factor[0]]
        == LIMITING_FACTORS[mixed.limiting_factor[0]]
        == "samples"
    )
    assert found.needed_samples[0] > 5 * mixed.needed_samples[0]


def test_the_number_asked_for_decides_most_of_the_time(evidence, rules):
    rng = np.random.default_rng(5)
    asked = rules(direction="round_trip", statistic="p95", limit=5e6)
    decided, tried = 0, 0
    for _ in range(60):
        draw = rng.exponential(1.0, 40_000) * 1.5e6 + 0.2e6  # true p95 4.69 ms
        found = judge(evidence([draw[:400]]), asked)
        more = found.needed_samples[0]
        if np.isnan(more) or more > 39_600:
            continue
        tried += 1
        later = judge(evidence([draw[: 400 + int(more)]]), asked)
        decided += VERDICTS[later.verdict[0]] != "undecided"
    assert tried >= 20
    assert decided >= 0.5 * tried


def test_what_the_clocks_take_of_the_margin_is_not_left_to_samples(evidence, rules):
    rng = np.random.default_rng(6)
    there = rng.normal(0.8e6, 0.05e6, 60)
    ask = rules(direction="one_way", statistic="p95", limit=1e6)
    near = judge(evidence([2 * there], [there], bound=100e3), ask)
    far = judge(evidence([2 * there], [there], bound=1e3), ask)
    assert (
        LIMITING_FACTORS[near.limiting_factor[0]]
        == LIMITING_FACTORS[far.limiting_factor[0]]
        == "samples"
    )
    assert near.needed_samples[0] >= far.needed_samples[0]
