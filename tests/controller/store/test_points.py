"""Points made of merged windows, and tiles: the points of one stream laid side by side."""

from collections.abc import Callable

import numpy as np

from controller.store.points import POINT, pack_tiles, points_of, unpack_tiles
from controller.store.rollup_blocks import block_of
from probes.window import WindowBatch
from tests.controller.conftest import batch_of


def test_tiles_come_back_as_they_were() -> None:
    rng = np.random.default_rng(1)
    points = np.frombuffer(rng.bytes(3 * 60 * POINT.itemsize), POINT).reshape(3, 60)
    assert unpack_tiles(pack_tiles(points), 60).tobytes() == points.tobytes()
    assert unpack_tiles([], 60).shape == (0, 60)


def test_quantile_among_the_lost_is_infinite_and_absence_is_nan() -> None:
    make: Callable[..., WindowBatch] = batch_of
    point = points_of(block_of([make([5], 0, lost=6, forward_ns=None)]).aggregate)[0]
    assert point["rtt_p50_ns"] == np.inf
    assert np.isnan(point["forward_p50_ns"])
    assert np.isnan(point["variation_p50_ns"])
    assert abs(point["rtt_min_ns"] - 4_000_000) < 1
