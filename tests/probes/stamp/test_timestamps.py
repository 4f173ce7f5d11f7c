import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import LocalProtocolError, RemoteProtocolError
from probes.stamp.timestamps import (
    ERROR_ESTIMATE_UNKNOWN,
    decode_error_estimate,
    encode_error_estimate,
    error_ns_of_array,
    ntp64_to_wall_ns,
    ntp64_to_wall_ns_array,
    ptp64_to_wall_ns,
    ptp_array,
    synchronised_array,
    timestamp_to_wall_ns,
    timestamps_to_wall_ns_array,
    wall_ns_to_ntp64,
    wall_ns_to_ntp64_array,
    wall_ns_to_ptp64,
    wall_ns_to_ptp64_array,
    wall_ns_to_timestamp,
)

S = 1_000_000_000
T1 = 1_700_000_000 * S + 123_456_789
NTP_MOMENTS = st.integers(-61_505_152 * S, 4_233_462_143 * S)  # 1968-01-20 to 2104-02-26
PTP_MOMENTS = st.integers(0, ((1 << 32) - 38) * S)


@pytest.mark.parametrize(
    ("wall_ns", "timestamp"),
    [
        (T1, 0xE8FE6F801F9ADD37),
        (1_700_000_000 * S + 125_000_000, 0xE8FE6F8020000000),
        (1_700_000_000 * S + 125_010_000, 0xE8FE6F802000A7C5),
        (0, 2_208_988_800 << 32),
    ],
)
def test_ntp_vectors(wall_ns, timestamp):
    assert wall_ns_to_ntp64(wall_ns) == timestamp
    assert ntp64_to_wall_ns(timestamp) == wall_ns


def test_ptp_vector_counts_tai():
    assert wall_ns_to_ptp64(T1) == 0x6553F125_075BCD15
    assert ptp64_to_wall_ns(0x6553F125_075BCD15) == T1


def test_the_second_ntp_era_begins_where_the_first_ends():
    era_1_ns = 2_085_978_496 * S  # 2036-02-07 06:28:16 UTC
    assert wall_ns_to_ntp64(era_1_ns) == 0
    assert ntp64_to_wall_ns(0) == era_1_ns
    assert ntp64_to_wall_ns(wall_ns_to_ntp64(era_1_ns - 1)) == era_1_ns - 1


@given(NTP_MOMENTS)
def test_ntp_round_trip_is_exact(wall_ns):
    assert ntp64_to_wall_ns(wall_ns_to_ntp64(wall_ns)) == wall_ns


@given(PTP_MOMENTS)
def test_ptp_round_trip_is_exact(wall_ns):
    assert ptp64_to_wall_ns(wall_ns_to_ptp64(wall_ns)) == wall_ns


@given(st.lists(NTP_MOMENTS, min_size=1), st.data())
def test_arrays_agree_with_scalars(moments, data):
    wall_ns = np.array(moments, np.int64)
    timestamps = wall_ns_to_ntp64_array(wall_ns)
    assert timestamps.tolist() == [wall_ns_to_ntp64(moment) for moment in moments]
    assert ntp64_to_wall_ns_array(timestamps).tolist() == moments
    ptp_moments = np.abs(wall_ns)
    assert wall_ns_to_ptp64_array(ptp_moments).tolist() == [
        wall_ns_to_ptp64(moment) for moment in ptp_moments.tolist()
    ]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), min_size=1))
def test_any_timestamp_reads_alike_one_by_one_and_in_arrays(rows):
    timestamps = np.array([timestamp for timestamp, _ in rows], np.uint64)
    moments, valid = timestamps_to_wall_ns_array(timestamps, np.array([ptp for _, ptp in rows]))
    for (timestamp, ptp), moment, sound in zip(rows, moments.tolist(), valid.tolist(), strict=True):
        if sound:
            assert timestamp_to_wall_ns(timestamp, 0x4001 if ptp else 1) == moment
        else:
            with pytest.raises(RemoteProtocolError, match="within one second"):
                timestamp_to_wall_ns(timestamp, 0x4001)


def test_the_z_bit_chooses_the_format():
    assert wall_ns_to_timestamp(T1, 0x8EC8) == wall_ns_to_ntp64(T1)
    assert wall_ns_to_timestamp(T1, 0xCEC8) == wall_ns_to_ptp64(T1)


@pytest.mark.parametrize(
    ("error_ns", "estimate"),
    [(1e3, 0x8587), (50e3, 0x8AD2), (1e6, 0x8F84), (100e6, 0x95CD), (16e9, 0x9D80)],
)
def test_error_estimate_vectors(error_ns, estimate):
    assert encode_error_estimate(error_ns) == estimate


def test_an_unknown_clock_claims_the_greatest_error_and_no_synchronisation():
    for unknown in (math.nan, math.inf):
        assert encode_error_estimate(unknown) == ERROR_ESTIMATE_UNKNOWN
    assert not decode_error_estimate(ERROR_ESTIMATE_UNKNOWN).synchronised


def test_a_perfect_clock_still_has_a_multiplier():
    assert encode_error_estimate(0.0) == 0x8001


def test_a_negative_error_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        encode_error_estimate(-1.0)


def test_multiplier_zero_is_invalid():
    estimate = decode_error_estimate(0x8F00)
    assert math.isnan(estimate.error_ns)
    assert not estimate.synchronised


@given(st.floats(0, 1e18), st.booleans(), st.booleans())
def test_the_encoded_error_is_never_less_than_the_true_one(error_ns, synchronised, ptp):
    estimate = decode_error_estimate(
        encode_error_estimate(error_ns, synchronised=synchronised, ptp=ptp)
    )
    assert estimate.error_ns * (1 + 1e-12) >= error_ns
    assert estimate.error_ns <= error_ns * (1 + 1 / 127) + 1e9 / 2**32
    assert (estimate.synchronised, estimate.ptp) == (synchronised, ptp)


def test_every_estimate_reads_alike_one_by_one_and_in_arrays():
    every = np.arange(1 << 16, dtype=np.uint16)
    one_by_one = [decode_error_estimate(estimate) for estimate in every.tolist()]
    np.testing.assert_array_equal(error_ns_of_array(every), [one.error_ns for one in one_by_one])
    assert synchronised_array(every).tolist() == [one.synchronised for one in one_by_one]
    assert ptp_array(every).tolist() == [one.ptp for one in one_by_one]
