"""Windows as columns."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, FlowColumns, WindowBatch


def _batch(rows: int) -> WindowBatch:
    """Return windows each of whose figures tells which window it is of."""
    number = np.arange(rows)
    flows = number % 3  # of each window
    owner = np.repeat(number, flows)
    return WindowBatch(
        start_ns=7,
        duration_ns=9,
        stream_id=number.astype(np.uint64),
        counters={name: number.astype(np.uint32) for name in COUNTERS},
        measures={name: number.astype(np.float64) for name in MEASURES},
        distributions={
            name: Histograms.from_samples(owner, 1_000.0 * (owner + 2), rows)
            for name in DISTRIBUTIONS
        },
        timestamping=(number % 4).astype(np.uint8),
        suspect=number % 2 > 0,
        flows=FlowColumns(
            indptr=np.concatenate([[0], np.cumsum(flows)]),
            flow=owner.astype(np.uint16),
            sent=owner.astype(np.uint32),
            lost=owner.astype(np.uint32),
            rtt_p50_ns=owner.astype(np.float64),
        ),
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), max_size=12))
def test_windows_that_are_taken_keep_all_that_is_theirs(rows: list[int]) -> None:
    whole, row = _batch(9), np.array(rows, np.int64)
    found = whole.take(row)
    assert (found.start_ns, found.duration_ns) == (7, 9)
    assert found.stream_id.tolist() == rows
    for columns in (found.counters, found.measures):
        assert all(column.tolist() == rows for column in columns.values())
    assert found.timestamping.tolist() == [i % 4 for i in rows]
    assert found.suspect.tolist() == [i % 2 > 0 for i in rows]
    owner = [i for i in rows for _ in range(i % 3)]
    assert np.diff(found.flows.indptr).tolist() == [i % 3 for i in rows]
    for name in ("flow", "sent", "lost", "rtt_p50_ns"):
        assert getattr(found.flows, name).tolist() == owner
    for histograms in found.distributions.values():
        assert histograms.totals().tolist() == [i % 3 for i in rows]
