"""Verdicts do not flap, and every change of one is kept."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.hysteresis import Settled, settle

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
ADDRESS = f"/api/v1/verdicts?target=jiangsu-circle-5&path={PATH}"


async def log_of(controller: Any, query: str = "") -> list[Any]:
    """Return the log once all that was asked of the writer is committed (it works in order)."""
    state = controller.services
    state.store.sites.put([], state.clock.wall_ns()).result()
    items: list[Any] = (await controller.get(f"/api/v1/event-log?kind=verdict{query}"))["items"]
    return items


def shown(*verdicts: int) -> list[int]:
    state = Settled.first(np.array(verdicts[:1], np.int8))
    out = [int(state.shown[0])]
    for verdict in verdicts[1:]:
        state = settle(state, np.array([verdict], np.int8))
        out.append(int(state.shown[0]))
    return out


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([PASS, FAIL, PASS, PASS], [PASS] * 4),
        ([PASS, FAIL, PASS, FAIL, PASS], [PASS] * 5),
        ([PASS, FAIL, FAIL, PASS], [PASS, PASS, FAIL, FAIL]),
        ([PASS, FAIL, UNDECIDED, FAIL, FAIL], [PASS, PASS, PASS, PASS, FAIL]),
        ([NO_DATA, PASS, NO_DATA, FAIL], [NO_DATA, PASS, NO_DATA, FAIL]),
    ],
)
def test_verdict_changes_when_two_rounds_agree(found, expected):
    assert shown(*found) == expected


@pytest.fixture
def deliver(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Callable[..., Any]:
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    sequence = iter(range(100))

    async def run(rtt_ns: float, sent: int) -> None:
        start_ns = controller.services.clock.wall_ns() - 10 * SECOND
        batch = batch_of(ids, start_ns, sent=sent, rtt_ns=rtt_ns, forward_ns=rtt_ns / 2)
        number = next(sequence)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))

    return run


async def test_change_is_shown_when_the_next_round_confirms_it(
    controller: Any, deliver: Any, clock: Any
) -> None:
    await deliver(4e6, 100)
    await controller.judge()
    first_ns = clock.now_ns
    clock.now_ns += 20 * SECOND
    await deliver(14e6, 10_000)
    await controller.judge()
    item = (await controller.get(ADDRESS))["items"][0]
    assert (item["verdict"], item["pending"], item["since_ns"]) == ("pass", "fail", first_ns)
    assert item["low"] > 5e6
    assert item["reason"]["en"].startswith("Waits for the next round to confirm a change.")
    clock.now_ns += 5 * SECOND
    await controller.judge()
    item = (await controller.get(ADDRESS))["items"][0]
    assert (item["verdict"], item["pending"], item["since_ns"]) == ("fail", None, clock.now_ns)
    log = await log_of(controller, f"&target=jiangsu-circle-5&subject={PATH}")
    assert [(c["state"], c["previous"], c["previous_since_ns"]) for c in log] == [
        ("fail", "pass", first_ns),
        ("pass", None, None),
    ]
    assert log[0]["at_ns"] == clock.now_ns


async def test_flapping_leaves_no_trace(controller: Any, deliver: Any, clock: Any) -> None:
    await deliver(4e6, 100)
    await controller.judge()
    before = await log_of(controller)
    await controller.judge()
    assert await log_of(controller) == before


async def test_changes_survive_a_restart(
    open_controller: Callable[[], Any], batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    async with open_controller() as first:
        ids = [first.services.rounds.scope.streams[0].stream_id]
        agent = first.services.rounds.scope.streams[0].path.source.site
        start_ns = first.services.clock.wall_ns() - 10 * SECOND
        batch = batch_of(ids, start_ns, sent=100)
        await first.deliver(agent, chunk_of(batch, agent=agent, sequence=0))
        await first.judge()
        log = await log_of(first)
        assert log
    async with open_controller() as second:
        await second.judge()
        assert await log_of(second) == log


async def test_pages_of_changes_join_to_the_whole(controller: Any, deliver: Any) -> None:
    await deliver(4e6, 100)
    await controller.judge()
    whole = await log_of(controller)
    assert len(whole) > 2
    first = await controller.get("/api/v1/event-log?kind=verdict&limit=2")
    rest = await controller.get(f"/api/v1/event-log?kind=verdict&after={first['next']}")
    assert first["items"] + rest["items"] == whole
    now_ns = controller.services.clock.wall_ns()
    assert await log_of(controller, f"&to_ns={now_ns}") == []
