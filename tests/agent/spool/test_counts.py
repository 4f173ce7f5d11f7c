"""Counts add up by kind, and come back whole from a text and from a page of memory."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.spool.counts import PLACES, Count, count_of, counted_at, from_json, total
from messages.sections.registry import kinds

NAMES = ["probes", *(kind.name for kind in kinds())]
COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(-(2**62), 2**62)).map(Count)


def test_what_there_is_none_of_is_left_out() -> None:
    assert count_of(probes=0, windows=0) == Count()
    assert not count_of(windows=0)
    assert count_of(windows=3)["probes"] == 0


def test_probes_are_not_results() -> None:
    count = count_of(probes=20, windows=2)
    assert (count.probes, count.windows, count.results) == (20, 2, 2)


@given(COUNTS)
def test_a_count_comes_back_from_its_text_and_from_its_places(count: Count) -> None:
    assert from_json(count.to_json()) == count
    placed = count.placed()
    assert placed.shape == (PLACES,)
    assert counted_at(placed) == count


@pytest.mark.parametrize("text", ["", "[]", '{"windows":"3"}', '{"windows":1.5}', "{"])
def test_a_text_that_is_none_of_ours_is_an_error(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):  # a ValueError
        from_json(text)


@given(st.lists(COUNTS, max_size=4), COUNTS)
def test_sums_are_of_every_kind_and_differences_undo_them(many: list[Count], one: Count) -> None:
    whole = total(many)
    assert all(whole[name] == sum(each[name] for each in many) for name in NAMES)
    assert whole.plus(one).less(one) == whole


@given(COUNTS, COUNTS)
def test_the_greater_of_two_is_taken_kind_by_kind(one: Count, other: Count) -> None:
    greater = one.at_least(other)
    assert all(greater[name] == max(one[name], other[name]) for name in NAMES)
    assert one.at_least_none() == one.at_least(Count())
