"""STAMP as the engine sends it."""

import numpy as np
from codec_packets import outgoing

from probes.protocols.stamp.codec import StampCodec


def test_stamp_requests_of_one_batch_differ_in_their_timestamps() -> None:
    packets = np.zeros((512, 44), np.uint8)
    check = StampCodec(44, 1).write(packets, outgoing(512))
    assert len(np.unique(check)) == 512
