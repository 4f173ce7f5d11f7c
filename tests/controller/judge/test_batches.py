"""Windows are gathered row by row: what is in other rows has no say."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.judge.batches import MOST, MOST_GATHERED, Batches


@settings(deadline=None)
@given(st.lists(st.integers(0, MOST * MOST_GATHERED), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_sum_does_not_depend_on_how_many_windows_other_rows_have(
    windows: list[int], seed: int
) -> None:
    value = np.random.default_rng(seed).lognormal(0, 5, sum(windows))
    alone = Batches.of(np.concatenate([[0], np.cumsum(windows)]))
    longest = MOST * (MOST_GATHERED + 2)  # beside it, batches are added up another way
    beside = Batches.of(np.concatenate([[0], np.cumsum([*windows, longest])]))
    sums = beside.sums(np.concatenate([value, np.ones(longest)]))
    assert alone.sums(value).tolist() == sums[: len(alone.starts)].tolist()
