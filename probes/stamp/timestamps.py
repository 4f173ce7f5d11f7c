"""Timestamps and Error Estimates as they are in STAMP, TWAMP and OWAMP packets.

Inside, a moment is an integer of nanoseconds since 1970-01-01 UTC. On the wire it is one of

    NTP-64 (Z = 0)             32 bits of seconds since 1900 UTC │ 32 bits of binary fraction
    PTPv2 truncated (Z = 1)    32 bits of seconds since 1970 TAI │ 32 bits of nanoseconds

and its quality is an Error Estimate of 16 bits (RFC 4656 §4.1.2, RFC 8186 §2.3):

    ┌─┬─┬───────────┬───────────────┐   S  synchronised to UTC by an outside source
    │S│Z│   Scale   │  Multiplier   │   Z  format of the timestamps it is about
    └─┴─┴───────────┴───────────────┘   error = Multiplier · 2^(Scale − 32) seconds

Never through floating point: today a float of seconds is 238 ns coarse. Writing NTP-64 cuts, as
clocks do, and reading rounds to the nearest nanosecond: so a round trip is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foundation.errors import LocalProtocolError, RemoteProtocolError

NTP_UNIX_OFFSET_S = 2_208_988_800  # 1900-01-01 to 1970-01-01 (RFC 868)
# NTP seconds below the pivot belong to era 1, which begins at 2036-02-07 06:28:16 UTC: what is
# read lies in 1968–2104.
NTP_ERA_PIVOT_S = 0x8000_0000
# PTP counts TAI. TAI has been 37 s ahead of UTC since 2017-01-01, and no leap second may be
# scheduled without half a year's notice (IERS Bulletin C). Both sides of an exchange must use the
# same figure: mixing scales gives a "delay" of 37 s.
TAI_MINUS_UTC_S = 37
# S = 0 with the greatest error that can be said: "I do not know".
ERROR_ESTIMATE_UNKNOWN = 0x3FFF

_S_BIT = 0x8000
_Z_BIT = 0x4000
_NS_PER_S = 1_000_000_000
_LOW_32 = 0xFFFF_FFFF
_SCALE_NS = np.ldexp(1e9, np.arange(64) - 32)  # what a multiplier of 1 says, by scale


def wall_ns_to_ntp64(wall_ns: int) -> int:
    """Return the NTP-64 timestamp of a moment, cut to 2^-32 s (0.23 ns)."""
    seconds, nanoseconds = divmod(wall_ns, _NS_PER_S)
    fraction = (nanoseconds << 32) // _NS_PER_S
    return ((seconds + NTP_UNIX_OFFSET_S) & _LOW_32) << 32 | fraction


def ntp64_to_wall_ns(timestamp: int) -> int:
    """Return the moment of an NTP-64 timestamp; eras are told apart by the pivot of 2036."""
    seconds, fraction = timestamp >> 32, timestamp & _LOW_32
    era = 0 if seconds >= NTP_ERA_PIVOT_S else 1 << 32
    return (seconds + era - NTP_UNIX_OFFSET_S) * _NS_PER_S + ((fraction * _NS_PER_S + 2**31) >> 32)


def wall_ns_to_ptp64(wall_ns: int) -> int:
    """Return the truncated PTPv2 timestamp (TAI) of a moment."""
    seconds, nanoseconds = divmod(wall_ns, _NS_PER_S)
    return ((seconds + TAI_MINUS_UTC_S) & _LOW_32) << 32 | nanoseconds


def ptp64_to_wall_ns(timestamp: int) -> int:
    """Return the moment of a truncated PTPv2 timestamp (TAI).

    Raises RemoteProtocolError when its nanoseconds are a whole second or more.
    """
    seconds, nanoseconds = timestamp >> 32, timestamp & _LOW_32
    if nanoseconds >= _NS_PER_S:
        raise RemoteProtocolError(
            f"a PTP timestamp says {nanoseconds} ns within one second",
            f"PTP 时间戳的秒内纳秒数为 {nanoseconds}，超出一秒",
        )
    return (seconds - TAI_MINUS_UTC_S) * _NS_PER_S + nanoseconds


def wall_ns_to_timestamp(wall_ns: int, error_estimate: int) -> int:
    """Return the timestamp of a moment in the format that the estimate's Z bit names."""
    return wall_ns_to_ptp64(wall_ns) if error_estimate & _Z_BIT else wall_ns_to_ntp64(wall_ns)


def timestamp_to_wall_ns(timestamp: int, error_estimate: int) -> int:
    """Return the moment of a timestamp in the format that the estimate's Z bit names.

    Raises RemoteProtocolError for a malformed PTP timestamp.
    """
    return ptp64_to_wall_ns(timestamp) if error_estimate & _Z_BIT else ntp64_to_wall_ns(timestamp)


