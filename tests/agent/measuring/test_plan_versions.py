"""A window belongs to the plan that was in force when it ended."""

from hypothesis import given
from hypothesis import strategies as st

from agent.measuring.plan_versions import PlanVersions


def test_a_window_that_ended_before_a_plan_came_is_of_the_one_before() -> None:
    versions = PlanVersions()
    versions.begin(1, 100)
    versions.begin(2, 200)
    assert [versions.in_force(at_ns) for at_ns in (101, 200, 201)] == [1, 1, 2]


def test_what_ended_before_the_first_plan_is_of_the_first() -> None:
    versions = PlanVersions()
    versions.begin(7, 100)
    assert versions.in_force(50) == 7


def test_a_plan_that_comes_again_has_been_in_force_all_the_time() -> None:
    versions = PlanVersions()
    versions.begin(1, 100)
    versions.begin(2, 200)
    versions.begin(2, 300)
    assert versions.in_force(250) == 2


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(0, 7))
def test_the_last_eight_are_remembered_however_many_came(gaps: list[int], back: int) -> None:
    versions, now_ns, begun = PlanVersions(), 0, []
    for version, gap_ns in enumerate(gaps):
        now_ns += gap_ns
        versions.begin(version, now_ns)
        begun.append((version, now_ns))
    version, at_ns = begun[-1 - min(back, len(begun) - 1)]
    assert versions.in_force(at_ns + 1) == version
