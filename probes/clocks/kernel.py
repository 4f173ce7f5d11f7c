"""The kernel's own bound on this machine's clock: adjtimex(2), asked without changing anything.

struct timex, LP64, 208 octets: modes i32@0 … maxerror i64@24 (µs), esterror i64@32 (µs), status
i32@40. The call answers TIME_ERROR (5), or sets STA_UNSYNC, while nothing disciplines the clock.
`maxerror` grows by 500 µs per second between the updates of a time daemon, so it is a bound, if a
pessimistic one (docs/concepts/measurement.md §4.1): but only if the daemon set it to what it knew.
systemd-timesyncd sets `maxerror` and `esterror` to 0, phc2sys sets `maxerror` to 0 and leaves
`esterror` at the kernel's 16 s: they only mean "synchronised", and would seem exact just after an
update. chronyd and ntpd set both, and an expected error lies between 0 and the greatest one.
"""

from __future__ import annotations

import ctypes
import math
import struct

TIMEX_BYTES = 208
_MAX_ERROR_AT, _EXPECTED_ERROR_AT, _STATUS_AT = 24, 32, 40
_STA_UNSYNC = 0x40
_TIME_ERROR = 5


def bound_of_timex(timex: bytes, state: int) -> float:
    """Return the bound in nanoseconds from what adjtimex answered.

    NaN if not synchronised, and where no daemon has stated its errors.
    """
    (status,) = struct.unpack_from("=i", timex, _STATUS_AT)
    if state < 0 or state == _TIME_ERROR or status & _STA_UNSYNC:
        return math.nan
    (max_error_us,) = struct.unpack_from("=q", timex, _MAX_ERROR_AT)
    (expected_error_us,) = struct.unpack_from("=q", timex, _EXPECTED_ERROR_AT)
    return max_error_us * 1_000.0 if 0 < expected_error_us <= max_error_us else math.nan


def kernel_clock_bound_ns() -> float:
    """Ask the kernel; NaN where the clock is not synchronised or the kernel will not say."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # modes = 0: read only
    try:
        state = ctypes.CDLL(None).adjtimex(timex)
    except (AttributeError, OSError):
        return math.nan
    return bound_of_timex(timex.raw, state)
