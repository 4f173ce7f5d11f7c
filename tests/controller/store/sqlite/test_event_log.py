"""Events have ids that grow without gaps; states are the last; maintenance is only cut short."""

from dataclasses import replace
from typing import Any

import pytest

from controller.store.event_log import EventRecord, MaintenanceRecord, SubjectState
from controller.store.sqlite import event_log as module
from controller.store.sqlite.database import Database
from controller.store.sqlite.event_log import SqliteEventLog


@pytest.fixture
def log(database: Database) -> SqliteEventLog:
    return SqliteEventLog(database)


def event(at_ns: int, **more: Any) -> EventRecord:
    told = {"kind": "agent", "subject": "nanjing", "state": "ok"} | more
    return EventRecord(at_ns=at_ns, previous=None, previous_since_ns=None, **told)


MAINTENANCE = MaintenanceRecord(
    from_ns=100,
    to_ns=200,
    sites=("nanjing", "苏州"),
    carriers=("telecom",),
    reason="new fibre",
    created_ns=50,
    created_by="owner",
)


def test_events_come_back_as_they_were_newest_first(log: SqliteEventLog) -> None:
    verdict = replace(
        event(2, kind="verdict", subject="a>b", target="t", state="fail"),
        previous="pass",
        previous_since_ns=1,
    )
    assert log.append([event(1), verdict]).result() == 1
    assert log.append([event(3)]).result() == 3
    found = log.events()
    assert [one.id for one in found] == [3, 2, 1]
    assert found[1] == replace(verdict, id=2)


def test_every_condition_narrows_what_is_found(log: SqliteEventLog) -> None:
    log.append(
        [
            event(1),
            event(2, subject="suzhou", state="agent_down"),
            event(3, kind="verdict", subject="a>b", target="t", state="fail"),
            event(4, kind="verdict", subject="a>b", target="u", state="pass"),
        ]
    ).result()

    def ids(**asked: Any) -> list[int]:
        return [one.id for one in log.events(**asked)]

    assert ids(kinds=("verdict",)) == [4, 3]
    assert ids(kinds=("agent", "verdict"), subject="a>b", target="t") == [3]
    assert ids(subject="suzhou") == [2]
    assert ids(state="ok") == [1]
    assert ids(from_ns=2, to_ns=4) == [3, 2]
    assert ids(before_id=3) == [2, 1]
    assert ids(after_id=1) == [2, 3, 4]  # oldest first: who follows the log reads on from there
    assert ids(after_id=1, limit=2) == [2, 3]
    assert ids(limit=2) == [4, 3]


def test_the_oldest_events_beyond_the_bound_are_forgotten_and_ids_go_on(
    log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    log.append([event(n) for n in range(5)]).result()
    assert log.append([event(5)]).result() == 6
    assert [one.id for one in log.events()] == [6, 5, 4]


def test_of_each_subject_the_last_state_is_remembered(log: SqliteEventLog) -> None:
    def state(value: str, since_ns: int, target: str = "") -> SubjectState:
        return SubjectState(
            kind="verdict", subject="a>b", target=target, state=value, since_ns=since_ns
        )

    assert log.append([], [state("pass", 1, "t"), state("pass", 1, "u")]).result() == 0
    log.append([event(2)], [state("fail", 2, "t")]).result()
    found = {one.target: one for one in log.states()}
    assert found == {"t": state("fail", 2, "t"), "u": state("pass", 1, "u")}


def test_events_and_states_are_kept_both_or_neither(log: SqliteEventLog) -> None:
    wrong = replace(event(1), state=object())  # type: ignore[arg-type]  # cannot be stored
    known = SubjectState(kind="agent", subject="nanjing", state="ok", since_ns=1)
    assert log.append([wrong], [known]).exception() is not None
    assert (log.events(), log.states()) == ([], [])


def test_maintenance_comes_back_with_the_id_it_was_given(log: SqliteEventLog) -> None:
    first = log.put_maintenance(MAINTENANCE).result()
    second = log.put_maintenance(replace(MAINTENANCE, paths=("a>b",), sites=())).result()
    assert log.maintenance() == [
        replace(MAINTENANCE, id=first),
        replace(MAINTENANCE, id=second, paths=("a>b",), sites=()),
    ]


def test_maintenance_is_cut_short_once_and_never_after_its_end(log: SqliteEventLog) -> None:
    number = log.put_maintenance(MAINTENANCE).result()
    late = log.put_maintenance(MAINTENANCE).result()
    assert log.end_maintenance(number, 150, "me").result() is True
    assert log.end_maintenance(number, 160, "another").result() is False
    assert log.end_maintenance(late, 200, "me").result() is False
    assert log.end_maintenance(999, 150, "me").result() is False
    ended, whole = log.maintenance()
    assert (ended.ended_ns, ended.ended_by, ended.end_ns) == (150, "me", 150)
    assert (whole.ended_ns, whole.end_ns) == (None, 200)
