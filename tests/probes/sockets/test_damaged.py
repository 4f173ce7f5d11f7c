"""Packets that the kernel threw away because their checksums were wrong."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from probes.sockets.damaged import DamagedPackets

pytestmark = pytest.mark.network


def test_what_the_kernel_found_damaged_is_not_called_a_full_buffer(two_hosts) -> None:
    with two_hosts.inside(two_hosts.a):
        damage = DamagedPackets("Udp", socket.AF_INET)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hear:
            hear.bind(("127.0.0.1", 0))
            port = hear.getsockname()[1]
            datagram = struct.pack("!4H", 9, port, 12, 0x1234) + b"1234"  # a wrong checksum
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as say:
                say.sendto(datagram, ("127.0.0.1", 0))
            with contextlib.suppress(BlockingIOError):
                hear.recv(100, socket.MSG_DONTWAIT)
            assert damage.claim(5) == 1
            assert damage.claim(5) == 0
