"""Chunks come back whole, small and, from hostile bytes, not at all."""

import contextlib

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import messages.sections.windows
from foundation.errors import LocalProtocolError, RemoteProtocolError
from messages.chunk import decode_chunk, encode_chunk, encode_windows
from messages.columns import RAW, OtherVersionError, pack
from messages.exchange import MAX_CHUNK_BYTES, MAX_CHUNK_EXPANDED_BYTES
from messages.frame import seal, unseal
from messages.sections.kind import Span
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


@pytest.mark.parametrize(("rows", "flows"), [(1, 1), (60, 1), (300, 4), (5_000, 1)])
def test_chunk_comes_back_as_it_was(rows: int, flows: int) -> None:
    batch = make_batch(rows, flows=flows)
    chunk = decode_chunk(encode(batch))
    assert (chunk.agent, chunk.boot, chunk.sequence, chunk.plan_version) == (
        "nanjing-1",
        BOOT,
        7,
        3,
    )
    assert_same(batch, chunk.batch)


def test_empty_batch_comes_back_empty() -> None:
    batch = WindowBatch.empty(0, 1)
    assert_same(batch, decode_chunk(encode(batch)).batch)


def test_full_window_costs_at_most_sixty_bytes() -> None:
    assert len(encode(make_batch(300))) / 300 <= 60


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


@given(batches())
@settings(deadline=None, max_examples=80)
def test_any_batch_comes_back_as_it_was(batch: WindowBatch) -> None:
    assert_same(batch, decode_chunk(encode(batch)).batch)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_arbitrary_bytes_give_a_protocol_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(data)


PACKED = unseal(encode(make_batch(3)), MAX_CHUNK_EXPANDED_BYTES)


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_damaged_contents_give_a_chunk_or_a_protocol_error(data: st.DataObject) -> None:
    packed = bytearray(PACKED)
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3))
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(seal(bytes(packed[: len(packed) - cut])))


def test_truncated_chunk_is_refused() -> None:
    data = encode(make_batch(20))
    for size in range(0, len(data), 37):
        with pytest.raises(RemoteProtocolError):
            decode_chunk(data[:size])


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(encode(make_batch(2)) + b"x")


def test_oversized_chunk_is_refused_before_it_is_read() -> None:
    with pytest.raises(RemoteProtocolError, match="larger"):
        decode_chunk(bytes(MAX_CHUNK_BYTES + 1))


def test_decompression_bomb_is_refused_before_it_expands() -> None:
    bomb = seal(bytes(MAX_CHUNK_EXPANDED_BYTES + 1))
    with pytest.raises(RemoteProtocolError, match="expands"):
        decode_chunk(bomb)


def test_frame_of_undeclared_size_is_refused() -> None:
    stream = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(
        PACKED
    )
    with pytest.raises(RemoteProtocolError):
        decode_chunk(stream)


def reencode(data: bytes = PACKED, **changes: object) -> bytes:
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


@pytest.mark.parametrize(
    "changes",
    [
        {"edges": 99},
        {"schema": 99},
        {"agent": "../etc"},
        {"boot": "zz"},
        {"sequence": -1},
        {"count": 2},
        {"count": 4},
        {"count": 1 << 40},
        {"surprise": 1},
        {"sections": [1]},
        {"payload": None},
        {"payload": {"edges": 1}},
        {"columns": {"surprise": [0, 1, b""]}},
        {"columns": {"received": [1, 0, b"\x01\x01\x01"]}},
        {"columns": {"sent": [0, -5, b""]}},
        {"columns": {"sent": [9, 0, b""]}},
        {"columns": {"rtt.buckets": [0, 1 << 40, b""]}},
        {"columns": {"rtt.buckets": [0, 1500, b""]}},
        {"columns": {"rtt.step": [0, -1, b""]}},
        {"columns": {"rtt.step": [0, 1 << 62, b""]}},
        {"columns": {"flows": [0, 4000, b""]}},
        {"columns": {"flow.lost": [0, 4000, b""]}},
        {"columns": {"timestamping": [0, 4, b""]}},
        {"columns": {"rtt.count": [0, (1 << 32) - 2, b""]}},
        {"columns": {"variation.count": [0, 9, b""]}},
        {"start_ns": (1 << 63) - 1},
    ],
)
def test_chunk_with_a_wrong_field_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(reencode(**changes))


def test_rows_that_expand_beyond_the_limit_are_refused() -> None:
    """Constant columns are a few bytes for any number of rows: the rows themselves are limited."""
    columns = {"sent": [0, 1, b""], "rtt.buckets": [0, 900, b""], "rtt.count": [0, 1, b""]}
    section = msgspec.msgpack.decode(PACKED)["sections"][0]
    section |= {"count": 200_000, "payload": section["payload"] | {"columns": columns}}
    with pytest.raises(RemoteProtocolError, match="expands"):
        decode_chunk(reencode(sections=[section]))


