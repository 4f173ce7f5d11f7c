"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000
WINDOW_NS = 10 * SECOND
NOW_NS = 1_000 * SECOND


@pytest.fixture
def deliver(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Callable[..., Any]:
    """Return a function that delivers the newest window of all UDP streams of nanjing."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    sequence = iter(range(1000))

    async def run(**how: Any) -> None:
        start_ns = controller.services.clock.wall_ns() - 10 * SECOND
        batch = batch_of(ids, start_ns, sent=100, **how)
        body = chunk_of(batch, agent="nanjing", sequence=next(sequence))
        await controller.deliver("nanjing", body)

    return run
