"""Points made of merged windows, and tiles: the points of one stream laid side by side."""

import numpy as np

from controller.store.points import POINT, pack_tiles, unpack_tiles


def test_tiles_come_back_as_they_were() -> None:
    rng = np.random.default_rng(1)
    points = np.frombuffer(rng.bytes(3 * 60 * POINT.itemsize), POINT).reshape(3, 60)
    assert unpack_tiles(pack_tiles(points), 60).tobytes() == points.tobytes()
    assert unpack_tiles([], 60).shape == (0, 60)
