"""Fixtures of this folder."""

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000


def stream_ids(controller: Any, agent: str, protocol: str = "udp") -> list[int]:
    return [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == agent and stream.type_p.protocol == protocol
    ]


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds three windows of nanjing and has judged them."""
    now_ns = controller.services.clock.wall_ns()
    for i in range(3):
        start_ns = now_ns - (3 - i) * 10 * SECOND
        batch = batch_of(stream_ids(controller, "nanjing"), start_ns, sent=100, rtt_ns=4e6)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=i))
    await controller.judge()
    return controller
