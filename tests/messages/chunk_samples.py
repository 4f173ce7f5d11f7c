"""Windows as a mesh makes them, or as nobody would, and chunks of them to be tampered with."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from messages.chunk import encode_windows
from messages.exchange import MAX_CHUNK_EXPANDED_BYTES
from messages.frame import seal, unseal
from messages.window_checks import range_of
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, FlowColumns, WindowBatch

BOOT = "0123456789abcdef"


def make_batch(rows: int, seed: int = 1, *, probes: int = 10, flows: int = 1) -> WindowBatch:
    """Return windows as a healthy mesh makes them: gamma delays, half a per cent of loss."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(2e5, 8e6, (rows, 1))
    forward = np.rint(base + rng.gamma(2, 40_000, (rows, probes)))
    backward = np.rint(1.02 * base + rng.gamma(2, 40_000, (rows, probes)))
    rtt = forward + backward + rng.integers(15_000, 40_000, (rows, probes))
    lost = rng.random((rows, probes)) < 0.005
    lost[:, 0] = False
    measures = {name: np.full(rows, np.nan) for name in MEASURES}
    distributions = {}
    row = np.repeat(np.arange(rows), probes).reshape(rows, probes)
    for name, delay in (("rtt", rtt), ("forward", forward), ("backward", backward)):
        seen = np.where(lost, np.nan, delay)
        measures[f"{name}_min_ns"] = np.nanmin(seen, axis=1)
        measures[f"{name}_mean_ns"] = np.rint(np.nanmean(seen, axis=1))
        measures[f"{name}_max_ns"] = np.nanmax(seen, axis=1)
        distributions[name] = Histograms.from_samples(row[~lost], delay[~lost], rows)
    both = ~(lost[:, 1:] | lost[:, :-1])
    steps = np.abs(np.diff(rtt, axis=1))[both]
    distributions["variation"] = Histograms.from_samples(row[:, 1:][both], steps, rows)
    measures["clock_bound_ns"][:] = 1_000
    late = np.rint(rng.gamma(2, 5_000, (rows, probes)))
    measures["send_lag_mean_ns"] = np.rint(late.mean(axis=1))
    measures["send_lag_max_ns"] = late.max(axis=1)
    counters = {name: np.zeros(rows, np.uint32) for name in COUNTERS}
    counters["sent"][:] = probes
    counters["received"] = (~lost).sum(axis=1).astype(np.uint32)
    counters["lost_forward"] = lost.sum(axis=1).astype(np.uint32)
    each = [(np.arange(probes) % flows == flow) for flow in range(flows)]
    return WindowBatch(
        start_ns=1_700_000_000_000_000_000,
        duration_ns=10_000_000_000,
        stream_id=np.sort(rng.integers(0, 1 << 48, rows)).astype(np.uint64),
        counters=counters,
        measures=measures,
        distributions=distributions,
        timestamping=np.full(rows, 2, np.uint8),
        suspect=np.zeros(rows, np.bool_),
        flows=FlowColumns(
            indptr=np.arange(rows + 1) * flows,
            flow=np.tile(np.arange(flows), rows).astype(np.uint16),
            sent=np.tile([mine.sum() for mine in each], rows).astype(np.uint32),
            lost=np.stack([lost[:, m].sum(axis=1) for m in each], 1).ravel().astype(np.uint32),
            rtt_p50_ns=np.stack([rtt[:, m].max(axis=1) for m in each], 1).ravel(),
        ),
    )


