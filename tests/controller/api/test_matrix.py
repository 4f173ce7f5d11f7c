"""The worst of every pair is found without looking at each pair, and is the same one."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.api.matrix import _worst_of_each

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.sampled_from([-1.0, 0.5, 2.0])))


@given(ROWS)
def test_worst_of_each_pair_is_that_of_a_plain_search(rows: list[tuple[int, int, float]]) -> None:
    pair = np.array([row[0] for row in rows], np.int64)
    weight = np.array([row[1] for row in rows], np.int8)
    excess = np.array([row[2] for row in rows], np.float64)
    chosen = _worst_of_each(pair, weight, excess)
    assert pair[chosen].tolist() == sorted(set(pair.tolist()))
    for place in chosen.tolist():
        others = [row[1:] for row in rows if row[0] == rows[place][0]]
        assert rows[place][1:] == max(others)


async def test_who_watches_finds_the_next_matrix_made_and_nobody_elses_is_kept(
    controller: Any,
) -> None:
    first = await controller.get("/api/v1/matrix")
    await controller.judge()
    made = controller.state.matrices._made
    assert [revision for revision, _ in made.values()] == [controller.state.live.latest.revision]
    assert (await controller.get("/api/v1/matrix"))["sites"] == first["sites"]
    await controller.judge()
    await controller.judge()
    assert controller.state.matrices._made == {}
