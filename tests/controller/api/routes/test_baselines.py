"""Baselines: sealed once under a name, and listed with which one is used."""

from typing import Any

from tests.controller.api.conftest import SECOND


async def seal(controller: Any, name: str, span_s: int, status: int) -> Any:
    now_ns = controller.services.clock.wall_ns()
    body = {"name": name, "from_ns": now_ns - span_s * SECOND, "to_ns": now_ns}
    async with controller.session.post("http://controller/api/v1/baselines", json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_a_period_is_sealed_once_under_its_name(measured: Any) -> None:
    sealed = await seal(measured, "before", 60, 200)
    assert (sealed["name"], sealed["streams"], sealed["used"]) == ("before", 3, True)
    assert (await seal(measured, "before", 60, 409))["error"]["code"] == "already_sealed"
    assert (await measured.get("/api/v1/baselines"))["items"] == [sealed]


async def test_a_period_without_windows_is_no_baseline(controller: Any) -> None:
    assert (await seal(controller, "nothing", 60, 422))["error"]["code"] == "nothing_to_seal"
    assert (await controller.get("/api/v1/baselines"))["items"] == []
