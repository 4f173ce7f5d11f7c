"""What no windows can be is neither sent nor read."""

import numpy as np
import pytest

import messages.sections.windows
from foundation.errors import LocalProtocolError, RemoteProtocolError
from messages.chunk import decode_chunk
from messages.columns import RAW, pack
from messages.exchange import MAX_CHUNK_EXPANDED_BYTES
from messages.frame import unseal
from messages.window_checks import contradiction_in
from probes.window import WindowBatch
from tests.messages.chunk_samples import encode, make_batch, reencode


def test_what_a_healthy_mesh_measures_contradicts_nothing() -> None:
    assert contradiction_in(make_batch(200, flows=4)) is None
    assert contradiction_in(WindowBatch.empty(0, 1)) is None


def test_a_batch_that_ends_beyond_all_times_is_told_in_both_languages() -> None:
    told = contradiction_in(WindowBatch.empty((1 << 63) - 1, 1))
    assert told is not None
    assert told.en == "it ends beyond all times"
    assert told.zh


def test_a_histogram_counts_no_more_than_came_back() -> None:
    batch = make_batch(3)
    batch.counters["received"][1] -= 1
    batch.counters["lost_forward"][1] += 1
    assert_neither_sent_nor_read(batch, "histogram counts more")


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
