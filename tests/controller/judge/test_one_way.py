"""One-way delays between clocks and physics; both bound the same order statistic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.judge.evidence import CLOCK_FAULTS
from controller.judge.one_way import (
    intersect,
    is_faster_than_light,
    single_probe_faults,
    without_false_floors,
)

MS = 1e6
DELAYS_NS = st.floats(0, 1e9)


def one(value, kind=np.float64):
    return np.array([value], kind)


def cut(low, high, floor, rtt_high, *, trusted=True, fault=0):
    return intersect(
        one(low), one(high), one(floor), one(rtt_high), one(trusted, np.bool_), one(fault, np.int8)
    )


@given(DELAYS_NS, DELAYS_NS, DELAYS_NS, DELAYS_NS, st.booleans())
def test_what_holds_for_clocks_and_physics_is_in_the_intersection(
    delay_ns, back_ns, bound_ns, floor_share_ns, trusted
):
    """A true delay, a way back, and clocks within their bound: the interval holds the delay."""
    floor_ns = min(delay_ns, back_ns, floor_share_ns)
    rtt_ns = delay_ns + back_ns
    found = cut(delay_ns - bound_ns, delay_ns + bound_ns, floor_ns, rtt_ns, trusted=trusted)
    slack = 1e-6 * (1 + rtt_ns)
    assert found.low_ns[0] <= delay_ns + slack
    assert found.high_ns[0] >= delay_ns - slack
    assert found.low_ns[0] >= floor_ns
    assert found.high_ns[0] <= rtt_ns - floor_ns + slack


def test_without_clocks_physics_alone_remains():
    found = cut(2 * MS, 3 * MS, 1 * MS, 10 * MS, trusted=False)
    assert (found.low_ns[0], found.high_ns[0]) == (1 * MS, 9 * MS)
    assert not found.trusted[0]
    assert found.fault[0] == 0


@pytest.mark.parametrize(
    ("low_ms", "high_ms", "fault"),
    [(9.5, 9.9, "longer_than_round_trip"), (0.2, 0.4, "forward_too_fast"), (2, 3, "none")],
)
def test_an_empty_intersection_accuses_a_clock_and_leaves_physics(low_ms, high_ms, fault):
    found = cut(low_ms * MS, high_ms * MS, 1 * MS, 10 * MS)
    assert CLOCK_FAULTS[found.fault[0]] == fault
    assert found.trusted[0] == (fault == "none")
    if fault != "none":
        assert (found.low_ns[0], found.high_ns[0]) == (1 * MS, 9 * MS)


def test_a_clock_that_was_found_out_has_no_part(evidence):
    refuted = CLOCK_FAULTS.index("refuted_by_mesh")
    found = cut(2 * MS, 3 * MS, 1 * MS, 10 * MS, fault=refuted)
    assert (found.fault[0], found.trusted[0]) == (refuted, False)
    assert found.high_ns[0] == 9 * MS


def test_a_floor_that_a_round_trip_outran_is_not_believed(evidence):
    known = evidence([[4 * MS], [4 * MS]], floor=[1.9 * MS, 2.1 * MS], calibration=0.1 * MS)
    assert is_faster_than_light(known).tolist() == [False, True]
    assert is_faster_than_light(known, slice(1, 2)).tolist() == [True]
    assert without_false_floors(known).floor_ns.tolist() == [1.9 * MS, 0.0]


@pytest.mark.parametrize(
    ("offset_ms", "bound_ms", "fault"),
    [
        (0.0, 0.1, "none"),
        (-1.5, 0.1, "forward_too_fast"),
        (1.5, 0.1, "backward_too_fast"),
        (-1.5, 2.0, "none"),  # within what the clocks claim
        (-1.5, np.nan, "none"),  # they claim nothing
    ],
)
def test_one_probe_quicker_than_light_is_enough(evidence, offset_ms, bound_ms, fault):
    known = evidence(
        [[4 * MS, 5 * MS]],
        [[2 * MS, 2.5 * MS]],
        floor=1 * MS,
        offset=offset_ms * MS,
        bound=bound_ms * MS,
    )
    assert CLOCK_FAULTS[single_probe_faults(known)[0]] == fault
