"""What to fix and which sites could ever be inside a ring, over the API."""

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000


@pytest.fixture
async def slow(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """Nanjing to Suzhou takes 7 ms one way; the way back was never measured."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    start_ns = controller.services.clock.wall_ns() - 10 * SECOND
    batch = batch_of(ids, start_ns, sent=300, rtt_ns=14e6, forward_ns=7e6)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.judge()
    return controller


async def test_remediation_lists_what_to_fix_and_what_to_measure(slow: Any) -> None:
    found = await slow.get("/api/v1/targets/jiangsu-circle-5/remediation")
    assert (found["of"], found["year"], found["goal"]) == ("paths", "2030", 0.95)
    assert found["passed"] == 0
    assert found["needed"] == found["total"] == len(found["paths"])
    actions = [path["action"] for path in found["paths"]]
    assert actions == ["fix"] * (len(actions) // 2) + ["measure"] * (len(actions) // 2)
    assert found["paths"][0]["margin_ratio"] == pytest.approx(0.4, rel=0.02)
    assert {share["name"] for share in found["by_site"]} == {"nanjing", "suzhou"}
    assert "telecom → telecom" in {share["name"] for share in found["by_carrier"]}


async def test_remediation_of_a_group_is_by_pairs(slow: Any) -> None:
    found = await slow.get("/api/v1/groups/jiangsu-circles/remediation?goal=0.5")
    assert (found["of"], found["total"], found["needed"], found["reachable"]) == (
        "pairs",
        1,
        1,
        True,
    )
    assert found["year"] is None


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("targets/nothing/remediation", "unknown_target"),
        ("groups/nothing/remediation", "unknown_group"),
        ("targets/nothing/ring", "unknown_target"),
        ("targets/jiangsu-channel-loss/ring", "no_ring"),
        ("targets/jiangsu-circle-5/ring?centre=nowhere", "unknown_site"),
    ],
)
async def test_what_does_not_exist_is_said(controller: Any, address: str, code: str) -> None:
    error = (await controller.get(f"/api/v1/{address}", 404))["error"]
    assert error["code"] == code
    assert error["message"]["zh"]


async def test_goal_beyond_everything_is_refused(controller: Any) -> None:
    await controller.get("/api/v1/targets/jiangsu-circle-5/remediation?goal=1.5", 400)
