from typing import Any

from controller.live import rounds as rounds_module
from controller.supervision.watchdog import Watchdog

SECOND = 1_000_000_000


def boom(*_: Any, **__: Any) -> Any:
    raise ArithmeticError("boom")


def test_loop_whose_rounds_no_longer_end_stands_still_and_says_so_once(clock: Any) -> None:
    dog = Watchdog(clock)
    dog.expect("keys", 60)
    clock.now_ns += 61 * SECOND
    assert dog.stalled() == ["keys"]
    told = dog.changes()
    assert [(e.kind, e.subject, e.state) for e in told] == [("controller", "keys", "stalled")]
    assert dog.changes() == []
    dog.rounded("keys")
    assert [(e.state, e.previous) for e in dog.changes()] == [("ok", "stalled")]


def test_part_that_raises_is_told_until_it_does_not(clock: Any) -> None:
    dog = Watchdog(clock)
    dog.expect("judging", 60)
    with dog.part("judging", "verdicts"):
        boom()
    assert dog.failing() == {"judging/verdicts": "ArithmeticError: boom"}
    assert [event.state for event in dog.changes()] == ["failing"]
    with dog.part("judging", "verdicts"):
        pass
    assert dog.failing() == {}
    assert [event.state for event in dog.changes()] == ["ok"]


async def test_agents_are_watched_whatever_is_wrong_with_verdicts(
    controller: Any, clock: Any, monkeypatch: Any
) -> None:
    await controller.judge()
    controller.services.fleet.heard("nanjing")
    await controller.judge()
    monkeypatch.setattr(type(controller.services.rounds.live), "judge_now", boom)
    monkeypatch.setattr(rounds_module, "current_states", boom)
    clock.now_ns += 120 * SECOND
    await controller.judge()
    states = (await controller.get("/api/v1/states?kind=agent"))["items"]
    assert {s["subject"]: s["state"] for s in states}["nanjing"] == "agent_down"
    fields = (await controller.get("/readyz", 503))["error"]["fields"]
    assert fields["reasons"] == ["judging_failing"]
    assert fields["skipped"] == ["judging/paths", "judging/verdicts"]


async def test_whose_windows_raise_is_left_out_alone_and_named(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any, monkeypatch: Any
) -> None:
    state = controller.services
    for agent in ("nanjing", "suzhou"):
        ids = sorted(spec.stream_id for spec in state.distribution.plans[agent].streams)
        for number in range(3):
            batch = batch_of(ids, clock.now_ns + (number - 4) * 10 * SECOND)
            await controller.deliver(agent, chunk_of(batch, agent=agent, sequence=number))
    judge = state.rounds.live._judge
    whole = judge.judge
    guilty = [
        row for row, s in enumerate(state.rounds.scope.streams) if s.path.source.site == "suzhou"
    ]

    def judged(slots: Any, *more: Any) -> Any:
        if any(set(slot.row.tolist()) & set(guilty) for slot in slots):
            boom()
        return whole(slots, *more)

    monkeypatch.setattr(judge, "judge", judged)
    for _ in range(2):
        await controller.judge()
    assert state.watchdog.failing() == {"judging/suzhou": "ArithmeticError: boom"}
    verdicts = (await controller.get("/api/v1/verdicts"))["items"]
    by_source: dict[str, set[str]] = {}
    for one in verdicts:
        by_source.setdefault(one["path"].split(".")[0], set()).add(one["verdict"])
    assert by_source["suzhou"] == {"no_data"}
    assert by_source["nanjing"] != {"no_data"}
