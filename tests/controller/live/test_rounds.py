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
