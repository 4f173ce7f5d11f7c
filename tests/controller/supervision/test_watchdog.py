from typing import Any

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
