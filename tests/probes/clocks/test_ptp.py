"""pmc's text: read, refused, and turned into a bound."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from probes.clocks.ptp import PtpStatus, read_pmc

# As linuxptp 3.1.1 prints it.
LOCKED = """sending: GET TIME_STATUS_NP
\t507c6f.fffe.1c0b2e-0 seq 0 RESPONSE MANAGEMENT TIME_STATUS_NP
\t\tmaster_offset              -103
\t\tingress_time               1594000000000000000
\t\tcumulativeScaledRateOffset +0.000000000
\t\tscaledLastGmPhaseChange    0
\t\tgmTimeBaseIndicator        0
\t\tlastGmPhaseChange          0x0000'0000000000000000.0000
\t\tgmPresent                  true
\t\tgmIdentity                 507c6f.fffe.1c0b2d
sending: GET CURRENT_DATA_SET
\t507c6f.fffe.1c0b2e-0 seq 1 RESPONSE MANAGEMENT CURRENT_DATA_SET
\t\tstepsRemoved     1
\t\toffsetFromMaster -103.0
\t\tmeanPathDelay    2550.0
sending: GET PARENT_DATA_SET
\t507c6f.fffe.1c0b2e-0 seq 2 RESPONSE MANAGEMENT PARENT_DATA_SET
\t\tgm.ClockClass                         6
\t\tgm.ClockAccuracy                      0x21
\t\tgm.OffsetScaledLogVariance            0x4e5d
sending: GET PORT_DATA_SET
\t507c6f.fffe.1c0b2e-1 seq 3 RESPONSE MANAGEMENT PORT_DATA_SET
\t\tportState               SLAVE
\t\tlogMinDelayReqInterval  0
"""


def test_a_locked_clock_is_synchronised_and_bounded_by_all_that_can_be_wrong() -> None:
    status = read_pmc(LOCKED)
    assert status.is_synchronised()
    assert status.bound_ns() == pytest.approx(103 + 100 + 2550)


def test_an_owner_who_knows_the_asymmetry_gets_a_tighter_bound() -> None:
    assert read_pmc(LOCKED).bound_ns(asymmetry_ns=200) == pytest.approx(103 + 100 + 100)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gmPresent                  true", "gmPresent                  false"),
        ("SLAVE", "UNCALIBRATED"),
        ("gm.ClockClass                         6", "gm.ClockClass                         248"),
        ("gm.ClockClass                         6", "gm.ClockClass                         7"),
        ("0x21", "0xfe"),
    ],
    ids=["no grandmaster", "uncalibrated", "free running", "holdover", "accuracy unknown"],
)
def test_what_is_not_locked_to_a_primary_reference_is_unsynchronised(old: str, new: str) -> None:
    assert not read_pmc(LOCKED.replace(old, new)).is_synchronised()


def test_an_unknown_accuracy_gives_no_bound_rather_than_a_wrong_one() -> None:
    assert read_pmc(LOCKED.replace("0x21", "0xfe")).bound_ns() is None


def test_of_several_ports_the_slave_speaks_for_the_clock() -> None:
    text = LOCKED + "\t\tportState               LISTENING\n"
    assert read_pmc(text).port_state == "SLAVE"


def test_silence_of_ptp4l_is_an_error_that_says_what_to_check() -> None:
    with pytest.raises(RemoteProtocolError, match="is ptp4l running"):
        read_pmc("sending: GET TIME_STATUS_NP\n")


@given(st.text(max_size=400))
def test_arbitrary_text_is_a_status_or_a_protocol_error(text: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(read_pmc(text), PtpStatus)
