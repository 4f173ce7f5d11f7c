"""Control messages (cmsg) of packets."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.sockets import control


def message(level: int, kind: int, data: bytes) -> bytes:
    raw = struct.pack("=Qii", 16 + len(data), level, kind) + data
    return raw.ljust((len(raw) + 7) // 8 * 8, b"\0")


def timestamp(seconds: int, nanoseconds: int) -> bytes:
    return message(1, 37, struct.pack("=6q", seconds, nanoseconds, 0, 0, 0, 0))


def read(*rows: bytes) -> control.ControlColumns:
    memory = np.zeros((len(rows), 192), np.uint8)
    for place, row in enumerate(rows):
        memory[place, : len(row)] = np.frombuffer(row, np.uint8)
    return control.read_control(memory, np.array([len(row) for row in rows], np.uint64))


def test_messages_are_found_in_any_order() -> None:
    ttl = message(0, 2, struct.pack("=i", 61))
    hops = message(41, 52, struct.pack("=i", 60))
    overflow = message(1, 40, struct.pack("=I", 9))
    said = read(timestamp(5, 6) + ttl, overflow + timestamp(7, 8) + hops, ttl, b"")
    assert said.software_ns.tolist() == [5_000_000_006, 7_000_000_008, 0, 0]
    assert said.ttl.tolist() == [61, 60, 61, 0]
    assert said.dropped.tolist() == [0, 9, 0, 0]
    alike = read(timestamp(5, 6) + ttl, timestamp(9, 1) + ttl)
    assert alike.software_ns.tolist() == [5_000_000_006, 9_000_000_001]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=192), min_size=1, max_size=5))
def test_arbitrary_control_bytes_raise_nothing(rows: list[bytes]) -> None:
    read(*rows)
