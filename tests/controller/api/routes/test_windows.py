"""The series of windows of one path, read from the store."""

from collections.abc import Callable
from typing import Any

from tests.controller.api.conftest import stream_ids
from tests.controller.api.test_application import SECOND


async def test_windows_come_back_with_their_figures_oldest_first(measured: Any) -> None:
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    items = (await measured.get(f"/api/v1/windows?path={path}&protocol=udp"))["items"]
    starts = [item["start_ns"] for item in items]
    assert starts == sorted(starts)
    assert len(items) == 3
    assert items[0]["sent"] == 100
    assert items[0]["rtt_p50_ns"] == items[0]["rtt_mean_ns"] == 4e6
    assert items[0]["backward_p50_ns"] == 2e6
    assert items[0]["flows"] == [{"flow": 0, "sent": 100, "lost": 0, "rtt_p50_ns": 4e6}]


async def test_one_way_delays_of_windows_say_whether_a_clock_stands_behind_them(
    measured: Any,
) -> None:
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    items = (await measured.get(f"/api/v1/windows?path={path}"))["items"]
    for item in items:
        bound = item["clock_bound_ns"]
        ways = [item[f"relative_{way}_p50_ns"] for way in ("forward", "backward")]
        if item["forward_mean_ns"] is None:
            assert item["one_way"] == "none"
        else:
            assert item["one_way"] == ("relative" if bound is None else "absolute")
        assert (ways == [None, None]) == (item["one_way"] != "relative")


async def test_window_in_which_everything_is_lost_has_no_delay(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    ids = stream_ids(controller, "nanjing")
    batch = batch_of(ids, controller.services.clock.wall_ns() - 10 * SECOND, sent=5, lost=5)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    path = controller.services.rounds.scope.streams[0].path.id
    item = (await controller.get(f"/api/v1/windows?path={path}"))["items"][0]
    assert item["loss_ratio"] == 1.0
    assert item["rtt_p50_ns"] is None
    assert item["rtt_mean_ns"] is None


async def test_pages_of_windows_join_to_the_whole(measured: Any) -> None:
    path = measured.services.rounds.scope.streams[0].path.id
    whole = (await measured.get(f"/api/v1/windows?path={path}"))["items"]
    seen: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await measured.get(
            f"/api/v1/windows?path={path}&limit=1{cursor and '&after=' + cursor}"
        )
        seen += page["items"]
        cursor = page["next"]
    assert seen == whole
