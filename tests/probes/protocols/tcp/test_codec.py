"""TCP SYN as the engine sends it: what acknowledges a probe."""

import socket
import struct

import numpy as np
import pytest
from codec_packets import outgoing, received

from probes.protocols.tcp.codec import SynCodec
from probes.sockets.opening import OpenSocket


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2, 300])
def test_only_the_acknowledgement_of_a_syn_tells_its_probe(off: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        codec = SynCodec(OpenSocket(sock, 0xBEEF), 0xFFFF_FE00)  # numbers wrap
        codec.use_addresses(np.full(4, 443, np.uint16), np.zeros(4, np.uint64))
        sent = outgoing(4)
        written = np.zeros((4, codec.bytes_a_probe), np.uint8)
        check = codec.write(written, sent)
    initial = written[:, 4:8].copy().view(">u4")[:, 0]
    answers = [
        struct.pack("!HHIIBBHHH", 443, 0xBEEF, 1, (number + 1 + off) & 0xFFFFFFFF, 80, 18, 9, 0, 0)
        for number in initial.tolist()
    ]
    said = codec.read(received(answers))
    assert said.valid.all()
    fits = (said.low_sequence == sent.sequence) & (said.check == check)
    assert fits.all() if off == 0 else not fits.any()
