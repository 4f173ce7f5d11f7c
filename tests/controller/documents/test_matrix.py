"""The worst of every pair is found without looking at each pair, and is the same one."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.matrix import LATELY_NS, MOST_WATCHED, _worst_of_each

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


def made_of(controller: Any) -> set[str | None]:
    """Return the targets whose matrix of the latest round is there, none of an older round."""
    latest = controller.services.rounds.live.latest.revision
    made = controller.services.readings.matrices._made.values()
    assert {revision for (revision, _), _ in made} == {latest}
    return set(controller.services.readings.matrices._made)


async def test_the_matrix_of_all_targets_is_made_with_each_round(controller: Any) -> None:
    await controller.judge()
    assert made_of(controller) == {None}
    assert (await controller.get("/api/v1/matrix"))["target"] is None
    await controller.judge()
    assert made_of(controller) == {None}


async def test_what_was_asked_for_lately_is_made_too_and_then_forgotten(controller: Any) -> None:
    target = controller.services.rounds.scope.network.targets[0].name
    await controller.judge()
    assert (await controller.get(f"/api/v1/matrix?target={target}"))["target"] == target
    controller.services.clock.now_ns += LATELY_NS
    await controller.judge()
    assert made_of(controller) == {None, target}
    controller.services.clock.now_ns += 1
    await controller.judge()
    assert made_of(controller) == {None}


async def test_of_many_targets_only_those_asked_for_last_are_made(controller: Any) -> None:
    names = [target.name for target in controller.services.rounds.scope.network.targets]
    await controller.judge()
    for name in (names[0], *names):
        await controller.get(f"/api/v1/matrix?target={name}")
    await controller.judge()
    assert made_of(controller) == {None, *names[-MOST_WATCHED:]}
