"""What was offered and taken survives a kill at any moment, whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.spool.counts import count_of
from agent.spool.delivery_counters import MOST_OFFERED, NUMBERS, DeliveryCounters, Offer

BOOT = "fedcba9876543210"


def offer(sequence: int) -> Offer:
    return Offer(BOOT, sequence, 10**18 + sequence, count_of(windows=3, probes=30))


def test_offers_are_in_doubt_until_they_are_settled() -> None:
    delivery_counters = DeliveryCounters(np.zeros(NUMBERS, np.int64))
    delivery_counters.offer([offer(5), offer(6)])
    delivery_counters.settle(
        [5], delivered=count_of(windows=3, probes=30), beside=count_of(windows=3, probes=30)
    )
    assert delivery_counters.in_doubt() == {6: offer(6)}
    assert (delivery_counters.delivered, delivery_counters.beside) == (
        count_of(windows=3, probes=30),
        count_of(windows=3, probes=30),
    )


@given(st.lists(st.integers(1, 9), max_size=30))
def test_a_kill_leaves_the_state_before_a_change_or_after_it(steps: list[int]) -> None:
    numbers = np.zeros(NUMBERS, np.int64)
    delivery_counters = DeliveryCounters(numbers)
    for step in steps:
        before = (delivery_counters.in_doubt(), delivery_counters.delivered)
        half = numbers.copy()
        other = 1 - int(half[0] & 1)  # whatever is in the copy that does not count
        half[1 + other * (NUMBERS // 2) :][: NUMBERS // 2] = -7
        assert (DeliveryCounters(half).in_doubt(), DeliveryCounters(half).delivered) == before
        if step in delivery_counters.in_doubt():
            delivery_counters.settle([step], delivered=count_of(windows=1, probes=step))
        else:
            delivery_counters.offer([offer(step)])
    assert len(delivery_counters.in_doubt()) <= MOST_OFFERED
