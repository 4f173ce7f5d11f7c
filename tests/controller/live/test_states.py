"""States of streams, paths and agents; maintenance; the log and the stream of what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.live.states import (
    AGENT_DOWN,
    CURTAILED,
    DOWN_WINDOWS,
    FAILING,
    LATE,
    MAINTENANCE,
    NO_DATA,
    OK,
    PATH_DOWN,
    UNDECIDED,
    StateFlags,
    codes,
    nothing_returns,
    path_flags,
)
from controller.store.aggregate import WindowSeries

SECOND = 1_000_000_000
WINDOW_NS = 10 * SECOND
NOW_NS = 1_000 * SECOND
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


def flags(**columns: Any) -> StateFlags:
    """Return one row that is fine but for `columns`."""
    flags = ("agent_down", "curtailed", "unanswered", "down", "failing", "undecided", "maintenance")
    given = {name: np.array([columns.get(name, False)]) for name in flags}
    return StateFlags(newest_ns=np.array([columns.get("newest_ns", NOW_NS)]), **given)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, OK),
        ({"undecided": True}, UNDECIDED),
        ({"undecided": True, "failing": True}, FAILING),
        ({"failing": True, "down": True}, PATH_DOWN),
        ({"down": True, "newest_ns": NOW_NS - 41 * SECOND}, LATE),
        ({"newest_ns": NOW_NS - 40 * SECOND}, OK),
        ({"newest_ns": NOW_NS - 121 * SECOND}, NO_DATA),
        ({"newest_ns": 0}, NO_DATA),
        ({"newest_ns": 0, "agent_down": True}, AGENT_DOWN),
        ({"newest_ns": 0, "curtailed": True}, CURTAILED),
        ({"agent_down": True, "curtailed": True}, AGENT_DOWN),
        ({"agent_down": True, "maintenance": True}, MAINTENANCE),
    ],
)
def test_the_first_sign_that_holds_names_the_state(columns: dict[str, Any], expected: int) -> None:
    assert codes(flags(**columns), NOW_NS, WINDOW_NS).tolist() == [expected]


def series(*rows: list[tuple[int, int]]) -> WindowSeries:
    """Return windows of (sent, lost) per stream."""
    flat = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
    return WindowSeries(
        indptr=np.cumsum([0, *(len(row) for row in rows)]),
        start_ns=np.arange(len(flat)),
        sent=flat[:, 0],
        lost=flat[:, 1],
        rtt_mean_ns=np.full(len(flat), np.nan),
        forward_mean_ns=np.full(len(flat), np.nan),
    )


def test_stream_is_down_after_three_windows_in_which_nothing_returned() -> None:
    dead, alive, idle = (10, 10), (10, 9), (0, 0)
    windows = series(
        [alive] + [dead] * DOWN_WINDOWS,
        [dead] * DOWN_WINDOWS + [alive],
        [dead] * (DOWN_WINDOWS - 1),
        [dead, idle, dead],
        [],
    )
    assert nothing_returns(windows).tolist() == [True, False, False, False, False]


def test_path_is_down_only_if_all_its_streams_that_report_are() -> None:
    fresh, old = NOW_NS, NOW_NS - 60 * SECOND
    streams = StateFlags(
        newest_ns=np.array([fresh, fresh, fresh, old]),
        agent_down=np.zeros(4, bool),
        curtailed=np.array([True, False, True, True]),
        unanswered=np.zeros(4, bool),
        down=np.array([True, False, True, False]),
        failing=np.zeros(4, bool),
        undecided=np.zeros(4, bool),
        maintenance=np.zeros(4, bool),
    )
    found = path_flags(streams, np.array([0, 0, 1, 1]), 3, NOW_NS - 40 * SECOND)
    assert found.down.tolist() == [False, True, False]
    assert found.curtailed.tolist() == [False, True, False]  # all of its streams are
    assert found.newest_ns.tolist() == [fresh, fresh, 0]
