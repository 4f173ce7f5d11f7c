"""Figures over time: every window or point of the streams asked for, by stream and time."""

from collections.abc import Callable

import numpy as np

from controller.store.levels import HOUR
from controller.store.points import POINT, PRESENT, SUSPECT
from controller.store.series import series_of_points, series_of_windows
from probes.window import WindowBatch

Make = Callable[..., WindowBatch]


def test_every_window_of_the_streams_asked_for_is_a_point_in_order(batch_of: Make) -> None:
    batches = [
        batch_of([5, 7, 9], 300, lost=1),
        batch_of([7], 100, lost=2, duration_ns=50),
        batch_of([5], 200, suspect=True),
    ]
    found = series_of_windows(batches, [7, 5])
    assert (found.level, found.step_ns) == ("window", None)
    assert found.stream_id.tolist() == [5, 5, 7, 7]
    assert found.start_ns.tolist() == [200, 300, 100, 300]
    assert found.duration_ns.tolist() == [10_000_000_000, 10_000_000_000, 50, 10_000_000_000]
    assert found.points["received"].tolist() == [10, 9, 8, 9]
    assert found.lost().tolist() == [0, 1, 2, 1]
    assert found.suspect.tolist() == [True, False, False, False]


def test_windows_of_one_instant_of_several_chunks_stay_apart(batch_of: Make) -> None:
    found = series_of_windows([batch_of([5], 100), batch_of([5], 100, sent=20)], [5])
    assert sorted(found.points["sent"].tolist()) == [10, 20]


def test_points_of_a_level_are_put_in_order_of_stream_and_time() -> None:
    points = np.zeros(4, POINT)
    points["sent"] = [1, 2, 3, 4]
    points["state"] = [PRESENT, PRESENT | SUSPECT, PRESENT, PRESENT]
    found = series_of_points(
        HOUR,
        [
            (9, np.array([60, 30]), points[:2]),
            ((1 << 63) + 1, np.array([10]), points[2:3]),
            (5, np.array([90]), points[3:]),
        ],
    )
    assert (found.level, found.step_ns) == ("hour", HOUR.step_ns)
    assert found.stream_id.tolist() == [5, 9, 9, (1 << 63) + 1]
    assert found.start_ns.tolist() == [90, 30, 60, 10]
    assert found.points["sent"].tolist() == [4, 2, 1, 3]
    assert found.suspect.tolist() == [False, True, False, False]
    assert found.duration_ns.tolist() == [HOUR.step_ns] * 4


def test_nothing_is_an_empty_series_of_its_level(batch_of: Make) -> None:
    for found in (
        series_of_points(HOUR, []),
        series_of_windows([], [5]),
        series_of_windows([batch_of([7], 100)], [5]),
    ):
        assert len(found.points) == len(found.stream_id) == len(found.start_ns) == 0
        assert found.lost().tolist() == []
