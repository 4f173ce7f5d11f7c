"""The kernel's word on its clock is read right, and an unsynchronised clock has no bound."""

import math
import struct

from probes.clocks.kernel import TIMEX_BYTES, bound_of_timex, kernel_clock_bound_ns


def timex(*, max_error_us: int, status: int, expected_error_us: int = 40) -> bytes:
    packet = bytearray(TIMEX_BYTES)
    struct.pack_into("=qq", packet, 24, max_error_us, expected_error_us)
    struct.pack_into("=i", packet, 40, status)
    return bytes(packet)


def test_bound_is_maxerror_of_a_synchronised_clock() -> None:
    assert bound_of_timex(timex(max_error_us=250, status=0x2001), 0) == 250_000.0


def test_unsynchronised_clock_has_no_bound() -> None:
    assert math.isnan(bound_of_timex(timex(max_error_us=250, status=0x40), 0))
    assert math.isnan(bound_of_timex(timex(max_error_us=250, status=0), 5))
    assert math.isnan(bound_of_timex(timex(max_error_us=250, status=0), -1))
    assert math.isnan(bound_of_timex(timex(max_error_us=0, status=0), 0))


def test_daemons_that_state_no_error_give_no_bound() -> None:
    # systemd-timesyncd two seconds after its update: synchronised, and both errors set to 0
    assert math.isnan(
        bound_of_timex(timex(max_error_us=1000, expected_error_us=0, status=0x2001), 0)
    )
    # phc2sys: the greatest error is set to 0, the expected one left as the kernel booted with it
    left = timex(max_error_us=1000, expected_error_us=16_000_000, status=0x2000)
    assert math.isnan(bound_of_timex(left, 0))


def test_kernel_answers_with_a_bound_or_none() -> None:
    bound_ns = kernel_clock_bound_ns()
    assert math.isnan(bound_ns) or bound_ns > 0
