"""How well this machine stamps packets: a short measurement of itself over loopback.

The recipe is that of RFC 7679 §3.7.3 (MEASUREMENT B.3): the median of many back-to-back delays is
the systematic error, the 2.5 … 97.5 percentile span about it the random one.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.addresses import pack_address
from probes.batch import BatchSocket
from probes.window import STAMPING

_PROBES = 300
_BATCH = 4  # small, so that packets do not queue behind each other
_PAYLOAD_BYTES = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was found. `stamping` is what was really delivered both ways ("none" if no packet came
    back); errors are those of one delay between two kernel stamps, NaN without packets.
    `error_ns` is e: the larger of systematic and random error."""

    stamping: str
    packets: int
    systematic_ns: float
    random_ns: float

    @property
    def error_ns(self) -> float:
        """Return e of RFC 7679 §3.7.3, without clock uncertainty."""
        return max(abs(self.systematic_ns), self.random_ns)


def calibrate(probes: int = _PROBES) -> Calibration:
    """Send datagrams to ourselves over loopback and judge their stamps; takes some 50 ms.

    Raises OSError where not even a loopback socket can be had.
    """
    with contextlib.ExitStack() as stack:
        pair = [_loopback_socket(stack) for _ in range(2)]
        address = pack_address("127.0.0.1", pair[1].sock.getsockname()[1])
        delay_ns, kind = _measure(pair[0], pair[1], address, probes)
    if not len(delay_ns):
        return Calibration(stamping="none", packets=0, systematic_ns=np.nan, random_ns=np.nan)
    low, middle, high = np.quantile(delay_ns, [0.025, 0.5, 0.975], method="inverted_cdf")
    return Calibration(
        stamping=STAMPING[int(kind.min())],
        packets=len(delay_ns),
        systematic_ns=float(middle),
        random_ns=float(max(middle - low, high - middle)),
    )


def _loopback_socket(stack: contextlib.ExitStack) -> BatchSocket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    batch = BatchSocket(sock, _BATCH, 64)
    stack.callback(batch.close)
    sock.bind(("127.0.0.1", 0))
    return batch


def _measure(
    sender: BatchSocket, receiver: BatchSocket, address: NDArray[np.uint8], probes: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the delays (transmit to receive stamp) and the worse stamping of each."""
    ring = sender.rings.send
    ring.address[:] = address
    ring.length[:] = _PAYLOAD_BYTES
    delays, kinds = [], []
    for turn in range(probes // _BATCH + 1):
        result = sender.send(_BATCH)
        stamps = sender.departures.read()
        received = receiver.receive()
        complete = len(received) == _BATCH and (len(stamps) in (0, _BATCH))
        if turn == 0 or not complete:
            continue  # the first packets may come before stamping is in force
        left_ns = stamps.stamp_ns if len(stamps) else result.before_ns
        delays.append(received.stamp_ns - left_ns)
        kinds.append(np.minimum(received.stamp_kind, 2 if len(stamps) else 1))
    if not delays:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    return np.concatenate(delays), np.concatenate(kinds).astype(np.uint8)
