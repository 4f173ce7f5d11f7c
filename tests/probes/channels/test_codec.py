"""Every codec of the engine on arbitrary and cut packets: an answer or nothing, never an error."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from codec_packets import WIDTH, received, rows, under_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.addresses import ADDRESS_BYTES
from probes.channels.codec import Codec
from probes.protocols.icmp.codec import EchoCodec
from probes.protocols.stamp.codec import StampCodec
from probes.protocols.tcp.codec import SynCodec
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket


@pytest.fixture(params=["echo", "stamp", "follow-up", "authenticated", "syn"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def codec(request: pytest.FixtureRequest, kind: str) -> Iterator[Codec]:
    with socket.socket(request.param, socket.SOCK_DGRAM) as sock:
        opened = OpenSocket(sock, 0xBEEF, with_ip_header=request.param == socket.AF_INET)
        made: dict[str, Codec] = {
            "echo": EchoCodec(opened, 44),
            "stamp": StampCodec(44, 1),
            "follow-up": StampCodec(64, 1),
            "authenticated": under_key(200, 1),
            "syn": SynCodec(opened, 7),
        }
        yield made[kind]


packets = st.lists(st.binary(max_size=WIDTH), min_size=1, max_size=6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(packets)
def test_arbitrary_packets_raise_nothing(codec: Codec, found: list[bytes]) -> None:
    said = codec.read(received(found))
    assert len(said.valid) == len(said.low_sequence) == len(said.check) == len(found)
    payload, length = rows(found, 64)
    address = np.zeros((len(found), ADDRESS_BYTES), np.uint8)
    nothing = np.zeros(len(found), np.int32)
    quoted = codec.quoted(
        IcmpErrors(nothing, nothing.view(np.uint32), address, address, payload, length)
    )
    assert len(quoted.known) == len(quoted.numbered) == len(quoted.low_sequence) == len(found)
