"""Which columns a width has room for, and how wide each is."""

from hypothesis import given
from hypothesis import strategies as st

from tui.rows import Column, lay_out, plain


def column(key: str, width: int, rank: int = 0, stretch: int = 0, most: int = 40) -> Column:
    return Column(key=key, title=key, width=width, rank=rank, stretch=stretch, most=most)


def shown(columns: list[Column], width: int) -> dict[str, int]:
    return {each.key: cells for each, cells in lay_out(columns, width)}


def test_columns_of_the_highest_rank_leave_first_and_those_of_rank_0_never() -> None:
    columns = [column("a", 10), column("b", 10, rank=2), column("c", 10, rank=1)]
    assert list(shown(columns, 32)) == ["a", "b", "c"]
    assert list(shown(columns, 31)) == ["a", "c"]
    assert list(shown(columns, 20)) == ["a"]
    assert list(shown([column("a", 10), column("d", 10)], 5)) == ["a", "d"]


def test_spare_width_goes_by_shares_up_to_the_most_a_column_takes() -> None:
    columns = [column("a", 5, stretch=1, most=8), column("b", 5, stretch=3), column("c", 5)]
    assert shown(columns, 25) == {"a": 7, "b": 11, "c": 5}
    assert shown(columns, 90) == {"a": 8, "b": 40, "c": 5}


@given(
    st.lists(
        st.builds(
            Column,
            key=st.uuids().map(str),
            title=st.just(""),
            width=st.integers(1, 12),
            rank=st.integers(0, 4),
            stretch=st.integers(0, 4),
            most=st.integers(1, 40),
        ),
        min_size=1,
        max_size=9,
    ),
    st.integers(1, 200),
)
def test_what_is_laid_out_fits_and_no_column_is_narrower_than_it_asks(
    columns: list[Column], width: int
) -> None:
    laid = lay_out(columns, width)
    assert [each for each, _ in laid] == [each for each in columns if each in dict(laid)]
    assert all(cells >= each.width for each, cells in laid)
    needed = sum(cells for _, cells in laid) + len(laid) - 1
    assert needed <= width or all(each.rank == 0 for each, _ in laid) or len(laid) == 1


def test_a_plain_cell_is_one_span() -> None:
    assert plain("x", "dim") == (("x", "dim"),)
