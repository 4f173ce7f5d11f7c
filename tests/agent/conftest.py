"""Windows and a controller for the agent's tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from probes.window import WindowBatch, stack_flows
from tests.agent.running_agent import Controller, serving

MakeWindows = Callable[..., WindowBatch]


@pytest.fixture
def make_windows() -> MakeWindows:
    """Return a maker of plain windows: every stream sent ten probes and got ten back."""

    def make(*stream_ids: int, start_s: int = 1_700_000_000) -> WindowBatch:
        rows = len(stream_ids)
        nothing = WindowBatch.empty(start_s * 1_000_000_000, 10_000_000_000)
        counters = {name: np.zeros(rows, np.uint32) for name in nothing.counters}
        counters["sent"][:] = counters["received"][:] = 10
        empty = type(nothing.distributions["rtt"]).empty(rows)
        flows = stack_flows([nothing.flows])
        return WindowBatch(
            start_ns=nothing.start_ns,
            duration_ns=nothing.duration_ns,
            stream_id=np.array(stream_ids, np.uint64),
            counters=counters,
            measures={
                name: np.full(rows, 1000.0 if name.endswith("_ns") else 3.0)
                for name in nothing.measures
            },
            distributions=dict.fromkeys(nothing.distributions, empty),
            timestamping=np.full(rows, 2, np.uint8),
            suspect=np.zeros(rows, np.bool_),
            flows=type(flows)(
                indptr=np.zeros(rows + 1, np.int64),
                flow=flows.flow,
                sent=flows.sent,
                lost=flows.lost,
                rtt_p50_ns=flows.rtt_p50_ns,
            ),
        )

    return make


@pytest.fixture
async def controller(tmp_path: Path) -> AsyncIterator[Controller]:
    """A controller at `c.sock` of the test's directory."""
    async with serving(tmp_path) as controller:
        yield controller
