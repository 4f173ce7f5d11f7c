"""A caller may ask a burst at once and then at the rate; nobody pays for another."""

from hypothesis import given
from hypothesis import strategies as st

from foundation.token_buckets import MAX_CALLERS, Buckets


class HandClock:
    """A clock that is set by hand."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns


def test_a_burst_is_let_through_and_then_it_says_when_to_come_back() -> None:
    clock = HandClock()
    buckets = Buckets(clock, rate=2.0, burst=3)
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait_s("b") == 0
    clock.now_ns += 500_000_000
    assert [buckets.wait_s("a"), buckets.wait_s("a")] == [0, 0.5]
    assert buckets.refused == 2


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = HandClock()
    buckets = Buckets(clock, rate=2.0, burst=3)
    buckets.wait_s("a")
    clock.now_ns += 10**15
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_in_no_span_are_more_let_through_than_burst_and_rate_allow(gaps: list[int]) -> None:
    clock, rate, burst = HandClock(), 5.0, 4
    buckets, let_in = Buckets(clock, rate, burst), []
    for gap_ns in gaps:
        clock.now_ns += gap_ns
        if buckets.wait_s("a") == 0:
            let_in.append(clock.now_ns)
    for first, begin_ns in enumerate(let_in):
        for last, end_ns in enumerate(let_in[first:], start=first):
            allowed = burst + rate * (end_ns - begin_ns) * 1e-9
            assert last - first + 1 <= allowed + 1e-6


def test_of_more_callers_than_there_is_room_for_those_that_wait_are_kept() -> None:
    clock = HandClock()
    buckets = Buckets(clock, rate=1.0, burst=1)
    for number in range(MAX_CALLERS - 1):
        buckets.wait_s(f"idle{number}")
    clock.now_ns += 2_000_000_000  # their buckets are full again
    buckets.wait_s("busy")
    buckets.wait_s("new")
    assert buckets.wait_s("busy") > 0
