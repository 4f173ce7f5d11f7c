import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.store.aggregate import DELAYS
from controller.store.points import points_of
from controller.store.rollup_blocks import (
    MAX_EXPANDED_BYTES,
    Block,
    block_of,
    decode_block,
    encode_block,
    joined,
)
from foundation.errors import RemoteProtocolError
from messages.frame import seal, unseal
from probes.window import COUNTERS, DISTRIBUTIONS, WindowBatch
from tests.controller.conftest import batch_of

DELAY_NS = st.integers(500, 60_000_000_000).map(float)


@st.composite
def batches(draw: st.DrawFn) -> WindowBatch:
    return batch_of(
        sorted(draw(st.sets(st.integers(1, 6), min_size=1, max_size=4))),
        draw(st.integers(0, 5)) * 10_000_000_000,
        rtt_ns=draw(DELAY_NS),
        forward_ns=draw(st.none() | st.just(400.0)),
        lost=draw(st.integers(0, 10)),
        clock_bound_ns=draw(st.sampled_from([float("nan"), 1_000.0, 25_000.0])),
        suspect=draw(st.booleans()),
    )


def same(one: Block, other: Block) -> bool:
    """Whether two blocks say exactly the same; absent is absent."""
    a, b = one.aggregate, other.aggregate
    arrays = [
        (one.stream_id, other.stream_id),
        (a.timestamping, b.timestamping),
        (a.suspect, b.suspect),
    ]
    arrays += [(a.end_ns, b.end_ns), (a.clock_bound_ns, b.clock_bound_ns)]
    arrays += [(a.counters[name], b.counters[name]) for name in COUNTERS]
    for delay in DELAYS:
        for aggregate in ("total_ns", "least_ns", "most_ns"):
            arrays.append((getattr(a, aggregate)[delay], getattr(b, aggregate)[delay]))
    for name in DISTRIBUTIONS:
        x, y = a.distributions[name], b.distributions[name]
        arrays += [(x.indptr, y.indptr), (x.bucket, y.bucket), (x.count, y.count)]
    return all(
        np.array_equal(x, y, equal_nan=np.issubdtype(x.dtype, np.floating)) for x, y in arrays
    )


@given(st.lists(batches(), min_size=1, max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_merging_merged_windows_is_merging_the_windows(
    windows: list[WindowBatch], data: st.DataObject
) -> None:
    aggregates = data.draw(
        st.lists(st.integers(0, 3), min_size=len(windows), max_size=len(windows))
    )
    groups = [[w for w, p in zip(windows, aggregates, strict=True) if p == k] for k in range(4)]
    blocks = [block_of(group) for group in groups if group]
    assert same(joined(data.draw(st.permutations(blocks))), block_of(windows))


@given(st.lists(batches(), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_block_comes_back_as_it_was(windows: list[WindowBatch]) -> None:
    block = block_of(windows)
    assert same(decode_block(encode_block(block, 7), 7), block)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_block(data: bytes) -> None:
    for body in (data, seal(data)):
        with pytest.raises(RemoteProtocolError):
            decode_block(body, 0)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_block_is_read_or_refused(data: st.DataObject) -> None:
    packed = bytearray(unseal(encode_block(block_of([batch_of([5, 7], 0)]), 0), MAX_EXPANDED_BYTES))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert len(decode_block(seal(bytes(packed)), 0).stream_id) >= 0
    except RemoteProtocolError:
        return


def test_negative_number_of_rows_is_no_block() -> None:
    """What coverage-guided fuzzing found."""
    wire = {"schema": 1, "edges": 1, "rows": -1, "columns": {}}
    with pytest.raises(RemoteProtocolError):
        decode_block(seal(msgspec.msgpack.encode(wire)), 0)


def full_window(start_ns: int) -> WindowBatch:
    """Return a window in which as many came back as a counter holds, all equally fast."""
    batch = batch_of([5], start_ns, rtt_ns=2_000_000.0, lost=0)
    most = (1 << 32) - 1
    for name in ("sent", "received"):
        batch.counters[name][:] = most
    batch.distributions["rtt"].count[:] = most
    return batch


def test_windows_of_the_greatest_counts_are_merged_and_read_back_whole() -> None:
    block = joined([block_of([full_window(place * 10**10) for place in range(6)])] * 3)
    again = decode_block(encode_block(block, 0), 0)
    assert same(again, block)
    assert again.aggregate.counters["sent"].tolist() == [18 * ((1 << 32) - 1)]
    assert again.aggregate.distributions["rtt"].totals().tolist() == [18 * ((1 << 32) - 1)]
    assert points_of(again.aggregate)["sent"].tolist() == [18 * ((1 << 32) - 1)]
    assert points_of(again.aggregate)["rtt_mean_ns"] == pytest.approx(2e6)
