"""Which levels there are, how long each is kept, and which one answers a question."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store.levels import (
    DAY,
    DAY_NS,
    HOUR,
    KEPT,
    LEVELS,
    MINUTE,
    LevelName,
    Retention,
    held_level,
    level_for,
)

ORDER: tuple[LevelName, ...] = ("window", *(level.name for level in LEVELS))


def test_each_level_is_made_of_whole_points_of_the_finer_one() -> None:
    for fine, coarse in itertools.pairwise(LEVELS):
        assert coarse.step_ns % fine.step_ns == 0
        assert fine.span_ns == coarse.step_ns  # a tile is what the coarser level merges
        assert coarse.code == fine.code + 1


@pytest.mark.parametrize(
    "days",
    [
        {"window_days": 0},
        {"window_days": 63, "minute_days": 62},
        {"hour_days": 61},
        {"day_days": 1_000_000},
    ],
)
def test_a_level_that_is_kept_shorter_than_a_finer_one_is_refused(days: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least as long"):
        Retention(**days)


def test_what_is_kept_reaches_back_from_now() -> None:
    assert KEPT.oldest_ns("window", 100 * DAY_NS) == 86 * DAY_NS
    assert KEPT.oldest_ns("day", 0) == -3660 * DAY_NS


@pytest.mark.parametrize(
    ("length_ns", "level"),
    [
        (0, "window"),
        (HOUR.step_ns, "window"),
        (HOUR.step_ns + 1, "minute"),
        (DAY_NS, "minute"),
        (DAY_NS + 1, "hour"),
        (60 * DAY_NS, "hour"),
        (60 * DAY_NS + 1, "day"),
    ],
)
def test_without_a_wish_the_length_decides(length_ns: int, level: LevelName) -> None:
    assert level_for(5, 5 + length_ns, None, None) == level


@pytest.mark.parametrize(
    ("step_ns", "level"),
    [(1, "window"), (MINUTE.step_ns - 1, "window"), (MINUTE.step_ns, "minute"),
     (HOUR.step_ns - 1, "minute"), (DAY.step_ns, "day"), (9 * DAY.step_ns, "day")],
)  # fmt: skip
def test_a_step_is_answered_by_the_coarsest_level_that_is_no_coarser(
    step_ns: int, level: LevelName
) -> None:
    assert level_for(0, DAY_NS, step_ns, None) == level


@given(st.integers(0, 4000 * DAY_NS), st.integers(1, 100_000))
def test_a_number_of_points_is_answered_by_the_finest_level_that_has_no_more(
    length_ns: int, most: int
) -> None:
    found = level_for(0, length_ns, None, most)
    if found == "window":
        assert length_ns <= min(HOUR.step_ns, most * 10_000_000_000)
        return
    level = next(one for one in LEVELS if one.name == found)
    finer = [one for one in LEVELS if one.step_ns < level.step_ns]
    assert all(length_ns > most * one.step_ns for one in finer)
    assert length_ns <= most * level.step_ns or level is DAY


def test_a_level_that_no_longer_reaches_back_gives_way_to_one_that_does() -> None:
    oldest: dict[LevelName, int] = {"window": 90, "minute": 50, "hour": 10, "day": 0}
    far = {name: start * DAY_NS for name, start in oldest.items()}
    assert held_level("window", far, 95 * DAY_NS) is None  # windows
    assert held_level("window", far, 60 * DAY_NS) is MINUTE
    assert held_level("minute", far, 20 * DAY_NS) is HOUR
    assert held_level("hour", far, 20 * DAY_NS) is HOUR
    assert held_level("minute", far, 5 * DAY_NS) is DAY


def test_a_coarser_level_is_not_taken_where_it_reaches_no_further_back() -> None:
    young: dict[LevelName, int] = {"window": DAY_NS + 5, "minute": DAY_NS, "hour": DAY_NS}
    assert held_level("window", young, 0) is None
    assert held_level("minute", young, 0) is MINUTE


def test_where_nothing_is_held_the_wish_stands() -> None:
    for name in ORDER:
        found = held_level(name, {}, 0)
        assert (found.name if found else "window") == name