def wall_ns_to_ntp64_array(wall_ns: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the NTP-64 timestamps of moments. Any shape."""
    seconds = wall_ns // _NS_PER_S
    nanoseconds = (wall_ns - seconds * _NS_PER_S).astype(np.uint64)
    fraction = (nanoseconds << np.uint64(32)) // np.uint64(_NS_PER_S)
    high = ((seconds + NTP_UNIX_OFFSET_S) & _LOW_32).astype(np.uint64)
    return high << np.uint64(32) | fraction


def ntp64_to_wall_ns_array(timestamp: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the moments of NTP-64 timestamps. Any shape."""
    seconds = (timestamp >> np.uint64(32)).astype(np.int64)
    fraction = timestamp & np.uint64(_LOW_32)
    # At most 2^32 · 10^9 + 2^31 < 2^63: no overflow.
    nanoseconds = ((fraction * np.uint64(_NS_PER_S) + np.uint64(2**31)) >> np.uint64(32)).astype(
        np.int64
    )
    seconds += np.where(seconds >= NTP_ERA_PIVOT_S, 0, 1 << 32) - NTP_UNIX_OFFSET_S
    moment: NDArray[np.int64] = seconds * _NS_PER_S + nanoseconds
    return moment


def wall_ns_to_ptp64_array(wall_ns: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the truncated PTPv2 timestamps (TAI) of moments. Any shape."""
    seconds = wall_ns // _NS_PER_S
    nanoseconds = (wall_ns - seconds * _NS_PER_S).astype(np.uint64)
    high = ((seconds + TAI_MINUS_UTC_S) & _LOW_32).astype(np.uint64)
    return high << np.uint64(32) | nanoseconds


def timestamps_to_wall_ns_array(
    timestamp: NDArray[np.uint64], ptp: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the moments of timestamps in either format, and which of them are well formed.

    `timestamp` and `ptp` (the Z bit of the Error Estimate that goes with each) have one shape. An
    NTP-64 timestamp is always well formed; a PTP timestamp of ≥ 10^9 ns is not.
    """
    moment = ntp64_to_wall_ns_array(timestamp)
    valid = np.ones(timestamp.shape, np.bool_)
    if ptp.any():  # almost never: Linux peers send NTP-64
        nanoseconds = (timestamp & np.uint64(_LOW_32)).astype(np.int64)
        seconds = (timestamp >> np.uint64(32)).astype(np.int64) - TAI_MINUS_UTC_S
        moment = np.where(ptp, seconds * _NS_PER_S + nanoseconds, moment)
        valid = ~ptp | (nanoseconds < _NS_PER_S)
    return moment, valid


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEstimate:
    """A decoded Error Estimate. `error_ns` is NaN where the multiplier is 0, which is invalid."""

    error_ns: float
    synchronised: bool
    ptp: bool


def encode_error_estimate(error_ns: float, *, synchronised: bool = True, ptp: bool = False) -> int:
    """Return the 16 bits that claim no less than `error_ns` and at most 1/128 more.

    NaN or infinity (the bound of our clock is not known) gives the greatest error with S = 0,
    whatever `synchronised` says. The multiplier is never 0: RFC 4656 §4.1.2 forbids it, so the
    least error that can be said is 2^-32 s. Raises LocalProtocolError for a negative error.
    """
    z_bit = _Z_BIT if ptp else 0
    if not math.isfinite(error_ns):
        return ERROR_ESTIMATE_UNKNOWN | z_bit
    if error_ns < 0:
        raise LocalProtocolError(
            f"an error estimate cannot be negative: {error_ns} ns",
            f"误差估计不能为负：{error_ns} 纳秒",
        )
    units = Fraction(error_ns) * 2**32 / _NS_PER_S
    scale = 0
    multiplier = max(1, math.ceil(units))
    while multiplier > 0xFF:
        scale += 1
        multiplier = math.ceil(units / 2**scale)
    if scale > 0x3F:
        return ERROR_ESTIMATE_UNKNOWN | z_bit
    return (_S_BIT if synchronised else 0) | z_bit | scale << 8 | multiplier


def decode_error_estimate(estimate: int) -> ErrorEstimate:
    """Return what 16 bits of Error Estimate say."""
    scale, multiplier = estimate >> 8 & 0x3F, estimate & 0xFF
    error_ns = math.ldexp(multiplier, scale - 32) * 1e9 if multiplier else math.nan
    return ErrorEstimate(
        error_ns=error_ns,
        synchronised=bool(estimate & _S_BIT) and multiplier != 0,
        ptp=bool(estimate & _Z_BIT),
    )


def error_ns_of_array(estimate: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the claimed errors in nanoseconds; NaN where the multiplier is 0. Any shape."""
    multiplier = estimate & 0xFF
    error_ns = _SCALE_NS[estimate >> 8 & 0x3F] * multiplier
    return np.where(multiplier > 0, error_ns, np.nan)


def synchronised_array(estimate: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return which estimates claim a synchronised clock (S = 1) and are valid. Any shape."""
    synchronised: NDArray[np.bool_] = ((estimate & _S_BIT) != 0) & ((estimate & 0xFF) != 0)
    return synchronised


def ptp_array(estimate: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return which estimates are about PTP timestamps (Z = 1). Any shape."""
    ptp: NDArray[np.bool_] = (estimate & _Z_BIT) != 0
    return ptp
