"""What the controller's tests share: windows made by hand, small networks, real stores."""

import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from controller.sqlite_store import SqliteStore
from probes.chunk import encode_chunk
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, STAMPING, FlowColumns, WindowBatch

WINDOW_NS = 10_000_000_000
BOOT = "00c0ffee00c0ffee"


def batch_of(
    stream_ids: list[int],
    start_ns: int,
    *,
    rtt_ns: float = 4_000_000.0,
    forward_ns: float | None = 2_000_000.0,
    sent: int = 10,
    lost: int = 0,
    clock_bound_ns: float = 1_000.0,
    suspect: bool = False,
    duration_ns: int = WINDOW_NS,
) -> WindowBatch:
    """Return one window per stream: `sent - lost` round trips of `rtt_ns`, all in one flow."""
    n, received = len(stream_ids), sent - lost
    counters = {name: np.zeros(n, np.uint32) for name in COUNTERS}
    counters["sent"][:], counters["received"][:], counters["lost_unknown"][:] = sent, received, lost
    measures = {name: np.full(n, np.nan) for name in MEASURES}
    distributions = {name: Histograms.empty(n) for name in DISTRIBUTIONS}
    delays = {"rtt": rtt_ns, "forward": forward_ns}
    if forward_ns is not None:
        delays["backward"] = rtt_ns - forward_ns
        measures["clock_bound_ns"][:] = clock_bound_ns
    for name, delay_ns in delays.items():
        if delay_ns is None or not received:
            continue
        for end in ("min", "mean", "max"):
            measures[f"{name}_{end}_ns"][:] = delay_ns
        row = np.repeat(np.arange(n), received)
        distributions[name] = Histograms.from_samples(row, np.full(len(row), delay_ns), n)
    return WindowBatch(
        start_ns=start_ns,
        duration_ns=duration_ns,
        stream_id=np.array(stream_ids, np.uint64),
        counters=counters,
        measures=measures,
        distributions=distributions,
        stamping=np.full(n, STAMPING.index("kernel") if received else 0, np.uint8),
        suspect=np.full(n, suspect),
        flows=FlowColumns(
            indptr=np.arange(n + 1),
            flow=np.zeros(n, np.uint16),
            sent=np.full(n, sent, np.uint32),
            lost=np.full(n, lost, np.uint32),
            rtt_p50_ns=np.full(n, rtt_ns if received else np.nan),
        ),
    )


def chunk_of(
    batch: WindowBatch, *, agent: str, sequence: int, boot: str = BOOT, plan_version: int = 1
) -> bytes:
    """Return a batch as the body of a POST."""
    return encode_chunk(batch, agent=agent, boot=boot, sequence=sequence, plan_version=plan_version)


@pytest.fixture(name="batch_of")
def _batch_of() -> Callable[..., WindowBatch]:
    return batch_of


@pytest.fixture(name="chunk_of")
def _chunk_of() -> Callable[..., bytes]:
    return chunk_of


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "data")
    yield opened
    opened.close()
