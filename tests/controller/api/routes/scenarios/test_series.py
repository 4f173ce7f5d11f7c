"""Figures over time through the API: the resolution that fits, in columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000
HOUR_NS = 3600 * SECOND
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
ADDRESS = f"/api/v1/series?path={PATH}&protocol=udp"


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds three windows: 4 ms, then all lost, then 6 ms."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.id == PATH
    ]
    now_ns = controller.services.clock.wall_ns()
    for i, how in enumerate(({"rtt_ns": 4e6}, {"lost": 10}, {"rtt_ns": 6e6})):
        batch = batch_of(ids, now_ns - (3 - i) * 10 * SECOND, **how)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=i))
    return controller


async def test_last_hour_is_shown_in_windows(measured: Any) -> None:
    found = await measured.get(ADDRESS)
    (stream,) = found["streams"]
    assert (found["level"], found["step_ns"]) == ("window", None)
    assert stream["duration_ns"] == [10 * SECOND] * 3
    assert stream["columns"]["rtt_p50_ns"] == [4e6, None, 6e6]
    assert stream["columns"]["lost"] == [0, 10, 0]


async def test_columns_are_those_that_were_asked_for(measured: Any) -> None:
    found = await measured.get(f"{ADDRESS}&columns=loss_ratio,rtt_mean_ns,loss_ratio")
    columns = found["streams"][0]["columns"]
    assert columns == {"loss_ratio": [0, 1, 0], "rtt_mean_ns": [4e6, None, 6e6]}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("&columns=colour", 400, "bad_query"),
        ("&columns=", 400, "bad_query"),
        ("&max_points=0", 400, "bad_query"),
        ("&from_ns=0&step_ns=1", 400, "too_many_points"),
    ],
)
async def test_what_cannot_be_shown_is_refused(
    controller: Any, query: str, status: int, code: str
) -> None:
    assert (await controller.get(f"{ADDRESS}{query}", status))["error"]["code"] == code


async def test_path_that_never_was_is_unknown(controller: Any) -> None:
    error = (await controller.get("/api/v1/series?path=nope", 404))["error"]
    assert error["code"] == "unknown_path"
    assert (await controller.get("/api/v1/series", 400))["error"]["code"] == "missing_parameter"


async def test_long_times_are_answered_by_a_coarser_level(measured: Any) -> None:
    now_ns = measured.services.clock.wall_ns()
    for later in (1, 24, 72, 120):  # minutes, of them hours, of them days
        measured.services.store.rollups.roll_up(now_ns + later * HOUR_NS, 1000)
    found = await measured.get(f"{ADDRESS}&from_ns={now_ns - 30 * 24 * HOUR_NS}&step_ns={HOUR_NS}")
    assert found["level"] == "hour"
    empty = await measured.get(f"{ADDRESS}&from_ns={now_ns}&to_ns={now_ns - HOUR_NS}")
    assert empty["streams"][0]["start_ns"] == []
