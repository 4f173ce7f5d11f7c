"""Whose windows make a round raise is found and left out; all others are judged."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.live.failing_windows import MAX_TRIES, failing_rows, names_of, only, without
from controller.live.judging import Judge
from controller.store.aggregate import aggregate_of
from tests.controller.conftest import batch_of

SECOND = 1_000_000_000


async def test_whose_windows_raise_is_left_out_alone_and_named(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any, monkeypatch: Any
) -> None:
    state = controller.services
    for agent in ("nanjing", "suzhou"):
        ids = sorted(spec.stream_id for spec in state.distribution.plans[agent].streams)
        for number in range(3):
            batch = batch_of(ids, clock.now_ns + (number - 4) * 10 * SECOND)
            await controller.deliver(agent, chunk_of(batch, agent=agent, sequence=number))
    whole = Judge.judge
    guilty = [
        row for row, s in enumerate(state.rounds.scope.streams) if s.path.source.site == "suzhou"
    ]

    def judged(self: Judge, slots: Any, *more: Any) -> Any:
        if any(set(slot.row.tolist()) & set(guilty) for slot in slots):
            raise ArithmeticError("boom")
        return whole(self, slots, *more)

    monkeypatch.setattr(Judge, "judge", judged)
    for _ in range(2):
        await controller.judge()
    assert state.watchdog.failing() == {"judging/suzhou": "ArithmeticError: boom"}
    verdicts = (await controller.get("/api/v1/verdicts"))["items"]
    by_source: dict[str, set[str]] = {}
    for one in verdicts:
        by_source.setdefault(one["path"].split(".")[0], set()).add(one["verdict"])
    assert by_source["suzhou"] == {"no_data"}
    assert by_source["nanjing"] != {"no_data"}


@given(st.sets(st.integers(0, 99), max_size=3))
def test_rows_that_raise_alone_are_found_and_no_others(guilty: set[int]) -> None:
    tried = []

    def raised(rows: np.ndarray) -> Exception | None:
        tried.append(len(rows))
        return ArithmeticError("boom") if guilty & set(rows.tolist()) else None

    found = failing_rows(raised, np.arange(100))
    assert sorted(int(row) for rows, _ in found for row in rows) == sorted(guilty)
    assert len(tried) <= MAX_TRIES + 3


def test_rows_that_raise_only_together_are_left_out_together() -> None:
    def raised(rows: np.ndarray) -> Exception | None:
        return ArithmeticError("boom") if {3, 60} <= set(rows.tolist()) else None

    ((rows, error),) = failing_rows(raised, np.arange(100))
    assert {3, 60} <= set(rows.tolist())
    assert str(error) == "boom"


def test_a_search_ends_where_everything_raises() -> None:
    error = ArithmeticError("boom")
    found = failing_rows(lambda _: error, np.arange(10_000))
    assert np.array_equal(np.sort(np.concatenate([rows for rows, _ in found])), np.arange(10_000))


def test_an_agent_is_named_where_all_of_its_streams_raise_else_the_path() -> None:
    one, other = ArithmeticError("one"), ValueError("other")
    agents, paths = ["a", "a", "b", "b"], ["a>x", "a>y", "b>x", "b>y"]
    found = [(np.array([0, 1]), one), (np.array([3]), other)]
    assert names_of(found, agents, paths) == {"a": one, "b>y": other}


def test_windows_without_some_streams_and_those_of_them_are_the_whole() -> None:
    batch = batch_of([5, 6, 7], 0)
    slots = [aggregate_of(batch, np.arange(3), np.array([1, 4, 8]))]
    some = np.array([8, 1])
    assert [one.row.tolist() for one in without(slots, some)] == [[4]]
    assert [one.row.tolist() for one in only(slots, some)] == [[1, 8]]
    assert [one.row.tolist() for one in without(slots, some[:0])] == [[1, 4, 8]]
