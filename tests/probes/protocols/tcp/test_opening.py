"""Sockets for SYNs: raw ones with their own port, and connections where those are refused."""

from __future__ import annotations

import errno
import select
import socket

import numpy as np
import pytest
from without_rights import without_rights

from foundation.errors import RightsError
from probes.addresses import socket_address
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.registry import protocol_of
from probes.protocols.tcp.opening import open_tcp

pytestmark = pytest.mark.network
HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
IDS = ["IPv4", "IPv6"]


def kind_of_channel(family: int, host: str) -> str:
    """Open a channel as an engine does; return its class."""
    order = ChannelOrder(
        number=1,
        protocol=protocol_of("tcp"),
        family=family,
        source=host,
        dscp=0,
        payload_bytes=0,
        authenticated=False,
    )
    channel = ChannelKit(np.random.default_rng(1)).open_channel(order)
    channel.close()
    return type(channel).__name__


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=IDS)
def test_source_port_is_ours_until_the_socket_is_closed(
    needs_raw_sockets: None, family: int, host: str
) -> None:
    """Else another program's connection could have it, and the kernel would reset our answers."""
    opened = open_tcp(family, host, 0)
    with socket.socket(family, socket.SOCK_STREAM) as other:
        with pytest.raises(OSError, match="in use") as caught:
            other.bind(socket_address(host, opened.mark))
        assert caught.value.errno == errno.EADDRINUSE
        opened.close()
        other.bind(socket_address(host, opened.mark))
    assert opened.with_ip_header == (family == socket.AF_INET)


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=IDS)
def test_only_segments_to_our_port_are_heard(
    needs_raw_sockets: None, family: int, host: str
) -> None:
    one, other = open_tcp(family, host, 0), open_tcp(family, host, 0)
    assert one.mark != other.mark
    with socket.socket(family, socket.SOCK_STREAM) as caller, pytest.raises(ConnectionRefusedError):
        caller.connect(socket_address(host, one.mark))  # its SYN is to our port
    assert select.select([one.sock], [], [], 60)[0]
    packet = one.sock.recv(2048)[20 if one.with_ip_header else 0 :]
    assert int.from_bytes(packet[2:4], "big") == one.mark
    assert not select.select([other.sock], [], [], 0)[0]
    one.close()
    other.close()


def test_without_rights_a_sentence_says_how_to_get_them() -> None:
    def refused() -> dict[str, object]:
        with pytest.raises(RightsError) as caught:
            open_tcp(socket.AF_INET, None, 0)
        text = caught.value.text
        return {"en": text.en, "zh": text.zh, "fields": dict(caught.value.fields)}

    told = without_rights(refused)
    assert "setcap cap_net_raw+ep" in told["en"]
    assert "原始套接字" in told["zh"]
    assert told["fields"] == {"protocol": "tcp"}


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=IDS)
def test_without_rights_connections_stand_in_for_syns(
    needs_raw_sockets: None, family: int, host: str
) -> None:
    assert kind_of_channel(family, host) == "BatchChannel"
    told = without_rights(lambda: {"kind": kind_of_channel(family, host)})
    assert told == {"kind": "ConnectChannel"}
