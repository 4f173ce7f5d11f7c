"""The plans of an agent: listed, shown, compared; what never was is not found."""

from typing import Any

import pytest


async def test_the_first_plan_is_compared_with_nothing(controller: Any) -> None:
    (item,) = (await controller.get("/api/v1/agents/nanjing/plans"))["items"]
    assert (item["version"], item["window_ms"]) == (1, 10_000)
    plan = (await controller.get("/api/v1/agents/nanjing/plans/1"))["plan"]
    assert (plan["version"], len(plan["streams"])) == (1, item["streams"])
    changed = await controller.get("/api/v1/agents/nanjing/plans/1/diff")
    assert (changed["against"], changed["version"]) == (0, 1)
    assert changed["streams_added"] == plan["streams"]
    assert changed["streams_removed"] == []
    same = await controller.get("/api/v1/agents/nanjing/plans/1/diff?against=1")
    assert (same["streams_added"], same["streams_changed"], same["reflectors"]) == ([], [], [])


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("router/plans", "unknown_agent"),
        ("nanjing/plans/2", "unknown_plan"),
        ("nanjing/plans/one", "unknown_plan"),
        ("nanjing/plans/²", "unknown_plan"),
        ("nanjing/plans/" + "9" * 40, "unknown_plan"),
        ("nanjing/plans/1/diff?against=7", "unknown_plan"),
    ],
)
async def test_what_never_was_is_not_found(controller: Any, address: str, code: str) -> None:
    error = (await controller.get(f"/api/v1/agents/{address}", 404))["error"]
    assert error["code"] == code
