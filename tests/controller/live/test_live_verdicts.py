"""Verdicts of the latest round: what they are based on, what is shown, and every change of
one kept.
"""

from collections.abc import Callable
from typing import Any

import pytest

from messages.exchange import Health

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
ADDRESS = f"/api/v1/verdicts?target=jiangsu-circle-5&path={PATH}"


async def log_of(controller: Any, query: str = "") -> list[Any]:
    """Return the log once all that was asked of the writer is committed (it works in order)."""
    state = controller.services
    state.store.sites.put([], state.clock.wall_ns()).result()
    items: list[Any] = (await controller.get(f"/api/v1/event-log?kind=verdict{query}"))["items"]
    return items


@pytest.mark.parametrize(
    ("own", "far", "together"), [(4_000, 9_000, 13_000), (4_000, None, 4_000), (None, None, 0)]
)
async def test_timestamps_of_both_ends_are_counted(
    controller: Any, own: int | None, far: int | None, together: int
) -> None:
    state = controller.services
    stream = next(s for s in state.rounds.scope.streams if s.path.destination.site in state.fleet)
    for site, calibration_ns in (
        (stream.path.source.site, own),
        (stream.path.destination.site, far),
    ):
        told = Health(version="0", boot="b", started_ns=0, sent_ns=0, calibration_ns=calibration_ns)
        state.fleet.heard(site, told)
    await controller.judge()
    row = state.rounds.scope.streams.index(stream)
    assert state.rounds.live.latest.evidence.calibration_ns[row] == together


@pytest.fixture
def deliver_delays(
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
    controller: Any, deliver_delays: Any, clock: Any
) -> None:
    await deliver_delays(4e6, 100)
    await controller.judge()
    first_ns = clock.now_ns
    clock.now_ns += 20 * SECOND
    await deliver_delays(14e6, 10_000)
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


async def test_flapping_leaves_no_trace(controller: Any, deliver_delays: Any, clock: Any) -> None:
    await deliver_delays(4e6, 100)
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


async def test_pages_of_changes_join_to_the_whole(controller: Any, deliver_delays: Any) -> None:
    await deliver_delays(4e6, 100)
    await controller.judge()
    whole = await log_of(controller)
    assert len(whole) > 2
    first = await controller.get("/api/v1/event-log?kind=verdict&limit=2")
    rest = await controller.get(f"/api/v1/event-log?kind=verdict&after={first['next']}")
    assert first["items"] + rest["items"] == whole
    now_ns = controller.services.clock.wall_ns()
    assert await log_of(controller, f"&to_ns={now_ns}") == []
