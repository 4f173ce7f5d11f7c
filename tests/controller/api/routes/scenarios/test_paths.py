"""The paths with their latest figures."""

from typing import Any

from tests.controller.api.test_application import SECOND


async def test_path_shows_its_figures_and_state(measured: Any, clock: Any) -> None:
    paths = {item["id"]: item for item in (await measured.get("/api/v1/paths"))["items"]}
    path = paths["nanjing.telecom.v4>suzhou.telecom.v4"]
    figures = path["figures"]["udp"]
    assert (figures["sent"], figures["lost"], figures["loss_ratio"]) == (300, 0, 0)
    assert figures["rtt_p50_ns"] == 4e6
    assert figures["forward_p95_ns"] == 2e6
    assert figures["timestamping"] == "kernel"
    assert path["figures"]["icmp"]["rtt_p50_ns"] is None
    assert path["state"] in ("ok", "failing")
    assert paths["suzhou.telecom.v4>nanjing.telecom.v4"]["state"] == "no_data"
    clock.now_ns += 59 * SECOND
    paths = {item["id"]: item for item in (await measured.get("/api/v1/paths"))["items"]}
    assert paths[path["id"]]["state"] == "late"
