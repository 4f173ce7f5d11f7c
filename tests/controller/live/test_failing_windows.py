"""Whose windows make a round raise is found and left out; all others are judged."""

from typing import Any

from controller.live.judging import Judge

SECOND = 1_000_000_000


async def test_whose_windows_raise_is_left_out_alone_and_named(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any, monkeypatch: Any
) -> None:
    state = controller.services
    for agent in ("nanjing", "suzhou"):
        ids = sorted(spec.stream_id for spec in state.distribution.plans[agent].streams)
        for number in range(3):
            batch = batch_of(ids, clock.now_ns + (number - 4) * 10 * SECOND)
            await controller.deliver(agent, chunk_of(batch, agent=agent, sequence=number))
    whole = Judge.judge
    guilty = [
        row for row, s in enumerate(state.rounds.scope.streams) if s.path.source.site == "suzhou"
    ]

    def judged(self: Judge, slots: Any, *more: Any) -> Any:
        if any(set(slot.row.tolist()) & set(guilty) for slot in slots):
            raise ArithmeticError("boom")
        return whole(self, slots, *more)

    monkeypatch.setattr(Judge, "judge", judged)
    for _ in range(2):
        await controller.judge()
    assert state.watchdog.failing() == {"judging/suzhou": "ArithmeticError: boom"}
    verdicts = (await controller.get("/api/v1/verdicts"))["items"]
    by_source: dict[str, set[str]] = {}
    for one in verdicts:
        by_source.setdefault(one["path"].split(".")[0], set()).add(one["verdict"])
    assert by_source["suzhou"] == {"no_data"}
    assert by_source["nanjing"] != {"no_data"}
