"""What chronyd says of this machine's clock: its command protocol, spoken without forking.

Request and reply are UDP datagrams to 127.0.0.1:323, open to every local user (chrony's candm.h,
protocol version 6; the request is padded to the length of the reply so that nobody can use
chronyd as an amplifier):

    request, 104 octets            reply, 104 octets
    0  version 6, type 1, 0, 0     0  version 6, type 2, 0, 0
    4  command 33 (tracking)       4  command 33, reply 5, status 0, 3 × 0
    6  attempt                     16 sequence, 2 × 0
    8  sequence, 2 × 0             28 reference id, address (20), stratum, leap, reference time
    20 zeros                       68 nine floats of chrony's own 32-bit format
"""

from __future__ import annotations

import math
import socket
import struct
from dataclasses import dataclass

from foundation.errors import RemoteProtocolError

CHRONY_ADDRESS = ("127.0.0.1", 323)
PACKET_BYTES = 104

_REQUEST = struct.Struct("!BBBBHHIII")
_REPLY_HEADER = struct.Struct("!BBBBHHHHHHIII")
_TRACKING = struct.Struct("!I16sHHHHIII9I")
_VERSION, _REQUEST_TYPE, _REPLY_TYPE = 6, 1, 2
_COMMAND_TRACKING, _REPLY_TRACKING = 33, 5
_LEAP_UNSYNCHRONISED = 3
_LOCAL_REFERENCE_ID = 0x7F7F0101  # 127.127.1.1: `local stratum`, a clock that trusts itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """chronyd's own account of its clock; seconds, as chrony keeps them."""

    reference_id: int
    stratum: int
    leap: int
    reference_time_ns: int
    offset_s: float
    root_delay_s: float
    root_dispersion_s: float
    update_interval_s: float
    skew_ppm: float

    def is_synchronised(self, wall_ns: int, longest_silence: float = 8.0) -> bool:
        """Return whether another clock than this machine's own disciplines it, and lately.

        `local stratum N` reports a root delay and dispersion of zero and would claim a perfect
        clock; it is not synchronised to anything (docs/concepts/measurement.md §4.1). Neither is a
        clock that was not updated for `longest_silence` update intervals.
        """
        if self.leap == _LEAP_UNSYNCHRONISED or self.reference_id in (0, _LOCAL_REFERENCE_ID):
            return False
        if self.update_interval_s <= 0:
            return False
        age_s = (wall_ns - self.reference_time_ns) / 1e9
        return age_s <= longest_silence * max(self.update_interval_s, 64.0)

    def bound_ns(self) -> float:
        """Return the bound on this clock's error, in nanoseconds.

        |offset| + root dispersion + root delay / 2 (chronyc(1), tracking); true as long as the
        stratum-1 clock at the root is right.
        """
        return (abs(self.offset_s) + self.root_dispersion_s + self.root_delay_s / 2) * 1e9


def tracking_request(sequence: int) -> bytes:
    """Return the 104 octets that ask chronyd for its tracking state."""
    head = _REQUEST.pack(_VERSION, _REQUEST_TYPE, 0, 0, _COMMAND_TRACKING, 0, sequence, 0, 0)
    return head.ljust(PACKET_BYTES, b"\0")


def read_tracking_reply(packet: bytes, sequence: int) -> Tracking:
    """Parse chronyd's answer. Raises RemoteProtocolError for anything else."""
    if len(packet) < _REPLY_HEADER.size + _TRACKING.size:
        raise RemoteProtocolError(
            f"chronyd's answer has {len(packet)} octets; {PACKET_BYTES} are needed.",
            f"chronyd 的应答只有 {len(packet)} 字节，应为 {PACKET_BYTES} 字节。",
        )
    version, kind, _, _, command, reply, status, *_, got, _, _ = _REPLY_HEADER.unpack_from(packet)
    expected = (_VERSION, _REPLY_TYPE, _COMMAND_TRACKING, _REPLY_TRACKING, 0, sequence)
    if (version, kind, command, reply, status, got) != expected:
        raise RemoteProtocolError(
            f"chronyd answered with version {version}, reply {reply}, status {status}: not the "
            f"requested tracking state.",
            f"chronyd 的应答为版本 {version}、类型 {reply}、状态 {status}，不是所请求的同步状态。",
        )
    fields = _TRACKING.unpack_from(packet, _REPLY_HEADER.size)
    reference_id, _, _, _, stratum, leap, high_s, low_s, nanoseconds = fields[:9]
    offset, _, _, _, _, skew, root_delay, root_dispersion, update_interval = map(
        float_of_chrony, fields[9:]
    )
    return Tracking(
        reference_id=reference_id,
        stratum=stratum,
        leap=leap,
        reference_time_ns=((high_s << 32 | low_s) * 1_000_000_000) + nanoseconds,
        offset_s=offset,
        root_delay_s=root_delay,
        root_dispersion_s=root_dispersion,
        update_interval_s=update_interval,
        skew_ppm=skew,
    )


def float_of_chrony(word: int) -> float:
    """Decode chrony's 32-bit float: 7 bits of exponent, 25 of coefficient, both signed."""
    exponent, coefficient = word >> 25, word & 0x1FFFFFF
    if exponent >= 1 << 6:
        exponent -= 1 << 7
    if coefficient >= 1 << 24:
        coefficient -= 1 << 25
    return math.ldexp(coefficient, exponent - 25)


def ask_chronyd(sequence: int, timeout_s: float = 0.2) -> Tracking | None:
    """Return chronyd's tracking state, or None where no chronyd answers on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(CHRONY_ADDRESS)
            link.send(tracking_request(sequence))
            return read_tracking_reply(link.recv(512), sequence)
        except OSError:
            return None
