"""Why a socket cannot be had, as a sentence that says what to do: one place for every errno."""

from __future__ import annotations

import pytest

from foundation.errors import IsochroneError
from probes.sockets.obstacles import explaining_obstacles, is_shortage


def test_memory_that_cannot_be_had_is_a_shortage_too() -> None:
    with pytest.raises(IsochroneError) as caught, explaining_obstacles(2, None):
        raise MemoryError
    assert is_shortage(caught.value)
