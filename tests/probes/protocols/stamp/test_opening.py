"""What leaves through a channel of STAMP's Session-Sender, as the far end sees it."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from probes.addresses import pack_address
from probes.channels.codec import Outgoing
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.registry import protocol_of
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv

KEY = bytes(range(32))
IP_RECVTTL = 12
WALL_NS = 1_700_000_000_123_456_789
HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


def sent(
    family: int,
    host: str,
    payload_bytes: int,
    *,
    key: bytes | None = None,
    dscp: int = 0,
    seed: int = 1,
) -> tuple[bytes, int]:
    """Send one probe through its own channel; return it and the TTL it arrived with."""
    order = ChannelOrder(
        number=0,
        protocol=protocol_of("udp"),
        family=family,
        source=host,
        dscp=dscp,
        payload_bytes=payload_bytes,
        authenticated=key is not None,
    )
    channel = ChannelKit(np.random.default_rng(seed)).open_channel(order)
    assert channel.signs == (key is not None)
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.bind((host, 0))
        far.settimeout(60)
        if family == socket.AF_INET:
            far.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        else:
            far.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        address = pack_address(host, far.getsockname()[1])[None]
        session = np.zeros(1, np.int64)
        channel.set_peers(session, address)
        if key is not None:
            channel.use_keys(session, address, [key])
        probes = Outgoing(session, np.array([7]), np.zeros(1, np.uint64), WALL_NS, 0x8587)
        result, _ = channel.send(probes, address, session)
        assert not result.error.any()
        packet, messages, _, _ = far.recvmsg(2048, 256)
    channel.close()
    return packet, next(int(data[0]) for _, _, data in messages)


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=["IPv4", "IPv6"])
def test_probe_leaves_with_the_ttl_by_which_reflectors_count_hops(family: int, host: str) -> None:
    packet, ttl = sent(family, host, 44)
    assert ttl == 255
    said = stamp.decode_sender(packet)
    assert (said.sequence, said.error_estimate) == (7, 0x8587)
    assert abs(said.sent_wall_ns - WALL_NS) <= 1
    assert len(packet) == 44


def test_each_channel_has_a_session_identifier_of_its_own() -> None:
    """0 would be that of a sender of before RFC 8972."""
    ssids = {stamp.decode_sender(sent(*HOSTS[0], 44, seed=n)[0]).ssid for n in range(20)}
    assert 0 not in ssids
    assert len(ssids) > 15


def test_room_for_extensions_is_used_for_what_they_tell() -> None:
    kinds = {
        (payload_bytes, dscp): [
            tlv.type
            for tlv in stamp_tlv.decode_tlvs(
                stamp.decode_sender(sent(*HOSTS[0], payload_bytes, dscp=dscp)[0]).rest
            )
        ]
        for payload_bytes, dscp in ((44, 46), (64, 46), (72, 46), (72, 0))
    }
    follow_up, service = stamp_tlv.FOLLOW_UP_TELEMETRY, stamp_tlv.CLASS_OF_SERVICE
    assert kinds[44, 46] == []
    assert kinds[64, 46] == [follow_up]
    assert sorted(kinds[72, 46]) == sorted([follow_up, service])
    assert service not in kinds[72, 0]


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=["IPv4", "IPv6"])
def test_authenticated_probe_is_signed_under_its_key(family: int, host: str) -> None:
    packet, ttl = sent(family, host, 152, key=KEY)
    assert (len(packet), ttl) == (152, 255)
    assert stamp.is_genuine(packet, KEY)
    assert stamp.decode_sender(packet, KEY).sequence == 7
