"""Follow-Up Telemetry and Extra Padding TLVs (RFC 8972) of STAMP packets, by the thousand."""

import numpy as np

from probes.stamp import packet as stamp
from probes.stamp.timestamps import ntp64_to_wall_ns
from tests.probes.stamp.test_packet import T1_NS, T3_NS


def test_a_follow_up_comes_back_through_both_codecs():
    buffer = np.zeros((2, 80), np.uint8)
    numbers = np.arange(2, dtype=np.uint32)
    stamp.write_sender_packets(buffer, numbers, np.full(2, T1_NS), 0x8EC8, follow_up=True)
    length = np.full(2, 80)
    asked = stamp.read_sender_packets(buffer, length)
    assert asked.follow_up.all()
    assert asked.plain.all()
    assert not stamp.read_reflector_packets(buffer, length).follow_up_valid.any()  # U is set
    stamp.accept_padding(buffer, asked.plain, asked.follow_up)
    stamp.write_follow_up(
        buffer,
        np.array([0, 1]),
        sequence=np.array([5, 6], np.uint32),
        wall_ns=np.array([0, T3_NS]),
        method=2,
    )
    told = stamp.read_reflector_packets(buffer, length)
    assert told.follow_up_valid.tolist() == [False, True]  # row 0: not known yet
    assert told.follow_up_sequence.tolist() == [0, 6]
    assert told.follow_up_wall_ns[1] == T3_NS
    assert ntp64_to_wall_ns(int.from_bytes(buffer[1, 52:60].tobytes(), "big")) == T3_NS
