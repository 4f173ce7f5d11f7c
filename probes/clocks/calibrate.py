"""How well this machine timestamps packets: a short measurement of itself over loopback.

The recipe is that of RFC 7679 §3.7.3 (docs/concepts/measurement.md §2.3): the median of many
back-to-back delays is the systematic error, the 2.5 … 97.5 percentile span about it the random one.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.addresses import pack_address
from probes.sockets.batch import BatchSocket
from probes.sockets.error_queue import KERNEL_TIMESTAMP, USER_TIMESTAMP
from probes.window import TIMESTAMPING

_PROBES = 300
_BATCH = 4  # small, so that packets do not queue behind each other
_PAYLOAD_BYTES = 44
_WARM_UP_S = 0.5
_ARRIVAL_MS = 100  # a busy machine may leave packets in its backlog for so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was found. `timestamping` is what was really delivered both ways ("none" if no packet
    came back); errors are those of one delay between two kernel timestamps, NaN without packets.
    `error_ns` is e: the larger of systematic and random error."""

    timestamping: str
    packets: int
    systematic_ns: float
    random_ns: float

    @property
    def error_ns(self) -> float:
        """Return e of RFC 7679 §3.7.3, without clock uncertainty."""
        return max(abs(self.systematic_ns), self.random_ns)


def calibrate(probes: int = _PROBES) -> Calibration:
    """Send datagrams to ourselves over loopback and judge their timestamps; takes some 50 ms.

    Raises OSError where not even a loopback socket can be had.
    """
    with contextlib.ExitStack() as stack:
        pair = [_loopback_socket(stack) for _ in range(2)]
        address = pack_address("127.0.0.1", pair[1].sock.getsockname()[1])
        delay_ns, kind = _measure(pair[0], pair[1], address, probes)
    if not len(delay_ns):
        return Calibration(timestamping="none", packets=0, systematic_ns=np.nan, random_ns=np.nan)
    low, middle, high = np.quantile(delay_ns, [0.025, 0.5, 0.975], method="inverted_cdf")
    return Calibration(
        timestamping=TIMESTAMPING[int(kind.min())],
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
    """Return the delays (transmit to RX timestamp) and the worse timestamp of each."""
    ring = sender.rings.send
    ring.address[:] = address
    ring.length[:] = _PAYLOAD_BYTES
    number = _warmed_up(sender, receiver)
    delays, kinds = [], []
    for turn in range(number, number + -(-probes // _BATCH)):
        left_ns, timestamped = _send(sender, turn)
        arrived_ns, kind = _rx_timestamps(receiver, turn)
        if len(arrived_ns) == len(left_ns) == _BATCH:
            delays.append(arrived_ns - left_ns)
            kinds.append(np.minimum(kind, KERNEL_TIMESTAMP if timestamped else USER_TIMESTAMP))
    if not delays:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    return np.concatenate(delays), np.concatenate(kinds).astype(np.uint8)


def _warmed_up(sender: BatchSocket, receiver: BatchSocket) -> int:
    """Send until RX timestamps are in force, for a while; return the number of the next turn.

    The kernel turns them on for all sockets at once, in its own worker that may have to wait
    on a busy machine; so packets may arrive without timestamps for some time after they were
    requested.
    """
    give_up_s = time.monotonic() + _WARM_UP_S
    turn, in_force = 0, False
    while not in_force and time.monotonic() < give_up_s:
        _send(sender, turn)
        in_force = bool((_rx_timestamps(receiver, turn)[1] == KERNEL_TIMESTAMP).any())
        turn += 1
    return turn


def _send(sender: BatchSocket, turn: int) -> tuple[NDArray[np.int64], bool]:
    """Send a batch that carries its number; return when each packet left, and if the
    kernel says.
    """
    sender.rings.send.payload[:_BATCH, :4].view("<u4")[:] = turn
    result = sender.send(_BATCH)
    timestamps = sender.error_queue.read()
    if not sender.error_queue.has_tx_timestamps:
        return np.full(_BATCH, result.before_ns, np.int64), False
    return timestamps.timestamp_ns[np.isin(timestamps.key, result.key)], True


def _rx_timestamps(receiver: BatchSocket, turn: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return when the packets of a batch arrived, and how that is known; waits for them a while."""
    found: list[tuple[NDArray[np.int64], NDArray[np.uint8]]] = []
    poll = select.poll()
    poll.register(receiver.fileno(), select.POLLIN)
    while sum(len(timestamps) for timestamps, _ in found) < _BATCH and poll.poll(_ARRIVAL_MS):
        received = receiver.receive()
        own = received.payload[:, :4].view("<u4")[:, 0] == turn
        found.append((received.timestamp_ns[own], received.timestamp_kind[own]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    timestamp_ns, kind = zip(*found, strict=True)
    return np.concatenate(timestamp_ns), np.concatenate(kind)
