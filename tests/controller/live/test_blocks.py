"""Streams are judged some at a time; what belongs together stays together."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.live.blocks import blocks_of, in_their_places

PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=12)


@settings(deadline=None)
@given(PAIRS, st.integers(1, 25))
def test_every_row_is_in_one_block_and_linked_rows_share_theirs(
    pairs: list[tuple[int, int]], rows_at_once: int
) -> None:
    linked = np.array(pairs, np.int64).reshape(-1, 2)
    blocks = blocks_of(20, linked, rows_at_once)
    assert sorted(np.concatenate(blocks).tolist()) == list(range(20))
    assert all((np.diff(block) > 0).all() for block in blocks)
    number = {int(row): i for i, block in enumerate(blocks) for row in block}
    assert all(number[a] == number[b] for a, b in pairs)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 60))
def test_rows_that_are_not_linked_stay_side_by_side(rows: int, rows_at_once: int) -> None:
    alone = blocks_of(rows, np.zeros((0, 2), np.int64), rows_at_once)
    assert [row for block in alone for row in block.tolist()] == list(range(rows))
    assert max(map(len, alone)) <= rows_at_once
    if rows:
        with_itself = blocks_of(rows, np.array([[0, 0]]), rows_at_once)
        assert list(map(list, with_itself)) == list(map(list, alone))


def test_a_map_without_streams_has_one_empty_block() -> None:
    assert [block.tolist() for block in blocks_of(0, np.zeros((0, 2), np.int64))] == [[]]


def test_what_was_found_in_blocks_returns_to_its_places() -> None:
    @dataclass
    class Column:
        value: np.ndarray

    aggregates = [
        {"one": np.array([30, 10]), "other": Column(np.array([3.0, 1.0]))},
        {"one": np.array([0, 20]), "other": Column(np.array([0.0, 2.0]))},
    ]
    joined = in_their_places(aggregates, [np.array([3, 1]), np.array([0, 2])])
    assert joined["one"].tolist() == [0, 10, 20, 30]
    assert joined["other"].value.tolist() == [0.0, 1.0, 2.0, 3.0]
