"""Single STAMP packets and batches of them against the vectors, scapy and each other."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import LocalProtocolError, RemoteProtocolError
from probes.stamp import packet as stamp
from probes.stamp.packet import ReflectorPacket, SenderPacket
from probes.stamp.timestamps import wall_ns_to_ntp64
from probes.stamp.tlv import decode_tlvs

with warnings.catch_warnings():  # scapy's own deprecated imports are none of our business
    warnings.simplefilter("ignore")
    from scapy.contrib.stamp import (
        STAMPSessionReflectorTestUnauthenticated,
        STAMPSessionSenderTestUnauthenticated,
    )

KEY = bytes(range(32))
S = 1_000_000_000
T1_NS = 1_700_000_000 * S + 123_456_789
T2_NS = 1_700_000_000 * S + 125_000_000
T3_NS = 1_700_000_000 * S + 125_010_000
REQUEST = SenderPacket(sequence=7, t1=wall_ns_to_ntp64(T1_NS), error_estimate=0x8EC8, ssid=0x1234)
REPLY = ReflectorPacket(
    sequence=3,
    t3=wall_ns_to_ntp64(T3_NS),
    error_estimate=0x8F96,
    ssid=0x1234,
    t2=wall_ns_to_ntp64(T2_NS),
    sender_sequence=7,
    sender_t1=wall_ns_to_ntp64(T1_NS),
    sender_error_estimate=0x8EC8,
    sender_ttl=63,
)
OPEN_REQUEST = bytes.fromhex("00000007e8fe6f801f9add378ec81234") + bytes(28)
OPEN_REPLY = bytes.fromhex(
    "00000003e8fe6f802000a7c58f961234e8fe6f802000000000000007e8fe6f801f9add378ec800003f000000"
)
SIGNED_REQUEST = (
    bytes.fromhex("00000007")
    + bytes(12)
    + bytes.fromhex("e8fe6f801f9add378ec81234")
    + bytes(68)
    + bytes.fromhex("9b3c767e8d7e2c858f038772dbbd7dd1")
)
SIGNED_REPLY = (
    bytes.fromhex("00000003")
    + bytes(12)
    + bytes.fromhex("e8fe6f802000a7c58f961234")
    + bytes(4)
    + bytes.fromhex("e8fe6f8020000000")
    + bytes(8)
    + bytes.fromhex("00000007")
    + bytes(12)
    + bytes.fromhex("e8fe6f801f9add378ec8")
    + bytes(6)
    + b"\x3f"
    + bytes(15)
    + bytes.fromhex("d042638209172c5bf3d304edfb687201")
)
U32, U64, U16 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1)
KEYS = st.sampled_from([None, KEY])
REQUESTS = st.builds(
    SenderPacket, sequence=U32, t1=U64, error_estimate=U16, ssid=U16, rest=st.binary(max_size=40)
)
REPLIES = st.builds(
    ReflectorPacket,
    sequence=U32,
    t3=U64,
    error_estimate=U16,
    ssid=U16,
    t2=U64,
    sender_sequence=U32,
    sender_t1=U64,
    sender_error_estimate=U16,
    sender_ttl=st.one_of(st.none(), st.integers(1, 254)),
    rest=st.binary(max_size=40),
)


@pytest.mark.parametrize(
    ("octets", "packet", "key"),
    [(OPEN_REQUEST, REQUEST, None), (SIGNED_REQUEST, REQUEST, KEY)],
    ids=["open", "authenticated"],
)
def test_request_vectors_both_ways(octets, packet, key):
    assert stamp.encode_sender(packet, key) == octets
    assert stamp.decode_sender(octets, key) == packet
    assert packet.sent_wall_ns == T1_NS


@pytest.mark.parametrize(
    ("octets", "key"), [(OPEN_REPLY, None), (SIGNED_REPLY, KEY)], ids=["open", "authenticated"]
)
def test_reply_vectors_both_ways(octets, key):
    assert stamp.encode_reflector(REPLY, key) == octets
    assert stamp.decode_reflector(octets, key) == REPLY
    assert (REPLY.receive_wall_ns, REPLY.transmit_wall_ns) == (T2_NS, T3_NS)


def test_a_ptp_request_is_read_on_the_tai_scale():
    octets = bytes.fromhex("000000086553f125075bcd15cec81234") + bytes(28)
    assert stamp.decode_sender(octets).sent_wall_ns == T1_NS
    fields = stamp.read_sender_packets(np.frombuffer(octets, np.uint8)[None], np.array([44]))
    assert fields.sent_wall_ns.tolist() == [T1_NS]


@given(REQUESTS, KEYS)
def test_requests_round_trip(packet, key):
    assert stamp.decode_sender(stamp.encode_sender(packet, key), key) == packet


@given(REPLIES, KEYS)
def test_replies_round_trip(packet, key):
    assert stamp.decode_reflector(stamp.encode_reflector(packet, key), key) == packet


@given(st.binary(max_size=200), KEYS)
def test_arbitrary_bytes_give_a_packet_or_a_remote_protocol_error(data, key):
    for decode in (stamp.decode_sender, stamp.decode_reflector):
        try:
            decode(data, key)
        except RemoteProtocolError:
            continue


@given(U32, U64, st.integers(0, 0x3FFF), U16)
def test_scapy_reads_our_requests_alike(sequence, t1, estimate, ssid):
    packet = SenderPacket(sequence=sequence, t1=t1, error_estimate=estimate, ssid=ssid)
    theirs = STAMPSessionSenderTestUnauthenticated(stamp.encode_sender(packet))
    assert (theirs.seq, theirs.ssid) == (sequence, ssid)
    said = theirs.err_estimate
    assert said.S << 15 | said.Z << 14 | said.scale << 8 | said.multiplier == estimate
    assert bytes(theirs)[:44] == stamp.encode_sender(packet)


@given(REPLIES)
def test_scapy_reads_our_replies_alike(packet):
    octets = stamp.encode_reflector(packet)[:44]
    theirs = STAMPSessionReflectorTestUnauthenticated(octets)
    assert (theirs.seq, theirs.seq_sender) == (packet.sequence, packet.sender_sequence)
    assert theirs.ssid == packet.ssid
    assert theirs.ttl_sender == (255 if packet.sender_ttl is None else packet.sender_ttl)
    assert theirs.getfieldval("err_estimate").multiplier == packet.error_estimate & 0xFF


def test_we_read_what_scapy_builds():
    theirs = STAMPSessionReflectorTestUnauthenticated(seq=3, seq_sender=7, ssid=9, ttl_sender=60)
    packet = stamp.decode_reflector(bytes(theirs))
    assert (packet.sequence, packet.sender_sequence, packet.ssid) == (3, 7, 9)
    assert packet.sender_ttl == 60


@pytest.mark.parametrize("length", [38, 40])
def test_a_reply_too_short_for_the_ttl_leaves_it_unknown(length):
    assert stamp.decode_reflector(OPEN_REPLY[:length]).sender_ttl is None


def test_a_ttl_of_255_is_unknown():
    assert stamp.decode_reflector(OPEN_REPLY[:40] + b"\xff").sender_ttl is None


@pytest.mark.parametrize("length", [14, 15])
def test_a_short_request_has_no_ssid(length):
    assert stamp.decode_sender(OPEN_REQUEST[:length]).ssid == 0


@pytest.mark.parametrize("bit", [0, 5, 40, 130, 300, 767, 768, 895])
def test_one_flipped_bit_is_seen(bit):
    changed = bytearray(SIGNED_REPLY)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RemoteProtocolError, match="HMAC"):
        stamp.decode_reflector(bytes(changed), KEY)


def test_a_field_that_does_not_fit_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        stamp.encode_sender(SenderPacket(sequence=2**32, t1=0, error_estimate=1))


def test_nothing_beyond_a_short_request_is_reflected():
    buffer = np.full((1, 112), 0xAA, np.uint8)
    buffer[0, :14] = np.frombuffer(OPEN_REQUEST[:14], np.uint8)
    stamp.write_reflector_packets(
        buffer,
        np.array([14]),
        sequence=np.array([3], np.uint32),
        receive_wall_ns=np.array([T2_NS]),
        transmit_wall_ns=T3_NS,
        error_estimate=0x8F96,
        ttl=np.array([63], np.uint8),
    )
    assert buffer[0, :44].tobytes() == OPEN_REPLY[:14] + bytes(2) + OPEN_REPLY[16:]


@pytest.mark.parametrize("size", [44, 47, 48, 64, 67, 68, 1400])
def test_a_request_of_any_size_is_a_chain_of_sound_tlvs(size):
    buffer = np.full((1, size), 0xAA, np.uint8)
    stamp.write_sender_packets(
        buffer, np.zeros(1, np.uint32), np.zeros(1, np.int64), 1, follow_up=size >= 64
    )
    end = 44 + 20 * (size >= 64)
    if size - end >= 4 or size == end:
        tlvs = decode_tlvs(buffer[0, 44:].tobytes())
        assert not any(tlv.malformed for tlv in tlvs)
    assert stamp.read_sender_packets(buffer, np.array([size])).plain[0]
