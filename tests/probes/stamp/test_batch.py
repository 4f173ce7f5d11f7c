"""Unauthenticated STAMP packets by the thousand."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from probes.stamp import packet as stamp
from probes.stamp.nonconforming import TIMESTAMPS
from tests.probes.stamp.test_packet import (
    OPEN_REPLY,
    OPEN_REQUEST,
    REPLIES,
    T1_NS,
    T2_NS,
    T3_NS,
)


def test_batches_write_the_vectors():
    buffer = np.full((2, 44), 0xAA, np.uint8)
    sevens = np.array([7, 7], np.uint32)
    stamp.write_sender_packets(buffer, sevens, np.full(2, T1_NS), 0x8EC8, 0x1234)
    assert buffer[1].tobytes() == OPEN_REQUEST
    length = stamp.write_reflector_packets(
        buffer,
        np.array([44, 44]),
        sequence=np.array([3, 3], np.uint32),
        receive_wall_ns=np.full(2, T2_NS),
        transmit_wall_ns=T3_NS,
        error_estimate=0x8F96,
        ttl=np.array([63, 63], np.uint8),
    )
    assert length.tolist() == [44, 44]
    assert buffer[1].tobytes() == OPEN_REPLY


@given(REPLIES, st.integers(36, 84))
def test_batches_and_single_packets_read_a_reply_alike(packet, length):
    octets = stamp.encode_reflector(packet)[:length]
    buffer = np.full((1, 128), 0xAA, np.uint8)
    buffer[0, : len(octets)] = np.frombuffer(octets, np.uint8)
    fields = stamp.read_reflector_packets(buffer, np.array([len(octets)]))
    one = stamp.decode_reflector(octets)
    try:
        moments = one.receive_wall_ns, one.transmit_wall_ns
    except RemoteProtocolError:
        assert fields.odd[0] & TIMESTAMPS
    else:
        assert (fields.receive_wall_ns[0], fields.transmit_wall_ns[0]) == moments
    assert fields.valid[0]
    assert (fields.sequence[0], fields.sender_sequence[0]) == (one.sequence, one.sender_sequence)
    ttl = float(fields.sender_ttl[0])
    assert math.isnan(ttl) if one.sender_ttl is None else ttl == one.sender_ttl


@given(st.binary(min_size=64, max_size=64), st.integers(0, 64))
def test_arbitrary_batches_never_raise(data, length):
    buffer = np.frombuffer(data, np.uint8)[None].copy()
    stamp.read_reflector_packets(buffer, np.array([length]))
    stamp.read_sender_packets(buffer, np.array([length]))


def test_an_invalid_error_estimate_spoils_the_bound_and_not_the_reply():
    octets = bytearray(OPEN_REPLY)
    octets[13] = 0
    fields = stamp.read_reflector_packets(np.frombuffer(octets, np.uint8)[None], np.array([44]))
    assert fields.valid[0]
    assert math.isnan(fields.error_ns[0])
    assert not fields.synchronised[0]
