"""A round: what it tells, and that no part of it takes another with it."""

from typing import Any

from controller.live import rounds as rounds_module

SECOND = 1_000_000_000


def boom(*_: Any, **__: Any) -> Any:
    raise ArithmeticError("boom")


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


async def test_who_follows_is_told_after_every_round_whoever_else_raises(controller: Any) -> None:
    rounds, told = controller.services.rounds, []

    async def listen() -> None:
        told.append(rounds.live.latest.revision)

    async def broken() -> None:
        boom()

    rounds.followers |= {"broken": broken, "listener": listen}
    for _ in range(2):
        await controller.judge()
    assert told == [1, 2]
    assert controller.services.watchdog.failing() == {"judging/broken": "ArithmeticError: boom"}


async def test_what_is_logged_is_how_everything_was_when_it_was_looked_at(
    controller: Any, deliver: Any, clock: Any
) -> None:
    rounds = controller.services.rounds
    assert rounds.looked_ns is None
    await deliver()
    await controller.judge()
    assert rounds.looked_ns == clock.now_ns
    logged = rounds.logged()
    assert set(logged) == {"agent", "path", "stream"}
    assert logged["path"].subjects == tuple(path.id for path in rounds.scope.catalogue.paths)
    assert len(logged["stream"].shown) == len(rounds.scope.streams)
