"""What agents tell of silences becomes records that begin, end and are never taken back."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from controller.fleet.silence_registry import (
    OLDEST_NS,
    SilenceRegistry,
    asked_of,
    newly_requested,
)
from controller.fleet.silences import UNCONFIRMED, StreamIndex
from controller.store.records import SilenceRecord
from messages.exchange import Curtailed, CurtailedStream, Plan, Unanswered
from probes.reflector.spec import ReflectorSpec
from topology.model import PlannedStream

SECOND = 1_000_000_000
NOW_NS = 1_800_000_000 * SECOND
Tell = Callable[..., list[SilenceRecord]]


@pytest.fixture
def registry(streams: list[PlannedStream]) -> SilenceRegistry:
    return SilenceRegistry([], StreamIndex(streams))


@pytest.fixture
def there(streams: list[PlannedStream]) -> PlannedStream:
    return next(one for one in streams if one.path.id == "nanjing.telecom.v4>suzhou.telecom.v4")


@pytest.fixture
def tell(registry: SilenceRegistry) -> Tell:
    def say(
        *entries: Unanswered, agent: str = "suzhou", now_ns: int = NOW_NS, ahead_ns: int = 0
    ) -> list[SilenceRecord]:
        said = Curtailed(plan_version=1, streams=(), unanswered=entries)
        return registry.heard(agent, said, now_ns, ahead_ns)

    return say


def entry(from_s: float, to_s: float | None = None, **more: Any) -> Unanswered:
    """Return what does not answer since, and until, so many seconds before now."""
    told = {"address": "192.0.2.2", "port": 8620, "rule": "agent.stopped"} | more
    to_ns = None if to_s is None else NOW_NS - round(to_s * SECOND)
    return Unanswered(from_ns=NOW_NS - round(from_s * SECOND), to_ns=to_ns, **told)


def test_a_silence_begins_is_repeated_without_effect_and_ends_once_no_longer_told(
    registry: SilenceRegistry, tell: Tell, there: PlannedStream
) -> None:
    (begun,) = tell(entry(5))
    assert there.stream_id in begun.stream_ids
    assert (begun.from_ns, begun.to_ns, begun.side) == (NOW_NS - 5 * SECOND, None, "answering")
    before = registry.now
    assert tell(entry(5), now_ns=NOW_NS + SECOND) == []
    assert registry.now is before  # a view is replaced only by something new
    (ended,) = tell(now_ns=NOW_NS + 9 * SECOND)
    assert (ended.mark, ended.to_ns) == (begun.mark, NOW_NS + 9 * SECOND)
    assert tell(now_ns=NOW_NS + 10 * SECOND) == []


def test_an_agents_clock_does_not_move_its_silences(tell: Tell) -> None:
    hour_ns = 3600 * SECOND
    (record,) = tell(entry(10 - 3600, 5 - 3600), ahead_ns=hour_ns)
    assert (record.from_ns, record.to_ns) == (NOW_NS - 10 * SECOND, NOW_NS - 5 * SECOND)
    (record,) = tell(entry(-100))  # by a clock nobody knows to be ahead: not in what is to come
    assert record.from_ns == NOW_NS


def test_nothing_is_taken_from_an_agent_of_what_is_not_its_own_or_too_old(tell: Tell) -> None:
    assert tell(entry(5), agent="nanjing") == []
    assert tell(entry(5, port=8621)) == []
    assert tell(entry(OLDEST_NS / SECOND + 1, 5)) == []


def test_own_streams_are_kept_by_rule_and_end_when_the_rule_does(
    registry: SilenceRegistry, there: PlannedStream
) -> None:
    def say(*streams: CurtailedStream, now_ns: int) -> list[SilenceRecord]:
        return registry.heard("nanjing", Curtailed(plan_version=1, streams=streams), now_ns)

    refused = CurtailedStream(
        stream_id=there.stream_id, rule="policy.destinations", action="refused"
    )
    (begun,) = say(refused, now_ns=NOW_NS)
    assert (begun.side, begun.action, begun.share) == ("sending", "refused", 0.0)
    assert say(refused, now_ns=NOW_NS + 1) == []
    slowed = msgspec.structs.replace(refused, action="throttled", interval_ms=there.interval_ms * 4)
    ended, slower = say(slowed, now_ns=NOW_NS + 5)
    assert (ended.mark, ended.to_ns) == (begun.mark, NOW_NS + 5)
    assert (slower.action, slower.share, slower.to_ns) == ("throttled", 0.25, None)


@pytest.mark.parametrize("slower", [0.5, 1, None])
def test_stream_that_is_slowed_to_no_less_than_planned_takes_nothing(
    registry: SilenceRegistry, there: PlannedStream, slower: float | None
) -> None:
    """Else what is left out of the account would be negative."""
    slowed = CurtailedStream(
        stream_id=there.stream_id,
        rule="policy.max_packets_per_s",
        action="throttled",
        interval_ms=None if slower is None else there.interval_ms * slower,
    )
    said = Curtailed(plan_version=1, streams=(slowed,))
    (record,) = registry.heard("nanjing", said, NOW_NS)
    assert record.share == 1.0


def plan(agent: str, version: int, *peers: str) -> Plan:
    reflector = ReflectorSpec(address="192.0.2.2", port=8620, peers=peers)
    return Plan(version=version, agent=agent, reflectors=(reflector,))


def test_only_what_is_newly_asked_of_an_agent_is_requested() -> None:
    before = {"suzhou": plan("suzhou", 1, "192.0.2.1"), "same": plan("same", 1, "192.0.2.1")}
    after = before | {
        "suzhou": plan("suzhou", 2, "192.0.2.1", "198.51.100.1"),
        "new": plan("new", 1, "192.0.2.1"),
    }
    assert newly_requested(before, after) == {
        "suzhou": {("192.0.2.2", 8620, "198.51.100.1")},
        "new": {("192.0.2.2", 8620, "192.0.2.1")},
    }


def test_what_is_requested_is_unconfirmed_until_that_plan_or_a_later_one_is(
    registry: SilenceRegistry, there: PlannedStream
) -> None:
    plans = {"suzhou": plan("suzhou", 7, "192.0.2.1")}
    asked = {"suzhou": asked_of(plans["suzhou"])}
    (made,) = registry.requested_again(asked, plans, NOW_NS)
    assert (made.rule, made.stream_ids.tolist()) == (UNCONFIRMED, [there.stream_id])
    assert registry.heard("suzhou", Curtailed(plan_version=6, streams=()), NOW_NS + 1) == []
    (over,) = registry.heard("suzhou", Curtailed(plan_version=7, streams=()), NOW_NS + 2)
    assert (over.mark, over.to_ns) == (made.mark, NOW_NS + 2)


def test_an_agents_oldest_silences_go_ended_ones_first_and_no_other_agents(
    registry: SilenceRegistry, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.fleet.silence_registry.SILENCES_KEPT", 2)
    tell(entry(9, address="192.0.2.1"), agent="nanjing")
    tell(entry(8), entry(7, 6), entry(5, 4))
    kept = sorted((one.agent, NOW_NS - one.from_ns) for one in registry.now.records.values())
    assert kept == [("nanjing", 9 * SECOND), ("suzhou", 5 * SECOND), ("suzhou", 8 * SECOND)]


def test_where_no_agent_could_end_one_all_are_forgotten(
    registry: SilenceRegistry, tell: Tell
) -> None:
    tell(entry(5))
    registry.forget()
    assert not registry.now.records
