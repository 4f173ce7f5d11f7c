"""The latest verdicts, filtered and paged."""

from typing import Any

import pytest

from tests.controller.api.conftest import stream_ids
from tests.controller.api.test_application import SECOND


async def test_circle_of_five_is_kept_by_two_milliseconds_one_way(measured: Any) -> None:
    page = await measured.get("/api/v1/verdicts?target=jiangsu-circle-5&verdict=pass")
    assert len(page["items"]) == len(stream_ids(measured, "nanjing"))
    for item in page["items"]:
        assert item["source_site"] == "nanjing"
        assert item["protocol"] == "udp"
        assert item["low"] <= 2e6 <= item["high"] <= 5e6
        assert item["measured"] == pytest.approx(2e6, rel=0.01)
        assert item["reason"]["zh"]


async def test_verdict_keeps_its_age_over_a_restart(open_controller: Any, clock: Any) -> None:
    async with open_controller() as first:
        await first.judge()
        since_ns = (await first.get("/api/v1/verdicts"))["items"][0]["since_ns"]
    clock.now_ns += 3600 * SECOND
    async with open_controller() as second:
        await second.judge()
        assert (await second.get("/api/v1/verdicts"))["items"][0]["since_ns"] == since_ns
