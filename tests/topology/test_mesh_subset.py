"""The stable part of a large mesh."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from topology.mesh_subset import chosen_pairs

NAMES = st.sets(st.text("abcdefghij-", min_size=1, max_size=4), min_size=2, max_size=14)


def whole(names: set[str] | list[str]) -> list[tuple[str, str]]:
    return list(itertools.combinations(sorted(names), 2))


@given(NAMES, st.integers(1, 15))
def test_every_site_has_at_least_its_peers_and_the_mesh_its_bound(names: set[str], k: int) -> None:
    chosen = chosen_pairs(whole(names), k)
    for name in names:
        assert sum(name in pair for pair in chosen) >= min(k, len(names) - 1)
    assert len(chosen) <= len(names) * k
    assert chosen <= {frozenset(pair) for pair in whole(names)}


@given(NAMES, st.integers(1, 5))
def test_order_and_direction_do_not_matter(names: set[str], k: int) -> None:
    pairs = whole(names)
    assert chosen_pairs(pairs, k) == chosen_pairs([(b, a) for a, b in reversed(pairs)], k)


@given(NAMES, st.integers(1, 5))
def test_site_that_is_added_adds_no_pair_among_the_others(names: set[str], k: int) -> None:
    before = chosen_pairs(whole(names), k)
    after = chosen_pairs(whole({*names, "newcomer"}), k)
    assert {pair for pair in after if "newcomer" not in pair} <= before


@settings(max_examples=20)
@given(NAMES, st.integers(1, 5))
def test_nothing_is_left_out_where_there_are_few(names: set[str], k: int) -> None:
    few = sorted(names)[: k + 1]
    assert len(chosen_pairs(whole(few), k)) == len(whole(few))


def test_adding_one_of_a_hundred_sites_moves_few_pairs() -> None:
    names = [f"site-{number}" for number in range(100)]
    before = chosen_pairs(whole(names), 10)
    for extra in range(20):
        new = f"extra-{extra}"
        after = chosen_pairs(whole([*names, new]), 10)
        assert len(before - after) <= 0.02 * len(before)
        assert 10 <= len(after - before) <= 20
