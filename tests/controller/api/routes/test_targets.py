"""The targets, how many paths keep them, and whether their goals are reached."""

from typing import Any

from tests.controller.api.conftest import stream_ids


async def test_targets_count_what_the_verdicts_say(measured: Any) -> None:
    targets = {item["name"]: item for item in (await measured.get("/api/v1/targets"))["items"]}
    target = targets["jiangsu-circle-5"]
    paths = len(stream_ids(measured, "nanjing"))
    assert target["counts"]["pass"] == paths
    assert target["compliance"]["ratio"] == 1.0
    assert target["compliance"]["low"] < 1.0
    assert sum(target["counts"].values()) == target["paths"]
