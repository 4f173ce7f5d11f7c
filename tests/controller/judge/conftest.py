"""Evidence made from samples, as an engine and a store would make it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from controller.judge.evidence import DIRECTIONS, KINDS, STATISTICS, Evidence, Rules
from probes.histogram import Histograms
from probes.window import COUNTERS

MS = 1e6


def _summary(rows: Sequence[np.ndarray], function: Any) -> np.ndarray:
    return np.array([function(row) if len(row) else np.nan for row in rows], np.float64)


def _histograms(rows: Sequence[np.ndarray]) -> Histograms:
    row = np.repeat(np.arange(len(rows)), [len(x) for x in rows])
    delay = np.concatenate([np.zeros(0), *rows])
    return Histograms.from_samples(row, delay, len(rows))


def _window_means(rows: Sequence[np.ndarray], windows: int) -> np.ndarray:
    parts = [part for row in rows for part in np.array_split(row, windows)]
    return _summary(parts, np.mean)


def make_evidence(
    rtt: Sequence[Any],
    forward: Sequence[Any] | None = None,
    *,
    lost: Any = 0,
    lost_forward: Any = 0,
    lost_backward: Any = 0,
    bound: Any = np.nan,
    calibration: float = 0.0,
    floor: Any = 0.0,
    windows: int = 10,
    offset: float = 0.0,
) -> Evidence:
    """One row for each list of round trips (ns). `forward` are true one-way delays; `offset` is
    what the clocks add to the readings. Losses fall evenly on the windows."""
    n = len(rtt)
    trips = [np.asarray(x, np.float64) for x in rtt]
    there = [np.asarray(x, np.float64) for x in forward] if forward else [np.zeros(0)] * n
    back = [t - f if len(f) else f for t, f in zip(trips, there, strict=True)]
    there, back = [f + offset for f in there], [b - offset for b in back]
    full = lambda value, kind: np.broadcast_to(np.asarray(value, kind), (n,)).copy()  # noqa: E731 - two kinds of column
    lost_all = full(lost, np.int64) + full(lost_forward, np.int64) + full(lost_backward, np.int64)
    received = np.array([len(t) for t in trips])
    got = np.array([len(p) for t in trips for p in np.array_split(t, windows)])
    gone = np.array([len(p) for k in lost_all for p in np.array_split(np.zeros(k), windows)])
    delays = {"rtt": trips, "forward": there, "backward": back}
    of_each = {
        word: {name: _summary(rows, function) for name, rows in delays.items()}
        for word, function in (("least_ns", np.min), ("mean_ns", np.mean), ("most_ns", np.max))
    }
    samples = delays | {"variation": [np.abs(np.diff(t)) for t in trips]}
    return Evidence(
        counters=dict.fromkeys(COUNTERS, np.zeros(n, np.int64))
        | {
            "sent": received + lost_all,
            "received": received,
            "lost_unknown": full(lost, np.int64),
            "lost_forward": full(lost_forward, np.int64),
            "lost_backward": full(lost_backward, np.int64),
        },
        values={},
        distributions={name: _histograms(rows) for name, rows in samples.items()},
        **of_each,
        sent=received + lost_all,
        lost=lost_all,
        window_indptr=np.arange(n + 1) * windows,
        window_sent=got + gone,
        window_lost=gone,
        window_rtt_mean_ns=_window_means(trips, windows),
        window_forward_mean_ns=_window_means(there, windows),
        clock_bound_ns=full(bound, np.float64),
        clock_doubt=np.zeros(n, np.int8),
        calibration_ns=full(calibration, np.float64),
        floor_ns=full(floor, np.float64),
    )


def make_rules(n: int = 1, **given: Any) -> Rules:
    """n equal rules, rule i on row i. Words for kind, direction, statistic; limits in ns or 1."""
    limit = given.get("limit", MS)
    code = lambda words, word: np.full(n, words.index(word), np.int8)  # noqa: E731 - three uses
    return Rules(
        row=np.asarray(given.get("row", np.arange(n)), np.int64),
        kind=code(KINDS, given.get("kind", "delay")),
        direction=code(DIRECTIONS, given.get("direction", "round_trip")),
        statistic=code(STATISTICS, given.get("statistic", "p95")),
        limit=np.full(n, limit, np.float64),
        limit_low=np.full(n, given.get("limit_low", limit), np.float64),
        limit_high=np.full(n, given.get("limit_high", limit), np.float64),
        impossible=np.full(n, given.get("impossible", False)),
    )


@pytest.fixture
def evidence() -> Any:
    return make_evidence


@pytest.fixture
def rules() -> Any:
    return make_rules
