"""Order and grouping of numbers, whichever of the two ways they are sorted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.sockets.records import chosen, grouped, sorted_within, stable_order

_COUNTS = st.sampled_from([0, 1, 2, 127, 128, 300])


@settings(max_examples=60, deadline=None)
@given(_COUNTS, st.sampled_from([1, 5, 1000, 1 << 40, 1 << 62]), st.integers(0, 99))
def test_order_is_that_of_a_stable_sort_for_small_and_huge_numbers(
    count: int, limit: int, seed: int
) -> None:
    numbers = np.random.default_rng(seed).integers(0, limit, count)
    np.testing.assert_array_equal(stable_order(numbers), np.argsort(numbers, kind="stable"))
    distinct, place = grouped(numbers)
    assert (np.diff(distinct) > 0).all()
    np.testing.assert_array_equal(distinct[place], numbers)


@settings(max_examples=60, deadline=None)
@given(_COUNTS, st.sampled_from([3, 1 << 20]), st.sampled_from(["whole", "parts", "huge"]))
def test_values_are_sorted_within_their_groups(count: int, groups: int, kind: str) -> None:
    generator = np.random.default_rng(count)
    group = generator.integers(0, groups, count)
    value = generator.normal(0.0, 1e15 if kind == "huge" else 1e6, count)
    value = value if kind == "parts" else np.rint(value)
    expected = value[np.lexsort((value, group))]
    np.testing.assert_array_equal(sorted_within(group, value), expected)


@pytest.mark.parametrize("place", [[], [1], [0, 1, 2]])
def test_chosen_rows_of_a_column(place: list[int]) -> None:
    column = np.array([7, 8, 9])
    assert chosen(column, np.array(place, np.int64)).tolist() == column[place].tolist()