@st.composite
def batches(draw: st.DrawFn) -> WindowBatch:
    """Return any batch that the contract allows, however unlikely."""
    rows = draw(st.integers(0, 5))

    def integers(high: int, size: int = rows) -> list[int]:
        return draw(st.lists(st.integers(0, high), min_size=size, max_size=size))

    delay = st.one_of(
        st.just(np.nan), st.just(5.5e20), st.integers(-(2**69), 2**69), st.integers(-99, 10**9)
    )

    def floats(low: float, high: float, size: int = rows) -> np.ndarray:
        drawn = draw(st.lists(delay, min_size=size, max_size=size))
        return np.clip(np.array(drawn, np.float64), low, high)

    counters = {name: np.array(integers(2**20), np.uint32) for name in COUNTERS}
    distributions = {}
    for name in DISTRIBUTIONS:
        size = draw(st.integers(0, 12)) if rows else 0
        row = np.array(integers(max(rows - 1, 0), size), np.int64)
        lowest = 0 if name in ("rtt", "variation") else -(10**11)
        sample = st.lists(st.integers(lowest, 10**11), min_size=size, max_size=size)
        distributions[name] = Histograms.from_samples(row, np.array(draw(sample), np.int64), rows)
        counters["received"] += distributions[name].totals().astype(np.uint32)
    counters["sent"] = sum((counters[name] for name in COUNTERS[1:7]), np.zeros(rows, np.uint32))
    lengths = integers(3)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    entries = int(indptr[-1])
    sent = np.array(integers(1000, entries), np.uint32)
    measures = {name: floats(*range_of(name)) for name in MEASURES}
    for name in ("rtt", "forward", "backward"):
        ends = [f"{name}_{end}_ns" for end in ("min", "mean", "max")]
        measures |= zip(ends, np.sort([measures[end] for end in ends], axis=0), strict=True)
    return WindowBatch(
        start_ns=draw(st.integers(0, 2**63 - 1 - 3_600_000_000_000)),
        duration_ns=draw(st.integers(1, 3_600_000_000_000)),
        stream_id=np.array(integers(2**64 - 1), np.uint64),
        counters=counters,
        measures=measures,
        distributions=distributions,
        timestamping=np.array(integers(3), np.uint8),
        suspect=np.array(integers(1), np.bool_),
        flows=FlowColumns(
            indptr=indptr,
            flow=np.array(integers(65_535, entries), np.uint16),
            sent=sent,
            lost=np.minimum(sent, np.array(integers(1000, entries), np.uint32)),
            rtt_p50_ns=floats(*range_of("rtt_min_ns"), entries),
        ),
    )


def encode(batch: WindowBatch) -> bytes:
    return encode_windows(batch, agent="nanjing-1", boot=BOOT, sequence=7, plan_version=3)


def assert_same(one: WindowBatch, other: WindowBatch) -> None:
    assert (one.start_ns, one.duration_ns) == (other.start_ns, other.duration_ns)
    np.testing.assert_array_equal(one.stream_id, other.stream_id)
    assert one.stream_id.dtype == other.stream_id.dtype
    for name in COUNTERS:
        np.testing.assert_array_equal(one.counters[name], other.counters[name])
        assert one.counters[name].dtype == other.counters[name].dtype
    for name in MEASURES:
        np.testing.assert_array_equal(np.rint(one.measures[name]), other.measures[name])
    for name in DISTRIBUTIONS:
        for part in ("indptr", "bucket", "count"):
            left = getattr(one.distributions[name], part)
            right = getattr(other.distributions[name], part)
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
    np.testing.assert_array_equal(one.timestamping, other.timestamping)
    np.testing.assert_array_equal(one.suspect, other.suspect)
    for part in ("indptr", "flow", "sent", "lost"):
        np.testing.assert_array_equal(getattr(one.flows, part), getattr(other.flows, part))
    np.testing.assert_array_equal(np.rint(one.flows.rtt_p50_ns), other.flows.rtt_p50_ns)


PACKED = unseal(encode(make_batch(3)), MAX_CHUNK_EXPANDED_BYTES)


def reencode(data: bytes = PACKED, **changes: Any) -> bytes:
    """Return a chunk with other fields: of its header, its one section, or the payload of that."""
    wire = msgspec.msgpack.decode(data)
    section = wire["sections"][0]
    payload = section["payload"]
    for key, value in changes.items():
        if key == "columns":
            payload["columns"].update(value)
        else:
            within = next((each for each in (payload, section) if key in each), wire)
            within[key] = value
    return seal(msgspec.msgpack.encode(wire))
