"""Maintenance: announce it, list it, cut it short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.controller.fleet.test_maintenance import PATH, announce


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"paths": [PATH], "from_ns": 1_799_999_900_000_000_000}, 422, "in_the_past"),
        ({"paths": [PATH], "to_ns": 5}, 422, "bad_period"),
        ({"paths": [PATH], "to_ns": 9_000_000_000_000_000_000}, 422, "bad_period"),
        ({}, 422, "covers_nothing"),
        ({"sites": ["nowhere"]}, 422, "unknown_site"),
        ({"carriers": ["nobody"]}, 422, "unknown_carrier"),
        ({"paths": ["a>b"]}, 422, "unknown_path"),
        ({"paths": [PATH], "reason": ""}, 400, "bad_body"),
        ({"paths": [PATH], "colour": "red"}, 400, "bad_body"),
    ],
)
async def test_what_makes_no_maintenance_is_refused(
    controller: Any, asked: dict[str, Any], status: int, code: str
) -> None:
    assert (await announce(controller, status, **asked))["error"]["code"] == code
    assert (await controller.get("/api/v1/maintenance"))["items"] == []
