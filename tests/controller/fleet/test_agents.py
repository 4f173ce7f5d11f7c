"""When an agent was heard decides how it is; what it says and delivers is kept of it."""

from typing import Any

import pytest

from controller.fleet.agents import (
    DOWN_AFTER_NS,
    LATE_AFTER_NS,
    ON_ITS_WAY_NS,
    AgentState,
    Fleet,
)
from controller.store.records import AgentTotals
from messages.exchange import Curtailed, CurtailedStream, Health

SECOND = 1_000_000_000


@pytest.fixture
def fleet(clock: Any) -> Fleet:
    return Fleet(["a", "b"], {}, clock)


def health(clock: Any, *, ahead_ns: int = 0, streams: int = 1) -> Health:
    sent_ns = clock.wall_ns() + ahead_ns
    return Health(version="1", boot="b", started_ns=0, sent_ns=sent_ns, streams=streams)


def test_an_agent_is_late_and_then_down_by_how_long_it_was_silent(fleet: Fleet, clock: Any) -> None:
    def state() -> AgentState:
        return fleet.now().state("a")

    assert state() == "never_seen"
    fleet.heard("a")
    assert state() == "ok"
    clock.now_ns += LATE_AFTER_NS - 1
    assert state() == "ok"
    clock.now_ns += 1
    assert state() == "late"
    clock.now_ns += DOWN_AFTER_NS - LATE_AFTER_NS
    assert state() == "agent_down"
    assert fleet.now().state("b") == "never_seen"


def test_a_controller_that_just_started_calls_nobody_down(clock: Any) -> None:
    long_ago = clock.now_ns - 3600 * SECOND
    held = AgentTotals(
        results={"windows": 9}, chunks=3, last_window_ns=long_ago, last_received_ns=long_ago
    )
    fleet = Fleet(["a"], {"a": held}, clock)
    assert fleet.now().state("a") == "late"
    assert fleet.now().agents["a"].windows_stored == 9
    clock.now_ns += DOWN_AFTER_NS
    assert fleet.now().state("a") == "agent_down"


def test_a_view_stays_as_it_was(fleet: Fleet) -> None:
    before = fleet.now()
    fleet.heard("a")
    fleet.refused["a"] += 1
    assert (before.state("a"), before.refused) == ("never_seen", {})


def test_only_what_a_message_cannot_take_is_a_difference_of_clocks(
    fleet: Fleet, clock: Any
) -> None:
    fleet.heard("a", health(clock, ahead_ns=-ON_ITS_WAY_NS))
    assert fleet.ahead_ns("a") == 0
    fleet.heard("a", health(clock, ahead_ns=5 * SECOND))
    assert (fleet.ahead_ns("a"), fleet.now().clocks_ahead_ns()) == (5 * SECOND, [5 * SECOND])
    fleet.heard("a")  # without a word of its clock
    assert fleet.ahead_ns("a") == 5 * SECOND


def test_results_are_counted_by_kind_and_only_windows_move_the_newest_window(
    fleet: Fleet, clock: Any
) -> None:
    fleet.heard("a")
    fleet.stored("a", {"windows": 3}, 900)
    fleet.stored("a", {"windows": 2}, 500)  # late
    fleet.stored("a", {"routes": 1}, 2000)
    agent = fleet.now().agents["a"]
    assert agent.results == {"windows": 5, "routes": 1}
    assert (agent.windows_stored, agent.last_window_ns) == (5, 900)
    assert fleet.now().newest_windows_ns() == [900]


def test_an_agent_that_speaks_and_delivers_nothing_measures_nothing(
    fleet: Fleet, clock: Any
) -> None:
    limit_ns = 60 * SECOND
    for _ in range(8):
        fleet.heard("a", health(clock))
        clock.now_ns += 10 * SECOND
    assert fleet.now().measures_nothing("a", clock.now_ns, limit_ns)
    assert not fleet.now().measures_nothing("b", clock.now_ns, limit_ns)  # never heard
    fleet.stored("a", {"windows": 1}, clock.now_ns)
    assert not fleet.now().measures_nothing("a", clock.now_ns, limit_ns)


def test_an_agent_whose_owner_refuses_all_streams_is_not_blamed(fleet: Fleet, clock: Any) -> None:
    refused = CurtailedStream(stream_id=7, rule="policy.destinations", action="refused")
    for _ in range(8):
        fleet.heard("a", health(clock, streams=0))
        fleet.curtailed("a", Curtailed(plan_version=1, streams=(refused,)))
        clock.now_ns += 10 * SECOND
    assert not fleet.now().measures_nothing("a", clock.now_ns, 60 * SECOND)


def test_refused_streams_are_named_and_when_they_were_allowed_again(
    fleet: Fleet, clock: Any
) -> None:
    def say(*actions: Any) -> None:
        streams = tuple(
            CurtailedStream(stream_id=n, rule="policy.destinations", action=action)
            for n, action in enumerate(actions, 7)
        )
        fleet.curtailed("a", Curtailed(plan_version=1, streams=streams))

    say("refused", "throttled", "refused")
    view = fleet.now()
    assert sorted(view.refused_streams().tolist()) == [7, 9]
    found = view.curtailment("a", 8)
    assert found is not None
    assert found.action == "throttled"
    assert view.curtailment("nobody", 8) is None
    clock.now_ns += SECOND
    say("refused", "refused")
    ids, at_ns = fleet.now().allowed_again(clock.now_ns - 1)
    assert (ids.tolist(), at_ns.tolist()) == ([9], [clock.now_ns])
    assert fleet.now().allowed_again(clock.now_ns)[0].tolist() == []