def test_windows_whose_counters_do_not_add_up_are_not_sent() -> None:
    batch = make_batch(3)
    batch.counters["sent"][1] += 1
    with pytest.raises(LocalProtocolError):
        encode(batch)


def test_a_measure_without_end_is_neither_sent_nor_read() -> None:
    batch = make_batch(3)
    sound = encode(batch)
    batch.measures["send_lag_max_ns"][1] = 2.0**60
    great = unseal(encode(batch), MAX_CHUNK_EXPANDED_BYTES)
    batch.measures["send_lag_max_ns"][1] = np.inf
    with pytest.raises(LocalProtocolError):
        encode(batch)
    raw = batch.measures["send_lag_max_ns"].astype("<f8").view(np.int64)
    with pytest.raises(RemoteProtocolError, match="infinite"):
        decode_chunk(reencode(great, columns={"send_lag_max_ns" + RAW: pack(raw)}))
    assert decode_chunk(sound).batch.rows == 3


@pytest.mark.parametrize("value", [2.0**70, -1e300])
def test_measures_that_nothing_could_be_added_to_are_neither_sent_nor_read(value: float) -> None:
    batch = make_batch(3)
    batch.measures["forward_max_ns"][1] = value
    with pytest.raises(LocalProtocolError, match="out of range"):
        encode(batch)
    with pytest.MonkeyPatch.context() as careless:
        careless.setattr(messages.sections.windows, "contradiction_in", lambda batch: None)
        data = encode(batch)
    with pytest.raises(RemoteProtocolError, match="out of range"):
        decode_chunk(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rtt_min_ns", -1.0),
        ("rtt_max_ns", 60_000_000_001.0),  # no plan may wait so long
        ("rtt_mean_ns", 59_000_000_000.0),  # beyond the greatest
        ("forward_min_ns", 1e12),  # beyond the mean
        ("clock_bound_ns", -(2.0**62)),
        ("hops_backward", -1.0),
        ("hops_forward", 256.0),
        ("dscp_forward", 64.0),
        ("ecn_backward", 4.0),
    ],
)
def test_what_no_probe_can_have_met_is_neither_sent_nor_read(name: str, value: float) -> None:
    batch = make_batch(3)
    batch.measures[name][1] = value
    assert_neither_sent_nor_read(batch, name.split("_")[0])


def test_no_answer_comes_before_its_probe_left() -> None:
    for name, distribution in make_batch(3).distributions.items():
        batch = make_batch(3)
        distribution.bucket[0] = -1
        batch.distributions[name] = distribution
        if name in ("rtt", "variation"):
            assert_neither_sent_nor_read(batch, "before")
        else:
            assert decode_chunk(encode(batch)).batch.rows == 3  # clocks disagree
    batch = make_batch(3)
    batch.flows.rtt_p50_ns[2] = -4e6
    assert_neither_sent_nor_read(batch, "before")


def assert_neither_sent_nor_read(batch: WindowBatch, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match):
        encode(batch)
    with pytest.MonkeyPatch.context() as careless:
        careless.setattr(messages.sections.windows, "contradiction_in", lambda batch: None)
        data = encode(batch)
    with pytest.raises(RemoteProtocolError, match=match):
        decode_chunk(data)


def test_a_flipped_bit_never_gives_other_figures() -> None:
    data = encode(make_batch(20))
    whole = decode_chunk(data).batch
    for place in range(0, 8 * len(data), 5):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with contextlib.suppress(RemoteProtocolError):
            assert_same(whole, decode_chunk(bytes(damaged)).batch)


def test_a_chunk_of_another_layout_is_of_another_version() -> None:
    later = seal(msgspec.msgpack.encode({"schema": 99, "all": "else"}))
    with pytest.raises(OtherVersionError, match="99"):
        decode_chunk(later)


def test_a_chunk_without_sections_says_nothing() -> None:
    data = encode_chunk({}, Span(7, 1), agent="a", boot=BOOT, sequence=1, plan_version=0)
    chunk = decode_chunk(data)
    assert (chunk.counts, chunk.batch.rows, chunk.span) == ({}, 0, Span(7, 1))


def with_payload(octets: bytes, count: int) -> bytes:
    section = {"kind": "windows", "version": 1, "count": count, "payload": msgspec.Raw(octets)}
    return seal(msgspec.msgpack.encode(msgspec.msgpack.decode(PACKED) | {"sections": [section]}))


@given(st.binary(max_size=200), st.integers(0, 9))
@settings(deadline=None)
def test_arbitrary_payloads_give_a_chunk_or_a_protocol_error(octets: bytes, count: int) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(with_payload(octets, count))


def test_payloads_nested_without_end_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(with_payload(b"\x91" * 100_000 + b"\xc0", 0))
