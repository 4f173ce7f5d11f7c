"""Which sites could ever be inside a target's ring: geography alone, nothing measured."""

from typing import Any

import pytest


async def test_ring_says_who_could_ever_be_inside(controller: Any) -> None:
    ring = await controller.get("/api/v1/targets/jiangsu-circle-5/ring")
    assert (ring["centre"], ring["limit_ms"]) == ("nanjing", 5.0)
    assert ring["centres"] == ["nanjing", "suzhou"]
    near = {place["site"]: place for place in ring["sites"]}
    assert near["suzhou"]["reachable"]
    assert near["suzhou"]["margin_km"] == pytest.approx(
        (5e6 - near["suzhou"]["floor_ns"]) / 4880, rel=1e-6
    )
    ring = await controller.get("/api/v1/targets/jiangsu-circle-1/ring?centre=suzhou")
    near = {place["site"]: place for place in ring["sites"]}
    assert near["nanjing"]["reachable"] == (near["nanjing"]["margin_km"] >= 0)
