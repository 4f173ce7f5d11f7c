"""IP headers before what a raw socket hands over."""

from __future__ import annotations

import numpy as np
from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw

from probes.protocols.ip import after_ip_header


def test_ip_header_with_options_is_stepped_over() -> None:
    reply = bytes(ICMP(type=0, id=1, seq=2) / Raw(b"x" * 8))
    plain = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / Raw(reply))
    optioned = bytes([0x47]) + plain[1:20] + b"\x01" * 8 + reply  # header of 7 words
    rows = np.zeros((2, 80), np.uint8)
    for row, packet in enumerate((plain, optioned)):
        rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
    packets, length = after_ip_header(rows, np.array([len(plain), len(optioned)]))
    assert (packets[:, 0] == 0).all()
    assert length.tolist() == [len(reply), len(reply)]
    assert (packets[:, : len(reply)] == np.frombuffer(reply, np.uint8)).all()
