"""The agents: how they are, and the chunks they deliver."""

from typing import Any

from tests.controller.api.conftest import stream_ids
from tests.controller.api.test_application import SECOND


async def test_silent_agent_is_late_and_then_down(measured: Any, clock: Any) -> None:
    states = []
    for seconds in (0, 30, 40):
        clock.now_ns += seconds * SECOND
        items = (await measured.get("/api/v1/agents"))["items"]
        states.append(items[0]["state"])
    assert states == ["ok", "late", "agent_down"]


async def test_agent_counts_its_windows(measured: Any) -> None:
    agent = (await measured.get("/api/v1/agents"))["items"][0]
    assert agent["windows_stored"] == 3 * len(stream_ids(measured, "nanjing"))
    assert agent["last_window_ns"] == measured.services.clock.wall_ns()
    assert agent["health"] is None


async def test_chunk_of_another_content_type_is_refused(controller: Any) -> None:
    address = "http://controller/api/v1/agents/nanjing/chunks"
    async with controller.session.post(address, data=b"x") as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "wrong_content_type"
