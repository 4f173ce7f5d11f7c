"""Rows of different lengths: what the helpers give is what lists of lists give."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foundation.ragged import (
    indptr_of,
    place_in_row,
    row_of_entry,
    row_sums,
    slice_rows,
    spans,
    stack_rows,
    take_rows,
)

Rows = list[list[int]]
rows = st.lists(st.lists(st.integers(0, 99), max_size=5), min_size=1, max_size=8)


def ragged(of: Rows) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for row in of for value in row], np.int64)
    return indptr_of(np.array([len(row) for row in of])), values


def lists(indptr: np.ndarray, values: np.ndarray) -> Rows:
    return [values[a:b].tolist() for a, b in itertools.pairwise(indptr)]


@given(rows)
def test_rows_laid_end_to_end_come_back_as_they_were(of: Rows) -> None:
    indptr, values = ragged(of)
    assert indptr.dtype == np.int64
    assert lists(indptr, values) == of


@given(rows)
def test_every_entry_knows_its_row_and_its_place_in_it(of: Rows) -> None:
    indptr, _ = ragged(of)
    assert row_of_entry(indptr).tolist() == [i for i, row in enumerate(of) for _ in row]
    assert place_in_row(indptr).tolist() == [place for row in of for place in range(len(row))]


@given(rows, st.data())
def test_rows_are_taken_in_the_order_asked_for_and_as_often(of: Rows, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(0, len(of) - 1)))
    indptr, values = ragged(of)
    found, entry = take_rows(indptr, np.array(wanted, np.int64))
    assert lists(found, values[entry]) == [of[i] for i in wanted]


@given(rows, st.data())
def test_rows_side_by_side_are_a_slice(of: Rows, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(of)))
    last = data.draw(st.integers(first, len(of)))
    indptr, values = ragged(of)
    found, entries = slice_rows(indptr, slice(first, last))
    assert lists(found, values[entries]) == of[first:last]


@given(rows, rows)
def test_ragged_arrays_are_stacked(one: Rows, other: Rows) -> None:
    (first, some), (second, more) = ragged(one), ragged(other)
    both = stack_rows([first, second])
    assert lists(both, np.concatenate([some, more])) == one + other


@given(rows)
def test_rows_are_added_up_and_an_empty_one_gives_nothing(of: Rows) -> None:
    assert row_sums(*ragged(of)).tolist() == [sum(row) for row in of]


def test_spans_are_the_numbers_from_each_beginning_on() -> None:
    indptr, entry = spans(np.array([7, 0, 3]), np.array([2, 0, 3]))
    assert lists(indptr, entry) == [[7, 8], [], [3, 4, 5]]
