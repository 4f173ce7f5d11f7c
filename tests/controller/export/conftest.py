"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds three windows of nanjing's two UDP streams: one wholly lost."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    now_ns = controller.services.clock.wall_ns()
    for i, lost in enumerate((0, 10, 5)):
        batch = batch_of(ids, now_ns - (3 - i) * 10 * SECOND, lost=lost)
        body = chunk_of(batch, agent="nanjing", sequence=i, plan_version=7 + i)
        await controller.deliver("nanjing", body)
    return controller
