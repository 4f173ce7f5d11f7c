"""The audit log: who changed what, newest first, page after page."""

from typing import Any


async def test_changes_are_listed_newest_first_and_readings_are_none(controller: Any) -> None:
    for name in ("one", "two"):
        body = {"name": name, "from_ns": 5, "to_ns": 6}
        async with controller.session.post(
            "http://controller/api/v1/baselines", json=body
        ) as answer:
            assert answer.status == 422
    first = await controller.get("/api/v1/audit?limit=1")
    rest = await controller.get(f"/api/v1/audit?after={first['next']}")
    entries = first["items"] + rest["items"]
    assert [entry["action"] for entry in entries] == [
        "POST /api/v1/baselines",
        "POST /api/v1/baselines",
        "start",
    ]
    assert entries[0]["result"].startswith("422")
    assert (entries[0]["id"] > entries[1]["id"], rest["next"]) == (True, None)


async def test_a_time_is_asked_for_with_its_end_left_out(controller: Any, clock: Any) -> None:
    at_ns = clock.wall_ns()
    assert len((await controller.get(f"/api/v1/audit?from_ns={at_ns}"))["items"]) == 1
    assert (await controller.get(f"/api/v1/audit?to_ns={at_ns}"))["items"] == []
