"""The accounts close in every order of full disks, kills and cuts: what the controller has is never
declared dropped, and nothing is missing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.conftest import MakeWindows
from tests.agent.spool.spool_trial import trial_of

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("measure"), st.integers(1, 4)),
        st.tuples(st.just("disk"), st.booleans()),
        st.tuples(st.just("freeze"), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("kill")),
    ),
    max_size=25,
)


@given(STEPS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it makes and keeps nothing
)
def test_the_accounts_close_in_every_order(
    make_windows: MakeWindows, steps: list[tuple[str, int, bool]]
) -> None:
    with trial_of(make_windows) as trial:
        for name, *arguments in steps:
            getattr(trial, name)(*arguments)
            trial.check()
        trial.end()


@pytest.mark.parametrize("heard", [True, False])
def test_what_was_delivered_from_memory_is_not_cut_off_by_a_kill(
    make_windows: MakeWindows, heard: bool
) -> None:
    """The disk is full, the controller comes back and takes the backlog, then kill -9."""
    with trial_of(make_windows, 1 << 20) as trial:
        trial.fill()
        for _ in range(20):
            trial.measure(2)
            trial.deliver(5, True)
        trial.measure(2)
        trial.deliver(4, heard)
        trial.kill()
        trial.end()
        assert trial.dropped() == {}


def test_what_cannot_be_deleted_and_is_delivered_again_is_counted_once(
    make_windows: MakeWindows,
) -> None:
    """It was acknowledged, the disk did not let it be deleted, and kill -9 made us forget."""
    with trial_of(make_windows) as trial:
        for _ in range(3):
            trial.measure(2)
        trial.freeze(True)
        for _ in range(3):
            trial.deliver(5, True)
            trial.measure(4)  # it is in memory alone
            trial.kill()
        trial.end()
        assert sum(trial.stored.values()) == 6
        assert trial.dropped() == {"cut_off": 12}


def test_windows_that_only_memory_held_are_cut_off_and_asked_for_no_more(
    make_windows: MakeWindows,
) -> None:
    with trial_of(make_windows, 1 << 20) as trial:
        trial.fill()
        trial.measure(3)
        trial.deliver(0, False)
        trial.kill()
        trial.end()
        dropped = trial.dropped()
        assert list(dropped) == ["cut_off"]
        assert dropped["cut_off"] >= 3
        assert 0 in trial.stored.values()  # the question
