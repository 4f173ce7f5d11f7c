"""Waits double up to a bound, never in step with others, and start afresh after a success."""

import random

from hypothesis import given
from hypothesis import strategies as st

from agent.channel.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_each_wait_is_drawn_below_a_ceiling_that_doubles_up_to_the_longest(
    seed: int, failures: int
) -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0, generator=random.Random(seed))
    for failure in range(failures):
        ceiling_s = min(30.0, 0.5 * 2.0**failure)
        assert ceiling_s / 4 <= backoff.next_s() <= ceiling_s


def test_a_success_begins_anew() -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0)
    for _ in range(20):
        backoff.next_s()
    backoff.succeeded()
    assert backoff.next_s() <= 0.5


def test_a_thousand_days_of_failures_end_in_no_overflow() -> None:
    assert Backoff(failures=10**9).next_s() <= 30.0


def test_two_agents_do_not_come_back_together() -> None:
    one, other = (Backoff(generator=random.Random(seed)) for seed in (1, 2))
    assert [one.next_s() for _ in range(5)] != [other.next_s() for _ in range(5)]


@given(st.floats(0, 3600), st.integers(0, 2**32))
def test_a_wait_that_was_asked_for_is_kept_and_spread_a_little(asked_s: float, seed: int) -> None:
    waited_s = Backoff(generator=random.Random(seed)).at_least_s(asked_s)
    assert asked_s <= waited_s <= 1.25 * asked_s
