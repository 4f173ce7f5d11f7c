"""Evidence has an age: what nobody measures any more keeps no target."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
Deliver = Callable[..., Any]


@pytest.fixture
def deliver(batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]) -> Deliver:
    """Returns what gives a controller windows of all streams that end `ago_s` before now."""
    sequence = iter(range(1_000_000))

    async def give(
        controller: Any, *, ago_s: float = 0.0, protocols: tuple[str, ...] = (), **window: Any
    ) -> None:
        state = controller.services
        start_ns = state.clock.wall_ns() - round((ago_s + 10) * SECOND)
        for agent in state.fleet.now().names:
            ids = [
                stream.stream_id
                for stream in state.rounds.scope.streams
                if stream.path.source.site == agent
                and (not protocols or stream.type_p.protocol in protocols)
            ]
            batch = batch_of(ids, start_ns, **({"sent": 500} | window))
            body = chunk_of(batch, agent=agent, sequence=next(sequence))
            await controller.deliver(agent, body)

    return give


async def verdict_of(controller: Any, target: str = "jiangsu-circle-5") -> Any:
    found = await controller.get(f"/api/v1/verdicts?target={target}&path={PATH}")
    return found["items"][0]


async def targets_of(controller: Any) -> dict[str, Any]:
    return {one["name"]: one for one in (await controller.get("/api/v1/targets"))["items"]}


async def test_a_dead_fleet_keeps_no_target_whoever_asks(
    open_controller: Any, deliver: Deliver, clock: Any
) -> None:
    async with open_controller() as controller:
        await deliver(controller)
        await controller.judge()
        assert (await verdict_of(controller))["verdict"] == "pass"
    clock.now_ns += 150 * SECOND  # less than the judged period: the windows are still in memory
    async with open_controller() as controller:  # over kept data, and no agent speaks
        await controller.judge()
        found = await verdict_of(controller)
        assert found["verdict"] == "no_data"
        assert found["stale"] is True
        assert (found["evidence_age_ms"], found["max_age_ms"]) == (150_000, 120_000)
        assert found["measured"] is found["low"] is found["high"] is None
        assert "150 s" in found["reason"]["en"]
        assert "120" in found["reason"]["zh"]
        for target in (await targets_of(controller)).values():
            assert target["counts"]["pass"] == target["counts"]["fail"] == 0
            assert set(target["goal_verdict"].values()) <= {"no_data"}
        for group in (await controller.get("/api/v1/groups"))["items"]:
            assert group["counts"]["pass"] == 0
            assert group["compliance"]["ratio"] is None
            assert (group["compliance"]["low"], group["compliance"]["high"]) == (0.0, 1.0)
            assert group["stale"] > 0
        matrix = await controller.get("/api/v1/matrix")
        cells = [cell for row in matrix["cells"] for cell in row if cell is not None]
        assert {cell["verdict"] for cell in cells} <= {"no_data", "impossible"}
        health = await controller.get("/api/v1/health")
        assert health["stale"] > 0
        clock.now_ns += 61 * SECOND  # since when it listens: now the silence is not its own
        await controller.judge()
        controller.services.store.sites.put([], clock.now_ns).result()  # behind the events
        log = await controller.get("/api/v1/event-log?kind=verdict&state=no_data")
        assert PATH in {event["subject"] for event in log["items"]}


async def test_evidence_goes_on_ageing_where_no_round_is_judged_any_more(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    await controller.judge()
    of = "/api/v1/matrix?target=jiangsu-circle-5"
    before = await controller.get(of)
    assert "pass" in {c["verdict"] for row in before["cells"] for c in row if c}
    clock.now_ns += 121 * SECOND  # and the judging loop hangs
    assert (await verdict_of(controller))["verdict"] == "no_data"
    after = await controller.get(of)
    assert "pass" not in {c["verdict"] for row in after["cells"] for c in row if c}
    assert all(not target["counts"]["pass"] for target in (await targets_of(controller)).values())
    health = await controller.get("/api/v1/health")
    assert health["judged_age_ms"] == 121_000
    async with controller.session.get("http://controller/metrics") as answer:
        lines = (await answer.text()).splitlines()
    assert not [line for line in lines if line.startswith("isochrone_path_rtt_p95_seconds{")]
    passed = [line for line in lines if 'verdict="pass"' in line]
    assert {line.rpartition(" ")[2] for line in passed} == {"0.0"}


async def test_verdict_comes_back_with_the_first_new_window(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    await controller.judge()
    clock.now_ns += 300 * SECOND
    await controller.judge()
    assert (await verdict_of(controller))["verdict"] == "no_data"
    await deliver(controller)
    await controller.judge()
    found = await verdict_of(controller)
    assert (found["verdict"], found["stale"]) == ("pass", False)


async def test_what_sends_nothing_grows_old_though_its_windows_come(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    await controller.judge()
    clock.now_ns += 121 * SECOND
    await deliver(controller, sent=0)
    await controller.judge()
    found = await verdict_of(controller)
    assert (found["verdict"], found["stale"]) == ("no_data", True)
    path = next(p for p in (await controller.get("/api/v1/paths"))["items"] if p["id"] == PATH)
    assert path["state"] == "no_data"
    assert path["figures"]["icmp"]["stale"] is True


async def test_windows_of_a_starved_machine_keep_no_older_evidence_fresh(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    clock.now_ns += 121 * SECOND
    await deliver(controller, suspect=True)  # does not count beside what came before
    await controller.judge()
    assert (await verdict_of(controller))["stale"] is True


async def test_a_protocol_that_is_measured_now_is_judged_before_one_that_was(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    await controller.judge()
    assert (await verdict_of(controller))["protocol"] == "udp"
    clock.now_ns += 121 * SECOND
    await deliver(controller, protocols=("icmp",))
    await controller.judge()
    found = await verdict_of(controller)
    assert (found["protocol"], found["stale"]) == ("icmp", False)
    assert found["verdict"] != "no_data"


async def test_the_clock_of_an_agent_that_died_keeps_nothing_fresh(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller, ago_s=-250)  # what its clock claims
    await controller.judge()
    assert (await verdict_of(controller))["verdict"] == "pass"
    clock.now_ns += 121 * SECOND
    await controller.judge()
    assert (await verdict_of(controller))["stale"] is True


TARGET = """
[[target]]
name = "patient"
title = "Patient"
kind = "delay"
limit_ms = 50
direction = "round_trip"
max_age_s = 600
"""


@pytest.fixture
def changed(site_file: pathlib.Path) -> Callable[[str, str], None]:
    """Returns what replaces a piece of the site file."""

    def change(old: str, new: str) -> None:
        text = site_file.read_text(encoding="utf-8")
        assert old in text
        site_file.write_text(text.replace(old, new), encoding="utf-8")

    return change


async def test_a_target_may_say_how_old_its_evidence_may_be(
    open_controller: Any, deliver: Deliver, clock: Any, changed: Callable[[str, str], None]
) -> None:
    changed("[[mesh]]", f"{TARGET}\n[[mesh]]")
    async with open_controller() as controller:
        await deliver(controller)
        await controller.judge()
        clock.now_ns += 300 * SECOND
        await controller.judge()
        found = await verdict_of(controller, "patient")
        assert (found["verdict"], found["max_age_ms"]) == ("pass", 600_000)
        assert (await verdict_of(controller))["verdict"] == "no_data"
        clock.now_ns += 301 * SECOND
        assert (await verdict_of(controller, "patient"))["verdict"] == "no_data"


async def test_slow_streams_are_old_after_as_many_intervals(
    open_controller: Any, deliver: Deliver, clock: Any, changed: Callable[[str, str], None]
) -> None:
    changed('{ protocol = "icmp" }', '{ protocol = "icmp", interval_ms = 60000 }')
    async with open_controller() as controller:
        await deliver(controller, protocols=("icmp",))
        await controller.judge()
        clock.now_ns += 300 * SECOND
        await controller.judge()
        found = await verdict_of(controller)
        assert (found["stale"], found["max_age_ms"]) == (False, 720_000)


async def test_impossible_rests_on_no_measurement(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller)
    await controller.judge()
    before = controller.services.rounds.live.latest.judgements.verdict.copy()
    clock.now_ns += 200 * SECOND
    after = controller.services.rounds.live.latest.judgements.verdict
    assert np.array_equal(before == 3, after == 3)


@pytest.mark.parametrize("by_s", [200, 3_600, 14 * 86_400])
async def test_a_clock_that_is_set_back_keeps_no_dead_fleet_fresh(
    controller: Any, deliver: Deliver, clock: Any, by_s: int
) -> None:
    await deliver(controller)
    await controller.judge()
    assert (await verdict_of(controller))["verdict"] == "pass"
    set_back(clock, by_s)
    await controller.judge()
    clock.now_ns += 121 * SECOND  # still before the end of the windows
    await controller.judge()
    assert (await verdict_of(controller))["verdict"] == "no_data"
    assert (await targets_of(controller))["jiangsu-circle-5"]["counts"]["pass"] == 0
    path = next(
        one for one in (await controller.get("/api/v1/paths"))["items"] if one["id"] == PATH
    )
    assert path["state"] in ("no_data", "agent_down")
    assert all(one["stale"] or not one["sent"] for one in path["figures"].values())


async def test_windows_of_a_future_that_never_came_are_not_judged(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    """Clocks of a whole site were days ahead for a while."""
    clock.now_ns += 21 * 86_400 * SECOND
    await deliver(controller, lost=500)
    await controller.judge()
    set_back(clock, 21 * 86_400)
    for _ in range(2):
        await deliver(controller)
        await controller.judge()
    assert (await verdict_of(controller))["verdict"] == "pass"
    assert controller.services.rounds.live.latest.data_to_ns <= clock.now_ns


def set_back(clock: Any, by_s: int) -> None:
    """Step a clock, which continues running."""
    monotonic = clock.monotonic_ns
    clock.now_ns -= by_s * SECOND
    clock.monotonic_ns = lambda: monotonic() + by_s * SECOND
