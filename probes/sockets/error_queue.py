"""When packets left: TX timestamps from a socket's error queue, each under the key of its packet.

The same queue tells ICMP errors about packets of ours. Keys are of our choosing (SCM_TS_OPT_ID)
where the kernel has them; elsewhere the kernel counts, and is told to start afresh after a packet
that it refused, since kernels differ in whether such a packet uses up a number
(docs/concepts/measurement.md §3.4).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.causes import ORIGIN_ICMP, ORIGIN_ICMP6
from probes.sockets import control
from probes.sockets.ring import Ring

USER_TIMESTAMP, KERNEL_TIMESTAMP, HARDWARE_TIMESTAMP = 1, 2, 3  # indices into window.TIMESTAMPING
# SO_TIMESTAMPING (linux/net_tstamp.h): generation and reporting bits.
TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE = 1 << 1, 1 << 3, 1 << 4
_OPT_ID, _OPT_TSONLY = 1 << 7, 1 << 11
_RECEIVE_FLAGS = _RX_SOFTWARE | _SOFTWARE
_TRANSMIT_FLAGS = _RECEIVE_FLAGS | TX_SOFTWARE | _OPT_ID | _OPT_TSONLY
_MSG_DONTWAIT, _MSG_ERRQUEUE = 0x40, 0x2000
_ONE_CONTROL_BYTES = 192
_MOST_ICMP_ERRORS = 64  # batches of ICMP errors kept for the owner


@dataclass(frozen=True, slots=True)
class TxTimestamps:
    """When n packets left: `key` uint32[n], `timestamp_ns` int64[n] wall."""

    key: NDArray[np.uint32]
    timestamp_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class IcmpErrors:
    """n ICMP errors about packets of ours: `error` int32[n] the errno that stands for each, `word`
    uint32[n] its origin, type and code, `offender` uint8[n, 28] who said it (probes.causes),
    `address` uint8[n, 28] where the packet was bound for, `payload` uint8[n, 64] as much of it as
    was quoted, `length` int64[n]."""

    error: NDArray[np.int32]
    word: NDArray[np.uint32]
    offender: NDArray[np.uint8]
    address: NDArray[np.uint8]
    payload: NDArray[np.uint8]
    length: NDArray[np.int64]


_NO_TIMESTAMPS = TxTimestamps(np.zeros(0, np.uint32), np.zeros(0, np.int64))


class ErrorQueue:
    """The error queue of one socket, read through `ring`.

    `has_tx_timestamps` tells whether the kernel gives TX timestamps, `has_rx_timestamps` whether it
    gives RX timestamps; `chooses_keys` whether packets carry keys of ours. With `on_request` only
    packets that ask for it are timestamped.
    """

    def __init__(self, sock: socket.socket, ring: Ring, *, on_request: bool) -> None:
        self._sock, self._ring, self._fd = sock, ring, sock.fileno()
        self._key = 0  # of the next packet
        self._epoch_key = 0  # our key of the packet that the kernel numbered 0
        self._kept: list[TxTimestamps] = []  # read before a renumbering, not yet handed out
        self._handed_kept = False
        self._icmp_errors: list[IcmpErrors] = []
        self._flags = _TRANSMIT_FLAGS & ~(TX_SOFTWARE if on_request else 0)
        self.has_tx_timestamps = self.has_rx_timestamps = self.chooses_keys = False
        with contextlib.suppress(OSError):  # where the system refuses, user-space timestamps remain
            self._ask_for(self._flags)
            self.has_tx_timestamps = self.has_rx_timestamps = True
            self.chooses_keys = _kernel_takes_keys()
        if not self.has_tx_timestamps:
            with contextlib.suppress(OSError):
                self._ask_for(_RECEIVE_FLAGS)
                self.has_rx_timestamps = True

    def _ask_for(self, flags: int) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, control.SO_TIMESTAMPING, flags)

    def next_keys(self, count: int, timestamped: NDArray[np.bool_] | None) -> NDArray[np.uint32]:
        """Return the key of each packet. A kernel that numbers by itself counts
        timestamped ones.
        """
        if timestamped is None or self.chooses_keys:
            number = np.arange(count)
            used = count
        else:
            number = np.cumsum(timestamped) - 1
            used = int(np.count_nonzero(timestamped))
        key = (self._key + number).astype(np.uint32)
        self._key = (self._key + used) & 0xFFFFFFFF
        return key

    def next_key(self) -> int:
        """Return the key of one packet that is to be timestamped."""
        key = self._key
        self._key = (key + 1) & 0xFFFFFFFF
        return key

    def renumber(
        self,
        key: NDArray[np.uint32],
        error: NDArray[np.int32],
        timestamped: NDArray[np.bool_] | None,
    ) -> NDArray[np.uint32]:
        """Return keys as the kernel counted them, and let its counting start afresh.

        Refused packets usually use up no number; toggling OPT_ID sets the counter to 0, so
        a guess that is wrong here is wrong for this batch alone.
        """
        sent = error == 0
        first = int(key[0]) if len(key) else 0
        if timestamped is not None:
            first += not timestamped[0]  # one without a timestamp has the key before the next
            sent &= timestamped
        counted = (first + np.cumsum(sent) - 1).astype(np.uint32)
        while len(timestamps := self._read_batch()):
            self._kept.append(timestamps)
        self._ask_for(_RECEIVE_FLAGS)
        self._ask_for(self._flags)
        self._epoch_key = self._key
        return counted

    @property
    def has_kept(self) -> bool:
        """Tell whether timestamps read early wait to be handed out, or the queue may hold more."""
        return bool(self._kept) or self._handed_kept

    def read(self) -> TxTimestamps:
        """Return timestamps that have come back, a batch of them; never waits."""
        self._handed_kept = bool(self._kept)
        if self._kept:
            return self._kept.pop(0)
        return self._read_batch()

    def read_one(self) -> tuple[int, int] | None:
        """Return (key, wall nanoseconds) of one timestamp, None if none has come back.

        For sockets that do not ask for ICMP errors: those would be left out.
        """
        try:
            _, messages, _, _ = self._sock.recvmsg(
                0, _ONE_CONTROL_BYTES, _MSG_ERRQUEUE | _MSG_DONTWAIT
            )
        except BlockingIOError:
            return None
        said = control.read_tx_timestamp(messages)
        return said and ((said[0] + self._epoch_key) & 0xFFFFFFFF, said[1])

    def _read_batch(self) -> TxTimestamps:
        """Read up to a ring's capacity from the error queue."""
        ring = self._ring
        count = ring.receive(self._fd, _MSG_ERRQUEUE)
        if not count:
            return _NO_TIMESTAMPS
        said = control.read_control(ring.control[:count], ring.messages["controllen"][:count])
        good = (said.origin & 0xFF == control.ORIGIN_TIMESTAMPING) & (said.software_ns != 0)
        key, timestamp_ns = said.key, said.software_ns
        if not good.all():
            self._keep_icmp_errors(count, said)
            key, timestamp_ns = key[good], timestamp_ns[good]
        if self._epoch_key:
            key = (key.astype(np.uint64) + np.uint64(self._epoch_key)).astype(np.uint32)
        return TxTimestamps(key, timestamp_ns)

    def _keep_icmp_errors(self, count: int, said: control.ControlColumns) -> None:
        """Set aside ICMP errors; they share the error queue with TX timestamps."""
        ring = self._ring
        origin = said.origin & 0xFF
        told = (origin == ORIGIN_ICMP) | (origin == ORIGIN_ICMP6)
        place = np.flatnonzero(told)
        if len(place) and len(self._icmp_errors) < _MOST_ICMP_ERRORS:
            self._icmp_errors.append(
                IcmpErrors(
                    error=said.error_number[place].astype(np.int32),
                    word=said.origin[place],
                    offender=control.read_offenders(
                        ring.control[:count][place], ring.messages["controllen"][:count][place]
                    ),
                    address=ring.address[:count][place],
                    payload=ring.payload[:count][place],
                    length=ring.messages["length"][:count][place].astype(np.int64),
                )
            )

    def take_icmp_errors(self) -> list[IcmpErrors]:
        """Return the ICMP errors that came with the timestamps read so far."""
        taken, self._icmp_errors = self._icmp_errors, []
        return taken


_takes_keys: bool | None = None


def _kernel_takes_keys() -> bool:
    """Tell whether this kernel knows SCM_TS_OPT_ID (Linux 6.13); tried once on loopback."""
    global _takes_keys
    if _takes_keys is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind(("127.0.0.1", 0))
            trial.setsockopt(socket.SOL_SOCKET, control.SO_TIMESTAMPING, _TRANSMIT_FLAGS)
            message = (control.SOL_SOCKET, control.SCM_TS_OPT_ID, struct.pack("=I", 7))
            try:
                trial.sendmsg([b""], [message], 0, trial.getsockname())
                _takes_keys = True
            except OSError:
                _takes_keys = False
    return _takes_keys
