"""Packets and probes as codecs are given them."""

from __future__ import annotations

import numpy as np

from probes.addresses import ADDRESS_BYTES
from probes.channels.codec import Outgoing
from probes.protocols.stamp.authenticated import AuthenticatedCodec
from probes.sockets.batch import Received

KEY = bytes(range(32))
WIDTH = 256


def rows(packets: list[bytes], width: int) -> tuple[np.ndarray, np.ndarray]:
    memory = np.zeros((len(packets), width), np.uint8)
    for row, packet in enumerate(packets):
        cut = packet[:width]
        memory[row, : len(cut)] = np.frombuffer(cut, np.uint8)
    return memory, np.array([min(len(packet), width) for packet in packets], np.int64)


def received(packets: list[bytes]) -> Received:
    payload, length = rows(packets, WIDTH)
    count = len(packets)
    return Received(
        payload=payload,
        length=length,
        timestamp_ns=np.zeros(count, np.int64),
        timestamp_kind=np.zeros(count, np.uint8),
        ttl=np.zeros(count, np.uint8),
        tos=np.zeros(count, np.int16),
        address=np.zeros((count, ADDRESS_BYTES), np.uint8),
        truncated=np.zeros(count, np.bool_),
        destination=np.zeros((count, 16), np.uint8),
    )


def outgoing(count: int) -> Outgoing:
    number = np.arange(count)
    return Outgoing(number, number + 1, number.astype(np.uint64), 1_700_000_000_123_456_789, 0x8EC8)


def under_key(payload_bytes: int, ssid: int, *keys: bytes, sessions: int = 1) -> AuthenticatedCodec:
    """A codec whose peer is the one that `received` names, told of keys one after another."""
    codec = AuthenticatedCodec(payload_bytes, ssid)
    for key in keys or (KEY,):
        address = np.zeros((sessions, ADDRESS_BYTES), np.uint8)
        codec.use_keys(np.arange(sessions), address, [key] * sessions)
    return codec
